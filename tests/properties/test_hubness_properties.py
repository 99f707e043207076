"""Laws of the hubness reductions: whatever the data, the answer is the formula's best."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso

NAMES = ("inverted_softmax", "local_scaling", "nicdm", "dissim_local", "mutual_proximity")


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, Any, Any, int, dict[str, Any]]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m, d = draw(st.integers(1, 30)), draw(st.integers(1, 90)), draw(st.integers(1, 17))
    kind = draw(st.sampled_from(["normal", "ties", "hub", "scales", "near"]))
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    if kind == "ties":
        x, y = rng.integers(-1, 2, (n, d)), rng.integers(-1, 2, (m, d))
    elif kind == "hub":
        y[: m // 2] = y[0]
    elif kind == "scales":
        y = y * 10.0 ** rng.integers(-12, 12, (m, 1))
    elif kind == "near":
        y = y[0] * (1 + 1e-7 * rng.integers(-3, 4, (m, d)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    name = draw(st.sampled_from(NAMES))
    options: dict[str, Any] = {}
    if name == "mutual_proximity":
        options["method"] = draw(st.sampled_from(["empirical", "gaussian"]))
    elif name == "inverted_softmax":
        options["beta"] = draw(st.sampled_from([0.5, 30.0, 3000.0]))
    else:
        options["neighborhood"] = draw(st.integers(1, min(n, m)))
    return name, x.astype(dtype), y.astype(dtype), draw(st.integers(1, m)), options


@given(calls())
def test_k_best_are_the_first_of_all(call: tuple[str, Any, Any, int, dict[str, Any]]) -> None:
    """With k = m there is nothing to prove, so that is the oracle of every smaller k."""
    name, x, y, k, options = call
    some = getattr(iso, name)(x, y, k, **options)
    everything = getattr(iso, name)(x, y, len(y), **options)
    assert some.scores.tobytes() == everything.scores[:, :k].tobytes()
    assert some.indices.tobytes() == everything.indices[:, :k].tobytes()
    assert (np.sort(everything.indices, axis=1) == np.arange(len(y))).all()
    assert np.isfinite(everything.scores).all()


@given(calls())
def test_powers_of_two_and_threads_do_not_matter(
    call: tuple[str, Any, Any, int, dict[str, Any]],
) -> None:
    name, x, y, k, options = call
    plain = getattr(iso, name)(x, y, k, threads=1, **options)
    scaled = getattr(iso, name)(x * x.dtype.type(4), y, k, threads=3, **options)
    assert plain.scores.tobytes() == scaled.scores.tobytes()
    assert plain.indices.tobytes() == scaled.indices.tobytes()
