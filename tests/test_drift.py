"""How new rows differ from those a model learned from."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mmfuse

Matrix = NDArray[np.float64]
MIXING = np.random.default_rng(9)
A, B = MIXING.normal(size=(3, 6)), MIXING.normal(size=(3, 5))


def rows(n: int, seed: int) -> dict[str, Matrix]:
    """Rows of two modalities that have three hidden variables in common."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 3))
    return {
        "image": hidden @ A + rng.normal(size=(n, 6)),
        "text": 100 * (hidden @ B + rng.normal(size=(n, 5))) + 1000,
    }


def drift(new: dict[str, Matrix], strategy: str = "pca", **more: Any) -> dict[str, Any]:
    normalize = more.pop("normalize", "zscore")
    model = mmfuse.fit(strategy, rows(2000, 0), normalize=normalize, **more).model
    assert model is not None
    found = mmfuse.apply(model, new, check_drift=True).summary.drift
    assert found is not None
    return found


STRATEGIES = ["pca", "mfa", "cca", "mcca", "gcca", "pls", "ajive"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("seed", range(1, 5))
def test_rows_of_the_same_kind_have_not_drifted(strategy: str, seed: int) -> None:
    found = drift(rows(500, seed), strategy)
    assert not found["drifted"]
    assert 0.75 < found["pairs"][0]["agreement"] < 1.25


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_encoder_that_broke_shows_in_the_correlations(strategy: str) -> None:
    new = rows(500, 1)
    new["text"] = np.random.default_rng(2).permutation(new["text"])  # the moments stay the same
    found = drift(new, strategy)
    assert [m["drifted"] for m in found["modalities"]] == [False, False]
    (pair,) = found["pairs"]
    assert pair["modalities"] == ("image", "text")
    assert pair["drifted"]
    assert abs(pair["agreement"]) < 0.2
    assert found["drifted"]


def test_columns_that_moved_are_named() -> None:
    new = rows(800, 1)
    new["text"][:, 3] += 2 * new["text"][:, 3].std()
    found = drift(new)
    image, text = found["modalities"]
    assert not image["drifted"]
    assert text["drifted"]
    name, step = text["columns"][0]
    old = rows(2000, 0)["text"][:, 3]
    assert name == "3"
    assert step == pytest.approx((new["text"][:, 3].mean() - old.mean()) / old.std(), rel=1e-5)
    steps = (new["text"].mean(0) - rows(2000, 0)["text"].mean(0)) / rows(2000, 0)["text"].std(0)
    assert text["moved"] == pytest.approx(np.sqrt((steps**2).mean()), rel=1e-5)
    assert text["chance"] == pytest.approx(np.sqrt(1 / 800 + 1 / 2000))


def test_a_spread_that_changed() -> None:
    new = rows(800, 1)
    new["image"] *= 2
    image, text = drift(new)["modalities"]
    assert image["drifted"]
    assert image["spread"] == pytest.approx(2, rel=0.1)
    assert text["spread"] == pytest.approx(1, rel=0.1)


def test_few_rows_tell_little() -> None:
    new = {name: x[:5] for name, x in rows(100, 3).items()}
    found = drift(new)
    assert not found["drifted"]


def test_correlations_after_a_normalisation_that_is_not_linear() -> None:
    found = drift(rows(500, 1), normalize="center,l2")
    assert not found["drifted"]
    assert len(found["pairs"]) == 1


def test_concat_knows_moments_only() -> None:
    new = rows(500, 1)
    new["image"] += 1
    found = drift(new, "concat")
    assert found["pairs"] == []
    assert [m["drifted"] for m in found["modalities"]] == [True, False]


def test_labels_are_not_needed_to_apply() -> None:
    labels = np.arange(2000) % 3
    found = drift(rows(500, 1), "lda", labels=labels)
    assert not found["drifted"]
    assert found["pairs"] == []  # of rows without labels its statistic knows nothing


def test_a_modality_that_is_not_there_has_not_drifted() -> None:
    found = drift({"image": rows(500, 1)["image"]})
    assert not found["drifted"]
    assert found["modalities"][1]["rows"] == 0


def test_columns_that_were_constant() -> None:
    old = rows(300, 0)
    old["image"][:, 0] = 4
    model = mmfuse.fit("pca", old).model
    assert model is not None
    found = mmfuse.apply(model, rows(300, 1), check_drift=True).summary.drift
    assert found is not None
    assert np.isfinite([m["moved"] for m in found["modalities"]]).all()


def test_on_the_command_line(here: Path, call: Any) -> None:
    for name, x in rows(2000, 0).items():
        np.save(f"{name}.npy", x)
    new = rows(500, 1)
    new["text"] = new["text"][::-1] + 500
    for name, x in new.items():
        np.save(f"new_{name}.npy", x)
    call(*["fit", "cca", "image.npy", "text.npy", "--normalize", "zscore", "-o", "m.safetensors"])
    line = ["apply", "m.safetensors", "image=new_image.npy", "text=new_text.npy", "-o", "o.npy"]
    done = call(*line, "--check-drift")
    assert done.code == 0
    lines = [one for one in done.err.splitlines() if one.startswith(("ok", "DRIFT"))]
    assert lines[0].startswith("ok     image ")
    assert lines[1].startswith("DRIFT  text ")
    assert "farthest: " in lines[1]
    assert lines[2].startswith("DRIFT  image, text")
    plain = Path("o.npy").read_bytes()
    assert call(*line).err.count("ok ") == 0
    assert Path("o.npy").read_bytes() == plain
    told = json.loads(call(*line, "--check-drift", "--json").out)
    assert told["drift"]["drifted"]
    assert json.loads(call(*line, "--json").out)["drift"] is None


def test_what_is_not_there_is_not_told_on_the_command_line(here: Path, call: Any) -> None:
    for name, x in rows(300, 0).items():
        np.save(f"{name}.npy", x)
    call("fit", "pca", "image.npy", "text.npy", "-o", "m.safetensors")
    done = call("apply", "m.safetensors", "image=image.npy", "-o", "o.npy", "--check-drift")
    assert done.code == 0, done.err
    (line,) = [one for one in done.err.splitlines() if "columns moved by" in one]
    assert line.startswith("ok    image ")
