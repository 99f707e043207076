"""Checks of options: each names the option, what was expected and what came."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from isomorph.errors import DTypeError

#: The largest integer that the core takes.
_LARGEST = 2**63 - 1


def integer(
    name: str, value: Any, least: int | None = None, most: int | None = None, *, of: str = ""
) -> int:
    """Require an integer, in a range if one is given; `of` says what the largest one counts.

    NumPy's integers are integers; True and False are not, nor is what no 64 bits hold.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise DTypeError(f"{name}: expected an integer, got {value!r}") from None
    low, high = -_LARGEST if least is None else least, _LARGEST if most is None else most
    if isinstance(value, bool) or not low <= number <= high:
        wanted = f"{least} to {most}" if most is not None else "an integer"
        wanted += f" of {least} or more" if most is None and least is not None else ""
        wanted += ", of 64 bits" if abs(number) > _LARGEST else ""
        raise ValueError(f"{name}: expected {wanted}{of and f' ({of})'}, got {value!r}")
    return number


def number(
    name: str,
    value: Any,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
) -> float:
    """Require a finite number: `least` or more, above `above`, at most `most`, below `below`.

    NumPy's numbers are numbers; True, False and strings are not.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise DTypeError(f"{name}: expected a number, got {value!r}") from None
    inside = least <= found <= most and above < found < below
    if isinstance(value, bool | np.bool_ | str) or not math.isfinite(found) or not inside:
        limits = [
            *([f"of at least {least:g}"] if least > -math.inf else []),
            *([f"above {above:g}"] if above > -math.inf else []),
            *([f"at most {most:g}"] if most < math.inf else []),
            *([f"below {below:g}"] if below < math.inf else []),
        ]
        wanted = " ".join(["a finite number", ", ".join(limits)]).rstrip()
        raise ValueError(f"{name}: expected {wanted}, got {value!r}")
    return found


def one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    """Require a name that is known."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    return value
