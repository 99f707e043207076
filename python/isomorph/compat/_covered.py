"""Which functions of other libraries have a drop-in, and what one does that cannot serve a call.

A drop-in has the signature of its original. Where it does not cover an argument it raises
:class:`NotCoveredError`, with the reason, before it does anything: then the original is called.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

__all__ = ["COVERED", "PACKAGES", "Covered", "NotCoveredError", "drop_in"]

P = ParamSpec("P")
R = TypeVar("R")
_Decorator = Callable[[Callable[P, R]], Callable[P, R]]

#: The libraries, and the extra of this package that brings each.
PACKAGES = {"ot": "ot", "scipy": "ot", "faiss": "peers"}


class NotCoveredError(Exception):
    """The reason for which a call is not ours to serve."""


@dataclass(frozen=True, slots=True)
class Covered:
    """A function or method of another library that has a drop-in.

    Attributes
    ----------
    module : str
        The public module that has it. Wherever else it was imported to is found by identity.
    attribute : str
        Its name there; ``Class.method`` for a method.
    drop_in : str
        ``module:name`` of what serves it; a function made by :func:`drop_in`.
    """

    module: str
    attribute: str
    drop_in: str

    @property
    def package(self) -> str:
        """The library's name, as :func:`isomorph.patch` takes it."""
        return self.module.partition(".")[0]

    @property
    def name(self) -> str:
        """The name to show."""
        return f"{self.module}.{self.attribute}"

    def serve(self, *args: Any, **kwargs: Any) -> Any:
        """Serve a call, or raise NotCoveredError."""
        module, _, name = self.drop_in.partition(":")
        return getattr(importlib.import_module(module), name).serve(*args, **kwargs)


def _of(module: str, drop_ins: str, *names: str) -> tuple[Covered, ...]:
    return tuple(Covered(module, name, f"isomorph.compat.{drop_ins}:{name}") for name in names)


#: Every call that is covered.
COVERED = (
    *_of("scipy.linalg", "scipy", "orthogonal_procrustes"),
    *_of("scipy.spatial", "scipy", "procrustes"),
    *_of(
        "ot.bregman",
        "pot.bregman",
        "sinkhorn",
        "sinkhorn2",
        "sinkhorn_knopp",
        "sinkhorn_log",
        "sinkhorn_stabilized",
    ),
    *_of("ot.solvers", "pot.solvers", "solve"),
    *_of("ot.batch", "pot.batch", "solve_batch"),
    *_of("faiss", "faiss", "knn"),
    Covered("faiss", "IndexFlat.search", "isomorph.compat.faiss:search"),
    Covered("faiss", "IndexFlatIP.search", "isomorph.compat.faiss:search"),
    Covered("faiss", "IndexFlatL2.search", "isomorph.compat.faiss:search"),
)


def drop_in(
    module: str, attribute: str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function serve what it covers, and hand other calls to the original, if there is one.

    The function itself is kept as the attribute ``serve``.
    """

    def decorate(serve: Callable[P, R]) -> Callable[P, R]:
        name = attribute or serve.__name__

        @functools.wraps(serve)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return serve(*args, **kwargs)
            except NotCoveredError as reason:
                original = _original(module, name, str(reason))
            answer: R = original(*args, **kwargs)
            return answer

        call.serve = serve  # type: ignore[attr-defined]
        return call

    return decorate


def _original(module: str, name: str, reason: str) -> Any:
    """Give the original of a drop-in, or say why it is needed."""
    package = module.partition(".")[0]
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{name}: isomorph does not cover this call ({reason}), and {module}, which would, is "
            f"not installed: pip install 'isomorph[{PACKAGES[package]}]'",
            name=package,
        ) from error
    return functools.reduce(getattr, name.split("."), found)
