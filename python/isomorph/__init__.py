"""Embedding-space mathematics: align two spaces, retrieve across them, trim a vocabulary."""

from typing import TYPE_CHECKING, Any

from isomorph import _core, align, errors, linalg, runtime, transforms
from isomorph._index import Index
from isomorph._results import CSLS, Coverage, Neighbors, Pairs
from isomorph.align import Alignment, LinearMap, fit_map, fit_maps, procrustes
from isomorph.neighbors import csls, csls_both, csls_radii, mutual_nearest, topk

if TYPE_CHECKING:
    from isomorph import io, learning, metrics, plot, transport, vocab
    from isomorph._applying import Applied, apply_file
    from isomorph._bridge import Bridge, bridge
    from isomorph.compat.patching import patch
    from isomorph.hubness_reduction import (
        dissim_local,
        inverted_softmax,
        local_scaling,
        mutual_proximity,
        nicdm,
    )
    from isomorph.induction import induce_dictionary
    from isomorph.late_interaction import maxsim, maxsim_topk
    from isomorph.learning import contrast, refine, self_learn
    from isomorph.many_spaces import CommonSpace, generalized_procrustes
    from isomorph.mining import mine_bitext
    from isomorph.negatives import HardNegatives, hard_negatives
    from isomorph.translation import translate
    from isomorph.transport import (
        sinkhorn,
        sinkhorn_assign,
        sinkhorn_divergence,
        sinkhorn_partial,
        sinkhorn_points,
        sinkhorn_unbalanced,
    )

#: Functions that are loaded when first asked for, and their modules.
_ELSEWHERE = {
    "CommonSpace": "many_spaces",
    "contrast": "learning",
    "Applied": "_applying",
    "apply_file": "_applying",
    "Bridge": "_bridge",
    "bridge": "_bridge",
    "dissim_local": "hubness_reduction",
    "generalized_procrustes": "many_spaces",
    "HardNegatives": "negatives",
    "hard_negatives": "negatives",
    "induce_dictionary": "induction",
    "inverted_softmax": "hubness_reduction",
    "local_scaling": "hubness_reduction",
    "maxsim": "late_interaction",
    "maxsim_topk": "late_interaction",
    "mine_bitext": "mining",
    "mutual_proximity": "hubness_reduction",
    "nicdm": "hubness_reduction",
    "patch": "compat.patching",
    "refine": "learning",
    "self_learn": "learning",
    "sinkhorn": "transport",
    "sinkhorn_assign": "transport",
    "sinkhorn_divergence": "transport",
    "sinkhorn_partial": "transport",
    "sinkhorn_points": "transport",
    "sinkhorn_unbalanced": "transport",
    "translate": "translation",
}

__version__: str = _core.build_info()["version"]

__all__ = [
    "CSLS",
    "Alignment",
    "Applied",
    "Bridge",
    "CommonSpace",
    "Coverage",
    "HardNegatives",
    "Index",
    "LinearMap",
    "Neighbors",
    "Pairs",
    "align",
    "apply_file",
    "bridge",
    "contrast",
    "csls",
    "csls_both",
    "csls_radii",
    "dissim_local",
    "errors",
    "fit_map",
    "fit_maps",
    "generalized_procrustes",
    "hard_negatives",
    "induce_dictionary",
    "inverted_softmax",
    "io",
    "learning",
    "linalg",
    "local_scaling",
    "maxsim",
    "maxsim_topk",
    "metrics",
    "mine_bitext",
    "mutual_nearest",
    "mutual_proximity",
    "nicdm",
    "patch",
    "plot",
    "procrustes",
    "refine",
    "runtime",
    "self_learn",
    "sinkhorn",
    "sinkhorn_assign",
    "sinkhorn_divergence",
    "sinkhorn_partial",
    "sinkhorn_points",
    "sinkhorn_unbalanced",
    "topk",
    "transforms",
    "translate",
    "transport",
    "vocab",
]


def __getattr__(name: str) -> Any:
    """Load what most programs do not use when it is first asked for: imports stay quick."""
    import importlib

    if name in ("io", "learning", "metrics", "plot", "transport", "vocab"):
        return importlib.import_module(f"isomorph.{name}")
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f"isomorph.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
