"""Vocabularies that change: ids renumbered, rows mixed, beside what scripts do with NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import isomorph as iso
from isomorph.benchmark.inputs import random
from isomorph.benchmark.measure import Builder, Case


def _ids(size: str, threads: int, _: Path) -> Case:
    rows, count = (250_000, 100_000_000) if size == "full" else (500, 1000)
    rng = np.random.default_rng(0)
    kept = np.sort(rng.permutation(rows)[: rows // 2])
    remap = iso.vocab.Remap.from_kept(kept, rows, dropped=0)
    ids = rng.integers(0, rows, count, dtype=np.int32)
    table, out = remap.old_to_new.astype(np.int32), np.empty_like(ids)

    def check(new: Any) -> None:
        if not np.array_equal(new, table[ids]):
            raise AssertionError("Remap.ids: not the ids that NumPy gives")

    return Case(
        f"Remap.ids, {count:,} int32 ids of {rows:,}",
        lambda: remap.ids(ids, out=out, threads=threads),
        {"numpy.take with out": lambda: np.take(table, ids, out=out)},
        check,
    )


def _gather(size: str, threads: int, _: Path) -> Case:
    rows, columns = (250_000, 768) if size == "full" else (500, 8)
    table = random(rows, columns, 1, np.float16)
    kept = np.sort(np.random.default_rng(0).permutation(rows)[: rows // 2])
    remap = iso.vocab.Remap.from_kept(kept, rows, dropped=0)
    out, spare = (np.empty((len(kept), columns), np.float16) for _ in range(2))

    def check(new: Any) -> None:
        if not np.array_equal(new, table[kept]):
            raise AssertionError("Remap.gather: not the rows that NumPy gives")

    return Case(
        f"Remap.gather, half the rows of {rows:,} x {columns}, float16",
        lambda: remap.gather(table, out=out, threads=threads),
        {"numpy.take with out": lambda: np.take(table, kept, axis=0, out=spare)},
        check,
    )


#: By name, from the size, the number of threads and a folder.
VOCABULARIES: dict[str, Builder] = {"Remap.ids": _ids, "Remap.gather": _gather}
