"""Moments of pairs of rows and everything that is d x d work from them."""

from isomorph._moments._streaming import Moments

__all__ = ["Moments"]
