"""Small tokenizers of each kind, trained on the words of the sample: the same on every run."""

from __future__ import annotations

import functools
from typing import Any

from isomorph.data import load_sample

SPECIAL = ["[UNK]", "[PAD]", "[CLS]", "[SEP]"]
KINDS = ("wordpiece", "unigram", "byte bpe", "sentence bpe", "wordlevel")


@functools.cache
def words(language: str) -> tuple[str, ...]:
    """The words of a language of the sample, most frequent first."""
    pair = load_sample("en-fr" if language in ("en", "fr") else "en-fi")
    return tuple((pair.source if language == "en" else pair.target).words)


@functools.cache
def lines(language: str, first: int = 0, last: int = 400) -> tuple[str, ...]:
    """Lines of seven words each: never the same word twice in a row, some words often."""
    known = words(language)
    return tuple(
        " ".join(known[(n * n + 17 * n * k + k) % (30 + 4 * n)] for k in range(7)) + "."
        for n in range(first, last)
    )


@functools.cache
def content(kind: str, size: int = 1500) -> str:
    """The tokenizer.json of a small tokenizer of this kind."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    text = [line for language in ("en", "fr", "fi") for line in lines(language)]
    options: dict[str, Any] = {"vocab_size": size, "special_tokens": SPECIAL}
    options["show_progress"] = False
    trainer: Any
    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(**options)
    elif kind == "unigram":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(unk_token="[UNK]", **options)
    elif kind == "byte bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        options["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(**options)
    elif kind == "sentence bpe":
        # As Llama's is converted: no pre-tokens, whole lines are merged.
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", fuse_unk=True))
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
        trainer = trainers.BpeTrainer(max_token_length=12, **options)
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.WordLevelTrainer(**options)
    tokenizer.train_from_iterator(text, trainer)
    return tokenizer.to_str()


def write(kind: str, folder: Any, size: int = 1500) -> Any:
    """Write the tokenizer.json of a small tokenizer, and give its path."""
    path = folder / "tokenizer.json"
    path.write_text(content(kind, size), encoding="utf-8")
    return path
