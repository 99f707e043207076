"""Options and inputs that several commands share."""

from __future__ import annotations

import argparse
import hashlib
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isomorph.align import Alignment
    from isomorph.io import Embeddings

SAMPLE = "sample:"
#: The map in a folder that ``align`` wrote.
MAP = "map.safetensors"


def positive(text: str) -> int:
    """Read a number from 1 up, for argparse."""
    try:
        number = int(text.replace("_", "").replace(",", ""))
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, got {text!r}")
    return number


def at_least_two(text: str) -> int:
    """Read a number from 2 up, for argparse."""
    if (number := positive(text)) < 2:
        raise argparse.ArgumentTypeError(f"expected a whole number from 2 up, got {text!r}")
    return number


def names(text: str) -> tuple[str, ...]:
    """Read a list of names with commas between, for argparse."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"expected names with commas between, got {text!r}")
    return found


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes."""
    group = parser.add_argument_group("common options")
    group.add_argument("--json", action="store_true", help="print the result as JSON")
    group.add_argument("--quiet", action="store_true", help="no progress, no notes")
    group.add_argument(
        "--threads", type=positive, metavar="N", help="use N threads (default: all cores allowed)"
    )
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add where to compute."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="cpu",
        help="where to compute: cuda needs CuPy and a GPU; auto takes it if it is there, and the "
        "CPU if not (default: cpu)",
    )


def add_vocabularies(parser: argparse.ArgumentParser) -> None:
    """Add the two files of vectors, and what to keep of them."""
    parser.add_argument("source", metavar="SRC", help="vectors of the words to translate")
    parser.add_argument("target", metavar="TGT", help="vectors of the language translated into")
    group = parser.add_argument_group("what to keep of the vocabularies")
    group.add_argument(
        "--limit", type=positive, metavar="N", help="read the first N words of each file"
    )
    for side, of in (("source", "SRC"), ("target", "TGT")):
        group.add_argument(
            f"--drop-ascii-{side}",
            action="store_true",
            help=f"drop the words of {of} that are ASCII only (foreign words in a non-Latin "
            "language)",
        )
        group.add_argument(
            f"--scripts-{side}",
            type=names,
            metavar="LIST",
            help=f"keep only words of {of} written in these scripts, as in Sinhala or "
            "Cyrillic,Latin",
        )


def add_reverse(parser: argparse.ArgumentParser) -> None:
    """Add the direction of the dictionaries."""
    parser.add_argument(
        "--reverse", action="store_true", help="the dictionaries have the target word first"
    )


def add_chain(group: argparse._ArgumentGroup) -> None:
    """Add what is done to vectors before a map is fitted."""
    group.add_argument(
        "--chain",
        default="unit center unit",
        metavar="STEPS",
        help="what to do to the vectors first, in order (default: 'unit center unit')",
    )


def add_neighborhood(group: argparse._ActionsContainer) -> None:
    """Add the neighbours of CSLS."""
    group.add_argument(
        "--neighborhood",
        type=positive,
        default=10,
        metavar="K",
        help="neighbours in the CSLS radii (default: 10)",
    )


def read_vocabularies(
    source: str,
    target: str,
    keep: argparse.Namespace | None = None,
    *,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[Embeddings, Embeddings]:
    """Read both vocabularies and prune them as the options of :func:`add_vocabularies` say."""
    if keep is None:
        return read_vocabulary(source, progress=progress), read_vocabulary(
            target, progress=progress
        )
    return (
        read_vocabulary(
            source,
            limit=keep.limit,
            drop_ascii=keep.drop_ascii_source,
            scripts=keep.scripts_source,
            progress=progress,
        ),
        read_vocabulary(
            target,
            limit=keep.limit,
            drop_ascii=keep.drop_ascii_target,
            scripts=keep.scripts_target,
            progress=progress,
        ),
    )


def read_vocabulary(
    path: str,
    *,
    limit: int | None = None,
    drop_ascii: bool = False,
    scripts: Sequence[str] | None = None,
    duplicates: str = "first",
    progress: Callable[[int, int], object] | None = None,
) -> Embeddings:
    """Read a file of vectors, or one of the sample, and keep what is asked for."""
    from isomorph import io, vocab

    if path.startswith(SAMPLE):
        from isomorph import data

        embeddings = data.load_language(path.removeprefix(SAMPLE))
        if limit is not None:
            embeddings = vocab.prune(embeddings, top=limit).apply(embeddings)
    else:
        embeddings = io.load(path, limit=limit, duplicates=duplicates, progress=progress)
    if drop_ascii or scripts:
        kept = vocab.prune(embeddings, scripts=scripts, drop_ascii=drop_ascii)
        embeddings = kept.apply(embeddings)
        if not len(embeddings):
            raise ValueError(f"{path}: no word is left by --drop-ascii and --scripts")
    return embeddings


def as_file(path: str, folder: str) -> str:
    """Return `path`; vectors of the sample are written into `folder` first."""
    if not path.startswith(SAMPLE):
        return path
    from isomorph import io

    file = Path(folder, f"{path.removeprefix(SAMPLE)}.safetensors")
    io.save(read_vocabulary(path), file)
    return str(file)


def load_alignment(path: str) -> Alignment:
    """Read a map from its file, or from the folder that ``align`` wrote."""
    from isomorph.align import Alignment
    from isomorph.errors import FormatError

    file = Path(path)
    if file.is_dir():
        file = file / MAP
    try:
        return Alignment.load(file)
    except FormatError as error:
        reason = str(error).removeprefix(f"{file}: ")
        raise FormatError(
            f"{file}: expected a map that 'isomorph align' has written, or the folder that it is "
            f"in ({reason})"
        ) from error


def swapped(alignment: Alignment, source: str, target: str) -> str | None:
    """Say so if these are the files that `align` read, but in the other order.

    A map goes one way; the other way it gives words, too, and they mean nothing. Files are told by
    name and size, as hashing them would take longer than most commands.
    """
    files = alignment.map.provenance.get("files")
    read = {}
    for file in files if isinstance(files, (list, tuple)) else ():
        if isinstance(file, Mapping) and isinstance(file.get("path"), str):
            read[file.get("role")] = (Path(file["path"]).name, file.get("bytes"))
    fitted = read.get("source"), read.get("target")
    if None in fitted or SAMPLE in (source[: len(SAMPLE)], target[: len(SAMPLE)]):
        return None
    given = tuple((Path(path).name, Path(path).stat().st_size) for path in (target, source))
    if given != fitted or fitted[0] == fitted[1]:
        return None
    return (
        f"the map was fitted from {target} to {source}, and is asked the other way round; "
        "give SRC and TGT in the order of 'align'"
    )


def dictionary_path(path: str) -> str:
    """Return the path of a dictionary; ``sample:en-fr.train`` is one of the sample."""
    if not path.startswith(SAMPLE):
        return path
    from isomorph import data

    pair, _, part = path.removeprefix(SAMPLE).partition(".")
    if part not in ("train", "test"):
        raise ValueError(f"{path}: expected sample:PAIR.train or sample:PAIR.test")
    train, test = data.dictionary_paths(pair)
    return str(train if part == "train" else test)


def short_name(path: str) -> str:
    """Return a name for a vocabulary: ``en`` for ``data/en.float16.npy`` and ``sample:en``."""
    return Path(path.removeprefix(SAMPLE)).name.split(".")[0] or path


def provenance(argv: Sequence[str], files: dict[str, str]) -> dict[str, Any]:
    """Say what went into a result: command, versions, and each file with its hash."""
    import numpy as np

    import isomorph

    return {
        "command": shlex.join(["isomorph", *argv]),
        "created": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "versions": {
            "isomorph": isomorph.__version__,
            "NumPy": np.__version__,
            "Python": sys.version.split()[0],
        },
        "files": [
            {"role": role, "path": path, **_identify(path)}
            for role, path in files.items()
            if not path.startswith(SAMPLE)
        ],
    }


def _identify(path: str) -> dict[str, Any]:
    with Path(path).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": Path(path).stat().st_size, "sha256": digest}
