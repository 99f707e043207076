"""Plans of transport, and how the iterations that made them went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from isomorph.metrics._host import to_numpy
from isomorph.plot._style import (
    COLORS,
    FAINT,
    INK,
    OTHERS,
    axes_of,
    dress,
    literal,
    plain_number,
)

#: Up to so many rows and columns have their names, and so many cells a side are drawn.
_NAMED, _CELLS = 40, 160


def plan(
    result: Any,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Draw where the mass of each row goes: a heat map; of large plans, sums of blocks.

    Parameters
    ----------
    result : Transport, or array of shape (n, m)
        A Transport is read some rows at a time: no n x m matrix is made.
    rows, columns : sequence of str, optional
        Names, which are written where there are at most 40.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Notes
    -----
    Cells have the share of the mass that they have of their row; blocks, of their rows, in order of
    the rows and columns as they were given. Sides of more than 160 are cut into as many parts.
    """
    (n, m), blocks = _blocks(result)
    for name, given, length in (("rows", rows, n), ("columns", columns, m)):
        if given is not None and len(given) != length:
            raise ValueError(f"{name}: expected {length} names, got {len(given)}")
    cells = _binned(blocks, n, m)
    mass = cells.sum(axis=1, keepdims=True)
    shares = 100 * np.divide(cells, mass, out=np.zeros_like(cells), where=mass > 0)
    height, width = cells.shape
    ax = axes_of(ax, size=(6.4, 1.2 + 5.0 * min(1.5, max(0.3, height / width))))
    from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list("isomorph", ["#ffffff", COLORS["csls"], INK])
    image = ax.imshow(
        shares, cmap=colors, vmin=0.0, aspect="auto", interpolation="nearest", origin="upper"
    )
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(color=FAINT, labelcolor=INK, length=0)
    bar.set_label("per cent of the row's mass", color=INK)
    _label(ax, "x", columns, m, width)
    _label(ax, "y", rows, n, height)
    dress(ax, grid="x")
    ax.grid(visible=False)
    return ax


def convergence(results: Any, *, ax: Any = None) -> Any:
    """Draw the error that each pass over the cost found.

    Parameters
    ----------
    results : Transport, or mapping of str to Transport
        Of one solution a line, and the error to which it was to come; of several, by name, a line
        each. Passes with a larger reg than the last ones, where it was brought down in steps, are
        dashed.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    several = isinstance(results, Mapping)
    found = dict(results) if several else {"": results}
    if not found:
        raise ValueError("results: expected at least one solution, got none")
    ax = axes_of(ax)
    palette = (COLORS["csls"], COLORS["nn"], *OTHERS, COLORS["before"])
    for number, (name, solved) in enumerate(found.items()):
        color = palette[number % len(palette)]
        passes = np.asarray(solved.history.iterations)
        errors = np.asarray(solved.history.errors, dtype=float)
        # What is exactly right has no logarithm.
        errors = np.maximum(errors, np.finfo(float).tiny)
        regs = np.asarray(solved.history.regs, dtype=float)
        early = int(np.count_nonzero(regs > regs[-1])) if len(regs) else 0
        if early:
            ax.plot(
                passes[: early + 1],
                errors[: early + 1],
                "--",
                color=color,
                linewidth=1.4,
                alpha=0.8,
            )
        marker = "o-" if len(passes) - early <= 2 else "-"
        ax.plot(
            passes[early:],
            errors[early:],
            marker,
            color=color,
            linewidth=2,
            markersize=4,
            label=literal(name) if several else None,
        )
    goal = max(float(solved.tol) for solved in found.values())
    ax.axhline(goal, color=FAINT, linewidth=4, zorder=0)
    ax.annotate(
        f"asked for: {goal:g}",
        (0.0, goal),
        (6, 5),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        color=INK,
        fontsize=9,
    )
    ax.set_yscale("log")
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.xaxis.set_major_formatter(plain_number)
    ax.set_xlabel("passes over the cost")
    ax.set_ylabel("error of the marginals (L1)")
    if several:
        ax.legend(frameon=False, labelcolor=INK)
    return dress(ax, grid="both")


def _blocks(result: Any) -> tuple[tuple[int, int], Iterator[tuple[int, Any]]]:
    """Give the shape, and rows of the plan with the number of their first."""
    if hasattr(result, "_blocks"):
        shape = len(result.f), len(result.g)
        return shape, ((rows.start, to_numpy(block)) for rows, block in result._blocks())
    matrix = np.asarray(result, dtype=float)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"result: expected a Transport or a matrix, got shape {matrix.shape}")
    return (matrix.shape[0], matrix.shape[1]), iter([(0, matrix)])


def _binned(blocks: Iterator[tuple[int, Any]], n: int, m: int) -> Any:
    """Add up the plan in at most _CELLS parts a side."""
    height, width = min(n, _CELLS), min(m, _CELLS)
    cells = np.zeros((height, width))
    # The first column of each part, rounded up as the rows of parts are.
    starts = -(-np.arange(width) * m // width)
    for first, block in blocks:
        of_row = (first + np.arange(len(block))) * height // n
        np.add.at(cells, of_row, np.add.reduceat(block, starts, axis=1))
    return cells


def _label(ax: Any, axis: str, names: Sequence[str] | None, length: int, cells: int) -> None:
    """Write names where they fit, numbers of rows elsewhere."""
    which = getattr(ax, f"{axis}axis")
    if names is not None and length <= _NAMED:
        labels = [literal(str(name)) for name in names]
        which.set_ticks(np.arange(length), labels, fontsize=8)
        if axis == "x":
            for label in which.get_ticklabels():
                label.set(rotation=90 if max(map(len, labels), default=0) > 2 else 0)
        return
    from matplotlib.ticker import MaxNLocator

    rows = [row for row in MaxNLocator(8, integer=True).tick_values(0, length) if 0 <= row < length]
    # A number stands where its row begins; of cells that are rows, in their middle.
    shift = 0.5 if cells < length else 0.0
    which.set_ticks([row * cells / length - shift for row in rows], [f"{row:,.0f}" for row in rows])
    which.set_label_text("column" if axis == "x" else "row")
