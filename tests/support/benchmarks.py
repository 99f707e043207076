"""How a benchmark of `benches/` runs a case."""

from __future__ import annotations

from typing import Any

from isomorph.benchmark.measure import Case, measure


def run(case: Case, benchmark: Any, *, rounds: int = 3) -> None:
    """Measure beside the peers and the limit, and print it; or run all once, to see it right."""
    if not benchmark.enabled:
        case.check(benchmark(case.ours))
        for peer in case.peers.values():
            peer()
        return
    result = measure(case, rounds=rounds)
    benchmark.extra_info.update(
        name=case.name,
        faster_than=result.speedups,
        over_limit=result.over_limit,
        limit=result.limit_name,
        extra_bytes=result.extra_bytes,
    )
    limit = f", {result.over_limit:.2f} x {result.limit_name}" if result.limit_name else ""
    print(f"\n{case.name}: {1e3 * result.seconds:,.2f} ms{limit}")
    for peer, speedup in result.speedups.items():
        print(f"  {speedup:.2f} times faster than {peer}")
    if result.extra_bytes is not None:
        print(f"  {result.extra_bytes / 1e6:.0f} MB beyond the inputs")
    benchmark.pedantic(case.ours, rounds=1)
