"""Where a model may be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

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
    certified = Certificate.load(folder).files
    known = {*certified, CERTIFICATE, _folder.CARD}
    for file in sorted(folder.rglob("*")):
        inside = file.is_dir() and not file.is_symlink()
        if not inside and file.relative_to(folder).as_posix() not in known:
            raise FileExistsError(
                errno.EEXIST,
                "was not written by the trim that its folder is of, which is therefore not "
                "replaced: move it away, or give another folder",
                str(file),
            )
        size = certified.get(file.relative_to(folder).as_posix(), {}).get("bytes")
        if size is not None and not inside and file.stat().st_size != size:
            raise _changed(file)
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
    certificate = Certificate.load(folder)
    there = [name for name in certificate.files if (folder / name).is_file()]
    for name, now in _verification.hashes(folder, there).items():
        if now != certificate.files[name]:
            raise _changed(folder / name)
    return True


def _changed(file: Path) -> FileExistsError:
    return FileExistsError(
        errno.EEXIST,
        "was changed since the trim that its folder is of, which is therefore not replaced: move "
        "it away, or give another folder",
        str(file),
    )
