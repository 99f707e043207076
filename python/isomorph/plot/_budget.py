"""The budget curve of a vocabulary: more tokens of text against fewer tokens of vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph.plot._style import COLORS, FAINT, INK, OTHERS, axes_of, dress, literal


def budget(plan: Any, *, by: str = "language", ax: Any = None) -> Any:
    """Draw what each size of a vocabulary costs: how many more tokens the text needs.

    Parameters
    ----------
    plan : TrimPlan
        As :func:`isomorph.vocab.plan` gives it from a corpus. Its own size is marked.
    by : {"language", "script"}, default "language"
        What each line is of.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    if by not in ("language", "script"):
        raise ValueError(f"by: expected 'language' or 'script', got {by!r}")
    rows = [row for row in plan.budget if row.cost is not None]
    if not rows:
        raise ValueError("plan: expected one from a corpus; without text no cost is known")
    # The whole vocabulary would be far to the right, where nothing changes any more.
    rows = rows[:-1] or rows
    lines = {
        name: [100 * getattr(row, f"{by}s")[name].extra for row in rows]
        for name in getattr(rows[0], f"{by}s")
    } or {"all text": [100 * row.cost.extra for row in rows]}
    ax = axes_of(ax, size=(6.8, 3.9))
    sizes = np.array([row.size for row in rows])
    palette = (COLORS["csls"], COLORS["nn"], *OTHERS, COLORS["before"])
    for number, (name, costs) in enumerate(lines.items()):
        color = palette[number % len(palette)]
        ax.plot(sizes, costs, "o-", color=color, linewidth=2, markersize=4, label=literal(name))
    chosen = next(row for row in plan.budget if row.chosen)
    ax.axvline(chosen.size, color=FAINT, linewidth=5, zorder=0)
    ax.annotate(
        f"this plan: {chosen.size:,}",
        (chosen.size, 1.0),
        (-6, -4),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right",
        va="top",
        color=INK,
        fontsize=9,
    )
    ax.set_ylim(bottom=min(0, min(map(min, lines.values()))))
    ax.set_xlim(left=0)
    ax.xaxis.set_major_formatter(lambda size, _: f"{size:,.0f}")
    ax.set_xlabel(f"tokens kept, of {plan.tokenizer.size:,}")
    ax.set_ylabel("more tokens of text, per cent")
    ax.legend(frameon=False, labelcolor=INK)
    return dress(ax, grid="both")
