"""OFA: a table as coordinates times primitives, and new coordinates as means of similar tokens'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from isomorph import _checks, runtime
from isomorph._backends import Run
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._results import Unpackable
from isomorph.errors import ShapeError
from isomorph.linalg import eigh
from isomorph.vocab._mixing import checks
from isomorph.vocab.initialization import _building as building
from isomorph.vocab.initialization import _statistics as statistics
from isomorph.vocab.initialization._wechsel import neighbors_mixing
from isomorph.vocab.mixing import TokenMixing

__all__ = ["Factors", "factorize", "ofa"]


@dataclass(frozen=True, slots=True, eq=False)
class Factors(Unpackable):
    """A table as the product of two: ``coordinates @ primitives``.

    Attributes
    ----------
    coordinates : array of shape (n, r)
        F: the rows of the table in r dimensions; its columns are orthonormal.
    primitives : array of shape (r, d)
        P, which every vocabulary shares.
    relative_error : float
        :math:`|E - FP| / |E|`, Frobenius.
    """

    coordinates: Any
    primitives: Any
    relative_error: float
    _unpacks: ClassVar[tuple[str, ...]] = ("coordinates", "primitives")


@served
def factorize(
    rows: Any,
    rank: int,
    *,
    check_finite: bool = True,
    threads: int | None = None,
) -> Factors:
    r"""Factorise a table: the best product :math:`F P` of that rank.

    With :math:`E = U S V^T`, :math:`F = U_r` and :math:`P = S_r V_r^T`, as OFA has it: a table of
    n d numbers becomes one of n r and one of r d.

    Parameters
    ----------
    rows : array of shape (n, d)
        E.
    rank : int
        r, from 1 to d. OFA has 100, 200, 400.
    check_finite : bool, default True
        Refuse NaN and infinities.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    Factors
        ``coordinates, primitives, relative_error``, in the type of `rows` (float16 and bfloat16:
        float32).

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        Arguments that are not as above.

    Notes
    -----
    V comes from the eigenvectors of :math:`E^T E`, summed in float64 in one streamed pass,
    O(n d^2), by :func:`isomorph.linalg.eigh`; then :math:`F = E V_r S_r^{-1}` in blocks of 4,096
    rows, in float64. No n x d matrix besides E. Directions whose singular value is below
    :math:`10^{-7}` of the largest (what squares in float64 can tell) have zero coordinates.

    References
    ----------
    Y. Liu, P. Lin, M. Wang, H. Schütze, *OFA: a framework of initializing unseen subword embeddings
    for efficient large-scale multilingual continued pretraining*, NAACL Findings 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import factorize
    >>> table = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    >>> coordinates, primitives = factors = factorize(table, 1)
    >>> bool(np.allclose(coordinates @ primitives, table)), factors.relative_error < 1e-6
    (True, True)
    """
    arguments = building.embedding_arguments(rows=rows)
    n, d = arguments.shapes["rows"]
    rank = _checks.integer("rank", rank, 1, d, of="columns")
    workers = runtime.resolve_threads(threads)
    xp = arguments.array_namespace()
    if check_finite:
        checks.require_finite(xp, "rows", rows)
    rows, exponent = building.in_range(xp, rows)
    _, products = statistics.second_moments(rows, centre=False, check_finite=False, threads=workers)
    values, vectors = eigh(products, threads=workers)
    zero = xp.zeros_like(values)
    squares = xp.flip(xp.where(values > 0, values, zero))
    right = xp.flip(vectors, axis=1)[:, :rank]
    largest, total = float(squares[0]), float(xp.sum(squares))
    singular = xp.sqrt(squares[:rank])
    sound = squares[:rank] > largest * 1e-14
    inverse = xp.where(sound, 1 / xp.where(sound, singular, xp.ones_like(singular)), singular * 0)
    backend, _ = arguments.backend()
    turn = building.doubles(xp, right * inverse[None, :])
    dtype = getattr(xp, arguments.dtype())
    parts = []
    for part in building.blocks(n):
        block = building.doubles(xp, rows[part, ...])
        parts.append(xp.astype(backend.multiply(block, turn, Run(workers)), dtype))
    coordinates = xp.concat(parts)
    primitives = building.times_power(xp.matrix_transpose(right * singular[None, :]), exponent)
    primitives = xp.astype(primitives, dtype)
    lost = float(xp.sum(squares[rank:]))
    return Factors(coordinates, primitives, (lost / total) ** 0.5 if total > 0 else 0.0)


@served
def ofa(
    source_vectors: Any,
    target_vectors: Any,
    rows: Any,
    *,
    rank: int,
    k: int = 10,
    temperature: float = 0.1,
    base: TokenMixing | None = None,
    source_tokens: Any = None,
    target_tokens: Any = None,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> tuple[TokenMixing, Factors]:
    r"""Factorise a table, and mix the coordinates of similar tokens.

    The new table is :math:`F' P` with :math:`F'_t = \sum_{s \in N(t)} w_{ts} F_s`, the weights
    those of :func:`isomorph.vocab.wechsel`: ``mixing.apply(factors.coordinates, fallback=...)`` is
    :math:`F'`, which a model may keep beside P instead of the whole.

    Parameters
    ----------
    source_vectors, target_vectors : array of shape (n, e) and (m, e)
        Vectors of the tokens in one space of both languages: for OFA the plain mean of the words
        that contain them, :func:`isomorph.vocab.from_words` without frequencies.
    rows : array of shape (n, d)
        E: the table to factorise.
    rank : int
        As in :func:`factorize`.
    k, temperature, base, source_tokens, target_tokens
        As in :func:`isomorph.vocab.wechsel`; `base` has the copies.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    TokenMixing, Factors
        The mixing, of convex rows, and the factors of `rows`.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        As in :func:`isomorph.vocab.wechsel` and :func:`factorize`.

    Notes
    -----
    As :func:`isomorph.vocab.wechsel` and :func:`factorize` together. Published tokens that find
    nothing get coordinates drawn by ``gaussian(factors.coordinates, mixing.fallback_rows)``.

    References
    ----------
    As of :func:`factorize`.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import ofa
    >>> table = np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 1.0]])
    >>> mixing, factors = ofa(np.eye(3), np.eye(3)[:2], table, rank=2, k=1)
    >>> (mixing.apply(factors.coordinates) @ factors.primitives).round(6).tolist()
    [[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]]
    """
    arguments = building.embedding_arguments(
        source_vectors=source_vectors, target_vectors=target_vectors
    )
    arguments.require_same_columns("source_vectors", "target_vectors")
    table = building.embedding_arguments(source_vectors=source_vectors, rows=rows)
    shape = (arguments.shapes["target_vectors"][0], arguments.shapes["source_vectors"][0])
    if table.shapes["rows"][0] != shape[1]:
        raise ShapeError(
            f"rows: expected {shape[1]}, one a source token, got shape {table.shapes['rows']}"
        )
    k = _checks.integer("k", k, 1, shape[1], of="source tokens")
    temperature = _checks.number("temperature", temperature, above=0)
    factors = factorize(rows, rank, check_finite=check_finite, threads=threads)
    made = neighbors_mixing(
        arguments,
        building.missing_rows(base, *shape),
        shape,
        k,
        temperature,
        {"check_finite": check_finite, "threads": threads, "progress": progress},
        source_tokens=source_tokens,
        target_tokens=target_tokens,
        method="ofa",
        settings={"k": k, "temperature": temperature, "rank": rank},
    )
    return building.joined(base, made), factors
