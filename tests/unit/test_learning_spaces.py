"""What an iteration of self-learning does, against the plain way."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph.learning._spaces import MOST_ROWS, SOME_ROWS, Spaces


@pytest.mark.parametrize("pairs", [9, 500, 9000])
def test_sums_of_partners_give_the_map_of_all_pairs(pairs, rng):
    """Sources in several pairs, some in thousands, some in none."""
    x, z = rng.standard_normal((2, 700, 8)).astype(np.float32)
    source, target = rng.integers(0, 700, (2, pairs))
    source[: pairs // 3] = 5
    found = Spaces.of(x, z, None, 1).fit((source, target))
    expected = iso.procrustes(x[source], z[target])
    np.testing.assert_allclose(found.matrix, expected.matrix, atol=2e-6)


@pytest.mark.parametrize("rows", [MOST_ROWS, MOST_ROWS + 1, 9999])
def test_the_objective_is_over_all_rows_or_over_some(rows, rng):
    x, z = rng.standard_normal((rows, 5)), rng.standard_normal((60, 5))
    spaces = Spaces.of(x, z, None, 1)
    best = iso.topk(x, z, 1).scores[:, 0]
    some = np.linspace(0, rows, SOME_ROWS, endpoint=False).astype(int)
    forward = best.mean() if rows <= MOST_ROWS else best[some].mean()
    backward = iso.topk(z, x, 1).scores.mean()
    assert spaces.objective(x, "forward") == pytest.approx(forward, abs=1e-12)
    assert spaces.objective(x, "backward") == pytest.approx(backward, abs=1e-12)
    assert spaces.objective(x, "union") == pytest.approx((forward + backward) / 2, abs=1e-12)


def test_the_first_rows_are_searched_and_there_may_be_fewer(rng):
    x, z = rng.standard_normal((30, 4)), rng.standard_normal((20, 4))
    spaces = Spaces.of(x, z, 25, 1)
    assert spaces.first_x.shape == (25, 4)
    assert spaces.first_z is z
