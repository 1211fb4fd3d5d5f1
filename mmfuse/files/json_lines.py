"""Lines of JSON, an object each, read one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmfuse.errors import InputError
from mmfuse.files.columns import Kind
from mmfuse.files.inputs import InputFile, looks_like, open_arrow
from mmfuse.files.plain_json import distinct, fault, integer

_LINE_BYTES = 16 << 20  # what a missing line break may take into memory before it is noticed
_BOM = b"\xef\xbb\xbf"
_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}
_TEXT = ("plain text", "something else", "gzip data", "zstd data")
_SHOWN = 40


@dataclass(frozen=True)
class Line:
    """An object and the number of its line, from 1."""

    number: int
    values: Mapping[str, Any]

    def value(self, name: str) -> Any:
        """What is under a name. Raises InputError if nothing is."""
        if name not in self.values:
            raise self.error(f"there is no {name!r}")
        return self.values[name]

    def error(self, message: str) -> InputError:
        """An error that names the line."""
        return InputError(f"line {self.number:,}: {message}")


def lines(file: InputFile) -> Iterator[Line]:
    """Every line that is not empty; an answer of OpenAI's batch API as the table it stands for.

    Raises InputError, with the line: no JSON object, a name twice, not UTF-8, not text at all.
    """
    if (looks := looks_like(file.head)) not in _TEXT:
        raise InputError(f"not lines of JSON: it looks like {looks}")
    stream = open_arrow(file, _COMPRESSIONS.get(file.head[:2]))
    with stream:
        for number, text in enumerate(_texts(stream), 1):
            if text.strip():
                line = Line(number, _object(text, number))
                yield _answer(line) if _is_answer(line.values) else line


def _texts(stream: Any) -> Iterator[bytes]:
    """Lines of bytes."""
    import io

    buffered = io.BufferedReader(stream, 1 << 20)
    first = True
    while text := buffered.readline(_LINE_BYTES):
        if len(text) == _LINE_BYTES:
            raise InputError(f"a line is longer than {_LINE_BYTES:,} bytes")
        yield text.removeprefix(_BOM) if first else text
        first = False


def _object(text: bytes, number: int) -> Mapping[str, Any]:
    try:
        value = json.loads(text.decode(), object_pairs_hook=distinct, parse_int=integer)
    except (ValueError, RecursionError) as error:
        told = "" if isinstance(error, UnicodeError) else "not JSON: "
        raise InputError(f"line {number:,}: {told}{fault(error)}") from error
    if not isinstance(value, dict):
        hint = "one object a line is needed: jq -c '.[]' makes them of a list"
        kind = "a list" if isinstance(value, list) else repr(value)[:_SHOWN]
        raise InputError(f"line {number:,} is {kind}, not an object", hint=hint)
    return value


def _is_answer(values: Mapping[str, Any]) -> bool:
    """Whether a batch API gave this line; other tables too have a `response`, of text."""
    return "custom_id" in values and isinstance(values.get("response", ""), dict | None)


def _answer(line: Line) -> Line:
    """The id and the embedding in a line that OpenAI's batch API gave."""
    response = line.value("response")
    if line.values.get("error") is not None or not isinstance(response, dict):
        raise line.error(f"the request failed: {repr(line.values.get('error'))[:200]}")
    body = response.get("body")
    data = body.get("data") if isinstance(body, dict) else None
    if response.get("status_code", 200) != 200 or not isinstance(data, list):
        raise line.error(f"the request failed, status {response.get('status_code')!r}")
    if len(data) != 1:
        raise line.error(
            f"the answer holds {len(data):,} embeddings for one custom_id; one a request is needed"
        )
    embedding = data[0].get("embedding") if isinstance(data[0], dict) else None
    return Line(line.number, {"custom_id": line.value("custom_id"), "embedding": embedding})


def kind_of(value: Any) -> Kind:
    """What a name of the first object holds: a number, a vector of numbers, or something else."""
    if isinstance(value, list):
        return "vector" if value and all(map(_is_number, value)) else "other"
    return "number" if _is_number(value) or isinstance(value, bool) else "other"


def _is_number(value: Any) -> bool:
    return value is None or type(value) in (int, float)
