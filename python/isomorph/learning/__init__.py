"""Aligning with a small dictionary or none: fit a map, induce pairs with it, fit again."""

from isomorph.learning._agreement import Agreement
from isomorph.learning._contrastive import contrast
from isomorph.learning._contrastive_settings import SETTINGS as CONTRAST_SETTINGS
from isomorph.learning._contrastive_settings import ContrastSetting
from isomorph.learning._muse import refine
from isomorph.learning._results import ContrastRound, Iteration, SelfLearned
from isomorph.learning._vecmap import self_learn

__all__ = [
    "CONTRAST_SETTINGS",
    "Agreement",
    "ContrastRound",
    "ContrastSetting",
    "Iteration",
    "SelfLearned",
    "contrast",
    "refine",
    "self_learn",
]
