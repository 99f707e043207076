"""What ``align`` and ``demo`` share: run, then write the map, the figures and the report."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isomorph.cli import _inputs
from isomorph.cli._inputs import MAP
from isomorph.cli._outputs import output_folder
from isomorph.cli._terminal import Line, Terminal, Watch

if TYPE_CHECKING:
    from isomorph.align import Alignment
    from isomorph.io import Embeddings
    from isomorph.pipeline import AlignmentReport

METRICS, REPORT = "metrics.json", "report.html"
#: The part of a dictionary's pairs below which the other direction is tried.
_USUAL = 0.5
#: The part below which the dictionary is that of another pair of languages, most likely.
_SUSPECT = 0.05


@dataclass(frozen=True, slots=True)
class Job:
    """One alignment as the command line asks for it.

    Attributes
    ----------
    source, target, train, test : str
        Files, or ``sample:`` names.
    names : tuple of str
        What to call the two sides.
    command : sequence of str
        The command line, to be recorded.
    holdout : int, optional
        Measure on every n-th source word of the training dictionary.
    keep : argparse.Namespace, optional
        What to keep of the vocabularies; see :func:`isomorph.cli._inputs.add_vocabularies`.
    settings : mapping
        Keyword arguments of :func:`isomorph.pipeline.align_vocabularies`.
    """

    source: str
    target: str
    train: str
    test: str | None
    names: tuple[str, str]
    command: Sequence[str]
    holdout: int | None = None
    keep: argparse.Namespace | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def run(
    job: Job,
    output: Path,
    terminal: Terminal,
    *,
    extra: Callable[[AlignmentReport], list[Line]] | None = None,
) -> None:
    """Align, write the results into `output`, whole or not at all, and print them."""
    with output_folder(output) as draft, terminal.watching() as watch:
        report, doubt = _align(job, watch)
        watch.stage("writing the report")
        origin = _inputs.provenance(job.command, _files(job))
        figures = write_results(draft, report, job.names, origin)
    if doubt is not None:
        terminal.problem(doubt)
    if terminal.as_json:
        terminal.data(figures)
        return
    from isomorph.cli._summary import cost_line, summary

    lines = summary(report, job.names)
    if extra is not None:
        lines += extra(report)
    lines += [("", ""), cost_line(report)]
    lines += [(f"wrote {output / name}", "dim") for name in (MAP, METRICS, REPORT)]
    terminal.lines(lines)


def _align(job: Job, watch: Watch) -> tuple[AlignmentReport, str | None]:
    """Return the report, and why the training dictionary may be the wrong one."""
    from isomorph.pipeline import Stages, align_vocabularies

    reading = Stages(watch.stage)
    with reading("reading"):
        source, target = _inputs.read_vocabularies(
            job.source, job.target, job.keep, progress=watch.progress
        )
    with _dictionaries(job) as (train, test):
        report = align_vocabularies(
            source,
            target,
            train,
            test,
            progress=watch.progress,
            stage=watch.stage,
            **job.settings,
        )
        doubt = _doubt(job, train, source, target, report)
    return dataclasses.replace(report, seconds={**reading.seconds, **report.seconds}), doubt


def _doubt(
    job: Job, train: str, source: Embeddings, target: Embeddings, report: AlignmentReport
) -> str | None:
    """Say why the training dictionary may be another language's, or the other way round.

    A few words are spelt alike in most languages, so that a wrong dictionary still has pairs, and
    a map comes out that looks like any other.
    """
    from isomorph import io
    from isomorph.errors import DictionaryError

    found = report.train
    if found is None or found.pairs_found >= _USUAL * found.pairs_total:
        return None
    reverse = bool(job.settings.get("reverse"))
    try:
        others = len(io.load_dictionary(train, source, target, reverse=not reverse))
    except DictionaryError:
        others = 0
    said = (
        f"{job.train}: only {found.pairs_found:,} of {found.pairs_total:,} training pairs are in "
        "both vocabularies"
    )
    if others > 2 * found.pairs_found:
        how = "without" if reverse else "with"
        return f"{said}; {others:,} are the other way round, {how} --reverse"
    if found.pairs_found < _SUSPECT * found.pairs_total:
        return f"{said}; are the languages, their order and the case of the words right?"
    return None


@contextlib.contextmanager
def _dictionaries(job: Job) -> Iterator[tuple[str, str | None]]:
    """Give the paths of the training and the test dictionary."""
    train = _inputs.dictionary_path(job.train)
    if job.holdout is None:
        yield train, None if job.test is None else _inputs.dictionary_path(job.test)
        return
    with tempfile.TemporaryDirectory(prefix="isomorph-") as folder:
        parts = Path(folder, "train.txt"), Path(folder, "test.txt")
        reverse = bool(job.settings.get("reverse"))
        split_dictionary(train, job.holdout, *parts, reverse=reverse)
        yield str(parts[0]), str(parts[1])


def split_dictionary(path: str, every: int, train: Path, test: Path, *, reverse: bool) -> None:
    """Put the pairs of each `every`-th distinct source word, in order of appearance, into `test`.

    Pairs keep their line numbers (the lines of the other part are empty), so that messages name
    the right one.
    """
    from isomorph._files import read_pairs

    order: dict[str, int] = {}
    parts: tuple[list[str], list[str]] = ([], [])
    for line, left, right in read_pairs(path, "strict"):
        number = order.setdefault(right if reverse else left, len(order) + 1)
        part = parts[number % every == 0]
        part += [""] * (line - 1 - len(part))
        part.append(f"{left}\t{right}")
    for file, lines in zip((train, test), parts, strict=True):
        file.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _files(job: Job) -> dict[str, str]:
    files = {"source": job.source, "target": job.target, "training dictionary": job.train}
    return files if job.test is None else files | {"test dictionary": job.test}


def write_results(
    folder: Path,
    report: AlignmentReport,
    names: tuple[str, str],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the three files into `folder` and return what metrics.json holds."""
    from isomorph.report import facts, render

    figures = facts(report, provenance)
    described(report, provenance).save(folder / MAP)
    text = json.dumps(figures, ensure_ascii=False, allow_nan=False, indent=2)
    (folder / METRICS).write_text(text + "\n", encoding="utf-8")
    page = render(report, source_name=names[0], target_name=names[1], provenance=provenance)
    (folder / REPORT).write_text(page, encoding="utf-8", errors="backslashreplace")
    return figures


def described(report: AlignmentReport, provenance: Mapping[str, Any]) -> Alignment:
    """Return the alignment with its figures and origin written into the map."""
    fitted = report.alignment.map
    metrics: dict[str, Any] = dict(fitted.metrics)
    for method, result in report.translation.items():
        metrics |= {f"precision_at_{k}_{method}": v for k, v in result.precision.items()}
    origin: dict[str, Any] = {**fitted.provenance, **provenance, "settings": dict(report.settings)}
    if report.verdict is not None:
        origin["csls_verdict"] = report.verdict.decision
    return dataclasses.replace(
        report.alignment, map=dataclasses.replace(fitted, metrics=metrics, provenance=origin)
    )
