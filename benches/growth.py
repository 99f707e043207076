"""How the time of a search grows with the corpus, and where the two filters cross.

``python benches/growth.py OUT.svg`` draws both and prints the figures; ``--small`` only shows that
it runs. Both filters and the limit take turns, and each figure is the best of its rounds: on a
shared machine the least disturbed one.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

import isomorph as iso
from isomorph import _core
from isomorph.benchmark.inputs import clustered

mpl.use("Agg")
import matplotlib.pyplot as plt

FILTERS = ("float", "integer", "auto")
DIMENSION = 300


def search(x: Any, y: Any, name: str, threads: int) -> float:
    """Return the seconds of one search of everything, nothing prepared."""
    os.environ["ISOMORPH_FILTER"] = name
    start = time.perf_counter()
    iso.topk(x, y, 10, threads=threads)
    return time.perf_counter() - start


def best(calls: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Call in turn, and keep the least of each."""
    times: dict[str, float] = {}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name] = min(call(), times.get(name, float("inf")))
    return times


def measured(n: int, m: int, threads: int, rounds: int) -> dict[str, float]:
    x, y = clustered(n, DIMENSION, 1), clustered(m, DIMENSION, 2)
    operations = 2.0 * n * m * DIMENSION
    calls: dict[str, Callable[[], float]] = {
        "limit": lambda: operations / _core.fma_peak(threads, 10_000_000)
    }
    calls |= {name: lambda name=name: search(x, y, name, threads) for name in FILTERS}
    return best(calls, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the figure to write, .svg or .png")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="only show that it runs")
    arguments = parser.parse_args()
    threads = iso.runtime.resolve_threads(None)
    queries = 200 if arguments.small else 10_000
    corpora = [500, 1000] if arguments.small else [10_000, 20_000, 50_000, 100_000, 200_000]
    sides = [100, 300] if arguments.small else [128, 256, 512, 768, 1024, 2048, 4096]

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
    print(
        f"{'queries':>8} {'corpus':>8} {'limit s':>9} {'float s':>9} {'integer s':>9} "
        f"{'of limit':>9}"
    )
    grown = []
    for m in corpora:
        times = measured(queries, m, threads, arguments.rounds)
        grown.append(times)
        print(
            f"{queries:8,} {m:8,} {times['limit']:9.3f} {times['float']:9.3f} "
            f"{times['integer']:9.3f} {times['integer'] / times['limit']:9.2f}"
        )
    rows = np.array(corpora) / 1000
    for name, style in (("float", "o-"), ("integer", "o-"), ("limit", "k--")):
        label = "float32 FMA peak" if name == "limit" else f"{name} filter"
        left.plot(rows, [times[name] for times in grown], style, label=label)
    left.set_xlabel("corpus rows, thousands")
    left.set_ylabel("seconds")
    left.set_title(f"{queries:,} queries, {DIMENSION} columns, k = 10", fontsize=10)
    left.set_xlim(0)
    left.set_ylim(0)
    left.legend(frameon=False)

    print(f"{'side':>8} {'float ms':>9} {'integer ms':>10} {'auto ms':>9}")
    ratios: dict[str, list[float]] = {"integer": [], "auto": []}
    for n in sides:
        times = measured(n, n, threads, arguments.rounds + 2)
        print(
            f"{n:8,} {1e3 * times['float']:9.2f} {1e3 * times['integer']:10.2f} "
            f"{1e3 * times['auto']:9.2f}"
        )
        for name, values in ratios.items():
            values.append(times[name] / times["float"])
    right.plot(sides, ratios["integer"], "o-", color="C1", label="integer filter")
    right.plot(sides, ratios["auto"], "s:", color="C2", label="the library's choice")
    right.axhline(1, color="C0", label="float filter")
    right.set_xscale("log", base=2)
    right.set_xticks(sides, [f"{n:,}" for n in sides], fontsize=8)
    right.set_xlabel("rows of each side")
    right.set_ylabel("time over the float filter's")
    right.set_ylim(0)
    right.set_title("where the filters cross", fontsize=10)
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(arguments.out)


if __name__ == "__main__":
    main()
