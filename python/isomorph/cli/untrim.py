"""``isomorph untrim``: a trimmed model with its original token ids."""

from __future__ import annotations

import argparse
from pathlib import Path

from isomorph.cli import _inputs
from isomorph.cli._models import named
from isomorph.cli._terminal import Terminal

NAME = "untrim"
HELP = "give a trimmed model its original token ids again"
DESCRIPTION = """\
Undo the numbering of 'isomorph trim', also of a model that was trained since: the tokenizer is what
it was, ids in configurations are the old ones, and each row is where it came from.

Rows that the trim dropped come from --original, the model before the trim. Without it each of them
is a copy of the row of the unknown token (zeros if there is none, or with --dropped zero).
"""
EPILOG = """\
examples:
  isomorph untrim small -o back --original model
  isomorph untrim trained --undo small -o back
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("folder", metavar="TRIMMED", help="folder of the trimmed model")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="folder to write"
    )
    group = parser.add_argument_group("where things are from")
    group.add_argument("--original", metavar="MODEL", help="the model before the trim")
    group.add_argument(
        "--undo",
        metavar="FOLDER",
        help="what 'trim' wrote, if TRIMMED was saved anew since (default: TRIMMED itself)",
    )
    group.add_argument(
        "--dropped",
        choices=("unknown", "zero"),
        default="unknown",
        help="rows of dropped tokens without --original (default: unknown)",
    )
    group.add_argument(
        "--table",
        type=named,
        action="append",
        metavar="NAME=ROLE",
        help="as of 'isomorph trim'",
    )
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Undo a trim."""
    from isomorph import vocab

    with terminal.watching() as watch:
        watch.stage("writing")
        done = vocab.untrim(
            options.folder,
            options.output,
            original=options.original,
            undo=options.undo,
            dropped=options.dropped,
            tables={name: None if role == "none" else role for name, role in options.table or ()},
            progress=watch.progress,
        )
    if terminal.as_json:
        terminal.data(done.as_dict())
    else:
        terminal.lines([(str(done), "")])
        terminal.note(f"wrote {done.path}")
    return 0
