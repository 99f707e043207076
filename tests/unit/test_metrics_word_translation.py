"""Word translation: gold sets, denominators, depth, radii, errors."""

from __future__ import annotations

import math
from typing import Any

import array_api_strict
import numpy as np
import pytest

import isomorph as iso
from isomorph import Coverage, Pairs, errors
from isomorph.metrics import CONVENTIONS, Convention, word_translation

#: Four sources and twelve targets on a line of angles: neighbours can be read off.
ANGLES = np.linspace(0.0, 1.1, 12)
TARGET = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
SOURCE = TARGET[[0, 3, 6, 11]]


def evaluate(pairs: Any, **options: Any) -> Any:
    return word_translation(SOURCE, TARGET, pairs, **{"method": "nn", **options})


def test_any_of_several_golds_is_a_hit() -> None:
    result = evaluate(([0, 0, 1], [5, 1, 11]), at=(1, 2, 10))
    # Source 0 is target 0; gold 1 comes second. Source 1 is target 3; gold 11 comes last but some.
    assert result.queries.tolist() == [0, 1]
    assert result.ranks[0] == 2
    assert result.precision == {1: 0.0, 2: 0.5, 10: result.hits(10).mean()}
    precision, mrr, coverage = result
    assert precision is result.precision
    assert coverage is None
    assert mrr == pytest.approx(np.mean([1 / r if r else 0 for r in result.ranks]))


def test_queries_come_in_the_order_of_the_dictionary() -> None:
    assert evaluate(([2, 0, 2, 1], [6, 0, 7, 3])).queries.tolist() == [2, 0, 1]


def test_ranks_are_cut_at_the_depth() -> None:
    result = evaluate(([0], [11]), at=(1,))
    assert (result.depth, result.ranks.tolist(), result.mrr) == (10, [0], 0.0)
    assert evaluate(([0], [11]), at=(12,)).ranks.tolist() == [12]
    few = word_translation(SOURCE, TARGET[:3], ([0], [2]), method="nn", at=(1,))
    assert (few.depth, few.mrr) == (3, pytest.approx(1 / 3))


def test_conventions_differ_in_the_denominator() -> None:
    pairs = Pairs(np.array([0, 1]), np.array([0, 3]), coverage=Coverage(2, 5, 2, 7))
    for name in ("vecmap", "muse"):
        result = evaluate(pairs, convention=name)
        assert (result.total, result.precision[1], result.convention) == (2, 1.0, name)
    strict = evaluate(pairs, convention="fasttext")
    assert (strict.total, strict.precision[1]) == (5, 0.4)
    assert strict.mrr == pytest.approx(0.4)
    assert strict.intervals[1].method == "bootstrap"
    assert strict.coverage.fraction == 0.4
    given = evaluate(([0], [0]), convention=Convention("mine", oov="error"), sources_total=2)
    assert (given.precision[1], given.convention) == (0.5, "mine")


def test_counting_unknown_words_needs_their_number() -> None:
    with pytest.raises(ValueError, match="sources_total: convention 'fasttext'"):
        evaluate(([0], [0]), convention="fasttext")
    with pytest.raises(ValueError, match="at least the 2"):
        evaluate(([0, 1], [0, 1]), convention="fasttext", sources_total=1)


def test_all_or_nothing_gets_a_wilson_interval() -> None:
    result = evaluate(([0, 1], [0, 3]))
    assert result.precision[1] == 1.0
    assert result.intervals[1].method == "wilson"
    assert result.intervals[1].low < 0.5
    wilson = evaluate(([0, 1], [0, 9]), interval="wilson")
    assert {interval.method for interval in wilson.intervals.values()} == {"wilson"}
    assert wilson.mrr_interval.method == "bootstrap"


def test_radii_are_those_of_the_whole_vocabulary(backend: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((60, 7)).astype(np.float32)
    y = rng.standard_normal((50, 7)).astype(np.float32)
    pairs = (np.array([3, 40, 3]), np.array([1, 2, 9]))
    computed = word_translation(x, y, pairs, neighborhood=5)
    radii = iso.csls_radii(x, y, neighborhood=5)
    given = word_translation(x, y, pairs, source_radii=radii[0], target_radii=radii[1])
    whole = iso.csls(x, y, 10, neighborhood=5).indices[[3, 40]]
    assert np.array_equal(computed.neighbors.indices, whole)
    assert np.array_equal(given.neighbors.indices, whole)
    assert np.array_equal(given.neighbors.scores, computed.neighbors.scores)
    one_given = word_translation(x, y, pairs, neighborhood=5, target_radii=radii[1])
    assert np.array_equal(one_given.neighbors.indices, whole)


def test_score_forms_of_the_conventions() -> None:
    scores, radii = np.array([[0.5, 0.25]]), np.array([0.125])
    assert CONVENTIONS["vecmap"].csls_scores(scores, radii).tolist() == [[0.625, 0.375]]
    assert CONVENTIONS["muse"].csls_scores(scores, radii).tolist() == [[0.5, 0.25]]


def test_arrays_of_another_library_are_taken(rng: np.random.Generator) -> None:
    x = rng.standard_normal((20, 4)).astype(np.float32)
    pairs = (np.arange(5), np.arange(5))
    ours = word_translation(x, x[::-1], pairs)
    theirs = word_translation(
        array_api_strict.asarray(x), array_api_strict.asarray(x[::-1].copy()), pairs
    )
    assert ours.as_dict() == theirs.as_dict()


def test_the_printed_line_and_the_plain_values() -> None:
    result = evaluate(([0, 1], [0, 9]), at=(1, 10))
    assert str(result).startswith("NN (vecmap): P@1 50.00 [0.0, 100.0]  P@10 100.00 [")
    assert result.as_dict()["precision"] == {"1": 0.5, "10": 1.0}
    assert result.as_dict()["precision_intervals"]["1"] == [0.0, 1.0]
    assert math.isclose(result.as_dict()["mrr"], result.mrr)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "cosine"}, ValueError, "method"),
        ({"convention": "mine"}, ValueError, "convention"),
        ({"interval": "t"}, ValueError, "interval"),
        ({"at": ()}, ValueError, "at"),
        ({"at": (0, 1)}, ValueError, "at"),
        ({"at": (13,)}, ValueError, "at.*1 to 12"),
        ({"at": (1.5,)}, ValueError, "at"),
        ({"confidence": 95}, ValueError, "confidence"),
        ({"resamples": 0}, ValueError, "resamples"),
        ({"seed": -1}, ValueError, "seed"),
        ({"method": "csls", "neighborhood": 99}, ValueError, "neighborhood"),
        ({"method": "csls", "source_radii": np.zeros(3, np.float32)}, errors.ShapeError, "radii"),
    ],
)
def test_bad_parameters_are_named(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        evaluate(([0], [0]), **{"neighborhood": 2, **options})


@pytest.mark.parametrize(
    ("pairs", "error", "message"),
    [
        (([], []), errors.DictionaryError, "no pair"),
        (([0], [0, 1]), errors.ShapeError, "1 sources but 2 targets"),
        (([4], [0]), ValueError, r"pairs.source.*0 to 3"),
        (([0], [-1]), ValueError, r"pairs.target.*0 to 11"),
        (([0.5], [0]), errors.DTypeError, r"pairs.source"),
        (([[0]], [0]), errors.ShapeError, r"pairs.source"),
    ],
)
def test_bad_pairs_are_named(pairs: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        evaluate(pairs)


def test_bad_arrays_are_named() -> None:
    with pytest.raises(errors.DTypeError, match="source"):
        word_translation([[1.0]], TARGET, ([0], [0]))
    with pytest.raises(errors.ShapeError, match="target"):
        word_translation(SOURCE, TARGET[0], ([0], [0]))
    bad = TARGET.copy()
    bad[4, 1] = np.nan
    with pytest.raises(errors.NonFiniteError, match="row 4"):
        word_translation(SOURCE, bad, ([0], [0]), method="nn")


@pytest.mark.parametrize(
    "options",
    [{"duplicates": "any"}, {"oov": ""}, {"zero_rows": "x"}, {"csls": "none"}, {"limit": 0}],
)
def test_a_convention_checks_its_fields(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Convention("mine", **options)


def test_the_published_conventions() -> None:
    rules = CONVENTIONS
    assert [rules[n].duplicates for n in ("vecmap", "muse", "fasttext")] == [
        "last",
        "first",
        "first",
    ]
    assert [rules[n].oov for n in ("vecmap", "muse", "fasttext")] == ["drop", "drop", "error"]
    assert [rules[n].lowercase for n in ("vecmap", "muse", "fasttext")] == [False, True, False]
    assert [rules[n].limit for n in ("vecmap", "muse", "fasttext")] == [None, 200_000, 200_000]
    with pytest.raises(TypeError):
        rules["mine"] = Convention("mine")  # type: ignore[index]
