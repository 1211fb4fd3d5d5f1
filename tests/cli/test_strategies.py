"""`mmfuse strategies`."""

from __future__ import annotations

import json

from mmfuse.core.registry import NORMALIZATIONS, STRATEGIES


def test_everything_is_listed(call):
    done = call("strategies")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert set(STRATEGIES.modules) <= set(lines)
    listed = lines[lines.index("normalisations, for --normalize") + 1 :]
    names = [line.split()[0] for line in listed if line[4] != " "]
    assert names == list(NORMALIZATIONS.modules)
    assert max(map(len, lines)) <= 100
    assert not any(line.endswith(" ") for line in lines)


def test_width_of_the_terminal(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, call("strategies").out.splitlines())) <= 60


def test_options_and_sources(call):
    text = " ".join(call("strategies").out.split())
    assert "--n-components Output columns. [default: 1024]" in text
    assert "--ones Put a 1 before every modality's features. [so by default]" in text
    assert "Zadeh et al. (2017)" in text


def test_json(call):
    told = json.loads(call("strategies", "--json").out)
    assert told["mmfuse_strategies"] == 1
    by_name = {item["name"]: item for item in told["strategies"]}
    assert list(by_name) == list(STRATEGIES.modules)
    assert by_name["outer"]["options"][0] == {
        "name": "ones",
        "flag": "--ones",
        "type": "bool",
        "default": True,
        "choices": [],
        "help": "Put a 1 before every modality's features.",
    }
    assert [item["name"] for item in told["normalizations"]] == list(NORMALIZATIONS.modules)
    assert all(item["summary"].endswith(".") for item in told["normalizations"])
