"""Where a contrastive run stands, and the file that it is kept in."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _core, _formats
from isomorph.errors import FormatError
from isomorph.learning._checkpoint import CONVERGED, RUNNING, Rows, Stage, pairs_of, require
from isomorph.learning._results import ContrastRound

Matrix = NDArray[np.float64]

_KIND, _VERSION = "isomorph.Contrast", 1


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
        **_formats.described(_KIND, _VERSION),
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
    _formats.require(path, metadata, _KIND, newest=_VERSION)
    try:
        settings, described = json.loads(metadata["settings"]), json.loads(metadata["state"])
        require(isinstance(settings, dict) and isinstance(described, dict), "state")
        return settings, _state(described, tensors, rows)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not a whole checkpoint: {error}") from error


def _state(described: dict[str, Any], tensors: dict[str, Any], rows: tuple[int, int]) -> State:
    maps = [tensors[name] for name in _TENSORS[2:]]
    hits = tensors["first_hits"], tensors["best_hits"]
    require(all(m.dtype == np.float64 and m.ndim == 2 for m in maps), "type of the maps")
    require(maps[0].shape[1] == maps[1].shape[1], "shape of the maps")
    require(all(bool(np.isfinite(values).all()) for values in (*maps, *hits)), "a value")
    best = described["best"]
    numbers = (described["loop"], described["step"], *best)
    require(len(best) == 2 and all(type(n) is int and n >= 0 for n in numbers), "loop or step")
    require(type(described["choosing"]) is bool, "choosing")
    require(described["ended"] in (RUNNING, CONVERGED), "ended")
    history = [ContrastRound(**entry) for entry in described["history"]]
    require([e.number for e in history] == list(range(1, len(history) + 1)), "history")
    require(all(math.isfinite(entry.objective) for entry in history), "history")
    seconds = described["seconds"]
    require(len(seconds) == len(history) and all(s >= 0 for s in seconds), "seconds")
    return State(
        pairs=pairs_of(tensors, ("source", "target"), rows),
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
