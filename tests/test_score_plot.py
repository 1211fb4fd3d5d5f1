"""Pictures of scores: drawn whatever classes and modalities are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfuse

N = 80
ODD = ("$", "$$", "$\\frac$", "a_b$x^$", "\\", "{}", "%", "ä\n", "\t", "\U0001f600", "é" * 100)
BEGINS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}


def drawn(path: Path, labels: Any, **how: Any) -> bytes:
    rng = np.random.default_rng(0)
    x = {"$a$^": rng.normal(size=(N, 3)), "b": rng.normal(size=(N, 2))}
    mmfuse.train(x, labels, plot=path, folds=3, **how)
    return path.read_bytes()


@pytest.mark.parametrize("kind", BEGINS)
def test_odd_names(kind: str, tmp_path: Path) -> None:
    labels = np.array(ODD, object)[np.arange(N) % len(ODD)]
    once = drawn(tmp_path / f"x.{kind}", labels, estimator="lda")
    assert once.startswith(BEGINS[kind])
    assert once == drawn(tmp_path / f"x.{kind}", labels, estimator="lda")


@pytest.mark.parametrize(
    ("labels", "how"),
    [
        (np.arange(N) % 40, {"estimator": "lda"}),
        (np.arange(N) % 2, {"estimator": "lda", "calibrate": "temperature"}),
        (np.arange(N) / 3, {}),
        (np.full(N, 0.5), {}),
        (np.cos(np.arange(N)), {"estimator": "knn", "options": {"knn": {"n_neighbors": 1}}}),
        (np.arange(N) % 2, {"fuse": "sum"}),
        (np.arange(N) / 3, {"fuse": "sum"}),
    ],
    ids=[
        "40 classes",
        "2 classes",
        "numbers",
        "one number",
        "bad numbers",
        "sum",
        "sum of numbers",
    ],
)
def test_every_kind_of_training(labels: Any, how: Any, tmp_path: Path) -> None:
    content = drawn(tmp_path / "x.svg", labels, **how)
    assert (b"calibration" in content or b"confusion" in content) or b"<svg" in content
    whole = np.isclose(labels % 1, 0).all()
    assert (content.count(b'id="axes_') == 3) == bool(whole)


def test_a_sum_without_scores_is_drawn_as_a_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "x.svg"
    mmfuse.train({"a": rng.normal(size=(N, 3))}, np.arange(N) % 2, fuse="sum", folds=0, plot=path)
    assert path.read_bytes().startswith(b"<?xml")
