"""What a contract is, and which public functions there are to have one.

A contract says how to call a public function and what its array arguments look like; the tests in
`tests/contracts` then hold every function to the same promises.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import array_api_compat
import numpy as np

import isomorph as iso

#: Modules that are no library for arrays: their names need no contract.
NOT_LIBRARY = {
    "isomorph.benchmark",
    "isomorph.cli",
    "isomorph.plot",
    "isomorph.report",
    "isomorph.data",
    "isomorph.errors",
}


@dataclass(frozen=True)
class Argument:
    """One array argument of a function."""

    shape: tuple[int, ...]
    #: How many dimensions the function takes; by default those of `shape`.
    ndims: tuple[int, ...] = ()
    #: Draws the values.
    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] = lambda rng, shape: (
        rng.standard_normal(shape)
    )
    #: Whether no rows are refused.
    not_empty: bool = True
    #: Whether the result's type follows the other arguments, not this one.
    follows: bool = False
    #: Whether `check_finite=True` looks for NaN in it.
    finite: bool = True

    @property
    def allowed_ndims(self) -> tuple[int, ...]:
        return self.ndims or (len(self.shape),)


@dataclass(frozen=True)
class Contract:
    """How to call a public function, for the tests that hold for all of them."""

    #: As `public_callables` spells it.
    name: str
    arguments: dict[str, Argument]
    #: Takes the arrays by name and passes options on.
    call: Callable[..., Any]
    #: Tells contracts of one function apart.
    variant: str = ""
    #: Keywords that must be refused, with the error and words of its message.
    refused: tuple[tuple[dict[str, Any], type[Exception], str], ...] = ()
    #: Whether both backends give the same bytes; if not, they agree within rounding.
    selects: bool = False
    #: Keywords that the function takes.
    takes_threads: bool = True
    takes_progress: bool = False
    takes_memory: bool = False
    takes_check_finite: bool = True
    #: Whether other array libraries are served.
    takes_array_api: bool = True
    #: Arguments that must have as many columns as the first.
    same_columns: tuple[str, ...] = ()
    #: Ends of the paths of what has the type of the input, the rest being float64; empty: all.
    typed: tuple[str, ...] = ()
    #: Fields that are NumPy arrays whatever came in.
    on_host: tuple[str, ...] = ()
    #: Fields of the result that the input determines, so that backends can be compared; empty: all.
    #: (Singular vectors may change sign or basis.)
    unique: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.name}[{self.variant}]" if self.variant else self.name

    def arrays(self, dtype: str = "float32", seed: int = 0) -> dict[str, np.ndarray]:
        """Draw the arguments, C-contiguous and of the given type."""
        rng = np.random.default_rng([seed, *self.id.encode()])
        return {
            name: argument.draw(rng, argument.shape).astype(dtype)
            for name, argument in self.arguments.items()
        }


def like(x: Any, values: np.ndarray) -> Any:
    """Give `values` as an array of the library of `x`, where that is one."""
    if isinstance(x, np.ndarray) or not array_api_compat.is_array_api_obj(x):
        return values
    return array_api_compat.array_namespace(x).asarray(np.ascontiguousarray(values))


def parts(result: Any, path: str = "result") -> Iterator[tuple[str, Any]]:
    """Go through everything in a result that has values, with the path to it."""
    if dataclasses.is_dataclass(result):
        for member in dataclasses.fields(result):
            if member.name.startswith("_"):
                continue
            yield from parts(getattr(result, member.name), f"{path}.{member.name}")
    elif isinstance(result, dict):
        for key, value in result.items():
            yield from parts(value, f"{path}[{key!r}]")
    elif isinstance(result, list | tuple):
        for position, value in enumerate(result):
            yield from parts(value, f"{path}[{position}]")
    else:
        yield path, result


def content(result: Any) -> list[tuple[str, Any]]:
    """Return the result's values as bytes, to be compared exactly."""
    found = []
    for path, value in parts(result):
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            array = np.asarray(value)
            found.append((path, (array.dtype.str, array.shape, array.tobytes())))
        elif isinstance(value, float):
            found.append((path, value.hex()))
        elif value is None or isinstance(value, str | int | bytes | bool):
            found.append((path, value))
    return found


def array_parts(result: Any) -> list[tuple[str, Any]]:
    """Return the arrays in a result."""
    return [(path, value) for path, value in parts(result) if hasattr(value, "dtype")]


def assert_agree(contract: Contract, dtype: str, found: Any, expected: Any) -> None:
    """Selections have the same bytes; sums agree within what rounding allows."""
    if contract.selects:
        assert content(found) == content(expected)
        return
    for (path, left), (_, right) in zip(array_parts(found), array_parts(expected), strict=True):
        if contract.unique and path.rsplit(".", 1)[-1] not in contract.unique:
            continue
        left, right = np.asarray(left), np.asarray(right)
        assert left.dtype == right.dtype, path
        if left.dtype.kind != "f":
            np.testing.assert_array_equal(left, right, err_msg=path)
            continue
        scale = max(1.0, float(np.abs(right).max(initial=0)))
        bound = 64 * left.size * np.finfo(dtype).eps * scale
        np.testing.assert_allclose(left, right, rtol=0, atol=bound, err_msg=path)


def public_modules() -> Iterator[ModuleType]:
    """Go through the package and its public modules; what lies deeper they offer themselves."""
    yield iso
    for info in pkgutil.iter_modules(iso.__path__, "isomorph."):
        if not info.name.startswith("isomorph._") and info.name not in NOT_LIBRARY:
            yield importlib.import_module(info.name)


def public_callables() -> dict[str, Any]:
    """Return every public function and every public method of a public class, by short name.

    A function that several modules offer has one entry: under the top-level name if there is one
    (`topk`), else under that of the first module (`linalg.svd`). Methods are `Class.method`.
    """
    found: dict[int, tuple[str, Any]] = {}
    for module in public_modules():
        prefix = module.__name__.removeprefix("isomorph").lstrip(".")
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if not callable(thing) or isinstance(thing, ModuleType):
                continue
            if getattr(thing, "__module__", "").split(".")[0] != "isomorph":
                continue
            found.setdefault(id(thing), (f"{prefix}.{name}" if prefix else name, thing))
    answer: dict[str, Any] = {}
    for name, thing in found.values():
        if not inspect.isclass(thing):
            answer[name] = thing
            continue
        if issubclass(thing, BaseException):
            continue
        for member, value in vars(thing).items():
            plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            if not member.startswith("_") and inspect.isfunction(plain):
                answer[f"{thing.__name__}.{member}"] = plain
    return answer
