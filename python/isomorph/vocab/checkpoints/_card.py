"""Sections of a model card that say how a model was made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from isomorph.vocab.checkpoints import _folder


def append(out: Path, title: str, lines: Sequence[str]) -> None:
    """Append a section to README.md, which is made if there is none."""
    card = out / _folder.CARD
    text = read(card) if card.is_file() else ""
    if text and not text.endswith("\n"):
        text += "\n"
    made = (text + "\n" if text else "") + "\n".join([title, "", *lines]) + "\n"
    card.write_bytes(made.encode("utf-8", "surrogateescape"))


def read(card: Path) -> str:
    """Read a card, whatever bytes and ends of lines it has."""
    return card.read_bytes().decode("utf-8", "surrogateescape")


def without(text: str, title: str) -> str:
    """Take out the sections of that title."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        if line.startswith(("# ", "## ")):
            inside = line.rstrip() == title
            if inside and kept and not kept[-1].strip():
                kept.pop()
        if not inside:
            kept.append(line)
    return "".join(kept)
