"""RCSLS against plain NumPy: the objective, its gradient, the published steps."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from support import rcsls_oracle as oracle


def languages(rng, d=6, e=6, n=40, sizes=(90, 80), dtype=np.float64):
    """Unit rows of two spaces, the first n of which belong together."""
    turn = rng.standard_normal((d, e))
    source = rng.standard_normal((sizes[0], d))
    target = rng.standard_normal((sizes[1], e))
    target[:n] = source[:n] @ turn + 0.8 * rng.standard_normal((n, e))
    spaces = [
        (side / np.linalg.norm(side, axis=1, keepdims=True)).astype(dtype)
        for side in (source, target)
    ]
    return spaces[0][:n], spaces[1][:n], *spaces


def published(x, y, source_space, target_space, **options):
    names = {"k": "neighborhood", "rate": "learning_rate"}
    how = {names.get(name, name): value for name, value in options.items()}
    return iso.fit_map(
        x,
        y,
        method="rcsls",
        parity=True,
        source_space=source_space,
        target_space=target_space,
        **how,
    )


@pytest.mark.parametrize(("d", "e"), [(6, 6), (7, 4), (4, 7)])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_the_objective_of_a_given_map(d, e, k, rng, backend):
    rows = languages(rng, d, e)
    start = rng.standard_normal((d, e))
    w = rng.uniform(0.1, 2, len(rows[0]))
    for weights in (None, w):
        made = iso.fit_map(
            rows[0], rows[1], method="rcsls", source_space=rows[2], target_space=rows[3],
            neighborhood=k, start=start, iterations=0, weights=weights, parity=True,
        )  # fmt: skip
        f, slope = oracle.loss(*rows, start, k, weights)
        assert made.metrics["objectives"] == pytest.approx([f], rel=1e-12)
        # The original takes a step after its last look.
        np.testing.assert_allclose(made.matrix, start - slope, atol=1e-12)


@pytest.mark.parametrize(("d", "e"), [(6, 6), (7, 4)])
def test_the_gradient_by_differences(d, e, rng):
    rows = languages(rng, d, e)
    matrix = rng.standard_normal((d, e))
    _, slope = oracle.loss(*rows, matrix, 3)
    h = 1e-6
    for i, j in np.ndindex(d, e):
        there = np.zeros((d, e))
        there[i, j] = h
        up, down = (oracle.loss(*rows, matrix + sign * there, 3)[0] for sign in (1, -1))
        assert (up - down) / (2 * h) == pytest.approx(slope[i, j], abs=1e-7)


@pytest.mark.parametrize("reg", [0.0, 0.05])
@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("rate", [0.3, 20.0, 1e-3])
def test_the_published_steps(rate, spectral, reg, rng, backend):
    """A rate of 20 overshoots: the halving and what is restored then are part of it."""
    rows = languages(rng)
    how = {"k": 4, "rate": rate, "spectral": spectral, "reg": reg, "iterations": 12}
    matrix, objectives = oracle.as_published(*rows, **how)
    made = published(*rows, **how)
    np.testing.assert_allclose(made.metrics["objectives"], objectives, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(made.matrix, matrix, rtol=1e-9, atol=1e-9)


def test_a_rate_that_was_halved_too_often_ends_the_published_steps(rng):
    made = published(*languages(rng), neighborhood=4, rate=40.0, iterations=200)
    assert made.metrics["stopped"] == "learning rate"
    assert made.metrics["iterations"] < 200


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spectral", [False, True])
def test_the_search_ends_lower_than_the_published_steps(spectral, dtype, rng):
    rows = languages(rng, 8, 8, 120, (300, 260), dtype)
    wide = [side.astype(np.float64) for side in rows]
    by_search = iso.fit_map(
        rows[0], rows[1], method="rcsls", source_space=rows[2], target_space=rows[3],
        neighborhood=5, spectral=spectral, held_out=0,
    )  # fmt: skip
    matrix, _ = oracle.as_published(*wide, k=5, rate=1.0, spectral=spectral)
    made = by_search.matrix.astype(np.float64)
    assert by_search.matrix.dtype == dtype
    size = 1 if spectral else np.linalg.norm(made) / np.linalg.norm(matrix)
    assert oracle.loss(*wide, made, 5)[0] <= oracle.loss(*wide, matrix, 5)[0] * size + 1e-6
    reached = by_search.metrics["objective"]
    assert reached == pytest.approx(oracle.loss(*wide, made, 5)[0], abs=1e-5)


def test_the_first_rows_are_the_negatives(rng):
    x, y, source_space, target_space = languages(rng)
    how = {"method": "rcsls", "neighborhood": 3}
    some = iso.fit_map(
        x, y, source_space=source_space, target_space=target_space, negatives=50, **how
    )
    same = iso.fit_map(x, y, source_space=source_space[:50], target_space=target_space[:50], **how)
    assert some.matrix.tobytes() == same.matrix.tobytes()
    alone = iso.fit_map(x, y, **how)
    pairs = iso.fit_map(x, y, source_space=x, target_space=y, **how)
    assert alone.matrix.tobytes() == pairs.matrix.tobytes()
