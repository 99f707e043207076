"""Laws of the integer filter and of one-pass CSLS: they change the time, never a byte."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import isomorph as iso
from support.filters import FILTERS, same, same_neighbors, use_filter

METRICS = ("cosine", "dot", "l2")


@st.composite
def sides(draw: st.DrawFn, most: int = 150) -> tuple[Any, Any]:
    """Two matrices that make the codes coarse, the bounds tight or the ties many."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(1, 60)), draw(st.integers(1, most))
    d = draw(st.sampled_from([1, 2, 5, 8, 17, 32, 33, 64, 100, 257, 1030]))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    kind = draw(
        st.sampled_from(
            ["normal", "spike", "one-hot", "equal", "clusters", "norms", "tiny", "huge"]
        )
    )
    if kind == "spike":
        y[:, rng.integers(d)] *= 1e6
    elif kind == "one-hot":
        y = np.eye(d)[rng.integers(0, d, m)]
    elif kind == "equal":
        x, y = np.ones((n, d)), np.ones((m, d))
    elif kind == "clusters":
        y = y[rng.integers(0, 3, m) % m] + 1e-4 * y
    elif kind == "norms":
        y = y * 10.0 ** rng.integers(-9, 9, (m, 1))
    elif kind == "tiny":
        x, y = x * 1e-40, y * 1e-42
    elif kind == "huge":
        x, y = x * 1e15, y * 1e15
    return x.astype(dtype), y.astype(dtype)


@given(sides(), st.sampled_from(METRICS), st.data())
def test_both_filters_and_the_oracle_agree(
    xy: tuple[Any, Any], metric: str, data: st.DataObject
) -> None:
    x, y = xy
    k = data.draw(st.integers(1, y.shape[0]))
    with iso.runtime.use_backend("array"):
        expected = iso.topk(x, y, k, metric=metric)
    for name in FILTERS:
        with use_filter(name):
            got = iso.topk(x, y, k, metric=metric, threads=data.draw(st.sampled_from([1, 2, 3])))
        assert same_neighbors(got, expected), name
    index = iso.Index(y, metric=metric)
    assert same_neighbors(iso.topk(x, index, k, metric=metric), expected)


@given(sides(), st.sampled_from(METRICS), st.randoms(use_true_random=False))
def test_partial_answers_merge_in_any_order(xy: tuple[Any, Any], metric: str, random: Any) -> None:
    x, y = xy
    cuts = sorted({0, len(y), *(random.randrange(len(y) + 1) for _ in range(3))})
    parts = list(itertools.pairwise(cuts))
    random.shuffle(parts)
    k = 1 + random.randrange(min(end - start for start, end in parts))
    with use_filter("integer"):
        whole = iso.topk(x, y, k, metric=metric)
        found = [(start, iso.topk(x, y[start:end], k, metric=metric)) for start, end in parts]
    scores = np.concatenate([part.scores for _, part in found], axis=1)
    indices = np.concatenate([part.indices + start for start, part in found], axis=1)
    order = np.lexsort((indices, -scores))[:, :k]
    assert same(np.take_along_axis(scores, order, axis=1), whole.scores)
    assert same(np.take_along_axis(indices, order, axis=1), whole.indices)


@given(sides(), st.integers(1, 5))
def test_far_rows_change_nothing(xy: tuple[Any, Any], k: int) -> None:
    x, y = xy
    k = min(k, len(y))
    # A coordinate of its own keeps the cosine of the appended rows with every query at -1 or so.
    x = np.concatenate([x, np.full((len(x), 1), np.abs(x).max() * 4 + 1, x.dtype)], axis=1)
    near = np.concatenate([y, np.full((len(y), 1), np.abs(y).max() * 4 + 1, y.dtype)], axis=1)
    far = np.concatenate([near, -near[:7]])
    with use_filter("integer"):
        assert same_neighbors(iso.topk(x, near, k), iso.topk(x, far, k))


@st.composite
def large_sides(draw: st.DrawFn) -> tuple[Any, Any]:
    """Sides that are large enough for one pass of CSLS, with hubs, duplicates and zero rows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(1290, 1500)), draw(st.integers(1290, 1700))
    d = draw(st.sampled_from([4, 16, 40]))
    centres = rng.standard_normal((draw(st.sampled_from([1, 5, 60])), d))
    spread = draw(st.sampled_from([0.0, 0.01, 0.5, 2.0]))
    x, y = (
        centres[rng.integers(0, len(centres), rows)] + spread * rng.standard_normal((rows, d))
        for rows in (n, m)
    )
    if draw(st.booleans()):
        y[rng.integers(0, m, m // 2)] = y[0]
    if draw(st.booleans()):
        x[rng.integers(0, n, 5)] = 0
        y[rng.integers(0, m, 5)] = 0
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return x.astype(dtype), y.astype(dtype)


@settings(max_examples=15, deadline=None)
@given(large_sides(), st.sampled_from([1, 2, 10, 40]), st.sampled_from([1, 5, 10]))
def test_one_pass_of_csls_equals_two(xy: tuple[Any, Any], k: int, neighborhood: int) -> None:
    x, y = xy
    with use_filter("float"):
        two = iso.csls_both(x, y, k, neighborhood=neighborhood)
    with use_filter("integer"):
        one = iso.csls_both(x, y, k, neighborhood=neighborhood)
        forward = iso.csls(x, y, k, neighborhood=neighborhood)
    assert one.proved is not None
    assert two.proved is None
    assert same(one.source_radii, two.source_radii)
    assert same(one.target_radii, two.target_radii)
    assert same_neighbors(one.forward, two.forward)
    assert same_neighbors(one.backward, two.backward)
    assert same_neighbors(forward, two.forward)
