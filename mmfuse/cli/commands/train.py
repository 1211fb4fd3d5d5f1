"""`mmfuse train`: model-level fusion, and `--continue`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmfuse.cli import shared
from mmfuse.cli.command import as_command
from mmfuse.cli.fuse import NO_MATRIX
from mmfuse.cli.options import per_modality
from mmfuse.cli.run_command import Own, Settings, Work, run_function
from mmfuse.errors import UsageError

if TYPE_CHECKING:
    from mmfuse.work import Fused


def train() -> None:
    """Train a model of every modality and fuse them into one; go on learning with --continue.

    \b
      mmfuse train image=a.npy text=b.parquet --labels labels.csv:digit -o model/
      mmfuse predict model/ image=new.npy text=new.parquet -o predictions.parquet
      mmfuse train --continue model/ image=more.npy text=more.parquet --labels more.csv

    Tells cross-validated scores of every modality's model, of all of them fused, and of all but
    each. Rows that lack a modality are learned from too. Needs pip install 'mmfuse[learn]'.
    """


def command() -> Any:
    """The command, ready to parse its arguments."""
    return as_command("train", _function())


def _option(*flags: str, help: str, metavar: str | None = None, **how: Any) -> Any:
    return typer.Option(*flags, help=help, metavar=metavar, rich_help_panel="Training", **how)


_OWN: dict[str, tuple[Any, Any]] = {
    "model": (
        Annotated[
            str | None,
            _option("--continue", metavar="MODEL", help="The model that goes on learning."),
        ],
        None,
    ),
    "estimator": (
        Annotated[
            list[str] | None,
            _option(
                metavar="[NAME=]ESTIMATOR",
                help="logistic, ridge, lda, knn, forest, boosting, mlp or sgd; by default logistic,"
                " of numbers ridge.",
            ),
        ],
        None,
    ),
    "set": (
        Annotated[
            list[str] | None,
            _option(
                "--set",
                metavar="ESTIMATOR.OPTION=VALUE",
                help="An option of scikit-learn's estimator, such as forest.n_estimators=50.",
            ),
        ],
        None,
    ),
    "fuse": (
        Annotated[
            str | None,
            _option(
                metavar="RULE",
                help="How predictions become one: soft-vote (the default), log-pool, stack, select,"
                " … or sum, linear models that add up, of data of any size.",
            ),
        ],
        None,
    ),
    "learn_weights": (
        Annotated[
            bool,
            _option("--learn-weights", help="Learn --weight of out-of-fold predictions."),
        ],
        False,
    ),
    "task": (
        Annotated[
            str,
            _option(
                metavar="TASK",
                help="classification or regression; auto takes numbers that are not whole for"
                " regression.",
            ),
        ],
        "auto",
    ),
    "folds": (
        Annotated[int, _option(metavar="K", min=0, help="Of cross-validation; 0: no scores.")],
        5,
    ),
    "groups": (
        Annotated[
            str | None,
            _option(
                metavar="FILE[:COLUMN]",
                help="Rows of one group, such as a patient, stay in one fold.",
            ),
        ],
        None,
    ),
    "calibrate": (
        Annotated[
            str | None,
            _option(metavar="HOW", help="Fused probabilities: temperature or isotonic."),
        ],
        None,
    ),
    "seed": (Annotated[int, _option(metavar="N", min=0, help="Of folds and estimators.")], 0),
}


def _function() -> Callable[..., None]:
    keyword = inspect.Parameter.KEYWORD_ONLY

    def parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
        return inspect.Parameter(name, keyword, default=default, annotation=annotation)

    own = [parameter(name, *declared) for name, declared in _OWN.items()]
    other = {
        "output": parameter("output", shared.TrainedOutput, None),
        "join": parameter("join", shared.Join, "outer"),
        "nan": parameter("nan", shared.Nan, "error"),
    }
    without = (NO_MATRIX - {"output"}) | {"report", "missing"}
    return run_function(Work(_train, own, without, other, ("model",)), inspect.getdoc(train))


def _train(own: Own, files: Sequence[Any], output: str, settings: Settings) -> Fused:
    from mmfuse import train, train_on

    labels = settings.pop("labels")
    if labels is None:
        raise UsageError("models are trained on labels", hint="--labels FILE[:COLUMN]")
    if own["model"] is None:
        asked = {name: own[name] for name in _OWN if name not in ("model", "set", "estimator")}
        estimator = per_modality(own["estimator"] or (), str, "--estimator")
        options = _options(own["set"] or ())
        return train(
            files, labels, output, estimator=estimator, options=options, **asked, **settings
        )
    given = [name for name, (_, default) in _OWN.items() if own[name] != default]
    given += [name for name, default in _FIXED.items() if settings.pop(name) != default]
    if others := [name for name in given if name != "model"]:
        flag = others[0].replace("_", "-")
        raise UsageError(
            f"--{flag} does not go with --continue, which takes the model as it was made"
        )
    return train_on(own["model"], files, labels, output, **settings)


_FIXED: dict[str, Any] = {
    "normalize": {}, "weight": {}, "nan": "error", "dtype": "float32", "plot": None,
}  # fmt: skip


def _options(given: Iterable[str]) -> dict[str, dict[str, str]]:
    """`ESTIMATOR.OPTION=VALUE` by estimator. Raises UsageError for anything else."""
    found: dict[str, dict[str, str]] = {}
    for text in given:
        names, equals, value = text.partition("=")
        estimator, dot, option = names.partition(".")
        if not (estimator and dot and option and equals):
            raise UsageError(
                f"--set is {text!r}; it must be ESTIMATOR.OPTION=VALUE",
                hint="--set forest.n_estimators=50",
            )
        found.setdefault(estimator, {})[option] = value
    return found
