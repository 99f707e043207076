"""What a transfer writes beside the model: a section of its card; and which folders are its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from isomorph.vocab.checkpoints import _folder
from isomorph.vocab.trimming._paths import require_only, require_unchanged

if TYPE_CHECKING:
    from isomorph.vocab.transfers._transfer import Transferred

MIXING = f"{_folder.OWN}/mixing.safetensors"
REPORT = f"{_folder.OWN}/transfer.json"
FORMAT = "isomorph.transfer"
TITLE = "## Transferred vocabulary"


def section(found: Transferred, before: int, after: int, command: str) -> list[str]:
    """Say in the model card how the model was made."""
    counts = ", ".join(f"{int(n.sum()):,} {name}" for name, n in found.origins.items())
    matched = {
        None: "",
        "all": "; new rows have the mean norm of the old ones",
        "kind": "; new rows have the mean norm of the old ones of their kind",
    }[found.match_norm]
    return [
        "This model was moved to another tokenizer by "
        "[isomorph](https://pypi.org/project/isomorph/), without training: "
        f"{before:,} to {after:,} tokens, by `{found.method}`{matched}.",
        "",
        "```sh" if command.startswith("isomorph ") else "```python",
        command,
        "```",
        "",
        f"Rows of the new tokens: {counts}.",
        f"What each is made of is in [`{MIXING}`]({MIXING}), every change in "
        f"[`{REPORT}`]({REPORT}).",
    ]


def _recorded(folder: Path) -> Any:
    """Give the files that the transfer of a folder wrote; None where there was none."""
    if not (folder / REPORT).is_file():
        return None
    found = _folder.read_json(folder / REPORT).get("files")
    return found if isinstance(found, dict) else {}


def is_transfer_alone(folder: Path) -> bool:
    """Whether a folder has the files of a transfer."""
    recorded = _recorded(folder)
    if recorded is not None:
        require_only(folder, recorded, {REPORT, _folder.CARD}, "transfer")
    return recorded is not None


def is_transfer_unchanged(folder: Path) -> bool:
    """Whether a folder has the files of a transfer, byte for byte."""
    if not is_transfer_alone(folder):
        return False
    require_unchanged(folder, _recorded(folder), "transfer")
    return True
