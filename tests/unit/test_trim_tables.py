"""Configurations and tensors: which numbers are ids, which tensors have a row a token."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("tokenizers")

from isomorph.errors import FormatError

CONFIGURATIONS = {
    # What a configuration says of vocabulary 10, 4 rows after, ids 1, 3, 5 and 7 kept.
    "a size": ({"vocab_size": 10}, {"vocab_size": 4}),
    "a nested size": (
        {"text_config": {"vocab_size": 10, "eos_token_id": 7}},
        {"text_config": {"vocab_size": 4, "eos_token_id": 3}},
    ),
    "another vocabulary": (
        {"audio_config": {"vocab_size": 99, "eos_token_id": 7}, "type_vocab_size": 10},
        {"audio_config": {"vocab_size": 99, "eos_token_id": 7}, "type_vocab_size": 10},
    ),
    "lists": ({"eos_token_id": [3, 5]}, {"eos_token_id": [1, 2]}),
    "other names": (
        {"image_token_index": 5, "pad_index": 1, "video_token_id": 7, "audio_token_ids": [3]},
        {"image_token_index": 2, "pad_index": 0, "video_token_id": 3, "audio_token_ids": [1]},
    ),
    "no ids": (
        {"pad_token_id": None, "bos_token_id": -1, "num_labels": 3, "use_token_id": True},
        {"pad_token_id": None, "bos_token_id": -1, "num_labels": 3, "use_token_id": True},
    ),
    "beyond": ({"eos_token_id": 50256}, {"eos_token_id": 50256}),
    "gone": ({"eos_token_id": 2}, {"eos_token_id": None}),
    "gone from lists": (
        {"suppress_tokens": [1, 2, 3], "bad_words_ids": [[1, 2], [3]]},
        {"suppress_tokens": [0, 1], "bad_words_ids": [[1]]},
    ),
    "pairs": (
        {"forced_decoder_ids": [[1, 7], [2, None]], "sequence_bias": [[[5, 3], -10.0]]},
        {"forced_decoder_ids": [[1, 3], [2, None]], "sequence_bias": [[[2, 1], -10.0]]},
    ),
    "tables of tokens": (
        {"vocabulary_map": {"<image>": 5, "gone": 4}, "im_start_id": 7, "boi_token_id": 3},
        {"vocabulary_map": {"<image>": 2}, "im_start_id": 3, "boi_token_id": 1},
    ),
    "tables of ids": (
        {"lang_to_id": {"<|en|>": 5}, "task_to_id": {"translate": 7}, "label2id": {"no": 3}},
        {"lang_to_id": {"<|en|>": 2}, "task_to_id": {"translate": 3}, "label2id": {"no": 3}},
    ),
}


def test_a_table_of_all_tokens_does_not_keep_them():
    from isomorph.vocab.checkpoints import _configs

    found = _configs.ids_of({"vocabulary_map": {"<image>": 5}, "boi_token_id": 3}, 10)
    assert [field.id for field in found] == [3]


@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_configurations(case):
    from isomorph.vocab.checkpoints import _configs

    config, expected = CONFIGURATIONS[case]
    original = json.loads(json.dumps(config))
    new = {1: 0, 3: 1, 5: 2, 7: 3}
    edited = _configs.renumbered(config, 10, 4, new.get)
    assert edited.value == expected
    assert config == original
    assert bool(edited.changes) == (config != expected)


NAMES = {
    "language_model.model.embed_tokens.weight": "input",
    "model.decoder.embed_tokens.weight": "input",
    "backbone.embeddings.weight": "input",
    "model.embeddings.tok_embeddings.weight": "input",
    "transformer.word_embedding.weight": "input",
    "gpt_neox.embed_in.weight": "input",
    "embed_out.weight": "output",
    "vocab_projector.bias": "bias",
    "generator_lm_head.weight": "output",
    "lm_head.decoder.bias": "bias",
    "decoder.bias": "bias",
    "proj_out.weight": "output",
    "model.decoder.layers.0.output.weight": None,
    "embeddings.position_embeddings.weight": None,
    "embeddings.LayerNorm.weight": None,
    "classifier.weight": None,
}


@pytest.mark.parametrize("name", NAMES)
def test_tensors_by_name(name):
    from isomorph.vocab.checkpoints._header import Tensor
    from isomorph.vocab.checkpoints._roles import find_tables

    shape = (10,) if name.endswith("bias") else (10, 4)
    some = Tensor(name, "F32", shape, "model.safetensors", 0, 4)
    main = Tensor("wte.weight", "F32", (10, 4), "model.safetensors", 4, 8)
    every = [some, main]
    if NAMES[name] is None:
        # Where there is no other head, this may be it.
        every.append(Tensor("lm_head.weight", "F32", (10, 4), "model.safetensors", 8, 12))
    found = {table.name: table.role for table in find_tables("model", every, 10)}
    assert found.get(name) == NAMES[name]


def test_a_head_with_the_name_of_a_layer_is_told():
    from isomorph.vocab.checkpoints._header import Tensor
    from isomorph.vocab.checkpoints._roles import find_tables

    def tensor(name: str, *shape: int) -> Tensor:
        return Tensor(name, "F32", shape, "model.safetensors", 0, 4)

    main = tensor("layers.0.wte.weight", 10, 4)
    head = [tensor("layers.3.linear.weight", 10, 4), tensor("layers.3.linear.bias", 10)]
    with pytest.raises(FormatError, match=r"tables=\{'layers\.3\.linear\.weight': 'output'\}"):
        find_tables("model", [main, *head], 10)
    found = find_tables("model", [main, *head], 10, named={head[0].name: "output"})
    assert [table.role for table in found] == ["input", "output", "bias"]
    inner = [tensor("layers.0.mlp.up.weight", 10, 4), tensor("lm_head.weight", 10, 4)]
    assert len(find_tables("model", [main, *inner], 10)) == 2
    assert len(find_tables("model", [main, inner[0]], 10, named={inner[0].name: None})) == 1


def test_tokens_may_lie_along_the_columns():
    from isomorph.vocab.checkpoints._header import Tensor
    from isomorph.vocab.checkpoints._roles import find_tables

    main = Tensor("wte.weight", "F32", (10, 4), "model.safetensors", 4, 8)
    head = Tensor("cls.predictions.dense.weight", "F32", (3, 10), "model.safetensors", 0, 4)
    assert [table.axis for table in find_tables("model", [main, head], 10)] == [0, 1]
    odd = Tensor("something.odd", "F32", (3, 10), "model.safetensors", 0, 4)
    with pytest.raises(FormatError, match=r"something\.odd has 10 columns"):
        find_tables("model", [main, odd], 10)
    found = find_tables("model", [main, odd], 10, named={"something.odd": "output"})
    assert [(table.role, table.axis) for table in found] == [("input", 0), ("output", 1)]
    assert len(find_tables("model", [main, odd], 10, named={"something.odd": None})) == 1


@pytest.mark.parametrize("shape", [(12, 4), (4, 10), (3,)])
def test_a_head_of_another_size_is_told(shape):
    from isomorph.vocab.checkpoints._header import Tensor
    from isomorph.vocab.checkpoints._roles import find_tables

    head = Tensor("lm_head.weight", "F32", shape, "model.safetensors", 0, 4)
    main = Tensor("wte.weight", "F32", (10, 4), "model.safetensors", 4, 8)
    with pytest.raises(FormatError, match=r"expected 10 rows of lm_head\.weight"):
        find_tables("model", [head, main], 10)
    packed = Tensor("lm_head.qweight", "I32", (2, 10), "model.safetensors", 0, 4)
    with pytest.raises(FormatError, match="quantised across tokens"):
        find_tables("model", [packed, main], 10)
