"""The how-to pages run as they stand, in an empty folder each."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).resolve().parent.parent / "docs" / "howto").glob("[a-z]*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```(python|sh)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert {kind for kind, _ in blocks} == {"python", "sh"}
    folder = Path(sys.executable).parent
    for kind, block in blocks:
        command = [sys.executable, "-c", block]
        if kind == "sh":
            assert "mmfuse" in block
            command = ["bash", "-euo", "pipefail", "-c", f"PATH={folder}:$PATH\n{block}"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        assert "Traceback" not in run.stderr


def test_the_index_lists_every_page() -> None:
    index = (PAGES[0].parent / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[(.*)\]\((.*)\)$", index, re.MULTILINE)
    titles = [(page.read_text(encoding="utf-8").splitlines()[0][2:], page.name) for page in PAGES]
    assert listed == titles
