"""Where a model may be written."""

from __future__ import annotations

import os
from pathlib import Path


def require_apart(out: Path, root: Path) -> None:
    """Refuse to write into the model, or around it."""
    target, source = Path(os.path.realpath(out)), Path(os.path.realpath(root))
    if target == source or source in target.parents or target in source.parents:
        raise ValueError(
            f"out: expected a folder apart from the model's, {root}, which stays as it is, got "
            f"{out}"
        )
