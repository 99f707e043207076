"""``isomorph learn``: two files of vectors and a few pairs, or none, in; a map out."""

from __future__ import annotations

import argparse
from pathlib import Path

from isomorph.cli import _inputs
from isomorph.cli._terminal import Terminal

NAME = "learn"
HELP = "align two vocabularies with a small dictionary or none"
DESCRIPTION = """\
Align the vectors SRC and TGT by self-learning: fit a map, induce a dictionary with it, fit again.
It starts from a small dictionary, from words that both sides have, or from the vectors alone.

The run judges itself: where the two spaces did not come together it says so and exits with 1.
With --test it is measured, too.

OUT receives map.safetensors, dictionary.tsv (the pairs that the map rests on), metrics.json, and
while it runs log.jsonl, a line for each iteration, and checkpoint.safetensors: an interrupted run
goes on with --resume, and ends with the bytes that it would have ended with.
"""
EPILOG = """\
examples:
  isomorph learn en.vec fi.vec -o en-fi
  isomorph learn en.vec fi.vec --start few.txt --test en-fi.test.txt -o en-fi
  isomorph learn en.vec fi.vec --start identical -o en-fi --resume
  isomorph learn sample:en sample:fr --start sample:en-fr.train --method muse -o out
  isomorph learn en.vec si.vec --start en-si.txt --method contrast -o en-si

The map is read by 'isomorph translate' and 'isomorph evaluate', as that of 'isomorph align'.
"""


def probability(text: str) -> float:
    """Read a number above 0, at most 1, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, at most 1, got {text!r}")
    return number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    _inputs.add_vocabularies(parser)
    parser.add_argument(
        "--start",
        default="unsupervised",
        metavar="DICT",
        help="a dictionary, or one of: identical (words that both sides have), numerals, "
        "unsupervised (default; for --method vecmap only)",
    )
    parser.add_argument("--test", metavar="DICT", help="dictionary to measure on")
    _inputs.add_reverse(parser)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the results"
    )
    going = parser.add_mutually_exclusive_group()
    going.add_argument("--resume", action="store_true", help="go on with the run that is in OUT")
    going.add_argument(
        "--restart", action="store_true", help="begin anew though OUT has an unfinished run"
    )
    group = parser.add_argument_group("how to learn")
    group.add_argument(
        "--method",
        choices=("vecmap", "muse", "contrast"),
        default="vecmap",
        help="vecmap: many iterations, with dropout (default); muse: a few, on pairs that choose "
        "each other; contrast: from a dictionary, against what is near but wrong",
    )
    _inputs.add_chain(group)
    group.add_argument(
        "--vocabulary",
        type=_inputs.positive,
        default=20_000,
        metavar="N",
        help="words of each side among which pairs are induced (default: 20,000)",
    )
    group.add_argument(
        "--no-verdict",
        action="store_true",
        help="do not judge at the end whether the two spaces came together",
    )
    group.add_argument(
        "--direction",
        choices=("union", "forward", "backward", "intersection"),
        help="who chooses (default: union; muse: intersection; contrast has its own rule)",
    )
    _inputs.add_neighborhood(group)
    group.add_argument(
        "--max-iterations",
        type=_inputs.positive,
        metavar="N",
        help="end after N iterations (default: when nothing improves; muse: 5), or, contrast, "
        "after N steps of a loop (default: as --setting says)",
    )
    group.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="seed of what is drawn: by vecmap pairs, by contrast the words held out (default: 0)",
    )
    vecmap = parser.add_argument_group("for --method vecmap")
    vecmap.add_argument(
        "--init",
        choices=("gromov", "wasserstein", "spectra"),
        help="what an unsupervised start looks at: which words lie to each other as words of the "
        "other side do (gromov, default; wasserstein: its convex relative), or how each word's "
        "similarities are distributed (spectra: VecMap's, quicker, and enough for languages that "
        "are closely related only)",
    )
    vecmap.add_argument(
        "--keep",
        type=probability,
        metavar="P",
        help="probability, at first, with which a pair of words takes part (default: 0.1)",
    )
    vecmap.add_argument(
        "--patience",
        type=_inputs.positive,
        metavar="N",
        help="iterations without improvement before more pairs take part (default: 10, "
        "50 for an unsupervised start)",
    )
    vecmap.add_argument(
        "--final",
        metavar="MODE",
        help="mode of the last map: supervised (default), aaai2018, emnlp2016, orthogonal, "
        "unconstrained",
    )
    contrast = parser.add_argument_group("for --method contrast")
    contrast.add_argument(
        "--setting",
        choices=("default", "5k", "1k"),
        help="constants: our own (default), or the original's for dictionaries of that size",
    )
    _inputs.add_device(parser)
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Learn."""
    from isomorph.cli import _learning

    return _learning.run(options, terminal)
