"""Word translation against full score matrices, full sorts and plain loops, in float64."""

from __future__ import annotations

import numpy as np
import pytest

from isomorph.metrics import word_translation


def oracle_ranks(
    x: np.ndarray, y: np.ndarray, rows: np.ndarray, golds: np.ndarray, method: str, k: int
) -> dict[int, int]:
    """Rank of the best gold of each source, by sorting every score of the n x m matrix."""
    unit_x = x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    unit_y = y.astype(np.float64) / np.linalg.norm(y.astype(np.float64), axis=1, keepdims=True)
    scores = unit_x @ unit_y.T
    if method == "csls":
        r_x = np.sort(scores, axis=1)[:, -k:].mean(axis=1)
        r_y = np.sort(scores, axis=0)[-k:].mean(axis=0)
        scores = 2 * scores - r_x[:, None] - r_y[None, :]
    ranks: dict[int, int] = {}
    for row, gold in zip(rows.tolist(), golds.tolist(), strict=True):
        rank = 1 + int((scores[row] > scores[row, gold]).sum())
        ranks[row] = min(rank, ranks.get(row, rank))
    return ranks


@pytest.mark.parametrize("method", ["nn", "csls"])
@pytest.mark.parametrize("trial", range(4))
def test_figures_equal_the_plain_ones(
    method: str,
    trial: int,
    backend: str,
    rng: np.random.Generator,
) -> None:
    n, m, d = 90 + trial, 70, 9
    y = rng.standard_normal((m, d)).astype(np.float32)
    x = (y[rng.integers(0, m, n)] + 0.7 * rng.standard_normal((n, d))).astype(np.float32)
    rows, golds = rng.integers(0, n, 60), rng.integers(0, m, 60)
    golds[:40] = (x[rows[:40]] @ y.T).argsort(axis=1)[:, -1 - trial]
    result = word_translation(x, y, (rows, golds), method=method, at=(1, 3, 10), neighborhood=6)
    ranks = oracle_ranks(x, y, rows, golds, method, 6)
    assert sorted(result.queries.tolist()) == sorted(ranks)
    for query, rank in zip(result.queries.tolist(), result.ranks.tolist(), strict=True):
        assert rank == (ranks[query] if ranks[query] <= 10 else 0)
    values = np.array(list(ranks.values()))
    for k in (1, 3, 10):
        assert result.precision[k] == pytest.approx((values <= k).mean(), rel=1e-15)
    expected = np.where(values <= 10, 1 / values, 0).mean()
    assert result.mrr == pytest.approx(expected, rel=1e-12)
