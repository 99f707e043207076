"""Plans of documents: records of several lines are counted, and measured, whole."""

from __future__ import annotations

import json

import numpy as np
import pytest

from isomorph.vocab import Corpus, Tokenizer, coverage, plan
from isomorph.vocab.planning._units import Units
from support.small_tokenizers import KINDS, lines, write


def _documents():
    """Texts of several lines, with blanks and line feeds at every place."""
    return [
        " \n".join(f"{line}.\n\n\n  " for line in lines("en", first, first + 3))
        + "\n" * (first % 4)
        for first in range(0, 150, 3)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_documents_are_kept_whole_and_measured_whole(tmp_path, kind):
    tokenizer, documents = Tokenizer.load(write(kind, tmp_path)), _documents()
    file = tmp_path / "documents.jsonl"
    file.write_text("\n".join(json.dumps({"text": text}) for text in documents))
    made = plan(tokenizer, corpus=file, multiple_of=1)
    np.testing.assert_array_equal(made.usage.counts, tokenizer.usage(documents).counts)
    told = coverage(tokenizer, made.trimmed.tokenizer, made.remap, Corpus.from_lines(documents))
    assert (told.total.lines, told.total.lines_changed) == (len(documents), 0)
    smaller = plan(tokenizer, corpus=file, size=640)
    told = coverage(tokenizer, smaller.trimmed.tokenizer, smaller.remap, file)
    assert smaller.coverage.total.tokens_after == told.total.tokens_after
    chosen = next(row for row in smaller.budget if row.chosen)
    assert chosen.cost.tokens_per_word == pytest.approx(told.total.tokens_per_word[1], rel=1e-12)


@pytest.mark.parametrize(
    ("split", "kind"),
    [
        # As GPT-2 and as Qwen split: line feeds are apart, or with the signs before them.
        (r" ?\w+| ?[^\s\w]+|\s+(?!\S)|\s+", "words"),
        (r" ?\w+| ?[^\s\w]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", "ended words"),
    ],
)
def test_documents_are_the_sum_of_their_words(tmp_path, split, kind):
    alphabet = sorted({letter for text in _documents() for letter in text})
    vocab = {letter: number for number, letter in enumerate(["?", *alphabet])}
    vocab |= {token: len(vocab) + n for n, token in enumerate((".\n", "\n\n", ".\n\n", "\n\n\n"))}
    model = {
        "type": "BPE", "vocab": vocab, "unk_token": "?",
        "merges": [[".", "\n"], ["\n", "\n"], [".\n", "\n"], ["\n\n", "\n"]],
    }  # fmt: skip
    document = {
        "model": model,
        "pre_tokenizer": {
            "type": "Split", "pattern": {"Regex": split}, "behavior": "Isolated", "invert": False
        },
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    tokenizer = Tokenizer.load(tmp_path)
    units = Units.of(tokenizer, _documents())
    assert units.kind == kind
    units.add(_documents())
    texts, counts = units.arrays()
    tokens = sum(n * len(i) for n, i in zip(counts.tolist(), tokenizer.encode(texts), strict=True))
    assert tokens == tokenizer.usage(_documents()).tokens
    assert units.words == sum(len(text.split()) for text in _documents())
