"""The command of a strategy: its own options, then those that all strategies share."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from mmfuse.cli.options import parameter, per_modality, per_modality_list, size
from mmfuse.cli.progress import showing
from mmfuse.cli.report import summary_table
from mmfuse.core.options import options as options_of
from mmfuse.core.registry import strategy_class
from mmfuse.errors import UsageError
from mmfuse.files.output import OutputFile, write_stream, writing

_READ, _ROWS, _VALUES, _WRITE = "Reading", "Rows", "Values", "Writing"
_Flag = typer.Option


def strategy_function(name: str) -> Callable[..., None]:
    """The function behind `mmfuse NAME`, its parameters as Typer reads them."""
    strategy = strategy_class(name)
    own = [parameter(option, f"Options of {name}") for option in options_of(strategy)]
    shared = list(inspect.signature(_fuse, eval_str=True).parameters.values())[2:]

    def function(**given: Any) -> None:
        options = {option.name: given.pop(option.name) for option in options_of(strategy)}
        _fuse(name, options, **given)

    files, *rest = shared
    parameters = [files.replace(kind=inspect.Parameter.KEYWORD_ONLY), *own, *rest]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    function.__doc__ = inspect.getdoc(strategy)
    return function


def _fuse(
    strategy: str,
    options: dict[str, Any],
    files: Annotated[
        list[str], typer.Argument(metavar="[NAME=]FILE...", help="A modality each; - is stdin.")
    ],
    *,
    output: Annotated[
        str,
        _Flag(
            "--output",
            "-o",
            metavar="OUT",
            help="The fused file; - is stdout.",
            rich_help_panel=_WRITE,
        ),
    ],
    format: Annotated[
        str | None,
        _Flag(
            "--format",
            "-f",
            metavar="FORMAT",
            help="By default the suffix tells.",
            rich_help_panel=_WRITE,
        ),
    ] = None,
    layout: Annotated[
        str | None,
        _Flag(
            metavar="LAYOUT",
            help="vector (one column) or wide (one a feature).",
            rich_help_panel=_WRITE,
        ),
    ] = None,
    compression: Annotated[
        str | None,
        _Flag(
            metavar="CODEC",
            help="Of Parquet: none, zstd, snappy, gzip, lz4.",
            rich_help_panel=_WRITE,
        ),
    ] = None,
    no_clobber: Annotated[
        bool, _Flag("--no-clobber", help="Refuse to replace a file.", rich_help_panel=_WRITE)
    ] = False,
    depfile: Annotated[
        str | None,
        _Flag(metavar="FILE", help="Write what OUT depends on, for Make.", rich_help_panel=_WRITE),
    ] = None,
    ids: Annotated[
        list[str] | None,
        _Flag(
            metavar="[NAME=]FILE[:COLUMN]", help="Row ids in another file.", rich_help_panel=_READ
        ),
    ] = None,
    id_column: Annotated[
        list[str] | None,
        _Flag(metavar="[NAME=]COLUMN", help="The column of row ids.", rich_help_panel=_READ),
    ] = None,
    column: Annotated[
        list[str] | None,
        _Flag(
            metavar="[NAME=]COLUMN",
            help="A feature column, or a glob; may be repeated.",
            rich_help_panel=_READ,
        ),
    ] = None,
    sidecar: Annotated[
        bool,
        _Flag(
            "--sidecar/--no-sidecar",
            help="Look for ids beside a file without any (STEM.ids.txt, …).",
            rich_help_panel=_READ,
        ),
    ] = True,
    input_format: Annotated[
        list[str] | None,
        _Flag(
            "--from",
            metavar="[NAME=]FORMAT",
            help="The format of an input whose suffix does not tell.",
            rich_help_panel=_READ,
        ),
    ] = None,
    by_position: Annotated[
        bool,
        _Flag(
            "--by-position", help="Join row by row, whatever ids there are.", rich_help_panel=_ROWS
        ),
    ] = False,
    require_ids: Annotated[
        bool, _Flag("--require-ids", help="Refuse to join by position.", rich_help_panel=_ROWS)
    ] = False,
    normalize: Annotated[
        list[str] | None,
        _Flag(
            metavar="[NAME=]NORM[,NORM...]",
            help="Normalisations in their order, such as l2 or center,l2.",
            rich_help_panel=_VALUES,
        ),
    ] = None,
    weight: Annotated[
        list[str] | None,
        _Flag(
            metavar="[NAME=]WEIGHT",
            help="Multiplies a modality after its normalisation.",
            rich_help_panel=_VALUES,
        ),
    ] = None,
    nan: Annotated[
        str,
        _Flag(
            metavar="POLICY",
            help="NaN and infinite values: error, keep, zero, mean (of the column) or drop.",
            rich_help_panel=_VALUES,
        ),
    ] = "error",
    dtype: Annotated[
        str, _Flag(metavar="DTYPE", help="float16, float32 or float64.", rich_help_panel=_VALUES)
    ] = "float32",
    dry_run: Annotated[
        bool, _Flag("--dry-run", "-n", help="Read headers and ids only; print the plan.")
    ] = False,
    quiet: Annotated[bool, _Flag("--quiet", "-q", help="No summary.")] = False,
    as_json: Annotated[bool, _Flag("--json", help="The summary as JSON on stdout.")] = False,
    summary_file: Annotated[
        str | None, _Flag("--summary", metavar="FILE", help="The summary as JSON in a file.")
    ] = None,
    threads: Annotated[
        int | None, _Flag(min=1, metavar="N", help="By default one a processor.")
    ] = None,
    memory: Annotated[str, _Flag(metavar="SIZE", help="Working memory.")] = "512MB",
) -> None:
    if by_position and require_ids:
        raise UsageError("--by-position and --require-ids exclude each other")
    if as_json and output == "-" and not dry_run:
        raise UsageError("--json and -o - both want stdout", hint="--summary FILE takes the JSON")
    from mmfuse import fuse

    with showing() as progress:
        fused = fuse(
            strategy,
            files,
            output,
            options=options,
            normalize=per_modality(normalize or (), str, "--normalize"),
            weight=per_modality(weight or (), float, "--weight"),
            ids=per_modality(ids or (), str, "--ids"),
            id_column=per_modality(id_column or (), str, "--id-column"),
            column=per_modality_list(column or ()),
            input_format=per_modality(input_format or (), str, "--from"),
            sidecar=sidecar,
            by="position" if by_position else "id" if require_ids else "auto",
            nan=nan,  # type: ignore[arg-type]
            dtype=dtype,
            format=format,
            layout=layout,  # type: ignore[arg-type]
            compression=compression,
            clobber=not no_clobber,
            threads=threads,
            memory=size(memory),
            dry_run=dry_run,
            progress=progress,
        )
    told = json.dumps(fused.summary.as_dict(), ensure_ascii=False)
    if summary_file is not None:
        _write_text(summary_file, told + "\n")
    if depfile is not None:
        _write_text(depfile, _rule(output, [item.file for item in fused.summary.inputs]))
    if as_json:
        print(told)
    elif not quiet:
        print(summary_table(fused.summary), file=sys.stderr)


def _write_text(path: str, text: str) -> None:
    with OutputFile(path) as file:
        with writing(path):
            write_stream(file.fd, text.encode("utf-8", "surrogateescape"))
        file.commit()


def _rule(target: str, inputs: list[str]) -> str:
    """`OUT: IN…` as Make reads it."""
    escaped = [
        path.replace("\\", "\\\\").replace(" ", "\\ ").replace("#", "\\#").replace("$", "$$")
        for path in (target, *inputs)
    ]
    return f"{escaped[0]}: {' '.join(escaped[1:])}\n"
