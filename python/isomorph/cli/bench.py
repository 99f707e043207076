"""``isomorph bench``: ratios to other libraries and to the machine's limits, measured here."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from isomorph.cli import _inputs
from isomorph.cli._terminal import Terminal

NAME = "bench"
HELP = "measure this machine: isomorph, other libraries, and the hardware's limit"
DESCRIPTION = """\
Measure isomorph beside the other libraries that are installed (NumPy, SciPy, faiss, scikit-learn,
gensim), on the same input in the same run, and print ratios: times mean nothing on a machine that
does other things, ratios do. Takes some minutes; --only and --smoke take less.
"""
EPILOG = """\
examples:
  isomorph bench
  isomorph bench --only topk --rounds 9
  isomorph bench --record benches/record/my-machine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name has TEXT")
    parser.add_argument(
        "--rounds",
        type=_inputs.positive,
        default=5,
        metavar="N",
        help="measure everything N times in turn and give medians (default: 5)",
    )
    parser.add_argument(
        "--smoke", action="store_true", help="small inputs: only whether everything runs"
    )
    parser.add_argument(
        "--record", metavar="PATH", help="also write PATH.json and PATH.md: the record to keep"
    )
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Measure and print."""
    from isomorph import benchmark

    measured = []
    with terminal.watching() as watch:
        size = "smoke" if options.smoke else "full"
        for case in benchmark.all_cases(size, only=options.only):
            measured.append(benchmark.measure(case, rounds=options.rounds, progress=watch.stage))
    if not measured:
        raise ValueError(f"--only: no case has {options.only!r} in its name")
    about = benchmark.machine()
    record, page = benchmark.to_json(measured, about), benchmark.to_markdown(measured, about)
    if options.record:
        for suffix, text in ((".json", record), (".md", page)):
            path = Path(options.record + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n", encoding="utf8")
            terminal.note(f"wrote {path}")
    if terminal.as_json:
        terminal.data(json.loads(record))
    else:
        terminal.lines([(line, "") for line in page.splitlines()])
    return 0
