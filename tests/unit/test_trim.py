"""Trims of small models of every family: rows, ids, tokens, certificate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tokenizers")

from isomorph.errors import CertificateError
from isomorph.vocab import Certificate, Remap, trim, untrim
from support import small_models as small


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return small.write_text(tmp_path / "corpus.txt", small.CORPUS)


@pytest.mark.parametrize("name", small.FAMILIES)
def test_every_family_keeps_its_rows_ids_and_tokens(tmp_path, corpus, name):
    model, out = tmp_path / "model", tmp_path / "out"
    family = small.write(model, name)
    before = small.contents(model)
    trimmed = trim(model, out, corpus=corpus)
    assert small.contents(model) == before
    assert trimmed.path == out
    remap = trimmed.plan.remap
    assert 0 < remap.new_size < family.size
    # Tokens: those of another reader, and every line of the corpus.
    old_tokenizer = small.library(model)
    new_tokenizer = small.library(out)
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


def test_trimming_twice_is_trimming_once(tmp_path, corpus):
    model = tmp_path / "model"
    small.write(model, "t5")
    trim(model, tmp_path / "once", corpus=corpus)
    again = trim(tmp_path / "once", tmp_path / "twice", corpus=corpus)
    assert again.before.rows == again.after.rows
    once, twice = small.contents(tmp_path / "once"), small.contents(tmp_path / "twice")
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
    assert small.contents(tmp_path / "a") == small.contents(tmp_path / "b")


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
    assert (
        small.contents(tmp_path / "back")["tokenizer.model"]
        == small.contents(model)["tokenizer.model"]
    )
