"""Every instruction set of this CPU gives the same bytes as plain Rust does."""

from __future__ import annotations

import pytest

import isomorph as iso
from support.process import output_of

DIGEST = """
import hashlib
import numpy as np
import isomorph as iso
from support.contract_table import CONTRACTS
from support.contracts import content

for contract in CONTRACTS:
    if contract.selects:
        for dtype in ("float32", "float64"):
            answer = content(contract.call(**contract.arrays(dtype)))
            print(contract.id, dtype, hashlib.sha256(repr(answer).encode()).hexdigest())

rng = np.random.default_rng(0)
for dtype in ("float32", "float64"):
    for n, m, d in ((70, 700, 61), (257, 130, 300), (33, 2049, 8)):
        # Rows that repeat and rows that nearly do: ties, and margins below float32.
        x = rng.standard_normal((n, d)).astype(dtype)
        y = rng.standard_normal((m, d)).astype(dtype)
        y[m // 2 :] = y[: m - m // 2]
        y[::7] *= np.dtype(dtype).type(1 + 2e-7)
        for call in (
            lambda: iso.topk(x, y, 20),
            lambda: iso.topk(x, y, 20, metric="dot"),
            lambda: iso.topk(x, y, 20, metric="l2"),
            lambda: iso.csls_both(x, y, 5),
            lambda: iso.maxsim(x, y, document_offsets=[0, 5, m // 3, m]),
        ):
            answer = content(call())
            print(n, m, d, dtype, hashlib.sha256(repr(answer).encode()).hexdigest())
"""


@pytest.mark.parametrize("isa", iso.runtime.build_info()["available_isas"])
def test_selections_do_not_depend_on_the_instruction_set(isa, repository):
    import os

    path = os.pathsep.join(filter(None, [str(repository / "tests"), os.environ.get("PYTHONPATH")]))
    portable = output_of(DIGEST, ISOMORPH_ISA="portable", PYTHONPATH=path)
    assert len(portable.splitlines()) > 30
    assert output_of(DIGEST, ISOMORPH_ISA=isa, PYTHONPATH=path) == portable
