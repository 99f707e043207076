"""Accuracy: by method, by dictionary size, of CSLS against nearest neighbour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isomorph.plot._style import (
    COLORS,
    INK,
    OTHERS,
    axes_of,
    color_of,
    dress,
    label_of,
    literal,
)


def precision(
    results: Mapping[str, Any], *, at: Sequence[int] | None = None, ax: Any = None
) -> Any:
    """Draw precision at k by method, as bars with their confidence intervals.

    Parameters
    ----------
    results : mapping of str to WordTranslation
        One result a method, as :func:`isomorph.metrics.word_translation` gives them; the methods
        ``"nn"`` and ``"csls"`` have colours of their own.
    at : sequence of int, optional
        The values of k; all that the first result has, by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    if not results:
        raise ValueError("results: expected at least one method, got none")
    ax = axes_of(ax)
    ks = list(next(iter(results.values())).precision if at is None else at)
    width = 0.8 / len(results)
    top = 0.0
    for number, (method, result) in enumerate(results.items()):
        places = np.arange(len(ks)) + (number - (len(results) - 1) / 2) * width
        values = np.array([100 * result.precision[k] for k in ks])
        bounds = np.array([tuple(result.intervals[k]) for k in ks]) * 100
        errors = np.abs(bounds.T - values)
        color = color_of(method, number)
        ax.bar(places, values, width * 0.86, color=color, label=label_of(method))
        ax.errorbar(places, values, errors, fmt="none", ecolor=INK, elinewidth=1.2, capsize=4)
        for place, value, upper in zip(places, values, bounds[:, 1], strict=True):
            ax.annotate(
                f"{value:.1f}",
                (place, upper),
                (0, 3),
                textcoords="offset points",
                ha="center",
                color=INK,
                fontsize=9,
            )
        top = max(top, float(bounds.max()))
    ax.set_xticks(np.arange(len(ks)), [f"P@{k}" for k in ks])
    ax.set_ylim(0, min(112.0, top * 1.14 + 1))
    ax.set_ylabel("queries answered right, per cent")
    ax.legend(frameon=False, loc="upper left", labelcolor=INK, ncols=len(results))
    return dress(ax, grid="y")


def accuracy(results: Any, *, k: int = 1, ax: Any = None) -> Any:
    """Draw the accuracy of several methods with their intervals, the best on top.

    Parameters
    ----------
    results : mapping of str to WordTranslation or (value, (low, high)), or a comparison
        What was measured, by method; or what has ``names``, ``values`` and ``intervals``, as
        :func:`isomorph.metrics.compare` gives it; or what has ``tried`` methods, as the
        ``selection`` of a map fitted by ``method="auto"``.
    k : int, default 1
        Of P@k, where results have several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    rows = sorted(_measured(results, k), key=lambda row: row[1])
    if not rows:
        raise ValueError("results: expected at least one method, got none")
    ax = axes_of(ax, size=(6.4, 0.9 + 0.34 * len(rows)))
    values = np.array([[value, low, high] for _, value, low, high in rows]) * 100
    places = np.arange(len(rows))
    chosen = getattr(results, "chosen", None)
    for place, (name, *_), (value, low, high) in zip(places, rows, values, strict=True):
        color = COLORS["nn"] if name == chosen else COLORS["csls"]
        ax.plot([low, high], [place, place], color=color, linewidth=4, solid_capstyle="round")
        ax.plot([value], [place], "o", color=color, markersize=8)
        ax.annotate(
            f"{value:.1f}",
            (high, place),
            (7, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=9,
        )
    ax.set_yticks(places, [literal(name) for name, *_ in rows])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    spread = max(float(values.max() - values.min()), 1.0)
    # Room for the figure behind the longest line.
    ax.set_xlim(values.min() - 0.05 * spread, values.max() + 0.16 * spread)
    ax.set_xlabel("answered right, per cent")
    return dress(ax, grid="x")


def learning_curve(curve: Any, *, ax: Any = None) -> Any:
    """Draw accuracy by dictionary size, with intervals; each line is named where it ends.

    Parameters
    ----------
    curve : LearningCurve, or mapping of str to one, or anything with its fields
        ``sizes`` (s,), ``values``, ``low`` and ``high`` (methods, s) or (s,), and ``methods``: what
        :func:`isomorph.metrics.learning_curve` gives.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    lines = _lines(curve)
    ax = axes_of(ax, size=(6.8, 3.9))
    palette = (COLORS["csls"], COLORS["nn"], *OTHERS, COLORS["before"])
    ends = []
    for number, (name, sizes, values, low, high) in enumerate(lines):
        color = palette[number % len(palette)]
        ax.fill_between(sizes, 100 * low, 100 * high, color=color, alpha=0.16, linewidth=0)
        ax.plot(sizes, 100 * values, "o-", color=color, linewidth=2, markersize=4)
        ends.append((float(sizes[-1]), 100 * float(values[-1]), name, color))
    ax.set_xscale("log")
    sizes = sorted({float(size) for line in lines for size in line[1]})
    ax.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
    ax.set_xticks([], minor=True)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("source words of the dictionary")
    ax.set_ylabel("test words answered right, per cent")
    _name_lines(ax, ends)
    return dress(ax, grid="both")


def verdict(result: Any, *, ax: Any = None) -> Any:
    """Draw a verdict on CSLS: the gain in P@1 with its interval, against the line of no gain.

    Parameters
    ----------
    result : Verdict
        As :func:`isomorph.metrics.csls_verdict` gives it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_of(ax, size=(6.4, 1.3))
    low, high = (100 * bound for bound in result.interval)
    middle = 100 * result.difference
    reach = 1.15 * max(abs(low), abs(high), 1.0)
    ax.axvline(0, color=INK, linewidth=1.2)
    ax.plot([low, high], [0, 0], color=COLORS["csls"], linewidth=5, solid_capstyle="round")
    ax.plot([middle], [0], "o", color=COLORS["csls"], markersize=11)
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-1, 1)
    ax.set_yticks([])
    ax.set_xlabel("CSLS minus NN, points of P@1 on held-out folds of the training dictionary")
    return dress(ax, grid="x")


def _measured(results: Any, k: int) -> list[tuple[str, float, float, float]]:
    """Give name, value and ends of the interval of each method."""
    if hasattr(results, "tried"):
        name = results.retrieval
        return [
            (one.label, one.scores[name].precision, *one.scores[name].interval)
            for one in results.tried
        ]
    if hasattr(results, "names"):
        return [
            (name, value, *interval)
            for name, value, interval in zip(
                results.names, results.values, results.intervals, strict=True
            )
        ]
    found = []
    for name, result in results.items():
        if hasattr(result, "precision"):
            found.append((label_of(name), result.precision[k], *result.intervals[k]))
        else:
            value, interval = result
            found.append((label_of(name), value, *interval))
    return found


def _lines(curve: Any) -> list[tuple[str, Any, Any, Any, Any]]:
    """Give name, sizes, values and both ends of the intervals of each line."""
    curves = curve if isinstance(curve, Mapping) else {"": curve}
    found = []
    for title, one in curves.items():
        values, low, high = (
            np.atleast_2d(np.asarray(getattr(one, name), dtype=float))
            for name in ("values", "low", "high")
        )
        methods: Sequence[str] = getattr(one, "methods", None) or [""] * len(values)
        sizes = np.asarray(one.sizes, dtype=float)
        for i, method in enumerate(methods):
            name = ", ".join(part for part in (title, method) if part)
            found.append((name, sizes, values[i], low[i], high[i]))
    if not found:
        raise ValueError("curve: expected at least one line, got none")
    return found


def _name_lines(ax: Any, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write names at the right, moved apart where lines end near to each other."""
    bottom, top = ax.get_ylim()
    apart = 0.075 * (top - bottom)
    heights: list[float] = []
    for _, value, _, _ in sorted(ends, key=lambda end: end[1]):
        heights.append(max(value, heights[-1] + apart) if heights else value)
    # What was pushed up too far goes back down with those below it.
    over = max(0.0, heights[-1] - top)
    heights = [height - over for height in heights]
    for (_, _, name, color), height in zip(
        sorted(ends, key=lambda end: end[1]), heights, strict=True
    ):
        ax.annotate(
            literal(name),
            (1.0, height),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color=color,
            fontsize=9,
        )
