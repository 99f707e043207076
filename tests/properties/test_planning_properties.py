"""Laws of plans, on text of any kind: promises kept, words sampled without bias."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isomorph.vocab import Corpus, Tokenizer, coverage, plan
from isomorph.vocab.planning._units import Units
from support.small_tokenizers import KINDS, lines, words, write


@functools.cache
def loaded(kind: str) -> Tokenizer:
    with tempfile.TemporaryDirectory() as folder:
        return Tokenizer.load(write(kind, Path(folder)))


_PIECES = st.one_of(
    st.sampled_from(words("en")[:200] + words("fr")[:200] + words("fi")[:200]),
    # Special tokens in the text, other scripts, marks, emoji, control characters, surrogates.
    st.sampled_from(
        ["[UNK]", "[SEP]", "[CLS] ", "日本", "e\u0301", "🙂", "\u200d", "\x00", "½", "▁"]
    ),
    st.text(max_size=6),
    st.sampled_from(["\ud800", "\u00a0", "\u3000", "\t", "\r"]),
)
_BLANKS = st.sampled_from([" ", " ", " ", "  ", "", "\t", " \u00a0"])
_LINES = st.lists(
    st.lists(st.tuples(_PIECES, _BLANKS), min_size=1, max_size=8).map(
        lambda parts: "".join(piece + blank for piece, blank in parts)
    ),
    min_size=1,
    max_size=12,
).filter(lambda found: any(line.strip() for text in found for line in text.split("\n")))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(text=_LINES, multiple=st.sampled_from([1, 64]))
def test_a_plan_that_promises_is_lossless(kind, text, multiple):
    tokenizer, corpus = loaded(kind), Corpus.from_lines(text)
    made = plan(tokenizer, corpus=corpus, multiple_of=multiple, points=0, threads=1)
    assert made.lossless
    told = coverage(tokenizer, made.trimmed.tokenizer, made.remap, corpus, threads=1)
    assert told.total.lines_changed == 0
    assert made.remap.new_to_old.tolist() == made.kept.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_planned_twice_is_planned_once(kind):
    corpus = Corpus.from_lines(lines("en", 0, 60))
    once = plan(loaded(kind), corpus=corpus, multiple_of=1, points=0)
    small = once.trimmed.tokenizer
    twice = plan(small, corpus=corpus, multiple_of=1, points=0)
    assert twice.size == small.size
    assert twice.trimmed.tokenizer.tokens == small.tokens


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [320, 448, 704])
def test_larger_sizes_keep_what_smaller_ones_do_and_never_cost_more(kind, size):
    corpus = Corpus.from_lines(lines("en", 0, 60))
    small, large = (
        plan(loaded(kind), corpus=corpus, size=n, multiple_of=1, points=0)
        for n in (size, size + 90)
    )
    assert small.size <= size
    if kind in ("wordpiece", "unigram", "wordlevel"):
        assert set(small.kept.tolist()) <= set(large.kept.tolist())
    assert large.coverage.total.tokens_after <= small.coverage.total.tokens_after
    assert large.coverage.total.unknown_after <= small.coverage.total.unknown_after


def test_sampled_words_keep_the_sums():
    rng = np.random.default_rng(0)
    # Of 20,000 words some are frequent and most came once or twice, as in any text.
    names = np.array([f"w{n}" for n in range(20_000)])
    text = names[np.minimum(rng.zipf(1.2, 200_000), 20_000) - 1]
    rows = [" ".join(row) for row in text.reshape(-1, 20)]
    exact, sampled, again = Units("bare words"), *(Units("bare words", 600_000) for _ in range(2))
    for start in range(0, len(rows), 500):
        for units in (exact, sampled, again):
            units.add(rows[start : start + 500])
    assert exact.rounds == 0 < sampled.rounds
    assert sampled.counts == again.counts
    assert len(sampled.counts) * 120 <= 600_000
    assert exact.words == sampled.words == 200_000
    # Of words, of words of some kind, of their lengths: within a per cent or two.
    for weigh in (lambda word: 1, len, lambda word: word.endswith("3"), lambda word: len(word) > 4):
        truth, found = (
            sum(count * weigh(word) for word, count in units.counts.items())
            for units in (exact, sampled)
        )
        assert found == pytest.approx(truth, rel=0.03)
    common = exact.counts.most_common(200)
    assert [sampled.counts[word] for word, _ in common] == pytest.approx(
        [count for _, count in common], rel=0.02, abs=3
    )


def test_the_estimator_has_no_bias():
    # The same rare words under many names: the mean over names is the truth.
    errors = []
    for seed in range(60):
        units = Units("bare words", 120 * 200)
        for start in range(0, 1000, 100):
            units.add([" ".join(f"s{seed}x{n}" for n in range(start, start + 100))])
        errors.append(sum(units.counts.values()) / 1000 - 1)
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(len(errors))
    assert np.std(errors) < 0.2


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("wordpiece", "words"),
        ("unigram", "words"),
        ("byte bpe", "words"),
        ("sentence bpe", "lines"),
        ("wordlevel", "words"),
    ],
)
def test_whether_words_stand_for_lines_is_tried(kind, expected):
    assert Units.of(loaded(kind), lines("en", 0, 60)).kind == expected
