"""Every JSON that mmfuse writes is as `docs/schema/mmfuse.json` says: no key more, none less."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator
from suited import suited, suited_labels

import mmfuse
from mmfuse.cli.main import app
from mmfuse.core.registry import STRATEGIES, strategy_class

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "schema" / "mmfuse.json").read_text(encoding="utf-8"))
KINDS = [kind["$ref"].rpartition("/")[2] for kind in SCHEMA["anyOf"]]
N = 130  # `check` tests features of that many


def closed(schema: Any) -> Any:
    """The same without room for a key that it does not name."""
    if isinstance(schema, list):
        return list(map(closed, schema))
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    return {**inner, "additionalProperties": False} if "properties" in schema else inner


CLOSED = closed(SCHEMA)


def kind_of(told: dict[str, Any]) -> str:
    """Which of the kinds it is: its first key says so, but for a record in an output."""
    first = next(iter(told))
    return first.removeprefix("mmfuse_") if first.startswith("mmfuse_") else "record"


def faults(told: dict[str, Any], schema: Any = CLOSED) -> list[str]:
    own = {"$ref": f"#/$defs/{kind_of(told)}", "$defs": schema["$defs"]}
    return [
        f"{error.json_path}: {error.message[:200]}"
        for error in Draft202012Validator(own).iter_errors(told)
    ]


def keys(told: Any, schema: Any) -> Iterator[tuple[int, str]]:
    """The properties that are met in an output: the schema's part by its identity, and the name."""
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    for one in schema.get("anyOf", ()):
        if Draft202012Validator({**one, "$defs": SCHEMA["$defs"]}).is_valid(told):
            yield from keys(told, one)
    if isinstance(told, list):
        for item in told:
            yield from keys(item, schema.get("items") or {})
    if isinstance(told, dict):
        own, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, value in told.items():
            if name in own:
                yield id(own), name
            yield from keys(value, own.get(name) or (isinstance(others, dict) and others) or {})


def documented(schema: Any) -> Iterator[tuple[int, str]]:
    """All properties of a schema, likewise."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield from ((id(schema["properties"]), name) for name in schema["properties"])
        for value in schema.values():
            yield from documented(value)


def run(arguments: str) -> str:
    """What a command prints on stdout."""
    with open("stdout", "w") as out, redirect_stdout(out), redirect_stderr(io.StringIO()):
        app(arguments.split(), prog_name="mmfuse", standalone_mode=False)
    return Path("stdout").read_text()


def strict(text: str) -> Any:
    """JSON as others read it: one object, no NaN, no infinity, no key twice."""

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=once)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with `--json`, those of `fit` too."""
    from typer.main import get_command

    def below(group: Any, path: str) -> Iterator[tuple[str, Any]]:
        context = group.make_context("mmfuse", [], resilient_parsing=True)
        for name in [*group.list_commands(context), *(["--continue"] if path else [])]:
            found = group.get_command(context, name)
            if hasattr(found, "list_commands"):
                yield from below(found, f"{path}{name} ")
            elif any("--json" in param.opts for param in found.params):
                yield path + name, found

    yield from below(get_command(app), "")


def write_inputs() -> None:
    """Three modalities: features, probabilities and numbers, each related to the others."""
    rng = np.random.default_rng(0)
    ids = [f"r{k}" for k in range(N)]
    y = np.arange(N) % 3
    latent = rng.normal(size=(N, 4)) + 2 * y[:, None]
    for name in "abc":
        x = latent + 0.3 * rng.normal(size=(N, 4))
        for kind, strategy in (("x", "concat"), ("p", "soft-vote"), ("n", "inverse-variance")):
            frame = pd.DataFrame(suited(strategy, x)).add_prefix("f")
            frame.insert(0, "id", ids)
            frame.to_csv(f"{kind}{name}.csv", index=False)
    pd.DataFrame({"id": ids, "y": np.array(["u", "v", "w"])[y]}).to_csv("y.csv", index=False)
    pd.DataFrame({"id": ids, "y": np.sin(np.arange(N))}).to_csv("numbers.csv", index=False)
    few = pd.read_csv("xb.csv")
    few[["f0", "f1"]] *= 5
    few[3:].to_csv("few.csv", index=False)
    few.sample(frac=1, random_state=0).assign(id=ids).to_csv("mixed.csv", index=False)
    pd.DataFrame({"id": ids, "time": np.arange(N), "v": np.sin(y)}).to_csv("ta.csv", index=False)
    pd.DataFrame({"time": np.arange(0, 3 * N, 2) / 2, "w": 1.0}).to_csv("tb.csv", index=False)
    np.save("bad.npy", np.array([[np.nan, 1.0], [np.inf, 1.0], [2.0, 1.0]], np.float32))
    np.save("huge.npy", np.array([[1e308, 1], [1.5e308, 2], [-1e308, 3]]))
    np.save("flat.npy", np.zeros((3, 2), np.float32))
    np.savez("steps.npz", ids=np.array(ids), x=rng.normal(size=(N, 5, 2)))


def arguments(strategy: str) -> str:
    """What a strategy is run with."""
    found = strategy_class(strategy)
    kind = "x" if not found.of_predictions else "p" if found().predicts == "classes" else "n"
    most = found.most or 3
    few = {option.name for option in mmfuse.core.options.options(found)} & {"n_components"}
    options = [f"{name}={kind}{name}.csv" for name in "abc"[:most]]
    options += ["--n-components 2"] if few else []
    if found.supervised:
        truth = suited_labels(strategy, np.arange(3))
        options.append("--labels " + ("numbers.csv" if truth.dtype.kind == "f" else "y.csv"))
    return f"{strategy} {' '.join(options)}"


CASES = {
    "fit --continue": ["fit --continue pca.safetensors a=xa.csv b=xb.csv -o more.safetensors"],
    "apply": [
        "apply pca.safetensors a=xa.csv b=xb.csv -o applied.npy --check-drift",
        "apply pca.safetensors a=xa.csv b=few.csv c=xc.csv -o applied.npz --check-drift",
        "apply pca.safetensors a=xa.csv b=xb.csv -n -o applied.parquet",
    ],
    "train": [
        "train a=xa.csv b=few.csv --labels y.csv -o classes.safetensors --estimator ridge"
        " --calibrate temperature --folds 3",
        "train a=xa.csv b=xb.csv --labels numbers.csv -o numbers.safetensors --folds 3",
        "train a=xa.csv b=xb.csv --labels y.csv -o sum.safetensors --fuse sum",
        "train a=xa.csv --labels y.csv -o one.safetensors --folds 0",
        "train --continue sum.safetensors a=xa.csv b=xb.csv --labels y.csv -o sum2.safetensors",
    ],
    "predict": [
        "predict classes.safetensors a=xa.csv -o predicted.parquet",
        "predict numbers.safetensors a=xa.csv b=few.csv -o predicted.csv",
    ],
    "merge": ["merge pca.safetensors more.safetensors -o both.safetensors"],
    "convert": ["convert xa.csv a.arrow", "convert xa.csv - -n -f csv"],
    "align": [
        "align a=xa.csv b=few.csv -o aligned --lock align.lock",
        "align a=xa.csv b=few.csv -o aligned --join outer --sort-ids -n",
        "align a=xa.csv b=few.csv -o anti --anti",
    ],
    "check": ["check xa.csv xb.csv mixed.csv", "check xa.csv few.csv flat.npy --ids-only"],
    "inspect": [
        "inspect xa.csv concat.parquet predicted.parquet timed.parquet",
        "inspect bad.npy flat.npy huge.npy",
        "inspect steps.npz --pool mean",
        "inspect pca.safetensors chance.safetensors mcca.safetensors classes.safetensors"
        " one.safetensors numbers.safetensors",
    ],
    "strategies": ["strategies"],
}
MORE = [
    "pca a=xa.csv b=xb.csv --n-components 2 -o pca.csv --report --save chance.safetensors",
    "mcca a=xa.csv b=xb.csv --n-components 2 -o mcca.csv --save mcca.safetensors --report",
    "concat a=xa.csv b=few.csv --join outer -o concat.parquet --weight a=2",
    "pca a=huge.npy b=huge.npy --n-components 1 --normalize l2 -o huge.csv --report",
    "concat xa.csv xb.csv -n -o -",
    "concat a=flat.npy b=flat.npy -o zeros.npy --normalize l2",
    "mean a=xa.csv b=few.csv --join outer -o mean.parquet --lock mean.lock --duplicates first",
    "concat ta.csv tb.csv --align time --time-column time -o timed.parquet --tolerance 1s",
    "concat ta.csv tb.csv --align time --time-column time -o timed.csv --window 3s --pool max",
    "concat steps.npz xa.csv --pool steps=mean -o steps.feather",
    "concat bad.npy flat.npy -o bad.csv --nan drop --by-position",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every command prints, and what it writes as JSON, by what was asked."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("schema"))
    try:
        write_inputs()
        asked = [f"{arguments(name)} -o {name}.parquet" for name in STRATEGIES.modules]
        asked += [
            f"fit {arguments(name)} -o {name}.safetensors"
            for name in STRATEGIES.modules
            if not strategy_class(name).whole
        ]
        asked += MORE + [case for cases in CASES.values() for case in cases]
        found = {case: strict(run(f"{case} --json")) for case in asked}
        run("concat xa.csv xb.csv -o - -f csv -q --summary summary.json")
        found["--summary"] = strict(Path("summary.json").read_text())
        for lock in Path().glob("*.lock"):
            found[lock.name] = strict(lock.read_text())
        for output in sorted(Path().glob("*.parquet")):
            record = pq.read_schema(output).metadata[b"mmfuse"]
            found[output.name] = strict(record.decode())
        return found
    finally:
        os.chdir(before)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(KINDS) <= set(SCHEMA["$defs"])


def test_every_command_with_json_is_tried() -> None:
    names = {name for name, _ in commands()}
    fits = {f"fit {n}" for n in STRATEGIES.modules if not strategy_class(n).whole}
    assert names == set(STRATEGIES.modules) | fits | set(CASES)


def test_every_output_is_as_documented(outputs: dict[str, Any]) -> None:
    told = {case: faults(output) for case, output in outputs.items()}
    assert not {case: wrong for case, wrong in told.items() if wrong}
    whole = Draft202012Validator(SCHEMA)
    assert all(whole.is_valid(output) for output in outputs.values())


def test_no_documented_key_is_dead(outputs: dict[str, Any]) -> None:
    met = {
        key for output in outputs.values() for key in keys(output, SCHEMA["$defs"][kind_of(output)])
    }
    assert [name for part, name in documented(SCHEMA) if (part, name) not in met] == []
    assert {kind_of(output) for output in outputs.values()} == set(KINDS)


def test_the_page_tells_of_every_key() -> None:
    page = (DOCS / "json.md").read_text(encoding="utf-8")
    words = set("".join(c if c.isalnum() or c == "_" else " " for c in page).split())
    assert {name for _, name in documented(SCHEMA)} <= words
    assert "(schema/mmfuse.json)" in page


def test_a_key_that_is_not_documented_is_seen(outputs: dict[str, Any]) -> None:
    told = outputs["strategies"]
    assert faults({**told, "new": 1})
    assert not faults({**told, "new": 1}, SCHEMA)  # within a version keys are added
    assert faults({key: told[key] for key in list(told)[:2]}, SCHEMA)
    first = {**told["strategies"][0], "new": 1}
    assert faults({**told, "strategies": [first]})


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("concat missing.npy a.npy -o out.npy", 3),
        ("concat a.npy a.npy -o out.npy", 2),
        ("align a.npy missing.npy -o out", 3),
        ("inspect missing.npy", 3),
        ("check a.npy missing.npy", 3),
        ("convert a.npy no/out.csv", 5),
        ("fit pca a.npy missing.npy -o m", 3),
        ("apply missing.safetensors a.npy -o out.npy", 3),
        ("merge missing.safetensors absent.safetensors -o m", 3),
        ("concat a.npy b=a.npy -o out.npy --no-such-option", 2),
    ],
)
def test_an_error_prints_no_json(npy: Callable[..., Any], call: Any, arguments: str, code: int):
    npy("a.npy", np.ones((3, 2)))
    done = call(*arguments.split(), "--json")
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")
