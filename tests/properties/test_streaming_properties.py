"""Laws of cut searches: merging in any order, and any cut, give the same bytes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso
from isomorph import _arrays, _streaming
from isomorph._backends import Run
from support.contracts import content


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 9),
    st.integers(1, 30),
    st.lists(st.integers(0, 30), max_size=5),
    st.sampled_from(["float32", "float64"]),
    st.randoms(use_true_random=False),
)
def test_parts_merge_in_any_order(seed, k, m, cuts, dtype, shuffle):
    rng = np.random.default_rng(seed)
    # Few values: ties within and between the parts. Some entries are not there.
    scores = rng.integers(-2, 3, (4, m)).astype(dtype)
    scores[rng.random((4, m)) < 0.2] = -np.inf

    def best(columns):
        # Columns ascend, so that a stable sort leaves ties in their order.
        order = np.argsort(-scores[:, columns], axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(scores[:, columns], order, axis=1)
        return found, np.where(found > -np.inf, columns[order], -1)

    expected = _streaming.empty(4, k, dtype)
    whole = best(np.arange(m))
    expected[0][:, : whole[0].shape[1]], expected[1][:, : whole[1].shape[1]] = whole
    parts = [p for p in np.split(rng.permutation(m), sorted(min(cut, m) for cut in cuts)) if len(p)]
    shuffle.shuffle(parts)
    merged, values = _streaming.empty(4, k, dtype), _streaming.empty(4, k, dtype)[0]
    for part in parts:
        found = best(np.sort(part))
        _streaming.merge(*merged, *found)
        _streaming.merge_values(values, found[0])
    assert content(merged) == content(expected)
    assert values.tobytes() == expected[0].tobytes()


@given(
    st.integers(0, 2**32 - 1),
    st.integers(8, 60),
    st.integers(8, 60),
    st.sampled_from(["float16", "float32", "float64"]),
    st.sampled_from(["normal", "ties", "zeros", "not finite"]),
    st.integers(1, 4),
    st.integers(8, 40),
)
def test_any_cut_gives_the_same_bytes(seed, n, m, dtype, kind, k, largest):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, 9)).astype(dtype), rng.standard_normal((m, 9)).astype(dtype)
    if kind == "ties":
        x, y = np.sign(x), np.sign(y[rng.integers(0, m, m) // 2])
    elif kind == "zeros":
        x[rng.random(n) < 0.3], y[rng.random(m) < 0.3] = 0, 0
    elif kind == "not finite":
        x[rng.random(n) < 0.3, 2], y[rng.random(m) < 0.3, 5] = np.nan, np.inf

    def stream(sweeps, left=x, right=y):
        blocks = _streaming.Blocks(
            _streaming.cut(len(left), largest), _streaming.cut(len(right), largest)
        )
        arguments = _arrays.Arguments(left=left, right=right)
        return _streaming.Stream(arguments, blocks, sweeps, Run(2), check_finite=False)

    options = {"check_finite": False, "threads": 2}
    for metric in ("cosine", "dot", "l2"):
        whole = iso.topk(x, y, k, metric=metric, **options)
        cut = _streaming.topk(stream(1), k, metric, False)
        assert content(cut) == content((whole.scores, whole.indices))
    others = iso.topk(x, x, k, exclude_self=True, **options)
    cut = _streaming.topk(stream(1, x, x), k, "cosine", True)
    assert content(cut) == content((others.scores, others.indices))
    both = iso.csls_both(x, y, k, neighborhood=k, **options)
    cut = _streaming.csls(stream(2), k, k, True, (None, None))
    for part, whole in ((cut.forward, both.forward), (cut.backward, both.backward)):
        assert content(part) == content((whole.scores, whole.indices))
    assert content(cut.radii) == content((both.source_radii, both.target_radii))
    cut = _streaming.csls(stream(1), k, k, False, cut.radii)
    assert content(cut.forward) == content((both.forward.scores, both.forward.indices))
