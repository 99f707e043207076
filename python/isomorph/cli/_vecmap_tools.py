"""``isomorph vecmap evaluate`` and ``normalize``: VecMap's tools around its maps."""

from __future__ import annotations

import argparse

from isomorph.cli._drop_in import Script
from isomorph.cli._terminal import Terminal
from isomorph.cli._vecmap_map import add_reading, lexicon, vectors, write

_EVALUATE = """\
Measure how many words of a dictionary are translated right (P@1), as VecMap's eval_translation.py:
source words that the vectors lack do not count, any of several translations is right.

Of a word that comes several times the last row stands; its other rows are no candidates, with
--faithful they are, as there. 'isomorph evaluate' has P@5, P@10 and intervals.
"""
_NORMALIZE = """\
Change vectors by steps, in order, as VecMap's normalize_embeddings.py. Of a word that comes several
times the last row stays, with --faithful all.
"""


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("src_embeddings", metavar="SRC", help="source vectors, mapped")
    parser.add_argument("trg_embeddings", metavar="TRG", help="target vectors, mapped")
    parser.add_argument(
        "-d", "--dictionary", metavar="DICTIONARY", help="what is right (default: standard input)"
    )
    parser.add_argument(
        "--retrieval",
        default="nn",
        choices=["nn", "invnn", "invsoftmax", "csls"],
        help="nearest neighbour, inverted nearest neighbour, inverted softmax, CSLS (default: nn)",
    )
    parser.add_argument(
        "--inv_temperature", default=1.0, type=float, help="of invsoftmax (default: 1)"
    )
    parser.add_argument(
        "--inv_sample", type=int, help="sources to draw for invsoftmax (default: all, none drawn)"
    )
    parser.add_argument(
        "-k", "--neighborhood", default=10, type=int, help="neighbours of CSLS (default: 10)"
    )
    parser.add_argument("--dot", action="store_true", help="products instead of cosines")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    add_reading(parser)


def _evaluate(options: argparse.Namespace, _terminal: Terminal) -> int:
    import numpy as np

    from isomorph.compat._vecmap_retrieval import translations
    from isomorph.errors import DictionaryError

    source = vectors(options.src_embeddings, options)
    target = vectors(options.trg_embeddings, options)
    pairs = lexicon(options.dictionary, options, source, target)
    if not len(pairs):
        raise DictionaryError("the dictionary has no pair of which both words have vectors")
    found = translations(
        source.vectors,
        target.vectors,
        pairs.queries,
        retrieval=options.retrieval,
        neighborhood=options.neighborhood,
        inv_temperature=options.inv_temperature,
        inv_sample=options.inv_sample,
        dot=options.dot,
        seed=options.seed,
    )
    accuracy = float(np.mean(pairs.right(pairs.queries, found)))
    print(f"Coverage: {pairs.coverage:.2%}  Accuracy: {accuracy:.2%}")
    return 0


def _normalize_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "actions",
        choices=["unit", "center", "unitdim", "centeremb"],
        nargs="+",
        metavar="ACTION",
        help="unit, center, unitdim or centeremb",
    )
    parser.add_argument("-i", "--input", help="vectors (default: standard input)")
    parser.add_argument("-o", "--output", help="file to write (default: standard output)")
    parser.add_argument("--encoding", default="utf-8", help="of both (default: utf-8)")
    parser.set_defaults(precision="fp64")


def _normalize(options: argparse.Namespace, _terminal: Terminal) -> int:
    from isomorph import io
    from isomorph.compat._vectors import chained

    words, values = vectors(options.input, options)
    changed = chained(" ".join(options.actions), values, None)
    write(io.Embeddings(words, changed), options.output, options.encoding)
    return 0


SCRIPTS = (
    Script(
        "evaluate",
        "measure word translation (eval_translation.py)",
        _EVALUATE,
        _evaluate_arguments,
        _evaluate,
    ),
    Script(
        "normalize",
        "change vectors by steps (normalize_embeddings.py)",
        _NORMALIZE,
        _normalize_arguments,
        _normalize,
    ),
)
