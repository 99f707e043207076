"""Tokens that both vocabularies have, by each rule."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from isomorph.errors import DTypeError, UnknownWordError
from isomorph.vocab import overlap
from isomorph.vocab.initialization._vocabularies import vocabulary

WORDPIECE = ["[CLS]", "the", "##s", "über", "##.", "2", "##2", "The", None, "cat"]
SENTENCEPIECE = ["<s>", "▁the", "s", "▁über", "▁.", "▁2", "2", "▁CAT", "▁", "THE"]


def found(source, target, **options):
    mixing = overlap(source, target, **options)
    return [mixing.row(row)[0].tolist() for row in range(mixing.shape[0])]


def test_each_rule_takes_in_the_ones_before():
    marks = {"source_marks": "##", "target_marks": "▁"}
    rows = {
        rule: found(WORDPIECE, SENTENCEPIECE, rule=rule, **marks)
        for rule in ("exact", "marks", "symbols", "case", "loose")
    }
    # "2" has the string of the source's "2", though not its place in a word.
    assert rows["exact"] == [[], [], [], [], [], [], [5], [], [], []]
    assert rows["marks"] == [[], [1], [2], [3], [], [5], [6], [], [], []]
    assert rows["symbols"] == [[], [1], [2], [3], [4], [5], [6], [], [], []]
    assert rows["case"] == [[], [1], [2], [3], [4], [5], [6], [9], [], []]
    assert rows["loose"] == [[], [1], [2], [3], [4], [5], [6], [9], [], [1]]


def test_every_mark_is_read():
    forms = {
        "▁": ["▁dog", "s", "▁▁x", "<0xE4>", "<0x41>", "▁"],
        "Ġ": ["Ġdog", "s", "ĠĠx", "ä", "A", "Ġ"],
        "##": ["dog", "##s", "##", "ä", "A", "##x"],
        "</w>": ["dog</w>", "s", "x</w>", "ä", "A", "</w>"],
        "": ["dog", "s", "x", "ä", "A", ""],
    }
    read = {marks: vocabulary("tokens", tokens, marks).forms for marks, tokens in forms.items()}
    assert read["▁"] == [
        (True, "dog"), (False, "s"), (True, " x"), (False, "\udce4"), (False, "<0x41>"), (True, ""),
    ]  # fmt: skip
    # In byte-level BPE the character ä is the byte E4, which is no text on its own.
    assert read["Ġ"] == [
        (True, "dog"), (False, "s"), (True, " x"), (False, "\udce4"), (False, "A"), (True, ""),
    ]  # fmt: skip
    assert read["##"][:3] == [(True, "dog"), (False, "s"), (True, "##")]
    assert read["</w>"][:2] == [(True, "dog"), (False, "s")]
    assert read[""][:2] == [(True, "dog"), (True, "s")]
    for marks, tokens in forms.items():
        many = [*tokens, *(tokens[:1] if marks else [])]
        assert vocabulary("tokens", many).marks == marks


def test_byte_level_tokens_are_decoded():
    (form,) = vocabulary("tokens", ["ĠÃ¼ber"], "Ġ").forms
    assert form == (True, "über")
    # A token that was added as text, not written in the byte alphabet.
    assert vocabulary("tokens", ["语"], "Ġ").forms == [(False, "语")]


def test_of_duplicates_the_first_counts_or_all():
    source = ["dog", "Dog", "DOG", "cat"]
    assert found(source, ["dOg"], rule="case") == [[0]]
    mean = overlap(source, ["dOg", "cat"], rule="case", duplicates="mean")
    assert mean.row(0)[0].tolist() == [0, 1, 2]
    np.testing.assert_allclose(mean.row_sums(), 1, rtol=1e-6)
    assert mean.summary() == {"copied (exact)": 1, "copied (case)": 1}


def test_aliases_come_first_and_must_exist():
    mixing = overlap(["[CLS]", "<s>"], ["<s>"], aliases={"<s>": "[CLS]"})
    assert mixing.indices.tolist() == [0]
    for aliases, name in (({"</s>": "[CLS]"}, "target"), ({"<s>": "[SEP]"}, "source")):
        with pytest.raises(UnknownWordError, match=f"aliases: no {name} token"):
            overlap(["[CLS]"], ["<s>"], aliases=aliases)


def test_equal_strings_of_different_marks_are_not_one_token():
    """Without ## a token begins a word, without ▁ it does not."""
    source, target = ["##s", "play", "<s>", "[MASK]"], ["▁s", "play", "▁play", "<s>", "[MASK]"]
    marks = {"source_marks": "##", "target_marks": "▁"}
    assert found(source, target, **marks) == [[], [], [1], [2], [3]]
    assert found(source, target, rule="exact", **marks) == [[], [1], [], [2], [3]]


def test_what_stands_in_brackets_is_special():
    tokens = ["<s>", "</s>", "<|end_of_text|>", "[unused1]", "<0x0A>", "<", "[]", "<->", "<a b>"]
    forms = vocabulary("tokens", tokens, "▁").forms
    assert [form is None for form in forms] == [True] * 4 + [False] * 5


def test_special_tokens_of_a_tokenizer_match_as_strings_only():
    source = SimpleNamespace(tokens=("MASK", "<unk>"), special=np.array([1]))
    target = SimpleNamespace(tokens=("mask", "<UNK>", "<unk>"), special=np.array([0, 1, 2]))
    assert found(source, target, rule="loose") == [[], [], [1]]


def test_copies_are_the_rows_themselves(rng):
    rows = rng.normal(size=(10, 7)).astype("float16")
    mixing = overlap(WORDPIECE, SENTENCEPIECE, source_marks="##", target_marks="▁")
    made = mixing.apply(rows, fallback=np.zeros(7, "float16"), dtype="float16")
    for row in np.flatnonzero(mixing.counts):
        assert made[row].tobytes() == rows[mixing.row(row)[0][0]].tobytes()


def test_what_is_no_list_of_tokens_is_refused():
    for tokens in ("words", 3, np.array(["a"]), [1], None):
        with pytest.raises(DTypeError, match="source_tokens: expected"):
            overlap(tokens, ["a"])
    with pytest.raises(ValueError, match="rule: expected one of exact, marks"):
        overlap(["a"], ["a"], rule="fuzzy")
    with pytest.raises(ValueError, match="source_tokens: marks: expected one of"):
        overlap(["a"], ["a"], source_marks="@@")
