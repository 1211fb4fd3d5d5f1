"""The README's commands and Python run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfuse

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
SHELL = [block for kind, block in BLOCKS if kind == "sh" and "make " not in block]
PYTHON = [block for kind, block in BLOCKS if kind == "python"]


@pytest.fixture
def sample_data(tmp_path: Path) -> Path:
    for file in (ROOT / "sample_data").iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "image.npy").symlink_to(ROOT / "sample_data" / "pixels.npy")
    (tmp_path / "image.ids.txt").symlink_to(ROOT / "sample_data" / "pixels.ids.txt")
    (tmp_path / "text.parquet").symlink_to(ROOT / "sample_data" / "karhunen.parquet")
    return tmp_path


def shell(command: str, folder: Path) -> None:
    bin_folder = Path(sys.executable).parent
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"PATH={bin_folder}:$PATH\n{command}"],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def test_the_shell_commands_run(sample_data: Path) -> None:
    assert SHELL
    for block in SHELL:
        # head closes the pipe early, and pipefail would take that for a failure
        shell(block.replace("| head -2", "| sed -n 1,2p"), sample_data)
    assert (sample_data / "fused.parquet").exists()
    assert (sample_data / "fused.ids.txt").exists()


def test_the_python_runs(sample_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell("mmfuse concat pixels.npy fourier.csv -q -o fused.parquet", sample_data)
    monkeypatch.chdir(sample_data)
    names: dict[str, object] = {}
    for block in PYTHON:
        if "torch" in block:
            continue  # too large for the development environment
        exec(block, names)
    assert list(names["fused"].ids) == ["a", "c"]
    assert names["fused"].matrix.shape == (2, 7)
    assert names["X"].shape[1] == 240 + 76
    assert names["Z"].shape == (len(names["X"]), 2)


def test_the_strategy_of_the_contributors_guide_works() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    names: dict[str, Any] = {"__name__": "mmfuse.strategies.geometric_mean"}
    exec(code, names)
    modalities = {"a": np.array([[1.0, 9.0]]), "b": np.array([[4.0, 1.0]])}
    fused = mmfuse.fuse(names["GeometricMean"](), modalities)
    assert np.allclose(fused.matrix, [[2, 3]])
    assert fused.columns == ("geometric_mean_0", "geometric_mean_1")
    assert fused.summary.command == "geometric-mean"


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_page_of_the_documents_is_linked() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert f"docs/{page.name}" in README
