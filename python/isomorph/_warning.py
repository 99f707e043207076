"""Warnings that point at the user's line, however many of ours lie between."""

from __future__ import annotations

import sys
import warnings


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line that is not of this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("isomorph."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
