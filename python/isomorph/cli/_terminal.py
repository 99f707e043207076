"""What reaches the terminal: aligned tables and JSON on standard output, the rest on error."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Line = tuple[str, str]


def prepare_streams() -> None:
    """Make every word printable in every locale: what the encoding lacks is written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told how a long job gets on.

    Attributes
    ----------
    stage : callable
        Told the name of each stage as it begins.
    progress : callable or None
        Told what is done of the stage, of how much; None where nobody looks.
    """

    stage: Callable[[str], object] = str
    progress: Callable[[int, int], object] | None = None


@dataclass(frozen=True, slots=True)
class Terminal:
    """Standard output and error as a command sees them.

    Attributes
    ----------
    quiet : bool
        Nothing but results and errors.
    as_json : bool
        Results as JSON.
    """

    quiet: bool = False
    as_json: bool = False

    def lines(self, lines: Sequence[Line]) -> None:
        """Print lines with their styles; styles show on a terminal only."""
        if not sys.stdout.isatty():
            sys.stdout.write("".join(f"{text}\n" for text, _ in lines))
            return
        from rich.console import Console
        from rich.text import Text

        console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        for text, style in lines:
            console.print(Text(text, style=style))

    def data(self, value: Any) -> None:
        """Print JSON."""
        unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
        json.dump(value, sys.stdout, ensure_ascii=not unicode, allow_nan=False, indent=2)
        sys.stdout.write("\n")

    def note(self, text: str) -> None:
        """Tell the user something that is not the result."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def problem(self, text: str) -> None:
        """Tell the user what went wrong though the command goes on."""
        print(f"isomorph: {text}", file=sys.stderr)

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """Show progress bars on standard error while the block runs, if it is a terminal."""
        if self.quiet or not sys.stderr.isatty():
            yield Watch()
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
        )
        tasks: list[TaskID] = []
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

            def stage(name: str) -> None:
                if tasks:
                    bar.update(tasks[-1], total=1, completed=1)
                    bar.stop_task(tasks[-1])
                tasks.append(bar.add_task(name, total=None))

            def progress(done: int, total: int) -> None:
                if tasks:
                    bar.update(tasks[-1], completed=done, total=total)

            yield Watch(stage, progress)
