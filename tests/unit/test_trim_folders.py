"""Folders of models: modules, links, pickles, what is copied and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("tokenizers")

from isomorph.errors import FormatError
from isomorph.vocab import Tokenizer, trim, untrim
from support import small_models as small


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return small.write_text(tmp_path / "corpus.txt", small.CORPUS)


def test_sentence_transformers_with_a_sub_folder(tmp_path, corpus):
    model, out = tmp_path / "model", tmp_path / "out"
    small.write(model / "0_Transformer", "bert")
    (model / "0_Transformer" / "README.md").unlink()
    modules = [
        {"idx": 0, "name": "0", "path": "0_Transformer", "type": "a.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "a.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Dense", "type": "a.models.Dense"},
    ]
    small.write_json(model / "modules.json", modules)
    for name in ("1_Pooling", "2_Dense"):
        (model / name).mkdir()
        small.write_json(model / name / "config.json", {"word_embedding_dimension": 8})
    (model / "2_Dense" / "pytorch_model.bin").write_bytes(b"weights")
    (model / "0_Transformer" / "pytorch_model.bin").write_bytes(b"old weights")
    done = trim(model, out, corpus=corpus)
    assert small.contents(out / "2_Dense") == small.contents(model / "2_Dense")
    assert small.contents(out / "1_Pooling") == small.contents(model / "1_Pooling")
    assert not (out / "0_Transformer" / "pytorch_model.bin").exists()
    assert any(change.file == "0_Transformer/pytorch_model.bin" for change in done.changes)
    assert json.loads((out / "0_Transformer" / "config.json").read_text())["vocab_size"] == (
        done.after.rows
    )
    assert (out / "README.md").is_file()
    assert Tokenizer.load(out / "0_Transformer").size == done.after.tokens
    untrim(out, tmp_path / "back", original=model)
    back = small.contents(tmp_path / "back")
    was = small.contents(model)
    was.pop("0_Transformer/pytorch_model.bin")
    assert back.keys() == was.keys()
    assert {f: d for f, d in back.items() if f != "0_Transformer/model.safetensors"} == {
        f: d for f, d in was.items() if f != "0_Transformer/model.safetensors"
    }


def _with_modules(model: Path, **modules: dict[str, object]) -> None:
    """Add modules after the transformer, by their classes, with their configurations."""
    listed = [{"idx": 0, "name": "0", "path": "", "type": "a.models.Transformer"}]
    for n, (kind, config) in enumerate(modules.items(), 1):
        path = f"{n}_{kind}"
        listed.append({"idx": n, "name": str(n), "path": path, "type": f"a.models.{kind}"})
        (model / path).mkdir()
        small.write_json(model / path / "config.json", config)
    small.write_json(model / "modules.json", listed)


def test_ids_and_sizes_in_other_modules(tmp_path, corpus):
    model, out = tmp_path / "model", tmp_path / "out"
    family = small.write(model, "bert")
    rare = family.size - 1
    _with_modules(
        model,
        LogitScore={"true_token_id": rare},
        MultiVectorMask={"keep_only_token_ids": [rare, rare - 1]},
        SpladePooling={"embedding_dimension": family.rows},
    )
    done = trim(model, out, corpus=corpus, multiple_of=1)
    new = done.plan.remap.old_to_new
    score, mask, pooling = (
        json.loads((out / name / "config.json").read_text())
        for name in ("1_LogitScore", "2_MultiVectorMask", "3_SpladePooling")
    )
    assert score["true_token_id"] == new[rare] >= 0
    assert mask["keep_only_token_ids"] == new[[rare, rare - 1]].tolist()
    assert pooling["embedding_dimension"] == done.after.rows < family.rows
    untrim(out, tmp_path / "back", original=model)
    for name in ("1_LogitScore", "2_MultiVectorMask", "3_SpladePooling"):
        assert small.contents(tmp_path / "back" / name) == small.contents(model / name)


def test_a_module_with_weights_for_each_token_is_refused(tmp_path, corpus):
    model = tmp_path / "model"
    rows = small.write(model, "bert").rows
    _with_modules(
        model, SpladePooling={"embedding_dimension": rows}, SparseAutoEncoder={"input_dim": rows}
    )
    with pytest.raises(FormatError, match=r"2_SparseAutoEncoder.*input_dim is"):
        trim(model, tmp_path / "out", corpus=corpus)


def test_what_keeps_the_old_size_is_noted(tmp_path, corpus):
    model = tmp_path / "model"
    rows = small.write(model, "llama").rows
    small.write_json(model / "head.json", {"wide": [{"inputs": rows}]})
    notes = trim(model, tmp_path / "out", corpus=corpus).notes
    assert any("head.json: wide[0].inputs is" in note for note in notes)
    assert any("mlp.up_proj.weight: shape" in note for note in notes)


def test_prompts_and_lower_case_are_counted_and_certified(tmp_path):
    model, out = tmp_path / "model", tmp_path / "out"
    small.write(model, "xlmr")
    prompt = small.CORPUS[-1] + ": "
    small.write_json(model / "config_sentence_transformers.json", {"prompts": {"query": prompt}})
    small.write_json(model / "sentence_bert_config.json", {"do_lower_case": True})
    text = small.write_text(tmp_path / "few.txt", small.CORPUS[:3])
    done = trim(model, out, corpus=text)
    old, new = Tokenizer.load(model), Tokenizer.load(out)
    lines = small.CORPUS[:3]
    given = [*lines, *(prompt + line for line in lines)]
    given += [line.lower() for line in given]
    for one, other in zip(old.encode(given), new.encode(given), strict=True):
        assert done.plan.remap.old_to_new[one].tolist() == other.tolist()
    assert done.certificate.corpus["lines"] == len(set(given))
    assert sum("every line is counted" in note for note in done.notes) == 2
    # Without text the tokens of the prompt stay all the same.
    planned = trim(model, None, scripts=["Greek"], dry_run=True).plan
    assert set(old.encode([prompt])[0].tolist()) <= set(planned.kept.tolist())


def test_a_module_that_is_a_link_is_copied(tmp_path, corpus):
    model, out = tmp_path / "model", tmp_path / "out"
    small.write(model, "bert")
    _with_modules(model, Pooling={"pooling_mode": "cls"})
    (model / "1_Pooling").rename(tmp_path / "pooling")
    (model / "1_Pooling").symlink_to(tmp_path / "pooling")
    trim(model, out, corpus=corpus)
    assert small.contents(out / "1_Pooling") == small.contents(tmp_path / "pooling")
    (model / "again").symlink_to(model)
    with pytest.raises(FormatError, match="again: a link to a folder that it lies in"):
        trim(model, tmp_path / "two", corpus=corpus)


def test_heads_in_pickles_are_copied_and_what_is_left_out_is_noted(tmp_path, corpus):
    model, out = tmp_path / "model", tmp_path / "out"
    small.write(model, "xlmr")
    for name in ("colbert_linear.pt", "pytorch_model.bin", "optimizer.pt", "sparse_linear.pt"):
        (model / name).write_bytes(b"pickled")
    notes = trim(model, out, corpus=corpus).notes
    assert sorted(file.name for file in out.glob("*.[pb]*")) == [
        "colbert_linear.pt",
        "sparse_linear.pt",
    ]
    for name, word in (
        ("colbert_linear.pt", "copied"),
        ("pytorch_model.bin", "left out"),
        ("optimizer.pt", "left out"),
    ):
        assert any(note.startswith(f"{name}:") and word in note for note in notes), (name, notes)


def test_a_static_embedding_needs_no_configuration(tmp_path, corpus):
    model, out = tmp_path / "model", tmp_path / "out"
    model.mkdir()
    size = small.family("bert").size
    small.write_weights(model, {"embedding.weight": ("F16", (size, 8))})
    (model / "tokenizer.json").write_text(small.tokenizer("bert"))
    done = trim(model, out, corpus=corpus)
    assert small.read_weights(out)["embedding.weight"][1] == (done.after.rows, 8)


def test_ids_of_configurations_are_kept_and_padding_does_not_move(tmp_path):
    model = tmp_path / "model"
    family = small.write(model, "gpt2")
    rare = small.ids("gpt2").get("ä", 300)
    small.write_json(
        model / "config.json",
        {**family.config, "pad_token_id": 5, "text_config": {"image_token_index": rare}},
    )
    text = small.write_text(tmp_path / "few.txt", ["a b"])
    trimmed = trim(model, tmp_path / "out", corpus=text)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["pad_token_id"] == 5
    assert trimmed.plan.remap.new_to_old[config["text_config"]["image_token_index"]] == rare


def test_the_wrong_tokenizer_is_told(tmp_path, corpus):
    model = tmp_path / "model"
    small.write(model, "bert")
    (model / "tokenizer.json").write_text(small.tokenizer("llama"))
    with pytest.raises(FormatError, match="the tokenizer is not this model's"):
        trim(model, tmp_path / "out", corpus=corpus)
    assert not (tmp_path / "out").exists()


def test_weights_elsewhere_are_stale_unless_a_module_has_them(tmp_path, corpus):
    model = tmp_path / "model"
    small.write(model, "llama")
    for name in ("original/consolidated.00.pth", "consolidated.safetensors", "optimizer.pt"):
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_bytes(b"old")
    (model / "original" / "tokenizer.model").write_bytes(b"old")
    (model / "original" / "params.json").write_bytes(b"{}")
    done = trim(model, tmp_path / "out", corpus=corpus)
    left = {change.file for change in done.changes if "left out" in str(change.new)}
    assert left == {
        "original/consolidated.00.pth",
        "consolidated.safetensors",
        "optimizer.pt",
        "original/tokenizer.model",
    }
    assert (tmp_path / "out" / "original" / "params.json").is_file()


def test_links_of_a_cache_are_followed(tmp_path, corpus):
    blobs, model = tmp_path / "blobs", tmp_path / "snapshot"
    small.write(blobs, "bert")
    model.mkdir()
    for file in blobs.iterdir():
        (model / file.name).symlink_to(file)
    before = small.contents(blobs)
    trim(model, tmp_path / "out", corpus=corpus)
    assert not any(file.is_symlink() for file in (tmp_path / "out").rglob("*"))
    assert small.contents(blobs) == before
