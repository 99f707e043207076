"""The file that a run is kept in: its state, and all that decides what comes next."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _core, _formats
from isomorph.errors import FormatError
from isomorph.learning._results import Iteration

Rows = NDArray[np.int64]

_KIND, _VERSION = "isomorph.SelfLearning", 1
RUNNING, CONVERGED, LIMITED = "running", "converged", "max_iterations"


@dataclass(kw_only=True)
class Stage:
    """Where a run stands between two iterations, whatever it does in one.

    Everything after it follows from this: no byte depends on whether a run was interrupted.
    """

    #: "running", or why it ended.
    ended: str = RUNNING
    #: Of each iteration, what is told of it.
    history: list[Any] = field(default_factory=list)
    #: What each iteration took: for the log, no part of the answer.
    seconds: list[float] = field(default_factory=list)

    @property
    def number(self) -> int:
        """Iterations that are done."""
        return len(self.history)

    def advance(self, entry: Any, **changes: Any) -> None:
        """Take in an iteration that is done.

        All in one step of the interpreter: an interruption finds what was before it, or after it.
        """
        self.__dict__.update(changes, history=[*self.history, entry])


@dataclass(kw_only=True)
class State(Stage):
    """Where self-learning or a refinement stands."""

    #: The dictionary that the next map is fitted on, and the best one so far where one is kept.
    pairs: tuple[Rows, Rows]
    keep: float = 1.0
    #: The number of the last iteration that improved, or that changed `keep`.
    improved: int = 0
    best: float | None = None
    best_pairs: tuple[Rows, Rows] | None = None


def write(path: str, settings: str, state: State) -> None:
    """Replace the file, whole or not at all."""
    tensors = dict(zip(("source", "target"), state.pairs, strict=True))
    if state.best_pairs is not None:
        tensors |= dict(zip(("best_source", "best_target"), state.best_pairs, strict=True))
    described = {
        "keep": state.keep,
        "improved": state.improved,
        "best": state.best,
        "ended": state.ended,
        "kept": state.best_pairs is not None,
        "history": [asdict(entry) for entry in state.history],
        "seconds": state.seconds,
    }
    metadata = {
        **_formats.described(_KIND, _VERSION),
        "settings": settings,
        "state": json.dumps(described),
    }
    _core.write_safetensors(path, tensors, metadata)


def read(path: str, rows: tuple[int, int]) -> tuple[dict[str, Any], State]:
    """Give the settings and the state of a run over so many rows of source and target.

    Raises
    ------
    FormatError
        The file is no checkpoint, or damaged: nothing that is given back needs another look.
    """
    tensors, metadata = _core.read_safetensors(path)
    _formats.require(path, metadata, _KIND, newest=_VERSION)
    try:
        settings, described = json.loads(metadata["settings"]), json.loads(metadata["state"])
        require(isinstance(settings, dict), "settings")
        state = _state(described, tensors, rows)
        kept = settings.get("function") == "refine" and state.number > 0
        require((state.best_pairs is not None) == kept, "kept")
        return settings, state
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not a whole checkpoint: {error}") from error


def _state(described: dict[str, Any], tensors: dict[str, Any], rows: tuple[int, int]) -> State:
    history = [_iteration(entry, number) for number, entry in enumerate(described["history"], 1)]
    number = len(history)
    best = described["best"]
    seconds = described["seconds"]
    require(len(seconds) == number and all(_real(s) and s >= 0 for s in seconds), "seconds")
    require(_share(described["keep"]), "keep")
    require(_integer(described["improved"]) and 0 <= described["improved"] <= number, "improved")
    require((best is None) == (number == 0) and (best is None or _real(best)), "best")
    require(described["ended"] in (RUNNING, CONVERGED, LIMITED), "ended")
    require(isinstance(described["kept"], bool), "kept")
    return State(
        pairs=pairs_of(tensors, ("source", "target"), rows),
        keep=described["keep"],
        improved=described["improved"],
        best=best,
        best_pairs=(
            pairs_of(tensors, ("best_source", "best_target"), rows) if described["kept"] else None
        ),
        ended=described["ended"],
        history=history,
        seconds=seconds,
    )


def _iteration(entry: dict[str, Any], number: int) -> Iteration:
    good: dict[str, Callable[[Any], bool]] = {
        "number": lambda value: _integer(value) and value == number,
        "objective": _real,
        "pairs": lambda value: _integer(value) and value > 0,
        "keep": _share,
        "improved": lambda value: isinstance(value, bool),
    }
    for name, holds in good.items():
        require(holds(entry[name]), f"{name} of iteration {number}")
    return Iteration(**entry)


def pairs_of(
    tensors: dict[str, Any], names: tuple[str, str], rows: tuple[int, int]
) -> tuple[Rows, Rows]:
    """Give the pairs of these names, of so many rows of source and target."""
    source, target = (tensors[name] for name in names)
    for name, values, count in zip(names, (source, target), rows, strict=True):
        require(values.dtype == np.int64 and values.ndim == 1, f"type or shape of {name}")
        require(len(values) == len(source) and len(values) > 0, f"length of {name}")
        require(int(values.min()) >= 0 and int(values.max()) < count, f"rows of {name}")
    return source, target


def require(holds: bool, what: str) -> None:
    """Raise ValueError for what no run leaves."""
    if not holds:
        raise ValueError(f"{what} is not what a run leaves")


def _integer(value: Any) -> bool:
    return type(value) is int


def _real(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _share(value: Any) -> bool:
    return _real(value) and 0 < value <= 1
