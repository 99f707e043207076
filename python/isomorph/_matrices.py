"""Matrices in text: fastText's ``-mat`` files, with a header, and Babylon's, without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _printing
from isomorph._atomic import appearing
from isomorph.errors import FormatError, ShapeError

#: Of text: a matrix of maps has some megabytes.
_LARGEST = 2**30


def read_text(path: str) -> tuple[NDArray[np.float64], bool]:
    """Read numbers between spaces, a row a line; and tell whether a header "n d" stood before."""
    size = Path(path).stat().st_size
    if size > _LARGEST:
        raise FormatError(f"{path}: expected a matrix of at most {_LARGEST:,} bytes, got {size:,}")
    lines = [(at, line.split()) for at, line in enumerate(Path(path).read_bytes().splitlines(), 1)]
    lines = [(at, fields) for at, fields in lines if fields]
    claimed = _header(lines)
    if claimed is not None:
        lines = lines[1:]
    if not lines:
        raise FormatError(f"{path}: expected a matrix, a row a line, got no row")
    columns = len(lines[0][1]) if claimed is None else claimed[1]
    for at, fields in lines:
        if len(fields) != columns:
            raise FormatError(
                f"{path}: line {at}: expected {columns:,} numbers, got {len(fields):,}"
            )
    if claimed is not None and claimed[0] != len(lines):
        raise FormatError(
            f"{path}: expected {claimed[0]:,} rows, as its header says, got {len(lines):,}"
        )
    matrix = np.empty((len(lines), columns))
    for row, (at, fields) in enumerate(lines):
        try:
            matrix[row] = [float(field) for field in fields]
        except ValueError as error:
            raise FormatError(f"{path}: line {at}: {error}") from None
        if not np.isfinite(matrix[row]).all():
            raise FormatError(f"{path}: line {at}: expected finite numbers")
    return matrix, claimed is not None


def _header(lines: list[tuple[int, list[bytes]]]) -> tuple[int, int] | None:
    """Read "n d"; the first row of a matrix of two columns is no header, unless d is 2."""
    if not lines or len(lines[0][1]) != 2 or not all(f.isdigit() for f in lines[0][1]):
        return None
    rows, columns = (int(field) for field in lines[0][1])
    if len(lines) > 1 and len(lines[1][1]) == 2 and columns != 2:
        return None
    return rows, columns


def write_text(path: str, matrix: Any, numbers: str) -> None:
    """Write a header and a row a line."""
    values = np.ascontiguousarray(matrix)
    if values.ndim != 2:
        raise ShapeError(f"matrix: expected two dimensions, got shape {values.shape}")
    _printing.style_of(numbers)
    with appearing(path) as stream:
        _printing.write_rows(stream, None, values, numbers, 1)
