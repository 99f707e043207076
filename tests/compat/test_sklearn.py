"""Estimators: scikit-learn's own checks pass, and they compute what the functions do."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import isomorph as iso

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils.estimator_checks import estimator_checks_generator

from isomorph.compat.sklearn import CSLSNeighbors, ProcrustesTransformer, VocabularyRemapper

ESTIMATORS = (
    ProcrustesTransformer(),
    ProcrustesTransformer(center=True, scale=True, allow_reflection=False),
    CSLSNeighbors(),
    VocabularyRemapper(),
    VocabularyRemapper(top=3),
)


def name_of(value):
    return getattr(getattr(value, "func", value), "__name__", repr(value))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(*pair, id=f"{estimator!r}-{name_of(pair[1])}")
        for estimator in ESTIMATORS
        for pair in estimator_checks_generator(estimator)
    ],
)
def test_scikit_learns_own_checks_pass(estimator, check):
    check(estimator)


def pairs(seed=0):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    x = rng.normal(size=(50, 6))
    return x, 2 * x @ turn + 3


def test_the_map_is_that_of_procrustes():
    x, y = pairs()
    made = ProcrustesTransformer(center=True, scale=True).fit(x, y)
    np.testing.assert_allclose(made.transform(x), y, atol=1e-12)
    np.testing.assert_allclose(made.inverse_transform(y), x, atol=1e-12)
    expected = iso.procrustes(x, y, translate=True, scale=True)
    assert (made.transform(x) == expected(x)).all()


def test_it_works_in_a_pipeline_and_a_search():
    x, y = pairs()
    pipeline = make_pipeline(Normalizer(), ProcrustesTransformer())
    assert pipeline.fit(x, y).transform(x).shape == y.shape
    search = GridSearchCV(
        ProcrustesTransformer(),
        {"center": [False, True]},
        scoring=lambda made, x, y: -np.abs(made.transform(x) - y).max(),
    )
    search.fit(x, y)
    assert search.best_params_ == {"center": True}
    assert clone(search.best_estimator_).center


def test_neighbours_are_those_of_csls():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 8)), rng.normal(size=(40, 8))
    search = CSLSNeighbors(3, neighborhood=5).fit(y)
    distances, indices = search.kneighbors(x)
    expected = iso.csls(x, y, 3, neighborhood=5)
    assert (indices == expected.indices).all()
    assert (distances == -expected.scores).all()
    assert (np.diff(distances) >= 0).all()
    assert (search.kneighbors(x, 2, return_distance=False) == expected.indices[:, :2]).all()


def test_the_remap_is_that_of_the_columns():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.3, size=(20, 30))
    made = VocabularyRemapper(min_count=4, top=8).fit(counts)
    kept = made.get_support(indices=True)
    assert (kept == made.remap_.new_to_old).all()
    assert len(kept) == 8
    assert counts.sum(axis=0)[kept].min() >= np.sort(counts.sum(axis=0))[-8]
    assert (made.transform(counts) == counts[:, kept]).all()


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "isomorph.compat.sklearn")
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"needs sklearn: pip install 'isomorph\[sklearn\]'"):
        import isomorph.compat.sklearn  # noqa: F401
