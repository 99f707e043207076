"""What `isomorph transport` reads: two sides, their masses, or a matrix of costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isomorph.cli import _inputs
from isomorph.errors import FormatError

_Report = Callable[[int, int], object] | None


@dataclass(frozen=True, slots=True)
class Side:
    """Rows to be matched: their names, and their vectors unless the costs are given."""

    name: str
    words: Sequence[str] | None
    vectors: Any = None

    def label(self, row: int) -> str:
        """Name a row: its word, or its number."""
        return str(row) if self.words is None else self.words[row]


def read_side(path: str, *, column: str | None, limit: int | None, report: _Report) -> Side:
    """Read vectors with their words, or, of a file that has none, without."""
    if path.startswith(_inputs.SAMPLE) or _has_words(path, column):
        read = _inputs.read_vocabulary(path, limit=limit, progress=report)
        return Side(_inputs.short_name(path), read.words, read.vectors)
    from isomorph._applying import _kinds, _pairs

    vectors = _pairs.whole(_kinds.open_source(path, column, None, 0))
    return Side(_inputs.short_name(path), None, vectors[:limit])


def _has_words(path: str, column: str | None) -> bool:
    """Whether the file is one of words and vectors, as :func:`isomorph.io.load` reads it."""
    from isomorph import _core, _files
    from isomorph._applying import _kinds

    if not Path(path).exists():
        raise FileNotFoundError(2, "No such file or directory", path)
    kind = _kinds.kind_of("source", path)
    if kind == "npy":
        return any(Path(words).exists() for words in _files._word_lists(path))
    if kind == "safetensors":
        return column is None and "words" in {
            tensor for tensor, _, _ in _core.safetensors_header(path)[0]
        }
    return kind == "text"


def read_cost(path: str) -> Any:
    """Map a matrix of costs from an .npy file."""
    cost = _array(path, "a matrix of costs")
    if cost.ndim != 2 or 0 in cost.shape:
        raise FormatError(f"{path}: expected a matrix of costs, got {cost.shape}")
    return cost if cost.dtype.kind == "f" else cost.astype(np.float64)


def _array(path: str, what: str) -> Any:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FormatError(f"{path}: expected {what} in an .npy file ({error})") from None
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
        got = getattr(found, "dtype", "an .npz file")
        raise FormatError(f"{path}: expected {what} in an .npy file, got {got}")
    return found


def read_masses(path: str, side: Side, rows: int) -> Any:
    """Read masses: an .npy file, a number a line, or lines of a word and a number."""
    if Path(path).suffix == ".npy":
        masses = _array(path, "masses")
        if masses.shape != (rows,):
            raise FormatError(
                f"{path}: expected {rows:,} numbers, one a row of {side.name}, got "
                f"{masses.dtype} of shape {masses.shape}"
            )
        masses = masses.astype(np.float64)
    else:
        masses = _from_text(path, side, rows)
    bad = np.flatnonzero(~(masses >= 0) | np.isinf(masses))
    if bad.size:
        raise FormatError(
            f"{path}: expected masses of 0 or more, got {masses[bad[0]]} for "
            f"{side.label(int(bad[0]))}"
        )
    if not masses.any():
        raise FormatError(f"{path}: no row of {side.name} has a mass above 0")
    return masses / masses.sum()


def _from_text(path: str, side: Side, rows: int) -> Any:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{path}: expected UTF-8, got byte {error.start}: {error.reason}"
        ) from None
    given = [
        (number, line.split("\t" if "\t" in line else None))
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    masses = np.zeros(rows)
    by_word = None if side.words is None else {word: i for i, word in enumerate(side.words)}
    named = any(len(fields) > 1 for _, fields in given)
    if named and by_word is None:
        raise FormatError(f"{path}: expected a number a line, as {side.name} has no words")
    if not named and len(given) != rows:
        raise FormatError(
            f"{path}: expected {rows:,} numbers, one a row of {side.name}, got {len(given):,}"
        )
    for place, (number, fields) in enumerate(given):
        try:
            mass = float(fields[-1])
        except ValueError:
            raise FormatError(
                f"{path}: line {number}: expected a number at the end, got {fields[-1]!r}"
            ) from None
        if not named:
            masses[place] = mass
        elif by_word is not None and (row := by_word.get(" ".join(fields[:-1]))) is not None:
            masses[row] += mass
    return masses
