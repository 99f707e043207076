"""One iteration of self-learning, all of it, beside the iteration that VecMap is described to do.

``pytest benches/test_self_learning.py --benchmark-only -s`` measures 4,000 and 20,000 words of each
side; where the development data lies beside the checkout, they are its word vectors, otherwise
random clusters. The peer is our own NumPy code for the procedure that VecMap describes, not
VecMap's: the map of the pairs by an SVD, both sides' vectors through their maps, then the loop of
``described``: blocks of 10,000 rows, means of the k largest by k passes, a mask drawn for
every pair.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isomorph as iso
from described import SHARED, clusters, described_loop, mapped, words
from isomorph.benchmark.measure import Case
from isomorph.induction import induce_with_largest
from isomorph.learning._spaces import Spaces, objective
from support.benchmarks import run

#: What VecMap's blocks are.
BLOCK = 10_000
HOW = {"direction": "union", "method": "csls", "neighborhood": 10, "seed": 0}


def sides(data: str, n: int) -> tuple[Any, Any]:
    """Both sides after the chain, not mapped."""
    chain = iso.transforms.Chain.parse("unit centre unit")
    raw = clusters(n) if data == "clusters" else (words("en", n)[0], words(data, n)[0])
    source, target = (chain.fit_apply(side)[1] for side in raw)
    return source, target


def pairs_of(data: str, x: Any, z: Any) -> tuple[Any, Any]:
    """A dictionary as the iterations before leave one: of both directions."""
    source, target = (x, z) if data == "clusters" else mapped(data, len(x))
    pairs = iso.induce_dictionary(source, target)
    return pairs.source, pairs.target


def ours(spaces: Spaces, pairs: tuple[Any, Any], keep: float, threads: int) -> Any:
    by = spaces.turn(pairs)
    found, largest = induce_with_largest(
        spaces.mapped(by), spaces.first_z, keep=keep, step=1, threads=threads, **HOW
    )
    return found, objective(largest)


def described(x: Any, z: Any, pairs: tuple[Any, Any], keep: float) -> Any:
    source, target = pairs
    u, _, vt = np.linalg.svd(z[target].T @ x[source])
    xw, zw = np.empty_like(x), np.empty_like(z)
    np.matmul(x, vt.T @ u.T, out=xw)
    zw[:] = z
    return described_loop(xw, zw, keep=keep, block=BLOCK)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("keep", [0.1, 1.0])
@pytest.mark.parametrize("n", [4_000, 20_000])
def test_an_iteration(n: int, keep: float, benchmark: Any) -> None:
    data = "fr" if SHARED.is_dir() else "clusters"
    x, z = sides(data, n if benchmark.enabled else n // 20)
    pairs, threads = pairs_of(data, x, z), iso.runtime.resolve_threads()
    spaces = Spaces.of(x, z, None, threads)

    def check(found: Any) -> None:
        induced, value = found
        assert len(induced) == len(x) + len(z)
        if keep == 1:
            agree = induced.target[: len(x)] == described(x, z, pairs, 1.0)[1][: len(x)]
            assert agree.mean() > 0.99, agree.mean()  # float32 products round otherwise
        assert 0 < value < 1

    case = Case(
        f"self-learning, one iteration, {len(x):,} x {len(z):,} x 300, {data}, keep = {keep}",
        lambda: ours(spaces, pairs, keep, threads),
        {"described iteration in NumPy": lambda: described(x, z, pairs, keep)},
        check,
    )
    run(case, benchmark)
