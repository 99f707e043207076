"""Bitext mining and mutual neighbours against the whole matrix; real sentences find their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import isomorph as iso
from support.mining_oracle import cosines, mine

MARGINS = ("ratio", "distance", "absolute")
RETRIEVALS = ("max", "intersection", "forward", "backward")


def two_sides(rng: np.random.Generator, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Noisy translations and strangers, with positive cosines as sentence encoders give them."""
    y = 1.0 + rng.standard_normal((150, 12))
    x = y[rng.permutation(150)[:120]] + 0.5 * rng.standard_normal((120, 12))
    return x.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("retrieval", RETRIEVALS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_plain_way_gives_the_same_pairs(
    margin: str, retrieval: str, dtype: type, backend: str, rng: np.random.Generator
) -> None:
    x, y = two_sides(rng, dtype)
    for k in (1, 4, 120):
        everything = mine(cosines(x, y), margin, k, retrieval, None)
        middle = everything[len(everything) // 2][0]
        for threshold in (None, middle):
            expected = mine(cosines(x, y), margin, k, retrieval, threshold)
            found = iso.mine_bitext(
                x, y, margin=margin, k=k, retrieval=retrieval, threshold=threshold
            )
            tolerance = 4 * np.finfo(dtype).eps
            if threshold is None:
                assert found.source.tolist() == [i for _, i, _ in expected]
                assert found.target.tolist() == [j for _, _, j in expected]
                scores = [s for s, _, _ in expected]
                np.testing.assert_allclose(found.scores, scores, rtol=tolerance, atol=tolerance)
            # The one at the threshold may fall on either side by its last digit.
            assert abs(len(found) - len(expected)) <= 1


def test_ties_go_to_the_lower_rows(backend: str) -> None:
    x = np.ones((3, 2), dtype=np.float32)
    y = np.ones((4, 2), dtype=np.float32)
    found = iso.mine_bitext(x, y, k=3, margin="distance")
    assert list(zip(*found, strict=True)) == [(0, 0, 0.0)]
    forward = iso.mine_bitext(x, y, k=3, margin="distance", retrieval="forward")
    assert (forward.source.tolist(), forward.target.tolist()) == ([0, 1, 2], [0, 0, 0])


def test_each_row_is_used_once_best_first(rng: np.random.Generator) -> None:
    x, y = two_sides(rng, np.float32)
    found = iso.mine_bitext(x, y)
    assert len(set(found.source.tolist())) == len(found) == len(set(found.target.tolist()))
    assert (np.diff(found.scores) <= 0).all()


def test_distance_is_half_of_csls(rng: np.random.Generator) -> None:
    x, y = two_sides(rng, np.float64)
    mined = iso.mine_bitext(x, y, margin="distance", retrieval="forward")
    by_csls = iso.csls(x, y, 1, neighborhood=4)
    order = np.argsort(mined.source)
    assert (mined.target[order] == by_csls.indices[:, 0]).all()
    np.testing.assert_allclose(mined.scores[order], by_csls.scores[:, 0] / 2, atol=1e-15)


def test_a_mean_of_zero_has_no_ratio(backend: str) -> None:
    x = np.array([[1.0, 0], [-1, 0]])
    with pytest.raises(ValueError, match="margin='distance'"):
        iso.mine_bitext(x, x, k=2)
    assert len(iso.mine_bitext(x, x, k=2, margin="distance")) == 2
    zeros = np.zeros((2, 2))
    assert iso.mine_bitext(zeros, x, k=1, retrieval="forward").scores.tolist() == [0, 0]


def test_rows_that_are_not_finite_are_never_mined(backend: str) -> None:
    x = np.eye(4, 6, dtype=np.float32)
    x[1, 0] = np.nan
    for retrieval in RETRIEVALS:
        found = iso.mine_bitext(x, x, k=2, retrieval=retrieval, check_finite=False)
        assert sorted(found.source.tolist()) == sorted(found.target.tolist()) == [0, 2, 3]


@pytest.mark.parametrize("method", ["nn", "csls"])
def test_mutual_neighbours_are_those_of_the_whole_matrix(
    method: str, backend: str, rng: np.random.Generator
) -> None:
    x, y = two_sides(rng, np.float32)
    c = cosines(x, y).astype(np.float64)
    if method == "csls":
        r, s = (np.sort(side, axis=1)[:, -10:].mean(axis=1) for side in (c, c.T))
        c = 2 * c - r[:, None] - s[None]
    expected = [(i, j) for i, j in enumerate(c.argmax(axis=1)) if c[:, j].argmax() == i]
    found = iso.mutual_nearest(x, y, method=method)
    assert list(zip(found.source.tolist(), found.target.tolist(), strict=True)) == expected
    np.testing.assert_allclose(found.scores, [c[pair] for pair in expected], atol=1e-6)


def test_sentences_find_themselves_in_another_encoder(shared_data: Path) -> None:
    """2,000 sentences through two encoders, one mapped to the other by 1,000 further ones."""
    old, new = (
        np.load(shared_data / "paired" / f"{name}.float16.npy").astype(np.float32)
        for name in ("e5small384", "minilm384")
    )
    old, new = old - old.mean(axis=0), new - new.mean(axis=0)
    mapped = iso.procrustes(old[:1000], new[:1000])(old)[1000:3000]
    target = new[1000:3000][::-1].copy()
    quality = {}
    for margin in MARGINS:
        found = iso.mine_bitext(mapped, target, margin=margin)
        quality[margin] = float((found.source + found.target == 1999).sum()) / 2000
    assert min(quality.values()) > 0.9
    # What the margin is for: it finds more than the cosine alone.
    assert quality["ratio"] > quality["absolute"]
