"""jsonl: lines of JSON, answers of a batch API, errors that name the line."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmfuse
from mmfuse.errors import MmfuseError, OutputError
from mmfuse.files.formats import Reading
from mmfuse.files.inputs import open_input
from mmfuse.formats import jsonl

pytestmark = pytest.mark.usefixtures("here")

GOOD = '{"id": "a", "embedding": [1, 2.5]}\n'


def fuse(text: str | bytes, name: str = "a.jsonl", **more: Any) -> mmfuse.Fused:
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return mmfuse.fuse("concat", {"x": name}, **more)


def rows(text: str | bytes, **more: Any) -> Any:
    fused = fuse(text, **{"dtype": "float64", **more})
    assert fused.matrix is not None
    return fused.matrix.tolist()


def refused(text: str | bytes, **more: Any) -> MmfuseError:
    with pytest.raises(MmfuseError) as caught:
        fuse(text, **more)
    assert caught.value.where == "x=a.jsonl"
    assert caught.value.exit_code in (3, 4)
    return caught.value


def test_names_of_ids_and_vectors() -> None:
    text = '\ufeff{"text": "t", "vector": [1, 2], "uuid": "p"}\n\n{"uuid": "q", "vector": [3, 4]}'
    assert rows(text) == [[1, 2], [3, 4]]
    fused = fuse(text)
    assert fused.ids.tolist() == ["p", "q"]
    assert fused.summary.notes[0] == "x: left out: 'text'"


def test_a_feature_a_key() -> None:
    text = '{"id": 1, "u": 2, "v": true, "label": 7}\n{"v": false, "u": -0, "id": 2}\n'
    found = rows(text)
    assert found == [[2, 1], [0, 0]]
    assert np.signbit(found[1][0])
    assert rows(text, column=["v"]) == [[1], [0]]


def test_integers_stay_exact() -> None:
    big = [2**53 + 1, -(2**63), 2**63 - 1]
    text = "".join(f'{{"id": {i}, "embedding": [{i % 10}]}}\n' for i in big)
    assert fuse(text).ids.tolist() == big


def test_missing_values_are_told() -> None:
    text = GOOD + '{"id": "b", "embedding": [NaN, 1]}\n{"id": "c", "embedding": [1, null]}\n'
    assert refused(text).message == "2 values are NaN or infinite; the first ids: 'b', 'c'"
    assert rows(text, nan="zero") == [[1, 2.5], [0, 1], [1, 0]]


@pytest.mark.parametrize("lines", [4, 5, 6])
def test_blocks_of_lines(lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "_BLOCK_BYTES", 3 * 2 * 8)  # three lines
    text = "".join(f'{{"id": "r{k}", "embedding": [{k}, {-k}]}}\n' for k in range(lines))
    assert rows(text) == [[k, -k] for k in range(lines)]
    blocks = list(jsonl.open(open_input("a.jsonl", "x"), "x", Reading()).blocks())
    assert np.concatenate(blocks).tolist() == rows(text)
    assert [len(block) for block in blocks] == [3, lines - 3]


def test_compressed() -> None:
    fused = fuse(gzip.compress(GOOD.encode()), "a.jsonl.gz")
    assert fused.ids.tolist() == ["a"]


def answer(key: str, *vectors: list[float], **more: Any) -> str:
    data = [{"object": "embedding", "index": k, "embedding": v} for k, v in enumerate(vectors)]
    body = {"object": "list", "data": data, "model": "m", "usage": {"total_tokens": 2}}
    response = {"status_code": 200, "request_id": "r", "body": body}
    line = {"id": "batch_req_1", "custom_id": key, "response": response, "error": None, **more}
    return json.dumps(line) + "\n"


def test_answers_of_a_batch_in_another_order() -> None:
    np.save("y.npy", np.array([[10.0], [20.0]]))
    Path("y.ids.txt").write_text("one\ntwo\n")
    Path("a.jsonl").write_text(answer("two", [2, 3]) + answer("one", [4, 5]))
    fused = mmfuse.fuse("concat", ["y.npy", "a.jsonl"])
    assert fused.ids.tolist() == ["one", "two"]
    assert np.array_equal(fused.matrix, [[10, 4, 5], [20, 2, 3]])


def test_a_response_that_is_something_else() -> None:
    text = '{"custom_id": "a", "response": "yes", "embedding": [1]}\n'
    assert rows(text) == [[1]]
    assert rows('{"id": "a", "response": {"status_code": 1}, "embedding": [1]}\n') == [[1]]


BATCH: dict[str, tuple[str, str]] = {
    "failed": (
        answer("b", response=None, error={"message": "too long"}),
        "line 2: the request failed: {'message': 'too long'}",
    ),
    "status": (
        answer("b", response={"status_code": 429, "body": {}}),
        "line 2: the request failed, status 429",
    ),
    "several": (answer("b", [1, 2], [3, 4]), "line 2: the answer holds 2 embeddings"),
    "base64": (answer("b", "AACAPw=="), "line 2: 'embedding' is no list"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", BATCH)
def test_answers_that_cannot_be_used(name: str) -> None:
    text, told = BATCH[name]
    assert told in refused(answer("a", [1, 2]) + text).message


BAD: dict[str, tuple[str | bytes, str]] = {
    "no JSON": ("hello\n", "line 2: not JSON"),
    "half": ('{"id": "b", "embedding": [1', "line 2: not JSON"),
    "a list": ("[1, 2]\n", "line 2 is a list, not an object"),
    "a number": ("7\n", "line 2 is 7, not an object"),
    "a name twice": ('{"id": 1, "id": 2}\n', "line 2: not JSON: 'id' stands there twice"),
    "not UTF-8": (b'{"id": "\xff"}\n', "line 2: not valid UTF-8"),
    "deep": ('{"id": ' + "[" * 100_000, "line 2: not JSON"),
    "no id": ('{"embedding": [1, 2]}', "line 2: there is no 'id'"),
    "null id": ('{"id": null, "embedding": [1, 2]}', "line 2: the id under 'id' is null"),
    "float id": ('{"id": 1.0, "embedding": [1, 2]}', "line 2: the id under 'id' is 1.0"),
    "true id": ('{"id": true, "embedding": [1, 2]}', "line 2: the id under 'id' is True"),
    "empty id": ('{"id": "", "embedding": [1, 2]}', "line 2: the id under 'id' is ''"),
    "mixed ids": ('{"id": 1, "embedding": [1, 2]}', "ids must be all text or all integers"),
    "half a character": ('{"id": "\\ud800", "embedding": [1, 2]}', "surrogates not allowed"),
    "no vector": ('{"id": "b"}', "line 2: there is no 'embedding'"),
    "short": ('{"id": "b", "embedding": [1]}', "line 2: 1 values where the first line has 2"),
    "text": ('{"id": "b", "embedding": [1, "2"]}', "line 2: '2' is not a number"),
    "nested": ('{"id": "b", "embedding": [1, [2]]}', "line 2: '[2]' is not a number"),
    "no list": ('{"id": "b", "embedding": "x"}', "line 2: 'embedding' is no list"),
    "too large": ('{"id": "b", "embedding": [1, 1' + "0" * 400 + "]}", "line 2: a number is too"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_lines_are_named(name: str) -> None:
    text, told = BAD[name]
    raw = text.encode() if isinstance(text, str) else text
    assert told in refused(GOOD.encode() + raw).message


def test_files_without_lines_or_of_another_kind() -> None:
    assert "no lines" in refused("\n \n").message
    assert "an npy file" in refused(b"\x93NUMPY\x01\x00").message


def test_a_line_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmfuse.files.json_lines._LINE_BYTES", 1000)
    assert "a line is longer than 1,000 bytes" in refused(GOOD + " " * 2000).message


def test_ids_of_another_file() -> None:
    np.save("x.npy", np.ones((2, 1)))
    Path("ids.jsonl").write_text('{"name": "p", "n": 5}\n{"n": 6, "name": "q"}\n')
    assert mmfuse.fuse("concat", ["x.npy"], ids="ids.jsonl:n").ids.tolist() == [5, 6]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_json_reads_what_is_written(dtype: str) -> None:
    x = np.array([[-0.0, 0.1, 1e-7], [65504, 1 / 3, -1]]).astype(dtype)
    ids = ['q"u\\o\nte', "é𝄞\0"]
    inputs = {"m": (x, ids), "n": (x[:1], ids[:1])}
    mmfuse.fuse("concat", inputs, "o.jsonl", dtype=dtype, join="outer")
    found = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    assert [line["id"] for line in found] == ids
    vectors = np.array([line["embedding"] for line in found]).astype(dtype)
    assert vectors[:, :3].tobytes() == x.tobytes()
    assert [line["present_n"] for line in found] == [True, False]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_every_float_survives(values: list[float]) -> None:
    row = np.array(values, np.float32)
    (text,) = jsonl._vectors(row[None, :])
    assert np.array(json.loads(b"[" + text + b"]")).astype(np.float32).tobytes() == row.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_json_cannot_say(value: float) -> None:
    with pytest.raises(OutputError, match="JSON has no NaN and no infinity, and"):
        mmfuse.fuse("concat", {"m": (np.array([[value]]), ["a"])}, "o.jsonl", nan="keep")
    assert not Path("o.jsonl").exists()
