"""The learning curve: against a fit for each size, what it tells, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import DictionaryError, DTypeError
from isomorph.metrics import learning_curve

METHODS = ["procrustes", "ols", ("ridge", {"alpha": 2.0}), "robust"]


@pytest.fixture
def task(rng):
    """Two spaces, a dictionary with several targets for some sources, and a test."""
    x = rng.standard_normal((150, 7))
    y = x @ np.linalg.qr(rng.standard_normal((7, 7)))[0] + 0.4 * rng.standard_normal((150, 7))
    sources = rng.permutation(np.concatenate([np.arange(90), rng.integers(0, 90, 40)]))
    train = iso.Pairs(sources, np.minimum(sources + rng.integers(0, 2, 130), 149))
    return x, y, train, iso.Pairs(np.arange(90, 150), np.arange(90, 150))


@pytest.mark.parametrize("retrieval", ["nn", "csls"])
@pytest.mark.parametrize("translate", [False, True])
def test_a_curve_is_a_fit_for_each_size(task, retrieval, translate):
    x, y, train, test = task
    curve = learning_curve(
        x, y, train, test, sizes=[8, 30, 90], methods=METHODS,
        retrieval=retrieval, order="given", translate=translate,
    )  # fmt: skip
    words = list(dict.fromkeys(train.source.tolist()))
    for i, size in enumerate(curve.sizes):
        have = np.isin(train.source, words[:size])
        assert curve.pairs[i].tolist() == [have.sum()]
        for j, one in enumerate(METHODS):
            method, options = (one, {}) if isinstance(one, str) else one
            fitted = iso.fit_map(
                x[train.source[have]], y[train.target[have]],
                method=method, translate=translate, **options,
            )  # fmt: skip
            found = iso.metrics.word_translation(
                fitted(x), y, test, method=retrieval, interval="wilson"
            )
            assert curve.values[j, i] == found.precision[1]
            assert (curve.low[j, i], curve.high[j, i]) == tuple(found.intervals[1])
            assert np.array_equal(curve.hits[j, i, 0], found.hits(1))
    assert not curve.spread.any()


def test_repeats_are_other_orders(task):
    curve = learning_curve(*task, sizes=[10, 90], methods=["procrustes"], repeats=3)
    single = learning_curve(*task, sizes=[10, 90], methods=["procrustes"])
    assert curve.hits.shape == (1, 2, 3, 60)
    assert np.array_equal(curve.hits[:, :, :1], single.hits)
    assert not np.array_equal(curve.hits[0, 0, 0], curve.hits[0, 0, 1])
    # All words in any order are the same dictionary.
    assert np.array_equal(curve.hits[0, 1, 0], curve.hits[0, 1, 1])
    assert curve.spread[0, 0] == curve.hits[0, 0].mean(axis=1).std() > 0
    assert (curve.low < curve.values).all()
    assert (curve.values < curve.high).all()
    again = learning_curve(*task, sizes=[10, 90], methods=["procrustes"], repeats=3)
    assert np.array_equal(curve.hits, again.hits)
    assert (curve.low.tobytes(), curve.high.tobytes()) == (
        again.low.tobytes(),
        again.high.tobytes(),
    )


def test_sizes_that_nobody_chose(task):
    curve = learning_curve(*task, methods=["procrustes"], retrieval="nn")
    assert curve.sizes == (50, 90)
    assert curve.pairs[-1, 0] == 130
    sizes, values, *_ = curve
    assert sizes == (50, 90)
    assert values.shape == (1, 2)


def test_a_penalty_is_chosen_from_what_the_dictionary_has(task):
    """Few words still make the groups that it is chosen by."""
    curve = learning_curve(*task, sizes=[2, 3, 90], methods=["ridge"])
    assert curve.values[0, 2] > curve.values[0, 0]


def test_it_compares_and_prints(task):
    curve = learning_curve(*task, sizes=[20, 90], methods=["procrustes", "cca"])
    found = curve.compare(90)
    expected = iso.metrics.paired_test(*curve.hits[:, 1, 0])
    assert found.pairs[0].result == expected
    with pytest.raises(ValueError, match="size: expected one of 20, 90, got 30"):
        curve.compare(30)
    lines = str(curve).splitlines()
    assert lines[0].split() == ["words", "pairs", "procrustes", "95", "%", "cca", "95", "%"]
    assert lines[2].split()[:2] == ["90", "130"]
    assert lines[-1] == "P@1 of 60 test words by CSLS; repeats: 1"


def test_fewer_rows_to_look_through(task):
    x, y, train, test = task
    few = learning_curve(x, y, train, test, sizes=[90], methods=["ols"], max_rows=5)
    assert (
        few.values[0, 0] >= learning_curve(x, y, train, test, sizes=[90], methods=["ols"]).low[0, 0]
    )
    far = np.concatenate([y, 100 + np.zeros((50, 7))])
    assert np.array_equal(
        learning_curve(x, far, train, test, sizes=[90], methods=["ols"], max_rows=5).hits, few.hits
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"sizes": [1]}, ValueError, r"sizes: expected 2 to 90 \(source words of train\), got 1"),
        ({"sizes": [91]}, ValueError, "sizes: expected 2 to 90"),
        ({"sizes": []}, DTypeError, "sizes: expected one or more integers"),
        ({"sizes": [2.5]}, DTypeError, "sizes: expected an integer"),
        ({"methods": []}, ValueError, "methods: expected at least one"),
        ({"methods": ["auto"]}, ValueError, "methods: expected some of procrustes"),
        ({"retrieval": "dot"}, ValueError, "retrieval: expected one of csls, nn"),
        ({"order": "none"}, ValueError, "order: expected one of random, given"),
        ({"order": "given", "repeats": 2}, ValueError, "repeats: expected 1 for the order"),
        ({"repeats": 0}, ValueError, "repeats: expected an integer of 1 or more"),
        ({"max_rows": 0}, ValueError, "max_rows: expected"),
        ({"seed": -1}, ValueError, "seed: expected"),
        ({"train": ([3, 3], [1, 2])}, DictionaryError, "train: expected two source words"),
        (
            {"test": ([3], [1])},
            DictionaryError,
            "test: expected sources that train does",
        ),
        ({"test": ([], [])}, DictionaryError, "pairs: no pair"),
    ],
)
def test_what_is_refused(task, change, error, message):
    x, y, train, test = task
    given = {"train": train, "test": test, **change}
    with pytest.raises(error, match=message):
        learning_curve(x, y, **given)
