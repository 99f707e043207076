"""Word similarity and analogies: what vectors are worth by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import isomorph as iso
from isomorph import _core
from isomorph.errors import FormatError


def correlations(found: Any, wanted: Any) -> tuple[float, float]:
    """Give Pearson's and Spearman's correlation; 0 where either side is constant."""
    found, wanted = (np.asarray(values, dtype=np.float64) for values in (found, wanted))
    return _pearson(found, wanted), _pearson(_ranks(found), _ranks(wanted))


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give ranks; equal values have the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    means: NDArray[np.float64] = (ends - (count - 1) / 2)[place.ravel()]
    return means


def read_similarities(path: str, *, lower: bool) -> list[tuple[str, str, float]]:
    """Read two words and a number a line, with tabs between, or else white space."""
    found = []
    for number, line in enumerate(_core.read_words(path, "replace"), 1):
        fields = (line.lower() if lower else line).split("\t" if "\t" in line else None)
        if not line.strip():
            continue
        try:
            found.append((fields[0].strip(), fields[1].strip(), float(fields[2])))
        except (IndexError, ValueError):
            raise FormatError(
                f"{path}: line {number}: expected two words and a number, got {line[:60]!r}"
            ) from None
    if not found:
        raise FormatError(f"{path}: expected two words and a number a line, got none")
    return found


def similarities(
    pairs: Sequence[tuple[str, str, float]], source: Any, target: Any, backoff: float | None
) -> tuple[float, float, float]:
    """Give coverage, and the correlations of cosines with what people said.

    Pairs with an unknown word are left out, or count as `backoff`.
    """
    sides = [side.vectors.astype(np.float64) for side in (source, target)]
    known, answers, wanted = 0, [], []
    for left, right, score in pairs:
        rows = source.index.get(left), target.index.get(right)
        if None not in rows:
            known += 1
            x, z = (side[row] for side, row in zip(sides, rows, strict=True))
            size = float(np.sqrt((x @ x) * (z @ z)))
            answers.append(float(x @ z) / size if size > 0 else 0.0)
        elif backoff is not None:
            answers.append(backoff)
        else:
            continue
        wanted.append(score)
    if not answers:
        return 0.0, 0.0, 0.0
    return known / len(pairs), *correlations(answers, wanted)


def read_analogies(path: str, *, lower: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield the category and the four words of each question."""
    category = ""
    for number, line in enumerate(_core.read_words(path, "replace"), 1):
        if line.startswith(":"):
            category = line[1:].strip()
            continue
        words = (line.lower() if lower else line).split()
        if not words:
            continue
        if len(words) != 4:
            raise FormatError(f"{path}: line {number}: expected four words, got {len(words)}")
        yield category, words


def analogies(embeddings: Any, questions: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which questions "a is to b as c to d", rows (n, 4), are answered right.

    The answer is the row with the largest cosine to b - a + c of unit rows, these three left out.
    """
    rows = iso.transforms.unit(embeddings.vectors)
    a, b, c, d = questions.T
    k = min(4, len(rows))
    found = iso.topk(rows[b] - rows[a] + rows[c], rows, k).indices
    asked = (found[:, :, None] == questions[:, None, :3]).any(axis=2)
    first = found[np.arange(len(found)), np.argmin(asked, axis=1)]
    right: NDArray[np.bool_] = (first == d) & ~asked.all(axis=1)
    return right
