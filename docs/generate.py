"""Make what the documents show of the program from the program: the reference and the picture.

`python docs/generate.py` writes them, `--check` fails if they are not what it would write.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
COMMANDS_PAGE = ROOT / "docs" / "commands.md"
PICTURE = ROOT / "docs" / "demo.svg"
_WIDTH = 100
_DEMO = (
    "mmfuse concat pixels.npy fourier=fourier.csv karhunen.parquet "
    "--normalize zscore --weight fourier=2 -o fused.parquet",
    "mmfuse inspect pixels.npy fourier.csv fused.parquet",
)


def run(command: str, folder: Path) -> str:
    """What a command prints on a terminal of a fixed width, colours left out."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {
        **os.environ, "COLUMNS": str(_WIDTH), "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8",
        "PATH": programs,
    }  # fmt: skip
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, check=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout


def reference() -> str:
    """The help page of every command."""
    from mmfuse.cli.command import COMMANDS
    from mmfuse.core.registry import STRATEGIES

    parts = ["# Commands\n\nMade from the code by `make docs`.\n"]
    for name in ("", *STRATEGIES.modules, *COMMANDS.modules):
        title = f"mmfuse {name}".strip()
        page = run(f"{title} --help", ROOT).rstrip()
        parts.append(f"## {title}\n\n```text\n{page}\n```\n")
    return "\n".join(parts)


def picture() -> str:
    """One run on the sample data, drawn as a terminal."""
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for file in (ROOT / "sample_data").iterdir():
            (folder / file.name).symlink_to(file)
        for command in _DEMO:
            shown = command.replace(" --normalize", " \\\n    --normalize")
            console.print(Text("$ ", style="bold green") + Text(shown, style="bold"))
            console.print(Text(run(command, folder).split("\nfused was written")[0].rstrip()))
            console.print()
    return console.export_svg(title="mmfuse", theme=MONOKAI, unique_id="mmfuse")


def main() -> int:
    """Write, or check; the exit code says whether all was as it should be."""
    stale = []
    for path, content in ((COMMANDS_PAGE, reference()), (PICTURE, picture())):
        if "--check" not in sys.argv:
            path.write_text(content, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != content:
            stale.append(str(path.relative_to(ROOT)))
    for name in stale:
        print(f"{name} is not what the code says: run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
