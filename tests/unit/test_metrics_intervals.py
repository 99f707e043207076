"""Bootstrap, Wilson and paired intervals."""

from __future__ import annotations

import numpy as np
import pytest

from isomorph import errors, metrics
from isomorph.metrics import intervals


def test_the_bootstrap_is_seeded_and_stays_the_same() -> None:
    values = np.random.default_rng(0).random(40)
    one = metrics.bootstrap_mean(values, seed=7)
    assert one == metrics.bootstrap_mean(values, seed=7)
    assert one != metrics.bootstrap_mean(values, seed=8)
    # Pinned: Philox's raw stream is the same in every NumPy release.
    assert intervals.uniform_below(10, 12, seed=0).tolist() == [0, 2, 1, 5, 5, 2, 9, 9, 2, 1, 7, 1]


def test_blocks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((30, 2))
    whole = intervals.resampled_means(values, resamples=50, seed=1)
    monkeypatch.setattr(intervals, "_BLOCK", 64)
    assert np.array_equal(whole, intervals.resampled_means(values, resamples=50, seed=1))


def test_the_bootstrap_has_the_width_of_the_normal_theory() -> None:
    values = np.arange(2000) < 1400
    low, high = metrics.bootstrap_mean(values, resamples=4000)
    wanted = 1.96 * np.sqrt(0.7 * 0.3 / 2000)
    assert abs((high - low) / (2 * wanted) - 1) < 0.06
    assert low < 0.7 < high


def test_coverage_of_the_intervals_is_as_stated() -> None:
    rng = np.random.default_rng(3)
    samples = rng.random((400, 120)) < 0.6
    bootstrap = sum(0.6 in metrics.bootstrap_mean(row, resamples=400) for row in samples) / 400
    wilson = sum(0.6 in metrics.wilson(int(row.sum()), 120) for row in samples) / 400
    # Three standard errors of a share of 400 about 95 %, and two points for the percentile method.
    assert 0.90 < bootstrap <= 1.0
    assert 0.915 < wilson <= 0.985


def test_wilson_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for hits, words in ((0, 5), (5, 5), (3, 11), (700, 1500), (1, 10_000)):
        for confidence in (0.5, 0.95, 0.999):
            wanted = stats.binomtest(hits, words).proportion_ci(confidence, method="wilson")
            ours = metrics.wilson(hits, words, confidence=confidence)
            assert np.allclose(tuple(ours), tuple(wanted), rtol=1e-12, atol=1e-15)


def test_the_sign_test_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for wins, losses in ((0, 0), (1, 0), (5, 0), (6, 0), (3, 4), (40, 80), (900, 1000)):
        wanted = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
        assert intervals.sign_test(wins, losses) == pytest.approx(wanted, rel=1e-9)


def test_pairs_are_resampled_together() -> None:
    hard = np.arange(200) % 2 == 0
    better = hard | (np.arange(200) % 20 == 1)
    result = metrics.paired_difference(better, hard)
    difference, interval = result
    assert difference == pytest.approx(0.05)
    assert (result.wins, result.losses, result.words) == (10, 0, 200)
    assert 0.0 < interval.low < 0.05 < interval.high < 0.1
    assert result.p_value == pytest.approx(2 / 2**10)


def test_bad_values_are_named() -> None:
    with pytest.raises(errors.ShapeError, match="values"):
        metrics.bootstrap_mean([])
    with pytest.raises(errors.ShapeError, match="values"):
        metrics.bootstrap_mean([[1.0]])
    with pytest.raises(errors.DTypeError, match="values"):
        metrics.bootstrap_mean(["a"])
    with pytest.raises(errors.NonFiniteError, match="entry 1"):
        metrics.bootstrap_mean([0.0, np.nan])
    with pytest.raises(errors.ShapeError, match="expected 2 words"):
        metrics.paired_difference([0, 1], [0])
    for confidence in (0.0, 1.0, 95, float("nan")):
        with pytest.raises(ValueError, match="confidence"):
            metrics.bootstrap_mean([0, 1], confidence=confidence)
    for resamples in (0, 1.5, True):
        with pytest.raises((ValueError, TypeError), match="resamples"):
            metrics.bootstrap_mean([0, 1], resamples=resamples)  # type: ignore[arg-type]
    for seed in (-1, 2**128, 0.5):
        with pytest.raises((ValueError, TypeError), match="seed"):
            metrics.bootstrap_mean([0, 1], seed=seed)  # type: ignore[arg-type]
    for hits, words in ((1, 0), (-1, 3), (4, 3)):
        with pytest.raises(ValueError, match="hits, words"):
            metrics.wilson(hits, words)
