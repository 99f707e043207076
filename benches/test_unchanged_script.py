"""An unchanged script around SciPy, faiss and POT, under python and under ``isomorph run``.

``pytest benches/test_unchanged_script.py --benchmark-only -s`` prints the ratio of the two whole
processes, which take turns, reading, imports and output included.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

for _name in ("scipy", "faiss", "ot"):
    pytest.importorskip(_name)

SCRIPT = Path(__file__).parent / "scripts" / "align_words.py"
ROUNDS = 3

#: Words of a side, and how many of them are matched by transport: there a script holds matrices of
#: that many squared, of which POT needs five.
SIZE = {True: (20_000, 5_000), False: (600, 600)}


def printed(words: list[str]) -> tuple[str, float]:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    return done.stdout, time.perf_counter() - start


@pytest.mark.parametrize("method", ["sinkhorn", "sinkhorn_log"])
def test_the_same_to_six_digits(method: str, benchmark: Any) -> None:
    words, matched = SIZE[benchmark.enabled]
    size = ["--words", str(words), "--matched", str(matched)]
    arguments = [str(SCRIPT), *size, "--method", method]
    plain, served = [], []
    for _ in range(ROUNDS if benchmark.enabled else 1):
        expected, seconds = printed(arguments)
        plain.append(seconds)
        found, seconds = printed(["-m", "isomorph", "run", "--quiet", *arguments])
        served.append(seconds)
        numbers = [
            [float(x) for x in re.findall(r"[-\d.e]+\d", text)] for text in (expected, found)
        ]
        assert numbers[1] == pytest.approx(numbers[0], rel=5e-7)
        assert re.sub(r"[-\d.e]+\d", "", found) == re.sub(r"[-\d.e]+\d", "", expected)
    ratio = min(plain) / min(served)
    benchmark.extra_info.update(faster_than={"python": ratio})
    print(f"\n{method}: {words:,} words, {matched:,} matched: python {min(plain):.1f} s, served "
          f"{min(served):.1f} s, {ratio:.1f} times faster")  # fmt: skip
    benchmark.pedantic(lambda: None, rounds=1)
