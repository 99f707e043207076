"""The CSLS forecast: figures by their definitions, and no verdict whatever they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

import isomorph as iso
from isomorph.metrics import csls_forecast
from isomorph.metrics.forecast import _rank_correlation


def spaces(rng: np.random.Generator, noise: float) -> tuple[np.ndarray, np.ndarray]:
    y = rng.standard_normal((200, 20))
    return y[:150] + noise * rng.standard_normal((150, 20)), y


def test_it_never_decides(rng: np.random.Generator) -> None:
    for noise in (0.0, 0.5, 2.0):
        assert csls_forecast(*spaces(rng, noise)).decision == "undetermined"


def test_equal_spaces_agree_in_both_halves(rng: np.random.Generator) -> None:
    _, y = spaces(rng, 0.0)
    decision, halves = csls_forecast(y, y, neighborhood=5)
    assert decision == "undetermined"
    assert (halves.difference, halves.words) == (0.0, 400)
    seen = csls_forecast(y, y, neighborhood=5)
    assert seen.changed == seen.returning == 0.0
    assert seen.skewness == seen.reverse_skewness


def test_figures_are_those_of_the_whole_matrix(backend: str, rng: np.random.Generator) -> None:
    x, y = spaces(rng, 1.0)
    seen = csls_forecast(x, y)
    u, v = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
    c = u @ v.T
    r, s = (np.sort(side, axis=1)[:, -10:].mean(axis=1) for side in (c, c.T))
    csls = (2 * c - r[:, None] - s).argmax(axis=1)
    nn, back, rows = c.argmax(axis=1), c.argmax(axis=0), np.arange(150)
    assert seen.changed == (nn != csls).mean()
    expected = (back[csls] == rows).mean() - (back[nn] == rows).mean()
    assert seen.returning == pytest.approx(expected, abs=1e-12)
    counts = np.bincount(np.argsort(-c, axis=1)[:, :10].ravel(), minlength=200)
    stats = pytest.importorskip("scipy.stats")
    assert seen.radius_occurrence == pytest.approx(stats.spearmanr(s, counts)[0])
    assert seen.skewness == pytest.approx(stats.skew(counts))


def test_rank_correlation_with_ties(rng: np.random.Generator) -> None:
    stats = pytest.importorskip("scipy.stats")
    a, b = rng.integers(0, 5, 50), rng.integers(0, 9, 50)
    assert _rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b)[0])
    assert _rank_correlation(a, np.zeros(50)) == 0.0


def test_the_seed_decides_the_rotation(rng: np.random.Generator) -> None:
    x, y = spaces(rng, 1.0)
    assert csls_forecast(x, y, seed=1) == csls_forecast(x, y, seed=1)
    assert csls_forecast(x, y, seed=1) != csls_forecast(x, y, seed=2)


def test_without_an_agreed_pair_there_is_no_comparison() -> None:
    ones = np.ones((3, 2))
    seen = csls_forecast(ones, -ones, neighborhood=1)
    assert seen.halves is not None
    one = csls_forecast(np.array([[1.0, 0], [0, 1]]), np.array([[-1.0, 0]]), neighborhood=1)
    assert one.decision == "undetermined"


def test_it_says_what_it_saw_and_what_to_do(rng: np.random.Generator) -> None:
    seen = csls_forecast(*spaces(rng, 0.5))
    assert "csls_verdict" in str(seen)
    plain = seen.as_dict()
    assert json.loads(json.dumps(plain))["decision"] == "undetermined"


def test_one_column_has_no_halves() -> None:
    with pytest.raises(iso.errors.ShapeError, match="at least 2 columns"):
        csls_forecast(np.ones((20, 1)), np.ones((20, 1)))
