"""The contracts of bridges, and of maps applied to files, for the table of all of them."""

from __future__ import annotations

import functools
from typing import Any

import array_api_compat
import numpy as np

import isomorph as iso
from isomorph.errors import DTypeError
from isomorph.metrics import Interval
from support.contracts import Argument, Contract

COLUMNS = 19
Refused = tuple[tuple[dict[str, Any], type[Exception], str], ...]

#: The same things by two models.
_THINGS = np.random.default_rng(0).standard_normal((120, COLUMNS))
_TURN = np.random.default_rng(1).standard_normal((COLUMNS, COLUMNS))


def _side(turn: np.ndarray) -> Any:
    return lambda rng, shape: (
        (_THINGS @ turn)[: shape[0], : shape[1]] + 0.3 * rng.standard_normal(shape)
    )


_MODELS = {
    "old": Argument((120, COLUMNS), draw=_side(np.eye(COLUMNS))),
    "new": Argument((120, COLUMNS), draw=_side(_TURN)),
}
_QUERIES = {"queries": Argument((7, COLUMNS), draw=_side(_TURN))}


def _bridged(old, new, k=5, min_retention=0.0, **options):
    return iso.bridge(old, new, k=k, min_retention=min_retention, **options)


def a_bridge(fitted: iso.LinearMap, **changes: Any) -> iso.Bridge:
    """Give a bridge with this map and figures of no meaning."""
    interval = Interval(0.4, 0.6, 0.95, "extrapolation")
    figures = {
        "retention": 0.5,
        "interval": interval,
        "verdict": "loses",
        "recall": 0.5,
        "recall_interval": interval,
        "mrr": 0.5,
        "mrr_interval": interval,
        "judged_by": "recall",
        "min_retention": 0.9,
        "k": 10,
        "store_size": 1000,
        "pairs": 500,
        "queries": 500,
        "direction": "store",
        "method": "ridge",
        "candidates": {"ridge": 0.5},
        "control": 0.02,
        "wrong_pairs": 0.0,
        "wrong_pairs_interval": Interval(0.0, 0.01, 0.95, "wilson"),
        "suspects": np.array([3, 5]),
        "measured": ((250, 250, 0.6), (100, 400, 0.7)),
    }
    return iso.Bridge(fitted, **figures | changes)


def _applied(x, matrix, **options):
    mean = np.linspace(-1.0, 1.0, COLUMNS)
    if array_api_compat.is_array_api_obj(matrix):
        mean = array_api_compat.array_namespace(matrix).asarray(mean)
    return a_bridge(iso.LinearMap(matrix, mean), normalize=True).apply(x, **options)


_REFUSALS: Refused = (
    ({"k": 0}, ValueError, "k: expected an integer of 1 or more"),
    ({"k": 1.5}, DTypeError, "k: expected an integer"),
    ({"k": 7}, ValueError, "old: expected at least 142 pairs"),
    ({"min_retention": 1.1}, ValueError, "min_retention: expected a finite number of at least 0"),
    ({"min_retention": -0.1}, ValueError, "min_retention: expected a finite number of at least 0"),
    ({"min_retention": "half"}, DTypeError, "min_retention: expected a number"),
    ({"judge_by": "ndcg"}, ValueError, "judge_by: expected one of recall, mrr"),
    ({"store_size": 5}, ValueError, "store_size: expected 6 to"),
    ({"direction": "back"}, ValueError, "direction: expected one of store, query"),
    ({"method": "ols"}, ValueError, "method: expected one of auto, ridge, procrustes"),
    ({"metric": "l2"}, ValueError, "metric: expected one of cosine, dot"),
    ({"confidence": 1.0}, ValueError, "confidence: expected a finite number above 0, below 1"),
    ({"seed": -1}, ValueError, "seed: expected 0 to"),
    ({"relevant": [1, 2]}, ValueError, "relevant: expected None without queries"),
)


def _bridge(variant: str, call: Any, refused: Refused = (), **more: Argument) -> Contract:
    return Contract(
        "bridge",
        _MODELS | more,
        call,
        variant=variant,
        takes_progress=True,
        typed=(".matrix",),
        on_host=("suspects",),
        # What folds count may change with the rounding of a map.
        unique=("matrix", "source_mean", "target_mean"),
        refused=refused,
    )


BRIDGES = (
    _bridge("", functools.partial(_bridged, method="ridge"), _REFUSALS),
    _bridge("queries", functools.partial(_bridged, direction="query", normalize=True), **_QUERIES),
    Contract(
        "Bridge.apply",
        {
            "x": Argument((37, COLUMNS), ndims=(2, 3), not_empty=False),
            "matrix": Argument((COLUMNS, 11), ndims=(2, 3), follows=True),
        },
        _applied,
        takes_progress=True,
    ),
)

BRIDGES_WITHOUT_ARRAYS = {
    "Bridge.as_dict": "a result; tests/unit/test_bridge.py",
    "Bridge.load": "takes a path; tests/unit/test_bridge.py",
    "Bridge.save": "takes a path; tests/unit/test_bridge.py",
    "apply_file": "takes paths; tests/unit/test_apply_file.py",
}
