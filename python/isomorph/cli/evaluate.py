"""``isomorph evaluate``: precision of a map, or of spaces aligned elsewhere, by convention."""

from __future__ import annotations

import argparse
import tempfile
from typing import TYPE_CHECKING

from isomorph._text import table
from isomorph.cli import _inputs
from isomorph.cli._terminal import Terminal

if TYPE_CHECKING:
    from isomorph.metrics import WordTranslation

NAME = "evaluate"
HELP = "measure word translation, counted as VecMap, MUSE or fastText count"
DESCRIPTION = """\
Measure how well words of SRC are translated into words of TGT, with a map, or without one where
the vectors are in one space already (aligned by another program).

The three published programs count differently: VecMap and MUSE leave dictionary words out that the
vocabularies lack, fastText counts them as errors; VecMap takes the last of a word's rows, the
others the first; MUSE lower-cases. --convention says whose figure is wanted.
"""
EPILOG = """\
examples:
  isomorph evaluate en.vec fr.vec --dictionary en-fr.test.txt --map en-fr
  isomorph evaluate en.mapped.vec fr.mapped.vec --dictionary en-fr.test.txt --convention all
  isomorph evaluate sample:en sample:fr --dictionary sample:en-fr.test --map isomorph-demo
"""

#: What spaces that were never aligned may reach by chance, or through words that both have.
_CHANCE = 0.02

_CONVENTIONS = ("vecmap", "muse", "fasttext")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", metavar="SRC", help="vectors of the words to translate")
    parser.add_argument("target", metavar="TGT", help="vectors of the language translated into")
    parser.add_argument("--dictionary", required=True, metavar="DICT", help="what is right")
    parser.add_argument(
        "--map", metavar="MAP", help="map file, or the folder that 'align' wrote; none: as they are"
    )
    parser.add_argument(
        "--convention",
        choices=(*_CONVENTIONS, "all"),
        default="vecmap",
        help="whose way of counting (default: vecmap)",
    )
    parser.add_argument(
        "--method",
        choices=("nn", "csls", "both"),
        default="both",
        help="retrieval (default: both)",
    )
    _inputs.add_neighborhood(parser)
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the bootstrap (default: 0)"
    )
    _inputs.add_device(parser)
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Evaluate."""
    from isomorph import metrics
    from isomorph.report.facts import plain
    from isomorph.report.wording import METHOD_NAMES, interval, percent

    alignment = None if options.map is None else _inputs.load_alignment(options.map)
    asked = _CONVENTIONS if options.convention == "all" else (options.convention,)
    with terminal.watching() as watch, tempfile.TemporaryDirectory(prefix="isomorph-") as folder:
        watch.stage("evaluating")
        found = metrics.evaluate_files(
            _inputs.as_file(options.source, folder),
            _inputs.as_file(options.target, folder),
            _inputs.dictionary_path(options.dictionary),
            conventions=asked,
            methods=("nn", "csls") if options.method == "both" else (options.method,),
            map=alignment,
            neighborhood=options.neighborhood,
            seed=options.seed,
            progress=watch.progress,
        )
    if alignment is not None and (
        doubt := _inputs.swapped(alignment, options.source, options.target)
    ):
        terminal.problem(doubt)
    if alignment is None and all(max(r.precision.values()) <= _CHANCE for r in found):
        terminal.problem(
            "hardly any word is translated right: these files do not seem to be in one space; "
            "--map takes what 'isomorph align' wrote"
        )
    if terminal.as_json:
        terminal.data(plain(found.as_dict()))
        return 0
    ks = list(next(iter(found)).precision)
    rows = [["counted as", "", *(f"P@{k}" for k in ks), f"P@{ks[0]} interval", "words"]]
    for (convention, method), result in found.results.items():
        rows.append(
            [
                convention,
                METHOD_NAMES[method],
                *(percent(result.precision[k]) for k in ks),
                interval(result.intervals[ks[0]]),
                _words(result),
            ]
        )
    first, *others = table(rows, right=range(2, len(rows[0])))
    terminal.lines([(first, "bold"), *((line, "") for line in others)])
    return 0


def _words(result: WordTranslation) -> str:
    """Say how many source words were counted, of how many that the dictionary has."""
    if result.coverage is None:
        return f"{result.total:,}"
    return f"{result.total:,} of {result.coverage.sources_total:,}"
