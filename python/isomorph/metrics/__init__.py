"""How good a map is: word translation with intervals, hubness, and whether CSLS helps."""

from isomorph.metrics.conventions import CONVENTIONS, Convention
from isomorph.metrics.hubness import Hub, Hubness, hubness
from isomorph.metrics.intervals import (
    Interval,
    PairedDifference,
    bootstrap_mean,
    paired_difference,
    wilson,
)
from isomorph.metrics.retrieval import WordTranslation, word_translation

__all__ = [
    "CONVENTIONS",
    "Convention",
    "Hub",
    "Hubness",
    "Interval",
    "PairedDifference",
    "WordTranslation",
    "bootstrap_mean",
    "hubness",
    "paired_difference",
    "wilson",
    "word_translation",
]
