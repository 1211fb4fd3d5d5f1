"""Change the code in one place after another, and see whether the tests notice.

    python tests/attack/mutation.py [GROUP …] [--only MODULE …] [--in FOLDER] [--jobs N] [--show]

Groups are ids, alignment, statistics and writer; all of them by default. `SURVIVORS.md` tells of
the changes that no test notices. mutmut works on a copy of the project in FOLDER; what a run there
found is kept for the next one, but for what survived and for functions that were edited.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
MUTMUT = Path(sys.executable).with_name("mutmut")
WANTED = 0.9  # of the changes have to be noticed
KILLED, TIMEOUT = (1, 3, -11), (-9, -24, 24, 36, 152, 255)  # exit codes of the tests; -11: a crash
DECORATED = re.compile(
    r"^( *)@(property|cached_property|contextmanager)\n"
    r"\1def (\w+)(\(.*:.*\n(?:(?:\1 .*)?\n)+)",
    re.MULTILINE,
)
MANY = re.compile(r"max_examples=[0-9]{3}")
# the same examples in every run, no time spent on smaller ones; and the quickest tests first
CONFTEST = """
import json
from hypothesis import Phase, settings

settings.register_profile(
    "mutation", derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("mutation")


def pytest_collection_modifyitems(items):
    noted = Path("mutmut-stats.json")
    if noted.exists():
        seconds = json.loads(noted.read_text())["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0))
"""


@dataclass(frozen=True)
class Group:
    """Modules, and the tests that are to notice what is changed in them."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


EVERY = "attack/test_every_call.py"
GROUPS = {
    "ids": Group(
        (
            *("core.decimals", "core.id_transforms", "core.ids", "core.match", "core.natural"),
            *("core.suggest", "core.words"),
        ),
        (
            *("core/test_id_transforms.py", "core/test_ids.py", "core/test_match.py"),
            *("core/test_natural.py", "core/test_words.py"),
        ),
    ),
    "alignment": Group(
        (
            *("core.align", "core.aligned", "core.alignment", "core.comparable", "core.join"),
            *("core.overlap", "core.ranges", "core.time_align"),
        ),
        (
            *("core/test_align.py", "core/test_aligned.py", "core/test_join.py"),
            *("core/test_natural.py", "core/test_overlap.py", "core/test_time_align.py"),
        ),
    ),
    "statistics": Group(
        (
            *("core.class_scatter", "core.present_scatter", "core.row_products", "core.rows"),
            *("core.scatter", "core.statistic", "core.statistics", "core.tally"),
            "core.target_scatter",
        ),
        ("core/test_statistic_laws.py", "core/test_statistics.py", "core/test_tally.py"),
    ),
    "writer": Group(
        (
            *("files.flush", "files.hidden", "files.interrupts", "files.output"),
            *("files.output_folder", "output", "sharded_output"),
        ),
        (
            *("files/test_flush.py", "files/test_interrupts.py", "files/test_output.py"),
            *("test_output_target.py", "test_sharded_output.py"),
            *(f"{EVERY}::test_the_kth_call_fails[{job}]" for job in ("npy-new", "npy-replaced")),
            *(f"{EVERY}::test_killed_at_the_kth_call[{job}-replaced]" for job in ("npy", "shards")),
        ),
    ),
}
# those that start processes, where nothing is changed, and some that take long
LEFT_OUT = (
    *("few_open_files", "any_threads", "another_run", "compressed", "as_somebody_else"),
    *(f"read_back[{name}]" for name in ("arrow", "csv", "jsonl", "npz", "safetensors")),
)


def prepare(folder: Path, modules: Sequence[str], tests: Sequence[str]) -> None:
    """Copy what is to be changed and what tests it."""
    for name in ("mmfuse", "tests"):
        shutil.copytree(
            PROJECT / name,
            folder / name,
            dirs_exist_ok=True,
            copy_function=shutil.copy,  # newer than what mutmut made of it before
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for module in modules:
        source = folder / file_of(module)
        source.write_text(DECORATED.sub(undecorated, source.read_text()))
    for test in {folder / "tests" / name.partition("::")[0] for name in tests}:
        test.write_text(MANY.sub("max_examples=100", test.read_text()))
    with open(folder / "tests/conftest.py", "a") as conftest:
        conftest.write(CONFTEST)
    options = {
        "source_paths": ["mmfuse"],
        "only_mutate": [file_of(module) for module in modules],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-k", f"not ({' or '.join(LEFT_OUT)})"],
        "pytest_add_cli_args_test_selection": [f"tests/{test}" for test in tests],
        "timeout_multiplier": 8.0,
        "use_git_change_detection": False,
        "track_dependencies": False,
    }
    told = "".join(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
    plain = (PROJECT / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(f"{plain}\n[tool.mutmut]\n{told}")


def undecorated(found: re.Match[str]) -> str:
    """The same as a plain function, which mutmut changes, and what the decorator makes of it."""
    indent, decorator, name, rest = found.groups()
    made = f"lambda self: self._of_{name}()" if indent else f"_of_{name}"
    return f"{indent}def _of_{name}{rest}{indent}{name} = {decorator}({made})\n\n"


def file_of(module: str) -> str:
    return f"mmfuse/{module.replace('.', '/')}.py"


def meta(folder: Path, module: str) -> Path:
    """Where mutmut notes what became of the changes in a module."""
    return folder / "mutants" / f"{file_of(module)}.meta"


def forget(folder: Path, modules: Sequence[str]) -> None:
    """Have those tested again that were not killed, with whatever tests there are now."""
    (folder / "mutants/mutmut-stats.json").unlink(missing_ok=True)
    for path in (meta(folder, module) for module in modules):
        if path.exists():
            try:
                noted = json.loads(path.read_text())
            except ValueError:  # that run was ended while it wrote
                path.unlink()
                continue
            codes = noted["exit_code_by_key"]
            noted["exit_code_by_key"] = {
                name: code if code in KILLED else None for name, code in codes.items()
            }
            path.write_text(json.dumps(noted))


def tell(folder: Path, modules: Sequence[str], show: bool) -> float:
    """Print what became of the changes; returns the share that was noticed."""
    total: Counter[str] = Counter()
    for module in modules:
        codes = json.loads(meta(folder, module).read_text())["exit_code_by_key"]
        kinds = {name: kind(code) for name, code in codes.items()}
        total += line(module, Counter(kinds.values()))
        for name in (name for name, found in kinds.items() if show and found == "survived"):
            subprocess.run([MUTMUT, "show", name], cwd=folder, check=True)
    line("together", total)
    return 1 - total["survived"] / total.total()


def kind(code: int | None) -> str:
    return "killed" if code in KILLED else "timeout" if code in TIMEOUT else "survived"


def line(name: str, counts: Counter[str]) -> Counter[str]:
    """Print counts as a row of a table."""
    told = " | ".join(f"{counts[what]:8,}" for what in ("killed", "timeout", "survived"))
    score = 1 - counts["survived"] / counts.total()
    print(f"| {name:22} | {counts.total():8,} | {told} | {score:8.1%} |", flush=True)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--only", nargs="+", default=[], metavar="MODULE", help="such as core.join")
    parser.add_argument("--in", dest="folder", type=Path, help="a folder that is kept")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--show", action="store_true", help="show what survived")
    given = parser.parse_args()
    shares = [1.0]
    with tempfile.TemporaryDirectory() as temporary:
        for name in given.groups or GROUPS:
            group = GROUPS[name]
            modules = [m for m in group.modules if m in given.only or not given.only]
            if not modules:
                continue
            folder = (given.folder or Path(temporary)) / name
            folder.mkdir(parents=True, exist_ok=True)
            prepare(folder, modules, group.tests)
            forget(folder, modules)
            command = [MUTMUT, "run", "--max-children", str(given.jobs)]
            subprocess.run(command, cwd=folder, check=True)
            shares.append(tell(folder, modules, given.show))
    return int(min(shares) < WANTED)


if __name__ == "__main__":
    sys.exit(main())
