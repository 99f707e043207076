"""Starts without a dictionary that transport words: what each of their steps promises."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import DictionaryError
from isomorph.learning import _wasserstein
from isomorph.learning._gromov import gromov_wasserstein

WORDS = 150


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def languages(rng):
    """One set of things from two sides, the second one turned, noisy and in another order."""
    things = rng.standard_normal((WORDS, 6)) ** 3 + 0.5
    order = rng.permutation(WORDS)
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    other = things[order] @ turn + 0.02 * rng.standard_normal((WORDS, 6))
    rows = tuple(unit(side).astype(np.float32) for side in (things, other))
    return rows, order


def share_right(by, rows, order):
    found = iso.topk(by.apply(rows[0]), rows[1], 1).indices[:, 0]
    return np.mean(order[found] == np.arange(WORDS))


@pytest.mark.parametrize("begin", [gromov_wasserstein, _wasserstein.relaxed])
def test_a_turned_and_shuffled_side_is_found(languages, begin):
    rows, order = languages
    by = begin(rows, rows, vocabulary=WORDS, threads=1)
    ended = _wasserstein.in_turns(by, rows, vocabulary=WORDS, threads=1)
    assert share_right(by, rows, order) > 0.5
    assert share_right(ended, rows, order) > 0.95
    eye = np.eye(6)
    np.testing.assert_allclose(ended.matrix.T @ ended.matrix, eye, atol=1e-5)


def objective(by, rows, reg=_wasserstein._REG):
    """The largest sum of cosines and entropy over the plans, which the dual gives."""
    cost = -(by.apply(rows[0]).astype(np.float64) @ rows[1].T)
    return -iso.sinkhorn(None, None, cost, reg, tol=1e-10).entropic_value


def test_no_turn_lowers_the_objective(languages, rng, monkeypatch):
    rows, _ = languages
    by = iso.LinearMap(np.linalg.qr(rng.standard_normal((6, 6)))[0].astype(np.float32))
    monkeypatch.setattr(_wasserstein, "_TURNS", 1)
    values = [objective(by, rows)]
    for _ in range(8):
        by = _wasserstein.in_turns(by, rows, vocabulary=WORDS, threads=1)
        values.append(objective(by, rows))
    # A step's transport is solved to 1e-3 of the mass, and cosines are at most 1.
    assert np.all(np.diff(values) > -2e-3)
    assert values[-1] > values[0] + 0.01


@pytest.mark.parametrize("begin", [gromov_wasserstein, _wasserstein.relaxed])
@pytest.mark.parametrize("kind", ["alike", "one word", "one dimension"])
def test_what_has_no_distances_gives_some_rotation(begin, kind):
    rows = {
        "alike": np.ones((20, 3)) / 3**0.5,
        "one word": np.array([[0.6, 0.8, 0.0]]),
        "one dimension": np.sign(np.arange(20.0) - 7.5)[:, None],
    }[kind].astype(np.float32)
    by = begin((rows, rows), (rows, rows), vocabulary=20, threads=1)
    by = _wasserstein.in_turns(by, (rows, rows), vocabulary=20, threads=1)
    np.testing.assert_allclose(by.matrix.T @ by.matrix, np.eye(rows.shape[1]), atol=1e-5)


@pytest.mark.parametrize("begin", [gromov_wasserstein, _wasserstein.relaxed])
def test_zeros_are_refused(begin):
    rows = np.zeros((20, 3), np.float32)
    with pytest.raises(DictionaryError, match="zeros are all alike"):
        begin((rows, rows), (rows, rows), vocabulary=20, threads=1)


def test_bytes_do_not_depend_on_threads(languages):
    rows, _ = languages
    made = [
        _wasserstein.transported(init, rows, rows, vocabulary=100, threads=threads).matrix
        for init in ("gromov", "wasserstein")
        for threads in (1, 2)
    ]
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[2], made[3])
