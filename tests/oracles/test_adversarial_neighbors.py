"""Inputs made to break a filter: both filters equal the canonical brute force, byte for byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isomorph as iso
from support.filters import FILTERS, same_neighbors, use_filter

M = 1100


def corpus(kind: str, d: int, rng: np.random.Generator) -> tuple[Any, Any]:
    x, y = rng.standard_normal((25, d)), rng.standard_normal((M, d))
    if kind == "duplicates":
        y = y[rng.integers(0, 3, M)]
    elif kind == "one-hot":
        x, y = np.eye(d)[rng.integers(0, d, 25)], np.eye(d)[rng.integers(0, d, M)]
    elif kind == "huge coordinate":
        y[:, 0] = 1e4 * rng.choice([-1, 1], M)
        x[:, 0] = 1e4
    elif kind == "subnormal":
        x, y = x * 1e-39, y * 1e-41
    elif kind == "1e30":
        x, y = x * 1e3, y * 1e30
    elif kind == "equal":
        x, y = np.full((25, d), 0.1), np.full((M, d), 0.3)
    elif kind == "opposite":
        y = np.where(rng.random((M, 1)) < 0.5, x[0], -x[0]) * rng.random((M, 1))
    return x, y


KINDS = ("duplicates", "one-hot", "huge coordinate", "subnormal", "1e30", "equal", "opposite")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 3, 31, 32, 300, 1030])
@pytest.mark.parametrize("kind", KINDS)
def test_every_filter_equals_brute_force(
    kind: str, d: int, dtype: type, rng: np.random.Generator
) -> None:
    x, y = (side.astype(dtype) for side in corpus(kind, d, rng))
    for metric in ("cosine", "dot", "l2"):
        if kind == "1e30" and metric == "l2" and dtype == np.float32:
            continue  # Overflows, which is refused.
        with iso.runtime.use_backend("array"):
            expected = iso.topk(x, y, 1024, metric=metric)
        for k in (1, 10, 1024):
            for name in FILTERS:
                with use_filter(name):
                    got = iso.topk(x, y, k, metric=metric)
                cut = iso.Neighbors(expected.scores[:, :k].copy(), expected.indices[:, :k].copy())
                assert same_neighbors(got, cut), (metric, k, name)


@pytest.mark.slow
def test_ten_million_pairs_of_a_clustered_set() -> None:
    rng = np.random.default_rng(0)
    weights = 1 / np.sqrt(1 + np.arange(300))
    centres = rng.standard_normal((100, 300)) * weights
    x, y = (
        (
            centres[rng.integers(0, 100, rows)] + 0.7 * weights * rng.standard_normal((rows, 300))
        ).astype(np.float32)
        for rows in (2_500, 4_000)
    )
    with iso.runtime.use_backend("array"):
        expected = iso.topk(x, y, 10)
        expected_both = iso.csls_both(x, y, 1)
    for name in FILTERS:
        with use_filter(name):
            assert same_neighbors(iso.topk(x, y, 10), expected)
            both = iso.csls_both(x, y, 1)
            assert same_neighbors(both.forward, expected_both.forward)
            assert same_neighbors(both.backward, expected_both.backward)
