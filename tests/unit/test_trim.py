"""Trims of small models of every family: rows, ids, tokens, certificate, the way back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tokenizers")

from isomorph.errors import CertificateError, FormatError
from isomorph.vocab import Certificate, Remap, Tokenizer, trim, untrim
from support import small_models as small


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return small.write_text(tmp_path / "corpus.txt", small.CORPUS)


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


@pytest.mark.parametrize("name", small.FAMILIES)
def test_every_family_keeps_its_rows_ids_and_tokens(tmp_path, corpus, name):
    model, out = tmp_path / "model", tmp_path / "out"
    family = small.write(model, name)
    before = contents(model)
    trimmed = trim(model, out, corpus=corpus)
    assert contents(model) == before
    assert trimmed.path == out
    remap = trimmed.plan.remap
    assert 0 < remap.new_size < family.size
    # Tokens: those of another reader, and every line of the corpus.
    old_tokenizer = _library(model)
    new_tokenizer = _library(out)
    for line in small.CORPUS:
        old, new = old_tokenizer.encode(line).ids, new_tokenizer.encode(line).ids
        assert new == remap.old_to_new[old].tolist(), line
        assert new_tokenizer.decode(new) == old_tokenizer.decode(old)
    # Rows: each kept one bit for bit, every other tensor as it was.
    old_weights, new_weights = small.read_weights(model), small.read_weights(out)
    assert new_weights.keys() == old_weights.keys()
    rows = trimmed.after.rows
    for tensor, was in old_weights.items():
        now = new_weights[tensor]
        assert now[0] == was[0]
        if tensor not in family.tables:
            assert now == was, tensor
            continue
        kept = small.rows_of(was, family.rows)[remap.new_to_old]
        np.testing.assert_array_equal(small.rows_of(now, rows)[: remap.new_size], kept)
    # Configurations: the same tokens under their new ids.
    config = json.loads((out / "config.json").read_text())
    assert config["vocab_size"] == rows
    assert rows % 64 == 0 or rows == family.rows
    after = new_tokenizer.get_vocab()
    for token, old in small.ids(family.tokenizer).items():
        for key, value in family.config.items():
            if key.endswith("token_id") and value == old:
                assert config[key] == after[token], key
    assert len(json.loads((out / "tokenizer.json").read_text())["model"]["vocab"]) <= rows
    certificate = Certificate.load(out)
    assert certificate.lossless
    assert certificate.corpus["same"] == certificate.corpus["lines"] == len(small.CORPUS)
    assert {table["name"] for table in certificate.tables} == family.tables
    certificate.verify(out)


@pytest.mark.parametrize("name", small.FAMILIES)
def test_untrim_with_the_original_gives_the_original(tmp_path, corpus, name):
    model = tmp_path / "model"
    small.write(model, name)
    trim(model, tmp_path / "out", corpus=corpus)
    done = untrim(tmp_path / "out", tmp_path / "back", original=model)
    assert done.rule == "original"
    was, now = contents(model), contents(tmp_path / "back")
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


def test_large_files_that_are_copied_are_not_read_whole(tmp_path, corpus, monkeypatch):
    model, out = tmp_path / "model", tmp_path / "out"
    small.write(model, "bert")
    (model / "large.bin").write_bytes(b"0" * 1000)
    whole = Path.read_bytes

    def watched(file: Path) -> bytes:
        assert file.name != "large.bin"
        return whole(file)

    monkeypatch.setattr(Path, "read_bytes", watched)
    trim(model, out, corpus=corpus)
    assert (out / "large.bin").stat().st_size == 1000


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


def test_trimming_twice_is_trimming_once(tmp_path, corpus):
    model = tmp_path / "model"
    small.write(model, "t5")
    trim(model, tmp_path / "once", corpus=corpus)
    again = trim(tmp_path / "once", tmp_path / "twice", corpus=corpus)
    assert again.before.rows == again.after.rows
    once, twice = contents(tmp_path / "once"), contents(tmp_path / "twice")
    for file in ("config.json", "tokenizer.json", "model.safetensors"):
        assert once[file] == twice[file], file


def test_a_trimmed_model_gives_its_remap(tmp_path, corpus):
    model = tmp_path / "model"
    small.write(model, "bert")
    out = tmp_path / "out"
    trimmed = trim(model, out, corpus=corpus)
    assert Remap.load(out) == trimmed.plan.remap
    assert Remap.load(str(out)).dropped == trimmed.plan.trimmed.tokenizer.unknown
    with pytest.raises(FileNotFoundError, match="is this a model that isomorph trimmed"):
        Remap.load(model)
    with pytest.raises(FileNotFoundError, match="is this a model that isomorph trimmed"):
        Certificate.load(model)


def test_the_same_trim_gives_the_same_bytes(tmp_path, corpus):
    model = tmp_path / "model"
    small.write(model, "sharded")
    trim(model, tmp_path / "a", corpus=corpus, threads=1)
    trim(model, tmp_path / "b", corpus=corpus, threads=2)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_fewer_tokens_than_the_corpus_uses_are_called_lossy(tmp_path, corpus):
    model = tmp_path / "model"
    small.write(model, "bert")
    other = small.write_text(tmp_path / "other.txt", small.OTHER)
    trimmed = trim(model, tmp_path / "out", corpus=corpus, size=192, held_out=other)
    certificate = trimmed.certificate
    assert trimmed.after.rows == 192
    assert not certificate.lossless
    assert certificate.claim.startswith("lossy")
    assert certificate.corpus["same"] < certificate.corpus["lines"]
    assert certificate.held_out["total"]["lines"] == len(small.OTHER)


def test_other_text_by_language(tmp_path, corpus):
    model = tmp_path / "model"
    small.write(model, "xlmr")
    french = small.write_text(tmp_path / "fr.txt", small.OTHER)
    trimmed = trim(model, tmp_path / "out", corpus=corpus, held_out={"fr": french, "en": corpus})
    found = trimmed.certificate.held_out["languages"]
    assert found["fr"]["lines_changed"] > found["en"]["lines_changed"] == 0


def test_without_a_corpus_nothing_is_claimed_of_text(tmp_path):
    model = tmp_path / "model"
    small.write(model, "bert")
    trimmed = trim(model, tmp_path / "out", scripts=["Latin"])
    assert trimmed.certificate.claim == "no corpus: coverage unknown"
    assert trimmed.certificate.corpus is None
    with pytest.raises(ValueError, match="expected a corpus"):
        trim(model, tmp_path / "other")


def test_a_dry_run_writes_nothing_and_says_what_would_be(tmp_path, corpus):
    model = tmp_path / "model"
    small.write(model, "llama")
    planned = trim(model, None, corpus=corpus, dry_run=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["corpus.txt", "model"]
    done = trim(model, tmp_path / "out", corpus=corpus)
    assert planned.changes == done.changes
    assert planned.after.parameters == done.after.parameters
    assert planned.after.load_bytes == done.after.load_bytes
    assert planned.certificate is planned.path is None


def test_every_change_is_saved(tmp_path, corpus):
    model = tmp_path / "model"
    family = small.write(model, "llama")
    done = trim(model, tmp_path / "out", corpus=corpus)
    saved = json.loads((tmp_path / "out" / "isomorph" / "changes.json").read_text())
    assert saved == [change.as_dict() for change in done.changes]
    fields = {(change["file"], change["field"]): change for change in saved}
    assert fields["config.json", "vocab_size"]["old"] == family.rows
    assert fields["model.safetensors", "lm_head.weight"]["new"][0] == done.after.rows
    # Special tokens and bytes come first and all stay: their ids did not change.
    assert not [name for name in fields if name[0] == "generation_config.json"]


def test_the_model_card_says_how_and_is_restored(tmp_path, corpus):
    model = tmp_path / "model"
    small.write(model, "bert")
    done = trim(model, tmp_path / "out", corpus=corpus, command="isomorph trim model")
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith((model / "README.md").read_text())
    assert "isomorph trim model" in card
    assert done.certificate.sha256 in card
    saved = (tmp_path / "out" / "isomorph" / "certificate.json").read_bytes()
    import hashlib

    assert hashlib.sha256(saved).hexdigest() == done.certificate.sha256


def test_a_certificate_finds_what_was_changed_since(tmp_path, corpus):
    model, out = tmp_path / "model", tmp_path / "out"
    small.write(model, "bert")
    trim(model, out, corpus=corpus)
    certificate = Certificate.load(out / "isomorph" / "certificate.json")
    (out / "added.txt").write_text("x")
    certificate.verify(out)
    data = bytearray((out / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (out / "model.safetensors").write_bytes(data)
    with pytest.raises(CertificateError, match=r"model\.safetensors: its bytes are not those"):
        certificate.verify(out)
    (out / "config.json").unlink()
    with pytest.raises(CertificateError, match=r"config\.json is certified, and is not there"):
        certificate.verify(out)


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
    assert contents(out / "2_Dense") == contents(model / "2_Dense")
    assert contents(out / "1_Pooling") == contents(model / "1_Pooling")
    assert not (out / "0_Transformer" / "pytorch_model.bin").exists()
    assert any(change.file == "0_Transformer/pytorch_model.bin" for change in done.changes)
    assert json.loads((out / "0_Transformer" / "config.json").read_text())["vocab_size"] == (
        done.after.rows
    )
    assert (out / "README.md").is_file()
    assert Tokenizer.load(out / "0_Transformer").size == done.after.tokens
    untrim(out, tmp_path / "back", original=model)
    back = contents(tmp_path / "back")
    was = contents(model)
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
        assert contents(tmp_path / "back" / name) == contents(model / name)


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
    assert contents(out / "1_Pooling") == contents(tmp_path / "pooling")
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


def _library(folder: Path):
    import tokenizers

    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


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


def test_a_trim_of_a_trim_is_undone_step_by_step(tmp_path, corpus):
    model, once, twice = (tmp_path / name for name in ("model", "once", "twice"))
    small.write(model, "roberta")
    (model / "README.md").write_bytes(b"# A card\r\nwith \xff bytes")
    trim(model, once, corpus=corpus)
    few = small.write_text(tmp_path / "few.txt", small.CORPUS[:10])
    trim(once, twice, corpus=few, multiple_of=8)
    untrim(twice, tmp_path / "back", original=once)
    back, was = contents(tmp_path / "back"), contents(once)
    assert {name for name in was if not name.startswith("isomorph/")} == back.keys()
    assert all(back[name] == was[name] for name in back)
    untrim(tmp_path / "back", tmp_path / "first", original=model, undo=once)
    assert (tmp_path / "first" / "README.md").read_bytes() == (model / "README.md").read_bytes()
    assert small.read_weights(tmp_path / "first") == small.read_weights(model)


def test_links_of_a_cache_are_followed(tmp_path, corpus):
    blobs, model = tmp_path / "blobs", tmp_path / "snapshot"
    small.write(blobs, "bert")
    model.mkdir()
    for file in blobs.iterdir():
        (model / file.name).symlink_to(file)
    before = contents(blobs)
    trim(model, tmp_path / "out", corpus=corpus)
    assert not any(file.is_symlink() for file in (tmp_path / "out").rglob("*"))
    assert contents(blobs) == before


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


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_a_sentencepiece_model_alone(tmp_path, corpus, kind):
    sentencepiece = pytest.importorskip("sentencepiece")
    model, out = tmp_path / "model", tmp_path / "out"
    model.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(small.CORPUS + small.OTHER),
        model_prefix=str(model / "tokenizer"),
        model_type=kind,
        vocab_size=500,
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (model / "tokenizer.vocab").unlink()
    old = sentencepiece.SentencePieceProcessor(str(model / "tokenizer.model"))
    rows = old.vocab_size()
    small.write_weights(model, {"model.embed_tokens.weight": ("BF16", (rows, 8))})
    small.write_json(model / "config.json", {"vocab_size": rows, "bos_token_id": 1})
    trimmed = trim(model, out, corpus=corpus, multiple_of=1)
    new = sentencepiece.SentencePieceProcessor(str(out / "tokenizer.model"))
    assert new.vocab_size() == trimmed.after.rows < rows
    remap = trimmed.plan.remap
    for line in small.CORPUS:
        assert new.encode(line) == remap.old_to_new[old.encode(line)].tolist()
    untrim(out, tmp_path / "back", original=model)
    assert contents(tmp_path / "back")["tokenizer.model"] == contents(model)["tokenizer.model"]
