"""What an iteration of self-learning does, against the plain way."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph.induction import induce_with_largest
from isomorph.learning._spaces import Spaces, objective


@pytest.mark.parametrize("pairs", [9, 500, 9000])
def test_sums_of_partners_give_the_map_of_all_pairs(pairs, rng, backend):
    """Sources in several pairs, some in thousands, some in none."""
    x, z = rng.standard_normal((2, 700, 8)).astype(np.float32)
    source, target = rng.integers(0, 700, (2, pairs))
    source[: pairs // 3] = 5
    spaces = Spaces.of(x, z, None, 1)
    expected = iso.procrustes(x[source], z[target]).matrix
    for fit in (spaces.turn, spaces.fit):
        np.testing.assert_allclose(fit((source, target)).matrix, expected, atol=2e-6)


@pytest.mark.parametrize("method", ["csls", "nn"])
@pytest.mark.parametrize("keep", [1.0, 0.2])
@pytest.mark.parametrize(("by", "rows"), [("cpu", 50), ("array", 50), ("cpu", 1400)])
def test_an_induction_knows_the_largest_cosines(by, rows, keep, method, rng):
    with iso.runtime.use_backend(by):
        largest_cosines(rows, keep, method, rng)


def largest_cosines(rows, keep, method, rng):
    x, z = rng.standard_normal((rows, 33)), rng.standard_normal((rows + 7, 33))
    x[3] = 0
    how = {"method": method, "neighborhood": 5, "keep": keep, "seed": 1, "step": 2, "threads": 1}
    expected = [iso.topk(*sides, 1).scores[:, 0] for sides in ((x, z), (z, x))]
    chosen = {"forward": [0], "backward": [1], "union": [0, 1], "intersection": [0, 1]}
    for direction, sides in chosen.items():
        if direction == "intersection" and keep < 1:
            continue
        pairs, largest = induce_with_largest(x, z, direction=direction, **how)
        same = iso.induce_dictionary(x, z, direction=direction, **how)
        np.testing.assert_array_equal(pairs.source, same.source)
        assert len(largest) == len(sides)
        for found, side in zip(largest, sides, strict=True):
            np.testing.assert_array_equal(found, expected[side])
        means = [expected[side].mean() for side in sides]
        assert objective(largest) == pytest.approx(np.mean(means), abs=1e-12)


def test_rows_without_a_cosine_do_not_count_in_the_objective():
    assert objective([np.array([0.5, -np.inf, 0.7])]) == pytest.approx(0.6)
    assert objective([np.array([-np.inf])]) == 0.0


def test_the_first_rows_are_searched_and_there_may_be_fewer(rng):
    x, z = rng.standard_normal((30, 4)), rng.standard_normal((20, 4))
    spaces = Spaces.of(x, z, 25, 1)
    assert spaces.first_x.shape == (25, 4)
    assert spaces.first_z is z
