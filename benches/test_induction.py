"""One step of dictionary induction beside the loop that VecMap's description amounts to.

``pytest benches/test_induction.py --benchmark-only -s`` measures 20,000 x 20,000 rows; where the
development data lies beside the checkout, they are its mapped word vectors, otherwise random
clusters. The peer is the loop of ``described``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isomorph as iso
from described import SHARED, K, clusters, described_loop, mapped
from isomorph import _core
from isomorph.benchmark.measure import Case
from support.benchmarks import run


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
    run(case, benchmark)
