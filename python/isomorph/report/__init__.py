"""The HTML report of an alignment: one file that needs nothing else, to read, keep and send on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from isomorph.report import _sections
from isomorph.report._html import Markup, join, tag
from isomorph.report._style import CSS
from isomorph.report.facts import facts

if TYPE_CHECKING:
    from isomorph.pipeline import AlignmentReport

__all__ = ["facts", "render"]


def render(
    report: AlignmentReport,
    *,
    source_name: str = "source",
    target_name: str = "target",
    provenance: Mapping[str, Any] | None = None,
) -> str:
    """Write a report as a self-contained HTML page.

    Parameters
    ----------
    report : AlignmentReport
        From :func:`isomorph.pipeline.align_vocabularies`.
    source_name, target_name : str
        What to call the two vocabularies.
    provenance : mapping, optional
        Where the inputs came from: ``files`` (mappings with role, path, bytes, sha256),
        ``command``, ``created``, ``versions``.

    Returns
    -------
    str
        HTML with its styles and figures inside, and no reference to anything outside. Without
        matplotlib it has the tables, and a line that says how to get the figures.
    """
    names = (source_name, target_name)
    sections = (
        _sections.precision(report),
        _sections.selection(report),
        _sections.verdict(report),
        _sections.samples(report, names),
        _sections.pairs(report, names),
        _sections.hubness(report),
        _sections.isometry(report, names),
        _sections.singular_values(report),
        _sections.timings(report),
        _sections.provenance(report, provenance or {}),
    )
    title = f"{source_name} to {target_name}: alignment report"
    head = join(
        (
            Markup('<meta charset="utf-8">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            tag("title", title),
            tag("style", Markup(CSS)),
        ),
        "\n",
    )
    body = join(
        (
            _sections.opening(report, names, provenance or {}),
            tag("main", join((section for section in sections if section), "\n")),
        ),
        "\n",
    )
    page = tag("html", tag("head", head), tag("body", body), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"
