"""Rows of a mixing, two mixings as one, and the product of two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isomorph.errors import ShapeError
from isomorph.vocab._mixing import checks

if TYPE_CHECKING:
    from isomorph.vocab.mixing import TokenMixing

#: Rows of a product at a time.
BLOCK = 4096


def entries(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the places ``starts[i]`` to ``starts[i] + counts[i] - 1``, one i after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    places: NDArray[np.int64] = np.repeat(starts - (ends - counts), counts)
    places += np.arange(total, dtype=np.int64)
    return places


def offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the offsets of rows of these lengths."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def take(mixing: TokenMixing, targets: Any) -> TokenMixing:
    """See :meth:`isomorph.vocab.TokenMixing.take`."""
    wanted = checks.integers("targets", targets)
    checks.require_ids("targets", wanted, mixing.shape[0], "target tokens")
    wanted = wanted.astype(np.int64, copy=False)
    counts = mixing.counts[wanted]
    places = entries(mixing.indptr[:-1][wanted], counts)
    tokens = mixing.target_tokens
    return _of(
        mixing,
        (offsets(counts), mixing.indices[places], mixing.weights[places]),
        (len(wanted), mixing.shape[1]),
        target_tokens=None if tokens is None else [tokens[row] for row in wanted.tolist()],
        origins=mixing.origins[wanted],
    )


def fill(mixing: TokenMixing, other: TokenMixing) -> TokenMixing:
    """See :meth:`isomorph.vocab.TokenMixing.fill`."""
    if other.shape != mixing.shape:
        raise ShapeError(f"other: expected shape {mixing.shape}, got {other.shape}")
    own = mixing.counts > 0
    counts = np.where(own, mixing.counts, other.counts)
    starts = np.where(own, mixing.indptr[:-1], other.indptr[:-1] + len(mixing.indices))
    places = entries(starts, counts)
    names = tuple(dict.fromkeys((*mixing.origin_names, *other.origin_names)))
    # The first name of each is that of rows without an entry.
    numbers = np.array([names.index(n) for n in (mixing.origin_names[0], *other.origin_names[1:])])
    return _of(
        mixing,
        (
            offsets(counts),
            np.concatenate([mixing.indices, other.indices])[places],
            np.concatenate([mixing.weights, other.weights])[places],
        ),
        mixing.shape,
        target_tokens=mixing.target_tokens or other.target_tokens,
        source_tokens=mixing.source_tokens or other.source_tokens,
        method=" + ".join(name for name in (mixing.method, other.method) if name),
        settings=joined_settings(mixing, other),
        origins=np.where(own, mixing.origins, numbers[other.origins]),
        origin_names=names,
    )


def compose(mixing: TokenMixing, other: TokenMixing, lost: str) -> TokenMixing:
    """See :meth:`isomorph.vocab.TokenMixing.compose`."""
    if other.shape[0] != mixing.shape[1]:
        raise ShapeError(
            f"other: expected {mixing.shape[1]} target tokens, the source tokens here, got "
            f"{other.shape[0]}"
        )
    counts = other.counts[mixing.indices]
    if lost == "raise" and (gone := int((counts == 0).sum())):
        rows = np.repeat(np.arange(mixing.shape[0]), mixing.counts)
        raise ValueError(
            f"other: {gone} entries of {len(np.unique(rows[counts == 0]))} rows stand on tokens "
            'that have no source there; fill() those rows, or pass lost="drop"'
        )
    dtype = np.result_type(mixing.weights, other.weights)
    size = (mixing.shape[0], other.shape[1])
    csr = _renamed(mixing, other, counts, dtype) or _multiplied(mixing, other, counts, dtype)
    return _of(
        mixing,
        csr,
        size,
        source_tokens=other.source_tokens,
        method=f"{mixing.method} after {other.method}".strip(),
        settings=joined_settings(mixing, other),
        origins=None,
        origin_names=None,
    )


def _renamed(
    mixing: TokenMixing, other: TokenMixing, counts: NDArray[np.int64], dtype: Any
) -> checks.Csr | None:
    """Compose where every entry stands on one source, in the order of the entries: no sums."""
    if not (counts == 1).all():
        return None
    places = other.indptr[:-1][mixing.indices]
    ids = other.indices[places]
    ascending = ids[1:] > ids[:-1]
    begins = mixing.indptr[1:-1]
    ascending[begins[(begins > 0) & (begins < len(ids))] - 1] = True
    if not ascending.all():
        return None
    products = mixing.weights.astype(np.float64)
    products *= other.weights[places]
    return mixing.indptr, ids, products.astype(dtype)


def _multiplied(
    mixing: TokenMixing, other: TokenMixing, counts: NDArray[np.int64], dtype: Any
) -> checks.Csr:
    """Compose a block of rows at a time; what falls on one place is added."""
    size = (mixing.shape[0], other.shape[1])
    parts = []
    for start in range(0, size[0], BLOCK):
        stop = min(start + BLOCK, size[0])
        block = slice(int(mixing.indptr[start]), int(mixing.indptr[stop]))
        places = entries(other.indptr[:-1][mixing.indices[block]], counts[block])
        products = np.repeat(mixing.weights[block].astype(np.float64), counts[block])
        products *= other.weights[places]
        rows = np.repeat(np.arange(stop - start), np.diff(mixing.indptr[start : stop + 1]))
        parts.append(
            checks.from_entries(
                np.repeat(rows, counts[block]),
                other.indices[places],
                products,
                (stop - start, size[1]),
            )
        )
    return (
        offsets(np.concatenate([np.zeros(0, np.int64), *(np.diff(p[0]) for p in parts)])),
        np.concatenate([np.zeros(0, np.int64), *(p[1] for p in parts)]),
        np.concatenate([np.zeros(0), *(p[2] for p in parts)]).astype(dtype),
    )


def joined_settings(mixing: TokenMixing, other: TokenMixing) -> dict[str, Any]:
    """Give the settings of two, under their methods where they have names of their own."""
    if not other.settings:
        return dict(mixing.settings)
    if not mixing.settings:
        return dict(other.settings)
    first, second = mixing.method or "first", other.method or "second"
    if first == second:
        first, second = f"{first} 1", f"{second} 2"
    return {first: dict(mixing.settings), second: dict(other.settings)}


def _of(
    mixing: TokenMixing, csr: checks.Csr, shape: tuple[int, int], **changed: Any
) -> TokenMixing:
    """Make a mixing like another, but for what is named; None: as by default."""
    from isomorph.vocab.mixing import TokenMixing

    about: dict[str, Any] = {
        name: getattr(mixing, name)
        for name in (
            "target_tokens", "source_tokens", "method", "settings", "origins", "origin_names",
        )
    } | changed  # fmt: skip
    about = {name: value for name, value in about.items() if value is not None}
    return TokenMixing(*csr, shape, **about)
