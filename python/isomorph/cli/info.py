"""``isomorph info``: what is in a file of vectors, or in a map."""

from __future__ import annotations

import argparse

from isomorph.cli import _inputs
from isomorph.cli._terminal import Terminal

NAME = "info"
HELP = "say what is in a file of vectors or in a map"
DESCRIPTION = """\
Say what is in a file: for vectors their number, dimension, norms, scripts and first words; for a
map its dimensions, how it was made and from what, and what it was measured to do.
"""
EPILOG = """\
examples:
  isomorph info en.vec
  isomorph info en-fr/map.safetensors
  isomorph info sample:fi --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", metavar="FILE", help="vectors, a map, or a folder with a map")
    parser.add_argument(
        "--limit", type=_inputs.positive, metavar="N", help="look at the first N words only"
    )
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Describe a file."""
    raise NotImplementedError
