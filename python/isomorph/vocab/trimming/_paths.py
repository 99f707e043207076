"""Where a model may be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isomorph.vocab.checkpoints import _folder
from isomorph.vocab.trimming import _verification
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
    require_only(folder, Certificate.load(folder).files, {CERTIFICATE, _folder.CARD}, "trim")
    return True


def is_trim_unchanged(folder: Path) -> bool:
    """Whether a folder has the files of a trim, byte for byte: a model may be trained in its place.

    Raises
    ------
    FileExistsError
        As :func:`is_trim_alone`, or naming a file with other bytes.
    FormatError
        As there.
    """
    if not is_trim_alone(folder):
        return False
    require_unchanged(folder, Certificate.load(folder).files, "trim")
    return True


def require_only(
    folder: Path, recorded: Mapping[str, Mapping[str, Any]], others: set[str], made: str
) -> None:
    """Refuse a folder with files that are not recorded, or of another size.

    Raises
    ------
    FileExistsError
        Naming the first: what a trim or a transfer did not write, none removes.
    """
    for file in sorted(folder.rglob("*")):
        inside = file.is_dir() and not file.is_symlink()
        name = file.relative_to(folder).as_posix()
        if not inside and name not in recorded and name not in others:
            raise FileExistsError(
                errno.EEXIST,
                f"was not written by the {made} that its folder is of, which is therefore not "
                "replaced: move it away, or give another folder",
                str(file),
            )
        size = recorded.get(name, {}).get("bytes")
        if size is not None and not inside and file.stat().st_size != size:
            raise _changed(file, made)


def require_unchanged(folder: Path, recorded: Mapping[str, Mapping[str, Any]], made: str) -> None:
    """Refuse a folder whose files have other bytes than are recorded.

    Raises
    ------
    FileExistsError
        Naming the first: a model may have been trained in its place.
    """
    there = [name for name in recorded if (folder / name).is_file()]
    for name, now in _verification.hashes(folder, there).items():
        if now != recorded[name]:
            raise _changed(folder / name, made)


def _changed(file: Path, made: str) -> FileExistsError:
    return FileExistsError(
        errno.EEXIST,
        f"was changed since the {made} that its folder is of, which is therefore not replaced: "
        "move it away, or give another folder",
        str(file),
    )
