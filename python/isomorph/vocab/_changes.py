"""One changed field of one file: what trims and transfers print, save and undo."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Change", "table"]

#: A longer value is cut where changes are printed; the saved list has all of it.
_SHOWN = 60


@dataclass(frozen=True)
class Change:
    """A field that was changed, removed or added.

    Attributes
    ----------
    file : str
        The file's name within the folder.
    field : str
        The path of the field, such as ``"post_processor.cls[1]"``; ``""`` for the whole file.
    old, new : object
        The value before and after, as JSON has it; None where there was or is none. Of what is
        long (a vocabulary, a list of merges) a few words such as ``"30522 entries"``.
    """

    file: str
    field: str
    old: Any
    new: Any

    def as_dict(self) -> dict[str, Any]:
        """Give what is saved as JSON."""
        return asdict(self)

    def __str__(self) -> str:
        where = f"{self.file}: {self.field}" if self.field else self.file
        return f"{where}: {_short(self.old)} -> {_short(self.new)}"


def table(changes: Iterable[Change]) -> str:
    """Print changes, one a line."""
    return "\n".join(map(str, changes))


def _short(value: Any) -> str:
    shown = "none" if value is None else str(value)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
