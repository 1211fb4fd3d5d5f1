"""From what the user names to sources: the file, its format, and where its row ids are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mmfuse.core.id_transforms import parse, transformed
from mmfuse.core.ids import concatenated
from mmfuse.core.source import Source
from mmfuse.core.time_options import TimeOptions
from mmfuse.errors import AlignmentError, InputError, UsageError
from mmfuse.files.formats import Format, Reading, by_name, by_suffix, known_format
from mmfuse.files.ids import label_of, read_ids, sidecar, split_column
from mmfuse.files.inputs import InputFile, open_input, reading, unchanged
from mmfuse.files.paths import file_name
from mmfuse.files.sample_folder import sample_source, samples
from mmfuse.files.sharded import sharded_source
from mmfuse.files.shards import Shards, shards
from mmfuse.request import ALL, Input, PerModality
from mmfuse.timing import Timing, assign_pools

if TYPE_CHECKING:
    from mmfuse.core.labels import Labels, Targets

Option = Mapping[str, Any] | Any | None


@dataclass(frozen=True)
class SourceOptions:
    """How inputs are read; each value is for all modalities, or a mapping of their names.

    ids: a file of row ids (`FILE[:COLUMN]`), or the ids. id_column: the column that holds them.
    column: feature columns, names or globs.
    id_transform: how ids are rewritten, such as `strip,lower`; see `core.id_transforms`.
    format: by name; said for all, it is for files whose suffix does not tell.
    sidecar: whether a file of ids beside an input is looked for.
    predictions: whether the files are predictions of classes; then `format` may also say what they
    hold, alone or behind the format (`logits`, `csv,scores`); see `core.probabilities`.
    time: where times are, if rows meet in time. pool: what the steps of sequences become; see
    `files.sequences`. mask_zeros: whether their steps of zeros alone are padding.
    """

    ids: Option = None
    id_column: Option = None
    column: Option = None
    format: Option = None
    sidecar: bool = True
    id_transform: Option = None
    time: TimeOptions | None = None
    pool: Option = None
    mask_zeros: bool = False
    predictions: bool = False


@dataclass
class Opened:
    """Sources, and every file that was opened for them: the output must not harm one."""

    sources: list[Source] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    parts: dict[str, list[str]] = field(default_factory=dict)
    """The paths of every input: its own, and of its ids."""
    folders: list[str] = field(default_factory=list)
    """Inputs that are all files of a folder, so that a new one there would become a part."""
    labels: Labels | Targets | None = None
    groups: Labels | None = None
    kinds: dict[str, str] = field(default_factory=dict)
    """What the predictions are, of inputs of which it is said."""
    _beside: dict[str, InputFile] = field(default_factory=dict)

    def beside(self, path: str, label: str) -> InputFile:
        """A file beside the inputs, opened once and kept: a stream can be read only once."""
        if path not in self._beside:
            self._beside[path] = open_input(path, label)
        return replace(self._beside[path], label=label)

    @property
    def protected(self) -> list[str]:
        """What no output may replace, or be put into."""
        return [*self.paths, *self.folders]

    @property
    def files(self) -> list[str]:
        """Those of the paths that others can read too, so no streams."""
        return [path for path in self.paths if not path.startswith("/proc/self/fd/")]


def open_sources(inputs: Sequence[Input], options: SourceOptions) -> Opened:
    """Open every input as far as its header and ids.

    Raises UsageError, InputError or AlignmentError, with the input it is about.
    """
    names = [item.name for item in inputs]
    ids = PerModality.of("--ids", options.ids, names)
    id_column = PerModality.of("--id-column", options.id_column, names)
    column = PerModality.of("--column", options.column, names)
    format = PerModality.of("--from", options.format, names)
    transform = PerModality.of("--id-transform", options.id_transform, names)
    steps = {name: parse(transform.get(name, "")) for name in names if transform.get(name, "")}
    times, pool = Timing.of(options.time, names), PerModality.of("--pool", options.pool, names)
    opened = Opened()
    if options.predictions:
        format, opened.kinds = _split_kinds(format, names)
    for named in format.values.values():
        by_name(named)  # refused, though no file may need it
    for item in inputs:
        before = len(opened.paths)
        how = Reading(
            id_column.get(item.name, None),
            _columns(item, column.get(item.name, ())),
            outside_ids=ids.get(item.name, None) is not None,
            time_column=times.column_of(item.name),
            time_unit=times.unit_of(item.name),
            pool=pool.get(item.name, None),
            mask_zeros=options.mask_zeros,
        )
        with reading(item.label):
            several = None
            if opened.kinds.get(item.name) == "labels":
                several = _voted(item, how, opened)
            several = several or _open_several(item, how, format, options.sidecar, opened)
            source = several or _open(item, how, said_format(item, format), opened)
            beside = options.sidecar and several is None  # that of a file, not of them all
            _attach_ids(source, item, ids.get(item.name, None), beside, opened)
            if source.doubtful and opened.kinds.get(item.name) in ("logits", "scores"):
                raise InputError(
                    f"whether {source.doubtful[0]!r} is a class cannot be told",
                    hint=f"--column {item.name}=COLUMN names every class",
                )
            if (path := times.attach(source, opened.beside)) is not None:
                opened.paths.append(path)
            if item.name in steps and source.ids is not None:
                source.ids = transformed(source.ids, steps[item.name])
                source.id_source += f", {transform.get(item.name, '')}"
        opened.sources.append(source)
        opened.parts[item.name] = opened.paths[before:]
    assign_pools(opened.sources, pool, options.mask_zeros, options.time)
    return opened


def _split_kinds(
    said: PerModality[str], names: Sequence[str]
) -> tuple[PerModality[str], dict[str, str]]:
    """What is said of formats, and for every input what it is said to hold. Raises UsageError."""
    from mmfuse.core.probabilities import KINDS
    from mmfuse.core.registry import FORMATS

    formats: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for name, text in said.values.items():
        for word in text.split(","):
            if word not in KINDS and word not in FORMATS.modules:
                raise UsageError(
                    f"--from is {text!r}: {word!r} is no format, and none of {', '.join(KINDS)}",
                    hint="formats are " + ", ".join(FORMATS.modules),
                )
            (kinds if word in KINDS else formats)[name] = word
    held = PerModality(said.option, kinds)
    found = {name: held.get(name, "") for name in names}
    return PerModality(said.option, formats), {name: k for name, k in found.items() if k}


def _voted(item: Input, how: Reading, opened: Opened) -> Source:
    """The source of a file that says of every row which class a model takes it for."""
    from mmfuse.voted import predicted_labels

    return predicted_labels(item, how, opened)


def _columns(item: Input, named: str | Sequence[str]) -> tuple[str, ...]:
    """The columns said for this input, or the key that stands behind its path."""
    if item.key is None:
        return (named,) if isinstance(named, str) else tuple(named)
    if named:
        raise UsageError(f"--column and FILE:KEY both say what to take of {item.name}")
    return (item.key,)


def said_format(item: Input, named: PerModality[str]) -> str | None:
    """The format said for this input; one said for all is for those whose suffix does not tell."""
    if item.name in named.values:
        return named.values[item.name]
    told = isinstance(item.value, str) and by_suffix(item.path) is not None
    return None if told else named.values.get(ALL)


def _format_of(item: Input, named: PerModality[str]) -> Callable[[str], Format | None]:
    """What tells the format of each of several files."""

    def tell(path: str) -> Format | None:
        said = said_format(Input(item.name, path), named)
        return by_suffix(path) if said is None else by_name(said)

    return tell


def _open(item: Input, how: Reading, format: str | None, opened: Opened) -> Source:
    if not isinstance(item.value, str):
        from mmfuse.files.memory import memory_source

        return memory_source(item.value, item.name, how)
    if item.value == "-":  # is only read once its format is certain
        known_format(item.value, format, "--from")
    file, module = _opened(item, format, opened)
    with unchanged(file.verify):
        return module.open(file, item.name, how)


def _opened(item: Input, format: str | None, opened: Opened) -> tuple[InputFile, Format]:
    file = open_input(item.path, item.label)
    module = known_format(item.path, format, "--from")
    opened.paths.append(file.path)
    return file, module


def _open_several(
    item: Input, how: Reading, format: PerModality[str], beside: bool, opened: Opened
) -> Source | None:
    """The source of several files: samples, a row each, or shards; None: it is one file."""
    place = item.path if isinstance(item.value, str) else item.value
    told = _format_of(item, format)
    if (each_a_row := samples(place, told)) is not None:
        opened.paths.extend(each_a_row.files.paths)
        if os.path.isdir(place):
            opened.folders.append(place)
        return sample_source(item.name, _label(item, each_a_row.files.paths), each_a_row, how)
    if (found := shards(place, told)) is not None:
        return _open_shards(item, found, how, format, beside, opened)
    return None


def _open_shards(
    item: Input,
    found: Shards,
    how: Reading,
    format: PerModality[str],
    beside: bool,
    opened: Opened,
) -> Source:
    """One source of several files, each with the ids that are its own."""

    def each() -> Iterator[tuple[InputFile, Format, Reading, Source]]:
        for path in found.paths:
            shard = Input(item.name, path)
            with reading(shard.label):
                file, module = _opened(shard, said_format(shard, format), opened)
                with unchanged(file.verify):
                    source = module.open(file, item.name, how)
                _attach_ids(source, shard, None, beside and not how.outside_ids, opened)
            yield file, module, how, source

    if isinstance(item.value, str) and os.path.isdir(item.path):
        opened.folders += {os.path.dirname(path) for path in found.paths}
    return sharded_source(item.name, _label(item, found.paths), each(), found.notes)


def _label(item: Input, paths: Sequence[str]) -> str:
    """How messages name an input of several files."""
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    told = item.value.rstrip(os.sep) if isinstance(item.value, str) else paths[0] + more
    return f"{item.name}={told}"


def _attach_ids(source: Source, item: Input, given: Any, beside: bool, opened: Opened) -> None:
    """Ids from outside the file: those the user names, else a sidecar."""
    if given is not None and not isinstance(given, str | os.PathLike):
        from mmfuse.files.memory import ids_of_values

        source.ids, source.id_source = ids_of_values(given), "given"
    elif given is not None:
        path, column = split_column(os.fspath(given))
        _read(source, path, column, "", opened)
    elif source.ids is None and beside and isinstance(item.value, str):
        found = sidecar(item.path)
        if found is not None:
            _read(source, found, None, " (sidecar)", opened)
    if source.ids is not None and len(source.ids) != source.rows:
        raise AlignmentError(
            f"{len(source.ids):,} ids for {source.rows:,} rows (ids from {source.id_source})"
        )


def _read(source: Source, path: str, column: str | None, note: str, opened: Opened) -> None:
    with reading(label_of(path, source.label)):
        found = shards(path, by_suffix)
    columns = []
    for name in (path,) if found is None else found.paths:
        file = opened.beside(name, label_of(name, source.label))
        columns.append(read_ids(file, column))
        opened.paths.append(file.path)
        file.verify()
    source.ids = concatenated(*columns)
    source.id_source = file_name(path.rstrip(os.sep)) + note
