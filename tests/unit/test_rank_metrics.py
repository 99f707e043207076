"""Ranking measures: by hand, against enumerated orders of ties, and the forms that input takes."""

from __future__ import annotations

import itertools
import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import isomorph as iso
from isomorph.errors import DTypeError, NonFiniteError, ShapeError

rank_metrics = iso.metrics.rank_metrics
POLICIES = ("optimistic", "expected", "pessimistic")


def of_order(order, grades, k):
    """Measure one order of items by the definitions."""
    gains = [grades.get(item, 0) for item in order]
    hits = [gain > 0 for gain in gains]
    ideal = sorted(grades.values(), reverse=True)
    dcg = lambda values: sum(v / math.log2(i + 2) for i, v in enumerate(values[:k]))  # noqa: E731
    return {
        "mrr": 1 / (hits.index(True) + 1),
        f"recall@{k}": sum(hits[:k]) / len(grades),
        f"precision@{k}": sum(hits[:k]) / k,
        f"hit_rate@{k}": float(any(hits[:k])),
        f"ndcg@{k}": dcg(gains) / dcg(ideal),
    }


def orders(scores):
    """All orders that sort the scores descending."""
    groups = [
        list(group)
        for _, group in itertools.groupby(
            sorted(range(len(scores)), key=lambda j: -scores[j]), key=lambda j: scores[j]
        )
    ]
    for parts in itertools.product(*(itertools.permutations(group) for group in groups)):
        yield [item for part in parts for item in part]


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=7),
    st.data(),
    st.integers(1, 8),
)
def test_policies_are_mean_best_and_worst_over_all_orders(scores, data, k):
    items = data.draw(st.sets(st.integers(0, len(scores) - 1), min_size=1))
    grades = {item: data.draw(st.integers(1, 3)) for item in items}
    outcomes = [of_order(order, grades, k) for order in orders(scores)]
    for ties, summary in zip(POLICIES, (max, np.mean, min), strict=True):
        found = rank_metrics(np.array([scores]), [grades], at=[k], ties=ties).per_query
        for name, value in found.items():
            expected = summary([outcome[name] for outcome in outcomes])
            assert value[0] == pytest.approx(expected, abs=1e-12), (ties, name)


@st.composite
def cases(draw):
    """Draw integer scores with many ties, and grades."""
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = rng.integers(0, draw(st.integers(1, 40)), (n, m))
    grades = rng.integers(0, 3, (n, m)) * (rng.random((n, m)) < 0.3)
    grades[0, 0] = 1
    return scores, grades.astype(float)


@given(cases(), st.sampled_from(["linear", "exponential"]))
def test_optimistic_is_at_least_expected_and_that_at_least_pessimistic(case, gain):
    best, mean, worst = (
        rank_metrics(*case, at=[1, 3, 50], ties=ties, gain=gain).per_query for ties in POLICIES
    )
    for name in best:
        assert (best[name] >= mean[name] - 1e-12).all(), name
        assert (mean[name] >= worst[name] - 1e-12).all(), name
        assert (best[name] <= 1 + 1e-12).all()
        assert (worst[name] >= 0).all()


@given(cases(), st.sampled_from(POLICIES))
def test_increasing_functions_of_the_scores_change_nothing(case, ties):
    scores, grades = case
    plain = rank_metrics(scores, grades, ties=ties).per_query
    other = rank_metrics(np.exp(scores / 7.0) - 5, grades, ties=ties).per_query
    for name, values in plain.items():
        np.testing.assert_array_equal(values, other[name])


@given(cases(), st.sampled_from(POLICIES))
def test_the_order_of_items_does_not_matter(case, ties):
    scores, grades = case
    shuffled = np.random.default_rng(1).permutation(scores.shape[1])
    plain = rank_metrics(scores, grades, ties=ties).per_query
    other = rank_metrics(scores[:, shuffled], grades[:, shuffled], ties=ties).per_query
    for name, values in plain.items():
        np.testing.assert_allclose(values, other[name], rtol=1e-12)


@given(cases(), st.sampled_from(POLICIES))
def test_a_list_of_everything_measures_as_the_scores_do(case, ties):
    scores, grades = case
    order = np.argsort(-scores, axis=1, kind="stable")
    listed = iso.Neighbors(np.take_along_axis(scores, order, axis=1), order)
    dicts = [{int(j): row[j] for j in np.flatnonzero(row)} for row in grades]
    plain = rank_metrics(scores, grades, at=[1], ties=ties).per_query
    other = rank_metrics(listed, dicts, at=[1], ties=ties).per_query
    for name, values in plain.items():
        np.testing.assert_allclose(values, other[name], rtol=1e-12)


def test_without_ties_policies_agree_and_values_are_those_by_hand():
    scores = np.array([[0.1, 0.9, 0.5, 0.3], [4.0, 3.0, 2.0, 1.0]])
    for ties in POLICIES:
        result = rank_metrics(scores, [[2, 0], [3]], at=[2, 4], ties=ties)
        assert result.mrr == (1 / 2 + 1 / 4) / 2
        assert result.recall == {2: 0.25, 4: 1}
        assert result.precision == {2: 0.25, 4: 3 / 8}
        assert result.hit_rate == {2: 0.5, 4: 1}
        first = (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3))
        assert result.ndcg[4] == pytest.approx((first + 1 / math.log2(5)) / 2)
        mrr, recall, ndcg = result
        assert (mrr, recall, ndcg) == (result.mrr, result.recall, result.ndcg)
    assert result.as_dict()["recall"] == {"2": 0.25, "4": 1}


def test_the_forms_of_relevance_mean_the_same(rng):
    scores = rng.standard_normal((3, 6))
    dense = np.zeros((3, 6))
    dense[0, 1] = dense[1, 5] = dense[2, 0] = 1
    forms = (
        np.array([1, 5, 0]),
        np.array([[1, -1], [5, -1], [0, -1]]),
        [[1], (5,), {0}],
        [1, 5, 0],
        [{1: 1, 2: 0}, {5: 1.0}, {0: True}],
        dense,
        dense > 0,
    )
    results = [rank_metrics(scores, form).as_dict() for form in forms]
    assert all(result == results[0] for result in results)


def test_queries_without_relevant_items_are_skipped_and_counted():
    result = rank_metrics(np.eye(3), [[0], [], {2: 0.0}])
    assert (result.queries, result.skipped, result.mrr) == (1, 2, 1.0)
    assert len(result.per_query["mrr"]) == 1


def test_items_that_a_list_lacks_are_not_found():
    neighbors = iso.Neighbors(np.array([[3.0, 2.0], [1.0, -np.inf]]), np.array([[7, 4], [2, -1]]))
    result = rank_metrics(neighbors, [[4, 9], [8]], at=[1, 2])
    assert result.mrr == 0.25
    assert result.recall == {1: 0, 2: 0.25}
    with pytest.raises(ValueError, match="at: expected depths up to 2"):
        rank_metrics(neighbors, [[4], [8]], at=[3])


def test_many_levels_and_few_count_the_same(rng):
    scores = rng.integers(0, 50, (2, 500)).astype("float32")
    many = [np.arange(100), np.arange(100, 200)]
    whole = rank_metrics(scores, many, at=[10, 300])
    order = np.argsort(-scores, axis=1, kind="stable")
    listed = iso.Neighbors(np.take_along_axis(scores, order, axis=1), order)
    assert whole.as_dict() == rank_metrics(listed, many, at=[10, 300]).as_dict()


def test_a_constant_model_has_the_mean_of_random_orders():
    result = rank_metrics(np.zeros((1, 100)), [[5]], at=[10])
    assert result.recall[10] == pytest.approx(0.1)
    assert result.mrr == pytest.approx(sum(1 / i for i in range(1, 101)) / 100)


@pytest.mark.parametrize(
    ("scores", "relevant", "options", "error", "message"),
    [
        (np.eye(2), [[0]], {}, ShapeError, "relevant: expected 2 entries"),
        (np.eye(2), [[0], [2]], {}, ValueError, "query 1: expected items from 0 to 1"),
        (np.eye(2), [[0], [1, 1]], {}, ValueError, "query 1: an item stands there twice"),
        (np.eye(2), [{0: -1}, [1]], {}, ValueError, "query 0: expected finite grades"),
        (np.eye(2), [{0: np.nan}, [1]], {}, ValueError, "query 0: expected finite grades"),
        (np.eye(2), [[], []], {}, ValueError, "no query has a relevant item"),
        (np.eye(2), [["a"], [1]], {}, DTypeError, "query 0: expected integers"),
        (np.eye(2), "ab", {}, DTypeError, "relevant: expected an array or a sequence"),
        (np.eye(2), np.zeros((2, 3)), {}, ShapeError, "relevant: expected int items"),
        (np.eye(2), [0, 1], {"at": []}, ValueError, "at: expected depths of 1"),
        (np.eye(2), [0, 1], {"at": [0]}, ValueError, "at: expected depths of 1"),
        (np.eye(2), [0, 1], {"at": [1.5]}, DTypeError, "at: expected integers"),
        (np.eye(2), [0, 1], {"ties": "random"}, ValueError, "ties: expected one of"),
        (np.eye(2), [0, 1], {"gain": "log"}, ValueError, "gain: expected one of"),
        (np.eye(2)[0], [0, 1], {}, ShapeError, "scores: expected shape"),
        ([[1.0]], [0], {}, DTypeError, "scores: expected an array"),
        (np.array([["a"]]), [0], {}, DTypeError, "scores: expected real values"),
        (np.array([[1, np.nan]]), [0], {}, NonFiniteError, "scores: row 0 has a NaN"),
    ],
)
def test_what_does_not_fit_is_refused(scores, relevant, options, error, message):
    with pytest.raises(error, match=message):
        rank_metrics(scores, relevant, **options)
