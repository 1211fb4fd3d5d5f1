"""Which rows come out, as users say it on the command line."""

import json
from pathlib import Path

import pandas as pd
import pytest


def write(name: str, ids: list[str] | list[int], value: float) -> None:
    frame = pd.DataFrame({"id": ids, "f": [value + k for k in range(len(ids))]})
    frame.to_csv(name, index=False)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("image.csv", [f"img_{k}.jpg" for k in (10, 9, 2, 1)], 0)
    write("text.csv", [f"img_{k}.txt" for k in (1, 2, 11)], 100)


def test_nothing_common_suggests_how(mmfuse) -> None:
    done = mmfuse("concat", "image.csv", "text.csv", "-o", "o.csv")
    assert done.code == 4
    assert done.err.splitlines()[-1] == "hint: 2 of 3 ids match with --id-transform stem"
    assert not Path("o.csv").exists()


def test_a_transform_for_one_modality_or_all(mmfuse) -> None:
    for steps in (["stem"], ["image=stem", "text=s/.txt$//"], ["image=stem", "lower", "stem"]):
        options = [part for step in steps for part in ("--id-transform", step)]
        done = mmfuse("concat", "image.csv", "text.csv", *options, "-o", "o.csv")
        assert done.code == 0, done.err
        assert pd.read_csv("o.csv").to_numpy().tolist() == [["img_2", 2, 101], ["img_1", 3, 100]]
    assert "ids column id, stem" in mmfuse("concat", "image.csv", "-o", "o.csv",
                                           "--id-transform", "stem").err  # fmt: skip


def test_ids_that_a_transform_makes_equal_are_duplicates(mmfuse) -> None:
    write("both.csv", ["1.jpg", "2.jpg", "1.png"], 0)
    done = mmfuse("concat", "both.csv", "--id-transform", "stem", "-o", "o.csv")
    assert done.code == 4
    assert "1 row repeats an id; the first is '1' in rows 1 and 3" in done.err


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        ("inner", ["img_2", "img_1"]),
        ("left", ["img_10", "img_9", "img_2", "img_1"]),
        ("outer", ["img_10", "img_9", "img_2", "img_1", "img_11"]),
    ],
)
def test_joins_in_both_orders(mmfuse, join: str, expected: list[str]) -> None:
    plain = ("concat", "image.csv", "text.csv", "--id-transform", "stem", "--join", join)
    assert mmfuse(*plain, "-o", "o.csv").code == 0
    assert pd.read_csv("o.csv")["id"].tolist() == expected
    done = mmfuse(*plain, "-o", "o.csv", "--sort-ids", "--json")
    assert pd.read_csv("o.csv")["id"].tolist() == sorted(expected, key=lambda i: int(i[4:]))
    summary = json.loads(done.out)
    assert summary["join"] == join
    assert summary["rows"] == len(expected)
    lacking = [
        len(set(expected) - {f"img_{k}" for k in own}) for own in ((1, 2, 9, 10), (1, 2, 11))
    ]
    assert [item["absent"] for item in summary["inputs"]] == lacking
    assert [item["kept"] + item["dropped"] for item in summary["inputs"]] == [4, 3]


def test_what_is_lacking_is_told(mmfuse) -> None:
    plain = ("image.csv", "text.csv", "--id-transform", "stem", "--join", "outer", "-o", "o.csv")
    assert (
        "outer join: 5 rows (1 lack image, 2 lack text: zeros instead)"
        in mmfuse("concat", *plain).err
    )
    assert "2 lack text: fused from the others)" in mmfuse("mean", *plain).err
    assert "2 lack text: NaN instead)" in mmfuse("mean", *plain, "--missing", "nan").err
    frame = pd.read_csv("o.csv")
    assert frame["present_text"].tolist() == [False, False, True, True, True]
    assert frame["mean_0"].isna().tolist() == [True, True, False, False, True]
    refused = mmfuse("mean", *plain, "--missing", "error")
    assert refused.code == 4
    assert "1 of 5 rows lack image" in refused.err


def test_strict_and_overlap(mmfuse) -> None:
    plain = ("concat", "image.csv", "text.csv", "--id-transform", "stem", "-o", "o.csv")
    strict = mmfuse(*plain, "--strict")
    assert strict.code == 4
    assert "2 of 4 rows would be dropped" in strict.err
    assert "'img_10', 'img_9'" in strict.err
    assert mmfuse(*plain, "--strict", "--join", "outer").code == 0
    assert mmfuse(*plain, "--min-overlap", "0.5").code == 0
    little = mmfuse(*plain, "--min-overlap", "0.6")
    assert little.code == 4
    assert "50.0% of the ids are in all inputs, and --min-overlap asks for 60.0%" in little.err
    assert mmfuse(*plain, "--min-overlap", "2").code == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), None),
        (("--duplicates", "first"), [["a", 0, 7], ["b", 1, 8]]),
        (("--duplicates", "mean"), [["a", 1, 7], ["b", 1, 8]]),
        (("--duplicates", "max"), [["a", 2, 7], ["b", 1, 8]]),
        (("--duplicates", "explode"), [["a", 0, 7], ["a", 2, 7], ["b", 1, 8]]),
    ],
)
def test_duplicates(mmfuse, options: tuple[str, ...], expected: list[list[object]] | None) -> None:
    write("several.csv", ["a", "b", "a"], 0)
    write("one.csv", ["a", "b"], 7)
    done = mmfuse("concat", "several.csv", "one.csv", *options, "-o", "o.csv")
    if expected is None:
        assert done.code == 4
        assert "--duplicates first, mean, max or explode" in done.err
        return
    assert done.code == 0, done.err
    assert pd.read_csv("o.csv").to_numpy().tolist() == expected


@pytest.mark.parametrize("option", ["--join", "--duplicates", "--missing"])
def test_unknown_kinds_are_refused(mmfuse, option: str) -> None:
    done = mmfuse("concat", "image.csv", option, "odd", "-o", "o.csv")
    assert done.code == 2
    assert f"{option} is 'odd'; it must be one of" in done.err


def test_npy_says_that_it_keeps_no_flags(mmfuse) -> None:
    done = mmfuse("concat", "image.csv", "text.csv", "--id-transform", "stem", "--join", "outer",
                  "-o", "o.npy")  # fmt: skip
    assert done.code == 0
    assert "npy does not keep which rows lack a modality" in done.err


def test_help_says_what_a_strategy_declares(mmfuse) -> None:
    assert "by default zero." in " ".join(mmfuse("concat", "--help").out.split())
    told = " ".join(mmfuse("mean", "--help").out.split())
    assert "by default the row is fused from those it has." in told


def test_rows_joined_by_position_are_sorted_too(mmfuse) -> None:
    write("sound.csv", ["x", "x", "y", "z"], 7)
    done = mmfuse("concat", "image.csv", "sound.csv", "--by-position", "--sort-ids", "-o", "o.csv")
    assert done.code == 0
    found = pd.read_csv("o.csv")
    assert list(found["id"]) == [f"img_{k}.jpg" for k in (1, 2, 9, 10)]
    assert found["image_f"].tolist() == [3, 2, 1, 0]
    assert found["sound_f"].tolist() == [10, 9, 8, 7]


def test_duplicates_by_position_are_refused(mmfuse) -> None:
    done = mmfuse("concat", "image.csv", "--by-position", "--duplicates", "mean", "-o", "o.csv")
    assert done.code == 2
    assert "--duplicates is for joins by id" in done.err
    assert not Path("o.csv").exists()


def test_the_cure_for_rows_that_strict_refuses_in_an_outer_join(mmfuse) -> None:
    write("twice.csv", ["a", "a", "b"], 0)
    how = ("concat", "twice.csv", "--join", "outer", "--strict", "-o", "o.csv", "--duplicates")
    refused = mmfuse(*how, "first")
    assert refused.code == 4
    assert refused.err.splitlines()[-1] == (
        "hint: --duplicates mean, max or explode takes all rows of an id"
    )
    assert mmfuse(*how, "mean").code == 0


@pytest.mark.parametrize(
    ("pool", "expected"),
    [("mean", [[1, 7], [1, 8]]), ("max", [[2, 7], [1, 8]]), ("last", [[2, 7], [1, 8]]),
     ("std", [[1, 7], [0, 8]])],
)  # fmt: skip
def test_several_rows_of_an_id_in_one_input(mmfuse, pool: str, expected: list[list[int]]) -> None:
    write("steps.csv", ["a", "b", "a"], 0)
    write("one.csv", ["a", "b"], 7)
    done = mmfuse("concat", "steps.csv", "one.csv", "--pool", f"steps={pool}", "-o", "o.csv")
    assert done.code == 0, done.err
    assert pd.read_csv("o.csv").iloc[:, 1:].to_numpy().tolist() == expected
    done = mmfuse("concat", "steps.csv", "one.csv", "--pool", pool, "-o", "o.csv")
    assert done.code == 0, done.err


def test_where_there_is_nothing_to_pool(mmfuse) -> None:
    plain = ("concat", "image.csv", "-o", "o.csv")
    done = mmfuse(*plain, "--pool", "mean")
    assert done.code == 4
    assert "--pool mean has nothing to pool: no id stands in several rows" in done.err
    assert mmfuse(*plain, "--pool", "flatten").code == 2
    write("steps.csv", ["a", "b", "a"], 0)
    write("other.csv", ["a", "b", "b"], 0)
    done = mmfuse("concat", "steps.csv", "other.csv", "--pool", "steps=mean", "-o", "o.csv")
    assert done.code == 4
    assert "in: other=other.csv" in done.err
    assert mmfuse("inspect", "steps.csv", "--pool", "mean").code == 4
    assert mmfuse("convert", "steps.csv", "o.npy", "--pool", "mean").code == 4
    assert mmfuse("check", "steps.csv", "other.csv", "--pool", "mean").code == 4
    done = mmfuse("concat", "steps.csv", "other.csv", "--pool", "mean", "--by-position", "-o",
                  "o.csv")  # fmt: skip
    assert "rows are joined by position" in done.err
