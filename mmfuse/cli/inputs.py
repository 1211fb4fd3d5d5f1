"""The inputs of a command: those named on the command line, then those of a list."""

from __future__ import annotations

from collections.abc import Sequence

from mmfuse.errors import InputError, UsageError
from mmfuse.files.ids import sidecar, split_column
from mmfuse.files.keys import split_key
from mmfuse.files.listing import listed_lines
from mmfuse.files.paths import same_file, split_name
from mmfuse.files.shards import named_files
from mmfuse.request import Input, inputs_of, listed_inputs


def all_inputs(
    files: Sequence[str], inputs_from: str | None, outputs: Sequence[str]
) -> list[str | Input]:
    """The inputs named, and those that the list at `inputs_from` names.

    outputs: the files that are written.
    Raises UsageError where the list would be overwritten, InputError where it cannot be read.
    """
    if inputs_from is None:
        return list(files)
    for output in outputs:
        if same_file(inputs_from, output):
            raise UsageError(f"{output} is one of the inputs", hint="name another file")
    listed = listed_inputs(listed_lines(inputs_from))
    if not files and not listed:
        raise InputError("the list names no file", where=inputs_from)
    if inputs_from == "-" and any(item.value == "-" for item in inputs_of([*files, *listed])):
        raise UsageError("standard input cannot be both a list of inputs and one of them")
    return [*files, *listed]


def files_of(
    inputs: Sequence[str | Input], inputs_from: str | None, ids: Sequence[str]
) -> list[str]:
    """Every file that may be read: shards, the list and files of ids too, and those beside them.

    ids: `[NAME=]FILE[:COLUMN]`.
    """
    named = [i.value if isinstance(i, Input) else split_name(i)[1] for i in inputs]
    files = [path for value in named for path in named_files(value)]
    files += [split_column(split_name(file)[1])[0] for file in ids]
    beside = [found for path in files if (found := sidecar(split_key(path)[0])) is not None]
    return [*files, *beside, *([] if inputs_from is None else [inputs_from])]
