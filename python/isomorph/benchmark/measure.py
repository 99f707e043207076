"""One case measured: rounds of limit, ours and peers in turn; medians of the ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Call = Callable[[], Any]

#: Calls of fewer seconds than this are repeated, about that long, and so often at most.
SHORT = 0.1
MANY = 15


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes
    ----------
    name : str
        What it does, and on what.
    ours : callable
        The call of isomorph.
    peers : mapping of str to callable
        The same job done by other libraries, those that are installed.
    limit : callable, optional
        Gives the seconds that the job would take at the machine's limit, measured when called.
    limit_name : str
        What the limit is.
    check : callable
        Raises unless the result that it is given is right; called once, not timed.
    """

    name: str
    ours: Call
    peers: Mapping[str, Call]
    check: Callable[[Any], None]
    limit: Callable[[], float] | None = None
    limit_name: str = ""


#: Makes a case from the size, the number of threads and a folder for files.
Builder = Callable[[str, int, Path], Case]


@dataclass(frozen=True)
class Measurement:
    """What came out: medians over the rounds.

    Attributes
    ----------
    seconds : float
        Of isomorph.
    over_limit : float or None
        Its time divided by what the limit allows; 1 is perfect.
    speedups : dict of str to float
        Each peer's time divided by isomorph's.
    extra_bytes : int or None
        Peak resident memory of one call beyond what was resident before, the result included;
        None where the system does not tell.
    """

    name: str
    seconds: float
    over_limit: float | None
    limit_name: str
    speedups: dict[str, float] = field(default_factory=dict)
    extra_bytes: int | None = None


def measure(case: Case, *, rounds: int = 5, progress: Callable[[str], object] | None = None) -> Any:
    """Check the case once, then measure it in `rounds` interleaved rounds.

    Parameters
    ----------
    case : Case
        What to measure.
    rounds : int, default 5
        How often everything is run.
    progress : callable, optional
        Told what runs now.

    Returns
    -------
    Measurement
        Medians.
    """
    say = progress or (lambda _: None)
    say(f"{case.name}: checking")
    kept: list[Any] = []
    extra = extra_memory(lambda: kept.append(case.ours()))
    case.check(kept.pop())
    ours, over, peers = [], [], {name: [] for name in case.peers}  # type: ignore[var-annotated]
    for number in range(rounds):
        say(f"{case.name}: round {number + 1} of {rounds}")
        before = case.limit() if case.limit else None
        seconds = timed(case.ours)
        ours.append(seconds)
        if case.limit and before is not None:
            over.append(seconds / ((before + case.limit()) / 2))
        for name, peer in case.peers.items():
            peers[name].append(timed(peer) / seconds)
    return Measurement(
        case.name,
        statistics.median(ours),
        statistics.median(over) if over else None,
        case.limit_name,
        {name: statistics.median(ratios) for name, ratios in peers.items()},
        extra,
    )


def timed(call: Call) -> float:
    """Wall time of one call, in seconds; of a short one the median of several in a row.

    The threads of some libraries go on waiting, busily, for milliseconds after their work: so a
    short call comes after a pause and an untimed call, whoever is measured.
    """
    seconds = _timed(call)
    if seconds >= SHORT:
        return seconds
    time.sleep(SHORT)
    call()
    row = [_timed(call)]
    while sum(row) < SHORT and len(row) < MANY:
        row.append(_timed(call))
    return statistics.median(row)


def _timed(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def extra_memory(call: Call) -> int | None:
    """Run `call` and give how far resident memory rose at its peak; Linux only, else None."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        reset.write_text("5")
        before = _kib(status, "VmRSS")
        call()
        return max(0, _kib(status, "VmHWM") - before) * 1024
    except OSError:
        call()
        return None


def _kib(status: Path, name: str) -> int:
    for line in status.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise OSError(f"{status} has no {name}")
