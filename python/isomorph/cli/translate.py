"""``isomorph translate``: words in, their nearest words on the other side out."""

from __future__ import annotations

import argparse
import sys

from isomorph._text import table
from isomorph.cli import _inputs
from isomorph.cli._terminal import Terminal

NAME = "translate"
HELP = "translate words with a map that 'align' has written"
DESCRIPTION = """\
Translate words of SRC into words of TGT with a map.

MAP is a file that 'isomorph align' has written, or the folder that it is in. CSLS retrieval is
used unless the verdict of 'align', kept in the map, says that it hurts; --method overrules.
"""
EPILOG = """\
examples:
  isomorph translate en-fr en.vec fr.vec cat dog "New York"
  isomorph translate en-fr/map.safetensors en.vec fr.vec -k 1 --json - < words.txt
  isomorph translate isomorph-demo sample:en sample:fr cat winter

With '-' words are read from standard input, one a line. A word that SRC does not have is named on
standard error; the others are translated all the same, and the exit code is 1.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("map", metavar="MAP", help="map file, or the folder that 'align' wrote")
    _inputs.add_vocabularies(parser)
    parser.add_argument("words", nargs="+", metavar="WORD", help="words to translate, or '-'")
    group = parser.add_argument_group("how to translate")
    group.add_argument(
        "-k",
        type=_inputs.positive,
        default=5,
        metavar="K",
        help="translations a word (default: 5)",
    )
    group.add_argument(
        "--method",
        choices=("auto", "csls", "nn"),
        default="auto",
        help="retrieval (default: auto, what the verdict in the map recommends)",
    )
    _inputs.add_neighborhood(group)
    _inputs.add_device(parser)
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Translate."""
    from isomorph.report import wording
    from isomorph.translation import translate

    alignment = _inputs.load_alignment(options.map)
    words = _words(options.words)
    with terminal.watching() as watch:
        watch.stage("reading")
        source, target = _inputs.read_vocabularies(
            options.source, options.target, options, progress=watch.progress
        )
        method = options.method
        if method == "auto":
            method = wording.preferred_method(alignment.map.provenance.get("csls_verdict"))
        watch.stage("translating")
        found = translate(
            alignment,
            source,
            target,
            words,
            k=min(options.k, len(target)),
            method=method,
            neighborhood=options.neighborhood,
            unknown="skip",
            progress=watch.progress,
        )
    if doubt := _inputs.swapped(alignment, options.source, options.target):
        terminal.problem(doubt)
    for word, near in found.unknown.items():
        hint = f"; near: {', '.join(near)}" if near else ""
        terminal.problem(f"{options.source} does not have {word!r}{hint}")
    if terminal.as_json:
        terminal.data(found.as_dict())
    else:
        rows = [["word", "translation", method.upper()]]
        for word, targets, scores in found:
            rows += [
                [word, text, f"{score:.4f}"] for text, score in zip(targets, scores, strict=True)
            ]
        first, *others = table(rows, right=(2,))
        terminal.lines([(first, "bold"), *((line, "") for line in others)])
    return 1 if found.unknown else 0


def _words(given: list[str]) -> list[str]:
    words = []
    for word in given:
        if word == "-":
            words += [line.strip() for line in sys.stdin if line.strip()]
        else:
            words.append(word)
    return list(dict.fromkeys(words))
