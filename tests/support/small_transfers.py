"""Another tokenizer for a small model, and weights that are numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from support import small_models as small
from support.small_tokenizers import lines

SPECIAL = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]


def retrained(folder: Path, kind: str, *, size: int = 500, special: list[str]) -> Path:
    """Train another tokenizer of a kind on other text, with these special tokens first."""
    from tokenizers import Tokenizer, trainers

    document = json.loads(small.tokenizer(kind))
    made = Tokenizer.from_str(json.dumps({**document, "added_tokens": [], "post_processor": None}))
    options = {"vocab_size": size, "special_tokens": special, "show_progress": False}
    trainer = {
        "Unigram": lambda: trainers.UnigramTrainer(unk_token=special[0], **options),
        "BPE": lambda: trainers.BpeTrainer(**options),
        "WordPiece": lambda: trainers.WordPieceTrainer(**options),
    }[type(made.model).__name__]()
    made.train_from_iterator([*lines("en", 100, 300), *lines("fr", 0, 100)], trainer)
    folder.mkdir(exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    return folder


def finite_weights(folder: Path) -> None:
    """Put numbers in the place of the random bytes of floating point tensors."""
    for file in folder.glob("*.safetensors"):
        raw = bytearray(file.read_bytes())
        start = 8 + int.from_bytes(raw[:8], "little")
        for entry in json.loads(raw[8:start]).values():
            kind = {"F32": "f4", "F16": "f2", "BF16": "f4"}.get(entry.get("dtype"))
            if kind is None:
                continue
            rng = np.random.default_rng(start)
            data = rng.standard_normal(int(np.prod(entry["shape"]))).astype(kind)
            if entry["dtype"] == "BF16":
                data = (data.view(np.uint32) >> 16).astype(np.uint16)
            first, last = entry["data_offsets"]
            raw[start + first : start + last] = data.tobytes()
        file.write_bytes(bytes(raw))
