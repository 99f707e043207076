"""Small tokenizers as those of model families: special tokens, templates, sentinels."""

from __future__ import annotations

import functools
import json
from typing import Any

from support.small_tokenizers import lines


@functools.cache
def tokenizer(kind: str, size: int = 600) -> str:
    """The tokenizer.json of a kind of model."""
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )

    text = [line for language in ("en", "fr", "fi") for line in lines(language, 0, 150)]
    options: dict[str, Any] = {"vocab_size": size, "show_progress": False}
    made: Any
    if kind == "bert":
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer(lowercase=True)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.decoder = decoders.WordPiece()
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        made.train_from_iterator(text, trainers.WordPieceTrainer(special_tokens=special, **options))
        _around(made, "[CLS] $A [SEP]", "[CLS]", "[SEP]")
    elif kind in ("gpt2", "roberta"):
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        first = ["<s>", "<pad>", "</s>", "<unk>"] if kind == "roberta" else []
        last = "<mask>" if kind == "roberta" else "<|endoftext|>"
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        made.train_from_iterator(
            text,
            trainers.BpeTrainer(initial_alphabet=alphabet, special_tokens=first, **options),
        )
        made.add_special_tokens([last])
        if kind == "roberta":
            made.post_processor = processors.RobertaProcessing(
                ("</s>", made.token_to_id("</s>")), ("<s>", made.token_to_id("<s>"))
            )
    elif kind == "llama":
        made = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        made.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
        made.decoder = decoders.Sequence(
            [
                decoders.Replace("▁", " "),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(" ", 1, 0),
            ]
        )
        special = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256))]
        made.train_from_iterator(
            text,
            trainers.BpeTrainer(
                special_tokens=special, max_token_length=8, **{**options, "vocab_size": 900}
            ),
        )
        document = json.loads(made.to_str())
        document["added_tokens"] = document["added_tokens"][:3]
        made = Tokenizer.from_str(json.dumps(document))
        _around(made, "<s> $A", "<s>")
    else:
        first, last, template = {
            "t5": (
                ["<pad>", "</s>", "<unk>"],
                [f"<extra_id_{n}>" for n in range(9, -1, -1)],
                "$A </s>",
            ),
            "mbart": (
                ["<s>", "<pad>", "</s>", "<unk>"],
                ["en_XX", "fr_XX", "<mask>"],
                "$A </s> en_XX",
            ),
            "xlmr": (["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"], "<s> $A </s>"),
        }[kind]
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        made.train_from_iterator(
            text,
            trainers.UnigramTrainer(unk_token="<unk>", special_tokens=first, **options),
        )
        made.add_special_tokens(last)
        _around(made, template, *(word for word in template.split() if word != "$A"))
    return made.to_str()


def _around(made: Any, template: str, *special: str) -> None:
    from tokenizers import processors

    made.post_processor = processors.TemplateProcessing(
        single=template,
        pair=f"{template} $B",
        special_tokens=[(name, made.token_to_id(name)) for name in special],
    )


def ids(kind: str) -> dict[str, int]:
    """The id of each token."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(tokenizer(kind)).get_vocab()
