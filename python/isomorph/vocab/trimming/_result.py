"""What a trim gives: sizes before and after, the plan, the certificate, the changes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isomorph import _text

if TYPE_CHECKING:
    from isomorph.vocab._changes import Change
    from isomorph.vocab.checkpoints._checkpoint import Checkpoint
    from isomorph.vocab.planning import TrimPlan
    from isomorph.vocab.tokenizers import Tokenizer
    from isomorph.vocab.trimming._certificate import Certificate
    from isomorph.vocab.trimming._rows import NewRows


@dataclass(frozen=True, slots=True)
class Footprint:
    """How large a model is.

    Attributes
    ----------
    tokens : int
        Ids of the tokenizer.
    rows : int
        Rows of the tables, padding included.
    parameters, table_parameters : int
        Values of all tensors, and of those with a row a token.
    disk_bytes : int
        All files of the folder; before anything is written, an estimate.
    load_bytes : int
        The tensors in memory, in their own types.
    """

    tokens: int
    rows: int
    parameters: int
    table_parameters: int
    disk_bytes: int
    load_bytes: int

    def as_dict(self) -> dict[str, int]:
        """Give everything as plain Python values."""
        return asdict(self)


@dataclass(frozen=True)
class Trimmed:
    """A trim that was made, or, as a dry run, would be.

    Attributes
    ----------
    path : Path or None
        The new model; None of a dry run.
    plan : TrimPlan
        Which tokens are kept, and why.
    certificate : Certificate or None
        What was verified; None of a dry run.
    changes : tuple of Change
        Every field that is other than before, and every file that was left out.
    before, after : Footprint
        How large the model was and is.
    notes : tuple of str
        What to know.
    """

    path: Path | None
    plan: TrimPlan = field(repr=False)
    certificate: Certificate | None = field(repr=False)
    changes: tuple[Change, ...] = field(repr=False)
    before: Footprint
    after: Footprint
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        return {
            "path": None if self.path is None else str(self.path),
            "before": self.before.as_dict(),
            "after": self.after.as_dict(),
            "plan": self.plan.as_dict(),
            "certificate": None if self.certificate is None else self.certificate.as_dict(),
            "changes": [change.as_dict() for change in self.changes],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return "\n".join(self.table())

    def table(self) -> list[str]:
        """Give the sizes before and after, a line each."""
        old, new = self.before, self.after
        about = "about " if self.path is None else ""
        rows = [
            ["", "before", "after", ""],
            ["tokens", f"{old.tokens:,}", f"{new.tokens:,}", _less(old.tokens, new.tokens)],
            ["rows of tables", f"{old.rows:,}", f"{new.rows:,}", _less(old.rows, new.rows)],
            [
                "parameters",
                f"{old.parameters:,}",
                f"{new.parameters:,}",
                _less(old.parameters, new.parameters),
            ],
            [
                "  of them in tables",
                f"{old.table_parameters:,}",
                f"{new.table_parameters:,}",
                _less(old.table_parameters, new.table_parameters),
            ],
            [
                "megabytes on disk",
                _megabytes(old.disk_bytes),
                about + _megabytes(new.disk_bytes),
                _less(old.disk_bytes, new.disk_bytes),
            ],
            [
                "megabytes to load",
                _megabytes(old.load_bytes),
                _megabytes(new.load_bytes),
                _less(old.load_bytes, new.load_bytes),
            ],
        ]
        return _text.table(rows, right=(1, 2, 3))


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f}"


def _less(old: int, new: int) -> str:
    change = 100 * (new - old) / max(old, 1)
    return f"{change:+.1f} %" if abs(change) >= 0.05 else "="


def footprint(checkpoint: Checkpoint, tokenizer: Tokenizer) -> Footprint:
    """Measure a model."""
    folder = checkpoint.folder
    names = [*folder.others, *map(folder.relative, checkpoint.weights)]
    names += [name for name, _ in folder.left_out]
    return Footprint(
        tokens=sum(token is not None for token in tokenizer.tokens),
        rows=checkpoint.rows,
        parameters=checkpoint.parameters,
        table_parameters=sum(_count(table.shape) for table in checkpoint.tables),
        disk_bytes=sum((folder.root / name).stat().st_size for name in names),
        load_bytes=checkpoint.tensor_bytes,
    )


def expected(before: Footprint, checkpoint: Checkpoint, rows: NewRows) -> Footprint:
    """Say how large a model will be; of its files, how much less than before."""
    gone = sum(_count(t.shape) // t.rows for t in checkpoint.tables) * (before.rows - rows.size)
    less = checkpoint.table_bytes // before.rows * (before.rows - rows.size)
    left_out = [checkpoint.folder.root / name for name, _ in checkpoint.folder.left_out]
    return Footprint(
        tokens=rows.tokens,
        rows=rows.size,
        parameters=before.parameters - gone,
        table_parameters=before.table_parameters - gone,
        disk_bytes=before.disk_bytes - less - sum(file.stat().st_size for file in left_out),
        load_bytes=before.load_bytes - less,
    )


def _count(shape: tuple[int, ...]) -> int:
    return math.prod(shape)
