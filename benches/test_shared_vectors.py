"""Neighbours and CSLS on real word vectors, beside their peers and one ideal float32 pass.

Needs the development data beside the repository; skipped without it.
``pytest benches/test_shared_vectors.py --benchmark-only -s`` prints the ratios.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph.benchmark import measure
from isomorph.benchmark.measure import Case
from isomorph.benchmark.neighbors import csls_both_case, topk_case

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="development data not there")


def mapped(target: str) -> tuple[Any, Any]:
    """Give English mapped onto another language by Procrustes, and that language."""
    english, other = (
        iso.io.load(DATA / "vectors" / f"{name}.float16.npy") for name in ("en", target)
    )
    pairs = iso.io.load_dictionary(
        DATA / "dictionaries" / f"muse.en-{target}.train.tsv", english, other
    )
    chain = iso.transforms.Chain.parse("unit center unit")
    x, y = (chain.fit(side.vectors).apply(side.vectors) for side in (english, other))
    return iso.procrustes(x[pairs.source], y[pairs.target])(x), y


def size(benchmark: Any) -> int | None:
    """All rows, or enough to see that everything runs."""
    return None if benchmark.enabled else 2_000


def report(case: Case, benchmark: Any) -> Any:
    if not benchmark.enabled:
        return case.check(benchmark(case.ours))
    result = measure(case, rounds=5)
    benchmark.extra_info.update(over_limit=result.over_limit, faster_than=result.speedups)
    print(f"\n{case.name}: {result.over_limit:.3f} x the limit ({result.limit_name})")
    for peer, speedup in result.speedups.items():
        print(f"  {speedup:.2f} times faster than {peer}")
    print(f"  extra memory {(result.extra_bytes or 0) / 1e6:.0f} MB")
    return benchmark.pedantic(case.ours, rounds=1)


@pytest.mark.parametrize("prepared", [True, False])
def test_topk_en_ru(prepared: bool, benchmark: Any) -> None:
    x, y = mapped("ru")
    x, y = np.ascontiguousarray(x[:10_000][: size(benchmark)]), y[: size(benchmark)]
    threads = iso.runtime.resolve_threads(None)
    report(topk_case("en-ru", x, y, threads, prepared=prepared), benchmark)


@pytest.mark.parametrize("target", ["fr", "ru"])
def test_csls_both(target: str, benchmark: Any) -> None:
    x, y = (side[: size(benchmark)] for side in mapped(target))
    case = csls_both_case(f"en-{target}", x, y, iso.runtime.resolve_threads(None))
    report(case, benchmark)
    found = iso.csls_both(x, y)
    assert found.proved is not None
    print(
        f"  proved by the pass: {found.proved[0]:.1%} of sources, {found.proved[1]:.1%} of targets"
    )
