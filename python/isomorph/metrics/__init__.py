"""How good a map is: word translation with intervals, hubness, and whether CSLS helps."""

from isomorph.metrics.conventions import CONVENTIONS, Convention
from isomorph.metrics.files import FileEvaluation, evaluate_files
from isomorph.metrics.forecast import Forecast, csls_forecast
from isomorph.metrics.hubness import Hub, Hubness, hubness, hubness_by_method
from isomorph.metrics.intervals import (
    Interval,
    PairedDifference,
    bootstrap_mean,
    paired_difference,
    wilson,
)
from isomorph.metrics.isometry import Isometry, isometry
from isomorph.metrics.learning_curve import LearningCurve, learning_curve
from isomorph.metrics.paired import Compared, Comparison, PairedTest, compare, paired_test
from isomorph.metrics.ranking import RankMetrics, rank_metrics
from isomorph.metrics.retrieval import WordTranslation, word_translation
from isomorph.metrics.streaming import retrieval_metrics
from isomorph.metrics.verdict import Fold, Verdict, csls_verdict

__all__ = [
    "CONVENTIONS",
    "Compared",
    "Comparison",
    "Convention",
    "FileEvaluation",
    "Fold",
    "Forecast",
    "Hub",
    "Hubness",
    "Interval",
    "Isometry",
    "LearningCurve",
    "PairedDifference",
    "PairedTest",
    "RankMetrics",
    "Verdict",
    "WordTranslation",
    "bootstrap_mean",
    "compare",
    "csls_forecast",
    "csls_verdict",
    "evaluate_files",
    "hubness",
    "hubness_by_method",
    "isometry",
    "learning_curve",
    "paired_difference",
    "paired_test",
    "rank_metrics",
    "retrieval_metrics",
    "wilson",
    "word_translation",
]
