"""Dictionary induction: what each option means, on examples small enough to follow."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core

IDENTITY = np.eye(4, dtype=np.float32)


def listed(pairs: iso.Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True))


@pytest.mark.parametrize("method", ["csls", "nn"])
def test_what_both_directions_find_is_in_a_union_twice(backend, method):
    there = IDENTITY[[2, 0, 3, 1]]
    pairs = iso.induce_dictionary(IDENTITY, there, method=method, neighborhood=1)
    forward, backward = [(0, 1), (1, 3), (2, 0), (3, 2)], [(2, 0), (0, 1), (3, 2), (1, 3)]
    assert listed(pairs) == forward + backward
    once = iso.induce_dictionary(IDENTITY, there, method=method, neighborhood=1, unique=True)
    assert listed(once) == forward
    assert len(pairs) == 8


def test_scores_are_those_of_the_method(backend):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 20, 6))
    csls = iso.induce_dictionary(x, y, direction="forward", neighborhood=3)
    assert csls.scores.tobytes() == iso.csls(x, y, neighborhood=3).scores.tobytes()
    nearest = iso.induce_dictionary(x, y, direction="forward", method="nn")
    assert nearest.scores.tobytes() == iso.topk(x, y, 1).scores.tobytes()
    none = iso.induce_dictionary(x, y, direction="forward", neighborhood=0)
    assert none.scores.tobytes() == nearest.scores.tobytes()


def test_dropped_pairs_win_where_all_that_is_kept_is_negative(backend):
    """VecMap multiplies by the mask: a dropped value is 0, and 0 beats a negative one."""
    x, y = -np.ones((3, 2), np.float32), np.ones((5, 2), np.float32)
    kept = _core.dropout_draws(0, 0, False, np.arange(3), np.arange(5)) < 0.5
    assert not kept.all(axis=1).any()
    pairs = iso.induce_dictionary(x, y, direction="forward", method="nn", keep=0.5)
    assert pairs.target.tolist() == np.argmin(kept, axis=1).tolist()
    assert pairs.scores.tolist() == [0.0, 0.0, 0.0]


def test_the_least_likely_draw_leaves_zero_for_everyone(backend):
    x = np.abs(np.random.default_rng(0).standard_normal((6, 3)))
    pairs = iso.induce_dictionary(x, x, method="nn", keep=1e-300)
    assert pairs.source.tolist() == [*range(6), *[0] * 6]
    assert pairs.scores.tolist() == [0.0] * 12


def test_each_step_and_direction_draws_anew():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 8))
    draws = [
        listed(iso.induce_dictionary(x, x, keep=0.5, seed=seed, step=step, direction=direction))
        for seed in (0, 1)
        for step in (0, 1)
        for direction in ("forward", "backward")
    ]
    assert len({tuple(sorted(pairs)) for pairs in draws}) == len(draws)


def test_max_rank_holds_for_both_rows(backend):
    x = np.eye(6, dtype=np.float32)
    y = x[::-1].copy()
    pairs = iso.induce_dictionary(x, y, direction="forward", neighborhood=1, max_rank=4)
    assert listed(pairs) == [(2, 3), (3, 2)]
    assert len(iso.induce_dictionary(x, y, neighborhood=1, max_rank=2)) == 0


def test_the_threshold_is_on_the_distance_to_the_second_best(backend):
    x = np.array([[1.0, 0.0], [0.8, 0.6]])
    y = np.array([[1.0, 0.0], [0.6, 0.8]])
    # Cosines: 1 and 0.6; 0.8 and 0.96.
    how = {"direction": "forward", "method": "nn"}
    assert listed(iso.induce_dictionary(x, y, **how)) == [(0, 0), (1, 1)]
    assert listed(iso.induce_dictionary(x, y, **how, threshold=0.3)) == [(0, 0)]
    assert listed(iso.induce_dictionary(x, y, **how, threshold=0.5)) == []
    assert listed(iso.induce_dictionary(x, y, **how, threshold=0.5, min_size=1)) == [(0, 0)]
    assert listed(iso.induce_dictionary(x, y, **how, max_size=1)) == [(0, 0)]


def test_a_row_without_a_second_choice_is_certain(backend):
    how = {"threshold": 1e300, "direction": "forward", "neighborhood": 1}
    pairs = iso.induce_dictionary(IDENTITY, IDENTITY[:1], **how)
    assert listed(pairs) == [(row, 0) for row in range(4)]
    assert len(iso.induce_dictionary(IDENTITY, IDENTITY, **how)) == 0


@pytest.mark.parametrize("keep", [1.0, 0.5, 1e-9])
@pytest.mark.parametrize("threshold", [None, 0.0])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_in_no_pair(backend, keep, threshold, bad):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 30, 5)).astype(np.float32)
    x[[0, 7]], y[[0, 1, 9]] = bad, bad
    how = {"keep": keep, "threshold": threshold, "check_finite": False}
    pairs = iso.induce_dictionary(x, y, **how)
    assert not set(pairs.source.tolist()) & {0, 7}
    assert not set(pairs.target.tolist()) & {0, 1, 9}
    if threshold is None:
        assert len(pairs) == 28 + 27
    y[:] = np.nan
    for direction in ("union", "intersection", "forward", "backward"):
        assert len(iso.induce_dictionary(x, y, direction=direction, **how)) == 0


def test_types_follow_the_input(backend):
    x = np.random.default_rng(0).standard_normal((12, 5))
    for dtype, scores in (("float16", "float32"), ("float32", "float32"), ("float64", "float64")):
        pairs = iso.induce_dictionary(x.astype(dtype), x.astype(dtype), keep=0.5)
        assert pairs.scores.dtype == scores
        assert pairs.source.dtype == pairs.target.dtype == np.int64


@pytest.mark.parametrize("keep", [1e-300, 1e-4, 0.003, 0.1])
def test_few_that_take_part_need_no_long_lists(keep, monkeypatch) -> None:
    rng = np.random.default_rng(2)
    x, y = (rng.standard_normal((1300, 40), dtype=np.float32) for _ in range(2))
    answers = []
    for choice in ("integer", "float"):
        monkeypatch.setenv("ISOMORPH_FILTER", choice)
        pairs = iso.induce_dictionary(x, y, keep=keep, neighborhood=5)
        answers.append((pairs.source, pairs.target, pairs.scores))
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, other)
