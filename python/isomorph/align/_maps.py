"""Affine maps between two spaces, one or a stack of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from isomorph import _arrays, runtime
from isomorph._backends import Run
from isomorph._distributed import distributed
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._stacks import as_stack, reshape
from isomorph.align import _files
from isomorph.errors import DTypeError, NonFiniteError, ShapeError

if TYPE_CHECKING:
    from isomorph.align._selection import Selection


@dataclass(frozen=True, eq=False)
class LinearMap:
    r"""The map :math:`x \mapsto s\,(x - \bar x) W + \bar y`, or a stack of b such maps.

    Call it, or use :meth:`apply`. It is made by :func:`isomorph.align.procrustes` and other fits,
    by :meth:`inverse` and :meth:`then`, or by hand.

    Attributes
    ----------
    matrix : array of shape (d, e) or (b, d, e)
        W, float32 or float64.
    source_mean, target_mean : array of shape (d,) and (e,), or (b, d) and (b, e); or None
        float64; None is zero.
    scale : float, or float64 array of shape (b,)
        s.
    orthogonal : bool
        W has orthonormal rows (d <= e) or columns (d >= e), to the rounding of its type.
    method : str
        How the map was made.
    metrics : dict
        What the fit says about itself: numbers, or lists of them for a stack.
    provenance : dict
        Where the map comes from; add what you like that JSON can hold.
    singular_values : array of shape (k,) or (b, k), optional
        Of the cross-moment that was factorised, see the fit.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> double = iso.LinearMap(np.eye(2), scale=2.0)
    >>> double(np.array([[1.0, 2.0]])).tolist()
    [[2.0, 4.0]]
    >>> double.then(double.inverse())
    LinearMap(2 -> 2, float64, method='given, then inverse of given')
    """

    matrix: Any
    source_mean: Any = None
    target_mean: Any = None
    scale: Any = 1.0
    orthogonal: bool = field(default=False, kw_only=True)
    method: str = field(default="given", kw_only=True)
    metrics: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    provenance: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    singular_values: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        arguments = _arrays.Arguments(ndim=(2, 3), matrix=self.matrix)
        arguments.require_not_empty()
        *stack, d, e = arguments.shapes["matrix"]
        ready = arguments.ready()
        put = object.__setattr__
        put(self, "matrix", ready.arrays[0])
        for name, length in (("source_mean", d), ("target_mean", e)):
            if (mean := getattr(self, name)) is not None:
                put(self, name, _double(arguments, name, mean, (*stack, length)))
        if stack:
            put(self, "scale", self._stacked_scale(arguments, stack[0]))
        else:
            put(self, "scale", _finite_number(self.scale))
        put(self, "metrics", dict(self.metrics))
        put(self, "provenance", dict(self.provenance))

    def _stacked_scale(self, arguments: _arrays.Arguments, b: int) -> Any:
        if hasattr(self.scale, "shape"):
            return _double(arguments, "scale", self.scale, (b,))
        xp = arguments.array_namespace()
        number = _finite_number(self.scale)
        device = arguments.device_of(self.matrix)
        return xp.full((b,), number, dtype=xp.float64, **device)

    @property
    def source_dim(self) -> int:
        """Columns that come in."""
        return int(self.matrix.shape[-2])

    @property
    def target_dim(self) -> int:
        """Columns that go out."""
        return int(self.matrix.shape[-1])

    @property
    def stack(self) -> int | None:
        """How many maps, for a stack."""
        return int(self.matrix.shape[0]) if self.matrix.ndim == 3 else None

    @property
    def selection(self) -> Selection | None:
        """How ``fit_map(method="auto")`` chose the method; None for other maps, and for stacks."""
        from isomorph.align._selection import Selection

        told = self.metrics.get("auto")
        return Selection.from_dict(told) if isinstance(told, Mapping) else None

    @distributed("_rows.apply_map")
    @served
    def apply(
        self,
        x: Any,
        *,
        out: Any = None,
        check_finite: bool = True,
        threads: int | None = None,
        progress: Progress = None,
    ) -> Any:
        r"""Map rows.

        Parameters
        ----------
        x : array of shape (n, d) or (b, n, d)
            Of the library and device of the map. A single map takes a stack, too; a stack of maps
            takes a stack of as many matrices. Any n, 0 included.
        out : array, optional
            Where to write the result: right shape and type; it may be `x` itself.
        check_finite : bool, default True
            Refuse NaN and infinities; if False they spread through their rows.
        threads : int, optional
            See :mod:`isomorph.runtime`. No byte of the answer depends on it.
        progress : bool or callable, optional
            True for a bar on standard error, or a callable of ``(done, total)``.

        Returns
        -------
        array of shape (n, e) or (b, n, e)
            In the type of `x` (float16 and bfloat16: float32), whatever the type of the matrix;
            `out` if it was given.

        Notes
        -----
        :math:`s(x - \bar x)` is computed in float64 and rounded to the type of `x`, the product and
        the sum are computed in that type: error at most
        :math:`(d + 2)\,\mathrm{eps} \sum |s(x - \bar x)||W|`. O(n d e). Memory beyond the result:
        1,024 rows per thread. Of NumPy arrays a row has the same bytes whatever rows are beside it.
        """
        both = _arrays.Arguments(ndim=(2, 3), x=x, matrix=self.matrix)
        shape = both.shapes["x"]
        self._check_shape(shape)
        run = Run(runtime.resolve_threads(threads), progress)
        result_shape = (*shape[:-1], self.target_dim)
        arguments = _arrays.Arguments(ndim=(2, 3), x=x)
        if out is not None:
            _check_out(arguments, x, out, result_shape)
        ready = arguments.ready(check_finite=check_finite)
        rows = ready.arrays[0]
        if self.stack is None:
            count = rows.shape[0] * rows.shape[1] if rows.ndim == 3 else rows.shape[0]
            rows = reshape(ready, rows, (1, count, self.source_dim))
        result = ready.backend.apply_affine(
            rows,
            as_stack(ready, ready.convert(self.matrix)),
            *self._parts(arguments),
            out,
            run,
        )
        return out if out is not None else reshape(ready, result, result_shape)

    __call__ = apply

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise unless the map takes matrices of this shape."""
        if shape[-1] != self.source_dim or (self.stack is not None and shape[:-2] != (self.stack,)):
            wanted = "(n, {})" if self.stack is None else f"({self.stack}, n, {{}})"
            raise ShapeError(
                f"x: expected shape {wanted.format(self.source_dim)}, which is what the map takes, "
                f"got {shape}"
            )

    def _parts(self, arguments: _arrays.Arguments) -> tuple[Any, Any, Any]:
        """Give means and scale with the axis of a stack."""
        if self.stack is not None:
            return self.source_mean, self.target_mean, self.scale
        xp = arguments.array_namespace()
        device = arguments.device_of(self.matrix)
        scale = xp.full((1,), self.scale, dtype=xp.float64, **device)
        means = (None if m is None else m[None, :] for m in (self.source_mean, self.target_mean))
        return *means, scale

    @served
    def inverse(self) -> LinearMap:
        """Give the map of the way back.

        For an orthogonal map W is transposed; otherwise it is the pseudo-inverse (singular values
        below max(d, e) eps times the largest count as zero). ``metrics["inverse_residual"]`` is
        |I - W W'| / sqrt(d), Frobenius: 0 where the way there and back loses nothing,
        sqrt(1 - e/d) for an orthogonal map to fewer dimensions.

        Raises
        ------
        ValueError
            A scale of 0.
        """
        from isomorph.align import _algebra

        return _algebra.inverse(self)

    @served
    def then(self, other: LinearMap) -> LinearMap:
        """Give the map that applies this one and then `other`.

        A single map and a stack give a stack.

        Raises
        ------
        ShapeError
            Where the dimensions, or the lengths of two stacks, do not fit.
        """
        from isomorph.align import _algebra

        return _algebra.then(self, other)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the map to a safetensors file; it appears whole or not at all.

        Matrix, means, scale and singular values are tensors; method, metrics, provenance and the
        format's version are metadata. :meth:`load` gives the same bytes back.
        """
        _files.save_map(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LinearMap:
        """Read what :meth:`save` wrote, as NumPy arrays.

        Raises
        ------
        FormatError
            The file holds something else, or was written by a newer version.
        """
        return _files.load_map(path)

    def __repr__(self) -> str:
        count = "" if self.stack is None else f"{self.stack} maps, "
        dtype = str(self.matrix.dtype).removeprefix("torch.").rsplit(".", 1)[-1]
        kind = ", orthogonal" if self.orthogonal else ""
        residual = self.metrics.get("residual")
        shown = f", residual={residual:.4g}" if isinstance(residual, float) else ""
        return (
            f"LinearMap({count}{self.source_dim} -> {self.target_dim}, {dtype}{kind}, "
            f"method={self.method!r}{shown})"
        )


def _finite_number(scale: Any) -> float:
    try:
        number = float(scale)
    except (TypeError, ValueError):
        raise DTypeError(f"scale: expected a number, got {type(scale).__name__}") from None
    if not abs(number) < float("inf"):
        raise NonFiniteError(f"scale: expected a finite number, got {number}")
    return number


def _double(arguments: _arrays.Arguments, name: str, array: Any, shape: tuple[int, ...]) -> Any:
    """Check a small array beside the matrix, and give it in float64."""
    checked = _arrays.Arguments(ndim=len(shape), **{name: array})
    if checked.namespace is not arguments.namespace:
        raise DTypeError(f"{name}: expected an array of the library of matrix")
    if checked.shapes[name] != shape:
        raise ShapeError(f"{name}: expected shape {shape}, got {checked.shapes[name]}")
    xp = arguments.array_namespace()
    double = xp.astype(xp.asarray(array), xp.float64)
    if not bool(xp.all(xp.isfinite(double))):
        raise NonFiniteError(f"{name}: has a NaN or an infinity")
    if arguments.namespace is None:
        import numpy as np

        return np.ascontiguousarray(double)
    return double


def _check_out(arguments: _arrays.Arguments, x: Any, out: Any, shape: tuple[int, ...]) -> None:
    beside = _arrays.Arguments(ndim=(2, 3), x=x, out=out)
    if beside.shapes["out"] != shape:
        raise ShapeError(f"out: expected shape {shape}, got {beside.shapes['out']}")
    name = _arrays._dtype_name(x)
    wanted = name if name in _arrays._COMPUTED else "float32"
    if _arrays._dtype_name(out) != wanted:
        raise DTypeError(f"out: expected {wanted}, the type of the result, got {out.dtype}")
    if arguments.namespace is None and not out.flags.writeable:
        raise ValueError("out: the array is read-only")
