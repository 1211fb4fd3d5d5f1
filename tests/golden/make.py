"""Make the golden files of this version: what later ones of the major version have to read.

    python tests/golden/make.py

writes `0.1.zip`, named after the version. It is run once, when the version is released: an archive
that is there is never made again, or else nobody would see that old files are read no more. Before
the release, `--again` makes it anew.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from suited import suited, suited_labels

import mmfuse
from mmfuse.core.options import options
from mmfuse.core.registry import NORMALIZATIONS, STRATEGIES, strategy_class
from mmfuse.ensemble.estimator import ESTIMATORS
from mmfuse.ensemble.rules import rules

HOME = Path(__file__).parent
LEARN, NEW = range(24), range(100, 105)
SMALL: dict[str, dict[str, Any]] = {
    "boosting": {"max_iter": 2, "max_leaf_nodes": 3, "min_samples_leaf": 4},
    "forest": {"n_estimators": 2, "max_depth": 2},
    "mlp": {"hidden_layer_sizes": [2], "max_iter": 30},
}
IDS = {
    "text": ["b", "001", "a b", "é", "n/a"],
    "integer": [7, -1, 9007199254740993, 0, 12],
}
Matrix = NDArray[np.float64]
Work = Callable[[Path], Any]


def values() -> Matrix:
    """What the matrices hold: exact in any format."""
    return np.arange(15.0).reshape(5, 3) / 8 - 1


def features(m: int, rows: range, width: int = 3) -> Matrix:
    """Modality m, by a formula."""
    i, j = np.array(rows, float)[:, None], np.arange(float(width))
    return np.sin(1.3 * i * (1 + 0.1 * j) + m) + 0.3 * np.cos(i + m * j) + i % 3


def modalities(strategy: str, rows: range) -> dict[str, Any]:
    """As many as the strategy takes, with ids."""
    names = "abc"[: strategy_class(strategy).most or 2]
    return {n: (suited(strategy, features(m, rows)), list(rows)) for m, n in enumerate(names)}


def outputs() -> Iterator[tuple[str, Work]]:
    """Matrices: the name of each file, and what writes it."""
    for kind, ids in IDS.items():
        given = {"m": (values(), ids)}
        names = ["m.npy", "m.csv", "m.tsv", "m.parquet", "m.npz", "m.arrow", "m.feather"]
        for name in [*names, "m.jsonl", "m.safetensors", "m.wide.parquet", "shards"]:
            how: dict[str, Any] = {"layout": "wide"} if "wide" in name else {}
            ending = "" if "." in name else "/"
            how |= {"shard_rows": 2} if ending else {}
            yield (
                f"outputs/{kind}/{name}",
                lambda path, g=given, h=how, e=ending: mmfuse.fuse("concat", g, f"{path}{e}", **h),
            )


def fitted() -> Iterator[tuple[str, Work]]:
    """Models that `apply` fuses with: of every strategy, and of every normalisation."""
    for strategy in STRATEGIES.modules:
        found = strategy_class(strategy)
        if found.whole:
            continue
        given = modalities(strategy, LEARN)
        labels = suited_labels(strategy, np.array(LEARN))
        how: dict[str, Any] = {} if labels is None else {"labels": (labels, list(LEARN))}
        if "n_components" in {option.name for option in options(found)}:
            how["options"] = {"n_components": 2}
        yield (
            f"fitted/{strategy}.safetensors",
            lambda path, s=strategy, g=given, h=how: mmfuse.fit(s, g, path, **h),
        )
    for name in NORMALIZATIONS.modules:
        given = modalities("concat", LEARN)
        yield (
            f"normalized/{name}.safetensors",
            lambda path, n=name, g=given: mmfuse.fit("concat", g, path, normalize=n),
        )


def trained() -> Iterator[tuple[str, Work]]:
    """Models that `predict` predicts with: of every estimator, every rule, every calibration."""
    given = modalities("concat", LEARN)
    of = {
        "classes": (np.array(["u", "v", "w"])[np.array(LEARN) % 3], list(LEARN)),
        "numbers": (features(2, LEARN, 1)[:, 0], list(LEARN)),
    }

    def work(kind: str, **how: Any) -> Work:
        labels = of[kind]
        task = "classification" if kind == "classes" else "regression"
        return lambda path: mmfuse.train(given, labels, path, task=task, **{"folds": 3, **how})

    for kind in of:
        for name in ESTIMATORS.modules:
            if kind == "numbers" and name in ("lda", "logistic"):
                continue
            how = {"options": {name: SMALL[name]}} if name in SMALL else {}
            yield f"trained/{kind}/{name}.safetensors", work(kind, estimator=name, folds=0, **how)
        cheap = "lda" if kind == "classes" else "ridge"
        for rule in rules(3 if kind == "classes" else 0):
            own = {} if rule == "sum" else {"estimator": cheap}
            yield f"trained/{kind}/{rule}.safetensors", work(kind, fuse=rule, **own)
    for how in ("temperature", "isotonic"):
        yield f"trained/classes/{how}.safetensors", work("classes", estimator="lda", calibrate=how)
    learned = work("classes", estimator="lda", learn_weights=True, normalize="minmax,whiten")
    yield "trained/classes/learned-weights.safetensors", learned


def applied(path: Path) -> Matrix:
    """What a model makes of new rows."""
    model = mmfuse.load(path)
    if isinstance(model, mmfuse.TrainedModel):
        return mmfuse.predict(path, modalities("concat", NEW), dtype="float64").matrix
    return mmfuse.apply(path, modalities(model.strategy, NEW), dtype="float64").matrix


def locked(folder: Path) -> None:
    """Two inputs, and what a run of them is locked to."""
    folder.mkdir()
    np.save(folder / "a.npy", values())
    (folder / "a.ids.txt").write_text("".join(f"{i}\n" for i in IDS["text"]))
    (folder / "b.csv").write_text("id,x\n" + "".join(f"{i},1\n" for i in IDS["text"][::-1]))
    held(folder)


def held(folder: Path) -> Any:
    """The run, held to its lock."""
    inputs = [f"a={folder / 'a.npy'}", f"b={folder / 'b.csv'}"]
    return mmfuse.fuse("concat", inputs, lock=folder / "run.lock")


def make(folder: Path) -> None:
    """All of them, and what comes of the models."""
    expected = {}
    for name, work in [*outputs(), *fitted(), *trained()]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        work(path)
        if not name.startswith("outputs"):
            expected[name] = applied(path)
    locked(folder / "locked")
    import sklearn

    np.savez_compressed(folder / "expected.npz", sklearn=np.array(sklearn.__version__), **expected)


def packed(folder: Path, archive: Path) -> None:
    """All files of a folder in an archive, without dates."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                info.compress_type = zipfile.ZIP_DEFLATED
                file.writestr(info, path.read_bytes())


if __name__ == "__main__":
    place = HOME / f"{'.'.join(mmfuse.__version__.split('.')[:2])}.zip"
    if place.exists() and sys.argv[1:] != ["--again"]:
        sys.exit(f"{place} is there; golden files are never made again")
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch))
        packed(Path(scratch), place)
    print(f"{place}: {place.stat().st_size:,} bytes")
