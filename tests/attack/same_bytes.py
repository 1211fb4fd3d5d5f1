"""Many jobs in one process, for what only a new process can be told: prints a hash of every file.

python same_bytes.py DATA THREADS MEMORY JOBS: DATA as it is to be named; files go to the working
folder. JOBS: every, large or moved.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `suited`

import mmfuse
from mmfuse.core.options import options
from mmfuse.core.registry import NORMALIZATIONS, STRATEGIES, strategy_class
from mmfuse.ensemble.estimator import ESTIMATORS

SUFFIXES = {"a": ".npy", "b": ".parquet", "c": ".csv"}
FORMATS = ["o.npy", "o.npz", "o.csv", "o.tsv", "o.arrow", "o.feather", "o.jsonl", "o.safetensors"]
FASTER = {"forest": {"n_estimators": 10}, "boosting": {"max_iter": 5}, "mlp": {"max_iter": 20}}
FOR_CLASSES = ("logistic", "lda")


def inputs(data: str, kind: str, names: str = "abc") -> dict[str, str]:
    return {name: os.path.join(data, kind + name + SUFFIXES[name]) for name in names}


def strategies(data: str, how: dict[str, Any], wanted: list[str]) -> Iterator[str]:
    from suited import predicted

    for name in wanted:
        cls = strategy_class(name)
        known = {option.name for option in options(cls)}
        kind = {"classes": "p", "numbers": "n", None: "x"}[predicted(name)]
        labels = "number" if kind == "n" else "label"
        mmfuse.fuse(
            name,
            inputs(data, kind, "abc"[: cls.most or 3]),
            f"{name}.parquet",
            options={"n_components": 2} if "n_components" in known else None,
            normalize="zscore" if kind == "x" else None,
            labels=os.path.join(data, f"labels.csv:{labels}") if cls.supervised else None,
            save=f"{name}.model" if cls.learns and not cls.whole else None,
            **how,
        )
        yield name


def estimators(data: str, how: dict[str, Any], wanted: list[str]) -> Iterator[str]:
    for name in wanted:
        for task, column in (("classification", "label"), ("regression", "number")):
            if task == "regression" and name in FOR_CLASSES:
                continue
            model = f"{name} {task}.model"
            mmfuse.train(
                inputs(data, "x", "ab"),
                os.path.join(data, f"labels.csv:{column}"),
                model,
                task=task,  # type: ignore[arg-type]
                estimator=name,
                options={name: FASTER[name]} if name in FASTER else {},
                folds=0,
                **how,
            )
            mmfuse.predict(model, inputs(data, "x", "ab"), f"{model}.csv", **how)
            yield model


def rules(data: str, how: dict[str, Any]) -> None:
    labels, x = os.path.join(data, "labels.csv:label"), inputs(data, "x")
    plans: list[dict[str, Any]] = [
        {"fuse": "stack", "calibrate": "isotonic"},
        {"fuse": "select", "calibrate": "temperature"},
        {"fuse": "log-pool", "learn_weights": True},
        {"fuse": "sum"},
    ]
    for plan in plans:
        own = {} if plan["fuse"] == "sum" else {"estimator": "ridge"}
        mmfuse.train(x, labels, f"{plan['fuse']}.trained", folds=3, **own, **plan, **how)
    mmfuse.train_on("sum.trained", x, labels, "more.trained", **how)


def moved(data: str, how: dict[str, Any]) -> None:
    """Rows that nothing is computed with."""
    x, wide = inputs(data, "x"), {"b": os.path.join(data, "xb.parquet")}
    for name in FORMATS:
        mmfuse.fuse("concat", x, name, join="outer", lock=f"{name}.lock", **how)
    mmfuse.fuse("concat", x, "parts/", shard_rows=7, duplicates="first", **how)
    mmfuse.align(x, "aligned", join="outer", sort_ids=True, missing="zero", **how)
    mmfuse.convert(wide, "wide.csv", **how)
    mmfuse.convert(wide, "zstd.parquet", compression="zstd", **how)


def going_on(data: str, how: dict[str, Any]) -> None:
    """Models of models."""
    for name, kind in (("one", "x"), ("two", "y")):
        mmfuse.fit("gcca", inputs(data, kind, "ab"), f"{name}.model", normalize="whiten", **how)
    mmfuse.merge(["one.model", "two.model"], "merged.model")
    mmfuse.go_on("one.model", inputs(data, "y", "ab"), "on.model", **how)
    mmfuse.apply("merged.model", inputs(data, "x", "ab"), "applied.feather", **how)


def main(data: str, threads: str, memory: str, jobs: str) -> None:
    how: dict[str, Any] = {"threads": int(threads), "memory": int(memory) << 20}
    done: dict[str, str] = {}
    normalized: list[str] = []
    if jobs != "large":
        moved(data, how)
    if jobs == "large":
        list(strategies(data, how, ["pca", "cca", "lda", "random-projection", "additive"]))
        list(estimators(data, how, ["logistic", "mlp", "ridge", "lda"]))
        normalized = ["whiten"]
        labels = os.path.join(data, "labels.csv:label")
        x = inputs(data, "x", "ab")
        mmfuse.train(x, labels, "w.trained", folds=0, normalize="whiten", estimator="ridge", **how)
    elif jobs == "every":
        list(strategies(data, how, list(STRATEGIES.modules)))
        list(estimators(data, how, list(ESTIMATORS.modules)))
        normalized = list(NORMALIZATIONS.modules)
        rules(data, how)
        going_on(data, how)
    for name in normalized:
        mmfuse.fuse("mean", inputs(data, "x", "ab"), f"{name}.npz", normalize=name, **how)
    found = mmfuse.check(inputs(data, "x")).as_dict()["tests"]
    done["check"] = hashlib.sha256(json.dumps(found).encode()).hexdigest()
    for path in sorted(p for p in Path().rglob("*") if p.is_file()):
        done[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    print(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
