"""New tensors of a checkpoint, made block by block of a mixing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph.errors import FormatError, NonFiniteError
from isomorph.vocab.checkpoints._checkpoint import Checkpoint
from isomorph.vocab.checkpoints._parts import Made
from isomorph.vocab.checkpoints._roles import TokenTable
from isomorph.vocab.checkpoints._tables import open_table
from isomorph.vocab.mixing import TokenMixing
from isomorph.vocab.transfers._norms import MatchedNorms
from isomorph.vocab.transfers._recipes import Recipe

_FLOATS = ("F16", "BF16", "F32", "F64")


def require_mixable(checkpoint: Checkpoint) -> None:
    """Refuse tables whose rows cannot be added.

    Raises
    ------
    FormatError
        A table that is quantised.
    """
    for table in checkpoint.tables:
        if table.role == "scale" or table.dtype not in _FLOATS:
            raise FormatError(
                f"{checkpoint.folder.transformer}: {table.name} has type {table.dtype}: rows of a "
                "quantised table cannot be mixed; save the model with its embeddings not quantised"
            )


def table_rows(checkpoint: Checkpoint, table: TokenTable, size: int) -> NDArray[Any]:
    """Read a table as numbers: a row for each of the `size` old tokens, whatever its axes."""
    opened = open_table(checkpoint.folder.transformer / table.file, table.name)
    rows = opened.mapped() if table.dtype == "F32" else opened.floats()
    # One axis for tokens, then the others.
    rows = np.moveaxis(rows, table.axis, 0)[:size]
    return rows.reshape(size, -1)


def made_tensors(
    checkpoint: Checkpoint,
    mixing: TokenMixing,
    recipe: Recipe,
    rows: int,
    threads: int | None,
    norms: MatchedNorms | None,
) -> dict[str, Made]:
    """Say what becomes of every table: its rows mixed, and `rows` of them.

    Rows after the last token, which only fill up, are the mean.
    """
    return {
        table.name: _made(checkpoint, table, mixing, recipe, rows, threads, norms)
        for table in checkpoint.tables
    }


def _made(
    checkpoint: Checkpoint,
    table: TokenTable,
    mixing: TokenMixing,
    recipe: Recipe,
    rows: int,
    threads: int | None,
    norms: MatchedNorms | None,
) -> Made:
    shape = (*table.shape[: table.axis], rows, *table.shape[table.axis + 1 :])
    state: dict[str, Any] = {}

    def block(start: int, stop: int) -> NDArray[Any]:
        """Make some rows of the matrix (rows, everything else)."""
        if "others" not in state:
            old = table_rows(checkpoint, table, mixing.shape[1])
            state["old"] = old
            empty = mixing.fallback_rows
            others = recipe.fallback(old, empty) if len(empty) else old[:0]
            # One row for all, or one each.
            state.update(empty=empty, others=np.atleast_2d(others))
        tokens = mixing.shape[0]
        last = min(stop, tokens)
        parts = []
        if start < last:
            some = mixing.take(np.arange(start, last))
            low, high = np.searchsorted(state["empty"], (start, last)).tolist()
            others = state["others"]
            fallback = None
            if low < high:
                fallback = others if len(others) == 1 else others[low:high]
            made = some.apply(state["old"], fallback=fallback, threads=threads)
            # Biases have no norm to keep.
            if norms is not None and table.role in ("input", "output"):
                if "wanted" not in state:
                    state["wanted"] = norms.of(state["old"])
                made = norms.scaled(made, slice(start, last), state["wanted"])
            parts.append(made)
        if stop > tokens:
            mean = Recipe("mean").fallback(state["old"], np.zeros(1, np.int64))
            parts.append(np.repeat(mean, stop - max(start, tokens), axis=0))
        found: NDArray[Any] = np.concatenate(parts)
        if stop == rows:
            state.clear()
        return found

    def checked(start: int, stop: int) -> NDArray[Any]:
        try:
            return block(start, stop)
        except NonFiniteError:
            bad = np.flatnonzero(~np.isfinite(state["old"]).all(axis=1)).tolist()
            raise NonFiniteError(
                f"{checkpoint.folder.transformer / table.file}: {table.name}: row {bad[:1]} is "
                "not finite, and new rows are made of it: repair the model first"
            ) from None

    def make(start: int, stop: int) -> NDArray[Any]:
        if table.axis == 0:
            return checked(start, stop).reshape(stop - start, *shape[1:])
        # Tokens lie along a later axis: everything at once, a bias or an adapter.
        whole = checked(0, rows)
        rest = (*table.shape[: table.axis], *table.shape[table.axis + 1 :])
        return np.moveaxis(whole.reshape(rows, *rest), 0, table.axis)[start:stop]

    return Made(shape, table.dtype, make)
