"""Estimators of scikit-learn: its own checks, its pipelines, and what they agree with."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import mmfuse
from mmfuse import FusionClassifier, FusionRegressor

CUT = {"top": slice(0, 32), "bottom": slice(32, 64)}


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:400], y[:400]


@pytest.mark.parametrize("estimator", [FusionClassifier(), FusionRegressor()])
def test_passes_scikit_learns_own_checks(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(estimator, on_skip=None, on_fail=None)
    assert len(found) > 40
    assert [one["check_name"] for one in found if one["status"] == "failed"] == []


def test_soft_vote_is_the_voting_classifier_on_parts_of_the_columns(digits):
    x, y = digits

    def part(columns):
        take = ColumnTransformer([("x", "passthrough", columns)])
        return make_pipeline(take, StandardScaler(), LogisticRegression(max_iter=1000))

    voting = VotingClassifier(
        [(name, part(columns)) for name, columns in CUT.items()], voting="soft", weights=[1, 3]
    ).fit(x[:300], y[:300])
    fusion = FusionClassifier(
        CUT, estimator="logistic", options={"logistic": {"max_iter": 1000}}, weight={"bottom": 3}
    ).fit(x[:300], y[:300])
    expected = voting.predict_proba(x[300:])
    np.testing.assert_allclose(fusion.predict_proba(x[300:]), expected, atol=1e-5)
    assert (fusion.predict(x[300:]) == voting.predict(x[300:])).mean() > 0.98


def test_a_mapping_of_arrays_is_the_same_as_one_array_that_is_cut(digits):
    x, y = digits
    parts = {name: x[:, columns] for name, columns in CUT.items()}
    one = FusionClassifier(CUT, estimator="lda").fit(x, y).predict_proba(x)
    assert (FusionClassifier(estimator="lda").fit(parts, y).predict_proba(parts) == one).all()


def test_a_row_of_nan_lacks_the_modality(digits):
    x, y = digits
    parts = {name: x[:, columns].copy() for name, columns in CUT.items()}
    parts["top"][::3] = np.nan
    fusion = FusionClassifier(estimator="lda").fit(parts, y)
    alone = FusionClassifier(estimator="lda").fit({"bottom": parts["bottom"]}, y)
    expected = alone.predict_proba({"bottom": parts["bottom"]})
    np.testing.assert_allclose(fusion.predict_proba(parts)[::3], expected[::3], atol=1e-12)
    parts["bottom"][0] = np.nan
    with pytest.raises(ValueError, match="no modality at all"):
        fusion.predict(parts)
    parts["bottom"][1, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fusion.predict(parts)


def test_classes_are_what_they_were(digits):
    x, y = digits
    names = np.array([f"digit {c}" for c in range(10)])[y]
    fusion = FusionClassifier(CUT, estimator="lda").fit(x, names)
    assert fusion.classes_.tolist() == sorted(set(names))
    assert (fusion.predict(x) == names).mean() > 0.9
    assert fusion.score(x, names) == (fusion.predict(x) == names).mean()


def test_parameters_are_searched_and_cloned(digits):
    x, y = digits
    search = GridSearchCV(
        FusionClassifier(CUT, estimator="lda"),
        {"fuse": ["soft-vote", "product-rule", "stack"], "options": [{"lda": {"shrinkage": 0.1}}]},
        cv=3,
    ).fit(x, y)
    assert search.best_score_ > 0.5
    made = FusionClassifier(CUT, fuse="select", folds=3, calibrate="temperature")
    assert clone(made).get_params() == made.get_params()
    assert cross_val_score(made.set_params(estimator="lda"), x, y, cv=3).min() > 0.5  # of 0.1


def test_scores_are_there_where_folds_are_asked_for(digits):
    x, y = digits
    assert FusionClassifier(CUT, estimator="lda", fuse="stack").fit(x, y).scores_ is None
    scores = FusionClassifier(CUT, estimator="lda", folds=4).fit(x, y).scores_
    assert scores is not None
    assert scores.folds == 4
    assert [(s.of, s.name) for s in scores.scores] == [
        ("model", "top"), ("model", "bottom"), ("fused", ""), ("without", "top"),
        ("without", "bottom"),
    ]  # fmt: skip


def test_numbers_are_the_mean_of_ridges():
    x, y = load_diabetes(return_X_y=True)
    cut = {"a": slice(0, 4), "b": slice(4, 10)}
    fusion = FusionRegressor(cut).fit(x, y)
    ridges = [make_pipeline(StandardScaler(), Ridge()).fit(x[:, c], y) for c in cut.values()]
    expected = np.mean([r.predict(x[:, c]) for r, c in zip(ridges, cut.values(), strict=True)], 0)
    np.testing.assert_allclose(fusion.predict(x), expected, rtol=1e-8)
    assert FusionRegressor(cut, fuse="stack").fit(x, y).score(x, y) > 0.4


def test_groups_stay_in_one_fold(digits):
    x, y = digits
    group = np.arange(len(y)) // 4
    with pytest.raises(mmfuse.MmfuseError, match="groups"):
        FusionClassifier(CUT, estimator="lda", folds=5).fit(x, y, groups=np.zeros(len(y)))
    assert FusionClassifier(CUT, estimator="lda", folds=5).fit(x, y, groups=group).scores_


def test_odd_calls_are_told(digits):
    x, y = digits
    with pytest.raises(mmfuse.MmfuseError, match="no estimator"):
        FusionClassifier(CUT, estimator="no").fit(x, y)
    with pytest.raises(ValueError, match="one class"):
        FusionClassifier(CUT).fit(x, np.zeros(len(y)))
    with pytest.raises(mmfuse.MmfuseError, match="sum"):
        FusionClassifier(CUT, fuse="sum").fit(x, y)


def test_odd_mappings_are_told(digits):
    x, y = digits
    parts = {name: x[:, columns] for name, columns in CUT.items()}
    first = next(iter(parts))
    with pytest.raises(ValueError, match="X has no modality"):
        FusionClassifier().fit({}, y)
    fusion = FusionClassifier(estimator="lda").fit(parts, y)
    with pytest.raises(ValueError, match=r"does not know: \['other'\]"):
        fusion.predict({**parts, "other": x})
    width = parts[first].shape[1]
    told = f"{first} has {width - 1} columns, and {width} are expected"
    with pytest.raises(ValueError, match=told):
        fusion.predict({**parts, first: parts[first][:, 1:]})
