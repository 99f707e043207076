"""The state of a run: what a checkpoint holds, what a log is told, and how a run goes on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _core
from isomorph.errors import FormatError
from isomorph.learning._results import Iteration

Log = str | os.PathLike[str] | Callable[[dict[str, Any]], object] | None
Rows = NDArray[np.int64]

_KIND, _VERSION = "isomorph.SelfLearning", "1"


@dataclass(slots=True)
class State:
    """Where a run stands between two iterations.

    Everything after it follows from this: no byte depends on whether a run was interrupted.
    """

    #: The dictionary that the next map is fitted on, and the best one so far where one is kept.
    pairs: tuple[Rows, Rows]
    keep: float = 1.0
    #: The number of the last iteration that improved, or that changed `keep`.
    improved: int = 0
    best: float | None = None
    best_pairs: tuple[Rows, Rows] | None = None
    #: "running", or why it ended.
    ended: str = "running"
    history: list[Iteration] = field(default_factory=list)

    @property
    def number(self) -> int:
        """Iterations that are done."""
        return len(self.history)


class Journal:
    """Writes checkpoint and log as a run goes on, and whatever stops it.

    Parameters
    ----------
    settings : mapping
        All that decides the answer, the vectors (by their hash) included.
    checkpoint : path, optional
        Where the state is kept.
    every : int
        Iterations between two writings.
    log : path or callable, optional
        Where each iteration is told: a line of JSON, or a call with a dict.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        checkpoint: str | os.PathLike[str] | None,
        every: int,
        log: Log,
    ) -> None:
        self._settings = json.dumps(settings, sort_keys=True)
        self._checkpoint = None if checkpoint is None else os.fspath(checkpoint)
        self._every, self._log = every, log
        self._written: int | None = None
        self._stream: IO[str] | None = None
        self._since = time.perf_counter()

    def resume(self) -> State | None:
        """Read the state, if there is a checkpoint; None if there is none yet."""
        path = self._checkpoint
        if path is None or not Path(path).exists():
            return None
        tensors, metadata = _core.read_safetensors(path)
        kind, version = metadata.get("format"), metadata.get("format_version", "")
        if kind != _KIND:
            raise FormatError(
                f"{path}: expected a checkpoint of self-learning, got a file of "
                f"{kind or 'something else'}"
            )
        if version != _VERSION:
            raise FormatError(
                f"{path}: expected format version {_VERSION}, got {version!r}; it was written by "
                "a newer isomorph"
            )
        try:
            found, state = json.loads(metadata["settings"]), json.loads(metadata["state"])
            self._require_same(found)
            history = [Iteration(**entry) for entry in state.pop("history")]
            best = (tensors["best_source"], tensors["best_target"]) if state.pop("kept") else None
            pairs = tensors["source"], tensors["target"]
            answer = State(pairs=pairs, history=history, best_pairs=best, **state)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, FormatError | _OtherRunError):
                raise
            raise FormatError(f"{path}: not a whole checkpoint: {error}") from error
        self._written = answer.number
        return answer

    def _require_same(self, found: Mapping[str, Any]) -> None:
        expected = json.loads(self._settings)
        for name in sorted({*expected, *found}):
            if found.get(name) != expected.get(name):
                shown = (
                    "" if name == "vectors" else f": {found.get(name)!r}, not {expected[name]!r}"
                )
                raise _OtherRunError(
                    f"checkpoint: {self._checkpoint} is of a run with other {name}{shown}; give "
                    "what it was started with, or another checkpoint"
                )

    @contextlib.contextmanager
    def open(self, state: State) -> Iterator[None]:
        """Keep the log open, and write the state when the block ends, however it ends."""
        if isinstance(self._log, str | os.PathLike):
            # A resumed run tells again what it has done: nothing is there twice, nothing missing.
            self._stream = Path(self._log).open("w", encoding="utf-8", newline="\n")  # noqa: SIM115
            for entry in state.history:
                self._tell(asdict(entry))
        self._since = time.perf_counter()
        try:
            yield
        except BaseException as error:
            self._write(state)
            if self._checkpoint is not None:
                error.add_note(
                    f"{self._checkpoint} holds the run up to iteration {state.number}; "
                    "resume=True goes on from there"
                )
            raise
        else:
            self._write(state)
        finally:
            if self._stream is not None:
                self._stream.close()

    def after(self, state: State) -> None:
        """Tell of the iteration that is done, and write the state if it is time."""
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        self._tell({**asdict(state.history[-1]), "seconds": round(seconds, 4)})
        if self._checkpoint is not None and state.number % self._every == 0:
            self._write(state)

    def _tell(self, entry: dict[str, Any]) -> None:
        if self._stream is not None:
            self._stream.write(json.dumps(entry) + "\n")
            self._stream.flush()
        elif callable(self._log):
            self._log(entry)

    def _write(self, state: State) -> None:
        if self._checkpoint is None or (self._written == state.number and state.ended == "running"):
            return
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
        }
        metadata = {
            "format": _KIND,
            "format_version": _VERSION,
            "settings": self._settings,
            "state": json.dumps(described),
        }
        _core.write_safetensors(self._checkpoint, tensors, metadata)
        self._written = state.number


class _OtherRunError(ValueError):
    """A checkpoint of other settings or vectors."""


def fingerprint(*arrays: Any) -> str:
    """Name the values of arrays by a hash of their bytes."""
    from isomorph.metrics._host import to_numpy

    digest = hashlib.sha256()
    for array in arrays:
        values = np.ascontiguousarray(to_numpy(array))
        digest.update(f"{values.dtype.str} {values.shape}".encode())
        digest.update(values.data)
    return digest.hexdigest()
