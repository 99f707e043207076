"""Codes by a few Sinkhorn iterations, beside the published arithmetic and the reads it takes.

``pytest benches/test_transport_assign.py --benchmark-only -s`` measures; ``--benchmark-disable``
runs it small. Peers: the published procedure in NumPy and, where it is installed, in PyTorch, each
of which holds its matrices and works in place where the listing does. The limit: one copy of the
scores, and one read of the codes an iteration.
"""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph import runtime
from isomorph.benchmark.measure import Case
from support.assign_oracle import published
from support.benchmarks import run

ITERATIONS = 3


def cosines(samples: int, prototypes: int, dtype: str) -> Any:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((samples, 64)), rng.standard_normal((prototypes, 64))
    found = x @ y.T / np.linalg.norm(x, axis=1)[:, None] / np.linalg.norm(y, axis=1)
    return found.astype(dtype)


def in_torch(scores: Any, reg: float) -> Any:
    import torch

    torch.set_num_threads(runtime.resolve_threads())
    out = torch.from_numpy(scores)

    def call() -> Any:
        q = torch.exp(out / reg).t()
        prototypes, samples = q.shape
        q /= torch.sum(q)
        for _ in range(ITERATIONS):
            q /= torch.sum(q, dim=1, keepdim=True)
            q /= prototypes
            q /= torch.sum(q, dim=0, keepdim=True)
            q /= samples
        q *= samples
        return q.t()

    return call


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(256, 50_000), (50_000, 256), (4096, 3000)])
def test_codes(shape: tuple[int, int], dtype: str, benchmark: Any) -> None:
    if not benchmark.enabled:
        shape = (shape[0] // 50 + 2, shape[1] // 50 + 2)
    scores, reg = cosines(*shape, dtype), 0.05
    codes = np.empty_like(scores)

    def limit() -> float:
        """Copy once, and read what every iteration but the first one reads."""
        start = time.perf_counter()
        np.copyto(codes, scores)
        for _ in range(ITERATIONS):
            scores.max()
        return time.perf_counter() - start

    def check(found: Any) -> None:
        expected = published(scores, reg)
        np.testing.assert_allclose(found, expected, rtol=1e3 * np.finfo(dtype).eps)

    peers = {"the published procedure in NumPy": lambda: published(scores, reg)}
    if importlib.util.find_spec("torch") is not None:
        peers["the published procedure in PyTorch"] = in_torch(scores, reg)
    run(
        Case(
            f"codes of {shape[0]:,} samples over {shape[1]:,} prototypes, {dtype}",
            lambda: iso.sinkhorn_assign(scores, reg, iterations=ITERATIONS, out=codes),
            peers,
            check,
            limit,
            "a copy and 3 reads",
        ),
        benchmark,
    )


def test_top_codes(benchmark: Any) -> None:
    samples, prototypes = (256, 50_000) if benchmark.enabled else (7, 900)
    scores = cosines(samples, prototypes, "float32")

    def by_matrix() -> Any:
        codes = iso.sinkhorn_assign(scores, 0.05)
        return np.argpartition(-codes, 5, axis=1)[:, :5]

    def check(found: Any) -> None:
        codes = iso.sinkhorn_assign(scores, 0.05)
        assert np.array_equal(found.indices, np.argsort(-codes, axis=1, kind="stable")[:, :5])

    run(
        Case(
            f"the 5 largest codes of {samples:,} samples over {prototypes:,} prototypes, float32",
            lambda: iso.sinkhorn_assign(scores, 0.05, top=5),
            {"all codes, and argpartition": by_matrix},
            check,
        ),
        benchmark,
    )
