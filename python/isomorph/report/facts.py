"""A report as plain data: what ``metrics.json`` and ``--json`` hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from isomorph.pipeline import AlignmentReport

#: Raised when a name changes its meaning or goes; new names may come at any time.
FORMAT = "isomorph.align/1"


def facts(report: AlignmentReport, provenance: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the figures of a report as JSON-ready data; shares are from 0 to 1."""
    selection = report.alignment.map.selection
    figures: dict[str, Any] = plain(
        {
            "format": FORMAT,
            "source": {"rows": report.rows[0], "columns": report.columns[0]},
            "target": {"rows": report.rows[1], "columns": report.columns[1]},
            "train": coverage(report.train) | {"pairs_used": report.settings["training_pairs"]},
            "test": coverage(report.tested) if report.translation else None,
            "translation": {
                method: translation(result) for method, result in report.translation.items()
            },
            "selection": None if selection is None else selection.as_dict(),
            "verdict": None if report.verdict is None else report.verdict.as_dict(),
            "hubness": {method: hubness(result) for method, result in report.hubness.items()},
            "hubness_rows": report.hubness_rows,
            "isometry": None if report.isometry is None else report.isometry.as_dict(),
            "singular_values": report.singular_values,
            "samples": [asdict(word) for word in report.samples],
            "settings": report.settings,
            "seconds": report.seconds,
            "peak_memory_bytes": report.peak_memory,
            "provenance": provenance or {},
        }
    )
    return figures


def coverage(found: Any) -> dict[str, Any]:
    """Return a Coverage as data; empty if there is none."""
    if found is None:
        return {}
    return {
        "sources_found": found.sources_found,
        "sources_total": found.sources_total,
        "pairs_found": found.pairs_found,
        "pairs_total": found.pairs_total,
        "fraction": found.fraction,
    }


def translation(result: Any) -> dict[str, Any]:
    """Return a WordTranslation as data."""
    return {**result.as_dict(), "coverage": coverage(result.coverage)}


def hubness(result: Any) -> dict[str, Any]:
    """Return a Hubness as data, its distribution included: count to number of targets."""
    values, targets = np.unique(np.asarray(result.counts), return_counts=True)
    occurrences = zip(values.tolist(), targets.tolist(), strict=True)
    return {**result.as_dict(), "occurrences": {str(v): n for v, n in occurrences}}


def plain(value: Any) -> Any:
    """Turn arrays, tuples and NumPy numbers into what JSON holds; what is not finite into None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
