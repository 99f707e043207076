"""Tokenizers of model families, saved by `transformers`, trimmed, and read by it again."""

from __future__ import annotations

import json

import pytest

from isomorph.vocab import Tokenizer
from support import made_tokenizers

pytestmark = pytest.mark.models
pytest.importorskip("tokenizers")

LINES = [*made_tokenizers.text(60, seed=7), "naïve café 🦆 日本", " two  spaces"]


def made(family: str):
    import transformers

    byte_level = ("gpt2", "roberta", "qwen2")
    kind = "byte-level" if family in byte_level else "llama" if family == "llama" else "unigram"
    model = json.loads(made_tokenizers.document(kind, 1000))["model"]
    named = ["<unk>", "<s>", "</s>", "<pad>"]
    if kind == "unigram":
        pieces = [tuple(entry) for entry in model["vocab"] if entry[0] not in named]
        fairseq = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0)]
        if family == "t5":
            first = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
            return transformers.T5Tokenizer(vocab=first + pieces, extra_ids=20)
        if family == "mbart":
            return transformers.MBart50Tokenizer(vocab=fairseq + pieces)
        vocab = [*fairseq, ("<unk>", 0.0), *pieces, ("<mask>", 0.0)]
        return transformers.XLMRobertaTokenizer(vocab=vocab)
    vocab, merges = model["vocab"], [tuple(pair) for pair in model["merges"]]
    if family in ("gpt2", "qwen2"):
        plain = [token for token in vocab if token not in named]
        vocab = {token: number for number, token in enumerate([*plain, "<|endoftext|>"])}
        kind = transformers.GPT2Tokenizer if family == "gpt2" else transformers.Qwen2Tokenizer
        return kind(vocab=vocab, merges=merges)
    if family == "roberta":
        vocab = {**vocab, "<mask>": len(vocab)}
        return transformers.RobertaTokenizer(vocab=vocab, merges=merges)
    return transformers.LlamaTokenizer(vocab=vocab, merges=merges)


CASES = [
    *(
        (family, True, None)
        for family in ("gpt2", "roberta", "llama", "t5", "mbart", "xlm-roberta")
    ),
    # A folder that does not say its class gets that of the type of its model,
    *((family, False, None) for family in ("gpt2", "roberta", "qwen2")),
    # which some types have in any case; others can be given another.
    ("qwen2", True, None),
    ("gpt2", False, True),
    ("gpt2", True, True),
    ("roberta", False, True),
    ("roberta", True, True),
]


@pytest.mark.parametrize(("family", "named", "lookups"), CASES)
def test_a_trimmed_tokenizer_is_the_same_in_transformers(family, named, lookups, tmp_path):
    from transformers import AutoTokenizer

    old, new = tmp_path / "old", tmp_path / "new"
    made(family).save_pretrained(old)
    old_config = json.loads((old / "tokenizer_config.json").read_bytes())
    if not named:
        del old_config["tokenizer_class"]
        (old / "tokenizer_config.json").write_text(json.dumps(old_config))
    (old / "config.json").write_text(json.dumps({"model_type": family}))
    tokenizer = Tokenizer.load(old, ignore_merges=lookups)
    usage = tokenizer.usage(LINES)
    trimmed = tokenizer.keep(usage.used, usage)
    trimmed.save(new)
    (new / "config.json").write_text(json.dumps({"model_type": family}))
    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (old, new))
    assert len(before) == tokenizer.size
    assert len(after) == trimmed.remap.new_size < tokenizer.size
    assert after.all_special_tokens == before.all_special_tokens
    for line in LINES:
        ids = before(line)["input_ids"]
        assert after(line)["input_ids"] == trimmed.remap.ids(ids).tolist()
        assert after.decode(after(line)["input_ids"]) == before.decode(ids)
    for name in ("pad", "eos", "bos", "unk", "mask", "cls", "sep"):
        number = getattr(before, f"{name}_token_id")
        expected = None if number is None else trimmed.remap.old_to_new[number]
        assert getattr(after, f"{name}_token_id") == expected
    assert (type(after) is type(before)) is not bool(lookups)
    assert sorted(after("a")) == sorted(before("a"))
