"""Paired tests between methods, and Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso
from isomorph.errors import DTypeError, NonFiniteError, ShapeError
from isomorph.metrics import compare, intervals, paired_test
from isomorph.metrics.paired import holm, tango


def split(wins, losses, both=3, neither=4):
    a = np.repeat([1, 0, 1, 0], [wins, losses, both, neither])
    b = np.repeat([0, 1, 1, 0], [wins, losses, both, neither])
    return a, b


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(wins, losses):
    stats = pytest.importorskip("scipy.stats")
    a, b = split(wins, losses)
    found = paired_test(a, b)
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert found.p_value == pytest.approx(expected, rel=1e-9)
    assert (found.wins, found.losses, found.queries) == (wins, losses, wins + losses + 7)
    assert found.difference == pytest.approx((wins - losses) / (wins + losses + 7))
    assert found.first - found.second == pytest.approx(found.difference)


@pytest.mark.parametrize("test", ["mcnemar", "randomization", "bootstrap"])
def test_methods_that_never_differ(test, rng):
    for values in (rng.random(40) < 0.5, rng.random(40)):
        found = paired_test(values, values, test=test, resamples=200)
        assert (found.difference, found.p_value, found.wins, found.losses) == (0, 1, 0, 0)
        assert 0 in found.interval


@pytest.mark.parametrize("test", ["mcnemar", "randomization", "bootstrap"])
def test_sides_may_be_swapped(test, rng):
    a, b = rng.random((2, 200)) < [[0.6], [0.5]]
    one, other = (paired_test(*pair, test=test, resamples=500) for pair in ((a, b), (b, a)))
    assert one.difference == -other.difference
    assert one.p_value == pytest.approx(other.p_value)
    np.testing.assert_allclose(list(one.interval), [-x for x in reversed(list(other.interval))])


@pytest.mark.parametrize(("wins", "losses"), [(5, 1), (20, 8), (30, 30), (3, 0)])
def test_random_signs_of_hits_are_mcnemar(wins, losses):
    a, b = split(wins, losses)
    exact = paired_test(a, b).p_value
    drawn = paired_test(a, b, test="randomization", resamples=20_000).p_value
    assert drawn == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 20_000) ** 0.5 + 1e-4)


def test_random_signs_are_all_there_is():
    values = np.array([1.0, 2.0, 4.0])
    sums = intervals.random_signs(values, resamples=4000, seed=0)
    assert set(sums) == {-7, -5, -3, -1, 1, 3, 5, 7}
    counts = np.unique(sums, return_counts=True)[1]
    assert (abs(counts - 500) < 100).all()
    assert not intervals.random_signs(values[:0], resamples=5, seed=0).any()
    assert np.array_equal(sums, intervals.random_signs(values, resamples=4000, seed=0))


def test_blocks_do_not_change_the_signs(monkeypatch, rng):
    values = rng.random(70)
    whole = intervals.random_signs(values, resamples=50, seed=1)
    monkeypatch.setattr(intervals, "_BLOCK", 200)
    assert np.array_equal(whole, intervals.random_signs(values, resamples=50, seed=1))


@pytest.mark.parametrize("test", ["mcnemar", "randomization", "bootstrap"])
def test_false_alarms_are_as_rare_as_stated(test):
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(300):
        easy = rng.random(150)
        a, b = (easy + 0.3 * rng.standard_normal((2, 150))) < 0.6
        alarms += paired_test(a, b, test=test, resamples=300).p_value <= 0.05
    # Exact tests of few differences are careful; 3 standard errors of 300 above 5 %.
    assert alarms <= 300 * (0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5)


@pytest.mark.parametrize(
    ("p", "q", "n"), [(0.1, 0.05, 60), (0.02, 0.0, 100), (0.3, 0.3, 40), (0.01, 0.01, 200)]
)
def test_coverage_of_the_interval_is_as_stated(p, q, n):
    rng = np.random.default_rng(2)
    won, lost, _ = rng.multinomial(n, [p, q, 1 - p - q], size=2000).T
    covered = [p - q in tango(int(b), int(c), n, 0.95) for b, c in zip(won, lost, strict=True)]
    assert 0.93 <= np.mean(covered) <= 1.0


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60))
def test_the_ends_of_the_interval_are_just_not_rejected(wins, losses, same):
    """By maximising the likelihood under a given difference on a grid, as the score test does."""
    n = wins + losses + same
    if n == 0:
        return
    low, high = tango(wins, losses, n, 0.95)
    assert -1 <= low <= (wins - losses) / n <= high <= 1
    mirrored = tango(losses, wins, n, 0.95)
    np.testing.assert_allclose([low, high], [-mirrored.high, -mirrored.low], atol=1e-9)
    for end in (low, high):
        if abs(end) > 0.999:
            continue
        q = np.linspace(max(0, -end), (1 - end) / 2, 200_001)[1:-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = (
                wins * np.log(q + end) + losses * np.log(q) + same * np.log(1 - 2 * q - end)
            )
        likelihood = np.where(np.isfinite(likelihood), likelihood, -np.inf)
        best = q[np.argmax(likelihood)]
        z = abs(wins - losses - n * end) / np.sqrt(n * (2 * best + end - end**2))
        assert z == pytest.approx(1.959964, rel=2e-3)


def test_the_interval_has_a_width_where_nothing_differs():
    low, high = paired_test(*split(0, 0)).interval
    assert -1 < low < 0 < high < 1
    for wins, losses in ((7, 0), (0, 7)):
        low, high = paired_test(*split(wins, losses, 0, 0)).interval
        assert -1 <= low < high <= 1


def test_values_other_than_hits_are_bootstrapped(rng):
    a, b = rng.random((2, 50))
    found = paired_test(a, b)
    assert found.interval == iso.metrics.bootstrap_mean(a - b, resamples=10_000)
    assert found.interval.method == "bootstrap"
    hits = paired_test(a < 0.5, b < 0.5)
    assert hits.interval.method == "tango"


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_every_two_or_all_against_one(rng):
    hits = {name: rng.random(300) < p for name, p in (("a", 0.3), ("b", 0.6), ("c", 0.5))}
    found = compare(hits)
    assert [(first, second) for first, second, *_ in found.pairs] == (
        [("a", "b"), ("a", "c"), ("b", "c")]
    )
    names, values, ends, pairs = found
    assert names == ("a", "b", "c")
    assert values == tuple(hits[name].mean() for name in names)
    assert ends[0] == iso.metrics.wilson(int(hits["a"].sum()), 300)
    assert [one.adjusted for one in pairs] == holm([one.result.p_value for one in pairs])
    assert pairs[0].result == paired_test(hits["a"], hits["b"])
    for against in ("b", "best"):
        assert [one.second for one in compare(hits, against=against).pairs] == ["b", "b"]
    lines = str(found).splitlines()
    assert lines[0].split()[0] == "method"
    assert lines[5].split()[:3] == ["difference", "points", "95"]
    assert lines[-1] == "(300 queries)"


@pytest.fixture
def results(rng):
    x = rng.standard_normal((60, 8))
    y = x + 0.9 * rng.standard_normal((60, 8))
    rows = np.arange(40)
    found = {
        method: iso.metrics.word_translation(x, y, (rows, rows), method=method, resamples=20)
        for method in ("nn", "csls")
    }
    return x, y, found


def test_results_of_word_translation(results):
    x, y, found = results
    hits = [one.hits(5) for one in found.values()]
    assert paired_test(*found.values(), at=5) == paired_test(*hits)
    assert paired_test(found["nn"], hits[1], at=5) == paired_test(*hits)
    reciprocal = [
        np.where(one.ranks > 0, 1 / np.maximum(one.ranks, 1), 0) for one in found.values()
    ]
    assert paired_test(*found.values(), at=None) == paired_test(*reciprocal)
    assert compare(found, at=None).values == pytest.approx([one.mrr for one in found.values()])
    backwards = np.arange(40)[::-1]
    other = iso.metrics.word_translation(x, y, (backwards, backwards), resamples=20)
    with pytest.raises(ValueError, match="b: expected the queries of a, in their order"):
        paired_test(found["nn"], other)
    with pytest.raises(ValueError, match="k: expected 1 to 10, the depth"):
        paired_test(*found.values(), at=11)


def test_words_that_count_as_errors(results):
    x, y, found = results
    rows = np.arange(40)
    strict = iso.metrics.word_translation(
        x, y, (rows, rows), convention="fasttext", sources_total=50, resamples=20
    )
    assert paired_test(strict, strict).queries == 50
    assert paired_test(strict, strict).first == strict.precision[1]
    with pytest.raises(ShapeError, match="b: expected 50 queries as in a, got 40"):
        paired_test(strict, found["nn"])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"test": "t"}, ValueError, "test: expected one of mcnemar"),
        ({"interval": "wald"}, ValueError, "interval: expected one of tango"),
        ({"a": [0.5, 1]}, ValueError, "interval: 'tango' is for hits"),
        ({"a": [1, 0, 1]}, ShapeError, "b: expected 3 queries as in a, got 2"),
        ({"a": [np.nan, 0]}, NonFiniteError, "a: entry 0 is NaN"),
        ({"a": ["x", "y"]}, DTypeError, "a: expected numbers"),
        ({"confidence": 1.5}, ValueError, "confidence: expected"),
        ({"resamples": 0}, ValueError, "resamples: expected"),
        ({"seed": -1}, ValueError, "seed: expected"),
    ],
)
def test_what_is_refused(change, error, message):
    given = {"a": [1, 0], "b": [0, 1], "interval": "tango", **change}
    with pytest.raises(error, match=message):
        paired_test(given.pop("a"), given.pop("b"), **given)


def test_what_comparing_refuses():
    with pytest.raises(ValueError, match="results: expected at least two methods, got 1"):
        compare({"a": [1, 0]})
    with pytest.raises(ValueError, match="against: expected 'best' or one of a, b, got 'c'"):
        compare({"a": [1, 0], "b": [0, 1]}, against="c")
    with pytest.raises(ShapeError, match=r"results\['b'\]: expected 2 queries"):
        compare({"a": [1, 0], "b": [0, 1, 1]})
