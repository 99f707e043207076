"""``isomorph vecmap similarity`` and ``analogy``: VecMap's tests of vectors by themselves."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from isomorph.cli._drop_in import Script
from isomorph.cli._terminal import Terminal
from isomorph.cli._vecmap_map import add_reading, vectors

_SIMILARITY = """\
Correlate the cosines of word pairs with what people said of them, as VecMap's eval_similarity.py.
A file has two words and a number a line, with tabs between; with TRG the second word is looked up
there. A line is printed for each file: its name, coverage, Pearson's and Spearman's correlation,
between tabs; after these the means over the files that --sim, --rel and --all name.

Of a word that comes several times the last row stands; --faithful changes nothing here.
"""
_ANALOGY = """\
Answer "a is to b as c to ?" by the largest cosine to b - a + c, these three left out, as VecMap's
eval_analogy.py. Questions have four words a line; a line ": NAME" begins a category. Those with an
unknown word are left out, and counted by the coverage.

Of a word that comes several times the last row stands; with --faithful the others can be answers,
too.
"""


def _similarity_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("src_embeddings", metavar="SRC", help="vectors of the first words")
    parser.add_argument(
        "trg_embeddings",
        metavar="TRG",
        nargs="?",
        help="vectors of the second words (default: SRC)",
    )
    parser.add_argument("-i", "--input", nargs="+", required=True, help="files of word pairs")
    parser.add_argument("-l", "--lowercase", action="store_true", help="lower-case the pairs")
    parser.add_argument("--backoff", type=float, help="of unknown pairs (default: left out)")
    for name in ("sim", "rel", "all"):
        parser.add_argument(f"--{name}", nargs="*", metavar="NAME", help="files of a mean")
    add_reading(parser)


def _similarity(options: argparse.Namespace, _terminal: Terminal) -> int:
    from isomorph.compat._intrinsic import read_similarities, similarities
    from isomorph.compat._vectors import readable

    source = vectors(options.src_embeddings, options)
    target = source
    if options.trg_embeddings is not None:
        target = vectors(options.trg_embeddings, options)
    figures = {}
    for path in options.input:
        with readable(path, options.encoding) as name:
            pairs = read_similarities(name, lower=options.lowercase)
        stem = Path(path).stem
        figures[stem] = similarities(pairs, source, target, options.backoff)
        _print(stem, figures[stem])
    for label in ("sim", "rel", "all"):
        chosen = getattr(options, label)
        if chosen is None:
            continue
        if unknown := [name for name in chosen if name not in figures]:
            raise ValueError(
                f"--{label}: expected names of {', '.join(figures)}, got {unknown[0]!r}"
            )
        kept = [figures[name] for name in chosen or figures]
        _print(label.upper(), [sum(values) / len(kept) for values in zip(*kept, strict=True)])
    return 0


def _print(name: str, values: Any) -> None:
    coverage, pearson, spearman = values
    print(f"{name}\tCoverage: {coverage:.2%}\tPearson: {pearson:.2%}\tSpearman: {spearman:.2%}")


def _analogy_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("embeddings", metavar="EMBEDDINGS", help="vectors")
    parser.add_argument(
        "-t", "--threshold", type=int, default=0, help="only the first rows; 0: all (default)"
    )
    parser.add_argument("-i", "--input", help="questions (default: standard input)")
    parser.add_argument("-v", "--verbose", action="store_true", help="each category, too")
    parser.add_argument("-l", "--lowercase", action="store_true", help="lower-case the questions")
    add_reading(parser)


def _analogy(options: argparse.Namespace, _terminal: Terminal) -> int:
    import numpy as np

    from isomorph import io
    from isomorph.compat._intrinsic import analogies, read_analogies
    from isomorph.compat._vectors import readable, rows_of

    words, rows = vectors(options.embeddings, options)
    if options.threshold > 0:
        words, rows = words[: options.threshold], rows[: options.threshold]
    place = rows_of(words, "last")
    asked: dict[str, int] = {}
    categories, questions = [], []
    with readable(options.input, options.encoding) as name:
        for category, four in read_analogies(name, lower=options.lowercase):
            asked[category] = asked.get(category, 0) + 1
            if all(word in place for word in four):
                categories.append(category)
                questions.append([place[word] for word in four])
    known = np.array(questions, dtype=np.int64).reshape(-1, 4)
    right = np.zeros(0, dtype=bool)
    if len(known):
        right = analogies(io.Embeddings(words, rows), known)
    names = np.array(categories)
    if options.verbose:
        for category, count in asked.items():
            _print_accuracy(right[names == category], count, f"  {category}")
    _print_accuracy(right, sum(asked.values()))
    return 0


def _print_accuracy(right: Any, count: int, ending: str = "") -> None:
    coverage = len(right) / count if count else 0.0
    accuracy = float(right.mean()) if len(right) else 0.0
    print(f"Coverage: {coverage:.2%}  Accuracy: {accuracy:.2%}{ending}")


SCRIPTS = (
    Script(
        "similarity",
        "correlate with human judgements (eval_similarity.py)",
        _SIMILARITY,
        _similarity_arguments,
        _similarity,
    ),
    Script("analogy", "answer analogies (eval_analogy.py)", _ANALOGY, _analogy_arguments, _analogy),
)
