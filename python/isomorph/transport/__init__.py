"""Optimal transport: moving mass from one set of points to another at the least cost."""

from isomorph.transport._assign import sinkhorn_assign
from isomorph.transport._batch import Transports
from isomorph.transport._divergence import SinkhornDivergence, sinkhorn_divergence
from isomorph.transport._exact import ExactTransport, exact
from isomorph.transport._points import sinkhorn_points
from isomorph.transport._result import Transport
from isomorph.transport._sinkhorn import sinkhorn
from isomorph.transport._unbalanced import sinkhorn_partial, sinkhorn_unbalanced

__all__ = [
    "ExactTransport",
    "SinkhornDivergence",
    "Transport",
    "Transports",
    "exact",
    "sinkhorn",
    "sinkhorn_assign",
    "sinkhorn_divergence",
    "sinkhorn_partial",
    "sinkhorn_points",
    "sinkhorn_unbalanced",
]
