"""One step of dictionary induction beside the loop that VecMap's description amounts to.

``pytest benches/test_induction.py --benchmark-only -s`` measures 20,000 x 20,000 rows; where the
development data lies beside the checkout, they are its mapped word vectors, otherwise random
clusters. The peer is our own NumPy code for the procedure that VecMap describes, not VecMap's: four
matrix products in blocks, means of the k largest by k passes, a mask drawn for every pair.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core
from isomorph.benchmark.measure import Case, measure

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
K = 10


def unit(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def clusters(n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    spectrum = np.arange(1, 301) ** -0.5
    centres = rng.standard_normal((n // 20, 300)) * spectrum
    sides = (
        centres[rng.integers(len(centres), size=n)] + rng.standard_normal((n, 300)) * spectrum / 2
        for _ in range(2)
    )
    source, target = (unit(side).astype(np.float32) for side in sides)
    return source, target


def words(language: str, n: int) -> tuple[Any, dict[str, int]]:
    folder = SHARED / "vectors"
    vectors = np.load(folder / f"{language}.float16.npy")[:n].astype(np.float32)
    listed = (folder / f"{language}.words.txt").read_text(encoding="utf8").split("\n")
    return vectors, {word: row for row, word in enumerate(listed[: len(vectors)])}


def mapped(language: str, n: int) -> tuple[Any, Any]:
    """English mapped to the other language by Procrustes on the training dictionary."""
    (x, english), (y, other) = words("en", n), words(language, n)
    chain = iso.transforms.Chain.parse("unit center unit")
    (_, x), (_, y) = chain.fit_apply(x), chain.fit_apply(y)
    text = (SHARED / "dictionaries" / f"muse.en-{language}.train.tsv").read_text(encoding="utf8")
    pairs = [line.split("\t") for line in text.splitlines()]
    known = [(english[s], other[t]) for s, t in pairs if s in english and t in other]
    source, target = np.array(known).T
    return iso.procrustes(x[source], y[target])(x), y


def mean_of_largest(similarity: Any, k: int) -> Any:
    """By k passes: take the largest, put the least of the block in its place."""
    least, rows = similarity.min(), np.arange(len(similarity))
    total = np.zeros(len(similarity), similarity.dtype)
    for _ in range(k):
        at = similarity.argmax(axis=1)
        total += similarity[rows, at]
        similarity[rows, at] = least
    return total / k


def described_loop(x: Any, y: Any, *, keep: float, block: int, seed: int = 0) -> tuple[Any, Any]:
    """What VecMap is described to do in one iteration, union, CSLS; float32 throughout."""
    rng = np.random.RandomState(seed)

    def direction(own: Any, other: Any) -> Any:
        radii = np.empty(len(other), np.float32)
        for start in range(0, len(other), block):
            stop = min(start + block, len(other))
            radii[start:stop] = mean_of_largest(other[start:stop] @ own.T, K)
        chosen = np.empty(len(own), np.int64)
        for start in range(0, len(own), block):
            stop = min(start + block, len(own))
            similarity = own[start:stop] @ other.T
            similarity.max(axis=1)  # the objective
            similarity -= radii / 2
            if keep < 1:
                similarity = similarity * (rng.rand(*similarity.shape) < keep)
            chosen[start:stop] = similarity.argmax(axis=1)
        return chosen

    there, back = direction(x, y), direction(y, x)
    source = np.concatenate([np.arange(len(x)), back])
    return source, np.concatenate([there, np.arange(len(y))])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("keep", [0.1, 1.0])
@pytest.mark.parametrize("data", ["fr", "ru", "clusters"])
def test_a_step(data: str, keep: float, benchmark: Any) -> None:
    if data != "clusters" and not SHARED.is_dir():
        pytest.skip("the development data is not beside this checkout")
    n = 20_000 if benchmark.enabled else 600
    x, y = clusters(n) if data == "clusters" else mapped(data, n)
    threads = iso.runtime.resolve_threads()
    blocks = (10_000, 1_000) if benchmark.enabled else (250,)

    def check(pairs: iso.Pairs) -> None:
        rows = len(x)
        assert len(pairs) == rows + len(y)
        if keep == 1:
            source, target = described_loop(x, y, keep=1.0, block=2_000)
            agree = ((pairs.source == source) & (pairs.target == target)).mean()
            assert agree > 0.998, agree  # float32 products round otherwise
            return
        some = np.arange(0, rows, max(1, rows // 50))
        radii = iso.csls_radii(x, y, neighborhood=K)
        scores = 2 * (x[some] @ y.T) - radii[0][some, None] - radii[1]
        kept = _core.dropout_draws(0, 0, False, some, np.arange(len(y))) < keep
        best = np.where(kept, scores, -radii[0][some, None]).argmax(axis=1)
        assert (best == pairs.target[some]).mean() > 0.97

    case = Case(
        f"induction step {len(x):,} x {len(y):,} x 300, {data}, keep = {keep}",
        lambda: iso.induce_dictionary(x, y, neighborhood=K, keep=keep),
        {
            f"described loop in NumPy, blocks of {block:,}": (
                lambda block=block: described_loop(x, y, keep=keep, block=block)
            )
            for block in blocks
        },
        check,
        lambda: 2.0 * len(x) * len(y) * 300 / _core.fma_peak(threads, 30_000_000),
        "one float32 pass at the FMA peak",
    )
    if not benchmark.enabled:
        case.check(benchmark(case.ours))
        for peer in case.peers.values():
            peer()
        return
    result = measure(case, rounds=3)
    print(result)
    benchmark.extra_info.update(
        name=case.name,
        over_limit=result.over_limit,
        faster_than=result.speedups,
        extra_bytes=result.extra_bytes,
    )
    benchmark.pedantic(case.ours, rounds=1)
