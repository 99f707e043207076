"""Hubness figures."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph import errors
from isomorph.metrics import Hub, hubness


def test_counts_hubs_and_shares() -> None:
    result = hubness(np.array([[0, 1], [0, 2], [0, 1]]), 4, words=list("abcd"), top=2)
    assert result.counts.tolist() == [3, 2, 1, 0]
    assert result.hubs == (Hub(0, "a", 3), Hub(1, "b", 2))
    assert result.antihubs == 0.25
    # |3 - 1.5| + |2 - 1.5| + |1 - 1.5| + |0 - 1.5| = 4, over 2 x 6 places.
    assert result.robin_hood == pytest.approx(4 / 12)
    assert result.skewness == pytest.approx(0.0, abs=1e-15)
    row, word, count = result.hubs[0]
    assert (row, word, count) == (0, "a", 3)


def test_skewness_is_the_third_standardised_moment(rng: np.random.Generator) -> None:
    stats = pytest.importorskip("scipy.stats")
    indices = (rng.random((300, 5)) ** 3 * 40).astype(np.int64)
    result = hubness(indices, 40)
    assert result.skewness == pytest.approx(stats.skew(result.counts), rel=1e-12)


def test_every_figure_is_its_definition_in_fractions(rng: np.random.Generator) -> None:
    """Against exact rational arithmetic on counts made by a loop."""
    for trial in range(5):
        indices = (rng.random((200, 4)) ** (1 + trial) * 50).astype(np.int64)
        counts = [int((indices == target).sum()) for target in range(50)]
        mean = Fraction(sum(counts), 50)
        second = sum((Fraction(c) - mean) ** 2 for c in counts) / 50
        third = sum((Fraction(c) - mean) ** 3 for c in counts) / 50
        result = hubness(indices, 50)
        assert result.counts.tolist() == counts
        assert result.skewness == pytest.approx(float(third) / float(second) ** 1.5, rel=1e-12)
        moved = sum(max(Fraction(c) - mean, 0) for c in counts) / sum(counts)
        assert result.robin_hood == pytest.approx(float(moved), rel=1e-12)
        assert result.antihubs == float(Fraction(counts.count(0), 50))
        assert result.antihub_rows.tolist() == [t for t, c in enumerate(counts) if c == 0]
        held = Fraction(sum(c for c in counts if c >= 2 * mean), sum(counts))
        assert result.hub_share == float(held)


def test_a_hub_has_twice_the_mean_exactly() -> None:
    # Within one set of 4 with k = 1 the mean is 1: two is a hub, one is not.
    result = hubness(np.array([[0], [0], [1], [2]]), 4)
    assert result.hub_share == 0.5
    assert hubness(np.array([[-1]]), 2).hub_share == 0.0


def test_equal_counts_are_no_hubness() -> None:
    result = hubness(np.arange(6).reshape(6, 1), 6)
    assert (result.skewness, result.robin_hood, result.antihubs) == (0.0, 0.0, 0.0)


def test_ties_between_hubs_go_to_the_lower_row_and_nobody_is_no_hub() -> None:
    hubs = hubness(np.array([[2], [1]]), 4).hubs
    assert [(hub.row, hub.word, hub.count) for hub in hubs] == [(1, None, 1), (2, None, 1)]


def test_missing_neighbours_are_left_out() -> None:
    assert hubness(np.array([[0, -1], [-1, -1]]), 2).counts.tolist() == [1, 0]
    nothing = hubness(np.array([[-1]]), 2)
    assert (nothing.robin_hood, nothing.antihubs, nothing.hubs) == (0.0, 1.0, ())


def test_it_takes_what_retrieval_returns(rng: np.random.Generator) -> None:
    x = rng.standard_normal((30, 5)).astype(np.float32)
    found = iso.topk(x, x, 3)
    assert np.array_equal(hubness(found, 30).counts, hubness(found.indices, 30).counts)


def test_it_explains_with_words_and_promises_no_verdict() -> None:
    text = hubness(np.array([[0], [0]]), 2, words=["the", "cat"]).explain()
    assert "the (2)" in text
    assert "50% of the targets are nobody's neighbour" in text
    assert "csls_verdict" in text
    assert "row 0 (2)" in hubness(np.array([[0], [0]]), 2).explain()


def test_plain_values() -> None:
    plain = hubness(np.array([[0], [0]]), 2, words=["the", "cat"]).as_dict()
    assert plain["hubs"] == [{"row": 0, "word": "the", "count": 2}]
    assert "counts" not in plain


@pytest.mark.parametrize(
    ("indices", "n", "options", "error", "message"),
    [
        (np.zeros((1, 1)), 1, {}, errors.DTypeError, "indices"),
        (np.zeros(1, int), 1, {}, errors.ShapeError, "indices"),
        (np.zeros((0, 1), int), 1, {}, errors.ShapeError, "indices"),
        (np.array([[3]]), 3, {}, ValueError, "indices"),
        (np.array([[-2]]), 3, {}, ValueError, "indices"),
        (np.array([[0]]), 0, {}, ValueError, "n_targets"),
        (np.array([[0]]), 1, {"top": -1}, ValueError, "top"),
        (np.array([[0]]), 1, {"words": ["a", "b"]}, errors.ShapeError, "words"),
    ],
)
def test_bad_arguments_are_named(
    indices: Any, n: int, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        hubness(indices, n, **options)


def test_before_and_after_in_one_call(rng):
    x, y = rng.standard_normal((60, 5)), rng.standard_normal((40, 5))
    mapped = x @ rng.standard_normal((5, 5))
    found = iso.metrics.hubness_by_method(x, mapped, y, 3, rows=30, neighborhood=4)
    assert list(found) == ["before", "nn", "csls"]
    radii = iso.csls_radii(mapped, y, neighborhood=4)
    expected = {
        "before": iso.topk(x[:30], y, 3),
        "nn": iso.topk(mapped[:30], y, 3),
        "csls": iso.csls(mapped[:30], y, 3, source_radii=radii[0][:30], target_radii=radii[1]),
    }
    for method, neighbors in expected.items():
        counts = iso.metrics.hubness(neighbors, 40).counts
        np.testing.assert_array_equal(found[method].counts, counts)
    given = {"source_radii": radii[0], "target_radii": radii[1]}
    again = iso.metrics.hubness_by_method(x, mapped, y, 3, rows=30, **given)
    np.testing.assert_array_equal(again["csls"].counts, found["csls"].counts)
    narrow = iso.metrics.hubness_by_method(x[:, :4], mapped, y, 3, rows=None, words=["w"] * 40)
    assert list(narrow) == ["nn", "csls"]
    assert narrow["nn"].queries == 60
    assert narrow["nn"].hubs[0].word == "w"
    with pytest.raises(errors.ShapeError, match="mapped: expected 60 rows as in source"):
        iso.metrics.hubness_by_method(x, mapped[:5], y)
