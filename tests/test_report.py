"""What a model tells: energies, what is kept, correlations, chance, and its picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from suited import suited, suited_labels

import mmfuse
from mmfuse.core.registry import STRATEGIES, strategy_class
from mmfuse.errors import UsageError

Matrix = NDArray[np.float64]
N = 400


def blocks(seed: int = 0) -> dict[str, Matrix]:
    """Two modalities that have two hidden variables in common; the second is loud."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(N, 2))
    image = hidden @ rng.normal(size=(2, 5)) + rng.normal(size=(N, 5)) + 3
    text = 10 * (hidden @ rng.normal(size=(2, 4)) + rng.normal(size=(N, 4)))
    return {"image": image, "text": text}


def labels(strategy: str) -> Any:
    return np.arange(N) % 3 if strategy_class(strategy).supervised else None


def model(strategy: str, **more: Any) -> mmfuse.Model:
    more = {"labels": labels(strategy), "dtype": "float64", **more}
    found = mmfuse.fit(strategy, blocks(), **more).model
    assert found is not None
    return found


def r_squared(x: Matrix, z: Matrix) -> float:
    """The share of the variance of the columns of x that a regression on z explains."""
    x, z = x - x.mean(0), z - z.mean(0)
    left = x - z @ np.linalg.lstsq(z, x, rcond=None)[0]
    return float(1 - (left**2).sum() / (x**2).sum())


EVERY = {name: strategy_class(name) for name in STRATEGIES.modules}
LEARNED = [name for name, one in EVERY.items() if one.learns and not one().predicts]
PREDICTING = [name for name, one in EVERY.items() if one().predicts]


@pytest.mark.parametrize("strategy", PREDICTING)
def test_of_what_is_predicted_there_are_no_components(
    strategy: str, tmp_path: Path, call: Any
) -> None:
    given = {name: suited(strategy, x[:, :4]) for name, x in blocks().items()}
    place, numbers = tmp_path / "m.safetensors", suited_labels(strategy, np.arange(N))
    found = mmfuse.fit(strategy, given, place, labels=numbers).model
    assert found is not None
    told = mmfuse.explain(found)
    assert (told.components, told.spectrum, told.chance, told.measure) == ([], [], None, "")
    for m, x in zip(told.modalities, given.values(), strict=True):
        assert (m.kept, m.rows) == (None, N)
        assert m.energy == pytest.approx((x**2).sum() / N)
    shown = call("inspect", place)
    assert (shown.code, shown.err) == (0, "")
    assert all(name in shown.out for name in given)


@pytest.mark.parametrize("strategy", LEARNED)
def test_what_is_kept_is_what_a_regression_explains(strategy: str) -> None:
    fused = mmfuse.fuse(strategy, blocks(), labels=labels(strategy), dtype="float64", report=True)
    assert fused.matrix is not None
    assert fused.model is not None
    told = mmfuse.explain(fused.model)
    for m, x in zip(told.modalities, blocks().values(), strict=True):
        assert m.kept == pytest.approx(r_squared(x, fused.matrix), abs=1e-9)
    beside = len(told.components) < len(fused.columns)
    for j, one in enumerate(told.components):
        for k, (name, x) in enumerate(blocks().items()):
            column = j + k * len(told.components) if beside else j
            z = fused.matrix[:, column : column + 1]
            assert one.kept[name] == pytest.approx(r_squared(x, z), abs=1e-9)
            for modality, feature, r in one.top:
                if modality == name:
                    expected = np.corrcoef(x[:, int(feature)], z[:, 0])[0, 1]
                    assert r == pytest.approx(expected, abs=1e-9)
        assert [abs(r) for _, _, r in one.top] == sorted(
            (abs(r) for *_, r in one.top), reverse=True
        )


@pytest.mark.parametrize(
    "normalize", ["none", "zscore", "l2", "zscore,sqrt-dim", "whiten", "center,l2"]
)
@pytest.mark.parametrize("strategy", ["concat", "pca"])
def test_energies_are_mean_squares_of_rows(strategy: str, normalize: str) -> None:
    plain = mmfuse.fuse(
        "concat", blocks(), normalize=normalize, weight={"text": 2}, dtype="float64"
    )
    assert plain.matrix is not None
    told = mmfuse.explain(model(strategy, normalize=normalize, weight={"text": 2}))
    total = sum((x**2).sum() for x in blocks().values())
    for m, (name, x) in zip(told.modalities, blocks().items(), strict=True):
        assert m.name == name
        assert m.rows == N
        assert m.energy == pytest.approx((x**2).sum() / N)
        assert m.share == pytest.approx((x**2).sum() / total)
        after = plain.matrix[:, slice(*plain.summary.slices[name])]
        assert m.energy_after == pytest.approx((after**2).sum() / N, rel=1e-9)
        assert m.share_after == pytest.approx((after**2).sum() / (plain.matrix**2).sum(), rel=1e-9)


def test_energies_of_merged_models_are_those_of_all_rows() -> None:
    x = blocks()
    ids = np.arange(N)
    parts = [
        {n: (b[rows], ids[rows]) for n, b in x.items()} for rows in (slice(0, 150), slice(150, N))
    ]
    models = [mmfuse.fit("pca", part, dtype="float64").model for part in parts]
    merged = mmfuse.explain(mmfuse.merge(models))  # type: ignore[arg-type]
    whole = mmfuse.explain(model("pca"))
    for a, b in zip(merged.modalities, whole.modalities, strict=True):
        assert (a.rows, a.energy) == (b.rows, pytest.approx(b.energy))
        assert (a.energy_after, a.kept) == (pytest.approx(b.energy_after), pytest.approx(b.kept))


CORRELATING = [name for name in LEARNED if strategy_class(name).correlates]


@pytest.mark.parametrize("strategy", CORRELATING)
def test_shuffled_rows_show_what_is_chance(strategy: str) -> None:
    def strongest(modalities: Any) -> tuple[float, float]:
        fused = mmfuse.fuse(
            strategy, modalities, labels=labels(strategy), normalize="zscore", report=True
        )
        assert fused.model is not None
        told = mmfuse.explain(fused.model)
        assert told.chance is not None
        return told.spectrum[0], told.chance[0]

    found, chance = strongest(blocks())
    rng = np.random.default_rng(1)
    nothing, still = strongest({n: rng.permutation(b) for n, b in blocks().items()})
    if strategy != "dca":  # what it finds without labels that mean anything is chance as well
        assert found > 1.3 * chance
    assert 0.5 < nothing / still < 2
    # the report changes nothing of what is learned
    assert mmfuse.fuse(strategy, blocks(), labels=labels(strategy)).matrix.tobytes() == (  # type: ignore[union-attr]
        mmfuse.fuse(strategy, blocks(), labels=labels(strategy), report=True).matrix.tobytes()  # type: ignore[union-attr]
    )


def test_chance_does_not_come_of_an_order_by_class() -> None:
    rng = np.random.default_rng(2)
    n, classes = 6000, 20
    label = np.sort(rng.integers(0, classes, n))
    x, y = (2 * rng.normal(size=(classes, 6))[label] + rng.normal(size=(n, 6)) for _ in range(2))
    fused = mmfuse.fuse("cca", {"x": x, "y": y}, report=True)
    assert fused.model is not None
    told = mmfuse.explain(fused.model)
    assert told.chance is not None
    assert told.spectrum[0] > 0.4
    assert told.chance[0] < 0.1


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_a_picture_is_the_same_each_time(suffix: str, tmp_path: Path) -> None:
    starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    places = [tmp_path / f"{k}.{suffix}" for k in range(2)]
    for place in places:
        mmfuse.fuse("cca", blocks(), plot=place)
    first, second = (place.read_bytes() for place in places)
    assert first.startswith(starts[suffix])
    assert first == second


def test_a_picture_tells_what_is_left_out_if_anything_is(tmp_path: Path) -> None:
    for kept in (3, 9):
        mmfuse.fuse("pca", blocks(), options={"n_components": kept}, plot=tmp_path / "p.svg")
        drawn = (tmp_path / "p.svg").read_text()
        assert f"<!-- {kept} kept -->" in drawn
        assert ("<!-- left out -->" in drawn) == (kept < 9)


def test_a_picture_of_names_that_are_no_mathematics(tmp_path: Path) -> None:
    odd = dict(zip(["$x^", "a\nb"], blocks().values(), strict=True))
    for strategy in ("pca", "concat"):
        mmfuse.fuse(strategy, odd, normalize="zscore", plot=tmp_path / "p.svg")
        assert (tmp_path / "p.svg").stat().st_size > 1000


@pytest.mark.parametrize("name", ["p", "p.txt", "p.jpg"])
def test_a_picture_of_an_unknown_kind_is_refused_before_the_work(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no picture can be written to"):
        mmfuse.fuse("pca", blocks(), plot=tmp_path / name)
    assert not list(tmp_path.iterdir())


# --- the command line ---------------------------------------------------------------------------


@pytest.fixture
def files(here: Path) -> None:
    for name, x in blocks().items():
        np.save(f"{name}.npy", x.astype(np.float32))


def test_report_and_inspect_tell_the_same(files: None, call: Any) -> None:
    line = "cca image.npy text.npy --normalize zscore -o o.npy --save m.safetensors"
    done = call(*line.split(), "--report")
    assert done.code == 0
    table = done.err.split("\n\n", 1)[1]
    shown = call("inspect", "m.safetensors")
    assert shown.out.strip() == table.strip()
    assert "by chance" in shown.out
    assert "image 0" in shown.out or "image 1" in shown.out
    told = json.loads(call("inspect", "m.safetensors", "--json").out)
    assert told["mmfuse_inspect"] == 1
    assert told["files"] == []
    assert told["models"]["m.safetensors"]["strategy"] == "cca"
    summary = json.loads(call(*line.split(), "--report", "--json").out)
    assert summary["report"] == told["models"]["m.safetensors"]
    assert json.loads(call(*line.split(), "--json").out)["report"] is None


def test_models_beside_files(files: None, call: Any) -> None:
    call("fit", "pca", "image.npy", "-o", "m.safetensors")
    shown = call("inspect", "image.npy", "model=m.safetensors")
    assert shown.code == 0
    assert "learned from 400 rows" in shown.out
    assert "constant columns" in shown.out


def test_fit_draws_too(files: None, call: Any) -> None:
    done = call(
        *[
            "fit",
            "gcca",
            "image.npy",
            "text.npy",
            "-o",
            "m.safetensors",
            "--plot",
            "p.svg",
            "--report",
        ]
    )
    assert done.code == 0
    assert Path("p.svg").read_bytes().startswith(b"<?xml")
    drawn = call("inspect", "m.safetensors", "--plot", "q.svg")
    assert drawn.code == 0
    assert Path("q.svg").stat().st_size == Path("p.svg").stat().st_size


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("pca image.npy text.npy -o o.npy --plot o.npy", 2, "no picture can be written"),
        ("pca image.npy text.npy -o o.npy --plot no/p.svg", 5, "cannot write no/p.svg"),
        ("pca image.npy text.npy -o o.npy --plot -", 2, "no picture can be written"),
        ("inspect image.npy --plot p.svg", 2, "--plot draws one model"),
        ("snf image.npy text.npy -o o.npy --report", 2, "no such option: --report"),
        ("snf image.npy text.npy -o o.npy --save m", 2, "no such option: --save"),
    ],
)  # fmt: skip
def test_errors(line: str, code: int, told: str, files: None, call: Any) -> None:
    done = call(*line.split())
    assert done.code == code
    assert told in done.err
    assert not Path("o.npy").exists()


def test_without_matplotlib_the_way_to_it_is_told(files: None, mmfuse: Any) -> None:
    Path("sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'matplotlib' else find(n, *a)\n"
    )
    line = "pca image.npy text.npy -o o.npy --plot p.svg"
    done = mmfuse(*line.split(), env={"PYTHONPATH": "."})
    assert done.code == 2
    assert "hint: pip install 'mmfuse[plot]'" in done.err
    assert not Path("o.npy").exists()
