"""What all plots share: colours, axes, labels."""

from __future__ import annotations

from typing import Any

#: Text and lines; the report replaces them by the colours of its theme.
INK, FAINT = "#1f2430", "#c9ced8"
#: Colours that are told apart with colour-blind eyes, and read on white and on black.
COLORS = {"before": "#7d8896", "nn": "#c4700b", "csls": "#2a7fbf"}
OTHERS = ("#9a5fb4", "#2a8f6a", "#b8475e")
_LABELS = {"before": "before alignment, NN", "nn": "NN", "csls": "CSLS"}


def axes_of(ax: Any, *, size: tuple[float, float] = (6.4, 3.6)) -> Any:
    """Give the Axes that were given, or those of a new figure."""
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


def dress(ax: Any, *, grid: str) -> Any:
    """Leave of the frame what helps to read: the axis below, and a grid."""
    for side, spine in ax.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(INK)
    ax.tick_params(which="both", color=FAINT, labelcolor=INK, length=0)
    ax.xaxis.label.set_color(INK)
    ax.yaxis.label.set_color(INK)
    ax.grid(visible=True, axis=grid, color=FAINT, linewidth=0.7)
    ax.set_axisbelow(True)
    return ax


def color_of(method: str, number: int) -> str:
    """Give the colour of a method; one without a colour of its own has one by its number."""
    return COLORS.get(method, OTHERS[number % len(OTHERS)])


def label_of(method: str) -> str:
    """Say what a method is called in a legend."""
    return _LABELS.get(method, method)


def plain_number(value: float, _position: int) -> str:
    """Write a number as one reads it, on a logarithmic axis, too."""
    return f"{value:g}"


def literal(text: str) -> str:
    """Give what matplotlib writes as this text, dollar signs included."""
    return text.replace("$", r"\$")
