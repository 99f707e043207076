"""Small tokenizers of every kind, trained on text of a few languages that the package carries."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import isomorph

KINDS = ("wordpiece", "unigram", "byte-level", "llama", "wordlevel", "clip")
_SPECIAL = ["<unk>", "<s>", "</s>", "<pad>"]


@cache
def words(language: str) -> tuple[str, ...]:
    path = Path(isomorph.__file__).parent / "data" / f"{language}.words.txt"
    return tuple(path.read_text(encoding="utf-8").splitlines())


def text(lines: int, *, seed: int = 0, languages: tuple[str, ...] = ("en", "fi")) -> list[str]:
    """Lines of frequent words, a few signs and digits among them."""
    draw = random.Random(seed)
    made = []
    for _ in range(lines):
        listed = words(draw.choice(languages))
        count = draw.randint(3, 12)
        picked = [listed[int(draw.random() ** 3 * len(listed))] for _ in range(count)]
        if draw.random() < 0.3:
            picked.insert(draw.randint(0, count), str(draw.randint(0, 2030)))
        line = " ".join(picked)
        made.append(line.capitalize() + draw.choice([".", "!", "?", " ...", ""]))
    return made


@cache
def document(kind: str, size: int = 600, lines: int = 500) -> str:
    """A tokenizer.json of a kind, as JSON."""
    return trained(kind, text(lines, seed=1), size)


def trained(kind: str, corpus: list[str], size: int) -> str:
    """A tokenizer.json of a kind, trained on lines."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    common = {"vocab_size": size, "special_tokens": _SPECIAL, "show_progress": False}
    if kind == "wordpiece":
        made = Tokenizer(models.WordPiece(unk_token="<unk>"))
        made.normalizer = normalizers.BertNormalizer()
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.train_from_iterator(corpus, trainers.WordPieceTrainer(**common))
        made.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 1))
    elif kind == "unigram":
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.train_from_iterator(corpus, trainers.UnigramTrainer(**common, unk_token="<unk>"))
        made.post_processor = processors.TemplateProcessing(
            single="$A </s>", special_tokens=[("</s>", 2)]
        )
    elif kind == "byte-level":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        made.train_from_iterator(corpus, trainers.BpeTrainer(**common, initial_alphabet=alphabet))
        made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1))
    elif kind == "clip":
        made = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
        made.normalizer = normalizers.Lowercase()
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.train_from_iterator(corpus, trainers.BpeTrainer(**common, end_of_word_suffix="</w>"))
    elif kind == "wordlevel":
        made = Tokenizer(models.WordLevel(unk_token="<unk>"))
        made.pre_tokenizer = pre_tokenizers.Whitespace()
        made.train_from_iterator(corpus, trainers.WordLevelTrainer(**common))
    else:
        return json.dumps(_llama(corpus, size))
    made.enable_padding(pad_id=3, pad_token="<pad>")
    return made.to_str()


def _llama(corpus: list[str], size: int) -> dict[str, Any]:
    """Merges of whole lines, a rule for each way to split a token, bytes for the unknown."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    named = [*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]
    made.train_from_iterator(
        corpus,
        trainers.BpeTrainer(vocab_size=size + 256, special_tokens=named, show_progress=False),
    )
    body = json.loads(made.to_str())
    body["added_tokens"] = body["added_tokens"][: len(_SPECIAL)]
    body["pre_tokenizer"] = None
    body["normalizer"] = {
        "type": "Sequence",
        "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ],
    }
    ids = body["model"]["vocab"]
    body["model"]["merges"] = [
        [token[:cut], token[cut:]]
        for token in sorted(ids, key=ids.__getitem__)
        if token not in named
        for cut in range(1, len(token))
        if token[:cut] in ids and token[cut:] in ids
    ]
    return body


def folder(path: Path, kind: str, size: int = 600) -> Path:
    """A folder with a tokenizer.json."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "tokenizer.json").write_text(document(kind, size), encoding="utf-8")
    return path


def require_same(old: Any, trimmed: Any, lines: list[str], new: Any = None) -> None:
    """Require the old ids of lines, renumbered, from the trimmed tokenizer."""
    for before, after in zip(
        old.encode(lines, special=True),
        (new or trimmed.tokenizer).encode(lines, special=True),
        strict=True,
    ):
        np.testing.assert_array_equal(trimmed.remap.ids(before), after)
