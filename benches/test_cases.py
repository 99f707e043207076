"""Every case under pytest-benchmark: checked once, ratios to peers and to the limit beside it.

``pytest benches --benchmark-only`` measures at full size; ``pytest benches --benchmark-disable``
is the smoke run of CI: small sizes, only whether everything runs and is right.
"""

from __future__ import annotations

from typing import Any

import pytest

from isomorph.benchmark import all_cases
from support.benchmarks import run

NAMES = (
    "topk rows",
    "topk Index",
    "csls_both",
    "maxsim",
    *(
        f"svd {stack} {dtype}"
        for dtype in ("float32", "float64")
        for stack in ("64 x 300^2", "256 x 64^2", "1024 x 16^2", "100000 x 3^2", "33 x 1024^2")
    ),
    "sinkhorn to 1e-6",
    "sinkhorn scaling",
    "sinkhorn log",
    "Remap.ids",
    "Remap.gather",
    "read .vec",
)


@pytest.mark.parametrize("name", NAMES)
def test_case(name: str, benchmark: Any) -> None:
    size = "full" if benchmark.enabled else "smoke"
    for case in all_cases(size, only=name):
        run(case, benchmark)
