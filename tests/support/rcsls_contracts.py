"""The contracts of RCSLS, for the table of all of them."""

from __future__ import annotations

import functools

import numpy as np

import isomorph as iso
from isomorph.errors import DTypeError, NonFiniteError, ShapeError
from support.contracts import Argument, Contract

SHAPES = {"source": (31, 7), "target": (31, 5), "source_space": (43, 7), "target_space": (37, 5)}


def _contract(variant: str, names: tuple[str, ...], refused=(), **options) -> Contract:
    return Contract(
        "fit_map",
        {name: Argument(SHAPES[name], ndims=(2, 3)) for name in names},
        functools.partial(iso.fit_map, method="rcsls", **options),
        variant=f"rcsls, {variant}",
        takes_progress=True,
        typed=(".matrix",),
        unique=("matrix",),
        refused=refused,
    )


def _out_of_range(name: str, words: str, *values):
    return tuple(({name: value}, ValueError, f"{name}: {words}") for value in values)


RCSLS = (
    _contract(
        "search",
        tuple(SHAPES),
        (
            *_out_of_range("neighborhood", "expected 1 to 37", 0, -1, 38, True),
            *_out_of_range("negatives", "expected an integer of 1 or more", 0, True),
            *_out_of_range("iterations", "expected an integer of 0 or more", -1, True),
            *_out_of_range("reg", "expected a finite number of at least 0", -1e-9),
            *_out_of_range("tolerance", "expected a finite number of at least 0", -1.0),
            *_out_of_range("tolerance", "expected a finite number", float("nan"), float("inf")),
            *_out_of_range("learning_rate", "expected parity=True", 2.0),
            *_out_of_range("translate", "method 'rcsls' does not", True),
            *_out_of_range(
                "held_out", "expected a finite number of at least 0, below 1", 1.0, -0.1
            ),
            *_out_of_range("seed", "expected an integer of 0 or more", -1),
            ({"parity": True, "held_out": 0.1}, ValueError, "held_out: expected None with parity"),
            ({"negatives": 9}, ValueError, "neighborhood: expected 1 to 9"),
            ({"neighborhood": 2.5}, DTypeError, "neighborhood: expected an integer"),
            ({"reg": "much"}, DTypeError, "reg: expected a number"),
            ({"start": np.eye(7)}, ShapeError, r"start: expected shape \(7, 5\)"),
            ({"start": np.full((7, 5), np.nan)}, NonFiniteError, "start: row 0"),
            ({"start": np.zeros((7, 5))}, ValueError, "start: expected a matrix that is not zero"),
            ({"start": "here"}, DTypeError, "start: expected an array"),
            (
                {"start": iso.LinearMap(np.eye(7, 5), np.ones(7))},
                ValueError,
                "start: expected a map without means",
            ),
            (
                {"parity": True, "learning_rate": 0.0},
                ValueError,
                "(learning_rate|tolerance): expected",
            ),
        ),
        tolerance=0.05,
    ),
    _contract("spectral", ("source", "target"), spectral=True, reg=0.1, tolerance=0.05),
    _contract("parity", tuple(SHAPES), parity=True, neighborhood=4),
)
