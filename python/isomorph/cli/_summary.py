"""The result of an alignment as a person reads it in a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from isomorph._text import table
from isomorph.cli._terminal import Line
from isomorph.report import wording
from isomorph.report.wording import METHOD_NAMES, duration, file_size, interval, percent

if TYPE_CHECKING:
    from isomorph.align import Selection
    from isomorph.pipeline import AlignmentReport

_DECISION_STYLES = {"helps": "bold green", "hurts": "bold red", "undetermined": "bold yellow"}


def summary(report: AlignmentReport, names: tuple[str, str]) -> list[Line]:
    """Return the lines that ``isomorph align`` prints, with their styles; 60 columns wide."""
    lines: list[Line] = [("", "")]
    sides = [
        (name, f"{rows:,} words, {columns} dimensions")
        for name, rows, columns in zip(names, report.rows, report.columns, strict=True)
    ]
    sides.append(("training", _training(report)))
    if (found := report.tested) is not None:
        sides.append(
            (
                "test",
                f"{found.sources_found:,} of {found.sources_total:,} words in both vocabularies "
                f"({percent(found.fraction, 1)} %)",
            )
        )
    lines += [(line, "") for line in table(sides)]
    if (selection := report.alignment.map.selection) is not None:
        lines += [("", ""), *selection_lines(selection)]
    if report.translation:
        lines += [("", ""), *precision_lines(report)]
    if report.verdict is not None:
        style = _DECISION_STYLES[report.verdict.decision]
        lines += [
            ("", ""),
            (wording.verdict_headline(report.verdict), style),
            *((line, "") for line in wording.verdict_lines(report.verdict)),
        ]
    return lines


def selection_lines(selection: Selection) -> list[Line]:
    """Show how the methods did that an automatic choice compared."""
    rows = selection.rows(intervals=False)
    first, *others = table(rows, right=range(1, len(rows[0])))
    reason = textwrap.wrap(selection.because, 78)
    return [(first, "bold"), *((line, "") for line in [*others, *reason])]


def _training(report: AlignmentReport) -> str:
    pairs = f"{report.settings['training_pairs']:,} pairs"
    if report.train is not None:
        pairs = f"{report.train.pairs_found:,} of {report.train.pairs_total:,} pairs"
    rank, directions = report.alignment.map.metrics.get("rank"), min(report.columns)
    if rank is None or rank >= directions:
        return pairs
    return f"{pairs}; they fix {rank} of {directions} directions"


def precision_lines(report: AlignmentReport) -> list[Line]:
    """Show precision by method, a row a figure, so that it fits narrow terminals."""
    results = report.translation
    level = f"{100 * report.settings['confidence']:g} % interval"
    rows = [["", *(cell for method in results for cell in (METHOD_NAMES[method], level))]]
    for k in next(iter(results.values())).precision:
        cells = (
            cell
            for result in results.values()
            for cell in (percent(result.precision[k]), interval(result.intervals[k]))
        )
        rows.append([f"P@{k}", *cells])
    mrr = (cell for result in results.values() for cell in (f"{result.mrr:.4f}", ""))
    rows.append(["MRR", *mrr])
    first, *others = table(rows, right=range(1, len(rows[0])))
    return [(first, "bold"), *((line, "") for line in others)]


def sample_lines(report: AlignmentReport, count: int = 8) -> list[Line]:
    """Show a few words with their nearest neighbour before and after alignment."""
    before = any(sample.before for sample in report.samples)
    header = ["word", "dictionary", *(["before"] if before else []), "NN", "CSLS"]
    rows = [header]
    step = max(1, len(report.samples) // count)
    for sample in report.samples[::step][:count]:
        columns = ([sample.before] if before else []) + [sample.nn, sample.csls]
        rows.append([sample.word, sample.translations[0], *(column[0][0] for column in columns)])
    first, *others = table(rows)
    return [("", ""), (first, "bold"), *((line, "") for line in others)]


def cost_line(report: AlignmentReport) -> Line:
    """Time and memory in a line."""
    total = sum(report.seconds.values())
    slowest = sorted(report.seconds.items(), key=lambda item: -item[1])[:2]
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in slowest)
    memory = f"; {file_size(report.peak_memory)} memory" if report.peak_memory else ""
    return (f"{duration(total)} ({parts}){memory}", "dim")
