"""Embedding-space mathematics: align two spaces, retrieve across them, trim a vocabulary."""

from isomorph import (
    _core,
    align,
    errors,
    io,
    linalg,
    metrics,
    runtime,
    transforms,
    vocab,
)
from isomorph._results import CSLS, Coverage, Neighbors, Pairs
from isomorph.align import Alignment, LinearMap, procrustes
from isomorph.neighbors import csls, csls_both, csls_radii, mutual_nearest, topk
from isomorph.translation import translate

__version__: str = _core.build_info()["version"]

__all__ = [
    "CSLS",
    "Alignment",
    "Coverage",
    "LinearMap",
    "Neighbors",
    "Pairs",
    "align",
    "csls",
    "csls_both",
    "csls_radii",
    "errors",
    "io",
    "linalg",
    "metrics",
    "mutual_nearest",
    "procrustes",
    "runtime",
    "topk",
    "transforms",
    "translate",
    "vocab",
]
