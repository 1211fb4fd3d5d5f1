"""What is measured: jobs, and who takes part in each."""

from __future__ import annotations

import sys
from pathlib import Path

from contestants import MMFUSE, Contestant, Data, Job, Role, mmfuse, suffix_of

_HERE = Path(__file__).resolve().parent

NUMPY, PYARROW, PANDAS = "numpy_by_hand", "pyarrow_take", "pandas_join"
EAGER, STREAMING, DUCKDB = "polars_eager", "polars_streaming", "duckdb_join"
TITLES = {
    NUMPY: "NumPy by hand",
    PYARROW: "pyarrow take",
    PANDAS: "pandas",
    EAGER: "polars eager",
    STREAMING: "polars streaming",
    DUCKDB: "DuckDB",
}

# (format of the inputs, layout of the output): who does it in a natural way
CONCAT = {
    ("npy", "npy"): (NUMPY, PANDAS),
    ("npy", "vector"): (NUMPY, PYARROW, EAGER, STREAMING, DUCKDB),
    ("npy", "wide"): (NUMPY, EAGER, STREAMING, PANDAS),
    ("vector", "vector"): (NUMPY, PYARROW, EAGER, STREAMING, DUCKDB),
    ("wide", "wide"): (PYARROW, EAGER, STREAMING, DUCKDB, PANDAS),
    ("csv", "wide"): (PYARROW, EAGER, STREAMING, DUCKDB, PANDAS),
}
_LAYOUTS = {"npy": "npy", "vector": "vector Parquet", "wide": "wide Parquet", "csv": "CSV"}
NORMALIZATIONS = (
    "none",
    "center",
    "l2",
    "minmax",
    "sigmoid",
    "softmax",
    "share",
    "sqrt-dim",
    "zscore",
    "whiten",
)
STRATEGIES = (
    "concat",
    "sum",
    "mean",
    "product",
    "max",
    "min",
    "sketch",
    "random-projection",
    "random-lowrank",
    "outer",
)
RULES = (
    "soft-vote",
    "log-pool",
    "product-rule",
    "max-rule",
    "min-rule",
    "median-rule",
    "hard-vote",
    "borda-vote",
    "dempster-shafer",
    "weighted-mean",
)


def standard(base: Path, rows: int) -> list[Job]:
    """Everything at one number of ids."""
    return [
        _help(),
        _concat("tiny-npy", Data(base, "tiny", 10), "npy", "npy", short=True),
        _concat("tiny-wide", Data(base, "tiny", 10, ("wide",)), "wide", "wide", short=True),
        *(
            # text is slow to parse: an eighth of the rows tells as much
            _concat(
                f"{kind}-{layout}",
                Data(base, "main", rows // 8 if kind == "csv" else rows, (kind,)),
                kind,
                layout,
            )
            for kind, layout in CONCAT
        ),
        _text_ids(base, rows),
        *_threads(base, rows),
        _strategies(base, rows // 4),
        _rules(base, rows // 4),
        _normalizations(base, rows // 4),
    ]


def growth(base: Path, rows: int) -> list[Job]:
    """npy to vector Parquet at a quarter, half, once and twice the ids."""
    return [
        _concat(f"growth-{n}", Data(base, "main", n), "npy", "vector", peers=_GROWING, limits=False)
        for n in (rows // 4, rows // 2, rows, 2 * rows)
    ]


_GROWING = (NUMPY, PYARROW, EAGER, STREAMING)


def _concat(
    name: str,
    data: Data,
    kind: str,
    layout: str,
    short: bool = False,
    peers: tuple[str, ...] | None = None,
    limits: bool = True,
) -> Job:
    """mmfuse and its peers; then, as the limit, `cp` of what mmfuse wrote."""
    own = mmfuse("mmfuse", data, kind, layout)
    suffix = suffix_of(layout)
    found = [own]
    for peer in peers or CONCAT[kind, layout]:
        out = data.folder / "out" / f"{peer}{suffix}"
        script = str(_HERE / "peers" / f"{peer}.py")
        command = [sys.executable, script, str(data.folder), kind, layout, str(out)]
        check = ["--any-order"] if peer == DUCKDB else []
        found.append(Contestant(TITLES[peer], Role.PEER, command, out, check))
    if limits and not short:
        copy = data.folder / "out" / f"copy{suffix}"
        names = [str(own.out), str(copy)]
        flushed = ["sh", "-c", 'cp "$0" "$1" && sync "$1"', *names]
        found += [
            Contestant("cp of the output", Role.LIMIT, ["cp", *names], copy),
            Contestant("cp and fsync", Role.LIMIT, flushed, copy),
        ]
    title = f"{'Start-up: ' * short}{_LAYOUTS[kind]} → {_LAYOUTS[layout]}"
    return Job(name, title, [data], found, data.files(kind), short)


def _help() -> Job:
    python = [sys.executable, "-c"]
    found = [
        Contestant("mmfuse --help", Role.MMFUSE, [MMFUSE, "--help"]),
        Contestant("mmfuse concat --help", Role.OTHER, [MMFUSE, "concat", "--help"]),
        Contestant("Python that does nothing", Role.LIMIT, [*python, "pass"]),
        Contestant("Python that imports NumPy", Role.LIMIT, [*python, "import numpy"]),
    ]
    return Job("help", "Start-up", [], found, short=True)


def _text_ids(base: Path, rows: int) -> Job:
    integers, texts = Data(base, "main", rows), Data(base, "text-ids", rows)
    found = [
        mmfuse("integer ids", integers),
        mmfuse("text ids", texts, role=Role.OTHER),
    ]
    title = "Text ids beside integer ids, npy → vector Parquet"
    return Job("text-ids", title, [integers, texts], found, integers.files("npy"))


def _threads(base: Path, rows: int) -> list[Job]:
    """Two threads are the reference, so the ratio of one thread is what the second one gains."""
    cases = [
        ("npy", "vector", "concat", "none", rows),
        ("wide", "wide", "concat", "none", rows),
        ("csv", "wide", "concat", "none", rows // 8),
        ("npy", "vector", "concat", "zscore", rows),
        ("npy", "vector", "sketch", "none", rows // 4),
    ]
    jobs = []
    for kind, layout, strategy, normalize, n in cases:
        data = Data(base, "main", n, (kind,))
        found = [
            mmfuse(
                f"{threads} thread{'s' * (threads > 1)}",
                data,
                kind,
                layout,
                strategy,
                normalize,
                threads,
                Role.MMFUSE if threads == 2 else Role.OTHER,
            )
            for threads in (2, 1)
        ]
        extra = f", {normalize}" if normalize != "none" else ""
        title = f"Threads: {strategy}{extra}, {_LAYOUTS[kind]} → {_LAYOUTS[layout]}"
        name = "-".join(["threads", kind, layout, strategy, normalize])
        jobs.append(Job(name, title, [data], found, data.files(kind)))
    return jobs


def _strategies(base: Path, rows: int) -> Job:
    """Three modalities of 512; two of 32 for `outer`, whose output has 33² columns."""
    equal, narrow = Data(base, "equal", rows), Data(base, "narrow", rows)
    found = [
        mmfuse(
            strategy,
            narrow if strategy == "outer" else equal,
            strategy=strategy,
            role=Role.MMFUSE if strategy == "concat" else Role.OTHER,
        )
        for strategy in STRATEGIES
    ]
    title = "Strategies, npy → vector Parquet, 3 x 512 (outer: 2 x 32)"
    files = equal.files("npy") + narrow.files("npy")
    return Job("strategies", title, [equal, narrow], found, files)


def _rules(base: Path, rows: int) -> Job:
    """Probabilities of a hundred classes of three models."""
    data = Data(base, "predictions", rows)
    found = [
        mmfuse(rule, data, strategy=rule, role=Role.MMFUSE if rule == RULES[0] else Role.OTHER)
        for rule in RULES
    ]
    title = "Rules over predictions, npy → vector Parquet, 3 x 100"
    return Job("rules", title, [data], found, data.files("npy"))


def _normalizations(base: Path, rows: int) -> Job:
    equal = Data(base, "equal", rows)
    found = [
        mmfuse(
            normalize,
            equal,
            normalize=normalize,
            role=Role.MMFUSE if normalize == "none" else Role.OTHER,
        )
        for normalize in NORMALIZATIONS
    ]
    title = "Normalisations before concat, npy → vector Parquet, 3 x 512"
    return Job("normalizations", title, [equal], found, equal.files("npy"))
