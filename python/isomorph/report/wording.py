"""What a verdict and a figure mean, in the words of the people who read them."""

from __future__ import annotations

from typing import Any

METHOD_NAMES = {"before": "NN before alignment", "nn": "NN", "csls": "CSLS"}

HEADLINES = {
    "helps": "CSLS helps on this data: use it.",
    "hurts": "CSLS hurts on this data: use plain nearest neighbours.",
    "undetermined": "Whether CSLS helps cannot be told from this training dictionary.",
}

_ADVICE = {
    "helps": (
        "So retrieve with CSLS: it takes from hub words what they have too much, and here that "
        "finds more right words than it loses."
    ),
    "hurts": (
        "So retrieve with plain nearest neighbours: here CSLS takes more from right answers than "
        "from hubs."
    ),
    "undetermined": (
        "The difference is smaller than what so few words can show. Take either, or give a larger "
        "training dictionary."
    ),
}


def percent(share: float, digits: int = 2) -> str:
    """Write a share in per cent, without the sign."""
    return f"{100 * share:.{digits}f}"


def interval(bounds: Any, digits: int = 1) -> str:
    """Write the bounds of a share in per cent."""
    low, high = bounds
    return f"[{percent(low, digits)}, {percent(high, digits)}]"


def points(share: float) -> str:
    """Write a difference of shares in points, with its sign."""
    return f"{100 * share:+.1f}"


def points_interval(bounds: Any) -> str:
    """Write the bounds of a difference of shares in points."""
    low, high = bounds
    return f"[{points(low)}, {points(high)}]"


def verdict_headline(verdict: Any) -> str:
    """Say the decision in one sentence."""
    return HEADLINES[verdict.decision]


def verdict_lines(verdict: Any) -> list[str]:
    """Say what was measured, in lines for a narrow terminal."""
    level = 100 * verdict.interval.confidence
    return [
        f"P@1 {percent(verdict.csls, 1)} by CSLS, {percent(verdict.nn, 1)} by NN: "
        f"{points(verdict.difference)} points,",
        f"{level:g} % interval {points_interval(verdict.interval)}, over {verdict.words:,} words",
        f"on {len(verdict.folds)} folds of the training dictionary.",
    ]


def verdict_evidence(verdict: Any) -> str:
    """Say what was measured, in a sentence."""
    return " ".join(verdict_lines(verdict))


def verdict_advice(verdict: Any) -> str:
    """Say what to do, and why."""
    return _ADVICE[verdict.decision]


def preferred_method(decision: str | None) -> str:
    """Return the retrieval to use under a verdict: CSLS unless it was shown to hurt."""
    return "nn" if decision == "hurts" else "csls"


def file_size(count: int) -> str:
    """Write a number of bytes for people."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


def duration(seconds: float) -> str:
    """Write a time for people."""
    if seconds < 0.995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min"
