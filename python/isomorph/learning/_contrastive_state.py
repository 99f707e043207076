"""Where a contrastive run stands, and the file that it is kept in."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _core
from isomorph.errors import FormatError
from isomorph.learning._checkpoint import CONVERGED, RUNNING, Stage
from isomorph.learning._results import ContrastRound

Rows = NDArray[np.int64]
Matrix = NDArray[np.float64]

_KIND, _VERSION = "isomorph.Contrast", "1"


@dataclass(kw_only=True)
class State(Stage):
    """Where a run stands between two rounds: all that comes after follows from this."""

    #: What the maps of this loop were first fitted on: the seed, and what was induced after it.
    pairs: tuple[Rows, Rows]
    #: The maps of source and target, float64.
    maps: tuple[Matrix, Matrix]
    #: Whether held-out words are still to say how far to go.
    choosing: bool
    loop: int = 0
    step: int = 0
    #: The loop and the step that are best so far, or, once they are chosen, where to end.
    best: tuple[int, int] = (0, 0)
    #: For each held-out word the share of hits, of the first maps and of the best.
    first_hits: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    best_hits: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


def write(path: str, settings: str, state: State) -> None:
    """Replace the file, whole or not at all."""
    tensors = dict(zip(_TENSORS, (*state.pairs, *state.maps), strict=True))
    tensors |= {"first_hits": state.first_hits, "best_hits": state.best_hits}
    described = {
        "choosing": state.choosing,
        "loop": state.loop,
        "step": state.step,
        "best": state.best,
        "ended": state.ended,
        "history": [asdict(entry) for entry in state.history],
        "seconds": state.seconds,
    }
    metadata = {
        "format": _KIND,
        "format_version": _VERSION,
        "settings": settings,
        "state": json.dumps(described),
    }
    _core.write_safetensors(path, tensors, metadata)


_TENSORS = ("source", "target", "source_map", "target_map")


def read(path: str, rows: tuple[int, int]) -> tuple[dict[str, Any], State]:
    """Give the settings and the state of a run over so many rows of source and target.

    Raises
    ------
    FormatError
        The file is no checkpoint of this kind, or damaged.
    """
    tensors, metadata = _core.read_safetensors(path)
    kind, version = metadata.get("format"), metadata.get("format_version", "")
    if kind != _KIND:
        raise FormatError(
            f"{path}: expected a checkpoint of contrastive refinement, got a file of "
            f"{kind or 'something else'}"
        )
    if version != _VERSION:
        raise FormatError(
            f"{path}: expected format version {_VERSION}, got {version!r}; it was written by "
            "a newer isomorph"
        )
    try:
        settings, described = json.loads(metadata["settings"]), json.loads(metadata["state"])
        _require(isinstance(settings, dict) and isinstance(described, dict), "state")
        return settings, _state(described, tensors, rows)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not a whole checkpoint: {error}") from error


def _state(described: dict[str, Any], tensors: dict[str, Any], rows: tuple[int, int]) -> State:
    source, target, *maps = (tensors[name] for name in _TENSORS)
    for values, count in zip((source, target), rows, strict=True):
        _require(values.dtype == np.int64 and values.ndim == 1, "type of the pairs")
        _require(len(values) == len(source) > 0, "length of the pairs")
        _require(int(values.min()) >= 0 and int(values.max()) < count, "rows of the pairs")
    hits = tensors["first_hits"], tensors["best_hits"]
    _require(all(m.dtype == np.float64 and m.ndim == 2 for m in maps), "type of the maps")
    _require(maps[0].shape[1] == maps[1].shape[1], "shape of the maps")
    _require(all(bool(np.isfinite(values).all()) for values in (*maps, *hits)), "a value")
    best = described["best"]
    numbers = (described["loop"], described["step"], *best)
    _require(len(best) == 2 and all(type(n) is int and n >= 0 for n in numbers), "loop or step")
    _require(type(described["choosing"]) is bool, "choosing")
    _require(described["ended"] in (RUNNING, CONVERGED), "ended")
    history = [ContrastRound(**entry) for entry in described["history"]]
    _require([e.number for e in history] == list(range(1, len(history) + 1)), "history")
    _require(all(math.isfinite(entry.objective) for entry in history), "history")
    seconds = described["seconds"]
    _require(len(seconds) == len(history) and all(s >= 0 for s in seconds), "seconds")
    return State(
        pairs=(source, target),
        maps=(maps[0], maps[1]),
        choosing=described["choosing"],
        loop=described["loop"],
        step=described["step"],
        best=(best[0], best[1]),
        first_hits=hits[0],
        best_hits=hits[1],
        ended=described["ended"],
        history=history,
        seconds=seconds,
    )


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"{what} is not what a run leaves")
