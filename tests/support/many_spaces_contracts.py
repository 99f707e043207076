"""The contracts of what takes many problems or many spaces, for the table of all of them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import isomorph as iso
from isomorph.errors import DTypeError
from support.contracts import Argument, Contract

Refused = tuple[tuple[dict[str, Any], type[Exception], str], ...]

_UNIQUE = ("matrix", "source_mean", "target_mean")


def _problems(**given: Any) -> list[Any]:
    """Put together two problems, the first of pairs that stay as they are."""
    sides = [given.pop(f"problems.1.{side}") for side in ("source", "target")]
    rows = np.random.default_rng(0).standard_normal((9, 4))
    # The library of the first side is that of the other problem, where it has one.
    return [(rows.astype("float32"), rows[:, ::-1].astype("float32")), tuple(sides)]


def _fit_maps(**given: Any) -> Any:
    options = {name: value for name, value in given.items() if not name.startswith("problems")}
    return iso.fit_maps(_problems(**given), **options)[1]


_SPACES = {
    f"spaces.{name}": Argument((31, columns), draw=draw)
    for name, columns, draw in (
        ("en", 7, lambda rng, shape: rng.standard_normal(shape)),
        ("fr", 7, lambda rng, shape: rng.standard_normal(shape)),
        ("fi", 5, lambda rng, shape: rng.standard_normal(shape)),
    )
}

_LABELS = np.arange(31)


def _generalized(**given: Any) -> Any:
    spaces = {
        name.removeprefix("spaces."): given.pop(name)
        for name in list(given)
        if name.startswith("spaces.")
    }
    # What the rounds end at is determined to their tolerance; a few rounds, to rounding.
    return iso.generalized_procrustes(spaces, **{"tol": 0.9, **given})


def _consensus(**given: Any) -> Any:
    hub = iso.CommonSpace(
        {
            "en": iso.LinearMap(_like(given["spaces.en"], np.eye(7, 3))),
            "fr": iso.LinearMap(_like(given["spaces.fr"], np.eye(7, 3, k=1))),
        }
    )
    spaces = {name: given.pop(f"spaces.{name}") for name in ("en", "fr")}
    return hub.consensus(spaces, **given)


def _add(**given: Any) -> Any:
    rows = given.pop("known.en.0"), given.pop("known.en.1")
    hub = iso.CommonSpace({"en": iso.LinearMap(_like(rows[1], np.eye(7, 3)))})
    return hub.add("fr", {"en": rows}, **given)["fr"]


def _like(x: Any, values: np.ndarray) -> Any:
    import array_api_compat

    if isinstance(x, np.ndarray) or not array_api_compat.is_array_api_obj(x):
        return values
    return array_api_compat.array_namespace(x).asarray(values)


_REFUSALS: Refused = (
    ({"pivot": "ru"}, ValueError, "pivot: expected one of en, fr, fi, got 'ru'"),
    ({"max_iterations": 0}, ValueError, "max_iterations: expected an integer of 1 or more"),
    ({"max_iterations": True}, ValueError, "max_iterations: expected an integer of 1 or more"),
    ({"max_iterations": 1.5}, DTypeError, "max_iterations: expected an integer"),
    ({"tol": float("nan")}, ValueError, "tol: expected a finite number"),
    ({"tol": "small"}, DTypeError, "tol: expected a number"),
)

MANY_SPACES = (
    Contract(
        "fit_maps",
        {f"problems.1.{side}": Argument((31, 5), ndims=(2, 3)) for side in ("source", "target")},
        _fit_maps,
        takes_progress=True,
        typed=(".matrix",),
        unique=_UNIQUE,
        refused=(
            ({"method": "magic"}, ValueError, "method: expected one of procrustes"),
            ({"alpha": 1.0}, ValueError, "alpha: method 'procrustes' takes scale"),
        ),
    ),
    *(
        Contract(
            "generalized_procrustes",
            _SPACES,
            functools.partial(_generalized, **options),
            variant=variant,
            takes_progress=True,
            typed=(".matrix",),
            unique=_UNIQUE,
            refused=refused,
        )
        for variant, options, refused in (
            ("rows", {}, _REFUSALS),
            ("all", {"scale": True, "translate": True, "allow_reflection": False}, ()),
            ("pivot", {"pivot": "en"}, ()),
        )
    ),
    Contract(
        "CommonSpace.consensus",
        {name: argument for name, argument in _SPACES.items() if name != "spaces.fi"},
        _consensus,
    ),
    Contract(
        "CommonSpace.add",
        {f"known.en.{side}": Argument((31, 7)) for side in (0, 1)},
        _add,
        takes_progress=True,
        typed=(".matrix",),
        unique=_UNIQUE,
    ),
)

_SIDES = {"source": Argument((37, 7)), "target": Argument((41, 5))}
_SAME = {"source": Argument((37, 7)), "mapped": Argument((37, 5)), "target": Argument((41, 5))}
_SPECTRA = tuple(
    f"{side}_{values}"
    for side in ("source", "target")
    for values in ("singular_values", "eigenvalues")
)


def _isometry(source: Any, target: Any, **options: Any) -> Any:
    rows = np.arange(30)
    return iso.metrics.isometry(
        source, target, (rows, rows), **{"resamples": 20, "neighbors": 4, **options}
    )


def _hubness(source: Any, mapped: Any, target: Any, k: int = 3, **options: Any) -> Any:
    return iso.metrics.hubness_by_method(source, mapped, target, k, neighborhood=4, **options)


#: What tells before a map is fitted, and after.
SHAPES = (
    Contract(
        "metrics.isometry",
        _SIDES,
        _isometry,
        takes_progress=True,
        typed=("nothing",),
        on_host=_SPECTRA,
        # Neighbours that are as near but for rounding may change places in the graph.
        unique=_SPECTRA[::2],
        refused=(
            ({"rows": 1}, ValueError, "rows: expected an integer of 2 or more"),
            ({"neighbors": 0}, ValueError, "neighbors: expected an integer of 1 or more"),
            ({"words": 2.5}, DTypeError, "words: expected an integer"),
            ({"chain": "turn"}, ValueError, "chain: expected steps of unit"),
            ({"resamples": 0}, ValueError, "resamples: expected an integer of 1 or more"),
        ),
    ),
    Contract(
        "metrics.hubness_by_method",
        _SAME,
        _hubness,
        selects=True,
        takes_progress=True,
        same_columns=(),
        on_host=("counts",),
        refused=(
            ({"k": 0}, ValueError, "k: expected 1 to 41"),
            ({"rows": 0}, ValueError, "rows: expected an integer of 1 or more"),
        ),
    ),
)

_HUB = "takes names or a file; tests/unit/test_many_spaces.py"
MANY_SPACES_WITHOUT_ARRAYS = {
    "CommonSpace.between": _HUB,
    "CommonSpace.load": _HUB,
    "CommonSpace.save": _HUB,
    "Isometry.as_dict": "a result tells about itself; tests/unit",
}
