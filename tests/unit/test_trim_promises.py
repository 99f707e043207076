"""What a trim promises, where it could promise too much."""

from __future__ import annotations

import numpy as np
import pytest

from isomorph.errors import CertificateError, FormatError
from isomorph.vocab import Certificate, Tokenizer, trim, untrim
from support import small_models as small

pytest.importorskip("tokenizers")

WIDTH = 4
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "a",
    "cat",
    "dog",
    "runs",
    "fast",
    "slow",
    "house",
    "tree",
]


def word_model(folder, rows=None, named=None, config=None, added=()):
    """A model of whole words, with `rows` rows."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab = {word: number for number, word in enumerate(WORDS)}
    document = {
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "added_tokens": list(added),
    }
    small.write_json(folder / "tokenizer.json", document)
    small.write_json(folder / "tokenizer_config.json", named or {})
    size = len(WORDS) + len(added) if rows is None else rows
    small.write_json(folder / "config.json", {"vocab_size": size, **(config or {})})
    small.write_weights(folder, {"embed_tokens.weight": ("F32", (size, WIDTH))})
    return folder


def rows_of(folder):
    tensors = small.read_weights(folder)
    _, shape, data = tensors["embed_tokens.weight"]
    return np.frombuffer(data, np.uint8).reshape(shape[0], -1)


def test_a_token_that_becomes_unknown_is_no_token_as_before(tmp_path):
    model = word_model(tmp_path / "in")
    corpus = small.write_text(tmp_path / "c.txt", ["the cat", "the dog", "the cat runs", "zebra"])
    done = trim(model, tmp_path / "out", corpus=corpus, min_count=2, multiple_of=1)
    assert "dog" not in Tokenizer.load(tmp_path / "out").tokens
    # "dog" and "runs" are unknown now; "zebra" was, and is.
    assert done.certificate.corpus["same"] == 2
    assert not done.certificate.lossless
    assert done.certificate.claim.startswith("lossy")


@pytest.mark.parametrize("multiple_of", [1, 4, 64])
def test_tokens_that_libraries_add_have_their_rows_behind_the_others(tmp_path, multiple_of):
    size = len(WORDS)
    named = {"pad_token": "<fill>", "additional_special_tokens": ["<x>", "<y>"]}
    # The third of the added tokens is named alone: the two before it must stay before it.
    model = word_model(tmp_path / "in", size + 8, named, {"im_end_id": size + 2, "bos_token_id": 1})
    corpus = small.write_text(tmp_path / "c.txt", ["the cat"])
    done = trim(model, tmp_path / "out", corpus=corpus, multiple_of=multiple_of)
    new = Tokenizer.load(tmp_path / "out").size
    old, made = rows_of(model), rows_of(tmp_path / "out")
    np.testing.assert_array_equal(made[new : new + 3], old[size : size + 3])
    assert small.read_json(tmp_path / "out" / "config.json")["im_end_id"] == new + 2
    (note,) = [note for note in done.notes if "lacks" in note]
    assert "'<fill>', '<x>', '<y>'" in note
    assert "3 rows behind the tokens are kept" in note
    untrim(tmp_path / "out", tmp_path / "back", original=model)
    np.testing.assert_array_equal(rows_of(tmp_path / "back"), old)


def test_a_model_that_has_no_rows_for_them_is_told(tmp_path):
    model = word_model(tmp_path / "in", named={"pad_token": "<fill>"})
    corpus = small.write_text(tmp_path / "c.txt", ["the cat"])
    done = trim(model, tmp_path / "out", corpus=corpus, multiple_of=1)
    assert any("'<fill>'" in note and "no rows behind" in note for note in done.notes)
    assert done.after.rows == done.after.tokens


def test_a_tokenizer_that_is_read_in_two_ways_is_refused(tmp_path):
    model = word_model(
        tmp_path / "in", named={"do_lower_case": False}, config={"model_type": "bert"}
    )
    document = small.read_json(model / "tokenizer.json")
    document["normalizer"] = {"type": "BertNormalizer", "lowercase": True}
    small.write_json(model / "tokenizer.json", document)
    corpus = small.write_text(tmp_path / "c.txt", ["the cat"])
    with pytest.raises(FormatError, match=r"do_lower_case: false.*save_pretrained"):
        trim(model, tmp_path / "out", corpus=corpus)
    assert not (tmp_path / "out").exists()


def test_places_that_name_tokens_are_certified(tmp_path, monkeypatch):
    named = {"pad_token": "[PAD]", "sep_token": {"content": "[SEP]"}, "pad_token_id": 0}
    model = word_model(tmp_path / "in", named=named)
    corpus = small.write_text(tmp_path / "c.txt", ["the cat"])
    done = trim(model, tmp_path / "out", corpus=corpus)
    assert done.certificate.named == {"places": 3, "same": 3}
    assert "3 of 3 places in the tokenizer's files name the same token" in str(done.certificate)
    assert Certificate.load(tmp_path / "out").named == done.certificate.named
    from isomorph.vocab.tokenizers import _side_files

    written = _side_files.SideFiles._config

    def wrong(self, *given, **more):
        return written(self, *given, **more) | {"pad_token_id": 2}

    monkeypatch.setattr(_side_files.SideFiles, "_config", wrong)
    with pytest.raises(CertificateError, match=r"pad_token_id\[0\]: expected the token '\[PAD\]'"):
        trim(model, tmp_path / "other", corpus=corpus, multiple_of=1)
    assert not (tmp_path / "other").exists()


def test_whole_words_are_looked_up_in_a_model_only_when_asked(tmp_path):
    small.write(tmp_path / "in", "gpt2")
    corpus = small.write_text(tmp_path / "c.txt", small.CORPUS)
    sizes = {}
    for asked in (None, True):
        out = tmp_path / str(asked)
        done = trim(tmp_path / "in", out, corpus=corpus, multiple_of=1, ignore_merges=asked)
        model = small.read_json(out / "tokenizer.json")["model"]
        assert bool(model.get("ignore_merges")) is bool(asked)
        named = small.read_json(out / "tokenizer_config.json").get("tokenizer_class")
        assert named == ("PreTrainedTokenizerFast" if asked else None)
        assert any("tokenizer_class" in note for note in done.notes) is bool(asked)
        sizes[asked] = done.after.tokens
    assert sizes[True] < sizes[None]


def test_markers_that_are_looked_up_by_themselves_are_kept(tmp_path):
    model = word_model(tmp_path / "in")
    prefixes = {
        "query_prefix": "slow",
        "document_prefix": "house ",
        "skiplist_words": ["tree", "!"],
    }
    small.write_json(model / "config_sentence_transformers.json", prefixes)
    small.write_json(model / "artifact.metadata", {"query_token_id": "dog", "dim": 128})
    corpus = small.write_text(tmp_path / "c.txt", ["the cat"])
    trim(model, tmp_path / "out", corpus=corpus, multiple_of=1)
    kept = set(Tokenizer.load(tmp_path / "out").tokens)
    assert {"slow", "house", "tree", "dog"} <= kept
    assert not {"runs", "fast"} & kept


@pytest.mark.parametrize("size", [0, 5])
def test_ids_of_times_follow_that_of_no_times(tmp_path, size):
    # With tokens of their own, as in later files of Whisper, or with rows alone.
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    times = [{"id": len(WORDS) + n, "content": f"<|{n}.00|>", **plain} for n in range(size)]
    before = len(WORDS)
    model = word_model(tmp_path / "in", before + 5, added=times)
    small.write_json(model / "generation_config.json", {"no_timestamps_token_id": before - 1})
    corpus = small.write_text(tmp_path / "c.txt", ["the cat"])
    trim(model, tmp_path / "out", corpus=corpus, multiple_of=1)
    first = small.read_json(tmp_path / "out" / "generation_config.json")["no_timestamps_token_id"]
    np.testing.assert_array_equal(rows_of(tmp_path / "out")[first:], rows_of(model)[before - 1 :])


@pytest.mark.parametrize("how", ["trained", "edited"])
def test_a_trim_that_was_changed_since_is_not_replaced(tmp_path, how):
    model = word_model(tmp_path / "in")
    corpus = small.write_text(tmp_path / "c.txt", ["the cat"])
    out = tmp_path / "out"
    trim(model, out, corpus=corpus)
    name = "model.safetensors" if how == "trained" else "config.json"
    data = (out / name).read_bytes()
    # The same length, or another.
    data = data[:-1] + bytes([data[-1] ^ 1]) if how == "trained" else data + b"\n"
    (out / name).write_bytes(data)
    with pytest.raises(FileExistsError, match="was changed since the trim") as caught:
        trim(model, out, corpus=corpus, overwrite=True)
    assert caught.value.filename == str(out / name)
    assert (out / name).read_bytes() == data


def test_a_table_of_the_first_ids_alone_is_refused_with_the_reason(tmp_path):
    model = word_model(tmp_path / "in")
    size = len(WORDS)
    tensors = {
        "embed_tokens.weight": ("F32", (size, WIDTH)),
        "embed_tokens_per_layer.weight": ("F32", (size - 2, 8)),
    }
    small.write_weights(model, tensors)
    corpus = small.write_text(tmp_path / "c.txt", ["the cat"])
    for tables in (None, {"embed_tokens_per_layer.weight": None}):
        with pytest.raises(FormatError, match=r"embed_tokens_per_layer.weight.*images and sound"):
            trim(model, tmp_path / "out", corpus=corpus, tables=tables)
    # Of the same size, it is trimmed with the other.
    tensors["embed_tokens_per_layer.weight"] = ("F32", (size, 8))
    small.write_weights(model, tensors)
    small.write_json(
        model / "config.json", {"vocab_size": size, "vocab_size_per_layer_input": size}
    )
    done = trim(model, tmp_path / "out", corpus=corpus, multiple_of=1)
    made = small.read_json(tmp_path / "out" / "config.json")
    assert made["vocab_size"] == made["vocab_size_per_layer_input"] == done.after.rows < size


def test_what_a_message_begins_and_ends_with_is_kept(tmp_path):
    folder = tmp_path / "in"
    small.write(folder, "gpt2")
    template = "{% for m in messages %}\n        [INST] {{ m['content'] + ' ' }}[/INST]{% endfor %}"
    small.write_json(folder / "tokenizer_config.json", {"chat_template": template})
    tokenizer = Tokenizer.load(folder)
    assert tokenizer.blanks_around == ((" ", " "),)
    lines = [line[:1].lower() + line[1:] for line in small.CORPUS]
    corpus = small.write_text(tmp_path / "c.txt", lines)
    done = trim(folder, tmp_path / "out", corpus=corpus, multiple_of=1)
    assert any("blanks around a message" in note for note in done.notes)
    made = Tokenizer.load(tmp_path / "out")
    said = [f"[INST] {line} [/INST]" for line in lines]
    for old, new in zip(tokenizer.encode(said), made.encode(said), strict=True):
        assert [tokenizer.tokens[n] for n in old] == [made.tokens[n] for n in new]
