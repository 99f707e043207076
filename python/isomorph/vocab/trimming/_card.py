"""The section of the model card that says how a model was trimmed."""

from __future__ import annotations

from pathlib import Path

from isomorph.vocab.checkpoints import _folder
from isomorph.vocab.trimming._certificate import CERTIFICATE, Certificate
from isomorph.vocab.trimming._result import Footprint

_TITLE = "## Trimmed vocabulary"


def append(
    out: Path, certificate: Certificate, before: Footprint, after: Footprint, command: str
) -> None:
    """Append the section to README.md, which is made if there is none."""
    card = out / _folder.CARD
    text = read(card) if card.is_file() else ""
    if text and not text.endswith("\n"):
        text += "\n"
    section = [
        _TITLE,
        "",
        "This model was trimmed by [isomorph](https://pypi.org/project/isomorph/): "
        f"{before.tokens:,} to {after.tokens:,} tokens, {before.parameters:,} to "
        f"{after.parameters:,} parameters.",
        "",
        "```sh",
        command,
        "```",
        "",
        *(f"- {said}" for said in certificate.statements),
        "",
        f"The certificate is [`{CERTIFICATE}`]({CERTIFICATE}), SHA-256 `{certificate.sha256}`.",
        "`isomorph untrim` gives back the original token ids.",
    ]
    made = (text + "\n" if text else "") + "\n".join(section) + "\n"
    card.write_bytes(made.encode("utf-8", "surrogateescape"))


def read(card: Path) -> str:
    """Read a card, whatever bytes and ends of lines it has."""
    return card.read_bytes().decode("utf-8", "surrogateescape")


def without(text: str) -> str:
    """Take out the sections of trims."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        if line.startswith(("# ", "## ")):
            inside = line.rstrip() == _TITLE
            if inside and kept and not kept[-1].strip():
                kept.pop()
        if not inside:
            kept.append(line)
    return "".join(kept)
