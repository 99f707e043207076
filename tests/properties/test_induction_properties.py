"""Laws of dictionary induction, on data that makes selection hard."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso

DIRECTIONS = ("union", "forward", "backward", "intersection")


@st.composite
def sides(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two sides with ties, opposite directions (all cosines negative), duplicates and zero rows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(1, 40)), draw(st.integers(1, 90))
    d = draw(st.sampled_from([1, 2, 3, 8, 17]))
    kind = draw(st.sampled_from(["normal", "ties", "opposite", "hub"]))
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    if kind == "ties":
        x, y = rng.integers(-1, 2, (n, d)), rng.integers(-1, 2, (m, d))
    elif kind == "opposite":
        x, y = x + 3, y - 3
    elif kind == "hub":
        y[: m // 2] = y[0]
    if draw(st.booleans()):
        x[rng.integers(n)] = 0
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return x.astype(dtype), y.astype(dtype)


@st.composite
def options(draw: st.DrawFn, x: Any, y: Any) -> dict[str, Any]:
    """Whatever the function takes."""
    return {
        "direction": draw(st.sampled_from(DIRECTIONS)),
        "method": draw(st.sampled_from(["csls", "nn"])),
        "neighborhood": draw(st.integers(0, min(len(x), len(y)))),
        "keep": draw(st.sampled_from([1.0, 0.9, 0.5, 0.1, 0.01, 1e-9])),
        "seed": draw(st.integers(0, 2**64 - 1)),
        "step": draw(st.integers(0, 2**32 - 1)),
        "max_rank": draw(st.none() | st.integers(1, 50)),
        "threshold": draw(st.none() | st.floats(-1, 1)),
        "min_size": draw(st.integers(0, 20)),
        "max_size": draw(st.none() | st.integers(1, 50)),
        "unique": draw(st.booleans()),
    }


def same(left: iso.Pairs, right: iso.Pairs) -> bool:
    return all(
        a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(left, right, strict=True)
    )


@given(sides(), st.data())
def test_the_core_equals_the_draw_for_every_pair(xy: tuple[Any, Any], data: st.DataObject) -> None:
    x, y = xy
    how = data.draw(options(x, y))
    found = iso.induce_dictionary(x, y, **how, threads=data.draw(st.sampled_from([1, 2, 3])))
    with iso.runtime.use_backend("array"):
        assert same(found, iso.induce_dictionary(x, y, **how))


@given(sides(), st.data())
def test_the_intersection_without_dropout_is_mutual_nearest(
    xy: tuple[Any, Any], data: st.DataObject
) -> None:
    x, y = xy
    method = data.draw(st.sampled_from(["csls", "nn"]))
    k = data.draw(st.integers(1, min(len(x), len(y))))
    found = iso.induce_dictionary(x, y, direction="intersection", method=method, neighborhood=k)
    assert same(found, iso.mutual_nearest(x, y, method=method, neighborhood=k))


@given(sides(), st.data())
def test_union_and_intersection_count_every_pair(xy: tuple[Any, Any], data: st.DataObject) -> None:
    x, y = xy
    how = data.draw(options(x, y))
    found = {}
    for direction in DIRECTIONS:
        how |= {"direction": direction, "unique": False}
        pairs = iso.induce_dictionary(x, y, **how)
        found[direction] = list(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True))
    assert found["union"] == found["forward"] + found["backward"]
    assert set(found["intersection"]) == set(found["forward"]) & set(found["backward"])
    once = iso.induce_dictionary(x, y, **how | {"direction": "union", "unique": True})
    listed = list(zip(once.source.tolist(), once.target.tolist(), strict=True))
    assert len(listed) == len(set(listed))
    assert set(listed) == set(found["union"])


@given(sides(), st.data())
def test_a_row_that_finds_a_partner_finds_none_worse_when_more_is_kept(
    xy: tuple[Any, Any], data: st.DataObject
) -> None:
    """The same draws decide, so what is kept at one probability is kept at any greater one."""
    x, y = xy
    how: dict[str, Any] = {"direction": "forward", "method": "nn", "seed": 3}
    less, more = sorted(data.draw(st.tuples(*[st.floats(0.001, 1.0)] * 2)))
    low = iso.induce_dictionary(x, y, **how, keep=less).scores
    high = iso.induce_dictionary(x, y, **how, keep=more).scores
    assert (high[low > 0] >= low[low > 0]).all()


@given(sides(), st.integers(0, 2**32 - 1))
def test_permuting_the_rows_permutes_the_pairs(xy: tuple[Any, Any], seed: int) -> None:
    """Without dropout, and but for ties: draws and ties go by row number."""
    x, y = xy
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    how: dict[str, Any] = {"direction": "forward", "neighborhood": 1}
    plain = iso.induce_dictionary(x, y, **how)
    permuted = iso.induce_dictionary(x, y[order], **how)
    assert plain.scores.tobytes() == permuted.scores.tobytes()
    best = iso.csls(x, y, min(2, len(y)), neighborhood=1).scores
    alone = best[:, 0] != best[:, -1] if len(y) > 1 else np.full(len(x), True)
    np.testing.assert_array_equal(order[permuted.target][alone], plain.target[alone])
