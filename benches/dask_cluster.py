"""CSLS on a local cluster of two single-threaded workers, beside one process of two threads.

Usage: python benches/dask_cluster.py FOLDER [ROWS [SOURCE_CHUNK TARGET_CHUNK]]

Writes two matrices of 300 columns to the folder, prints seconds, the ratio of throughputs, whether
all bytes are the same, and the largest resident memory of a worker.
"""

from __future__ import annotations

import itertools
import resource
import sys
import time
from pathlib import Path

import dask
import numpy as np
from distributed import Client, LocalCluster

import isomorph as iso


def main() -> None:
    folder = Path(sys.argv[1])
    rows, *cuts = map(int, [*sys.argv[2:], 100_000][:1] + sys.argv[3:])
    cuts = cuts or [rows // 2, rows // 2]
    rng = np.random.default_rng(0)
    made = rng.standard_normal((rows, 300), np.float32)
    np.save(folder / "source.npy", made)
    made += rng.standard_normal(made.shape, np.float32)
    np.save(folder / "target.npy", made)
    del made
    files = [folder / "source.npy", folder / "target.npy"]

    def one() -> float:
        sides = [np.load(file, mmap_mode="r") for file in files]
        start = time.perf_counter()
        answers.append(iso.csls(*sides, threads=2))
        return time.perf_counter() - start

    def two() -> float:
        start = time.perf_counter()
        lazy = (iso.io.dask_array(file, rows=cut) for file, cut in zip(files, cuts, strict=True))
        answers.append(dask.compute(iso.csls(*lazy))[0])
        return time.perf_counter() - start

    answers: list = []
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit="2GB", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(__import__, "isomorph")
        times = [(one(), two()) for _ in range(2)]
        peaks = client.run(lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss).values()
    process, workers = map(min, zip(*times, strict=True))
    same = all(
        (a.indices == b.indices).all() and a.scores.tobytes() == b.scores.tobytes()
        for a, b in itertools.pairwise(answers)
    )
    print(f"one process {process:.2f} s, two workers {workers:.2f} s: {process / workers:.2f}")
    print(f"same bytes: {same}; largest worker {max(peaks) / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
