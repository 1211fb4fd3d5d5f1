"""Files in which everything has a name that a terminal would obey, and every command on them."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer

import mmfuse
from mmfuse.cli.main import app

INJECTED = "error: injected"
EVIL = {
    "escape": "\x1b[31mred",
    "title": "\x1b]0;title\x07",
    "link": "\x1b]8;;http://a.example\x1b\\b\x1b]8;;\x1b\\",
    "line": f"a\n{INJECTED}",
    "return": f"a\r{INJECTED}",
    "next line": f"a\x85{INJECTED}",
    "separator": f"a\u2028{INJECTED}",
    "feed": f"a\x0b{INJECTED}\x0c",
    "C1": "\x9b31m",
    "delete": "a\x7f\x08b",
    "bidi": "\u202egpj.exe",
    "isolate": "\u2066a\u2069",
    "nothing": "a\u200b\u200d\ufeff\u00adb",
    "tag": "a\U000e0061",
    "private": "\ue000",
    "blank": "a\u00a0\u3000b",
    "markup": "[red]a[bold]",
    "end": "[/]",
    "tab": "a\tb",
    "code": ":smile: {} %s ${x} `a`",
}
ALL = "|".join(EVIL.values())
N = 24


def table(path: str, columns: list[str], name: str, values: np.ndarray) -> None:
    """A sheet whose ids all hold `name`."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    lines.writerow(["id", *columns])
    lines.writerows([f"{name}{k}", *row] for k, row in enumerate(values.tolist()))
    Path(path).write_bytes(text.getvalue().encode())


def files(name: str) -> tuple[str, str]:
    """Two modalities and labels, with everything called `name`; the arguments of the two."""
    rng = np.random.default_rng(0)
    values = rng.dirichlet(
        np.ones(3), (2, N)
    )  # rows that are probabilities, for those who fuse them
    stem = name.replace("/", "").encode()[:200].decode(errors="ignore")
    for k, file in enumerate((f"{stem}.csv", f"2{stem}.csv")):
        table(file, [f"{j}{name}" for j in range(3)], name, values[k])
        table(f"f{file}", [name], name, values[k, :, :1])
    table("labels.csv", ["label"], name, np.array([[f"{name}{k % 2}"] for k in range(N)], object))
    table("numbers.csv", ["label"], name, rng.normal(size=(N, 1)))
    table("none.csv", ["x"], f"{name}none", np.ones((2, 1)))
    return f"{stem}.csv", f"2{stem}.csv"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its parser."""
    group = typer.main.get_command(app)
    context = group.make_context("mmfuse", ["strategies"])
    for name in group.list_commands(context):
        yield name, group.get_command(context, name)


NAMES = [name for name, _ in commands()]


def arguments(command: str, one: str, two: str) -> list[list[str]]:
    """Runs of a command on two modalities, of which the first do their work."""
    labels = ["--labels", "labels.csv"]
    if command == "strategies":
        return [[command]]
    if command in ("inspect", "check"):
        return [[command, one, two], [command, one, "none.csv"]]
    if command == "convert":
        return [[command, one, "out.parquet"]]
    if command == "align":
        return [[command, f"\x1b[7m\n1={one}", f"\u202e\r2={two}", "-o", "out"]]
    if command == "merge":
        return [[command, "pca.safetensors", "again.safetensors", "-o", "out.safetensors"]]
    if command == "apply":
        return [[command, "pca.safetensors", one, two, "-o", "out.csv", "--check-drift"]]
    if command == "predict":
        return [[command, "trained.safetensors", one, two, "-o", "out.csv"]]
    if command == "train":
        how = ["--folds", "2", "--estimator", "lda"]
        return [[command, one, two, *labels, "-o", "out.safetensors", *how]]
    if command == "fit":
        return [[command, "pca", one, two, "-o", "out.safetensors", "-k", "2"]]
    plain = [command, one, two, "-o", "out.csv", "--verbose"]
    forecasts = [command, f"f{one}", f"f{two}", *plain[3:]]
    return [plain, [*plain, *labels], [*forecasts, "--labels", "numbers.csv"]]


def with_models(name: str) -> tuple[str, str]:
    """The same, and models of them."""
    one, two = files(name)
    mmfuse.fit("pca", [one, two], "pca.safetensors", options={"n_components": 2})
    shutil.copy("pca.safetensors", "again.safetensors")
    mmfuse.train([one, two], "labels.csv", "trained.safetensors", folds=2, estimator="lda")
    return one, two
