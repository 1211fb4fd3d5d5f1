"""The options that commands share, each declared once; a command's signature names them."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def _option(
    panel: str | None, *flags: str, help: str, metavar: str | None = None, **how: Any
) -> Any:
    return typer.Option(*flags, help=help, metavar=metavar, rich_help_panel=panel, **how)


_READ, _ROWS, _VALUES, _WRITE = "Reading", "Rows", "Values", "Writing"
_TIME = "Time and sequences"

Files = Annotated[
    list[str], typer.Argument(metavar="[NAME=]FILE...", help="A modality each; - is stdin.")
]

FilesOrList = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=]FILE...",
        help="A modality each: a file, a folder or glob of shards or samples, or - for stdin.",
        show_default=False,
    ),
]
InputsFrom = Annotated[
    str | None,
    _option(
        _READ,
        "--inputs-from",
        metavar="FILE",
        help="More inputs, one a line; lines of one NAME are its shards. - is stdin.",
    ),
]

Output = Annotated[
    str, _option(_WRITE, "--output", "-o", metavar="OUT", help="The fused file; - is stdout.")
]
Format = Annotated[
    str | None,
    _option(_WRITE, "--format", "-f", metavar="FORMAT", help="By default the suffix tells."),
]
Layout = Annotated[
    str | None,
    _option(_WRITE, metavar="LAYOUT", help="vector (one column) or wide (one a feature)."),
]
Compression = Annotated[
    str | None,
    _option(_WRITE, metavar="CODEC", help="Of Parquet: none, zstd, snappy, gzip, lz4."),
]
ShardRows = Annotated[
    int | None,
    _option(
        _WRITE,
        "--shard-rows",
        metavar="N",
        min=1,
        help="Files part-00000… of N rows each in the folder OUT/.",
    ),
]
NoClobber = Annotated[bool, _option(_WRITE, "--no-clobber", help="Refuse to replace a file.")]
Lock = Annotated[
    str | None,
    _option(
        _WRITE,
        metavar="FILE",
        help="Write which rows and inputs these are; where FILE is there, refuse any others.",
    ),
]
Save = Annotated[
    str | None,
    _option(_WRITE, metavar="MODEL", help="Save what was learned, for mmfuse apply: a model file."),
]
Report = Annotated[
    bool,
    _option(
        None, "--report", help="Tell what was learned: components, modalities, what is chance."
    ),
]
Plot = Annotated[
    str | None, _option(_WRITE, metavar="FILE", help="Draw what was learned: .svg, .png or .pdf.")
]
ModelOutput = Annotated[
    str,
    _option(_WRITE, "--output", "-o", "--save", metavar="MODEL", help="The model's file."),
]
ContinuedOutput = Annotated[
    str | None,
    _option(
        _WRITE,
        "--output",
        "-o",
        "--save",
        metavar="OUT",
        help="Where the model goes; by default where it was.",
    ),
]
TrainedOutput = Annotated[
    str | None,
    _option(_WRITE, "--output", "-o", metavar="MODEL", help="The model's file, or folder MODEL/."),
]
Depfile = Annotated[
    str | None, _option(_WRITE, metavar="FILE", help="Write what OUT depends on, for Make.")
]

IdFiles = Annotated[
    list[str] | None,
    _option(_READ, metavar="[NAME=]FILE[:COLUMN]", help="Row ids in another file."),
]
Labels = Annotated[
    str | None,
    _option(
        _READ,
        metavar="FILE[:COLUMN]",
        help="The class or number of every row, by id; rows without are not learned from.",
    ),
]
IdColumn = Annotated[
    list[str] | None, _option(_READ, metavar="[NAME=]COLUMN", help="The column of row ids.")
]
Column = Annotated[
    list[str] | None,
    _option(_READ, metavar="[NAME=]COLUMN", help="A feature column, or a glob; may be repeated."),
]
Sidecar = Annotated[
    bool,
    _option(
        _READ,
        "--sidecar/--no-sidecar",
        help="Look for ids beside a file without any (STEM.ids.txt, …); so by default.",
        show_default=False,
    ),
]
InputFormat = Annotated[
    list[str] | None,
    _option(
        _READ,
        "--from",
        metavar="[NAME=]FORMAT",
        help="The format of an input whose suffix does not tell.",
    ),
]

IdTransform = Annotated[
    list[str] | None,
    _option(
        _READ,
        "--id-transform",
        metavar="[NAME=]STEP[,STEP...]",
        help="Rewrite ids: strip, lower, nfc, stem, basename, int, s/RE/REPL/.",
    ),
]

Join = Annotated[
    str,
    _option(
        _ROWS, metavar="KIND", help="Ids of the output: inner (all have), left, outer (any has)."
    ),
]


def missing(default: str) -> Any:
    """What stands for a modality that a row lacks; by default what the strategy declares."""
    return Annotated[
        str | None,
        _option(
            _ROWS,
            metavar="POLICY",
            help="For a modality that a row lacks, after normalisation: zero, mean, nan or error; "
            f"by default {default}.",
        ),
    ]


Missing = missing("zero")
Duplicates = Annotated[
    str,
    _option(
        _ROWS,
        metavar="POLICY",
        help="Several rows of one id: error, first, mean, max, or explode (a row each).",
    ),
]
SortIds = Annotated[
    bool, _option(_ROWS, "--sort-ids", help="Natural order of the ids: 2 before 10.")
]
Strict = Annotated[bool, _option(_ROWS, "--strict", help="Refuse to drop a row.")]
MinOverlap = Annotated[
    float,
    _option(
        _ROWS,
        metavar="SHARE",
        min=0,
        max=1,
        help="Share of every input's ids that all inputs must have.",
    ),
]
ByPosition = Annotated[
    bool, _option(_ROWS, "--by-position", help="Join row by row, whatever ids there are.")
]
RequireIds = Annotated[bool, _option(_ROWS, "--require-ids", help="Refuse to join by position.")]

Align = Annotated[
    str, _option(_TIME, metavar="HOW", help="How rows meet: id, or time (of the first input's).")
]
TimeColumn = Annotated[
    list[str] | None, _option(_TIME, metavar="[NAME=]COLUMN", help="The column of times.")
]
TimeFiles = Annotated[
    list[str] | None,
    _option(_TIME, "--times", metavar="[NAME=]FILE", help="Times in another file, one a row."),
]
TimeUnit = Annotated[
    list[str] | None,
    _option(_TIME, metavar="[NAME=]UNIT", help="Of times that are numbers: s, ms, us or ns."),
]
Tolerance = Annotated[
    str | None,
    _option(_TIME, metavar="DURATION", help="Take the nearest row, this far away at most: 20ms."),
]
Window = Annotated[
    str | None, _option(_TIME, metavar="DURATION", help="Pool the rows of this interval: 1s.")
]
Direction = Annotated[
    str | None,
    _option(
        _TIME,
        metavar="WHERE",
        help="nearest, backward (not after) or forward; a window is backward by default.",
    ),
]
TimeBy = Annotated[
    str | None, _option(_TIME, "--by", metavar="id", help="Only rows of one id meet in time.")
]
Pool = Annotated[
    list[str] | None,
    _option(
        _TIME,
        metavar="[NAME=]POOL",
        help="Rows of a window or an id, or steps: mean, max, std, last; steps also flatten.",
    ),
]
PoolMaskZeros = Annotated[
    bool, _option(_TIME, "--pool-mask-zeros", help="Steps that are all zeros are padding.")
]

Normalize = Annotated[
    list[str] | None,
    _option(
        _VALUES,
        metavar="[NAME=]NORM[,NORM...]",
        help="Normalisations in their order, such as l2 or center,l2.",
    ),
]
Weight = Annotated[
    list[str] | None,
    _option(
        _VALUES,
        metavar="[NAME=]WEIGHT",
        help="Multiplies a modality after its normalisation.",
    ),
]
Nan = Annotated[
    str,
    _option(
        _VALUES,
        metavar="POLICY",
        help="NaN and infinite values: error, keep, zero, mean (of the column) or drop.",
    ),
]
Dtype = Annotated[str, _option(_VALUES, metavar="DTYPE", help="float16, float32 or float64.")]

DryRun = Annotated[
    bool,
    _option(None, "--dry-run", "-n", help="Read headers and ids only; print the plan."),
]
Verbose = Annotated[
    bool, _option(None, "--verbose", "-v", help="How every input is read, and what it takes.")
]
Quiet = Annotated[bool, _option(None, "--quiet", "-q", help="No summary.")]
AsJson = Annotated[bool, _option(None, "--json", help="One JSON object on stdout.")]
SummaryFile = Annotated[
    str | None, _option(None, "--summary", metavar="FILE", help="The summary as JSON in a file.")
]
Threads = Annotated[
    int | None, _option(None, metavar="N", min=1, help="Threads; by default one a processor.")
]
Memory = Annotated[str, _option(None, metavar="SIZE", help="Working memory.")]
