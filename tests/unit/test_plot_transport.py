"""Pictures of plans and of convergence."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph import plot

pytest.importorskip("matplotlib")


def test_a_small_plan_is_a_map_with_names(rng):
    solved = iso.sinkhorn(None, None, rng.random((4, 6)), 0.1)
    ax = plot.plan(solved, rows=list("abcd"), columns=list("uvwxyz"))
    shares = np.asarray(ax.images[0].get_array())
    plan = solved.plan()
    np.testing.assert_allclose(shares, 100 * plan / plan.sum(1, keepdims=True), rtol=1e-9)
    assert [label.get_text() for label in ax.get_yticklabels()] == list("abcd")
    np.testing.assert_allclose(np.asarray(plot.plan(plan).images[0].get_array()), shares)


@pytest.mark.parametrize("shape", [(161, 3), (7, 1000), (333, 417)])
def test_a_large_plan_is_summed_in_parts(rng, shape):
    plan = rng.random(shape)
    ax = plot.plan(plan)
    shares = np.asarray(ax.images[0].get_array())
    assert shares.shape == tuple(min(160, length) for length in shape)
    np.testing.assert_allclose(shares.sum(1), 100)
    rows = np.arange(shape[0]) * shares.shape[0] // shape[0]
    columns = np.arange(shape[1]) * shares.shape[1] // shape[1]
    place = shares.shape[0] // 2, shares.shape[1] // 2
    row = plan[rows == place[0]]
    expected = 100 * row[:, columns == place[1]].sum() / row.sum()
    assert shares[place] == pytest.approx(expected)


def test_rows_without_mass_are_empty():
    shares = np.asarray(plot.plan(np.array([[0.0, 0.0], [1.0, 3.0]])).images[0].get_array())
    assert shares.tolist() == [[0.0, 0.0], [25.0, 75.0]]


def test_convergence_of_one_and_of_several(rng):
    cost = rng.random((40, 40))
    found = {
        name: iso.sinkhorn(None, None, cost, 0.01, acceleration=name, epsilon_scaling=False)
        for name in ("none", "anderson")
    }
    ax = plot.convergence(found)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(found)
    for line, solved in zip(ax.get_lines(), found.values(), strict=False):
        np.testing.assert_allclose(line.get_ydata(), solved.history.errors)
    assert plot.convergence(found["none"]).get_legend() is None
    assert ax.get_yscale() == "log"


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="result: expected a Transport or a matrix"):
        plot.plan(np.zeros(3))
    with pytest.raises(ValueError, match="rows: expected 2 names, got 1"):
        plot.plan(np.eye(2), rows=["a"])
    with pytest.raises(ValueError, match="results: expected at least one"):
        plot.convergence({})
