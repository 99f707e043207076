"""Which tokens to keep: from a corpus, scripts or a list; what each size costs; held-out text."""

from isomorph.vocab.planning._coverage import Coverage, LanguageCoverage, coverage
from isomorph.vocab.planning._make import plan
from isomorph.vocab.planning._result import REASONS, BudgetRow, Cost, TrimPlan

__all__ = [
    "REASONS",
    "BudgetRow",
    "Cost",
    "Coverage",
    "LanguageCoverage",
    "TrimPlan",
    "coverage",
    "plan",
]
