"""Speed as ratios: to peers, and to what the machine allows, measured in the same run.

Times alone mean nothing on a shared machine. Each round of a case measures the limit, isomorph and
every peer that is installed, one after the other; the ratios are medians over rounds.
``isomorph bench`` prints the table; ``benches/`` runs the same cases under pytest-benchmark.
"""

from isomorph.benchmark.cases import SIZES, all_cases
from isomorph.benchmark.measure import Case, Measurement, measure
from isomorph.benchmark.table import machine, to_json, to_markdown

__all__ = [
    "SIZES",
    "Case",
    "Measurement",
    "all_cases",
    "machine",
    "measure",
    "to_json",
    "to_markdown",
]
