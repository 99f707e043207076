"""Plots draw what they are given, on the Axes that they are given, without global state."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from isomorph import plot

pytest.importorskip("matplotlib")


def translation(first: float) -> SimpleNamespace:
    precision = {1: first, 5: first + 0.1}
    return SimpleNamespace(
        precision=precision, intervals={k: (v - 0.05, v + 0.04) for k, v in precision.items()}
    )


def test_precision_bars_have_the_heights_of_the_figures() -> None:
    ax = plot.precision({"nn": translation(0.5), "csls": translation(0.75)})
    heights = sorted(patch.get_height() for patch in ax.patches)
    np.testing.assert_allclose(heights, [50, 60, 75, 85])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["P@1", "P@5"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["NN", "CSLS"]


def test_precision_at_chosen_cuts() -> None:
    ax = plot.precision({"nn": translation(0.5)}, at=[5])
    assert [patch.get_height() for patch in ax.patches] == [60]


def test_hubness_draws_the_share_of_targets_that_occur_so_often() -> None:
    ax = plot.hubness({"nn": np.array([0, 0, 1, 1, 4])})
    x, y = ax.lines[0].get_data()
    np.testing.assert_array_equal(x, [1, 4])
    np.testing.assert_allclose(y, [60, 20])


def test_singular_values_are_ordered_and_zeros_left_out() -> None:
    ax = plot.singular_values([0.5, 2.0, 0.0])
    x, y = ax.lines[0].get_data()
    np.testing.assert_array_equal(x, [1, 2])
    np.testing.assert_array_equal(y, [2.0, 0.5])


def test_verdict_shows_zero_and_the_interval() -> None:
    ax = plot.verdict(SimpleNamespace(difference=-0.1, interval=(-0.15, -0.02)))
    left, right = ax.get_xlim()
    assert left < -15
    assert right > 0
    np.testing.assert_allclose(ax.lines[1].get_xdata(), [-15, -2])


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plot.precision({"nn": translation(0.5)}, ax=ax),
        lambda ax: plot.hubness({"nn": np.array([1, 2])}, ax=ax),
        lambda ax: plot.singular_values([1.0], ax=ax),
        lambda ax: plot.verdict(SimpleNamespace(difference=0, interval=(-1, 1)), ax=ax),
    ],
)
def test_given_axes_are_used_and_returned(draw) -> None:
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert draw(ax) is ax


@pytest.mark.parametrize("draw", [plot.precision, plot.hubness])
def test_nothing_to_draw_is_an_error(draw) -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        draw({})


def test_pyplot_is_not_imported() -> None:
    code = (
        "import sys; from isomorph import plot; plot.singular_values([1.0, 2.0]);"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_matplotlib_the_message_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'isomorph\[report\]'"):
        plot.singular_values([1.0])
