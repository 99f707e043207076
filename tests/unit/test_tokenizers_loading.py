"""How `transformers` loads a tokenizer decides what a trim may rely on."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from isomorph.vocab import Tokenizer
from support import made_tokenizers
from support.made_tokenizers import require_same

pytest.importorskip("tokenizers")

LINES = made_tokenizers.text(40, seed=6)


def model(folder, config=None, named=None, document=None):
    """Write a byte-level tokenizer beside the files of a model."""
    made_tokenizers.folder(folder, "byte-level")
    if document is not None:
        (folder / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    if named is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(named))
    return folder


def kept(tokenizer):
    usage = tokenizer.usage(LINES)
    trimmed = tokenizer.keep(usage.used, usage)
    require_same(tokenizer, trimmed, LINES)
    return trimmed


#: config.json, tokenizer_config.json, whether the setting is sure to be in force.
CASES = [
    (None, None, True),
    (None, {"model_max_length": 9}, True),
    (None, {"tokenizer_class": "GPT2Tokenizer"}, False),
    ({"model_type": "gpt2"}, None, False),
    ({"model_type": "gpt2"}, {"model_max_length": 9}, False),
    ({"model_type": "gpt2"}, {"tokenizer_class": "GPT2TokenizerFast"}, False),
    ({"model_type": "gpt2"}, {"tokenizer_class": "PreTrainedTokenizerFast"}, True),
    ({"model_type": "llama"}, {"tokenizer_class": "TokenizersBackend"}, True),
    ({"model_type": "gpt2", "tokenizer_class": "GPT2Tokenizer"}, None, False),
    ({"model_type": "qwen2"}, {"tokenizer_class": "PreTrainedTokenizerFast"}, False),
    ({"hidden_dim": 8}, None, True),
]


@pytest.mark.parametrize(("config", "named", "sure"), CASES)
def test_whole_words_are_looked_up_only_where_every_loader_does(tmp_path, config, named, sure):
    trimmed = kept(Tokenizer.load(model(tmp_path, config, named)))
    assert trimmed.tokenizer._vocabulary.ignore_merges is sure
    whole = kept(Tokenizer.load(tmp_path, ignore_merges=False))
    assert not whole.tokenizer._vocabulary.ignore_merges
    assert (trimmed.remap.new_size < whole.remap.new_size) is sure
    assert not any(change.field == "tokenizer_class" for change in trimmed.changes)
    # Tokens that fill a size up must be made by merges, too.
    tokenizer = Tokenizer.load(tmp_path)
    usage = tokenizer.usage(LINES)
    more = tokenizer.keep(np.arange(tokenizer.size - 30, tokenizer.size), usage)
    assert more.tokenizer._vocabulary.ignore_merges is sure


@pytest.mark.parametrize("named", [None, {"tokenizer_class": "GPT2Tokenizer", "eos_token": "<s>"}])
def test_who_asks_for_it_gets_it_with_the_class_that_takes_it(tmp_path, named):
    folder = model(tmp_path, {"model_type": "gpt2"}, named)
    trimmed = kept(Tokenizer.load(folder, ignore_merges=True))
    assert trimmed.tokenizer._vocabulary.ignore_merges
    assert "tokenizer_config.json" in trimmed.files
    trimmed.save(tmp_path / "out")
    made = json.loads((tmp_path / "out" / "tokenizer_config.json").read_bytes())
    assert made["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert made["model_input_names"] == ["input_ids", "attention_mask"]
    assert made["eos_token"] == ("<s>" if named else "<|endoftext|>")
    changed = {change.field: change.new for change in trimmed.changes}
    assert changed["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert not kept(Tokenizer.load(tmp_path / "out")).changes
    (folder / "config.json").write_text('{"model_type": "qwen2"}')
    with pytest.raises(ValueError, match=r"ignore_merges: .*type 'qwen2'"):
        Tokenizer.load(folder, ignore_merges=True)


def test_what_was_looked_up_before_is_merged_where_a_loader_drops_it(tmp_path):
    document = json.loads(made_tokenizers.document("byte-level"))
    document["model"]["ignore_merges"] = True
    folder = model(tmp_path, {"model_type": "gpt2"}, document=document)
    trimmed = kept(Tokenizer.load(folder))
    # As the class of the family builds it.
    trimmed.save(tmp_path / "out")
    merged = json.loads((tmp_path / "out" / "tokenizer.json").read_bytes())
    for path, made in ((tmp_path / "a", document), (tmp_path / "b", merged)):
        made["model"]["ignore_merges"] = False
        path.mkdir()
        (path / "tokenizer.json").write_text(json.dumps(made), encoding="utf-8")
    require_same(Tokenizer.load(tmp_path / "a"), trimmed, LINES, Tokenizer.load(tmp_path / "b"))


@pytest.mark.parametrize("looked_up", [False, True])
def test_a_word_of_which_characters_are_left_out_is_not_looked_up(tmp_path, looked_up):
    # Of "a-b" merging makes "ab", for "-" has no token; a look-up of "a-b" finds nothing.
    vocab = {"a": 0, "b": 1, "ab": 2, "c": 3}
    body = {"type": "BPE", "vocab": vocab, "merges": [["a", "b"]], "ignore_merges": looked_up}
    document = {"model": body, "pre_tokenizer": {"type": "WhitespaceSplit"}}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document))
    tokenizer = Tokenizer.load(path)
    assert [ids.tolist() for ids in tokenizer.encode(["a-b c"])] == [[2, 3]]
    usage = tokenizer.usage(["a-b c"])
    require_same(tokenizer, tokenizer.keep(usage.used, usage), ["a-b c"])


def test_a_marked_word_that_was_looked_up_is_merged(tmp_path):
    vocab = {"a": 0, "b</w>": 1, "ab</w>": 2, "c": 3, "<unk>": 4}
    body = {"type": "BPE", "vocab": vocab, "merges": [["a", "b</w>"]], "ignore_merges": True}
    body |= {"end_of_word_suffix": "</w>", "unk_token": "<unk>"}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"model": body, "pre_tokenizer": {"type": "WhitespaceSplit"}}))
    tokenizer = Tokenizer.load(path)
    usage = tokenizer.usage(["ab"])
    assert usage.used.tolist() == [2]
    require_same(tokenizer, tokenizer.keep(usage.used, usage), ["ab"])


#: Normalizer or pre-tokenizer, config.json, tokenizer_config.json, and what is said of it.
BERT = {"type": "BertNormalizer", "lowercase": True, "strip_accents": None}
CASED = BERT | {"lowercase": False}
DISAGREEING = [
    (BERT, {"model_type": "bert"}, {}, None),
    (BERT, {"model_type": "bert"}, {"do_lower_case": False}, "do_lower_case: false.* true"),
    (CASED, {"model_type": "bert"}, {"do_lower_case": False}, None),
    (CASED, {"model_type": "bert"}, {}, "do_lower_case: true, as it does not say otherwise"),
    (CASED, {}, {"tokenizer_class": "BertTokenizer"}, "do_lower_case: true"),
    (CASED, {"model_type": "bert"}, {"tokenizer_class": "PreTrainedTokenizerFast"}, None),
    (CASED, {"model_type": "gpt2"}, {}, None),
    (CASED, {}, {}, None),
    (
        {"type": "Sequence", "normalizers": [{"type": "NFC"}, BERT | {"strip_accents": False}]},
        {"model_type": "mpnet"},
        {"do_lower_case": True, "strip_accents": True},
        "strip_accents: true.*strip_accents: false",
    ),
]


@pytest.mark.parametrize(("normalizer", "config", "named", "said"), DISAGREEING)
def test_files_that_contradict_each_other_on_words_are_told(
    tmp_path, normalizer, config, named, said
):
    folder = made_tokenizers.folder(tmp_path, "wordlevel")
    document = json.loads((folder / "tokenizer.json").read_bytes()) | {"normalizer": normalizer}
    model(folder, config, named, document)
    found = Tokenizer.load(folder).disagreements
    if said is None:
        assert not found
    else:
        (one,) = [one for one in found if said.split(":")[0] in one]
        assert re.search(said, one)


def test_a_blank_in_front_is_read_in_one_way(tmp_path):
    folder = model(tmp_path, {"model_type": "roberta"}, {"add_prefix_space": True})
    (said,) = Tokenizer.load(folder).disagreements
    assert "add_prefix_space: true" in said
    model(tmp_path, {"model_type": "roberta"}, {"add_prefix_space": False})
    assert not Tokenizer.load(folder).disagreements
