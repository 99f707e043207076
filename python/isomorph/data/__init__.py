"""The embedded sample: real English, French and Finnish word vectors, small enough to ship.

4,000 words a language, 300 dimensions, stored as 8-bit rows. ``NOTICE.md`` beside this file says
where they come from and under which licences (CC0, MIT, Unicode-3.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from isomorph._results import Unpackable

if TYPE_CHECKING:
    from isomorph.io import Embeddings

__all__ = ["LANGUAGES", "PAIRS", "Sample", "dictionary_paths", "load_language", "load_sample"]

LANGUAGES = ("en", "fr", "fi")
PAIRS = ("en-fr", "en-fi", "fi-fr")

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, eq=False)
class Sample(Unpackable):
    """Two vocabularies and the dictionaries between them.

    Attributes
    ----------
    source, target : Embeddings
        4,000 words with float32 vectors of 300 dimensions, most frequent words first.
    train, test : pathlib.Path
        Tab-separated dictionaries; they share no word on either side.
    """

    source: Embeddings
    target: Embeddings
    train: Path
    test: Path
    _unpacks: ClassVar[tuple[str, ...]] = ("source", "target", "train", "test")


def load_sample(pair: str = "en-fr") -> Sample:
    """Load the two vocabularies of `pair` and the paths of its dictionaries.

    Parameters
    ----------
    pair : {"en-fr", "en-fi", "fi-fr"}, default "en-fr"
        Source language, target language.

    Returns
    -------
    Sample
        Unpacks into ``source, target, train, test``.

    Examples
    --------
    >>> from isomorph.data import load_sample
    >>> source, target, train, test = load_sample("en-fr")
    >>> source.vectors.shape, target.words[1]
    ((4000, 300), 'la')
    """
    _check_pair(pair)
    source, target = pair.split("-")
    return Sample(load_language(source), load_language(target), *dictionary_paths(pair))


def dictionary_paths(pair: str) -> tuple[Path, Path]:
    """Return where the training and the test dictionary of `pair` are."""
    _check_pair(pair)
    return _FOLDER / f"{pair}.train.tsv", _FOLDER / f"{pair}.test.tsv"


def _check_pair(pair: str) -> None:
    if pair not in PAIRS:
        raise ValueError(f"pair: expected one of {', '.join(PAIRS)}, got {pair!r}")


def load_language(language: str) -> Embeddings:
    """Load one vocabulary of the sample: ``"en"``, ``"fr"`` or ``"fi"``."""
    if language not in LANGUAGES:
        raise ValueError(f"language: expected one of {', '.join(LANGUAGES)}, got {language!r}")
    from isomorph.io import Embeddings

    words = (_FOLDER / f"{language}.words.txt").read_text(encoding="utf-8").split("\n")
    with np.load(_FOLDER / f"{language}.npz") as stored:
        vectors = stored["q"].astype(np.float32) * stored["scale"][:, None]
    return Embeddings(words[: len(vectors)], vectors)
