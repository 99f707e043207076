"""Plots of results, drawn with matplotlib (``pip install 'isomorph[report]'``).

Each function draws on the Axes that it is given, or on those of a new figure, and returns them.
Nothing is shown and no global state of matplotlib is touched, so they work in notebooks, scripts
and servers alike: ``isomorph.plot.precision(results).figure.savefig("precision.svg")``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["hubness", "precision", "singular_values", "verdict"]

#: Text and lines; the report replaces them by the colours of its theme.
INK, FAINT = "#1f2430", "#c9ced8"
#: Colours that are told apart with colour-blind eyes, and read on white and on black.
COLORS = {"before": "#7d8896", "nn": "#c4700b", "csls": "#2a7fbf"}
_OTHERS = ("#9a5fb4", "#2a8f6a", "#b8475e")
_LABELS = {"before": "before alignment, NN", "nn": "NN", "csls": "CSLS"}


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
    ax = _axes(ax)
    ks = list(next(iter(results.values())).precision if at is None else at)
    width = 0.8 / len(results)
    top = 0.0
    for number, (method, result) in enumerate(results.items()):
        places = np.arange(len(ks)) + (number - (len(results) - 1) / 2) * width
        values = np.array([100 * result.precision[k] for k in ks])
        bounds = np.array([tuple(result.intervals[k]) for k in ks]) * 100
        errors = np.abs(bounds.T - values)
        color = _color(method, number)
        ax.bar(places, values, width * 0.86, color=color, label=_label(method))
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
    return _dress(ax, grid="y")


def hubness(distributions: Mapping[str, Any], *, k: int = 10, ax: Any = None) -> Any:
    """Draw how often targets are among the `k` nearest: the tail of the k-occurrence distribution.

    Parameters
    ----------
    distributions : mapping of str to Hubness or array of int
        Results of :func:`isomorph.metrics.hubness`, or k-occurrence counts, one a target.
    k : int, default 10
        The neighbours that were counted; only for the label.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    if not distributions:
        raise ValueError("distributions: expected at least one, got none")
    ax = _axes(ax)
    for number, (method, given) in enumerate(distributions.items()):
        counts = np.sort(np.asarray(getattr(given, "counts", given)))
        values, first = np.unique(counts, return_index=True)
        share = 100 * (len(counts) - first) / len(counts)
        seen = values > 0
        ax.step(
            values[seen],
            share[seen],
            where="pre",
            color=_color(method, number),
            linestyle="--" if method == "before" else "-",
            linewidth=2,
            label=_label(method),
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.xaxis.set_major_formatter(_plain_number)
    ax.yaxis.set_major_formatter(_plain_number)
    ax.set_xlabel(f"times among the {k} nearest (k-occurrence)")
    ax.set_ylabel("per cent of targets, at least so often")
    ax.legend(frameon=False, labelcolor=INK)
    return _dress(ax, grid="both")


def singular_values(values: Any, *, ax: Any = None) -> Any:
    """Draw the singular values of a cross-covariance, largest first, on a logarithmic scale.

    Parameters
    ----------
    values : array of shape (d,)
        Singular values.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _axes(ax)
    ordered = np.sort(np.asarray(values, dtype=float))[::-1]
    if ordered.ndim != 1 or not len(ordered):
        raise ValueError(f"values: expected a vector of singular values, got {ordered.shape}")
    positive = ordered > ordered[0] * np.finfo(np.float32).eps
    ax.plot(np.flatnonzero(positive) + 1, ordered[positive], color=COLORS["csls"], linewidth=2)
    ax.set_yscale("log")
    ax.set_xlabel("direction, strongest first")
    ax.set_ylabel("singular value")
    return _dress(ax, grid="both")


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
    ax = _axes(ax, size=(6.4, 1.3))
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
    return _dress(ax, grid="x")


def _axes(ax: Any, *, size: tuple[float, float] = (6.4, 3.6)) -> Any:
    if ax is not None:
        return ax
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "isomorph.plot draws with matplotlib, which is not installed: "
            "pip install 'isomorph[report]'"
        ) from error
    return Figure(figsize=size, layout="constrained").subplots()


def _dress(ax: Any, *, grid: str) -> Any:
    for side, spine in ax.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(INK)
    ax.tick_params(which="both", color=FAINT, labelcolor=INK, length=0)
    ax.xaxis.label.set_color(INK)
    ax.yaxis.label.set_color(INK)
    ax.grid(visible=True, axis=grid, color=FAINT, linewidth=0.7)
    ax.set_axisbelow(True)
    return ax


def _color(method: str, number: int) -> str:
    return COLORS.get(method, _OTHERS[number % len(_OTHERS)])


def _label(method: str) -> str:
    return _LABELS.get(method, method)


def _plain_number(value: float, _position: int) -> str:
    return f"{value:g}"
