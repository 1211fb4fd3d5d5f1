"""Commands that read rows, join them and work on them: all their options, declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mmfuse.cli import shared
from mmfuse.cli.extras import Extras
from mmfuse.cli.given import matching, reading
from mmfuse.cli.inputs import all_inputs, files_of
from mmfuse.cli.options import per_modality, size
from mmfuse.cli.progress import showing
from mmfuse.cli.report import summary_table
from mmfuse.cli.streams import emit_json, say
from mmfuse.cli.timing import time_options
from mmfuse.errors import UsageError
from mmfuse.files.paths import same_file
from mmfuse.saving import ids_beside, place_of

if TYPE_CHECKING:
    from mmfuse.request import Input
    from mmfuse.summary import Summary
    from mmfuse.work import Fused

Own = Mapping[str, Any]
Settings = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What such a command does, and in what it differs from others.

    do: the work, given its own options, the inputs, the output and the settings of the public
        functions. own: its own parameters, which come first; the arguments among them before FILE.
    without: parameters that it does not have. other: annotations, or annotations with defaults,
        of those that it has in another way. model: which of its options name files of models.
    """

    do: Callable[[Own, list[Any], str, Settings], Fused]
    own: Sequence[inspect.Parameter] = ()
    without: frozenset[str] = frozenset()
    other: Mapping[str, Any] = field(default_factory=dict)
    models: tuple[str, ...] = ()


def run_function(work: Work, manual: str | None) -> Callable[..., None]:
    """The function behind such a command, its parameters as Typer reads them."""
    names = [p.name for p in work.own]

    def function(**given: Any) -> None:
        own = {name: given.pop(name) for name in names}
        _run(work, own, given)

    files, *rest = inspect.signature(_options, eval_str=True).parameters.values()
    kept = [_changed(p, work.other) for p in rest if p.name not in work.without]
    arguments = [p for p in work.own if p.default is inspect.Parameter.empty]
    options = [p for p in work.own if p not in arguments]
    parameters = [
        *arguments,
        files.replace(kind=inspect.Parameter.KEYWORD_ONLY),
        *options,
        *kept,
    ]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    function.__doc__ = manual
    return function


def _changed(parameter: inspect.Parameter, other: Mapping[str, Any]) -> inspect.Parameter:
    if parameter.name not in other:
        return parameter
    annotation = other[parameter.name]
    if isinstance(annotation, inspect.Parameter):
        return annotation
    return parameter.replace(annotation=annotation)


def _options(
    files: shared.FilesOrList = None,
    *,
    output: shared.Output,
    format: shared.Format = None,
    layout: shared.Layout = None,
    compression: shared.Compression = None,
    no_clobber: shared.NoClobber = False,
    lock: shared.Lock = None,
    shard_rows: shared.ShardRows = None,
    save: shared.Save = None,
    plot: shared.Plot = None,
    depfile: shared.Depfile = None,
    inputs_from: shared.InputsFrom = None,
    labels: shared.Labels = None,
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
    report: shared.Report = False,
    verbose: shared.Verbose = False,
    quiet: shared.Quiet = False,
    as_json: shared.AsJson = False,
    summary: shared.SummaryFile = None,
    threads: shared.Threads = None,
    memory: shared.Memory = "512MB",
) -> None:
    """Every option there is, and no more; `_run` gets what was given."""


_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(_options).parameters.items()
    if parameter.default is not inspect.Parameter.empty
}
_PASSED_ON = (
    "join", "missing", "duplicates", "sort_ids", "strict", "min_overlap", "nan", "dtype", "format",
    "layout", "compression", "lock", "shard_rows", "save", "labels", "report", "plot", "threads",
    "dry_run",
)  # fmt: skip


def _run(work: Work, own: Own, given: Mapping[str, Any]) -> None:
    """Do the work with the options given, and tell of it."""
    models = [place_of(own[name]) for name in work.models if own[name] is not None]
    asked = SimpleNamespace(**{**_DEFAULTS, **given})
    if not (asked.output or models):
        raise UsageError("no output", hint="-o MODEL names its file")
    output: str = asked.output or models[0]
    _refuse_both(asked.depfile, output, asked.as_json and not asked.dry_run)
    settings = {k: v for k, v in _settings(asked).items() if k not in work.without}
    if asked.dry_run:  # it writes nothing
        asked.depfile = asked.summary = None
    outputs = _outputs(asked, output)
    inputs = all_inputs(asked.files or (), asked.inputs_from, outputs)
    if asked.lock is not None and any(same_file(asked.lock, model) for model in models):
        raise UsageError(f"--lock {asked.lock} is an input or an output")
    with closing(_extras(asked, own, inputs, [*outputs, *models])) as extras:
        with showing(output, quiet=asked.quiet) as progress:
            told = work.do(own, inputs, output, {**settings, "progress": progress}).summary
        told.reads += [model for model in models if not same_file(model, output)]
        if asked.inputs_from is not None and asked.inputs_from != "-":
            told.reads.append(asked.inputs_from)
        extras.write(told)
    if asked.as_json:
        emit_json(told.as_dict())
    elif not asked.quiet:
        say(summary_table(told, verbose=asked.verbose))
        if more := _more(told):
            say(["", *more])


def _more(told: Summary) -> list[str]:
    """What is told below the summary: scores, a report, or drift."""
    if told.scores is not None:
        from mmfuse.cli.score_table import score_table

        return score_table(told.scores)
    if told.report is None and told.drift is None:
        return []
    from mmfuse.cli.model_report import drift_table, report_table

    return report_table(told.report) if told.report else drift_table(told.drift or {})


def _settings(asked: SimpleNamespace) -> Settings:
    """The arguments of the public functions."""
    return {
        **{name: getattr(asked, name) for name in _PASSED_ON},
        **reading(
            *(asked.ids, asked.id_column, asked.column, asked.sidecar, asked.input_format),
            *(asked.pool, asked.pool_mask_zeros, asked.id_transform),
        ),
        "normalize": per_modality(asked.normalize or (), str, "--normalize"),
        "weight": per_modality(asked.weight or (), float, "--weight"),
        "by": matching(asked.by_position, asked.require_ids),
        "time": time_options(
            *(asked.align, asked.time_column, asked.times, asked.time_unit, asked.tolerance),
            *(asked.window, asked.direction, asked.by),
        ),
        "clobber": not asked.no_clobber,
        "memory": size(asked.memory),
    }


def _outputs(asked: SimpleNamespace, output: str) -> list[str]:
    """Files that are written, but for those of `_extras`; npy has its ids beside it."""
    named = filter(None, [asked.lock, asked.save, asked.plot])
    return [output, ids_beside(output), *named]


def _extras(
    asked: SimpleNamespace, own: Own, inputs: Sequence[str | Input], others: Sequence[str]
) -> Extras:
    """others: further files that must not be replaced."""
    if asked.depfile is None and asked.summary is None:  # then nothing has to be looked for
        return Extras(None, None, ())
    beside = [*(asked.ids or ()), *(asked.times or ()), asked.labels, own.get("groups")]
    read = files_of(inputs, asked.inputs_from, list(filter(None, beside)))
    return Extras(asked.depfile, asked.summary, [*others, *read])


def _refuse_both(depfile: str | None, output: str, as_json: bool) -> None:
    """Raise UsageError for options that exclude each other."""
    if depfile is not None and output == "-":
        raise UsageError("--depfile needs a file to depend: -o FILE")
    if as_json and output == "-":
        raise UsageError("--json and -o - both want stdout", hint="--summary FILE takes the JSON")
