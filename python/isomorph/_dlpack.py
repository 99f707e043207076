"""Arrays of torch and jax: read in place by DLPack, answered in kind.

A public function that is :func:`served` sees NumPy arrays only. Where it is given tensors, they
are lent to it as NumPy views of the same memory, and the arrays of its answer go back by the same
way, so that the core serves them and the numbers are those of NumPy. Nothing of this is done, and
neither library is imported, in a process that has not imported one of them itself.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

from isomorph import runtime
from isomorph._members import PLAIN, members, replaced
from isomorph._neighbour_libraries import NEIGHBOURS, Library
from isomorph.errors import DTypeError

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)

#: What the user gave to the call that is being served: for the id of an array, or of an object
#: that accumulates, whose it is.
_given: ContextVar[dict[int, str] | None] = ContextVar("given", default=None)

_NUMPY = "numpy on cpu"
#: The library of each other type that was met; None for all that are no tensors.
_LIBRARY_OF: dict[type, Library | None] = {}


def served(function: Callable[P, R], *, moves: bool = True) -> Callable[P, R]:
    """Let a public function or method take tensors of torch and jax, and answer with such.

    Tensors count wherever they stand: as arguments, in lists, tuples and dictionaries of them, and
    in the public fields of the package's own results, the method's own object included. Where
    :func:`isomorph.runtime.device` asks for a GPU and it `moves`, NumPy arrays are computed there.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # By name, one by one: that takes a tenth of a microsecond.
        if "torch" in sys.modules or "jax" in sys.modules:
            for value in (*args, *kwargs.values()):
                if type(value) not in PLAIN and _library_in(value) is not None:
                    return cast("R", _lend(function, args, kwargs))
        if moves and (gpu := runtime.gpu.get()) is not None:
            return cast("R", _compute(gpu, function, args, kwargs))
        return function(*args, **kwargs)

    return call


def served_on_cpu(function: Callable[P, R]) -> Callable[P, R]:
    """Serve what only the CPU does."""
    return served(function, moves=False)


class Home:
    """Whose the arrays are that an object has taken in; NumPy's, until it is lent others.

    An attribute `_home` of objects that accumulate; `_held` of such an object gives its arrays.
    """

    __slots__ = ("kind", "library")

    def __init__(self, library: Library | None = None, kind: str = _NUMPY) -> None:
        self.library = library
        self.kind = kind


def served_class(*others: str) -> Callable[[C], C]:
    """Serve the public methods, but for some, of a class whose objects have a :class:`Home`."""

    def serve(kind: C) -> C:
        for name, member in list(vars(kind).items()):
            if inspect.isfunction(member) and not name.startswith("_") and name not in others:
                setattr(kind, name, served(member))
        return kind

    return serve


def kind_of(array: Any) -> str | None:
    """Name library and device of an array as the user gave it; None if it is not the user's."""
    return (_given.get() or {}).get(id(array))


def require_readable(name: str, array: Any) -> None:
    """Raise if an array that is taken as it is, is a tensor that should not be."""
    if (library := _library_of(type(array))) is not None:
        library.require_readable(name, array)


def refuse_mixtures(arrays: dict[str, Any]) -> None:
    """Raise if arrays of one call, NumPy's by now, were given by different libraries."""
    if _given.get() is not None:
        kinds = {name: kind_of(array) for name, array in arrays.items()}
        _refuse_different({name: kind for name, kind in kinds.items() if kind is not None})


def _refuse_different(kinds: dict[str, str]) -> None:
    """Raise unless all of the named arrays are of one library and device."""
    if len(set(kinds.values())) < 2:
        return
    (first, expected), *others = kinds.items()
    name, came = next((name, came) for name, came in others if came != expected)
    raise DTypeError(
        f"{name}: expected an array of the same library and device as {first} ({expected}), "
        f"got {came}; move one of them first"
    )


def _library_of(kind: type) -> Library | None:
    try:
        return _LIBRARY_OF[kind]
    except KeyError:
        found = next((one for one in NEIGHBOURS.values() if one.owns(kind)), None)
        # A library that is still being imported is asked again.
        if found is not None or all(one.settled() for one in NEIGHBOURS.values()):
            _LIBRARY_OF[kind] = found
        return found


def _library_in(value: Any) -> Library | None:
    """Find the library of the first tensor in a value."""
    if type(value) in PLAIN:
        return None
    if (found := _library_of(type(value))) is not None:
        return found
    if (home := getattr(value, "_home", None)) is not None:
        # While one of its methods runs, others that this one calls have nothing to bring back.
        return None if kind_of(value) is not None else cast("Home", home).library
    return next((one for _, part in members(value) if (one := _library_in(part))), None)


def _bound(function: Any, args: Any, kwargs: Any) -> inspect.BoundArguments | None:
    """Give the arguments by name; None if they do not fit, of which Python's own error tells."""
    try:
        return _signature(function).bind(*args, **kwargs)
    except TypeError:
        return None


@functools.cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def _compute(gpu: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call a function on a GPU, or where that is not for one."""
    from isomorph import _on_device

    if (bound := _bound(function, args, kwargs)) is None or _on_device.stays(bound.arguments):
        return function(*args, **kwargs)
    return _on_device.compute(gpu, function, args, kwargs)


def _lend(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function with views of the tensors among its arguments."""
    if (bound := _bound(function, args, kwargs)) is None:
        return function(*args, **kwargs)
    loan = _Loan()
    for name, value in bound.arguments.items():
        loan.survey(name, value)
    _refuse_different(loan.kinds)
    for name, value in bound.arguments.items():
        bound.arguments[name] = loan.lent(name, value)
    with _remembered(loan.kinds_by_id):
        answer = function(*bound.args, **bound.kwargs)
    if args and hasattr(args[0], "_home"):
        args[0]._home = loan.home
    return loan.returned(answer)


@contextmanager
def _remembered(kinds: dict[int, str]) -> Iterator[None]:
    token, gpu = _given.set((_given.get() or {}) | kinds), runtime.gpu.set(None)
    try:
        yield
    finally:
        runtime.gpu.reset(gpu)
        _given.reset(token)


class _Loan:
    """The tensors of one call, and their views."""

    def __init__(self) -> None:
        self.home = Home()
        #: Of each tensor by the name of its place, whose it is.
        self.kinds: dict[str, str] = {}
        #: Of each array that the function will see, whose it is.
        self.kinds_by_id: dict[int, str] = {}
        self._views: dict[int, Any] = {}

    def survey(self, name: str, value: Any) -> None:
        """Note the libraries and devices of all tensors before any of them is touched."""
        if isinstance(value, np.ndarray):
            self.kinds_by_id[id(value)] = _NUMPY
        elif type(value) in PLAIN:
            return
        elif (library := _library_of(type(value))) is not None:
            library.require_readable(name, value)
            self.kinds[name] = f"{library.name} on {library.device(value)}"
            if self.home.library is None:
                self.home = Home(library, self.kinds[name])
        elif (home := getattr(value, "_home", None)) is not None:
            self.kinds_by_id |= {id(array): home.kind for array in (value, *value._held())}
            if self.home.library is None:
                self.home = home
        else:
            for place, part in members(value):
                self.survey(f"{name}{place}", part)

    def lent(self, name: str, value: Any) -> Any:
        """Give a value with views in the place of tensors; one tensor has one view."""
        library = None if type(value) in PLAIN else _library_of(type(value))
        if library is None:
            return replaced(value, lambda place, part: self.lent(f"{name}{place}", part))
        if id(value) not in self._views:
            view = library.view(name, value)
            self._views[id(value)] = view
            self.kinds_by_id[id(view)] = self.kinds[name]
        return self._views[id(value)]

    def returned(self, answer: Any) -> Any:
        """Give an answer with tensors in the place of its arrays."""
        library = self.home.library
        assert library is not None
        if isinstance(answer, np.ndarray) or library.is_foreign(answer):
            return library.tensor(answer)
        if hasattr(answer, "_home"):
            answer._home = self.home
            return answer
        return replaced(answer, lambda _, part: self.returned(part))
