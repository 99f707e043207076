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

APPLIED = (
    Contract(
        "TokenMixing.apply",
        {"rows": Argument((SOURCES, COLUMNS), ndims=(1, 2))},
        functools.partial(_apply, _COMPLETE),
        variant="table",
        selects=True,
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
        selects=True,
        takes_progress=True,
    ),
)

_BASE = vocab.TokenMixing.from_entries(
    np.arange(0, TARGETS, 3),
    np.arange(0, TARGETS, 3) % SOURCES,
    np.ones(11, "float32"),
    (TARGETS, SOURCES),
)
_GROUPS = {
    "source_groups": np.resize(["a", "b"], SOURCES).tolist(),
    "target_groups": ["b", "c", "a"],
}


def _made(method: Any, *, first: bool = False) -> Any:
    """Call a method and give the entries of the mixing that it makes."""

    def call(**arguments: Any) -> Any:
        made = method(**arguments)
        made = made[0] if first else made
        return {
            "weights": np.array(made.weights),
            "indices": made.indices.astype(np.int64),
            "indptr": np.array(made.indptr),
        }

    return call


_ENTRIES = tuple(f"result['{name}']" for name in ("weights", "indices", "indptr"))


def _product(**arguments: Any) -> Any:
    factors = vocab.factorize(**{"rank": 3, **arguments})
    return factors.coordinates @ factors.primitives


_VECTORS = {
    "source_vectors": Argument((SOURCES, COLUMNS)),
    "target_vectors": Argument((TARGETS, COLUMNS)),
}
_NEIGHBORS: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"k": 0}, ValueError, f"k: expected 1 to {SOURCES}"),
    ({"k": SOURCES + 1}, ValueError, f"k: expected 1 to {SOURCES}"),
    ({"temperature": 0}, ValueError, "temperature: expected a finite number above 0"),
    ({"temperature": "warm"}, DTypeError, "temperature: expected a number"),
)
_ROWS = {"rows": Argument((SOURCES, COLUMNS))}

METHODS = (
    Contract(
        "vocab.wechsel",
        _VECTORS,
        _made(vocab.wechsel),
        selects=True,
        takes_progress=True,
        same_columns=("target_vectors",),
        on_host=_ENTRIES,
        refused=_NEIGHBORS,
    ),
    Contract(
        "vocab.ofa",
        {**_VECTORS, "rows": Argument((SOURCES, 7), follows=True)},
        _made(functools.partial(vocab.ofa, rank=3), first=True),
        selects=True,
        takes_progress=True,
        same_columns=("target_vectors",),
        on_host=_ENTRIES,
        refused=(
            *_NEIGHBORS,
            ({"rank": 0}, ValueError, "rank: expected 1 to 7"),
            ({"rank": 8}, ValueError, "rank: expected 1 to 7"),
        ),
    ),
    Contract(
        "vocab.factorize",
        _ROWS,
        _product,
        refused=(({"rank": COLUMNS + 1}, ValueError, f"rank: expected 1 to {COLUMNS}"),),
    ),
    *(
        Contract(
            "vocab.clp",
            {"helper_vectors": Argument((TARGETS, COLUMNS))},
            functools.partial(_made(vocab.clp), base=_BASE, **options),
            variant=variant,
            takes_progress=True,
            on_host=_ENTRIES,
            refused=(({"negative": "drop"}, ValueError, "negative: expected one of keep, zero"),),
        )
        for variant, options in (("all", {"negative": "zero"}), ("nearest", {"k": 4}))
    ),
    Contract(
        "vocab.mean",
        _ROWS,
        functools.partial(vocab.mean, targets=3, **_GROUPS),
        takes_threads=False,
        refused=(
            ({"min_group": 0}, ValueError, "min_group: expected an integer of 1"),
            ({"source_groups": None}, ValueError, "source_groups, target_groups: expected both"),
            ({"target_groups": ["a"]}, ValueError, "target_groups: expected 3 labels"),
        ),
    ),
    Contract(
        "vocab.gaussian",
        _ROWS,
        functools.partial(vocab.gaussian, targets=3, **_GROUPS),
        takes_threads=False,
    ),
    Contract(
        "vocab.multivariate_gaussian",
        _ROWS,
        functools.partial(vocab.multivariate_gaussian, targets=3),
        refused=(
            ({"scale": -1}, ValueError, "scale: expected a finite number of at least 0"),
            ({"seed": 2**128}, ValueError, "seed: expected 0 to"),
        ),
    ),
    Contract(
        "vocab.match_norm",
        {"rows": Argument((TARGETS, COLUMNS)), "reference": Argument((SOURCES, COLUMNS))},
        vocab.match_norm,
        takes_threads=False,
        same_columns=("reference",),
        refused=(({"how": "max"}, ValueError, "how: expected one of each, mean"),),
    ),
    Contract(
        "vocab.in_convex_hull",
        {"rows": Argument((5, COLUMNS)), "table": Argument((SOURCES, COLUMNS))},
        vocab.in_convex_hull,
        takes_progress=True,
        same_columns=("table",),
        typed=("nothing",),
        on_host=("distance", "bound"),
        refused=(
            ({"tol": -1}, ValueError, "tol: expected a finite number of at least 0"),
            ({"max_iterations": 0}, ValueError, "max_iterations: expected an integer of 1"),
        ),
    ),
)
MIXING = APPLIED + METHODS

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
    **dict.fromkeys(
        (
            "vocab.from_ngrams",
            "vocab.from_words",
            "vocab.subword_mean",
            "vocab.token_groups",
            "vocab.transtokenization",
        ),
        "takes tokens; tests/oracles/test_transfer_oracle.py",
    ),
}
