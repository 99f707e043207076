"""Laws of word translation and hubness."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from isomorph import Coverage, Pairs
from isomorph.metrics import hubness, paired_difference, word_translation
from isomorph.metrics.intervals import permutation
from isomorph.metrics.retrieval import first_gold_ranks


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, Pairs]:
    n, m = draw(st.integers(2, 12)), draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pairs = draw(
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, m - 1)), min_size=1, max_size=20)
    )
    rows, golds = np.array(pairs).T
    found = len(set(rows.tolist()))
    coverage = Coverage(found, found + draw(st.integers(0, 5)), len(pairs), len(pairs))
    x, y = rng.standard_normal((n, 3)), rng.standard_normal((m, 3))
    return x, y, Pairs(rows, golds, coverage=coverage)


@given(problems(), st.sampled_from(["nn", "csls"]))
def test_precision_grows_with_k_and_bounds_mrr(
    problem: tuple[np.ndarray, np.ndarray, Pairs], method: str
) -> None:
    x, y, pairs = problem
    result = word_translation(
        x, y, pairs, method=method, at=range(1, len(y) + 1), neighborhood=2, resamples=50
    )
    values = list(result.precision.values())
    assert values == sorted(values)
    assert values[-1] == 1.0
    assert result.precision[1] <= result.mrr <= 1.0
    for k, value in result.precision.items():
        low, high = result.intervals[k]
        assert 0.0 <= low <= high <= 1.0
        assert value == result.hits(k).mean()


@given(problems())
def test_words_out_of_vocabulary_only_scale_the_figures(
    problem: tuple[np.ndarray, np.ndarray, Pairs],
) -> None:
    x, y, pairs = problem
    drop, error = (
        word_translation(x, y, pairs, method="nn", at=(1,), convention=name, resamples=20)
        for name in ("vecmap", "fasttext")
    )
    assert error.total == pairs.coverage.sources_total  # type: ignore[union-attr]
    assert np.isclose(error.precision[1] * error.total, drop.precision[1] * drop.total)
    assert np.isclose(error.mrr * error.total, drop.mrr * drop.total)


@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_pairs_changes_no_figure(
    problem: tuple[np.ndarray, np.ndarray, Pairs], random: object
) -> None:
    x, y, pairs = problem
    order = np.arange(len(pairs))
    random.shuffle(order)  # type: ignore[attr-defined]
    options = {"method": "nn", "at": (1,), "resamples": 20}
    one = word_translation(x, y, pairs, **options)  # type: ignore[arg-type]
    two = word_translation(x, y, (pairs.source[order], pairs.target[order]), **options)
    assert one.precision == two.precision
    assert np.isclose(one.mrr, two.mrr)
    assert dict(zip(one.queries, one.ranks, strict=True)) == dict(
        zip(two.queries, two.ranks, strict=True)
    )


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32))
def test_gold_ranks_are_those_of_a_plain_loop(queries: int, depth: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = depth + 3
    retrieved = np.stack([rng.permutation(m)[:depth] for _ in range(queries)])
    retrieved[rng.random(retrieved.shape) < 0.1] = -1
    owner, golds = rng.integers(0, queries, 8), rng.integers(0, m, 8)
    ranks = first_gold_ranks(retrieved, owner, golds, m)
    for query in range(queries):
        gold = set(golds[owner == query].tolist())
        positions = [i for i, t in enumerate(retrieved[query].tolist()) if t in gold]
        assert ranks[query] == (positions[0] + 1 if positions else 0)


@given(st.lists(st.lists(st.integers(0, 7), min_size=3, max_size=3), min_size=1, max_size=30))
def test_counts_add_up(indices: list[list[int]]) -> None:
    result = hubness(np.array(indices), 8, top=8)
    assert result.counts.sum() == 3 * len(indices)
    assert 0.0 <= result.robin_hood < 1.0
    assert sum(hub.count for hub in result.hubs) == 3 * len(indices)
    assert len(result.hubs) == round(8 * (1 - result.antihubs))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_differences_change_sign_with_the_order(hits: list[tuple[bool, bool]]) -> None:
    first, second = np.array(hits).T
    one = paired_difference(first, second, resamples=100)
    two = paired_difference(second, first, resamples=100)
    assert one.difference == -two.difference
    assert (one.wins, one.losses, one.p_value) == (two.losses, two.wins, two.p_value)
    assert np.allclose(tuple(one.interval), [-two.interval.high, -two.interval.low])


@given(st.integers(1, 200), st.integers(0, 2**64))
def test_permutations_are_permutations(n: int, seed: int) -> None:
    assert sorted(permutation(n, seed).tolist()) == list(range(n))


@given(st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_hubness_does_not_depend_on_the_order_of_queries_or_targets(seed: int, random: Any) -> None:
    rng = np.random.default_rng(seed)
    indices = (rng.random((30, 3)) ** 2 * 12).astype(np.int64)
    order = np.array(random.sample(range(12), 12))
    plain, moved = hubness(indices, 12), hubness(order[indices][::-1], 12)
    assert moved.counts[order].tolist() == plain.counts.tolist()
    for figure in ("robin_hood", "antihubs", "hub_share", "skewness"):
        np.testing.assert_allclose(getattr(moved, figure), getattr(plain, figure), rtol=1e-12)
    assert 0 <= plain.robin_hood < 1
