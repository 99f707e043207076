"""A SentencePiece model as a tokenizer.json that gives the same ids.

What SentencePiece does before its model becomes the normalizer (blanks, the mark in front), or a
function of lines (the character map, :mod:`._charsmap`); no text is split before the model. Pieces
that text never becomes (control, unknown, unused) get a name that no text has; those that text
always becomes (user-defined) become one character of a private plane, for which they are exchanged.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from isomorph.errors import FormatError
from isomorph.vocab.tokenizers import _vocabulary
from isomorph.vocab.tokenizers._sentencepiece import (
    SentencePieceModel,
    Type,
    value_of,
)
from isomorph.vocab.tokenizers._vocabulary import Vocabulary

__all__ = ["converted"]

_SPACE = "▁"
#: The private plane from which stand-ins are taken, downwards.
_LAST = 0x10FFFD


def converted(
    model: SentencePieceModel,
) -> tuple[dict[str, Any], Vocabulary, dict[str, str]]:
    """Give the document, what it says of tokens, and what stands for user-defined pieces.

    The tokens have the names that the pieces have.

    Raises
    ------
    FormatError
        A setting that the library has nothing for.
    """
    if value_of(model.trainer, 24, 0):
        raise FormatError(
            f"{model.file}: trainer_spec.treat_whitespace_as_suffix: expected false, got true, "
            "which is not supported"
        )
    names, stand_ins = _names(model)
    body = _unigram(model, names) if model.kind == "unigram" else _bpe(model, names)
    document: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": _normalizers(model, stand_ins)},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": body,
    }
    read = _vocabulary.read(model.file, document)
    ranks = read.ranks
    if len(read.merges):
        # SentencePiece ranks a merge by its product alone.
        scores = np.array([piece.score for piece in model.pieces])
        _, ranks = np.unique(-scores[read.merges[:, 2]], return_inverse=True)
    real = tuple(piece.text for piece in model.pieces)
    return document, dataclasses.replace(read, tokens=real, ranks=ranks.astype(np.int64)), stand_ins


def _names(model: SentencePieceModel) -> tuple[list[str], dict[str, str]]:
    taken = {character for piece in model.pieces for character in piece.text}
    free = (chr(code) for code in range(_LAST, 0xF0000, -1) if chr(code) not in taken)
    never = next(free)
    names: list[str] = []
    stand_ins: dict[str, str] = {}
    for piece in model.pieces:
        if piece.type is Type.USER_DEFINED:
            stand_ins[piece.text] = next(free)
            names.append(stand_ins[piece.text])
        elif piece.type in (Type.NORMAL, Type.BYTE):
            names.append(piece.text)
        else:
            names.append(never + piece.text)
    return names, stand_ins


def _normalizers(model: SentencePieceModel, stand_ins: dict[str, str]) -> list[dict[str, Any]]:
    settings = model.normalizer
    # Of symbols that begin alike the longest counts.
    ordered = sorted(stand_ins.items(), key=lambda pair: (-len(pair[0]), pair[0]))
    steps = []
    if value_of(settings, 4, 1):
        steps.append(_replace(r"\A +| +\z", "", kind="Regex"))
        steps.append(_replace(" {2,}", " ", kind="Regex"))
    if value_of(settings, 3, 1):
        steps.append({"type": "Prepend", "prepend": " "})
    if value_of(settings, 5, 1):
        steps.append(_replace(" ", _SPACE))
    # Those in the line itself are gone by now; these are made of what the steps before give.
    return steps + [_replace(symbol, mark) for symbol, mark in ordered]


def _replace(pattern: str, content: str, *, kind: str = "String") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def _unknown(model: SentencePieceModel) -> int:
    return next(n for n, piece in enumerate(model.pieces) if piece.type is Type.UNKNOWN)


def _unigram(model: SentencePieceModel, names: list[str]) -> dict[str, Any]:
    normal = [piece.score for piece in model.pieces if piece.type is Type.NORMAL]
    # The score of the unknown counts from the lowest of normal pieces: all others are above it, if
    # by a hair only.
    above = math.nextafter(min(normal, default=0.0), math.inf)
    vocab = [
        [name, piece.score if piece.type is Type.NORMAL else above]
        for name, piece in zip(names, model.pieces, strict=True)
    ]
    return {
        "type": "Unigram",
        "unk_id": _unknown(model),
        "vocab": vocab,
        "byte_fallback": bool(value_of(model.trainer, 35, 0)),
    }


def _bpe(model: SentencePieceModel, names: list[str]) -> dict[str, Any]:
    if any(piece.type is Type.UNUSED for piece in model.pieces):
        raise FormatError(
            f"{model.file}: pieces: expected none of the type UNUSED in a bpe model, which are "
            "taken apart again after merging; that is not supported"
        )
    normal = {piece.text: piece.score for piece in model.pieces if piece.type is Type.NORMAL}
    rules: list[tuple[float, str, str]] = []
    for text, score in normal.items():
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut:]
            if left in normal and right in normal:
                rules.append((-score, left, right))
    # Stable: of one product the shorter left side first.
    rules.sort(key=lambda rule: rule[0])
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": names[_unknown(model)],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": bool(value_of(model.trainer, 35, 0)),
        "ignore_merges": False,
        "vocab": {name: number for number, name in enumerate(names)},
        "merges": [[left, right] for _, left, right in rules],
    }
