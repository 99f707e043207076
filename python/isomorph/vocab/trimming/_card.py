"""The section of the model card that says how a model was trimmed."""

from __future__ import annotations

from pathlib import Path

from isomorph.vocab.checkpoints import _card
from isomorph.vocab.checkpoints._card import read
from isomorph.vocab.trimming._certificate import CERTIFICATE, Certificate
from isomorph.vocab.trimming._result import Footprint

__all__ = ["append", "read", "without"]

_TITLE = "## Trimmed vocabulary"


def append(
    out: Path, certificate: Certificate, before: Footprint, after: Footprint, command: str
) -> None:
    """Append the section to README.md, which is made if there is none."""
    section = [
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
    _card.append(out, _TITLE, section)


def without(text: str) -> str:
    """Take out the sections of trims."""
    return _card.without(text, _TITLE)
