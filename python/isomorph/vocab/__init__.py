"""Vocabularies: which words or tokens to keep, and the remap of all that is numbered by id."""

from isomorph.vocab.pruning import prune, script_counts
from isomorph.vocab.remap import Remap

__all__ = ["Remap", "prune", "script_counts"]
