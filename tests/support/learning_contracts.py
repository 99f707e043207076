"""The contracts of self-learning, for the table of all of them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import isomorph as iso
from isomorph.errors import DTypeError
from support.contracts import Argument, Contract

COLUMNS = 19
Refused = tuple[tuple[dict[str, Any], type[Exception], str], ...]

#: The same things twice, in two coordinate systems.
_THINGS = np.random.default_rng(0).standard_normal((41, COLUMNS))
_TURN = np.linalg.qr(np.random.default_rng(1).standard_normal((COLUMNS, COLUMNS)))[0]


def _side(turn: np.ndarray) -> Any:
    return lambda rng, shape: (
        (_THINGS @ turn)[: shape[0], : shape[1]] + 0.02 * rng.standard_normal(shape)
    )


LANGUAGES = {
    "source": Argument((41, COLUMNS), draw=_side(np.eye(COLUMNS))),
    "target": Argument((37, COLUMNS), draw=_side(_TURN)),
}
SEEDS = (np.arange(30), np.arange(30))

_LEARNING_REFUSALS: Refused = (
    ({"direction": "both"}, ValueError, "direction: expected one of union, forward"),
    ({"method": "cosine"}, ValueError, "method: expected one of csls, nn"),
    ({"neighborhood": -1}, ValueError, "neighborhood: expected 0 to"),
    ({"vocabulary": 0}, ValueError, "vocabulary: expected 1 to"),
    ({"chain": "turn"}, ValueError, "chain: expected steps of unit"),
    ({"resume": True}, ValueError, "resume: expected a checkpoint="),
)


def _learned(source, target, seed_pairs=SEEDS, patience=2, **options):
    return iso.self_learn(
        source,
        target,
        seed_pairs=seed_pairs,
        patience=patience,
        **{"keep": 0.5, "chain": "unit", **options},
    )


def _learning(name: str, call: Any, variant: str, refused: Refused) -> Contract:
    return Contract(
        name,
        LANGUAGES,
        call,
        variant=variant,
        takes_progress=True,
        typed=(".matrix",),
        # Singular vectors may change sign; what was paired, when, and how well, may not.
        unique=("source", "target", "objective"),
        refused=refused,
    )


LEARNING = (
    _learning(
        "self_learn",
        _learned,
        "dictionary",
        (
            *_LEARNING_REFUSALS,
            *(
                ({"keep": keep}, ValueError, "keep: expected a finite number above 0, at most 1")
                for keep in (0, -0.1, 1.1, float("nan"), True)
            ),
            ({"keep_multiplier": 1}, ValueError, "keep_multiplier: expected a finite number above"),
            ({"patience": 0}, ValueError, "patience: expected 1 to"),
            ({"threshold": "low"}, DTypeError, "threshold: expected a number"),
            ({"max_iterations": -1}, ValueError, "max_iterations: expected 0 to"),
            ({"initial_vocabulary": 0}, ValueError, "initial_vocabulary: expected 1 to"),
            ({"init": "uniform"}, ValueError, "init: expected one of gromov, wasserstein, spectra"),
            ({"final": "best"}, ValueError, "final: expected one of supervised"),
            ({"seed": -1}, ValueError, "seed: expected 0 to"),
            ({"checkpoint_every": 0}, ValueError, "checkpoint_every: expected 1 to"),
        ),
    ),
    _learning("self_learn", functools.partial(_learned, seed_pairs=None), "no dictionary", ()),
    _learning(
        "refine",
        functools.partial(iso.refine, seed_pairs=SEEDS),
        "",
        (
            *_LEARNING_REFUSALS,
            ({"iterations": -1}, ValueError, "iterations: expected 0 to"),
            ({"max_rank": 0}, ValueError, "max_rank: expected 1 to"),
            ({"max_size": 0}, ValueError, "max_size: expected 1 to"),
            ({"min_size": -1}, ValueError, "min_size: expected 0 to"),
            ({"threshold": float("inf")}, ValueError, "threshold: expected a finite number"),
        ),
    ),
)
