"""Text for people who read it in a fixed-width font."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Align rows in columns two spaces apart; no word is ever cut.

    Parameters
    ----------
    rows : sequence of sequence of str
        Cells; a row may be short.
    right : sequence of int
        Columns that are set to the right.
    """
    from rich.cells import cell_len

    widths = [0] * max((len(row) for row in rows), default=0)
    for row in rows:
        for column, cell in enumerate(row):
            widths[column] = max(widths[column], cell_len(cell))
    lines = []
    for row in rows:
        cells = []
        for column, cell in enumerate(row):
            space = " " * (widths[column] - cell_len(cell))
            cells.append(space + cell if column in right else cell + space)
        lines.append("  ".join(cells).rstrip())
    return lines
