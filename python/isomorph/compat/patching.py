"""Serve the calls that unchanged code makes to other libraries: :func:`isomorph.patch`.

A covered function is replaced wherever a module holds it, also in modules that are imported later.
The replacement tries the drop-in, and calls the original if that does not cover the call, or fails.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import importlib.machinery
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType, TracebackType
from typing import Any

from isomorph.compat._covered import COVERED, PACKAGES, Covered, NotCoveredError

__all__ = ["Calls", "Patch", "patch"]


@dataclass(slots=True)
class Calls:
    """What became of the calls to one function.

    Attributes
    ----------
    served : int
        Calls that isomorph answered.
    seconds_served : float
        Their time.
    passed : Counter of str
        Calls that went to the original, by reason.
    seconds_passed : float
        Their time.
    """

    served: int = 0
    seconds_served: float = 0.0
    passed: Counter[str] = field(default_factory=Counter)
    seconds_passed: float = 0.0


class Patch(contextlib.ContextDecorator):
    """A context in which calls to other libraries are served; made by :func:`patch`.

    Attributes
    ----------
    packages : tuple of str
        Whose calls.
    calls : dict of str to Calls
        What happened so far, by the name of the function.
    """

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.packages = packages
        self.calls: dict[str, Calls] = {}

    def __enter__(self) -> Patch:
        _patching.begin(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _patching.end(self)

    def _recreate_cm(self) -> Patch:
        # A decorated function may call itself, or run in two threads.
        return Patch(self.packages)

    def table(self) -> str:
        """Return what happened as lines of text: calls, seconds, and why calls went on."""
        if not self.calls:
            return f"no covered call to {', '.join(self.packages)} was made"
        lines = [("call", "served", "seconds", "passed on", "seconds", "why")]
        for name, calls in sorted(self.calls.items()):
            why = "; ".join(
                reason + (f" ({count} x)" if count > 1 else "")
                for reason, count in calls.passed.most_common()
            )
            lines.append(
                (
                    name,
                    str(calls.served),
                    f"{calls.seconds_served:.2f}",
                    str(calls.passed.total()),
                    f"{calls.seconds_passed:.2f}",
                    why,
                )
            )
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = []
        for name, *numbers, why in lines:
            cells = [name.ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(numbers, widths[1:5], strict=True)]
            text.append("  ".join([*cells, why]).rstrip())
        return "\n".join(text)

    def _note(self, name: str, seconds: float, reason: str | None) -> None:
        calls = self.calls.setdefault(name, Calls())
        if reason is None:
            calls.served += 1
            calls.seconds_served += seconds
        else:
            calls.passed[reason] += 1
            calls.seconds_passed += seconds


def patch(*packages: str) -> Patch:
    """Serve the calls of unchanged code to other libraries, where isomorph covers them.

    As a context (``with isomorph.patch("ot"):``) or a decorator. Inside, the covered functions of
    the packages are replaced, in whatever module holds them, and in modules that are imported
    inside. A call with arguments that are not covered, and one that fails, goes to the original:
    its answer, or its error, is what the caller gets. Afterwards everything is as it was; who kept
    a replacement calls the original.

    Parameters
    ----------
    *packages : {"ot", "scipy", "faiss"}
        Whose functions. They need not be installed, nor be imported before.

    Returns
    -------
    Patch
        With ``.calls`` and ``.table()``: calls served, calls passed on and why, seconds.

    Raises
    ------
    ValueError
        No package, or one that is not covered.

    Notes
    -----
    For the whole process: calls of all threads are served. Contexts may be nested; each counts the
    calls made while it is open. Processes that are started inside begin without.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> import scipy.linalg
    >>> with iso.patch("scipy") as calls:
    ...     turn, scale = scipy.linalg.orthogonal_procrustes(np.eye(3), np.eye(3))
    >>> calls.calls["scipy.linalg.orthogonal_procrustes"].served
    1
    """
    if not packages:
        raise ValueError(f"packages: expected some of {', '.join(PACKAGES)}, got none")
    for package in packages:
        if package not in PACKAGES:
            raise ValueError(f"packages: expected some of {', '.join(PACKAGES)}, got {package!r}")
    return Patch(tuple(dict.fromkeys(packages)))


@dataclass(slots=True)
class _Replaced:
    """A function that is replaced just now."""

    owner: Any
    attribute: str
    original: Any
    replacement: Any


class _Patching:
    """What is replaced in this process, and for whom."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.open: list[Patch] = []
        self.replaced: dict[Covered, _Replaced] = {}
        self.finder = _Finder(self)
        #: Inside a drop-in or an original what they call is theirs.
        self.inside = threading.local()

    def begin(self, patch: Patch) -> None:
        with self.lock:
            self.open.append(patch)
            if self.finder not in sys.meta_path:
                sys.meta_path.insert(0, self.finder)
            self.replace(covered for covered in COVERED if covered.package in patch.packages)

    def end(self, patch: Patch) -> None:
        with self.lock:
            # By identity: two patches with the same packages are two.
            at = max(i for i, other in enumerate(self.open) if other is patch)
            del self.open[at]
            wanted = self.packages()
            self.restore([one for one in self.replaced if one.package not in wanted])
            if not self.open:
                with contextlib.suppress(ValueError):
                    sys.meta_path.remove(self.finder)

    def packages(self) -> set[str]:
        return {package for patch in self.open for package in patch.packages}

    def loaded(self, module: str) -> None:
        """Replace what a module that was just loaded offers."""
        with self.lock:
            wanted = self.packages()
            self.replace(one for one in COVERED if one.module == module and one.package in wanted)

    def replace(self, several: Iterator[Covered]) -> None:
        exchanged = {}
        for covered in several:
            found = None if covered in self.replaced else _find(covered)
            if found is not None:
                owner, attribute, original = found
                replacement = self.replacement(covered, original)
                self.replaced[covered] = _Replaced(owner, attribute, original, replacement)
                if isinstance(owner, type):
                    setattr(owner, attribute, replacement)
                else:
                    exchanged[id(original)] = (original, replacement)
        _exchange(exchanged)

    def restore(self, several: Sequence[Covered]) -> None:
        exchanged = {}
        for covered in several:
            gone = self.replaced.pop(covered)
            if isinstance(gone.owner, type):
                setattr(gone.owner, gone.attribute, gone.original)
            else:
                exchanged[id(gone.replacement)] = (gone.replacement, gone.original)
        _exchange(exchanged)

    def replacement(self, covered: Covered, original: Callable[..., Any]) -> Callable[..., Any]:
        """Make what stands for a function while it is replaced."""

        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            counting = [one for one in tuple(self.open) if covered.package in one.packages]
            if not counting or getattr(self.inside, "on", False):
                return original(*args, **kwargs)
            reason: str | None = None
            self.inside.on = True
            begin = time.perf_counter()
            try:
                try:
                    return covered.serve(*args, **kwargs)
                except NotCoveredError as error:
                    reason = str(error)
                except Exception as error:
                    reason = f"{type(error).__name__}: {error}".partition("\n")[0]
                begin = time.perf_counter()
                return original(*args, **kwargs)
            finally:
                seconds = time.perf_counter() - begin
                self.inside.on = False
                with self.lock:
                    for one in counting:
                        one._note(covered.name, seconds, reason)

        return call


class _Finder(importlib.abc.MetaPathFinder):
    """Finds as the other finders do, and tells when a module with covered functions is loaded."""

    def __init__(self, patching: _Patching) -> None:
        self.patching = patching

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not any(covered.module == fullname for covered in COVERED):
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self.patching)
                return spec
        return None


class _Loader(importlib.abc.Loader):
    """Loads with another loader, and leaves that one in the module."""

    def __init__(self, loader: Any, patching: _Patching) -> None:
        self.loader, self.patching = loader, patching

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self.loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        self.patching.loaded(module.__name__)


def _find(covered: Covered) -> tuple[Any, str, Any] | None:
    """Find a function in what is loaded: its owner, its name there, and itself."""
    owner: Any = sys.modules.get(covered.module)
    *path, attribute = covered.attribute.split(".")
    for step in path:
        owner = _of(owner).get(step)
    original = _of(owner).get(attribute)
    return None if original is None else (owner, attribute, original)


def _of(owner: Any) -> Any:
    """Give what an object holds, without waking what it would load when asked."""
    try:
        return object.__getattribute__(owner, "__dict__") if owner is not None else {}
    except AttributeError:
        return {}


def _exchange(exchanged: dict[int, tuple[Any, Any]]) -> None:
    """Exchange objects, given by identity, in all modules that are loaded but our own."""
    if not exchanged:
        return
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "isomorph":
            continue
        held = _of(module)
        for attribute, value in list(held.items()) if isinstance(held, dict) else ():
            pair = exchanged.get(id(value))
            if pair is not None and pair[0] is value:
                held[attribute] = pair[1]


_patching = _Patching()
