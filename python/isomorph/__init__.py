"""Embedding-space mathematics: align two spaces, retrieve across them, trim a vocabulary."""

from isomorph import _core, errors, linalg, runtime, vocab
from isomorph._results import CSLS, Coverage, Neighbors, Pairs
from isomorph.neighbors import csls, csls_both, csls_radii, mutual_nearest, topk

__version__: str = _core.build_info()["version"]

__all__ = [
    "CSLS",
    "Coverage",
    "Neighbors",
    "Pairs",
    "csls",
    "csls_both",
    "csls_radii",
    "errors",
    "linalg",
    "mutual_nearest",
    "runtime",
    "topk",
    "vocab",
]
