"""The way back from a trim: ids, rows and files as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tokenizers")

from isomorph.vocab import trim, untrim
from support import small_models as small


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return small.write_text(tmp_path / "corpus.txt", small.CORPUS)


@pytest.mark.parametrize("name", small.FAMILIES)
def test_untrim_with_the_original_gives_the_original(tmp_path, corpus, name):
    model = tmp_path / "model"
    small.write(model, name)
    trim(model, tmp_path / "out", corpus=corpus)
    done = untrim(tmp_path / "out", tmp_path / "back", original=model)
    assert done.rule == "original"
    was, now = small.contents(model), small.contents(tmp_path / "back")
    assert was.keys() == now.keys()
    for file, data in was.items():
        if file.endswith(".safetensors"):
            continue
        if file.endswith(".index.json"):
            assert json.loads(now[file]) == json.loads(data)
            continue
        assert now[file] == data, file
    assert small.read_weights(tmp_path / "back") == small.read_weights(model)


def test_untrim_of_types_that_numpy_has_not(tmp_path, corpus):
    model = tmp_path / "model"
    family = small.write(model, "llama")
    tensors = {
        tensor: (dtype, shape) for tensor, (dtype, shape, _) in small.read_weights(model).items()
    }
    for name in family.tables:
        tensors[name] = ("F8_E4M3", tensors[name][1])
    small.write_weights(model, tensors)
    trim(model, tmp_path / "out", corpus=corpus)
    untrim(tmp_path / "out", tmp_path / "back", original=model)
    assert small.read_weights(tmp_path / "back") == small.read_weights(model)


def test_untrim_alone_gives_ids_back_and_copies_the_unknown_row(tmp_path, corpus):
    model = tmp_path / "model"
    family = small.write(model, "xlmr")
    trimmed = trim(model, tmp_path / "out", corpus=corpus)
    done = untrim(tmp_path / "out", tmp_path / "back")
    assert (done.rows, done.restored) == (family.rows, trimmed.after.rows)
    assert (tmp_path / "back" / "config.json").read_bytes() == (model / "config.json").read_bytes()
    tokens = (tmp_path / "back" / "tokenizer.json").read_bytes()
    assert tokens == (model / "tokenizer.json").read_bytes()
    table = "roberta.embeddings.word_embeddings.weight"
    old = small.rows_of(small.read_weights(model)[table], family.rows)
    new = small.rows_of(small.read_weights(tmp_path / "back")[table], family.rows)
    unknown = small.ids("xlmr")["<unk>"]
    expected = np.repeat(old[unknown][None], family.rows, axis=0)
    kept = trimmed.plan.remap.new_to_old
    expected[kept] = old[kept]
    np.testing.assert_array_equal(new, expected)


def test_untrim_without_an_unknown_token_fills_with_zeros(tmp_path, corpus):
    model = tmp_path / "model"
    family = small.write(model, "gpt2")
    trimmed = trim(model, tmp_path / "out", corpus=corpus)
    done = untrim(tmp_path / "out", tmp_path / "back")
    assert done.rule == "zero"
    new = small.read_weights(tmp_path / "back")["transformer.wte.weight"]
    gone = np.setdiff1d(np.arange(family.rows), trimmed.plan.kept)
    assert not small.rows_of(new, family.rows)[gone].any()


def test_a_model_that_was_trained_since_gets_its_ids_back(tmp_path, corpus):
    model, out, tuned = tmp_path / "model", tmp_path / "out", tmp_path / "tuned"
    family = small.write(model, "mbart")
    trimmed = trim(model, out, corpus=corpus)
    # What libraries save: no file of ours, a configuration with more fields, other weights.
    tuned.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tuned / file).write_bytes((out / file).read_bytes())
    config = json.loads((out / "config.json").read_text())
    small.write_json(tuned / "config.json", {**config, "dropout": 0.1})
    shape = {
        tensor: (dtype, shape) for tensor, (dtype, shape, _) in small.read_weights(out).items()
    }
    small.write_weights(tuned, shape)
    untrim(tuned, tmp_path / "back", undo=out)
    assert json.loads((tmp_path / "back" / "config.json").read_text()) == {
        **family.config,
        "dropout": 0.1,
    }
    table = "model.shared.weight"
    new = small.rows_of(small.read_weights(tmp_path / "back")[table], family.rows)
    own = small.rows_of(small.read_weights(tuned)[table], trimmed.after.rows)
    kept = trimmed.plan.remap
    np.testing.assert_array_equal(new[kept.new_to_old], own[: kept.new_size])


def test_a_trim_of_a_trim_is_undone_step_by_step(tmp_path, corpus):
    model, once, twice = (tmp_path / name for name in ("model", "once", "twice"))
    small.write(model, "roberta")
    (model / "README.md").write_bytes(b"# A card\r\nwith \xff bytes")
    trim(model, once, corpus=corpus)
    few = small.write_text(tmp_path / "few.txt", small.CORPUS[:10])
    trim(once, twice, corpus=few, multiple_of=8)
    untrim(twice, tmp_path / "back", original=once)
    back, was = small.contents(tmp_path / "back"), small.contents(once)
    assert {name for name in was if not name.startswith("isomorph/")} == back.keys()
    assert all(back[name] == was[name] for name in back)
    untrim(tmp_path / "back", tmp_path / "first", original=model, undo=once)
    assert (tmp_path / "first" / "README.md").read_bytes() == (model / "README.md").read_bytes()
    assert small.read_weights(tmp_path / "first") == small.read_weights(model)
