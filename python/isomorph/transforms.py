"""What alignment methods do to vectors before they fit: lengths, means, and chains of both.

A function changes one set. A :class:`Chain` is fitted on one set, usually a whole vocabulary, and
applied to another: the fitted means and norms travel with it, so that new vectors land where the
old ones are.

>>> import numpy as np, isomorph as iso
>>> x = np.random.default_rng(0).standard_normal((100, 5))
>>> fitted = iso.transforms.Chain.parse("unit centre unit").fit(x)
>>> fitted(x[:10]).shape
(10, 5)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isomorph import _arrays, runtime
from isomorph._backends import Run
from isomorph._dlpack import served
from isomorph.errors import FormatError, ShapeError

__all__ = [
    "Chain",
    "FittedChain",
    "centeremb",
    "centre",
    "iterative_normalize",
    "unit",
    "unitdim",
]

#: Spellings: VecMap's, British and American.
_STEPS = {
    "unit": "unit",
    "centre": "centre",
    "center": "centre",
    "unitdim": "unitdim",
    "centeremb": "centeremb",
    "centreemb": "centeremb",
    "iternorm": "iternorm",
}
_FITTED = ("centre", "unitdim", "iternorm")
_ITERATIONS = 5


@served
def unit(x: Any, *, check_finite: bool = True, threads: int | None = None) -> Any:
    """Divide each row by its Euclidean norm; zero rows stay zero.

    Parameters
    ----------
    x : array of shape (n, d)
        float16 and bfloat16 give float32.
    check_finite : bool, default True
        Refuse NaN and infinities.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the answer depends on it.

    Returns
    -------
    array of shape (n, d)
        A new array. Norms are float64; the quotient is rounded once.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> iso.transforms.unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    return Chain(("unit",)).fit_apply(x, check_finite=check_finite, threads=threads)[1]


@served
def centre(x: Any, *, check_finite: bool = True, threads: int | None = None) -> Any:
    """Subtract the mean row.

    The mean is accumulated in float64 over blocks of 4,096 rows, combined in order; the difference
    is rounded once. Parameters and result as for :func:`unit`.
    """
    return Chain(("centre",)).fit_apply(x, check_finite=check_finite, threads=threads)[1]


@served
def unitdim(x: Any, *, check_finite: bool = True, threads: int | None = None) -> Any:
    """Divide each column by its Euclidean norm; zero columns stay zero (VecMap's "unitdim").

    Parameters and result as for :func:`unit`.
    """
    return Chain(("unitdim",)).fit_apply(x, check_finite=check_finite, threads=threads)[1]


@served
def centeremb(x: Any, *, check_finite: bool = True, threads: int | None = None) -> Any:
    """Subtract from each row the mean of its own values (VecMap's "centeremb").

    Parameters and result as for :func:`unit`.
    """
    return Chain(("centeremb",)).fit_apply(x, check_finite=check_finite, threads=threads)[1]


@served
def iterative_normalize(
    x: Any,
    *,
    iterations: int = _ITERATIONS,
    check_finite: bool = True,
    threads: int | None = None,
) -> Any:
    """Alternate :func:`unit` and :func:`centre` until rows have unit length *and* mean zero.

    Parameters
    ----------
    x : array of shape (n, d)
        As for :func:`unit`.
    iterations : int, default 5
        Rounds at most; they end early when the mean has become rounding error.
    check_finite, threads
        As for :func:`unit`.

    Returns
    -------
    array of shape (n, d)
        Mean zero to rounding, lengths nearly one.

    References
    ----------
    Zhang et al., "Are girls neko or shojo? Cross-lingual alignment of non-isomorphic embeddings
    with iterative normalization", ACL 2019.
    """
    chain = Chain((f"iternorm:{iterations}",))
    return chain.fit_apply(x, check_finite=check_finite, threads=threads)[1]


@dataclass(frozen=True)
class Chain:
    """Steps in order, not yet fitted.

    Attributes
    ----------
    steps : tuple of str
        Of ``"unit"``, ``"centre"`` (or ``"center"``), ``"unitdim"``, ``"centeremb"`` and
        ``"iternorm"``, which may name its rounds: ``"iternorm:3"``.
    """

    steps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(_canonical(step) for step in self.steps))

    @classmethod
    def parse(cls, text: str | Chain | None) -> Chain:
        """Read a chain as VecMap writes it: ``"unit center unit"``, also with commas.

        ``"none"``, the empty string and None are the empty chain; a chain is itself.

        Examples
        --------
        >>> import isomorph as iso
        >>> iso.transforms.Chain.parse("unit, center, unit").steps
        ('unit', 'centre', 'unit')
        """
        if isinstance(text, Chain):
            return text
        if not isinstance(text, str | None):
            raise TypeError(f"chain: expected a text such as 'unit center unit', got {text!r}")
        words = [word for word in re.split(r"[\s,]+", text or "") if word]
        return cls(() if words == ["none"] else tuple(words))

    @served
    def fit(self, x: Any, *, check_finite: bool = True, threads: int | None = None) -> FittedChain:
        """Fit means and norms on the rows of `x`, each step on what the one before it leaves.

        Parameters
        ----------
        x : array of shape (n, d)
            Usually a whole vocabulary.
        check_finite, threads
            As for :func:`unit`.
        """
        return self.fit_apply(x, check_finite=check_finite, threads=threads)[0]

    @served
    def fit_apply(
        self, x: Any, *, check_finite: bool = True, threads: int | None = None
    ) -> tuple[FittedChain, Any]:
        """Fit on `x` and give the changed `x`, too: what fitting computes anyway.

        O(n d) a step; peak memory beyond the result: one more copy of `x`.
        """
        run = Run(runtime.resolve_threads(threads))
        ready, values = _ready(x, check_finite)
        fitted = []
        for step in self.steps:
            parameters, values = _fit_step(step, ready, values, run)
            fitted.append(parameters)
        if not self.steps:
            values = _copy(ready, values)
        return FittedChain(self, tuple(fitted), int(values.shape[1])), values

    def __str__(self) -> str:
        return " ".join(self.steps) or "none"


@dataclass(frozen=True, eq=False)
class FittedChain:
    """A chain with the means and norms of the set that it was fitted on.

    Attributes
    ----------
    chain : Chain
        The steps.
    parameters : tuple
        For each step None, or a float64 array: the mean of ``"centre"`` (d,), the norms of
        ``"unitdim"`` (d,), the means of the rounds of ``"iternorm"`` (rounds, d).
    dimension : int
        d.
    """

    chain: Chain
    parameters: tuple[Any, ...] = field(repr=False)
    dimension: int

    @served
    def apply(self, x: Any, *, check_finite: bool = True, threads: int | None = None) -> Any:
        """Change the rows of `x` (m, d) as the fitted set's were; a new array.

        Parameters
        ----------
        x : array of shape (m, d)
            Of the library and device that the chain was fitted on.
        check_finite, threads
            As for :func:`unit`.
        """
        run = Run(runtime.resolve_threads(threads))
        ready, values = _ready(x, check_finite)
        if values.shape[1] != self.dimension:
            raise ShapeError(
                f"x: expected {self.dimension} columns, as the chain was fitted on, got shape "
                f"{tuple(values.shape)}"
            )
        for step, parameters in zip(self.chain.steps, self.parameters, strict=True):
            values = _apply_step(step, parameters, ready, values, run)
        return values if self.chain.steps else _copy(ready, values)

    __call__ = apply

    def to_arrays(self) -> tuple[str, dict[str, Any]]:
        """Give the steps as text and the fitted arrays by the number of their step."""
        arrays = {str(i): p for i, p in enumerate(self.parameters) if p is not None}
        return str(self.chain), arrays

    @classmethod
    def from_arrays(cls, text: str, arrays: Mapping[str, Any], dimension: int) -> FittedChain:
        """Build the chain that :meth:`to_arrays` took apart."""
        chain = Chain.parse(text)
        parameters = []
        for i, step in enumerate(chain.steps):
            array = arrays.get(str(i))
            name = step.partition(":")[0]
            axes = {"iternorm": 2}.get(name, 1) if name in _FITTED else None
            shape = None if array is None else tuple(array.shape)
            if (None if shape is None else len(shape)) != axes or (
                shape is not None and shape[-1] != dimension
            ):
                raise FormatError(
                    f"step {i} of the chain {text!r}: expected "
                    f"{f'{dimension} fitted values' if axes else 'nothing fitted'}, got "
                    f"{'nothing' if shape is None else f'shape {shape}'}"
                )
            parameters.append(array)
        return cls(chain, tuple(parameters), dimension)

    def __str__(self) -> str:
        return f"{self.chain} (fitted, {self.dimension} columns)"


def _canonical(step: str) -> str:
    name, colon, rounds = str(step).strip().lower().partition(":")
    if name not in _STEPS:
        raise ValueError(f"chain: expected steps of {', '.join(_STEPS)}, got {step!r}")
    name = _STEPS[name]
    if name != "iternorm":
        if colon:
            raise ValueError(f"chain: expected {name!r} without a number, got {step!r}")
        return name
    if colon and not (rounds.isascii() and rounds.isdigit() and 1 <= int(rounds) <= 1000):
        raise ValueError(f"iterations: expected 1 to 1000 rounds of iternorm, got {rounds!r}")
    return f"iternorm:{int(rounds) if colon else _ITERATIONS}"


def _ready(x: Any, check_finite: bool) -> tuple[_arrays.Prepared, Any]:
    arguments = _arrays.Arguments(x=x)
    arguments.require_not_empty()
    ready = arguments.ready(check_finite=check_finite)
    return ready, ready.arrays[0]


def _copy(ready: _arrays.Prepared, values: Any) -> Any:
    return values.copy() if ready.namespace is None else ready.namespace.asarray(values, copy=True)


def _fit_step(step: str, ready: _arrays.Prepared, values: Any, run: Run) -> tuple[Any, Any]:
    """Give what a step learns from `values`, and what it makes of them."""
    backend = ready.backend
    name, _, rounds = step.partition(":")
    if name == "iternorm":
        return _iterate(ready, values, int(rounds), run)
    learned = None
    if name == "centre":
        learned = backend.column_means(values, run)
    elif name == "unitdim":
        learned = backend.column_norms(values, run)
    return learned, _apply_step(step, learned, ready, values, run)


def _apply_step(step: str, learned: Any, ready: _arrays.Prepared, values: Any, run: Run) -> Any:
    name = step.partition(":")[0]
    operation = {
        "unit": "unit",
        "centre": "subtract",
        "unitdim": "divide",
        "centeremb": "centre row",
    }
    if name != "iternorm":
        return ready.backend.transform_rows(values, operation[name], learned, run)
    for i in range(learned.shape[0]):
        values = ready.backend.transform_rows(values, "unit", None, run)
        values = ready.backend.transform_rows(values, "subtract", learned[i, ...], run)
    return values


def _iterate(ready: _arrays.Prepared, values: Any, rounds: int, run: Run) -> tuple[Any, Any]:
    xp = _namespace(ready)
    # Means of unit rows: below this they are what rounding to the type leaves.
    settled = 2.0**-24 if ready.dtype == "float32" else 2.0**-53
    means: list[Any] = []
    for _ in range(rounds):
        values = ready.backend.transform_rows(values, "unit", None, run)
        mean = ready.backend.column_means(values, run)
        values = ready.backend.transform_rows(values, "subtract", mean, run)
        means.append(mean)
        if float(xp.max(xp.abs(mean))) <= settled:
            break
    return xp.stack(means), values


def _namespace(ready: _arrays.Prepared) -> Any:
    if ready.namespace is not None:
        return ready.namespace
    import numpy as np

    return np
