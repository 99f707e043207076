"""Translation pairs as points in the plane, before and after."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph.metrics._host import to_numpy
from isomorph.plot._style import COLORS, FAINT, INK, axes_of, dress, literal

#: Where a label may stand beside its point, in points of type; the first that is free is taken.
_PLACES = ((5, 4), (5, -11), (-5, 4), (-5, -11), (0, 8), (0, -15), (12, -4), (-12, -4))


def translations(
    source: Any,
    target: Any,
    mapped: Any = None,
    *,
    words: Sequence[tuple[str, str]] | None = None,
    labels: int = 12,
    names: tuple[str, str] = ("source", "target"),
    axes: Any = None,
) -> Any:
    """Draw translation pairs in the plane, joined by lines, before and after mapping.

    Each picture shows the two directions in which its rows, of both sides together, spread most
    (principal components). Long lines before and short ones after are a map that works; lengths
    within a picture can be compared, but most of the distances lie in the directions not shown.

    Parameters
    ----------
    source : array of shape (p, d)
        Rows of the source words, some tens of them, as they were.
    target : array of shape (p, e)
        Row by row their partners.
    mapped : array of shape (p, e), optional
        The source rows after mapping. Without them there is one picture, of `source`. Where d and
        e differ, there is no picture of before.
    words : sequence of (str, str), optional
        The words of each pair.
    labels : int, default 12
        So many pairs, spread evenly, are labelled as far as there is room.
    names : tuple of str
        What to call the two sides.
    axes : sequence of matplotlib.axes.Axes, optional
        Where to draw, one for each picture; a new figure by default.

    Returns
    -------
    sequence of matplotlib.axes.Axes
    """
    left, right = to_numpy(source), to_numpy(target)
    after = None if mapped is None else to_numpy(mapped)
    if len(left) < 2:
        raise ValueError(f"source: expected at least two rows, got {len(left)}")
    for name, rows in (("target", right), ("mapped", after)):
        if rows is not None and len(rows) != len(left):
            raise ValueError(f"{name}: expected {len(left)} rows as in source, got {len(rows)}")
    if words is not None and len(words) != len(left):
        raise ValueError(f"words: expected {len(left)}, one a pair, got {len(words)}")
    pictures = []
    if left.shape[1] == right.shape[1]:
        pictures.append(("before", left, right))
    if after is not None:
        pictures.append(("after", after, right))
    if not pictures:
        raise ValueError("mapped: expected the source in the columns of target; without it there "
                         "is nothing that can be drawn in one plane")  # fmt: skip
    if axes is None:
        first = axes_of(None, size=(0.6 + 4.4 * len(pictures), 4.4))
        figure = first.figure
        figure.clear()
        axes = figure.subplots(1, len(pictures), squeeze=False)[0]
    if len(axes) != len(pictures):
        raise ValueError(f"axes: expected {len(pictures)}, one a picture, got {len(axes)}")
    for ax, (title, *sides) in zip(axes, pictures, strict=True):
        _picture(ax, *_plane(*sides), names)
        ax.set_title(f"{title} mapping", color=INK, fontsize=10)
    axes[0].legend(frameon=False, labelcolor=INK, loc="best")
    if words is not None and labels > 0:
        figure = axes[0].figure
        # Where points come to lie is known when the layout is.
        figure.draw_without_rendering()
        for ax in axes:
            with warnings.catch_warnings():
                # A script that the font lacks: in SVG the reader's own font has it.
                warnings.filterwarnings("ignore", message="Glyph .* missing from")
                _label(ax, words, labels)
    return axes


def _plane(left: NDArray[Any], right: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give both sides in the two directions in which they spread most together."""
    both = np.concatenate([left, right]).astype(np.float64)
    both = both - both.mean(axis=0)
    axes = np.linalg.svd(both, full_matrices=False)[2][:2]
    # Of the two signs of a direction one is taken: that of its largest entry.
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]
    flat = both @ axes.T
    if flat.shape[1] < 2:
        flat = np.column_stack([flat, np.zeros(len(flat))])
    return flat[: len(left)], flat[len(left) :]


def _picture(ax: Any, left: NDArray[Any], right: NDArray[Any], names: tuple[str, str]) -> None:
    ax.plot(
        np.stack([left[:, 0], right[:, 0]]),
        np.stack([left[:, 1], right[:, 1]]),
        color=FAINT,
        linewidth=1.1,
        zorder=1,
    )
    for points, name, color, marker in (
        (left, names[0], COLORS["nn"], "o"),
        (right, names[1], COLORS["csls"], "s"),
    ):
        ax.scatter(
            *points.T, s=18, color=color, marker=marker, label=literal(name), zorder=2, linewidth=0
        )
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.12)
    ax.set_xticks([])
    ax.set_yticks([])
    dress(ax, grid="x")
    ax.spines["bottom"].set_visible(False)


def _label(ax: Any, words: Sequence[tuple[str, str]], count: int) -> None:
    """Write words beside their points, where they cover no other word and no other point."""
    sides = [np.asarray(points.get_offsets()) for points in ax.collections[:2]]
    spots = [ax.transData.transform(points) for points in sides]
    points = np.concatenate(spots)
    frame = ax.get_window_extent()
    taken: list[Any] = []
    chosen = np.unique(np.linspace(0, len(words) - 1, min(count, len(words))).astype(int))
    for row in chosen:
        for side, color in ((0, COLORS["nn"]), (1, COLORS["csls"])):
            for dx, dy in _PLACES:
                text = ax.annotate(
                    words[row][side],
                    sides[side][row],
                    (dx, dy),
                    textcoords="offset points",
                    ha="left" if dx > 0 else "right" if dx < 0 else "center",
                    color=color,
                    fontsize=8.5,
                    # A word is a word, with dollar signs, too.
                    parse_math=False,
                )
                box = text.get_window_extent()
                inside = (
                    frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0
                    and box.y1 <= frame.y1
                )  # fmt: skip
                covers = np.all((points >= box.min) & (points <= box.max), axis=1).any()
                if inside and not covers and not any(box.overlaps(other) for other in taken):
                    taken.append(box)
                    break
                text.remove()
