"""VecMap's mapping, by what its options mean: two spaces and pairs in, both sides mapped out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import isomorph as iso
from isomorph import io
from isomorph.align._vecmap import VecMapMode
from isomorph.compat._vecmap_helpers import topk_mean, whitening_transformation
from isomorph.compat._vectors import Lexicon, chained
from isomorph.errors import ConvergenceWarning

__all__ = [
    "MODES",
    "MapSettings",
    "Mapped",
    "map_embeddings",
    "topk_mean",
    "whitening_transformation",
]

_ADVANCED: Mapping[str, Any] = {
    "normalize": ["unit", "center", "unit"],
    "whiten": True,
    "src_reweight": 0.5,
    "trg_reweight": 0.5,
    "src_dewhiten": "src",
    "trg_dewhiten": "trg",
}
_LEARNING = {**_ADVANCED, "self_learning": True, "vocabulary_cutoff": 20_000, "csls": 10}
_ACL2017 = {
    "orthogonal": True,
    "normalize": ["unit", "center"],
    "self_learning": True,
    "direction": "forward",
    "stochastic_initial": 1.0,
    "stochastic_interval": 1,
    "batch_size": 1000,
}
_UNSUPERVISED = {**_LEARNING, "init_unsupervised": True, "unsupervised_vocab": 4_000}
#: What the modes set where the command line does not. Those in capitals take a dictionary.
MODES: Mapping[str, Mapping[str, Any]] = {
    "supervised": {**_ADVANCED, "batch_size": 1000},
    "semi_supervised": _LEARNING,
    "identical": {**_LEARNING, "init_identical": True},
    "unsupervised": _UNSUPERVISED,
    "acl2018": _UNSUPERVISED,
    "aaai2018": {
        **_ADVANCED,
        "normalize": ["unit", "center"],
        "src_reweight": 0.0,
        "trg_reweight": 1.0,
        "batch_size": 1000,
    },
    "acl2017": {**_ACL2017, "init_numerals": True},
    "acl2017_seed": _ACL2017,
    "emnlp2016": {"orthogonal": True, "normalize": ["unit", "center"], "batch_size": 1000},
}


@dataclass(frozen=True)
class MapSettings:
    """What ``map_embeddings.py`` is asked for, under the names of its options.

    ``start`` stands for ``--init_*``: a dictionary's rows, "identical", "numerals" or
    "unsupervised". 0 stands for none or all, as there.
    """

    start: Any
    unsupervised_vocab: int = 0
    normalize: Sequence[str] = ()
    whiten: bool = False
    src_reweight: float = 0.0
    trg_reweight: float = 0.0
    src_dewhiten: str | None = None
    trg_dewhiten: str | None = None
    dim_reduction: int = 0
    orthogonal: bool = False
    unconstrained: bool = False
    self_learning: bool = False
    vocabulary_cutoff: int = 0
    direction: str = "union"
    csls: int = 0
    threshold: float = 1e-6
    stochastic_initial: float = 0.1
    stochastic_multiplier: float = 2.0
    stochastic_interval: int = 50
    seed: int = 0

    def require_sense(self) -> None:
        """Refuse what the original refuses."""
        if (self.src_dewhiten or self.trg_dewhiten) and not self.whiten:
            raise ValueError("De-whitening requires whitening first")
        if self.orthogonal and self.unconstrained:
            raise ValueError("--orthogonal: not allowed with --unconstrained")

    @property
    def chain(self) -> str:
        """The steps before the map."""
        return " ".join(step for step in self.normalize if step != "none") or "none"

    @property
    def final(self) -> VecMapMode:
        """How the map of both sides is fitted in the end."""
        sides = {"src": "source", "trg": "target", None: None}
        kind = "orthogonal" if self.orthogonal else "whitened"
        return VecMapMode(
            kind="unconstrained" if self.unconstrained else kind,
            whiten=self.whiten,
            source_reweight=self.src_reweight,
            target_reweight=self.trg_reweight,
            source_dewhiten=sides[self.src_dewhiten],
            target_dewhiten=sides[self.trg_dewhiten],
        )


@dataclass(frozen=True)
class Mapped:
    """Both sides in one space, and what led there: the alignment, and whether the run failed."""

    source: Any
    target: Any
    learned: iso.learning.SelfLearned
    doubt: str | None


def map_embeddings(
    source: io.Embeddings,
    target: io.Embeddings,
    settings: MapSettings,
    *,
    validation: Lexicon | None = None,
    log: Callable[[dict[str, Any]], object] | None = None,
    judge: bool = True,
    threads: int | None = None,
) -> Mapped:
    """Map both sides as VecMap does.

    `log` is told of each iteration: ``number``, ``objective``, ``keep``, ``seconds``, and with a
    `validation` dictionary ``accuracy`` and ``similarity`` of the map that it used.
    """
    settings.require_sense()
    limit = settings.vocabulary_cutoff or None
    chain = settings.chain
    told = None
    if log is not None:
        if validation is not None:
            x, z = (chained(chain, side.vectors, threads) for side in (source, target))
            validation_of = _Validation(x, z, validation, threads)
            told = lambda entry: log({**entry, **validation_of(entry["fitted_on"])})  # noqa: E731
        else:
            told = log
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        learned = iso.self_learn(
            source,
            target,
            seed_pairs=settings.start,
            chain=chain,
            vocabulary=limit,
            init="spectra",
            initial_vocabulary=settings.unsupervised_vocab or min(len(source), len(target)),
            direction=settings.direction,
            method="csls" if settings.csls else "nn",
            neighborhood=settings.csls,
            keep=settings.stochastic_initial,
            keep_multiplier=settings.stochastic_multiplier,
            patience=settings.stochastic_interval,
            threshold=settings.threshold,
            max_iterations=None if settings.self_learning else 0,
            final=settings.final,
            seed=settings.seed,
            judge=judge and settings.self_learning,
            log=told,
            threads=threads,
        )
    doubt = next((str(w.message) for w in caught if w.category is ConvergenceWarning), None)
    alignment = learned.alignment
    x = alignment.apply_source(source.vectors, threads=threads)
    z = alignment.apply_target(target.vectors, threads=threads)
    final = settings.final
    if final.kind == "whitened" and not final.whiten:
        # The original does not divide the singular values by the largest.
        largest = _largest(alignment, source, target, learned.pairs, threads)
        x, z = (
            side * x.dtype.type(largest**exponent)
            for side, exponent in ((x, settings.src_reweight), (z, settings.trg_reweight))
        )
    if final.kind == "whitened" and settings.dim_reduction:
        x, z = (np.ascontiguousarray(side[:, : settings.dim_reduction]) for side in (x, z))
    return Mapped(x, z, learned, doubt)


def _largest(
    alignment: Any, source: io.Embeddings, target: io.Embeddings, pairs: Any, threads: int | None
) -> float:
    x = alignment.source_transform(source.vectors[pairs.source], threads=threads)
    z = alignment.target_transform(target.vectors[pairs.target], threads=threads)
    return float(iso.linalg.svdvals(x.T.astype(np.float64) @ z.astype(np.float64))[0])


class _Validation:
    """The accuracy of a dictionary by nearest neighbours, and the mean cosine of its pairs."""

    def __init__(self, x: Any, z: Any, lexicon: Lexicon, threads: int | None) -> None:
        self.x, self.z, self.lexicon, self.threads = x, z, lexicon, threads

    def __call__(self, pairs: tuple[Any, Any]) -> dict[str, float]:
        by = iso.procrustes(self.x[pairs[0]], self.z[pairs[1]], threads=self.threads)
        asked, golds = self.lexicon.queries, self.lexicon
        found = iso.topk(by(self.x[asked]), self.z, 1, threads=self.threads)
        left = iso.transforms.unit(by(self.x[golds.source]).astype(np.float64))
        right = iso.transforms.unit(self.z[golds.target].astype(np.float64))
        cosines = np.sum(left * right, axis=1)
        best = np.full(len(self.x), -np.inf)
        np.maximum.at(best, golds.source, cosines)
        return {
            "accuracy": float(np.mean(golds.right(asked, found.indices[:, 0]))),
            "similarity": float(np.mean(best[asked])),
        }
