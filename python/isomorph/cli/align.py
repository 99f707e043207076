"""``isomorph align``: two files of vectors and a dictionary in, a map and honest figures out."""

from __future__ import annotations

import argparse
from pathlib import Path

from isomorph.align._methods import METHODS
from isomorph.cli import _inputs
from isomorph.cli._terminal import Terminal

NAME = "align"
HELP = "fit a map between two vocabularies, measure it, write a report"
DESCRIPTION = """\
Fit a map from the vectors SRC into the space of TGT on a dictionary, and measure how well it
translates words of another dictionary, with confidence intervals. The map is orthogonal unless
--method says otherwise; with --method auto folds of the training dictionary choose it.

Whether CSLS retrieval helps on this data is decided on folds of the training dictionary, before
the test dictionary is opened.

OUT receives map.safetensors (the map and the transforms of both sides), metrics.json and
report.html (one file, to read and send on).
"""
EPILOG = """\
examples:
  isomorph align en.vec fr.vec --train en-fr.train.txt --test en-fr.test.txt -o en-fr
  isomorph align si.vec.gz en.vec --train si-en.txt --holdout 5 --drop-ascii-source -o si-en
  isomorph align en.vec fi.vec --train en-fi.train.txt --method auto -o en-fi
  isomorph align sample:en sample:fi --train sample:en-fi.train --test sample:en-fi.test -o out

A dictionary is a text file with a source word and a target word a line, with a tab or spaces
between; a word may come on several lines. SRC and TGT are .vec text (also .gz), .npy with a word
list beside it (en.npy, en.words.txt), or safetensors.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    _inputs.add_vocabularies(parser)
    parser.add_argument("--train", required=True, metavar="DICT", help="dictionary to fit on")
    tested = parser.add_mutually_exclusive_group()
    tested.add_argument("--test", metavar="DICT", help="dictionary to measure on")
    tested.add_argument(
        "--holdout",
        type=_inputs.at_least_two,
        metavar="N",
        help="measure on every Nth source word of the training dictionary, and fit on the others",
    )
    _inputs.add_reverse(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="folder for map.safetensors, metrics.json and report.html",
    )
    group = parser.add_argument_group("how to align")
    group.add_argument(
        "--method",
        default="procrustes",
        choices=METHODS,
        metavar="NAME",
        help=f"how to fit the map: {', '.join(METHODS)} (default: procrustes)",
    )
    _inputs.add_chain(group)
    _inputs.add_neighborhood(group)
    group.add_argument(
        "--no-verdict", action="store_true", help="do not decide whether CSLS helps (faster)"
    )
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of folds and bootstrap (default: 0)"
    )
    _inputs.add_device(parser)
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Align."""
    from isomorph.cli import _aligning

    job = _aligning.Job(
        source=options.source,
        target=options.target,
        train=options.train,
        test=options.test,
        holdout=options.holdout,
        names=(_inputs.short_name(options.source), _inputs.short_name(options.target)),
        command=options.command_line,
        keep=options,
        settings={
            "method": options.method,
            "chain": options.chain,
            "neighborhood": options.neighborhood,
            "reverse": options.reverse,
            "verdict": not options.no_verdict,
            "seed": options.seed,
        },
    )
    _aligning.run(job, options.output, terminal)
    return 0
