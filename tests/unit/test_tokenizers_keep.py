"""Trimmed tokenizers: text that was counted gives the same tokens, and no id is left behind."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isomorph.errors import DTypeError, RemapError, ShapeError
from isomorph.vocab import Tokenizer
from support import made_tokenizers
from support.made_tokenizers import KINDS, require_same

pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    made = {}

    def load(kind):
        if kind not in made:
            made[kind] = Tokenizer.load(made_tokenizers.folder(tmp_path_factory.mktemp(kind), kind))
        return made[kind]

    return load


@pytest.mark.parametrize("ignore_merges", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_counted_lines_tokenise_as_before(loaded, tmp_path, kind, ignore_merges):
    tokenizer = Tokenizer.load(loaded(kind)._source.path, ignore_merges=ignore_merges)
    lines = [*made_tokenizers.text(60, seed=7), "", "  ", "naïve café 🦆 日本", "\t\n x" * 3]
    usage = tokenizer.usage(lines)
    trimmed = tokenizer.keep(usage.used, usage)
    require_same(tokenizer, trimmed, lines)
    trimmed.save(tmp_path)
    reread = Tokenizer.load(tmp_path)
    require_same(tokenizer, trimmed, lines, reread)
    assert reread.tokens == trimmed.tokenizer.tokens
    assert trimmed.remap.new_size < tokenizer.size
    assert reread.tokens == tuple(trimmed.remap.gather(tokenizer.tokens))
    looked_up = json.loads((tmp_path / "tokenizer.json").read_bytes())["model"].get("ignore_merges")
    assert bool(looked_up) == (ignore_merges and kind == "byte-level")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(data=st.data())
def test_any_lines_tokenise_as_before_and_trimming_twice_is_trimming_once(loaded, kind, data):
    tokenizer = loaded(kind)
    words = st.sampled_from(made_tokenizers.words("en")[:400] + made_tokenizers.words("fi")[:400])
    line = st.lists(st.one_of(words, st.text(max_size=8)), max_size=8).map(" ".join)
    lines = data.draw(st.lists(line, min_size=1, max_size=5))
    usage = tokenizer.usage(lines, threads=1)
    first = tokenizer.keep(usage.used, usage)
    require_same(tokenizer, first, lines)
    again = first.tokenizer.usage(lines, threads=1)
    second = first.tokenizer.keep(again.used, again)
    assert second.remap.new_size == first.remap.new_size
    assert not second.changes
    np.testing.assert_array_equal(first.remap.gather(usage.counts), again.counts)


@pytest.mark.parametrize("kind", KINDS)
def test_usage_adds_up_and_does_not_depend_on_threads_or_blocks(loaded, kind, monkeypatch):
    tokenizer = loaded(kind)
    lines = made_tokenizers.text(40, seed=3)
    whole = tokenizer.usage(iter(lines))
    serial = tokenizer.usage(lines, threads=1)
    parts = tokenizer.usage(lines[:11]) + tokenizer.usage(lines[11:])
    from isomorph.vocab.tokenizers import _encoding

    monkeypatch.setattr(_encoding, "_LINES", 3)
    blocks = tokenizer.usage(lines)
    for other in (serial, parts, blocks):
        np.testing.assert_array_equal(other.counts, whole.counts)
        np.testing.assert_array_equal(other.inside, whole.inside)
        assert (other.lines, other.words, other.characters, other.tokens, other.unknown) == (
            whole.lines,
            whole.words,
            whole.characters,
            whole.tokens,
            whole.unknown,
        )
    np.testing.assert_array_equal(serial.needed, whole.needed)
    np.testing.assert_array_equal(
        tokenizer.keep(parts.used, parts).remap.new_to_old,
        tokenizer.keep(whole.used, whole).remap.new_to_old,
    )
    counted = np.concatenate(tokenizer.encode(lines))
    np.testing.assert_array_equal(np.bincount(counted, minlength=tokenizer.size), whole.counts)
    assert whole.tokens == len(counted)
    assert "ids used" in repr(whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_closure_is_closed_and_makes_each_token_reachable(loaded, kind):
    tokenizer = loaded(kind)
    rng = np.random.default_rng(5)
    chosen = rng.choice(tokenizer.size, 40, replace=False)
    closed = tokenizer.closure(chosen)
    np.testing.assert_array_equal(tokenizer.closure(closed), closed)
    for always in (chosen, tokenizer.special, tokenizer.bytes_):
        assert np.isin(always, closed).all()
    trimmed = tokenizer.keep(closed)
    np.testing.assert_array_equal(trimmed.remap.new_to_old, closed)
    if kind in ("byte-level", "llama", "clip"):
        apart = set(tokenizer.special.tolist()) | set(tokenizer.bytes_.tolist())
        old, new = tokenizer._closing.merging, trimmed.tokenizer._closing.merging
        for number in closed.tolist():
            if number not in apart:
                assert new.makes(int(trimmed.remap.old_to_new[number])) == old.makes(number)


def test_the_score_of_the_unknown_is_pinned(loaded):
    tokenizer = loaded("unigram")
    usage = tokenizer.usage(["the"])
    trimmed = tokenizer.keep(usage.used, usage)
    scores = tokenizer._vocabulary.scores
    assert trimmed.tokenizer._vocabulary.scores.min() == scores.min()
    assert usage.needed.sum() == 1
    assert scores[np.nonzero(usage.needed)[0][0]] == scores.min()


def test_ids_may_have_holes(tmp_path):
    document = json.loads(made_tokenizers.document("wordlevel"))
    vocab = document["model"]["vocab"]
    document["model"]["vocab"] = {
        token: number if number < 10 else number + 5 for token, number in vocab.items()
    }
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    tokenizer = Tokenizer.load(path)
    assert tokenizer.size == len(vocab) + 5
    assert tokenizer.tokens[12] is None
    usage = tokenizer.usage(["the cat and the dog"])
    trimmed = tokenizer.keep(usage.used, usage)
    require_same(tokenizer, trimmed, ["the cat and the dog"])
    with pytest.raises(RemapError, match="no token has the id 12"):
        tokenizer.keep([12])


def test_wrong_arguments_are_named(loaded):
    tokenizer = loaded("wordlevel")
    with pytest.raises(RemapError, match="ids: expected ids below"):
        tokenizer.keep([tokenizer.size])
    with pytest.raises(RemapError, match="ids: expected ids below"):
        tokenizer.closure([-1])
    with pytest.raises(DTypeError, match="ids: expected a list of integers"):
        tokenizer.closure([0.5])
    with pytest.raises(DTypeError, match="lines: expected a list"):
        tokenizer.usage("one line")
    with pytest.raises(DTypeError, match="at 1"):
        tokenizer.encode(["fine", None])
    with pytest.raises(ValueError, match="token: expected"):
        tokenizer.text(tokenizer.size)
    usage = tokenizer.usage(["a"])
    other = loaded("unigram")
    if other.size != tokenizer.size:
        with pytest.raises(ShapeError, match="usage: expected"):
            other.closure([0], usage)
        with pytest.raises(ShapeError, match="usage: expected"):
            usage + other.usage(["a"])


def test_a_word_that_wordpiece_cannot_spell_stays_unknown(tmp_path):
    # Of "abc" it takes "ab" and finds no "##c"; without "ab", "a" and "##bc" would do.
    tokens = ["[UNK]", "ab", "a", "##bc", "##b", "x"]
    vocab = {token: number for number, token in enumerate(tokens)}
    model = {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 6, "vocab": vocab,
    }  # fmt: skip
    document = {"model": model, "pre_tokenizer": {"type": "Whitespace"}}
    document["normalizer"] = {"type": "Lowercase"}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    tokenizer = Tokenizer.load(path)
    lines = ["ABC xbc abcabcabc", "abbc", "abc"]
    assert [ids.tolist() for ids in tokenizer.encode(lines)] == [[0, 5, 3, 0], [1, 3], [0]]
    lines = ["ABC xbc abcabcabc", "a"]
    usage = tokenizer.usage(lines)
    assert usage.used.tolist() == [0, 2, 3, 5]
    assert np.nonzero(usage.needed)[0].tolist() == [1]
    trimmed = tokenizer.keep(usage.used, usage)
    require_same(tokenizer, trimmed, lines)
    assert trimmed.tokenizer.tokens == ("[UNK]", "ab", "a", "##bc", "x")


@settings(max_examples=30)
@given(st.data())
def test_wordpieces_of_few_letters_keep_what_is_unknown(tmp_path_factory, data):
    pieces = st.text("abc", min_size=1, max_size=3)
    whole = data.draw(st.sets(pieces, min_size=1, max_size=8))
    inner = data.draw(st.sets(pieces.map("##".__add__), max_size=8))
    tokens = ["[UNK]", *sorted(whole), *sorted(inner)]
    vocab = {token: number for number, token in enumerate(tokens)}
    model = {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 7, "vocab": vocab,
    }  # fmt: skip
    path = tmp_path_factory.mktemp("few") / "tokenizer.json"
    path.write_text(json.dumps({"model": model, "pre_tokenizer": {"type": "Whitespace"}}))
    tokenizer = Tokenizer.load(path)
    word = st.text("abc", min_size=1, max_size=8)
    lines = data.draw(st.lists(st.lists(word, max_size=4).map(" ".join), min_size=1, max_size=4))
    usage = tokenizer.usage(lines, threads=1)
    trimmed = tokenizer.keep(usage.used, usage)
    require_same(tokenizer, trimmed, lines)
    again = trimmed.tokenizer.usage(lines, threads=1)
    assert not trimmed.tokenizer.keep(again.used, again).changes


def test_texts_and_beginnings_of_words(loaded, tmp_path):
    def of(tokenizer, spelled):
        number = tokenizer.tokens.index(spelled)
        return tokenizer.text(number), tokenizer.starts_word(number)

    assert of(loaded("byte-level"), "Ġthe") == ("the", True)
    assert of(loaded("byte-level"), "Ġ") == ("", True)
    assert of(loaded("byte-level"), "Ã") == (None, False)
    assert of(loaded("byte-level"), "<s>") == ("<s>", False)
    assert of(loaded("llama"), "▁the") == ("the", True)
    assert of(loaded("llama"), "e") == ("e", False)
    assert of(loaded("llama"), "<0x41>") == ("A", False)
    assert of(loaded("llama"), "<0xE2>") == (None, False)
    assert of(loaded("wordpiece"), "the") == ("the", True)
    assert of(loaded("wordpiece"), "##e") == ("e", False)
    assert of(loaded("clip"), "the</w>") == ("the", True)
    assert of(loaded("wordlevel"), "the") == ("the", True)
    assert of(loaded("unigram"), "▁the") == ("the", True)
    assert len(loaded("byte-level").bytes_) == len(loaded("llama").bytes_) == 256
    for kind in ("wordpiece", "unigram", "clip", "wordlevel"):
        assert len(loaded(kind).bytes_) == 0
    assert len(loaded("clip")) == loaded("clip").size
    assert "byte" not in repr(loaded("clip"))


@pytest.mark.parametrize("change", ["ignored", "dropout"])
def test_words_that_were_looked_up_before_and_dropout(tmp_path, change):
    document = json.loads(made_tokenizers.document("byte-level"))
    if change == "dropout":
        document["model"]["dropout"] = 0.5
    else:
        # A token that no merge makes, as a whole word, as Llama 3 has some.
        document["model"]["ignore_merges"] = True
        document["model"]["vocab"]["Ġzzyx"] = len(document["model"]["vocab"])
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    tokenizer = Tokenizer.load(path)
    lines = [*made_tokenizers.text(40, seed=6), "a zzyx zzyxes"]
    usage = tokenizer.usage(lines)
    assert (usage.counts == tokenizer.usage(lines).counts).all()
    if change == "ignored":
        assert usage.counts[-1] == 1
        assert not usage.inside[-1]
    trimmed = tokenizer.keep(usage.used, usage)
    require_same(tokenizer, trimmed, lines)
    again = trimmed.tokenizer.usage(lines)
    assert not trimmed.tokenizer.keep(again.used, again).changes
