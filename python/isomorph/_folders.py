"""Folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_DRAFT = ".{name}.{key}.partial"
_REPLACED = ".{name}.{key}.replaced"


def make_parents(folder: Path) -> list[Path]:
    """Create a folder and its parents; return those that were created, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def flush(file: Path) -> None:
    """Bring a file to the disk."""
    with file.open("r+b") as stream:
        os.fsync(stream.fileno())


def new_draft(folder: Path) -> Path:
    """Make a folder beside `folder`, so that appearing is a rename.

    Raises
    ------
    OSError
        Naming `folder`: of the draft nobody has heard.
    """
    draft = folder.parent / _DRAFT.format(name=folder.name, key=secrets.token_hex(6))
    try:
        draft.mkdir()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None
    return draft


@contextmanager
def appearing_folder(
    folder: Path,
    *,
    replaceable: Callable[[Path], bool] | None = None,
    note: Callable[[str], object] = str,
) -> Iterator[Path]:
    """Give a new folder to write in, sub-folders too; it becomes `folder` when the block succeeds.

    If the block fails or is interrupted nothing of it stays, and what `folder` held is as it was.
    A process that is killed leaves its draft, ``.NAME.KEY.partial`` beside `folder`; the next one
    that writes the same folder removes drafts that nobody writes any more, and says so.

    Parameters
    ----------
    folder : Path
        What is to appear. An empty folder is replaced.
    replaceable : callable, optional
        Told a folder that exists with something in it, says whether it may be replaced; without
        it none may.
    note : callable
        Told of drafts that were found.

    Raises
    ------
    FileExistsError
        `folder` exists and may not be replaced.
    NotADirectoryError
        `folder` is a file.
    OSError
        Its parent cannot be written to.
    """
    folder = Path(os.path.realpath(folder))
    _sweep(folder, note)
    require_free(folder, replaceable)
    created = make_parents(folder.parent)
    draft = new_draft(folder)
    lock = _locked(draft)
    try:
        yield draft
        for file in sorted(draft.rglob("*")):
            if file.is_file():
                flush(file)
        _put(draft, folder, replaceable)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, OSError) and str(error.filename).startswith(f"{draft}{os.sep}"):
            # Of the draft nobody has heard, and it is gone.
            error.filename = str(folder / Path(error.filename).relative_to(draft))
        for parent in created:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise
    finally:
        if lock is not None:
            os.close(lock)


def require_free(folder: Path, replaceable: Callable[[Path], bool] | None = None) -> None:
    """Refuse a folder that :func:`appearing_folder` would refuse, before the work is done."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "not a directory", str(folder))
    if not folder.exists() or not any(folder.iterdir()):
        return
    if replaceable is None:
        raise FileExistsError(
            errno.EEXIST, "exists and is not empty: give another folder", str(folder)
        )
    if not replaceable(folder):
        raise FileExistsError(
            errno.EEXIST,
            "exists and is nothing that isomorph wrote, so it is not replaced: give another folder",
            str(folder),
        )


def _put(draft: Path, folder: Path, replaceable: Callable[[Path], bool] | None) -> None:
    """Rename the draft into place; what was there goes only when that is done."""
    require_free(folder, replaceable)
    if not folder.exists():
        draft.rename(folder)
        return
    old = folder.parent / _REPLACED.format(name=folder.name, key=secrets.token_hex(6))
    folder.rename(old)
    try:
        draft.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sweep(folder: Path, note: Callable[[str], object]) -> None:
    """Remove drafts of processes that are gone; put back what one of them was replacing."""
    name = re.compile(re.escape(f".{folder.name}.") + r"[0-9a-f]{12}\.(partial|replaced)")
    left = sorted(folder.parent.iterdir()) if folder.parent.is_dir() else []
    for draft in left:
        found = name.fullmatch(draft.name)
        if found is None or not draft.is_dir():
            continue
        if found[1] == "replaced" and not folder.exists():
            draft.rename(folder)
            note(f"{folder}: put back; a process that was killed was replacing it")
            continue
        lock = _locked(draft)
        if lock is None:
            note(f"{draft}: left alone; another process seems to write it")
            continue
        shutil.rmtree(draft, ignore_errors=True)
        os.close(lock)
        note(f"{draft}: removed; a process that was killed had left it")


def _locked(draft: Path) -> int | None:
    """Lock a draft while this process lives; None where another holds it or locks do not exist."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        descriptor = os.open(draft, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
