"""One sparse matrix for every way to begin a new vocabulary: target tokens by source tokens."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks
from isomorph._distributed import distributed
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph.errors import ShapeError
from isomorph.vocab._mixing import checks
from isomorph.vocab._mixing.explaining import Explanation

__all__ = ["Explanation", "TokenMixing"]

#: Where rows come from, unless a method says it more closely.
ORIGINS = ("fallback", "copied", "mixed")


@dataclass(frozen=True, eq=False)
class TokenMixing:
    r"""The rows of a new vocabulary as sums of rows of an old one: a sparse matrix M.

    Row t of the new table is :math:`\sum_s M_{ts} E_s`, whatever E is: input embeddings, an output
    head, a bias. Every method of this module makes such a matrix; :meth:`apply` applies it.

    Parameters
    ----------
    indptr : int array of shape (targets + 1,)
        Row t has the entries ``indptr[t]`` to ``indptr[t + 1] - 1``: compressed sparse rows.
    indices : int array of shape (n,)
        Source ids. Within a row each once; they are put in ascending order.
    weights : float array of shape (n,)
        float32 or float64, finite.
    shape : tuple of int
        Target tokens, source tokens.
    target_tokens, source_tokens : sequence of str or None, optional
        The tokens by id (None: an id without a token), for :meth:`explain`.
    method : str, default ""
        What made it.
    settings : mapping, optional
        The method's settings, as JSON holds them.
    origins : int array of shape (targets,), optional
        Where each row comes from, as a number in `origin_names`. By default the rows without an
        entry are ``"fallback"``, those with the one weight 1 ``"copied"``, the others ``"mixed"``.
    origin_names : sequence of str, default ("fallback", "copied", "mixed")
        What the numbers stand for. The first is what rows without an entry, and only they, have.

    Attributes
    ----------
    indptr, indices, weights : ndarray
        int64; int32 where the ids fit, else int64; the type given. Read-only.

    Raises
    ------
    ShapeError
        Lengths that do not fit together.
    DTypeError
        Ids that are no integers, weights that are not of floating point.
    NonFiniteError
        A weight that is NaN or infinite.
    ValueError
        Offsets that decrease, ids out of range, an id twice in a row.

    Notes
    -----
    A row without entries takes nothing from the source: :meth:`apply` needs a `fallback` for it.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import TokenMixing
    >>> mixing = TokenMixing(
    ...     [0, 1, 3], [2, 0, 1], [1.0, 0.75, 0.25], (2, 3),
    ...     target_tokens=["chat", "chien"], source_tokens=["dog", "puppy", "cat"],
    ... )
    >>> mixing.apply(np.array([[4.0, 0.0], [0.0, 4.0], [1.0, 1.0]])).tolist()
    [[1.0, 1.0], [3.0, 1.0]]
    >>> print(mixing.explain("chien"))
    chien (1, mixed)
      0.7500  dog    0
      0.2500  puppy  1
    """

    indptr: NDArray[np.int64]
    indices: NDArray[Any]
    weights: NDArray[Any]
    shape: tuple[int, int]
    target_tokens: tuple[str | None, ...] | None = field(default=None, kw_only=True)
    source_tokens: tuple[str | None, ...] | None = field(default=None, kw_only=True)
    method: str = field(default="", kw_only=True)
    settings: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    origins: NDArray[np.int16] = field(default=None, kw_only=True)  # type: ignore[arg-type]
    origin_names: tuple[str, ...] = field(default=ORIGINS, kw_only=True)

    def __post_init__(self) -> None:
        shape = checks.shape(self.shape)
        indptr, indices, weights = checks.csr(self.indptr, self.indices, self.weights, shape)
        names = tuple(str(name) for name in self.origin_names)
        if self.origins is None:
            if names != ORIGINS:
                raise ValueError("origins: expected the numbers that origin_names are for")
            origins = checks.plain_origins(indptr, weights)
        else:
            origins = checks.origins(self.origins, names, indptr)
        for name, value in {
            "indptr": indptr,
            "indices": indices,
            "weights": weights,
            "shape": shape,
            "target_tokens": checks.tokens("target_tokens", self.target_tokens, shape[0]),
            "source_tokens": checks.tokens("source_tokens", self.source_tokens, shape[1]),
            "method": str(self.method),
            "settings": MappingProxyType(dict(self.settings)),
            "origins": origins,
            "origin_names": names,
        }.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    @classmethod
    def from_entries(
        cls,
        rows: NDArray[Any] | Sequence[int],
        indices: NDArray[Any] | Sequence[int],
        weights: NDArray[Any] | Sequence[float],
        shape: tuple[int, int],
        **about: Any,
    ) -> TokenMixing:
        """Make it of entries in any order, O(n log n); those of one place are added, in float64.

        Parameters
        ----------
        rows, indices : int array of shape (n,)
            Target and source id of each entry.
        weights : float array of shape (n,)
            float32 or float64.
        shape : tuple of int
            Target tokens, source tokens.
        **about
            The keywords of the class.

        Examples
        --------
        >>> from isomorph.vocab import TokenMixing
        >>> TokenMixing.from_entries([1, 0, 1], [2, 0, 2], [0.5, 1.0, 0.25], (2, 3)).weights
        array([1.  , 0.75])
        """
        return cls(
            *checks.from_entries(rows, indices, weights, checks.shape(shape)), shape, **about
        )

    @property
    def fallback_rows(self) -> NDArray[np.int64]:
        """The target ids without any source, ascending."""
        return np.flatnonzero(self.counts == 0)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many sources each row has; shape (targets,)."""
        return np.diff(self.indptr)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        found = ", ".join(f"{count} {name}" for name, count in self.summary().items())
        return f"TokenMixing({self.shape[0]} x {self.shape[1]}, {self.method!r}: {found})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TokenMixing):
            return NotImplemented
        return (
            self.shape == other.shape
            and self.weights.dtype == other.weights.dtype
            and all(
                np.array_equal(getattr(self, name), getattr(other, name))
                for name in ("indptr", "indices", "weights", "origins")
            )
            and all(
                getattr(self, name) == getattr(other, name)
                for name in (
                    "target_tokens", "source_tokens", "method", "settings", "origin_names",
                )
            )
        )  # fmt: skip

    __hash__ = None  # type: ignore[assignment]

    def summary(self) -> dict[str, int]:
        """Count the rows of each origin, in the order of `origin_names`, those that have any."""
        counts = np.bincount(self.origins, minlength=len(self.origin_names)).tolist()
        return {n: c for n, c in zip(self.origin_names, counts, strict=True) if c}

    def row(self, target: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give the source ids of a row, ascending, and their weights: views."""
        target = _checks.integer("target", target, 0, self.shape[0] - 1)
        entries = slice(int(self.indptr[target]), int(self.indptr[target + 1]))
        return self.indices[entries], self.weights[entries]

    def row_sums(self) -> NDArray[np.float64]:
        """Add up the weights of each row, in float64; 0 for a row without any."""
        return checks.row_sums(self.indptr, self.weights)

    def explain(self, token: str | int, *, top: int | None = None) -> Explanation:
        """Say what a target token is made of, the largest weights (by magnitude) first.

        Parameters
        ----------
        token : str or int
            A target token (of several with that name the first), or an id.
        top : int, optional
            Show at most so many sources; by default all.

        Returns
        -------
        Explanation
            ``token, row, origin, sources, total``, ``sources`` being ``(id, token, weight)``; it
            prints as a table.

        Raises
        ------
        UnknownWordError
            No such target token, with near spellings.
        ValueError
            A name where the tokens are not known, an id out of range.
        """
        from isomorph.vocab._mixing import explaining

        return explaining.explain(self, token, top)

    @distributed("_rows.apply_mixing")
    @served
    def apply(
        self,
        rows: Any,
        *,
        fallback: Any = None,
        out: Any = None,
        dtype: Any = None,
        check_finite: bool = True,
        threads: int | None = None,
        progress: Progress = None,
    ) -> Any:
        r"""Make the rows of the new vocabulary: :math:`M E`.

        Parameters
        ----------
        rows : array of shape (sources, d) or (sources,)
            E: input embeddings, an output head, or a bias. float32 and float64 are computed in
            their own type, float16 and bfloat16 in float32. Memory-mapped rows are read as they
            are needed.
        fallback : array of shape (f, d) or (d,), optional
            The rows of the f target tokens without a source (:attr:`fallback_rows`, in that
            order), or one row for all of them; for a bias (f,) or (1,). See
            :func:`isomorph.vocab.gaussian`, :func:`isomorph.vocab.mean`.
        out : array, optional
            Where the result goes; of its shape and type.
        dtype : optional
            The type of the result; by default the computing type.
        check_finite : bool, default True
            Refuse NaN and infinities.
        threads : int, optional
            See :mod:`isomorph.runtime`. The answer does not depend on it.
        progress : bool or callable, optional
            True for a bar on standard error, or a callable of ``(done, total)``.

        Returns
        -------
        array of shape (targets, d) or (targets,)
            Of the library of `rows`; `out` if it was given.

        Raises
        ------
        ShapeError
            Not as many rows as source tokens, a fallback or `out` that does not fit.
        DTypeError
            Not an array, not of floating point; `out` of another type.
        NonFiniteError
            NaN or infinity, with the argument and the first bad row.
        ValueError
            Target tokens without a source and no `fallback`; a sum beyond the range of `dtype`.

        Notes
        -----
        O(n d) for n entries. The entries of a row are added in the order of their ids, each product
        and each sum rounded to the computing type: the same bytes on every instruction set, and
        :math:`|error| \le \gamma_m \sum_s |M_{ts} E_s|` for m entries,
        :math:`\gamma_m = mu / (1 - mu)`, u the roundoff. A row with the one weight 1 is a copy, bit
        for bit, in any type. Beside input and result: a block of 4,096 rows, if the result has
        another type; float16 and bfloat16 rows of NumPy are widened one by one.

        Examples
        --------
        >>> import numpy as np
        >>> from isomorph.vocab import TokenMixing
        >>> mixing = TokenMixing([0, 2, 2], [0, 1], [0.5, 0.5], (2, 2))
        >>> mixing.apply(np.array([[1.0], [3.0]]), fallback=np.array([7.0])).tolist()
        [[2.0], [7.0]]
        """
        from isomorph.vocab._mixing import applying

        return applying.apply(
            self,
            rows,
            fallback=fallback,
            out=out,
            dtype=dtype,
            check_finite=check_finite,
            threads=threads,
            progress=progress,
        )

    __call__ = apply

    def take(self, targets: Any) -> TokenMixing:
        """Give some rows, in the order asked for: ``mixing.take(range(100))``."""
        from isomorph.vocab._mixing import algebra

        return algebra.take(self, targets)

    def fill(self, other: TokenMixing) -> TokenMixing:
        """Give the rows that have no source here those of `other`: ``overlap.fill(wechsel)``."""
        from isomorph.vocab._mixing import algebra

        return algebra.fill(self, other)

    def compose(self, other: TokenMixing, *, lost: str = "raise") -> TokenMixing:
        """Compose as functions do, `other` first: ``a.compose(b).apply(E) = a.apply(b.apply(E))``.

        Parameters
        ----------
        other : TokenMixing
            Its target tokens are the source tokens here.
        lost : {"raise", "drop"}, default "raise"
            What happens to an entry whose source has no source in `other` itself.

        Returns
        -------
        TokenMixing
            The matrix product; each weight is added in float64 in a fixed order and rounded once.
            O(p log p) time and O(p) memory, p being the products in a block of 4,096 rows.

        Raises
        ------
        ShapeError
            Where the numbers of tokens do not fit.
        ValueError
            Entries that would be lost.

        Examples
        --------
        >>> from isomorph.vocab import TokenMixing
        >>> half = TokenMixing([0, 2], [0, 1], [0.5, 0.5], (1, 2))
        >>> half.compose(TokenMixing([0, 1, 2], [0, 0], [1.0, 1.0], (2, 1))).row_sums()
        array([1.])
        """
        from isomorph.vocab._mixing import algebra

        return algebra.compose(self, other, _checks.one_of("lost", lost, ("raise", "drop")))

    def then(self, other: TokenMixing, *, lost: str = "raise") -> TokenMixing:
        """Compose: first this, then `other`. ``a.then(b) == b.compose(a)``."""
        return other.compose(self, lost=lost)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, atomically; :meth:`load` gives the same back."""
        from isomorph.vocab._mixing import files

        files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TokenMixing:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FormatError
            Not such a file, of a later format version, or with content that does not fit together.
        """
        from isomorph.vocab._mixing import files

        return files.load(cls, path)

    def _require_sources(self, name: str, rows: int) -> None:
        if rows != self.shape[1]:
            more = f"; take {name}[:{self.shape[1]}]" if rows > self.shape[1] else ""
            raise ShapeError(
                f"{name}: expected {self.shape[1]} rows, one a source token, got {rows}{more}"
            )
