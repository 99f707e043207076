"""Laws of neighbour search: the core equals the array oracle byte for byte, whatever the input."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso

METRICS = ("cosine", "dot", "l2")


@st.composite
def sides(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two matrices with what makes selection hard: ties, duplicates, hubs, zeros, wild scales."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    n, m = draw(st.integers(1, 40)), draw(st.integers(1, 120))
    d = draw(st.sampled_from([1, 2, 3, 7, 8, 9, 16, 31, 33]))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    kind = draw(st.sampled_from(["normal", "ties", "scales", "hub", "near", "tiny", "offset"]))
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    if kind == "ties":
        x, y = rng.integers(-1, 2, (n, d)), rng.integers(-1, 2, (m, d))
    elif kind == "scales":
        y = y * 10.0 ** rng.integers(-12, 12, (m, 1))
    elif kind == "hub":
        y[: m // 2] = y[0]
    elif kind == "near":
        # Scores that differ by about one rounding: what the filter must not lose.
        y = y[0] * (1 + np.finfo(dtype).eps * rng.integers(-3, 4, (m, d)))
    elif kind == "tiny":
        x, y = x * 1e-30, y * 1e-38
    elif kind == "offset":
        x, y = x + 1e4, y + 1e4
    if draw(st.booleans()):
        x[rng.integers(n)] = 0
        y[rng.integers(m)] = 0
    return x.astype(dtype), y.astype(dtype)


def same(left: Any, right: Any) -> bool:
    return bool(left.dtype == right.dtype and left.tobytes() == right.tobytes())


@given(sides(), st.data())
def test_topk_equals_the_oracle(xy: tuple[Any, Any], data: st.DataObject) -> None:
    x, y = xy
    k = data.draw(st.integers(1, y.shape[0]))
    metric = data.draw(st.sampled_from(METRICS))
    got = iso.topk(x, y, k, metric=metric, threads=data.draw(st.sampled_from([1, 2, 3])))
    with iso.runtime.use_backend("array"):
        expected = iso.topk(x, y, k, metric=metric)
    assert same(got.scores, expected.scores)
    assert same(got.indices, expected.indices)


@given(sides(), st.data())
def test_csls_equals_the_oracle(xy: tuple[Any, Any], data: st.DataObject) -> None:
    x, y = xy
    fewest = min(x.shape[0], y.shape[0])
    k, neighborhood = data.draw(st.integers(1, fewest)), data.draw(st.integers(1, fewest))
    got = iso.csls_both(x, y, k, neighborhood=neighborhood)
    one = iso.csls(x, y, k, neighborhood=neighborhood)
    with iso.runtime.use_backend("array"):
        expected = iso.csls_both(x, y, k, neighborhood=neighborhood)
    assert same(got.source_radii, expected.source_radii)
    assert same(got.target_radii, expected.target_radii)
    for ours, theirs in ((got.forward, expected.forward), (got.backward, expected.backward)):
        assert same(ours.scores, theirs.scores)
        assert same(ours.indices, theirs.indices)
    assert same(one.scores, got.forward.scores)
    assert same(one.indices, got.forward.indices)


@given(sides(), st.sampled_from(METRICS), st.randoms(use_true_random=False))
def test_permuting_the_corpus_permutes_the_answer(
    xy: tuple[Any, Any], metric: str, random: Any
) -> None:
    x, y = xy
    order = np.array(random.sample(range(len(y)), len(y)))
    plain = iso.topk(x, y, len(y), metric=metric)
    moved = iso.topk(x, y[order], len(y), metric=metric)
    assert same(plain.scores, moved.scores)
    rows = np.arange(len(x))[:, None]
    by_row = np.empty_like(plain.scores)
    by_row[rows, plain.indices] = plain.scores
    moved_by_row = np.empty_like(plain.scores)
    moved_by_row[rows, order[moved.indices]] = moved.scores
    assert same(by_row, moved_by_row)


@given(sides())
def test_cosines_do_not_depend_on_a_power_of_two(xy: tuple[Any, Any]) -> None:
    x, y = xy
    if y.dtype == np.float32 and float(np.abs(y).max(initial=0)) * 2.0**20 > 1e38:
        return
    # Exact in floating point unless a value is subnormal, which doubling only repairs.
    if bool(np.any((y != 0) & (np.abs(y) < np.finfo(y.dtype).tiny))):
        return
    scaled = iso.topk(x, y * y.dtype.type(2.0**20), 1)
    plain = iso.topk(x, y, 1)
    assert same(plain.scores, scaled.scores)
    assert same(plain.indices, scaled.indices)


@given(sides(), st.sampled_from(METRICS))
def test_a_row_that_scores_less_changes_nothing(xy: tuple[Any, Any], metric: str) -> None:
    x, y = xy
    k = max(1, len(y) // 2)
    plain = iso.topk(x, y, k, metric=metric)
    worst = np.concatenate([y, y[-1:]])
    # A duplicate of a row already there, later in order, can enter only behind its equal.
    more = iso.topk(x, worst, k, metric=metric)
    mask = more.indices != len(y)
    for before, after, keep in zip(plain.indices, more.indices, mask, strict=True):
        kept = after[keep]
        assert kept.tolist() == before[: len(kept)].tolist()
