"""Files that earlier versions wrote are read, and models give what they gave; `golden/make.py`."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from golden.make import HOME, IDS, applied, held, modalities, values
from safetensors.numpy import load_file

import mmfuse
from mmfuse.errors import ModelError

MAJOR, MINOR = mmfuse.__version__.split(".")[:2]
VERSIONS = sorted(HOME.glob(f"{MAJOR}.*.zip"))
every_version = pytest.mark.parametrize("version", [path.stem for path in VERSIONS])


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All archives, each in a folder of its version."""
    folder = tmp_path_factory.mktemp("golden")
    for archive in VERSIONS:
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder / archive.stem)
    return folder


def models(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*.safetensors"))
        if path.relative_to(folder).parts[0] != "outputs"
    ]


def test_this_version_has_its_files() -> None:
    assert HOME / f"{MAJOR}.{MINOR}.zip" in VERSIONS
    assert sum(path.stat().st_size for path in VERSIONS) < 300_000 * len(VERSIONS)


@every_version
def test_matrices_are_read(version: str, unpacked: Path) -> None:
    for kind, ids in IDS.items():
        places = sorted((unpacked / version / "outputs" / kind).glob("*"))
        matrices = [path for path in places if path.name != "m.ids.txt"]
        assert len(matrices) >= 11
        for path in matrices:
            fused = mmfuse.fuse("concat", {"m": path}, dtype="float64")
            np.testing.assert_array_equal(fused.matrix, values(), str(path))
            assert fused.ids.tolist() == ids, path
            (told,) = mmfuse.inspect({"m": path})
            if path.suffix not in (".npy", ".csv", ".tsv", ".jsonl"):
                assert told.record is not None, path
                assert told.record["version"].startswith(version)
                assert told.record["strategy"] == "concat"


@every_version
def test_models_give_what_they_gave(version: str, unpacked: Path) -> None:
    folder = unpacked / version
    expected = dict(np.load(folder / "expected.npz"))
    made = str(expected.pop("sklearn"))
    same = made.split(".")[:2] == sklearn.__version__.split(".")[:2]
    found = {path.relative_to(folder).as_posix(): path for path in models(folder)}
    assert set(found) == set(expected)
    for name, path in found.items():
        if "model.0.object" in load_file(path) and not same:
            with pytest.raises(ModelError, match=f"a model of scikit-learn {made}; this is"):
                mmfuse.load(path)
        else:
            np.testing.assert_allclose(applied(path), expected[name], atol=1e-6, err_msg=name)


@every_version
def test_models_are_inspected_and_learn_on(version: str, unpacked: Path, call: Any) -> None:
    paths = [path for path in models(unpacked / version) if "trained" not in path.parts]
    done = call("inspect", *paths, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)["models"]
    assert {path: model["rows"] for path, model in told.items()} == {str(p): 24 for p in paths}
    for path in paths:
        model = mmfuse.load(path)
        if path.parent.name == "fitted":
            assert mmfuse.merge([path, model]).rows == 48
    trained = unpacked / version / "trained"
    done = call("inspect", trained / "classes" / "stack.safetensors", "--json")
    (model,) = json.loads(done.out)["models"].values()
    assert (model["fuse"], model["rows"], model["classes"]) == ("stack", 24, ["u", "v", "w"])


@every_version
def test_locks_hold(version: str, unpacked: Path) -> None:
    before = (unpacked / version / "locked" / "run.lock").read_bytes()
    assert len(held(unpacked / version / "locked").ids) == 5
    assert (unpacked / version / "locked" / "run.lock").read_bytes() == before


def newer(path: Path, to: str) -> None:
    """The same model as a later version may write it: with what this one cannot know."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    head, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    metadata = head["__metadata__"]
    (key,) = (name for name in metadata if name.startswith("mmfuse_"))
    metadata[key] = json.dumps({**json.loads(metadata[key]), "format_version": 2, "more": [1]})
    place = [len(body), len(body) + 2]
    head["more"] = {"dtype": "BF16", "shape": [1], "data_offsets": place}
    text = json.dumps(head).encode()
    Path(to).write_bytes(struct.pack("<Q", len(text)) + text + body + bytes(2))


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        (
            "fitted/pca",
            ["apply new a.npy b.npy -o z.npy", "merge new old -o z", "fit --continue new a.npy"],
        ),
        ("trained/classes/lda", ["predict new a.npy b.npy -o z.npy", "inspect new"]),
    ],
)
def test_a_later_model_is_refused_by_its_version(
    name: str, commands: list[str], unpacked: Path, here: Path, call: Any
) -> None:
    path = unpacked / VERSIONS[0].stem / f"{name}.safetensors"
    newer(path, "new")
    for one, (x, _) in modalities("concat", range(3)).items():
        np.save(f"{one}.npy", x)
    before = sorted(os.listdir())
    for line in commands:
        done = call(*line.replace("old", str(path)).split())
        assert done.code == 7
        assert done.err == (
            "error: a model of format 2; this mmfuse reads 1 to 1\n"
            "  in: new\nhint: it was written by a later mmfuse: update\n"
        )
    assert sorted(os.listdir()) == before


def test_a_model_of_another_scikit_learn_is_refused_by_its_version(
    unpacked: Path, here: Path, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = sklearn.__version__
    monkeypatch.setattr("sklearn.__version__", "99.1.0")
    for name in ("boosting", "forest", "knn", "mlp", "sgd"):
        path = unpacked / f"{MAJOR}.{MINOR}" / "trained" / "classes" / f"{name}.safetensors"
        done = call("inspect", path)
        assert done.code == 7
        assert "error: a model of scikit-learn " in done.err
        assert "; this is 99.1.0" in done.err
        assert "hint: pip install 'scikit-learn==" in done.err
        assert "or train it again" in done.err
    assert sklearn.__version__ != own
