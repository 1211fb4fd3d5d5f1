"""Scores of linear models that add up, and of it without each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.chain import Chain
from mmfuse.core.schema import Modality, Schema
from mmfuse.core.strategy import Strategy
from mmfuse.ensemble.evaluation import Evaluation, Predicted, evaluated, predicted
from mmfuse.ensemble.modality_model import learned_on, normalized
from mmfuse.ensemble.problem import Problem
from mmfuse.ensemble.trained import Array


def evaluate_sum(
    problem: Problem,
    chains: Sequence[Chain],
    strategy: Strategy,
    weights: Array,
    folds: int,
    seed: int,
) -> Evaluation:
    """Cross-validated scores of the strategy `additive` on all modalities, on each, and on all
    others. chains: of their normalisations, which have not learned. weights: `(M,)`, of modalities.
    See `evaluate`."""
    parts = problem.folds(folds, seed)

    def predict(models: Sequence[int]) -> Predicted:
        out = np.zeros((problem.n, problem.width))
        has = np.asarray(problem.present[:, list(models)].any(axis=1))
        for k in range(folds):
            own, others = (parts == k) & has, (parts != k) & has
            if own.any():
                out[own] = _predicted(problem, chains, strategy, weights, models, others, own)
        return predicted(out)

    every = list(range(len(problem.names)))
    return evaluated(
        problem,
        parts,
        lambda m: predict([m]),
        predict(every),
        lambda m: predict([k for k in every if k != m]),
    )


def _predicted(
    problem: Problem,
    chains: Sequence[Chain],
    strategy: Strategy,
    weights: Array,
    models: Sequence[int],
    others: NDArray[np.bool_],
    own: NDArray[np.bool_],
) -> Array:
    """What is predicted of `own` rows, learned from `others`, by some modalities."""
    present = problem.present[:, list(models)]
    train, test = [], []
    for m in models:
        known = others & problem.present[:, m]
        chain, _ = learned_on(chains[m], problem.blocks[m][known])
        x = normalized(chain, problem.blocks[m].copy())
        x *= x.dtype.type(weights[m])
        train.append(x[others])
        test.append(x[own])
    schema = Schema(
        tuple(
            Modality(problem.names[m], tuple(map(str, range(problem.blocks[m].shape[1]))))
            for m in models
        ),
        problem.classes,
    )
    ones = np.ones(len(models))
    seen = Batch(train, ones, present[others], problem.y[others])
    learned = strategy.solve(schema, strategy.statistics(schema).gather([seen]))
    out = np.empty((int(own.sum()), problem.width))
    strategy.fuse(Batch(test, ones, present[own]), out, learned)
    return out
