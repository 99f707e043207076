"""Merges: what the corpus applies, against a plain trace of every word of it."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isomorph.vocab import Tokenizer
from isomorph.vocab.tokenizers import _merging
from isomorph.vocab.tokenizers._merging import Merging
from isomorph.vocab.tokenizers._vocabulary import read
from support import made_tokenizers

library = pytest.importorskip("tokenizers")


def trace(symbols: list[str], ranks: dict[tuple[str, str], int], made: set[str]) -> list[str]:
    """Byte-pair encoding of one word as its definition has it; `made` takes every product."""
    while True:
        pairs = list(pairwise(symbols))
        ranked = [(ranks[pair], place) for place, pair in enumerate(pairs) if pair in ranks]
        if not ranked:
            return symbols
        _, place = min(ranked)
        symbols = [
            *symbols[:place],
            symbols[place] + symbols[place + 1],
            *symbols[place + 2 :],
        ]
        made.add(symbols[place])


def traced(path, lines: list[str]) -> tuple[list[list[str]], set[str]]:
    """The tokens of lines and all that merging them makes, word by word of the whole corpus."""
    tokenizer = library.Tokenizer.from_file(str(path))
    document = json.loads(path.read_bytes())
    ranks = {tuple(pair): rank for rank, pair in enumerate(document["model"]["merges"])}
    made: set[str] = set()
    tokens = []
    for line in lines:
        if tokenizer.normalizer is not None:
            line = tokenizer.normalizer.normalize_str(line)
        split = [line]
        if tokenizer.pre_tokenizer is not None:
            split = [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(line)]
        tokens.append([token for word in split for token in trace(list(word), ranks, made)])
    return tokens, made


@pytest.mark.parametrize("kind", ["byte-level", "llama"])
def test_the_tokens_alone_give_the_merges_that_every_word_of_the_corpus_applies(kind, tmp_path):
    folder = made_tokenizers.folder(tmp_path, kind, 900)
    tokenizer = Tokenizer.load(folder, ignore_merges=False)
    known = set(tokenizer._vocabulary.ids)
    lines = [
        line
        for line in made_tokenizers.text(150, seed=4)
        if kind == "byte-level" or set("▁" + line.replace(" ", "▁")) <= known
    ]
    assert len(lines) > 100
    tokens, made = traced(folder / "tokenizer.json", lines)
    ids = tokenizer._vocabulary.ids
    assert [[ids[token] for token in line] for line in tokens] == [
        ids.tolist() for ids in tokenizer.encode(lines)
    ]
    usage = tokenizer.usage(lines)
    symbols = {token for token in tokenizer._vocabulary.ids if len(token) == 1}
    needed = {tokenizer.tokens[number] for number in usage.kept.tolist()}
    assert needed - symbols == made - symbols


def small(rules: list[tuple[str, str]]) -> Merging:
    tokens = {"a", "b", "c"}
    for left, right in rules:
        tokens |= {left, right, left + right}
    ordered = sorted(tokens, key=lambda token: (len(token), token))
    vocab = {token: number for number, token in enumerate(ordered)}
    merges = [list(rule) for rule in rules]
    return Merging(read("made", {"model": {"type": "BPE", "vocab": vocab, "merges": merges}}))


RULES = (
    st.lists(st.sampled_from("abc"), min_size=2, max_size=5)
    .map("".join)
    .flatmap(
        lambda token: st.integers(1, len(token) - 1).map(lambda cut: (token[:cut], token[cut:]))
    )
)


@given(st.lists(RULES, min_size=1, max_size=14), st.text("abc", min_size=1, max_size=40))
def test_any_merges_short_and_long_are_those_of_the_plain_trace_and_of_each_token(rules, text):
    merging = small(rules)
    vocabulary = merging._vocabulary
    name = vocabulary.tokens.__getitem__
    ranks = {pair: rank for rank, pair in enumerate(rules)}
    made: set[str] = set()
    expected = trace(list(text), ranks, made)
    for short in (100, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_merging, "_SHORT", short)
            record: set[tuple[int, int, int]] = set()
            found = merging.encode(merging.start(text), record)
            assert [name(number) for number in found] == expected
            assert {name(product) for _, _, product in record} == made
    # What happens within a token is what happens to its characters alone.
    parts = {name(number) for number in merging.parts(found)}
    assert {part for part in parts if len(part) > 1} == made
    assert all(merging.makes(number) for number in found)


def test_merges_of_equal_rank_go_from_the_left_and_a_pair_listed_twice_has_its_later_place():
    merging = small([("a", "a"), ("aa", "a"), ("a", "b"), ("a", "a")])
    name = merging._vocabulary.tokens.__getitem__
    assert [name(n) for n in merging.encode(merging.start("aaab"))] == ["aa", "ab"]
    assert [name(n) for n in merging.encode(merging.start("aaa"))] == ["aaa"]


def test_a_token_that_no_merging_gives_takes_all_that_it_could_be_made_of():
    # "abc" is never made: (a, b) comes first, and (ab, c) is no rule.
    merging = small([("a", "b"), ("b", "c"), ("a", "bc")])
    ids = merging._vocabulary.ids
    assert not merging.makes(ids["abc"])
    assert merging.sides(ids["abc"]) is None
    found = {merging._vocabulary.tokens[n] for n in merging.parts([ids["abc"]])}
    assert found == {"a", "b", "c", "bc", "abc"}


def test_marks_of_words_are_part_of_the_symbols():
    vocab = {"a": 0, "##b": 1, "ab": 2, "##b##": 3, "b": 4}
    document = {
        "model": {
            "type": "BPE", "vocab": vocab, "merges": ["a ##b"], "continuing_subword_prefix": "##"
        }
    }  # fmt: skip
    merging = Merging(read("made", document))
    assert merging.start("ab") == [0, 1]
    assert merging.makes(2)
    assert merging.makes(1)
    vocab = {"a": 0, "b</w>": 1, "ab</w>": 2}
    document = {
        "model": {
            "type": "BPE", "vocab": vocab, "merges": [["a", "b</w>"]], "end_of_word_suffix": "</w>"
        }
    }  # fmt: skip
    merging = Merging(read("made", document))
    assert merging.start("ab</w>") == [0, 1]
    assert merging.makes(2)
    np.testing.assert_array_equal(merging.parts([2]), [0, 1, 2])
