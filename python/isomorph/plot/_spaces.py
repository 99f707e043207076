"""Spaces: hubs, agreement by direction, spectra of both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from isomorph.plot._style import (
    COLORS,
    INK,
    axes_of,
    color_of,
    dress,
    label_of,
    literal,
    plain_number,
)


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
    ax = axes_of(ax)
    for number, (method, given) in enumerate(distributions.items()):
        counts = np.sort(np.asarray(getattr(given, "counts", given)))
        values, first = np.unique(counts, return_index=True)
        share = 100 * (len(counts) - first) / len(counts)
        seen = values > 0
        ax.step(
            values[seen],
            share[seen],
            where="pre",
            color=color_of(method, number),
            linestyle="--" if method == "before" else "-",
            linewidth=2,
            label=label_of(method),
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.xaxis.set_major_formatter(plain_number)
    ax.yaxis.set_major_formatter(plain_number)
    ax.set_xlabel(f"times among the {k} nearest (k-occurrence)")
    ax.set_ylabel("per cent of targets, at least so often")
    ax.legend(frameon=False, labelcolor=INK)
    return dress(ax, grid="both")


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
    ax = axes_of(ax)
    ordered = np.sort(np.asarray(values, dtype=float))[::-1]
    if ordered.ndim != 1 or not len(ordered):
        raise ValueError(f"values: expected a vector of singular values, got {ordered.shape}")
    positive = ordered > ordered[0] * np.finfo(np.float32).eps
    ax.plot(np.flatnonzero(positive) + 1, ordered[positive], color=COLORS["csls"], linewidth=2)
    ax.set_yscale("log")
    ax.set_xlabel("direction, strongest first")
    ax.set_ylabel("singular value")
    return dress(ax, grid="both")


def spectrum(
    result: Any,
    *,
    kind: str = "singular values",
    names: tuple[str, str] = ("source", "target"),
    ax: Any = None,
) -> Any:
    """Draw the spectra of two spaces over each other: the nearer the lines, the more alike.

    Parameters
    ----------
    result : Isometry, or (values, values)
        What :func:`isomorph.metrics.isometry` gives, or the values of both sides, descending.
    kind : {"singular values", "eigenvalues"}, default "singular values"
        Of an Isometry: how far each space reaches in its directions, or the Laplacians of its
        graphs of neighbours. Else only for the label.
    names : tuple of str
        What to call the two spaces.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    if kind not in ("singular values", "eigenvalues"):
        raise ValueError(f"kind: expected 'singular values' or 'eigenvalues', got {kind!r}")
    field = kind.replace(" ", "_")
    sides = result
    if hasattr(result, f"source_{field}"):
        sides = tuple(getattr(result, f"{side}_{field}") for side in ("source", "target"))
    ax = axes_of(ax)
    for values, name, color, style in zip(
        sides, names, (COLORS["nn"], COLORS["csls"]), ("-", "--"), strict=True
    ):
        ordered = np.sort(np.asarray(values, dtype=float))[::-1]
        if ordered.ndim != 1 or not len(ordered):
            raise ValueError(f"result: expected vectors of values, got shape {ordered.shape}")
        positive = ordered > max(ordered[0], 0.0) * np.finfo(np.float32).eps
        places = np.flatnonzero(positive) + 1
        ax.plot(places, ordered[positive], style, color=color, linewidth=2, label=literal(name))
    if field == "singular_values":
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(plain_number)
    else:
        ax.set_ylim(bottom=0)
    ax.set_xlabel("number, largest first")
    ax.set_ylabel("singular value" if field == "singular_values" else "eigenvalue of the graph")
    ax.legend(frameon=False, labelcolor=INK)
    return dress(ax, grid="both")
