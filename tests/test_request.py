"""Names of inputs, and options said for one modality or for all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mmfuse
from mmfuse.errors import UsageError
from mmfuse.request import PerModality, inputs_of


@pytest.mark.parametrize(
    ("given", "name", "path"),
    [
        ("a.npy", "a", "a.npy"),
        ("x/y.parquet", "y", "x/y.parquet"),
        ("image=a.npy", "image", "a.npy"),
        ("./a=b.npy", "a=b", "./a=b.npy"),
        ("n=a=b.npy", "n", "a=b.npy"),
        ("t.csv.gz", "t", "t.csv.gz"),
        ("v1.2=a.npy", "v1.2", "a.npy"),
        ("-", "stdin", "-"),
        (Path("p/q.npy"), "q", "p/q.npy"),
    ],
)
def test_a_file_is_named_by_its_stem_or_by_the_user(given: object, name: str, path: str) -> None:
    (item,) = inputs_of([given])
    assert (item.name, item.value) == (name, path)


def test_two_of_one_name_are_refused_with_names_to_take() -> None:
    with pytest.raises(UsageError, match="two inputs are named 'a'") as caught:
        inputs_of(["x/a.npy", "y/a.npy", "b.npy"])
    assert caught.value.hint == "name them: a1=x/a.npy a2=y/a.npy"


def test_no_inputs_are_refused() -> None:
    with pytest.raises(UsageError, match="no inputs"):
        inputs_of([])


def test_arrays_need_names() -> None:
    with pytest.raises(UsageError, match="need names"):
        inputs_of([np.ones((2, 2))])


def test_an_option_is_for_all_or_for_those_named() -> None:
    for_all = PerModality.of("--weight", 2.0, ["a", "b"])
    assert (for_all.get("a", 1.0), for_all.get("b", 1.0)) == (2.0, 2.0)
    for_one = PerModality.of("--weight", {"a": 2.0}, ["a", "b"])
    assert (for_one.get("a", 1.0), for_one.get("b", 1.0)) == (2.0, 1.0)
    both = PerModality.of("--weight", {"*": 3.0, "b": 2.0}, ["a", "b"])
    assert (both.get("a", 1.0), both.get("b", 1.0)) == (3.0, 2.0)


def test_an_option_for_nobody_is_refused() -> None:
    with pytest.raises(UsageError, match="--weight names 'txt'") as caught:
        mmfuse.fuse("concat", {"text": np.ones((2, 1))}, weight={"txt": 2})
    assert caught.value.hint == "did you mean 'text'?"
