"""Text vectors against what people use: the usual line-by-line reader, and gensim.

``pytest benches/test_io.py --benchmark-only -s`` prints the ratios; they are in ``extra_info``.
Peers read the same file in the same run, rounds interleaved. The limit is one read of the bytes.
"""

from __future__ import annotations

import gzip
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isomorph as iso

DIMENSION = 300
THREADS = 2


def script_reader(path: Path) -> tuple[list[str], Any]:
    """Read line by line with NumPy's parser, as MUSE, VecMap and fastText's documentation do."""
    words = []
    with path.open(encoding="utf-8", newline="\n", errors="ignore") as file:
        rows, dimension = map(int, file.readline().split())
        vectors = np.empty((rows, dimension), np.float32)
        for row, line in enumerate(file):
            word, numbers = line.split(" ", 1)
            words.append(word)
            vectors[row] = np.fromstring(numbers, sep=" ", dtype=np.float32)
    return words, vectors


def script_writer(path: Path, words: list[str], vectors: Any) -> None:
    """Write as those scripts do: six significant digits."""
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(words)} {vectors.shape[1]}\n")
        for word, vector in zip(words, vectors, strict=True):
            file.write(word + " " + " ".join(f"{value:.6g}" for value in vector) + "\n")


def read_bytes(path: Path) -> None:
    buffer = bytearray(1 << 20)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> iso.io.Embeddings:
    rows = 20_000 if request.config.getoption("benchmark_only") else 1_000
    vectors = np.random.default_rng(0).normal(scale=0.3, size=(rows, DIMENSION)).astype(np.float32)
    return iso.io.Embeddings([f"word{row}" for row in range(rows)], vectors)


@pytest.fixture(scope="module")
def text(table: iso.io.Embeddings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "x.vec"
    script_writer(path, list(table.words), table.vectors)
    return path


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def compare(
    benchmark: Any,
    size: int,
    ours: Callable[[], object],
    peers: dict[str, Callable[[], object]],
    rounds: int = 3,
) -> None:
    """Benchmark `ours`; put the ratios to `peers`, measured between its rounds, beside it."""
    info = benchmark.extra_info
    for name, peer in peers.items() if benchmark.enabled else ():
        # Ours is over in less than one time slice of a busy machine: the best of some.
        pairs = [(min(seconds(ours) for _ in range(5)), seconds(peer)) for _ in range(rounds)]
        info[f"times faster than {name}"] = round(statistics.median(b / a for a, b in pairs), 1)
    benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
    if benchmark.enabled:
        info["MB/s"] = round(size / benchmark.stats.stats.min / 1e6)
    print(f"\n{benchmark.name}: {info}")


def test_read_text(benchmark: Any, text: Path) -> None:
    def ours() -> iso.io.Embeddings:
        return iso.io.load(text, threads=THREADS)

    words, vectors = ours()
    with text.open(encoding="utf-8") as file:
        next(file)
        for row, line in zip(range(500), file, strict=False):
            word, *numbers = line.split()
            assert words[row] == word
            assert vectors[row].tolist() == [np.float32(float(number)) for number in numbers]
    peers: dict[str, Callable[[], object]] = {"a line-by-line reader": lambda: script_reader(text)}
    try:
        from gensim.models import KeyedVectors
    except ImportError:
        pass
    else:
        peers["gensim"] = lambda: KeyedVectors.load_word2vec_format(str(text))
    peers["reading the bytes"] = lambda: read_bytes(text)
    compare(benchmark, text.stat().st_size, ours, peers)


def test_read_gzip(benchmark: Any, text: Path) -> None:
    packed = text.with_suffix(".vec.gz")
    packed.write_bytes(gzip.compress(text.read_bytes(), 1))
    assert iso.io.load(packed).vectors.tobytes() == iso.io.load(text).vectors.tobytes()
    compare(
        benchmark,
        text.stat().st_size,
        lambda: iso.io.load(packed, threads=THREADS),
        {"decompressing with Python's gzip": lambda: gzip.decompress(packed.read_bytes())},
    )


def test_write_text(benchmark: Any, table: iso.io.Embeddings, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.vec", tmp_path / "theirs.vec"
    words = list(table.words)
    iso.io.save(table, ours)
    assert iso.io.load(ours).vectors.tobytes() == table.vectors.tobytes()
    compare(
        benchmark,
        ours.stat().st_size,
        lambda: iso.io.save(table, ours, threads=THREADS),
        {"a line-by-line writer": lambda: script_writer(theirs, words, table.vectors)},
        rounds=1,
    )
