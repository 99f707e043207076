"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def appearing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Give a stream to write to; the file appears under its name when the block succeeds.

    It is written beside its destination and renamed. If the block fails or is interrupted, or the
    disk is full, nothing of it stays, and what was there before is as it was. Of a symbolic link
    what it points to is replaced.
    """
    # realpath, not resolve(): a link that leads nowhere yet is a place to write to.
    destination = Path(os.path.realpath(path))
    draft = destination.parent / f".{destination.name}.{secrets.token_hex(6)}.partial"
    try:
        with _opened(draft, path) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(destination)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def _opened(draft: Path, path: str | os.PathLike[str]) -> BinaryIO:
    try:
        return draft.open("xb")
    except OSError as error:
        # Of the draft nobody has heard: name the file that was asked for.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
