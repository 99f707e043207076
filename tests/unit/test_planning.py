"""Plans: which tokens are kept, at which size, for which reason, and what that costs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from isomorph.errors import DTypeError, FormatError, ShapeError
from isomorph.vocab import Corpus, Remap, Tokenizer, coverage, plan
from isomorph.vocab.planning._unseen import share
from support.small_tokenizers import KINDS, SPECIAL, lines, words, write

by_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    return {
        kind: Tokenizer.load(write(kind, tmp_path_factory.mktemp("tokenizer"))) for kind in KINDS
    }


@pytest.fixture
def languages():
    return {language: Corpus.from_lines(lines(language, 0, 150)) for language in ("en", "fr")}


@by_kind
def test_a_corpus_alone_is_kept_whole(tokenizers, languages, kind):
    tokenizer = tokenizers[kind]
    made = plan(tokenizer, languages=languages, multiple_of=1)
    assert made.lossless
    assert made.kept.tolist() == sorted(set(made.kept.tolist()))
    assert made.remap.new_to_old.tolist() == made.kept.tolist()
    # Read again, line by line, by the tokenizer that was made.
    told = coverage(tokenizer, made.trimmed.tokenizer, made.remap, languages)
    assert told.total.lines == 300
    assert told.total.lines_changed == 0
    assert told.as_dict()["languages"].keys() == {"en", "fr"}
    assert made.coverage.total == told.total
    assert made.usage.tokens == told.total.tokens_after
    assert sum(made.reasons.values()) == made.size
    assert set(tokenizer.special.tolist()) <= set(made.kept.tolist())
    assert made.reasons["special"] == len(SPECIAL)


@by_kind
def test_a_dropped_id_becomes_the_unknown_token(tokenizers, languages, kind):
    made = plan(tokenizers[kind], languages=languages)
    new = made.trimmed.tokenizer
    assert made.remap.dropped == (-1 if new.unknown is None else new.unknown)


def test_a_folder_is_loaded(tmp_path, languages):
    folder = write("wordpiece", tmp_path)
    made = plan(str(folder), languages=languages)
    assert made.kept.tolist() == plan(Tokenizer.load(folder), languages=languages).kept.tolist()
    assert made.remap.dropped == made.trimmed.tokenizer.unknown >= 0


@by_kind
def test_the_curve_is_what_the_trimmed_tokenizer_does(tokenizers, languages, kind):
    tokenizer = tokenizers[kind]
    made = plan(tokenizer, languages=languages, size=640)
    assert made.size <= 640
    told = coverage(tokenizer, made.trimmed.tokenizer, made.remap, languages)
    for language, one in told.items():
        assert made.coverage[language].tokens_after == one.tokens_after
        assert made.coverage[language].unknown_after == one.unknown_after
    chosen = next(row for row in made.budget if row.chosen)
    assert chosen.size == made.size
    assert chosen.cost.tokens_per_word == pytest.approx(told.total.tokens_per_word[1], rel=1e-12)
    assert chosen.cost.extra == pytest.approx(told.total.extra, abs=1e-12)
    assert not made.lossless
    assert not chosen.lossless
    assert [row.size for row in made.budget] == sorted({row.size for row in made.budget})
    assert made.budget[-1].size == tokenizer.size
    assert made.budget[-2].lossless


@by_kind
def test_a_bound_is_met_by_every_language_and_by_no_smaller_size(tokenizers, languages, kind):
    tokenizer = tokenizers[kind]
    made = plan(tokenizer, languages=languages, max_extra_tokens="10 %", points=0)
    told = coverage(tokenizer, made.trimmed.tokenizer, made.remap, languages)
    assert all(one.extra <= 0.10 for one in told.values())
    assert all(one.unknown_after <= one.unknown_before for one in told.values())
    if kind == "wordlevel":
        # A dropped word is an unknown one: nothing can go.
        assert made.lossless
        return
    assert made.size < plan(tokenizer, languages=languages, points=0).size
    smaller = plan(tokenizer, languages=languages, size=made.size - 64, points=0)
    assert max(one.extra for one in smaller.coverage.values()) > 0.10


def test_sizes_are_rounded_up_and_filled(tokenizers, languages):
    tokenizer = tokenizers["unigram"]
    assert plan(tokenizer, languages=languages, size=500).size == 512
    assert plan(tokenizer, languages=languages, size=512).size == 512
    whole = plan(tokenizer, languages=languages)
    assert whole.size % 64 == 0
    assert whole.lossless
    exact = plan(tokenizer, languages=languages, multiple_of=1)
    assert whole.size - 64 < exact.size <= whole.size
    assert set(exact.kept.tolist()) <= set(whole.kept.tolist())
    # More than the corpus uses is not kept for the sake of a number.
    assert plan(tokenizer, languages=languages, size=1400).size == whole.size
    # And of a vocabulary that is smaller than the next multiple all is kept.
    every = plan(tokenizer, languages=languages, multiple_of=4096)
    assert every.size == tokenizer.size


def test_one_language_is_cut_by_frequency(tokenizers):
    tokenizer = tokenizers["wordpiece"]
    made = plan(tokenizer, corpus=Corpus.from_lines(lines("en")), size=320)
    counts = made.usage.counts
    fixed = {"special", "single character", "byte", "in the list"}
    free = [n for n, reason in zip(made.kept, made.why, strict=True) if reason not in fixed]
    dropped = np.setdiff1d(made.usage.used, made.kept)
    assert counts[free].min() >= counts[dropped].max()


def test_min_count_is_the_papers(tokenizers):
    tokenizer = tokenizers["unigram"]
    corpus = Corpus.from_lines(lines("en"))
    made = plan(tokenizer, corpus=corpus, min_count=2, multiple_of=1)
    counts = made.usage.counts
    assert set(np.nonzero(counts >= 2)[0].tolist()) <= set(made.kept.tolist())
    once = np.nonzero(counts == 1)[0]
    assert len(once)
    singles = [n for n in once.tolist() if len(tokenizer.text(n) or "") == 1]
    pinned = made.usage.needed.nonzero()[0].tolist()
    assert set(once.tolist()) & set(made.kept.tolist()) <= {*singles, *pinned}
    assert made.options == {"min_count": 2, "multiple_of": 1, "characters": "scripts"}


def test_a_small_language_is_not_crowded_out(tokenizers):
    tokenizer = tokenizers["unigram"]
    languages = {
        "en": Corpus.from_lines(lines("en", 0, 150) * 20),
        "fi": Corpus.from_lines(lines("fi", 0, 60)),
    }
    even = plan(tokenizer, languages=languages, size=448, points=0).coverage
    assert abs(even["fi"].extra - even["en"].extra) < 0.25
    together = Corpus.from_lines(lines("en", 0, 150) * 20) + Corpus.from_lines(lines("fi", 0, 60))
    crowded = plan(tokenizer, corpus=together, size=448, points=0)
    finnish = coverage(tokenizer, crowded.trimmed.tokenizer, crowded.remap, {"fi": languages["fi"]})
    assert finnish["fi"].extra > even["fi"].extra
    heavy = plan(tokenizer, languages=languages, weights={"fi": 4}, size=448, points=0).coverage
    assert heavy["fi"].extra < even["fi"].extra
    assert heavy["en"].extra > even["en"].extra


def test_scripts_without_a_corpus_promise_nothing(tokenizers):
    tokenizer = tokenizers["unigram"]
    made = plan(tokenizer, scripts="Latin", multiple_of=1)
    assert not made.lossless
    assert made.coverage is None
    assert "no corpus: coverage unknown" in made.notes
    assert "no corpus: coverage unknown" in str(made)
    assert "languages are not" in str(made)
    assert made.as_dict()["coverage"] == "no corpus: coverage unknown"
    nothing = plan(tokenizer, scripts="Cyrillic", multiple_of=1)
    assert nothing.size < made.size
    with pytest.raises(ValueError, match="a script is no language"):
        plan(tokenizer, scripts="French")
    with pytest.raises(ValueError, match="a language is known by its text"):
        plan(tokenizer, languages=["fr"])


def test_scripts_filter_the_tokens_of_a_corpus(tokenizers):
    tokenizer = tokenizers["byte bpe"]
    text = Corpus.from_lines([*lines("en"), "тест δοκιμή"])
    made = plan(tokenizer, corpus=text, scripts="Latin")
    assert not made.lossless or made.coverage.total.lines_changed == 0
    assert plan(tokenizer, corpus=text).lossless


def test_a_list_is_kept_whatever_the_size(tokenizers, languages, tmp_path):
    tokenizer = tokenizers["unigram"]
    rare = [token for token in tokenizer.tokens[-40:] if len(token) > 2][:5]
    ids = [tokenizer.tokens.index(token) for token in rare]
    path = tmp_path / "keep.txt"
    path.write_text("\n".join(rare), encoding="utf-8")
    for keep in (rare, ids, path, str(path), np.array(ids)):
        made = plan(tokenizer, languages=languages, keep=keep, size=256, points=0)
        assert set(ids) <= set(made.kept.tolist())
        assert made.size <= 256
    assert plan(tokenizer, keep=rare, multiple_of=1).reasons["in the list"] == 5
    with pytest.raises(ValueError, match="as the vocabulary spells them, got 'zzqq'"):
        plan(tokenizer, keep=["zzqq"])
    with pytest.raises(ValueError, match="keep: expected ids of tokens, 0 to 1499, got 1500"):
        plan(tokenizer, keep=[1500])
    word = next(token for token in tokenizer.tokens if token.startswith("▁") and len(token) > 5)
    with pytest.raises(ValueError, match=f"the vocabulary spells it '{word}'"):
        plan(tokenizer, keep=[word[1:]])


def test_characters_of_the_scripts_or_of_the_corpus(tokenizers):
    tokenizer = tokenizers["unigram"]
    corpus = Corpus.from_lines(["abba"])
    every, few = (
        plan(tokenizer, corpus=corpus, characters=which, multiple_of=1, points=0)
        for which in ("scripts", "corpus")
    )
    assert few.size < every.size
    assert {"ä", "é"} <= {tokenizer.text(n) for n in every.kept.tolist()}
    assert "ä" not in {tokenizer.text(n) for n in few.kept.tolist()}
    assert few.lossless
    with pytest.raises(ValueError, match="characters: expected a corpus beside it"):
        plan(tokenizer, scripts="Latin", characters="corpus")


def test_a_word_list_is_a_corpus(tokenizers):
    made = plan(tokenizers["unigram"], languages={"fi": Corpus.from_words(words("fi")[:300])})
    assert made.coverage["fi"].lines == 300
    assert made.lossless


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, ValueError, "expected a corpus, languages with their text, scripts or a list"),
        ({"size": 64}, ValueError, "a size alone does not say which tokens matter"),
        ({"scripts": "Latin", "min_count": 2}, ValueError, "min_count: expected a corpus"),
        ({"scripts": "Latin", "max_extra_tokens": 0.1}, ValueError, "max_extra_tokens: expected a"),
        (
            {"scripts": "Latin", "weights": {"fr": 1}},
            ValueError,
            "weights: expected a corpus beside",
        ),
        ({"scripts": []}, ValueError, "scripts"),
        ({"scripts": [1]}, DTypeError, "scripts: expected names as str"),
        ({"scripts": "Latin", "size": 0}, ValueError, "size: expected an integer of 1 or more"),
        ({"scripts": "Latin", "size": 10}, ValueError, "must be kept"),
        ({"scripts": "Latin", "multiple_of": 0}, ValueError, "multiple_of: expected an integer"),
        ({"scripts": "Latin", "dtype": "int4"}, ValueError, "dtype: expected one of float64"),
        ({"scripts": "Latin", "width": 0}, ValueError, "width: expected an integer of 1 or more"),
        ({"scripts": "Latin", "tables": 0}, ValueError, "tables: expected an integer of 1"),
        ({"scripts": "Latin", "points": 65}, ValueError, "points: expected 0 to 64"),
        ({"scripts": "Latin", "threads": 0}, ValueError, "threads: expected an integer"),
        ({"scripts": "Latin", "characters": "all"}, ValueError, "characters: expected one of"),
        ({"corpus": 5}, DTypeError, "corpus: expected files, a Corpus or embeddings"),
        ({"languages": {}}, ValueError, "languages: expected at least one"),
        ({"languages": {"": Corpus.from_lines(["a"])}}, ValueError, "expected a name for each"),
    ],
)
def test_options_that_cannot_be(tokenizers, options, error, said):
    with pytest.raises(error, match=said):
        plan(tokenizers["unigram"], **options)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"size": 64, "max_extra_tokens": 0.1}, ValueError, "expected one of them"),
        ({"max_extra_tokens": 5}, ValueError, "5 % is 0.05 or '5%'"),
        ({"max_extra_tokens": "five"}, ValueError, "expected a part as 0.05 or '5%'"),
        ({"max_extra_tokens": -0.1}, ValueError, "expected a finite number of at least 0"),
        ({"max_extra_tokens": 0.01, "min_count": 50}, ValueError, "more tokens: allow more"),
        ({"min_count": 0}, ValueError, "min_count: expected an integer of 1 or more"),
        ({"weights": {"de": 1}}, ValueError, "weights: expected languages of the corpus"),
        ({"weights": [1, 2]}, DTypeError, "weights: expected numbers by language"),
        ({"weights": {"en": 0, "fr": 0}}, ValueError, "weights: expected one above 0"),
        ({"weights": {"en": -1}}, ValueError, r"weights\['en'\]: expected a finite number"),
        ({"size": 65}, ValueError, r"must be kept, \d+ \(4 special, "),
    ],
)
def test_options_that_contradict_the_corpus(tokenizers, languages, options, error, said):
    kind = "byte bpe" if options == {"size": 65} else "unigram"
    with pytest.raises(error, match=said):
        plan(tokenizers[kind], languages=languages, **options)


def test_a_corpus_without_text(tokenizers):
    with pytest.raises(FormatError, match="only blank lines"):
        plan(tokenizers["unigram"], corpus=Corpus.from_lines(["", "  "]))


def test_parameters_and_bytes(tokenizers, languages):
    made = plan(tokenizers["unigram"], languages=languages, width=10, dtype="bfloat16", tables=2)
    for row in made.budget:
        assert row.parameters == 20 * row.size
        assert row.bytes == 40 * row.size
    assert "parameters" in str(made)
    assert "parameters" not in str(plan(tokenizers["unigram"], languages=languages))


def test_what_is_printed_and_saved(tokenizers, languages):
    made = plan(tokenizers["unigram"], languages=languages, size=512)
    text = str(made)
    assert "<- this plan" in text
    assert "all tokens" in text
    assert text.splitlines()[0] == "unigram tokenizer of 1,500 tokens: 512 kept (34.1 %)"
    told = json.loads(made.to_json(ids=True))
    assert told["kept"] == made.kept.tolist()
    assert told["size"] == 512
    assert [row["size"] for row in told["budget"]] == [row.size for row in made.budget]
    assert "kept" not in made.as_dict()
    assert len(made.unused) == 1500 - len(made.usage.used)


def test_what_new_text_will_lack_is_estimated(tokenizers):
    tokenizer = tokenizers["unigram"]
    text = np.array(lines("en", 0, 400))
    chosen = np.random.default_rng(0).permutation(400) < 200
    made = plan(tokenizer, corpus=Corpus.from_lines(text[chosen].tolist()), min_count=2, points=0)
    counts = tokenizer.usage(text[~chosen].tolist()).counts
    missing = np.ones(tokenizer.size, bool)
    missing[made.kept] = False
    assert made.expected_missing[""] == pytest.approx(
        counts[missing].sum() / counts.sum(), abs=0.03
    )
    assert made.as_dict()["expected_missing"]["all"] == made.expected_missing[""]


def test_the_estimate_is_good_and_turings():
    # Three tokens once, two twice, one thrice, one nine times; N = 19.
    counts = np.array([1, 1, 1, 2, 2, 3, 9, 0])
    kept = counts > 0
    assert share(counts, kept) == pytest.approx(3 / 19)
    assert share(counts, counts > 1) == pytest.approx((3 + 2 * 2) / 19)
    assert share(counts, counts > 2) == pytest.approx((3 + 2 * 2 + 3 * 1) / 19)
    assert share(counts, np.zeros(8, bool)) == 1
    assert share(np.zeros(8, np.int64), kept) == 0


def test_threads_and_order_of_calls_change_nothing(tokenizers, languages):
    one, two = (
        plan(tokenizers["unigram"], languages=languages, max_extra_tokens=0.1, threads=threads)
        for threads in (1, 2)
    )
    assert one.to_json(ids=True) == two.to_json(ids=True)


def test_tokens_that_words_do_not_show_are_told(tokenizers):
    tokenizer = tokenizers["byte bpe"]
    text = list(lines("en", 0, 100))
    assert "within" not in plan(tokenizer, corpus=Corpus.from_lines(text), points=0).measured
    # Blanks at the ends belong to no word. Lines that are tried are the first, the last, and some.
    text = [f"{line} " if n % 700 == 5 else line for n, line in enumerate(text * 30)]
    made = plan(tokenizer, corpus=Corpus.from_lines(text), points=0)
    assert made.usage.tokens == sum(map(len, tokenizer.encode(text)))
    assert made.measured.endswith("% of the tokens of all lines") or "lines" in made.measured


def test_held_out_text_is_compared_line_by_line(tokenizers, languages):
    tokenizer = tokenizers["wordpiece"]
    made = plan(tokenizer, languages=languages, multiple_of=1)
    after = made.trimmed.tokenizer
    held_out = Corpus.from_lines(lines("fi"))
    told = coverage(tokenizer, after, made.remap, {"fi": held_out})["fi"]
    old, new = (side.encode(list(lines("fi"))) for side in (tokenizer, after))
    texts = [
        [[side.tokens[n] for n in line] for line in rows]
        for side, rows in ((tokenizer, old), (after, new))
    ]
    assert told.lines_changed == sum(a != b for a, b in zip(*texts, strict=True)) > 0
    assert told.tokens_after == sum(map(len, new))
    assert told.extra == told.tokens_after / told.tokens_before - 1
    with pytest.raises(ShapeError, match="remap: expected one of"):
        coverage(tokenizer, after, Remap.from_kept([0], 2), held_out)


def test_the_curve_is_drawn(tokenizers, languages):
    plot = pytest.importorskip("isomorph.plot")
    pytest.importorskip("matplotlib")
    made = plan(tokenizers["unigram"], languages=languages, max_extra_tokens=0.1)
    axes = plot.budget(made)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["en", "fr"]
    heights = axes.get_lines()[0].get_ydata()
    assert list(heights) == sorted(heights, reverse=True)
    assert plot.budget(made, by="script") is not axes
    with pytest.raises(ValueError, match="by: expected"):
        plot.budget(made, by="word")
    with pytest.raises(ValueError, match="expected one from a corpus"):
        plot.budget(plan(tokenizers["unigram"], scripts="Latin"))
