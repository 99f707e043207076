"""``isomorph demo``: the main job on the embedded sample, with no files and no waiting."""

from __future__ import annotations

import argparse
from pathlib import Path

from isomorph.cli import _inputs
from isomorph.cli._terminal import Terminal

NAME = "demo"
HELP = "align two languages of the embedded sample, and show how well it works"
DESCRIPTION = """\
Align two languages of the embedded sample (4,000 words each) on a small dictionary, translate
words that the map has not seen, and write a report. Takes seconds and needs no files.
"""
EPILOG = """\
examples:
  isomorph demo
  isomorph demo --pair en-fi -o finnish
  isomorph translate isomorph-demo sample:en sample:fr cat winter   (after the first)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--pair",
        choices=("en-fr", "en-fi", "fi-fr"),
        default="en-fr",
        help="source and target language (default: en-fr)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("isomorph-demo"),
        metavar="DIR",
        help="folder for map, metrics and report (default: isomorph-demo)",
    )
    _inputs.add_device(parser)
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the demo."""
    from isomorph.cli import _aligning
    from isomorph.cli._summary import sample_lines

    source, target = options.pair.split("-")
    job = _aligning.Job(
        source=f"{_inputs.SAMPLE}{source}",
        target=f"{_inputs.SAMPLE}{target}",
        train=f"{_inputs.SAMPLE}{options.pair}.train",
        test=f"{_inputs.SAMPLE}{options.pair}.test",
        names=(source, target),
        command=["demo", "--pair", options.pair],
    )
    _aligning.run(job, options.output, terminal, extra=sample_lines)
    if not terminal.as_json:
        folder = options.output
        terminal.note(f"\nNext: isomorph translate {folder} {job.source} {job.target} WORD ...")
    return 0
