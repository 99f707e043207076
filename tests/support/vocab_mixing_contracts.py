"""The contracts of mixings and of the methods that make them, for the table of all of them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from isomorph import vocab
from isomorph.errors import DTypeError
from support.contracts import Argument, Contract

SOURCES, TARGETS, COLUMNS = 23, 31, 19


def _mixing(*, complete: bool) -> vocab.TokenMixing:
    """Rows of none to four sources, copies among them."""
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(TARGETS), np.arange(TARGETS) % 5 + complete)
    sources = np.concatenate(
        [rng.permutation(SOURCES)[:count] for count in np.bincount(rows, minlength=TARGETS)]
    )
    weights = np.where(np.bincount(rows)[rows] == 1, 1.0, rng.standard_normal(len(rows)))
    return vocab.TokenMixing.from_entries(rows, sources, weights, (TARGETS, SOURCES))


_COMPLETE, _PARTIAL = _mixing(complete=True), _mixing(complete=False)
_FALLBACKS = len(_PARTIAL.fallback_rows)


def _apply(mixing: vocab.TokenMixing, rows: Any, **options: Any) -> Any:
    return mixing.apply(rows, **options)


_REFUSED: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"dtype": "int8"}, DTypeError, "dtype: expected a type of floating point"),
)

MIXING = (
    Contract(
        "TokenMixing.apply",
        {"rows": Argument((SOURCES, COLUMNS), ndims=(1, 2))},
        functools.partial(_apply, _COMPLETE),
        variant="table",
        takes_progress=True,
        refused=_REFUSED,
    ),
    Contract(
        "TokenMixing.apply",
        {
            "rows": Argument((SOURCES, COLUMNS), ndims=(1, 2)),
            "fallback": Argument((_FALLBACKS, COLUMNS), ndims=(1, 2), follows=True),
        },
        functools.partial(_apply, _PARTIAL),
        variant="with a fallback",
        takes_progress=True,
    ),
)

_LAWS = "works on entries; tests/unit/test_token_mixing.py and tests/properties hold it to its laws"
MIXING_WITHOUT_ARRAYS = {
    **{
        f"TokenMixing.{name}": _LAWS
        for name in (
            "compose",
            "explain",
            "fill",
            "from_entries",
            "load",
            "row",
            "row_sums",
            "save",
            "summary",
            "take",
            "then",
        )
    },
    "vocab.overlap": "takes tokens; tests/unit/test_overlap.py",
}
