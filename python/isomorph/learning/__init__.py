"""Aligning with a small dictionary or none: fit a map, induce pairs with it, fit again."""

from isomorph.learning._agreement import Agreement
from isomorph.learning._muse import refine
from isomorph.learning._results import Iteration, SelfLearned
from isomorph.learning._vecmap import self_learn

__all__ = ["Agreement", "Iteration", "SelfLearned", "refine", "self_learn"]
