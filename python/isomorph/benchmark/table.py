"""Measurements as JSON and as a Markdown table."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from isomorph import runtime
from isomorph.benchmark.measure import Measurement


def machine(threads: int | None = None) -> dict[str, Any]:
    """Give what the figures depend on: CPU, instruction set, threads, versions, date."""
    import numpy

    info = runtime.build_info()
    return {
        "cpu": _cpu(),
        "isa": info["isa"],
        "threads": runtime.resolve_threads(threads),
        "isomorph": info["version"],
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def to_json(measurements: Iterable[Measurement], about: dict[str, Any]) -> str:
    """Give the record that ``benches/record`` keeps."""
    return json.dumps({"machine": about, "cases": [asdict(m) for m in measurements]}, indent=2)


def to_markdown(measurements: Iterable[Measurement], about: dict[str, Any]) -> str:
    """Give a table: one case a line, how many times faster than each peer."""
    header = ("case", "time", "of the limit", "faster than", "extra memory")
    rows = [header, tuple("---" for _ in header)]
    for m in measurements:
        limit = f"{m.over_limit:.2f} x {m.limit_name}" if m.over_limit else ""
        peers = ", ".join(f"{name} {ratio:.1f} x" for name, ratio in m.speedups.items())
        memory = "" if m.extra_bytes is None else f"{m.extra_bytes / 1e6:,.0f} MB"
        rows.append((m.name, _seconds(m.seconds), limit, peers, memory))
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = []
    for row in rows:
        fill = "-" if row[0] == "---" else " "
        cells = (cell.ljust(width, fill) for cell, width in zip(row, widths, strict=True))
        lines.append("| " + " | ".join(cells) + " |")
    about_line = ", ".join(f"{name} {value}" for name, value in about.items())
    return "\n".join([*lines, "", about_line])


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.1f} ms"
