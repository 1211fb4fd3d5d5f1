"""The how-to pages run as they stand, in an empty folder each."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).resolve().parent.parent / "docs" / "howto").glob("*.md"))


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
