"""Rows and ids of a vocabulary that is renumbered, beside NumPy and the copy of the bytes.

``pytest benches/test_remap.py --benchmark-only -s`` measures; ``--benchmark-disable`` runs it
small. ``ISOMORPH_BENCH_ROWS`` and ``ISOMORPH_BENCH_IDS`` change the sizes, 250,000 and 100 million.
Promised: a checkpoint at no less than 60 % of the speed of copying the bytes that must be read and
written (at most 1.67 times the limit), ids at least twice as fast as ``numpy.take``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isomorph import _core
from isomorph.benchmark.measure import Case
from isomorph.vocab import Remap, open_table, remap_file
from isomorph.vocab.checkpoints._tensors import Rows, rewrite
from support.benchmarks import run

COLUMNS = 768
#: Bytes of one call of the system in the copy that is the limit.
PIECE = 8 << 20


def sizes(benchmark: Any) -> tuple[int, int]:
    if not benchmark.enabled:
        return 500, 1000
    rows = int(os.environ.get("ISOMORPH_BENCH_ROWS", "250000"))
    return rows, int(os.environ.get("ISOMORPH_BENCH_IDS", "100000000"))


def half(rows: int) -> Remap:
    """Keep half of the rows, near and far from each other, in their order."""
    kept = np.random.default_rng(0).permutation(rows)[: rows // 2]
    return Remap.from_kept(np.sort(kept), rows, dropped=0)


def table(rows: int) -> Any:
    bits = np.random.default_rng(1).integers(0, 0x7C00, (rows, COLUMNS), np.uint16)
    return bits.view(np.float16)


def copy(source: Path, target: Path, count: int) -> float:
    """Copy the first bytes of a file and bring them to the disk: the seconds it took."""
    start = time.perf_counter()
    with source.open("rb", buffering=0) as read, target.open("wb", buffering=0) as write:
        buffer = memoryview(bytearray(PIECE))
        while count:
            got = read.readinto(buffer[: min(PIECE, count)])
            write.write(buffer[:got])
            count -= got
        os.fsync(write.fileno())
    seconds = time.perf_counter() - start
    target.unlink()
    return seconds


@pytest.fixture
def checkpoint(benchmark: Any, tmp_path: Path) -> tuple[Path, Any, Remap]:
    rows, _ = sizes(benchmark)
    values = table(rows)
    path = tmp_path / "model.safetensors"
    _core.write_safetensors(str(path), {"embeddings": values}, {})
    return path, values, half(rows)


def test_a_checkpoint_to_half_its_rows(
    checkpoint: tuple[Path, Any, Remap], benchmark: Any, tmp_path: Path
) -> None:
    path, values, remap = checkpoint
    target, spare = tmp_path / "small.safetensors", tmp_path / "spare"

    def numpy_file() -> None:
        """All in memory, as scripts do it."""
        arrays, metadata = _core.read_safetensors(str(path))
        kept = arrays["embeddings"].astype(np.float16)[remap.new_to_old]
        _core.write_safetensors(str(spare), {"embeddings": kept}, metadata)

    def check(_: Any) -> None:
        assert np.array_equal(open_table(target)[:], values[remap.new_to_old])

    run(
        Case(
            f"a checkpoint of {len(values):,} x {COLUMNS}, float16, to half its rows",
            lambda: rewrite(path, target, {"embeddings": Rows(remap.new_to_old)}),
            {"all in memory": numpy_file},
            check,
            lambda: copy(path, spare, remap.new_size * COLUMNS * 2),
            "the copy of the kept bytes",
        ),
        benchmark,
    )


def test_rows_of_a_file(checkpoint: tuple[Path, Any, Remap], benchmark: Any) -> None:
    path, values, remap = checkpoint
    opened = open_table(path)
    out, other = (np.empty((remap.new_size, COLUMNS), np.float16) for _ in range(2))

    def mapped() -> Any:
        return np.take(opened.mapped(), remap.new_to_old, axis=0, out=other)

    run(
        Case(
            f"Remap.gather of a file, {len(values):,} x {COLUMNS}, float16",
            lambda: remap.gather(opened, out=out),
            {"numpy.take of the mapped file": mapped},
            lambda found: np.testing.assert_array_equal(found, values[remap.new_to_old]),
        ),
        benchmark,
    )


def test_rows_in_memory(benchmark: Any) -> None:
    rows, _ = sizes(benchmark)
    values, remap = table(rows), half(rows)
    out, other = (np.empty((remap.new_size, COLUMNS), np.float16) for _ in range(2))

    def limit() -> float:
        start = time.perf_counter()
        np.copyto(other, values[: remap.new_size])
        return time.perf_counter() - start

    run(
        Case(
            f"Remap.gather, {rows:,} x {COLUMNS}, float16",
            lambda: remap.gather(values, out=out),
            {"numpy.take": lambda: np.take(values, remap.new_to_old, axis=0, out=other)},
            lambda found: np.testing.assert_array_equal(found, values[remap.new_to_old]),
            limit,
            "the copy of the kept rows",
        ),
        benchmark,
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_ids_in_place(threads: int, benchmark: Any) -> None:
    rows, count = sizes(benchmark)
    # All ids stay ids: they can be renumbered again, as often as is measured.
    remap = Remap.from_kept(np.random.default_rng(0).permutation(rows), rows)
    old = np.random.default_rng(2).integers(0, rows, count, dtype=np.int32)
    ids, other = old.copy(), np.empty(count, np.int32)
    lut = remap.old_to_new.astype(np.int32)

    def check(_: Any) -> None:
        np.testing.assert_array_equal(remap.ids(old, threads=threads), lut[old])

    run(
        Case(
            f"Remap.ids in place, {count:,} int32, {threads} thread(s)",
            lambda: remap.ids(ids, in_place=True, threads=threads),
            {
                "numpy.take(lut, ids, out=...)": lambda: np.take(lut, old, out=other),
                "the same without its check": lambda: np.take(lut, old, out=other, mode="clip"),
            },
            check,
        ),
        benchmark,
    )


def test_ids_in_a_file(benchmark: Any, tmp_path: Path) -> None:
    rows, count = sizes(benchmark)
    remap = half(rows)
    old = np.random.default_rng(2).integers(0, rows, count, dtype=np.uint32)
    source, target, spare = (tmp_path / name for name in ("old.bin", "new.bin", "spare.bin"))
    old.tofile(source)
    lut = remap.old_to_new.astype(np.uint32)

    def numpy_file() -> None:
        """All in memory, as scripts do it."""
        np.take(lut, np.fromfile(source, np.uint32)).tofile(spare)

    run(
        Case(
            f"remap_file, {count:,} uint32, .bin",
            lambda: remap_file(source, target, remap, stored="u4"),
            {"NumPy in memory": numpy_file},
            lambda _: np.testing.assert_array_equal(np.fromfile(target, "u4"), lut[old]),
            lambda: copy(source, spare, old.nbytes),
            "the copy of the file",
        ),
        benchmark,
    )
