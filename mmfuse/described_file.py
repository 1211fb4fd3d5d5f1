"""Files of named arrays, with JSON that says what they are: what files of models share.

Read without trust: nothing runs, nothing is believed that was not checked, and whatever is not as
mmfuse writes it is a ModelError.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.chain import Chain, Stage
from mmfuse.core.strategy import Learned
from mmfuse.errors import InputError, MmfuseError, ModelError
from mmfuse.files.inputs import InputFile, as_bytes
from mmfuse.files.npy_header import NpyHeader, whole_array
from mmfuse.files.output import OutputFile, write_all, writing
from mmfuse.files.plain_json import fault, items, mapping, natural, parsed, text
from mmfuse.files.safetensors_header import read_tensors, tensors_head
from mmfuse.stages import stage_of

Arrays = dict[str, NDArray[Any]]
Built = TypeVar("Built")
FORMAT_VERSION = 1
_CHECKSUM = "sha256"
"""Its key beside the description; a file without one is believed, if it is sound otherwise."""
_DAMAGE = (
    LookupError, TypeError, ValueError, ArithmeticError, AttributeError, AssertionError,
    RecursionError,
)  # fmt: skip


def write_described(file: OutputFile, key: str, described: Mapping[str, Any], own: Arrays) -> None:
    """Write arrays and what they are, under a key of the metadata; all but what makes the file
    appear. Raises OutputError."""
    arrays = dict(sorted(own.items(), key=lambda item: -item[1].dtype.itemsize))
    description = json.dumps(described, ensure_ascii=False, sort_keys=True, allow_nan=False)
    metadata = {key: description, _CHECKSUM: _checksum(description, arrays)}
    forms = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    head, begins = tensors_head(forms, metadata)
    with writing(file.path):
        write_all(file.fd, head, 0)
        for name, array in arrays.items():
            write_all(file.fd, as_bytes(array), begins[name])


def described_by(file: InputFile, keys: Sequence[str]) -> str | None:
    """Which of these keys a file has, as far as its header tells; None: it has none."""
    try:
        metadata = read_tensors(file).metadata
    except InputError:
        return None
    return next((key for key in keys if key in metadata), None)


def read_described(file: InputFile, key: str, build: Callable[[Any, Arrays], Built]) -> Built:
    """What `build` makes of the description under a key, and of the arrays, which it takes out.

    Raises ModelError.
    """
    with model_errors(file.label):
        tensors = read_tensors(file)
        if key not in tensors.metadata:
            raise _not_this(tensors.metadata)
        content = parsed(tensors.metadata[key])
        _check_version(content)  # first: a later file may hold what this one cannot read
        arrays = {name: _array(file, name, header) for name, header in tensors.headers.items()}
        file.verify()
        own = _checksum(tensors.metadata[key], arrays)
        if tensors.metadata.get(_CHECKSUM, own) != own:
            raise ValueError("its checksum is that of another")
        built = build(content, arrays)
        if arrays:
            raise ValueError(f"a tensor named {next(iter(arrays))!r}")
        return built


def _checksum(description: str, arrays: Arrays) -> str:
    """Of a description and of arrays, in whatever order they lie in a file."""
    from hashlib import sha256  # which is slow to import

    found = sha256(description.encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"\0{name} {array.dtype.str} {array.shape}\0".encode())
        found.update(as_bytes(array))
    return found.hexdigest()


def _not_this(metadata: Mapping[str, str]) -> ModelError:
    """What a file is told that has no description of the kind wanted."""
    if any(name.startswith("mmfuse_") for name in metadata):
        return ModelError(
            "a model of another kind",
            hint="mmfuse predict is for those that train made; apply, merge and fit --continue "
            "are for those of fit and --save",
        )
    return ModelError(
        "not a model of mmfuse",
        hint="mmfuse fit and train write one, and every strategy does with --save",
    )


def add(found: Arrays, prefix: str, arrays: Learned) -> None:
    """Add arrays below a prefix, as a file has them."""
    for name, array in arrays.items():
        native = array.dtype.newbyteorder("<")
        found[f"{prefix}.{name}"] = np.array(array, native, order="C")


@contextmanager
def model_errors(place: str) -> Iterator[None]:
    """Everything that goes wrong with a model, as a ModelError that names the file."""
    try:
        yield
    except ModelError as error:
        raise ModelError(error.message, where=error.where or place, hint=error.hint) from error
    except MmfuseError as error:
        raise ModelError(
            f"not a model that can be used: {error.message}", where=place, hint=error.hint
        ) from error
    except _DAMAGE as error:
        raise ModelError(f"a damaged model: {_told(error)}", where=place) from error


def _told(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no {error}"
    return fault(error) if isinstance(error, ValueError | RecursionError) else str(error)


def _array(file: InputFile, name: str, header: NpyHeader | InputError) -> NDArray[Any]:
    if isinstance(header, InputError):
        raise header
    if math.prod(header.shape) == 0 and max(header.shape) > 1 << 24:
        raise ValueError(f"tensor {name} of shape {header.shape}")  # of no bytes, so of any length
    array = whole_array(file, header)
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError(f"NaN in tensor {name}")
    return array


def _check_version(content: Any) -> None:
    version = mapping(content).get("format_version")
    if type(version) is not int or version < 1:
        raise ValueError("its description has no version")
    if version > FORMAT_VERSION:
        raise ModelError(
            f"a model of format {version}; this mmfuse reads 1 to {FORMAT_VERSION}",
            hint="it was written by a later mmfuse: update",
        )


def chain_of_file(arrays: Arrays, item: Mapping[str, Any], m: int) -> Chain:
    """The stages of modality m, described by `item`; its arrays are taken out."""
    names, counts = items(item["normalize"]), items(item["degenerate_columns"])
    return tuple(
        Stage(
            text(name),
            stage_of(name).normalization,
            taken(arrays, f"normalize.{m}.{k}"),
            natural(count),
        )
        for k, (name, count) in enumerate(zip(names, counts, strict=True))
    )


def taken(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays below a prefix, which are taken out."""
    names = [name for name in arrays if name.startswith(prefix + ".")]
    return {name[len(prefix) + 1 :]: arrays.pop(name) for name in names}


def numbered(columns: Sequence[str]) -> int:
    """How many columns there are, if their names are their numbers; else 0."""
    return len(columns) if columns == tuple(map(str, range(len(columns)))) else 0
