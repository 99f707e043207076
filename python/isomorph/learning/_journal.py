"""What a run leaves as it goes: a checkpoint to go on from, and a log to read."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from isomorph.learning._checkpoint import RUNNING, Stage

Log = str | os.PathLike[str] | Callable[[dict[str, Any]], object] | None


class File(Protocol):
    """How a state is kept: a module with these two."""

    def write(self, path: str, settings: str, state: Any) -> None:
        """Replace the file, whole or not at all."""
        ...

    def read(self, path: str, rows: tuple[int, int]) -> tuple[dict[str, Any], Any]:
        """Give the settings and the state of a run over so many rows of source and target."""
        ...


class Journal:
    """Writes checkpoint and log as a run goes on, and whatever stops it.

    What would keep it from writing is found here, before the work.

    Parameters
    ----------
    checkpoint : path, optional
        Where the state is kept.
    resume : bool
        Whether a file that is there is gone on with; otherwise there must be none.
    every : int
        Iterations between two writings.
    log : path or callable, optional
        Where each iteration is told: a line of JSON, or a call with a dict.
    file : module
        Of the checkpoint.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike[str] | None,
        *,
        resume: bool,
        every: int,
        log: Log,
        file: File,
    ) -> None:
        if resume and checkpoint is None:
            raise ValueError("resume: expected a checkpoint= to go on from")
        for name, path in (("checkpoint", checkpoint), ("log", log)):
            if isinstance(path, str | os.PathLike):
                _require_folder(name, Path(os.fspath(path)))
        self._checkpoint = None if checkpoint is None else os.fspath(checkpoint)
        self._resume = bool(resume)
        if self._checkpoint is not None and not resume and Path(self._checkpoint).exists():
            raise FileExistsError(
                errno.EEXIST,
                "there is a run already; resume=True goes on with it, another checkpoint= leaves "
                "it alone",
                self._checkpoint,
            )
        self._every, self._log, self._file = every, log, file
        self._settings = ""
        self._written: int | None = None
        self._stream: IO[str] | None = None
        self._since = time.perf_counter()

    @property
    def keeps(self) -> bool:
        """Whether there is a checkpoint."""
        return self._checkpoint is not None

    def begin(self, settings: Mapping[str, Any], rows: tuple[int, int]) -> Any:
        """Give the state to go on from, if there is one.

        `settings` are all that decides the answer, the vectors (by their hash) included; `rows`,
        how many there are of source and target.
        """
        self._settings = json.dumps(settings, sort_keys=True)
        path = self._checkpoint
        if path is None or not self._resume or not Path(path).exists():
            return None
        found, state = self._file.read(path, rows)
        self._require_same(found)
        self._written = state.number
        return state

    def _require_same(self, found: Mapping[str, Any]) -> None:
        expected = json.loads(self._settings)
        for name in sorted({*expected, *found}):
            if found.get(name) != expected.get(name):
                shown = (
                    ""
                    if name == "vectors"
                    else f": {found.get(name)!r}, not {expected.get(name)!r}"
                )
                raise ValueError(
                    f"checkpoint: {self._checkpoint} is of a run with other {name}{shown}; give "
                    "what it was started with, or another checkpoint"
                )

    @contextlib.contextmanager
    def open(self, state: Stage) -> Iterator[None]:
        """Keep the log open, and write the state now and when the block ends, however it ends."""
        if self._written is None:
            # What keeps it from being written is better known now than after an hour.
            self._write(state)
        if isinstance(self._log, str | os.PathLike):
            # A resumed run tells again what it has done: nothing is there twice, nothing missing.
            self._stream = Path(self._log).open("w", encoding="utf-8", newline="\n")  # noqa: SIM115
            for entry, seconds in zip(state.history, state.seconds, strict=True):
                self._tell({**asdict(entry), "seconds": seconds})
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

    def after(self, state: Stage, fitted_on: Any = None) -> None:
        """Tell of the iteration that is done, and write the state if it is time.

        A callable hears, too, what pairs the map of the iteration was `fitted_on`.
        """
        now = time.perf_counter()
        seconds, self._since = round(now - self._since, 4), now
        state.seconds.append(seconds)
        self._tell({**asdict(state.history[-1]), "seconds": seconds}, fitted_on)
        if state.number % self._every == 0:
            self._write(state)

    def _tell(self, entry: dict[str, Any], fitted_on: Any = None) -> None:
        if self._stream is not None:
            self._stream.write(json.dumps(entry) + "\n")
            self._stream.flush()
        elif callable(self._log):
            self._log(entry if fitted_on is None else {**entry, "fitted_on": fitted_on})

    def _write(self, state: Stage) -> None:
        if self._checkpoint is None or (self._written == state.number and state.ended == RUNNING):
            return
        # An interruption may have come between the iteration and its time.
        state.seconds.extend([0.0] * (state.number - len(state.seconds)))
        self._file.write(self._checkpoint, self._settings, state)
        self._written = state.number


def _require_folder(name: str, path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, f"the folder of {name}= is not there", str(path.parent)
        )
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, f"{name}= is a folder", str(path))


def fingerprint(*arrays: Any) -> str:
    """Name the values of arrays by a hash of their bytes."""
    from isomorph.metrics._host import to_numpy

    digest = hashlib.sha256()
    for array in arrays:
        values = np.ascontiguousarray(to_numpy(array))
        digest.update(f"{values.dtype.str} {values.shape}".encode())
        digest.update(values.data)
    return digest.hexdigest()
