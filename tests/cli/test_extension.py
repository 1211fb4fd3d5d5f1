"""One new file, or another package's entry point, is all that a strategy needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mmfuse as package

GEOMETRIC_MEAN = '''
"""`geometric-mean`."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from mmfuse.core.options import Param
from mmfuse.core.strategy import Strategy


@dataclass(frozen=True)
class GeometricMean(Strategy):
    """Take the geometric mean of the modalities element by element.

    Of the absolute values. A source: Euclid.
    """

    shift: Annotated[float, Param("Added to every value first.")] = 0.0

    def columns(self, schema):
        return [f"geometric_mean_{j}" for j in range(schema.dims[0])]

    def fuse(self, batch, out, learned):
        logs = [np.log(np.abs(block + self.shift)) for block in batch.blocks]
        out[:] = np.exp(sum(logs) / len(logs))
'''


@pytest.fixture
def extended(tmp_path: Path) -> dict[str, str]:
    """An environment with a copy of mmfuse that has one more file, and nothing else changed."""
    home = tmp_path / "site"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(package.__file__).parent, home / "mmfuse", ignore=ignore)
    (home / "mmfuse/strategies/geometric_mean.py").write_text(GEOMETRIC_MEAN)
    return {"PYTHONPATH": str(home)}


@pytest.fixture
def plugged(tmp_path: Path) -> dict[str, str]:
    """An environment with another package that offers the strategy by an entry point."""
    home = tmp_path / "site"
    info = home / "mmfuse_geometry-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mmfuse-geometry\nVersion: 1.0\n")
    point = "[mmfuse.strategies]\ngeometric-mean = mmfuse_geometry.means\n"
    (info / "entry_points.txt").write_text(point)
    (home / "mmfuse_geometry").mkdir()
    (home / "mmfuse_geometry/__init__.py").write_text("")
    (home / "mmfuse_geometry/means.py").write_text(GEOMETRIC_MEAN)
    return {"PYTHONPATH": str(home)}


@pytest.mark.parametrize("how", ["extended", "plugged"])
def test_a_new_strategy(how, here, npy, mmfuse, request):
    env = request.getfixturevalue(how)
    a, b = npy("a.npy", [[1, 2], [3, 4]]), npy("b.npy", [[4, 8], [12, 1]])

    listed = mmfuse("--help", env=env).out
    assert "geometric-mean" in listed
    assert "Take the geometric mean of the modalities" in listed
    assert "--shift X  Added to every value first." in mmfuse("geometric-mean", "-h", env=env).out
    described = json.loads(mmfuse("strategies", "--json", env=env).out)["strategies"]
    (mine,) = [item for item in described if item["name"] == "geometric-mean"]
    assert mine["manual"][-1] == "Of the absolute values. A source: Euclid."
    assert mine["options"][0]["flag"] == "--shift"

    done = mmfuse("geometric-mean", "a.npy", "b.npy", "--shift", 1, "-o", "z.npy", env=env)
    assert done.code == 0, done.err
    np.testing.assert_allclose(np.load("z.npy"), np.sqrt((a + 1) * (b + 1)), rtol=1e-6)


def test_without_it_there_is_none(mmfuse):
    assert "geometric-mean" not in mmfuse("--help").out


ROOT = Path(__file__).resolve().parents[2]


def run_python(*arguments, env):
    command = [sys.executable, *map(str, arguments)]
    how = {"capture_output": True, "text": True, "cwd": env["PYTHONPATH"]}
    return subprocess.run(command, env={**os.environ, **env}, **how)


def test_the_documents_lack_it_and_the_check_says_so(extended):
    done = run_python(ROOT / "docs/generate.py", "--check", env=extended)
    assert done.returncode == 1
    assert "docs/commands.md is not what the code says" in done.stderr


def test_the_contract_tests_take_it_in(extended, tmp_path):
    options = ["-q", "-k", "geometric", "-p", "no:cacheprovider", "--basetemp", tmp_path / "run"]
    done = run_python("-m", "pytest", ROOT / "tests/test_contract.py", *options, env=extended)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 5
