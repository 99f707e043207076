"""Every fit from one set of moments beside the limit of its products and NumPy's.

``pytest benches/test_moments.py --benchmark-only -s`` measures; ``--benchmark-disable`` runs it
small. ``ISOMORPH_BENCH_ROWS=200000`` is the size of the promise: 1.5 times 6 n d^2 operations at
the float64 peak, which is what X'X, Y'Y and X'Y take when symmetry is not used.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core
from isomorph.benchmark.measure import Case
from support.benchmarks import run

#: Columns of both sides.
D = 1024
FOLDS = 10


def limit(n: int, d: int) -> float:
    """Seconds of 6 n d^2 operations at the peak of all cores; float64 has half the lanes."""
    threads = iso.runtime.resolve_threads()
    return 6 * n * d * d / (_core.fma_peak(threads, 20_000_000) / 2)


def pairs(n: int, d: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d), dtype=np.float32)
    y = rng.standard_normal((n, d), dtype=np.float32)
    y += x[:, ::-1]
    return x, y


def numpy_products(x: Any, y: Any) -> Any:
    """The three products in float64, block by block: what every fit in NumPy starts with."""
    d = x.shape[1]
    sums = np.zeros((3, d, d))
    for start in range(0, len(x), 4096):
        a, b = (side[start : start + 4096].astype(np.float64) for side in (x, y))
        sums += a.T @ a, a.T @ b, b.T @ b
    return sums


def rectangular(moments: Any) -> Any:
    """The rectangular problem from the same sums: half the columns of y."""
    d = moments.x_dim
    scatter = moments.scatter(translate=False)
    return iso.linalg.polar(np.ascontiguousarray(scatter.xy[:, : d // 2])).r


def all_fits(x: Any, y: Any, group: Any) -> Any:
    """What the promise names, from one pass."""
    d = x.shape[1]
    moments = iso.linalg.Moments(d, d, norms=True)
    moments.update(x, y, group=group)
    return (
        moments,
        moments.procrustes(),
        moments.procrustes(scale=True, translate=True),
        rectangular(moments),
        moments.ols(translate=True),
        moments.cca().map,
        moments.whitening("x"),
        moments.whitening("y"),
        moments.cka(),
        moments.cka(unbiased=True),
        moments.ridge_path(translate=True),
    )


def size(benchmark: Any) -> tuple[int, int]:
    """Give rows and columns."""
    if not benchmark.enabled:
        return 600, 24
    return int(os.environ.get("ISOMORPH_BENCH_ROWS", "50000")), D


def test_the_sums(benchmark: Any) -> None:
    n, d = size(benchmark)
    x, y = pairs(n, d)

    def ours() -> Any:
        moments = iso.linalg.Moments(d, d)
        moments.update(x, y)
        return moments

    def check(moments: Any) -> None:
        found, (xx, xy, yy) = moments.scatter(translate=False), numpy_products(x, y)
        roots = [np.sqrt(np.diag(part)) for part in (xx, yy)]
        bound = 64 * n**0.5 * np.finfo(np.float64).eps
        assert np.all(np.abs(found.xy - xy) <= bound * np.outer(*roots))
        assert np.all(np.abs(found.xx - xx) <= bound * np.outer(roots[0], roots[0]))

    name = f"moments, {n:,} x {d} and {d}, float32"
    peers = {"NumPy's three products": lambda: numpy_products(x, y)}
    run(Case(name, ours, peers, check, lambda: limit(n, d), "6 n d^2 at the peak"), benchmark)


def test_all_fits(benchmark: Any) -> None:
    n, d = size(benchmark)
    x, y = pairs(n, d)
    group = np.random.default_rng(1).permutation(n) % FOLDS

    def check(fits: Any) -> None:
        path = fits[-1]
        assert path.fold_residuals.shape == (FOLDS, 20)
        whole = iso.procrustes(x, y)
        np.testing.assert_allclose(fits[1].matrix, whole.matrix, atol=1e-6)

    name = f"every fit, {FOLDS} folds, {n:,} x {d} and {d}, float32"
    run(
        Case(
            name,
            lambda: all_fits(x, y, group),
            {},
            check,
            lambda: limit(n, d),
            "6 n d^2 at the peak",
        ),
        benchmark,
    )


@pytest.mark.parametrize("what", ["procrustes", "ols", "cca", "ridge_path"])
def test_one_fit(what: str, benchmark: Any) -> None:
    n, d = size(benchmark)
    x, y = pairs(min(n, 20_000), d)
    moments = iso.linalg.Moments(d, d)
    moments.update(x, y, group=np.arange(len(x)) % FOLDS)

    def ours() -> Any:
        # A copy has nothing kept of the fits before.
        return getattr(moments.copy(), what)()

    run(
        Case(
            f"{what} from moments, d = {d}",
            ours,
            {},
            lambda _: None,
            lambda: limit(200_000, d),
            "6 n d^2 at the peak, n = 200,000",
        ),
        benchmark,
    )
