"""Laws of mining: symmetry of the two sides, monotony in the threshold, nestings of retrievals."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso


@st.composite
def sides(draw: st.DrawFn) -> tuple[Any, Any, dict[str, Any]]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m, d = draw(st.integers(1, 25)), draw(st.integers(1, 25)), draw(st.integers(1, 9))
    if draw(st.booleans()):
        x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    else:
        x, y = rng.integers(-1, 2, (n, d)), rng.integers(-1, 2, (m, d))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    options = {
        "margin": draw(st.sampled_from(["distance", "absolute"])),
        "k": draw(st.integers(1, min(n, m))),
    }
    return x.astype(dtype), y.astype(dtype), options


def pairs_of(found: iso.Pairs) -> set[tuple[int, int]]:
    return set(zip(found.source.tolist(), found.target.tolist(), strict=True))


def ranked(found: iso.Pairs) -> list[tuple[float, int, int]]:
    columns = (found.scores.tolist(), found.source.tolist(), found.target.tolist())
    return list(zip(*columns, strict=True))


@given(sides())
def test_the_two_directions_mirror_each_other(problem: tuple[Any, Any, dict[str, Any]]) -> None:
    x, y, options = problem
    for there, back in (("forward", "backward"), ("intersection", "intersection")):
        one = iso.mine_bitext(x, y, retrieval=there, **options)
        other = iso.mine_bitext(y, x, retrieval=back, **options)
        assert {(s, i, j) for s, i, j in ranked(one)} == {(s, j, i) for s, i, j in ranked(other)}


@given(sides())
def test_retrievals_are_nested(problem: tuple[Any, Any, dict[str, Any]]) -> None:
    x, y, options = problem
    found = {
        name: pairs_of(iso.mine_bitext(x, y, retrieval=name, **options))
        for name in ("forward", "backward", "intersection", "max")
    }
    assert found["intersection"] == found["forward"] & found["backward"]
    assert found["max"] <= found["forward"] | found["backward"]
    assert len(found["forward"]) == len(x)
    assert len(found["backward"]) == len(y)


@given(sides(), st.sampled_from(["forward", "backward", "intersection", "max"]), st.data())
def test_a_threshold_cuts_the_tail(
    problem: tuple[Any, Any, dict[str, Any]], retrieval: str, data: st.DataObject
) -> None:
    x, y, options = problem
    everything = ranked(iso.mine_bitext(x, y, retrieval=retrieval, **options))
    assert everything == sorted(everything, key=lambda entry: (-entry[0], *entry[1:]))
    threshold = data.draw(st.sampled_from([s for s, _, _ in everything] or [0.0]))
    cut = ranked(iso.mine_bitext(x, y, retrieval=retrieval, threshold=threshold, **options))
    assert cut == [entry for entry in everything if entry[0] > threshold]


@given(sides(), st.sampled_from(["nn", "csls"]))
def test_mutual_neighbours_do_not_depend_on_the_direction(
    problem: tuple[Any, Any, dict[str, Any]], method: str
) -> None:
    x, y, options = problem
    size = options["k"]
    there = iso.mutual_nearest(x, y, method=method, neighborhood=size)
    back = iso.mutual_nearest(y, x, method=method, neighborhood=size)
    # The two radii are subtracted one after the other, so CSLS may differ in its last digit.
    if method == "nn":
        assert pairs_of(there) == {(j, i) for i, j in pairs_of(back)}
    assert (np.diff(there.source) > 0).all()
