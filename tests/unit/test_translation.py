"""Words in, translations out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph import errors
from isomorph.metrics._host import mean_of_best

RNG = np.random.default_rng(5)
ROWS = RNG.standard_normal((40, 8)).astype(np.float32)
TURN = np.linalg.qr(RNG.standard_normal((8, 8)))[0].astype(np.float32)
SOURCE = iso.io.Embeddings([f"s{i}" for i in range(40)], ROWS)
TARGET = iso.io.Embeddings([f"t{i}" for i in range(40)], ROWS @ TURN)
MAP = iso.LinearMap(TURN, orthogonal=True)


def test_the_best_translation_comes_first() -> None:
    result = iso.translate(MAP, SOURCE, TARGET, ["s7", "s3", "s7"], k=4)
    assert [entry.word for entry in result] == ["s7", "s3", "s7"]
    assert [entry.best for entry in result] == ["t7", "t3", "t7"]
    assert len(result) == 3
    word, targets, scores = result[1]
    assert (word, len(targets)) == ("s3", 4)
    assert list(scores) == sorted(scores, reverse=True)
    assert result["s3"] is result[1]
    with pytest.raises(KeyError):
        result["s4"]


def test_one_word_needs_no_list() -> None:
    assert iso.translate(MAP, SOURCE, TARGET, "s1", k=1)[0].targets == ("t1",)


@pytest.mark.parametrize("method", ["nn", "csls"])
def test_scores_are_those_of_retrieval_over_everything(method: str, backend: str) -> None:
    result = iso.translate(MAP, SOURCE, TARGET, SOURCE.words[:5], k=3, method=method)
    mapped = MAP(ROWS)
    if method == "nn":
        scores, rows = iso.topk(mapped, TARGET.vectors, 3)
    else:
        scores, rows = iso.csls(mapped, TARGET.vectors, 3)
    for i, entry in enumerate(result):
        assert entry.targets == tuple(TARGET.words[j] for j in rows[i])
        # The array code maps by a BLAS, whose last bits may depend on how many rows there are.
        close = 0 if backend == "cpu" else 2**-22
        assert entry.scores == pytest.approx(tuple(scores[i].tolist()), rel=close, abs=0)


def test_given_radii_give_the_same_bytes(backend: str) -> None:
    mapped = MAP(ROWS)
    r_source, r_target = iso.csls_radii(mapped, TARGET.vectors)
    asked = ["s5", "s30"]
    computed = iso.translate(MAP, SOURCE, TARGET, asked)
    for radii in (
        {"target_radii": r_target},
        {"source_radii": r_source, "target_radii": r_target},
        {"source_radii": r_source},
    ):
        assert iso.translate(MAP, SOURCE, TARGET, asked, **radii) == computed


def test_means_of_neighbours_are_the_radii(backend: str) -> None:
    own = mean_of_best(iso.topk(ROWS, TARGET.vectors, 10).scores)
    assert own.tobytes() == iso.csls_radii(ROWS, TARGET.vectors)[0].tobytes()


def test_an_alignment_transforms_both_sides() -> None:
    chain = iso.transforms.Chain.parse("unit center unit")
    (source, x), (target, y) = chain.fit_apply(ROWS), chain.fit_apply(TARGET.vectors)
    alignment = iso.Alignment(source, iso.procrustes(x, y), target)
    result = iso.translate(alignment, SOURCE, TARGET, ["s0", "s9"], k=1, method="nn")
    assert [entry.best for entry in result] == ["t0", "t9"]
    assert result[0].scores[0] == pytest.approx(1.0, abs=1e-5)


def test_no_map_is_one_space() -> None:
    assert iso.translate(None, SOURCE, SOURCE, ["s2"], k=1)[0].best == "s2"


def test_unknown_words_are_refused_with_near_spellings() -> None:
    source = iso.io.Embeddings(["Paris", "house", "houses", "horse"], ROWS[:4])
    options: dict[str, Any] = {"k": 1, "method": "nn"}
    with pytest.raises(errors.UnknownWordError, match=r"'paris' \(near: Paris\), 'hous'.*house"):
        iso.translate(MAP, source, TARGET, ["paris", "house", "hous"], **options)
    result = iso.translate(MAP, source, TARGET, ["paris", "house"], unknown="skip", **options)
    assert [entry.word for entry in result] == ["house"]
    assert result.unknown == {"paris": ("Paris",)}
    with pytest.raises(errors.UnknownWordError, match="'zzz'"):
        iso.translate(MAP, source, TARGET, ["zzz"], unknown="skip", **options)
    with pytest.raises(LookupError, match="and 2 more"):
        iso.translate(MAP, source, TARGET, [f"zz{i}" for i in range(7)], **options)
    with pytest.raises(errors.UnknownWordError, match="''"):
        iso.translate(MAP, source, TARGET, "", **options)


def test_the_table_is_aligned() -> None:
    target = iso.io.Embeddings(["日本", "chat"], TARGET.vectors[:2])
    source = iso.io.Embeddings(["cat"], ROWS[1:2])
    result = iso.translate(MAP, source, target, ["cat", "kat"], k=2, method="nn", unknown="skip")
    lines = str(result).splitlines()
    assert lines[0] == "cat"
    assert lines[1].startswith("   1  chat   1.0000")
    assert lines[2].startswith("   2  日本  ")
    assert lines[3:] == ["kat", "  not in the vocabulary; near: cat"] or lines[3] == "kat"


def test_plain_values() -> None:
    plain = iso.translate(MAP, SOURCE, TARGET, ["s1"], k=1, method="nn").as_dict()
    assert plain["translations"]["s1"][0]["word"] == "t1"
    assert (plain["method"], plain["unknown"]) == ("nn", {})


@pytest.mark.parametrize(
    ("words", "options", "error", "message"),
    [
        (["s1"], {"method": "cosine"}, ValueError, "method"),
        (["s1"], {"unknown": "drop"}, ValueError, "unknown"),
        ([], {}, ValueError, "words"),
        ([3], {}, errors.DTypeError, "words"),
        (["s1"], {"k": 0}, ValueError, "k"),
        (["s1"], {"k": 41}, ValueError, "k"),
        (["s1"], {"neighborhood": 99}, ValueError, "neighborhood"),
        (["s1"], {"target_radii": np.zeros(3, np.float32)}, errors.ShapeError, "target_radii"),
        (
            ["s1"],
            {"source_radii": np.zeros(3, np.float32), "target_radii": np.zeros(40, np.float32)},
            errors.ShapeError,
            "source_radii",
        ),
    ],
)
def test_bad_arguments_are_named(
    words: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        iso.translate(MAP, SOURCE, TARGET, words, **options)


def test_a_stack_of_maps_is_refused() -> None:
    stack = iso.LinearMap(np.stack([TURN, TURN]))
    with pytest.raises(errors.ShapeError, match="stack"):
        iso.translate(stack, SOURCE, TARGET, ["s1"])
