"""MUSE's training and evaluation, by what its options mean: a map, its files and its figures."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import isomorph as iso
from isomorph import metrics, transforms
from isomorph.compat._muse_helpers import build_dictionary, get_candidates, get_nn_avg_dist
from isomorph.compat._vectors import Lexicon, readable
from isomorph.errors import ConvergenceWarning, FormatError, ShapeError
from isomorph.metrics.files import load_as

__all__ = [
    "DictionaryOptions",
    "Trained",
    "build_dictionary",
    "evaluate",
    "get_candidates",
    "get_nn_avg_dist",
    "get_word_translation_accuracy",
    "load",
    "mean_cosine",
    "train",
]

Say = Callable[[str], object]
#: Words of each side from which a run without a dictionary starts.
STARTED = 4_000
_BUILDS = {
    "S2T": "forward",
    "T2S": "backward",
    "S2T|T2S": "union",
    "S2T&T2S": "intersection",
}


@dataclass(frozen=True)
class DictionaryOptions:
    """MUSE's ``--dico_*``: what dictionaries a refinement induces. 0 stands for no bound."""

    method: str = "csls_knn_10"
    build: str = "S2T&T2S"
    threshold: float = 0.0
    max_rank: int = 10_000
    min_size: int = 0
    max_size: int = 0

    def options(self) -> dict[str, Any]:
        """Give them as :func:`isomorph.refine` takes them."""
        method, neighborhood = retrieval(self.method)
        if self.build not in _BUILDS:
            raise ValueError(
                f"dico_build: expected one of {', '.join(_BUILDS)}, got {self.build!r}"
            )
        return {
            "method": method,
            "neighborhood": neighborhood,
            "direction": _BUILDS[self.build],
            "unique": self.build == "S2T|T2S",
            "threshold": self.threshold if self.threshold > 0 else None,
            "max_rank": self.max_rank or None,
            "min_size": self.min_size,
            "max_size": self.max_size or None,
        }


def retrieval(method: str) -> tuple[str, int]:
    """Read ``nn`` or ``csls_knn_K``."""
    if method == "nn":
        return "nn", 0
    if (found := re.fullmatch(r"csls_knn_([1-9]\d{0,5})", method)) is not None:
        return "csls", int(found[1])
    if method.startswith("invsm_beta_"):
        raise ValueError(
            f"dico_method: {method!r} is not offered; expected nn or csls_knn_K, "
            "or see isomorph.inverted_softmax"
        )
    raise ValueError(f"dico_method: expected nn or csls_knn_K, got {method!r}")


def chain_of(normalize_embeddings: str) -> str:
    """Read MUSE's list of ``center`` and ``renorm`` as a chain of transforms."""
    steps = [step for step in normalize_embeddings.split(",") if step]
    names = {"center": "centre", "renorm": "unit"}
    if unknown := [step for step in steps if step not in names]:
        raise ValueError(
            f"normalize_embeddings: expected a list of center and renorm, got {unknown[0]!r}"
        )
    return " ".join(names[step] for step in steps) or "none"


def load(
    path: str, emb_dim: int, max_vocab: int, *, whole: bool = False, threads: int | None = None
) -> Any:
    """Load words in lower case, each once, as MUSE trains; or all as they are, as it exports."""
    rule = dataclasses.replace(
        metrics.CONVENTIONS["muse"],
        limit=None if whole or max_vocab < 1 else max_vocab,
        lowercase=not whole,
    )
    loaded = load_as(path, rule, errors="replace", threads=threads)
    if loaded.vectors.shape[1] != emb_dim:
        raise ShapeError(
            f"{path}: expected vectors of --emb_dim {emb_dim}, got {loaded.vectors.shape[1]}"
        )
    return loaded


def lexicon(path: str, source: Any, target: Any, say: Say, *, faithful: bool = False) -> Lexicon:
    """Read a dictionary; its words are lower-cased, with `faithful` they must be so."""
    with readable(path) as name:
        found = Lexicon(name, source.index, target.index, lowercase=True, skip_short=True)
    if faithful and found.not_lower is not None:
        raise FormatError(f"{path}: expected words in lower case, got {found.not_lower!r}")
    unknown = [
        sum(pair[side] not in vocabulary.index for pair in found.missing)
        for side, vocabulary in enumerate((source, target))
    ]
    say(
        f"Found {len(found)} pairs of words in the dictionary ({len(found.queries)} unique). "
        f"{len(found.missing)} other pairs contained at least one unknown word "
        f"({unknown[0]} in lang1, {unknown[1]} in lang2)"
    )
    return found


def evaluate(
    mapped: Any,
    target: Any,
    test: Lexicon,
    say: Say,
    *,
    methods: tuple[str, ...] = ("nn", "csls_knn_10"),
    threads: int | None = None,
) -> dict[str, float]:
    """Print and give P@1, P@5 and P@10 of each method, in per cent of the known source words."""
    at = [k for k in (1, 5, 10) if k <= len(target)]
    figures = {}
    for name in methods:
        method, neighborhood = retrieval(name)
        found = metrics.word_translation(
            mapped,
            target,
            (test.source, test.target),
            method=method,
            convention="muse",
            neighborhood=min(neighborhood or 1, len(mapped), len(target)),
            at=at,
            interval="wilson",
            resamples=1,
            threads=threads,
        )
        for k in at:
            figures[f"precision_at_{k}-{name}"] = 100 * found.precision[k]
            say(
                f"{found.total} source words - {name} - Precision at k = {k}: "
                f"{100 * found.precision[k]:f}"
            )
    return figures


def get_word_translation_accuracy(
    lang1: str,
    word2id1: dict[str, int],
    emb1: Any,
    lang2: str,
    word2id2: dict[str, int],
    emb2: Any,
    method: str,
    dico_eval: str,
) -> list[tuple[str, float]]:
    """Measure word translation as the function of that name in MUSE's ``word_translation.py``.

    Parameters
    ----------
    lang1, lang2 : str
        Names of the languages, for the dictionary "default".
    word2id1, word2id2 : dict of str to int
        The row of each word.
    emb1, emb2 : array_like of shape (n, d), (m, d)
        Vectors in one space.
    method : {"nn", "csls_knn_K"}
        Retrieval.
    dico_eval : str
        A file of pairs, or "default" for
        ``data/crosslingual/dictionaries/LANG1-LANG2.5000-6500.txt``.

    Returns
    -------
    list of (str, float)
        ``precision_at_1``, ``precision_at_5``, ``precision_at_10``, in per cent of the known source
        words.
    """
    path = dico_eval
    if path == "default":
        path = f"data/crosslingual/dictionaries/{lang1}-{lang2}.5000-6500.txt"
    with readable(path) as name:
        test = Lexicon(name, word2id1, word2id2, lowercase=True, skip_short=True)
    x, z = (np.ascontiguousarray(side, dtype=np.float32) for side in (emb1, emb2))
    figures = evaluate(x, z, test, print, methods=(method,))
    return [(name.partition("-")[0], value) for name, value in figures.items()]


def mean_cosine(
    mapped: Any, target: Any, method: str, say: Say, *, threads: int | None = None
) -> float:
    """Print and give the mean cosine of the most confident pairs that sources choose."""
    from isomorph.learning import _muse
    from isomorph.learning._spaces import Spaces

    name, neighborhood = retrieval(method)
    fewest = min(len(mapped), len(target))
    spaces = Spaces.of(mapped, target, None, iso.runtime.resolve_threads(threads))
    options = {"method": name, "neighborhood": min(neighborhood, fewest)}
    value = _muse._mean_cosine(spaces, mapped, options)
    say(f"Mean cosine ({method} method, S2T build, {_muse._JUDGED} max size): {value:.5f}")
    return value


@dataclass(frozen=True)
class Trained:
    """The best map, its figures, and what there is to say of the run."""

    alignment: iso.Alignment
    figures: dict[str, float]
    doubt: str | None


def train(
    source: Any,
    target: Any,
    start: Any,
    *,
    dictionary: DictionaryOptions,
    n_refinement: int = 5,
    normalize_embeddings: str = "",
    test: Lexicon | None = None,
    select: str = "mean_cosine",
    say: Say = print,
    threads: int | None = None,
) -> Trained:
    """Fit a map on pairs of rows and refine it; the best of all is kept.

    The best is that of the largest ``"mean_cosine"`` of pairs it induces, or, as MUSE's supervised
    training takes it, of the largest ``"precision"`` on the test dictionary.
    """
    chain = transforms.Chain.parse(chain_of(normalize_embeddings))
    (source_chain, x), (target_chain, z) = (
        chain.fit_apply(side.vectors, threads=threads) for side in (source, target)
    )
    options = dictionary.options()
    best: tuple[float, Any, dict[str, float]] | None = None

    def told(entry: dict[str, Any]) -> None:
        nonlocal best
        number, rows = entry["number"] - 1, entry["fitted_on"]
        say(f"Starting iteration {number}..." if number else "Map of the given pairs")
        say(f"New train dictionary of {entry['pairs']} pairs.")
        by = iso.procrustes(x[rows[0]], z[rows[1]], threads=threads)
        figures = {f"mean_cosine-{dictionary.method}-S2T-10000": entry["objective"]}
        if test is not None:
            figures |= evaluate(by(x), z, test, say, threads=threads)
        say(
            f"Mean cosine ({dictionary.method} method, S2T build, 10000 max size): "
            f"{entry['objective']:.5f}"
        )
        metric = entry["objective"]
        if select == "precision":
            metric = figures["precision_at_1-csls_knn_10"]
        if best is None or metric > best[0]:
            best = (metric, by, figures)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        iso.refine(
            x, z, start, chain="none", iterations=n_refinement, log=told, threads=threads, **options
        )
    doubt = next((str(w.message) for w in caught if w.category is ConvergenceWarning), None)
    assert best is not None
    return Trained(iso.Alignment(source_chain, best[1], target_chain), best[2], doubt)


def unsupervised_start(
    source: Any, target: Any, init: str, seed: int, threads: int | None = None
) -> tuple[Any, str | None]:
    """Give pairs that a run without a dictionary ends in, and whether to doubt it.

    It stands in the place of adversarial training: a start from the vectors alone, then
    self-learning among the first words.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        learned = iso.self_learn(
            source,
            target,
            init=init,
            vocabulary=STARTED,
            seed=max(seed, 0),
            final="orthogonal",
            threads=threads,
        )
    doubt = next((str(w.message) for w in caught if w.category is ConvergenceWarning), None)
    return learned.pairs, doubt


def given_start(
    matrix: Any, source: Any, target: Any, dictionary: DictionaryOptions, chain: str
) -> Any:
    """Give the pairs that a map induces, from which a refinement goes on."""
    x, z = (transforms.Chain.parse(chain).fit_apply(side.vectors)[1] for side in (source, target))
    mapped = iso.LinearMap(np.ascontiguousarray(matrix, dtype=x.dtype))(x)
    options = dictionary.options()
    options["neighborhood"] = min(options["neighborhood"], len(x), len(z))
    return iso.induce_dictionary(mapped, z, **options)
