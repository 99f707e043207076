"""Where a model may be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from isomorph.vocab.checkpoints import _folder
from isomorph.vocab.trimming._certificate import CERTIFICATE, Certificate


def require_apart(out: Path, root: Path) -> None:
    """Refuse to write into the model, or around it."""
    target, source = Path(os.path.realpath(out)), Path(os.path.realpath(root))
    if target == source or source in target.parents or target in source.parents:
        raise ValueError(
            f"out: expected a folder apart from the model's, {root}, which stays as it is, got "
            f"{out}"
        )


def is_trim_alone(folder: Path) -> bool:
    """Whether a folder has the files of a trim.

    Raises
    ------
    FileExistsError
        It has others, too: naming the first. What a trim did not write, no trim removes.
    FormatError
        Its certificate is damaged, so that nothing says which files are the trim's.
    """
    if not (folder / CERTIFICATE).is_file():
        return False
    known = {*Certificate.load(folder).files, CERTIFICATE, _folder.CARD}
    for file in sorted(folder.rglob("*")):
        inside = file.is_dir() and not file.is_symlink()
        if not inside and file.relative_to(folder).as_posix() not in known:
            raise FileExistsError(
                errno.EEXIST,
                "was not written by the trim that its folder is of, which is therefore not "
                "replaced: move it away, or give another folder",
                str(file),
            )
    return True
