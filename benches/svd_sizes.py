"""The time of a singular value decomposition against the size of the matrix, in stacks.

``python benches/svd_sizes.py OUT.svg`` draws it and prints the figures; ``--small`` only shows that
it runs. All take turns, and each figure is the median of its rounds. PyTorch is measured where it
is installed.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import matplotlib as mpl
import numpy as np

import isomorph as iso
from isomorph.benchmark.linalg import svd_peers
from isomorph.benchmark.measure import timed

mpl.use("Agg")
import matplotlib.pyplot as plt

SIZES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
TICKS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
#: Marker, colour and order of the legend.
STYLES = {
    "isomorph": ("o-", "C3"),
    "NumPy": ("s-", "C0"),
    "SciPy gesdd loop": ("^-", "C1"),
    "PyTorch": ("v-", "C2"),
}


def count_of(d: int, small: bool) -> int:
    """So many that a round of each takes some tenths of a second, at least two a core."""
    if small:
        return 4
    return int(np.clip(3e8 / (d**3 + 300 * d**2), 4, 20_000))


def microseconds(d: int, count: int, dtype: str, rounds: int) -> dict[str, float]:
    """Median time of one matrix of a stack, by library."""
    a = np.random.default_rng(d).standard_normal((count, d, d)).astype(dtype)
    calls = {"isomorph": lambda: iso.linalg.svd(a), **svd_peers(a)}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            seconds = timed(call)
            # The first turn starts threads and fills caches.
            if turn:
                times[name].append(seconds)
    return {name: 1e6 * statistics.median(found) / count for name, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the figure to write, .svg or .png")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="only show that it runs")
    arguments = parser.parse_args()
    sizes = SIZES if not arguments.small else SIZES[:15:2]
    rounds = arguments.rounds if not arguments.small else 1

    figure, panels = plt.subplots(1, 2, figsize=(9.6, 4.2), sharey=True, layout="constrained")
    for panel, dtype in zip(panels, ("float32", "float64"), strict=True):
        found = []
        for d in sizes:
            count = count_of(d, arguments.small)
            times = microseconds(d, count, dtype, rounds)
            found.append(times)
            figures = ", ".join(f"{name} {time:,.2f}" for name, time in times.items())
            print(f"{dtype} {count:6,} x {d:4}^2, microseconds a matrix: {figures}", flush=True)
        for name, (style, colour) in STYLES.items():
            if name in found[0]:
                values = [times[name] for times in found]
                panel.plot(sizes, values, style, color=colour, label=name, markersize=4)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_xticks(TICKS, [f"{d:,}" for d in TICKS], fontsize=8)
        panel.minorticks_off()
        panel.set_xlabel("rows and columns of each matrix")
        panel.set_title(dtype, fontsize=10)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("microseconds a matrix")
    panels[0].legend(frameon=False, loc="upper left")
    figure.savefig(arguments.out)


if __name__ == "__main__":
    main()
