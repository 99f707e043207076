"""The contracts of choosing a method, and of evidence for it, for the table of all of them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import isomorph as iso
from isomorph.errors import DTypeError, ShapeError
from support.contracts import Argument, Contract

_TURN = np.linalg.qr(np.random.default_rng(1).standard_normal((9, 9)))[0]
_THINGS = np.random.default_rng(0).standard_normal((50, 9))


def _side(turn: np.ndarray, noise: float) -> Any:
    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        rows = (_THINGS @ turn)[: shape[-2], : shape[-1]]
        return rows + noise * rng.standard_normal(shape)

    return draw


def _timeless(made: Any) -> Any:
    """Take out what no two calls have alike."""
    told = made.metrics["auto"]
    for one in told if isinstance(told, list) else [told]:
        for tried in one["tried"]:
            del tried["seconds"]
    return made


def _auto(source: Any, target: Any, source_space: Any = None, **options: Any) -> Any:
    # The targets are rows of what is looked through.
    spaces = {} if source_space is None else {"source_space": source_space, "target_space": target}
    try:
        return _timeless(iso.fit_map(source, target, method="auto", **spaces, **options))
    except ValueError as error:
        if "at least two different source rows" in str(error):
            # One row, repeated: that is what there is to say.
            return {"refused": str(error)}
        raise


def _fit(variant: str, arguments: dict[str, Argument], refused: Any = (), **more: Any) -> Contract:
    return Contract(
        "fit_map",
        arguments,
        functools.partial(_auto, **more),
        variant=f"auto, {variant}",
        takes_progress=True,
        typed=(".matrix",),
        unique=("matrix", "source_mean", "target_mean"),
        refused=refused,
    )


_PAIRS = {
    "source": Argument((40, 9), ndims=(2, 3), draw=_side(np.eye(9), 0.1)),
    "target": Argument((40, 9), ndims=(2, 3), draw=_side(_TURN, 0.1)),
}
_SPACES = _PAIRS | {
    "source_space": Argument((50, 9), draw=_side(np.eye(9), 0.1), follows=True),
}


def _curve(source: Any, target: Any, **options: Any) -> Any:
    old, new = np.arange(24), np.arange(24, 40)
    return iso.metrics.learning_curve(
        source, target, (old, old), (new, new), sizes=(6, 24), neighborhood=4, **options
    )


EVIDENCE = (
    Contract(
        "metrics.learning_curve",
        {
            "source": Argument((40, 9), draw=_side(np.eye(9), 0.1)),
            "target": Argument((43, 9), draw=_side(_TURN, 0.1)),
        },
        _curve,
        takes_progress=True,
        on_host=("pairs", "values", "low", "high", "spread", "hits"),
        typed=("nothing",),
        refused=(
            ({"retrieval": "dot"}, ValueError, "retrieval: expected one of csls, nn"),
            ({"order": "none"}, ValueError, "order: expected one of random, given"),
            ({"repeats": 0}, ValueError, "repeats: expected an integer of 1 or more"),
            ({"methods": "ols"}, DTypeError, "methods: expected names"),
        ),
    ),
    _fit(
        "pairs",
        _PAIRS,
        (
            ({"folds": 1}, ValueError, "folds: expected an integer of 2 or more"),
            ({"retrieval": "dot"}, ValueError, "retrieval: expected one of auto, nn, csls"),
            ({"methods": "ols"}, DTypeError, "methods: expected names"),
            ({"group": 3}, ShapeError, "group: expected shape"),
            ({"seed": -1}, ValueError, "seed: expected 0 to"),
        ),
    ),
    _fit("spaces", _SPACES),
    _fit(
        "stack",
        {
            "source": Argument((2, 40, 9), ndims=(2, 3), draw=_side(np.eye(9), 0.1)),
            "target": Argument((2, 40, 9), ndims=(2, 3), draw=_side(_TURN, 0.1)),
        },
        translate=True,
        retrieval="nn",
    ),
)

_ANY_NUMBERS = "takes any numbers; tests/unit/test_metrics_paired.py"
_RESULT = "a result tells about itself; tests/unit/test_fit_map_auto.py"
EVIDENCE_WITHOUT_ARRAYS = {
    "LearningCurve.compare": "a result tells about itself; tests/unit/test_learning_curve.py",
    "Selection.as_dict": _RESULT,
    "Selection.from_dict": _RESULT,
    "Selection.rows": _RESULT,
    "metrics.compare": _ANY_NUMBERS,
    "metrics.paired_test": _ANY_NUMBERS,
}
