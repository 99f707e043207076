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


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_accuracy_takes_results_pairs_comparisons_and_selections() -> None:
    given = {"ridge": (0.4, (0.3, 0.5)), "nn": translation(0.6)}
    compared = SimpleNamespace(
        names=("ridge", "NN"), values=(0.4, 0.6), intervals=((0.3, 0.5), (0.55, 0.64))
    )
    tried = [
        SimpleNamespace(
            label=name, scores={"csls": SimpleNamespace(precision=value, interval=interval)}
        )
        for name, value, interval in zip(
            compared.names, compared.values, compared.intervals, strict=True
        )
    ]
    selection = SimpleNamespace(tried=tried, retrieval="csls", chosen="NN")
    for results in (given, compared, selection):
        ax = plot.accuracy(results)
        assert [label.get_text() for label in ax.get_yticklabels()] == ["ridge", "NN"]
        np.testing.assert_allclose(ax.lines[2].get_xdata(), [55, 64])
        np.testing.assert_allclose(ax.lines[3].get_xdata(), [60])
        assert texts(ax) == ["40.0", "60.0"]


def curve(**methods: list[float]) -> SimpleNamespace:
    values = np.array(list(methods.values()))
    return SimpleNamespace(
        sizes=[10, 20, 50],
        methods=tuple(methods),
        values=values,
        low=values - 0.1,
        high=values + 0.1,
    )


def test_a_learning_curve_names_its_lines_where_they_end() -> None:
    ax = plot.learning_curve(curve(ridge=[0.2, 0.3, 0.5], cca=[0.1, 0.2, 0.49]))
    assert [tuple(line.get_ydata()) for line in ax.lines] == [(20, 30, 50), (10, 20, 49)]
    assert texts(ax) == ["cca", "ridge"]
    low, high = (text.xy[1] for text in ax.texts)
    assert high - low > 3
    assert [label.get_text() for label in ax.get_xticklabels()] == ["10", "20", "50"]


def test_learning_curves_by_name_and_of_a_single_line() -> None:
    one = SimpleNamespace(sizes=[1, 2], values=[0.1, 0.2], low=[0, 0.1], high=[0.2, 0.3])
    ax = plot.learning_curve({"en-fr": one, "en-fi": curve(ridge=[0.3, 0.4, 0.9])})
    assert texts(ax) == ["en-fr", "en-fi, ridge"]


def test_a_spectrum_has_a_line_for_each_side() -> None:
    result = SimpleNamespace(
        source_singular_values=[2.0, 1.0],
        target_singular_values=[3.0, 0.5, 0.0],
        source_eigenvalues=[9.0, 4.0],
        target_eigenvalues=[8.0, 1.0],
    )
    ax = plot.spectrum(result, names=("en", "fr"))
    assert [tuple(line.get_ydata()) for line in ax.lines] == [(2, 1), (3, 0.5)]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["en", "fr"]
    ax = plot.spectrum(result, kind="eigenvalues")
    assert [tuple(line.get_ydata()) for line in ax.lines] == [(9, 4), (8, 1)]
    ax = plot.spectrum(([1.0, 2.0], [3.0]))
    assert [tuple(line.get_ydata()) for line in ax.lines] == [(2, 1), (3,)]
    with pytest.raises(ValueError, match="kind: expected"):
        plot.spectrum(result, kind="numbers")


def test_translations_are_joined_where_the_spread_is_largest(rng) -> None:
    target = rng.standard_normal((20, 5)) * [5, 3, 0.1, 0.1, 0.1]
    source = target[:, ::-1]
    before, after = plot.translations(source, target, target + 0.01, names=("en", "fr"))
    assert before.get_title() == "before mapping"
    assert len(after.lines) == 20
    for ax in (before, after):
        ends = np.array([line.get_xydata() for line in ax.lines])
        drawn = [np.asarray(points.get_offsets()) for points in ax.collections]
        np.testing.assert_array_equal(ends[:, 0], drawn[0])
        np.testing.assert_array_equal(ends[:, 1], drawn[1])
    lengths = [
        np.mean([np.ptp(line.get_xydata(), axis=0).max() for line in ax.lines])
        for ax in (before, after)
    ]
    assert lengths[1] < 0.1 < lengths[0]
    # Nothing of the spread is lost that two directions can hold.
    flat = np.concatenate([np.asarray(points.get_offsets()) for points in after.collections])
    assert np.sum(flat**2) > 0.95 * 2 * np.sum((target - target.mean(axis=0)) ** 2)


def test_labels_cover_neither_each_other_nor_points(rng) -> None:
    rows = rng.standard_normal((40, 4))
    words = [(f"source{i}", f"target{i}") for i in range(40)]
    axes = plot.translations(rows, rows + 0.1, rows, words=words, labels=40)
    for ax in axes:
        boxes = [text.get_window_extent() for text in ax.texts]
        assert len(boxes) > 4
        assert {text.get_text() for text in ax.texts} <= {word for pair in words for word in pair}
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:i])
            for points in ax.collections:
                spots = ax.transData.transform(points.get_offsets())
                assert not np.all((spots >= box.min) & (spots <= box.max), axis=1).any()


@pytest.mark.filterwarnings("error")
def test_labels_in_any_script_and_with_dollar_signs(rng) -> None:
    rows = 9 * rng.standard_normal((3, 4))
    words = [("$a$", "$\\broken"), ("ශ්‍රී", "כלב"), ("犬", "<b>")]
    for ax in plot.translations(rows, rows[::-1], rows, words=words):
        assert {"$a$", "ශ්‍රී", "犬"} <= {text.get_text() for text in ax.texts}


def test_translations_of_different_dimensions_have_no_before(rng) -> None:
    source, target = rng.standard_normal((9, 4)), rng.standard_normal((9, 3))
    (only,) = plot.translations(source, target, target)
    assert only.get_title() == "after mapping"
    (line,) = plot.translations(source[:, :1], target[:, :1])
    assert line.get_title() == "before mapping"
    for arguments, message in (
        ((source, target), "mapped: expected the source in the columns of target"),
        ((source, target[:4]), "target: expected 9 rows as in source, got 4"),
        ((source, target, target[:4]), "mapped: expected 9 rows"),
        ((source[:1], target[:1]), "source: expected at least two rows"),
    ):
        with pytest.raises(ValueError, match=message):
            plot.translations(*arguments)
    with pytest.raises(ValueError, match="words: expected 9, one a pair, got 1"):
        plot.translations(source, target, target, words=[("a", "b")])
    with pytest.raises(ValueError, match="axes: expected 1, one a picture, got 2"):
        plot.translations(source, target, target, axes=[only, line])


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plot.precision({"nn": translation(0.5)}, ax=ax),
        lambda ax: plot.hubness({"nn": np.array([1, 2])}, ax=ax),
        lambda ax: plot.singular_values([1.0], ax=ax),
        lambda ax: plot.accuracy({"nn": translation(0.5)}, ax=ax),
        lambda ax: plot.learning_curve(curve(ridge=[0.1, 0.2, 0.3]), ax=ax),
        lambda ax: plot.spectrum(([1.0], [1.0]), ax=ax),
        lambda ax: plot.translations(np.eye(3), np.eye(3), axes=[ax])[0],
        lambda ax: plot.verdict(SimpleNamespace(difference=0, interval=(-1, 1)), ax=ax),
    ],
)
def test_given_axes_are_used_and_returned(draw) -> None:
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert draw(ax) is ax


@pytest.mark.parametrize("draw", [plot.precision, plot.hubness, plot.accuracy, plot.learning_curve])
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
