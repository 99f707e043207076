"""Results that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def output_folder(folder: Path) -> Iterator[Path]:
    """Give a new folder to write in; its files appear in `folder` when the block succeeds.

    The new folder lies beside `folder`, so that appearing is a rename. If the block fails, or is
    interrupted, nothing of it stays, and what `folder` held before is as it was. Files of an
    earlier run are replaced one by one, each at once; other files in `folder` are left alone.
    """
    folder = Path.cwd() / folder
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(20, "not a directory", str(folder))
    created = _make_parents(folder.parent)
    draft = folder.parent / f".{folder.name}.{secrets.token_hex(6)}.partial"
    try:
        try:
            draft.mkdir()
        except OSError as error:
            # Of the draft nobody has heard: name the folder that was asked for.
            raise OSError(error.errno, error.strerror, str(folder)) from None
        yield draft
        files = sorted(draft.iterdir())
        for file in files:
            _flush(file)
        if folder.exists():
            for file in files:
                file.replace(folder / file.name)
            draft.rmdir()
        else:
            draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        for parent in created:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def _make_parents(folder: Path) -> list[Path]:
    """Create a folder and its parents; return those that were created, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _flush(file: Path) -> None:
    with file.open("r+b") as stream:
        os.fsync(stream.fileno())
