"""What a file of ours says of itself: its format, and the version of that."""

from __future__ import annotations

import os
from collections.abc import Mapping

from isomorph.errors import FormatError


def described(kind: str, version: int) -> dict[str, str]:
    """Give the metadata that every file begins with."""
    return {"format": kind, "format_version": str(version)}


def require(
    path: str | os.PathLike[str],
    metadata: Mapping[str, str],
    *kinds: str,
    newest: int,
    otherwise: str = "it was written by a newer isomorph",
) -> None:
    """Raise unless the file is of one of these kinds, in a version that is known.

    Raises
    ------
    FormatError
        Naming the file, what was expected and what came.
    """
    name = os.fspath(path)
    if (kind := metadata.get("format")) not in kinds:
        raise FormatError(
            f"{name}: expected a file of {' or '.join(kinds)}, got {kind or 'none in its metadata'}"
        )
    version = metadata.get("format_version", "")
    if not version.isascii() or not version.isdigit() or not 1 <= int(version) <= newest:
        or_older = " or older" if newest > 1 else ""
        raise FormatError(
            f"{name}: expected format version {newest}{or_older}, got {version!r}; {otherwise}"
        )
