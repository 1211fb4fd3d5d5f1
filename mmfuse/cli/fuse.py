"""The command of a strategy: its own options, then those that all strategies share."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from mmfuse.cli import shared
from mmfuse.cli.extras import Extras
from mmfuse.cli.given import matching, reading
from mmfuse.cli.inputs import all_inputs, files_of
from mmfuse.cli.options import parameter, per_modality, size
from mmfuse.cli.progress import showing
from mmfuse.cli.report import summary_table
from mmfuse.cli.streams import emit, say
from mmfuse.cli.timing import time_options
from mmfuse.core.options import options as options_of
from mmfuse.core.registry import strategy_class
from mmfuse.errors import UsageError

if TYPE_CHECKING:
    from mmfuse.request import Input
    from mmfuse.summary import Summary


def strategy_function(name: str) -> Callable[..., None]:
    """The function behind `mmfuse NAME`, its parameters as Typer reads them."""
    strategy = strategy_class(name)
    own = [parameter(option, f"Options of {name}") for option in options_of(strategy)]
    files, *rest = list(inspect.signature(_command, eval_str=True).parameters.values())[2:]

    def function(**given: Any) -> None:
        options = {option.name: given.pop(option.name) for option in options_of(strategy)}
        _command(name, options, **given)

    declared = "the row is fused from those it has" if strategy.fuses_present else "zero"
    rest = [
        p.replace(annotation=shared.missing(declared)) if p.name == "missing" else p for p in rest
    ]
    parameters = [files.replace(kind=inspect.Parameter.KEYWORD_ONLY), *own, *rest]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    function.__doc__ = inspect.getdoc(strategy)
    return function


def _command(
    strategy: str,
    options: Mapping[str, Any],
    files: shared.FilesOrList = None,
    *,
    output: shared.Output,
    format: shared.Format = None,
    layout: shared.Layout = None,
    compression: shared.Compression = None,
    no_clobber: shared.NoClobber = False,
    lock: shared.Lock = None,
    shard_rows: shared.ShardRows = None,
    depfile: shared.Depfile = None,
    inputs_from: shared.InputsFrom = None,
    ids: shared.IdFiles = None,
    id_column: shared.IdColumn = None,
    column: shared.Column = None,
    sidecar: shared.Sidecar = True,
    input_format: shared.InputFormat = None,
    id_transform: shared.IdTransform = None,
    join: shared.Join = "inner",
    missing: str | None = None,
    duplicates: shared.Duplicates = "error",
    sort_ids: shared.SortIds = False,
    strict: shared.Strict = False,
    min_overlap: shared.MinOverlap = 0.0,
    by_position: shared.ByPosition = False,
    require_ids: shared.RequireIds = False,
    align: shared.Align = "id",
    time_column: shared.TimeColumn = None,
    times: shared.TimeFiles = None,
    time_unit: shared.TimeUnit = None,
    tolerance: shared.Tolerance = None,
    window: shared.Window = None,
    direction: shared.Direction = None,
    by: shared.TimeBy = None,
    pool: shared.Pool = None,
    pool_mask_zeros: shared.PoolMaskZeros = False,
    normalize: shared.Normalize = None,
    weight: shared.Weight = None,
    nan: shared.Nan = "error",
    dtype: shared.Dtype = "float32",
    dry_run: shared.DryRun = False,
    verbose: shared.Verbose = False,
    quiet: shared.Quiet = False,
    as_json: shared.AsJson = False,
    summary: shared.SummaryFile = None,
    threads: shared.Threads = None,
    memory: shared.Memory = "512MB",
) -> None:
    _refuse_both(depfile, output, as_json and not dry_run)
    settings = {
        **reading(
            ids, id_column, column, sidecar, input_format, pool, pool_mask_zeros, id_transform
        ),
        "options": options,
        "normalize": per_modality(normalize or (), str, "--normalize"),
        "weight": per_modality(weight or (), float, "--weight"),
        "join": join,
        "missing": missing,
        "duplicates": duplicates,
        "sort_ids": sort_ids,
        "strict": strict,
        "min_overlap": min_overlap,
        "by": matching(by_position, require_ids),
        "time": time_options(
            align, time_column, times, time_unit, tolerance, window, direction, by
        ),
        "nan": nan,
        "dtype": dtype,
        "format": format,
        "layout": layout,
        "compression": compression,
        "clobber": not no_clobber,
        "lock": lock,
        "shard_rows": shard_rows,
        "threads": threads,
        "memory": size(memory),
        "dry_run": dry_run,
    }
    if dry_run:  # it writes nothing
        depfile = summary = None
    inputs = all_inputs(files or (), inputs_from, output)
    beside = (*(ids or ()), *(times or ()))
    own = [output, os.path.splitext(output)[0] + ".ids.txt"]  # which an npy output has beside it
    taken = [*own, *filter(None, [lock]), *files_of(inputs, inputs_from, beside)]
    with closing(Extras(depfile, summary, taken)) as extras:
        told = _run(strategy, inputs, output, settings)
        if inputs_from is not None and inputs_from != "-":
            told.reads.append(inputs_from)
        extras.write(told)
    if as_json:
        emit(json.dumps(told.as_dict()))
    elif not quiet:
        say(summary_table(told, verbose=verbose))


def _refuse_both(depfile: str | None, output: str, as_json: bool) -> None:
    """Raise UsageError for options that exclude each other."""
    if depfile is not None and output == "-":
        raise UsageError("--depfile needs a file to depend: -o FILE")
    if as_json and output == "-":
        raise UsageError("--json and -o - both want stdout", hint="--summary FILE takes the JSON")


def _run(strategy: str, files: list[str | Input], output: str, settings: dict[str, Any]) -> Summary:
    from mmfuse import fuse

    with showing() as progress:
        return fuse(strategy, files, output, progress=progress, **settings).summary
