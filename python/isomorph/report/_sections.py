"""The parts of the report, each from the result to HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph import plot
from isomorph.report import _figures, wording
from isomorph.report._html import Markup, figure, join, table, tag, word
from isomorph.report.wording import METHOD_NAMES, duration, file_size, interval, percent

if TYPE_CHECKING:
    from isomorph.pipeline import AlignmentReport, SampleWord

_INSTALL = "Figures need matplotlib: pip install 'isomorph[report]', then run the command again."


def opening(
    report: AlignmentReport, names: tuple[str, str], provenance: Mapping[str, Any]
) -> Markup:
    """Title, what was aligned, and the figures that one looks for first."""
    sizes = (
        f"{rows:,} words in {columns} dimensions"
        for rows, columns in zip(report.rows, report.columns, strict=True)
    )
    sides = join(
        (join((word(name), f": {size}")) for name, size in zip(names, sizes, strict=True)), "; "
    )
    lines = [join((sides, f". Fitted on {report.settings['training_pairs']:,} training pairs."))]
    if created := provenance.get("created"):
        lines.append(join((f"{created}, isomorph {provenance['versions']['isomorph']}.",)))
    return tag(
        "header",
        tag("h1", word(names[0]), " to ", word(names[1])),
        *(tag("p", line, class_="quiet") for line in lines),
        _cards(report),
        _verdict_box(report),
    )


def _cards(report: AlignmentReport) -> Markup:
    cards = []
    confidence = f"{100 * report.settings['confidence']:g}"
    for method, result in report.translation.items():
        k = min(result.precision)
        cards.append(
            _card(
                method,
                f"P@{k}, {METHOD_NAMES[method]}",
                f"{percent(result.precision[k])} %",
                f"{confidence} % interval {interval(result.intervals[k])}",
            )
        )
    if (found := report.tested) is not None:
        cards.append(
            _card(
                "",
                "Test words in both vocabularies",
                f"{found.sources_found:,}",
                f"of {found.sources_total:,} ({percent(found.fraction, 1)} %)",
            )
        )
    return tag("dl", *cards, class_="cards") if cards else Markup("")


def _card(kind: str, title: str, value: str, detail: str) -> Markup:
    return tag(
        "div",
        tag("dt", title),
        tag("dd", value, class_="value"),
        tag("dd", detail, class_="detail"),
        class_=f"card {kind}".strip(),
    )


def _verdict_box(report: AlignmentReport) -> Markup:
    if report.verdict is None:
        return Markup("")
    evidence = wording.verdict_evidence(report.verdict)
    return tag(
        "div",
        tag("p", wording.verdict_headline(report.verdict), class_="headline"),
        tag("p", evidence),
        class_=f"verdict {report.verdict.decision}",
    )


def precision(report: AlignmentReport) -> Markup:
    """Precision by method, with intervals."""
    if not report.translation:
        text = "No test dictionary was given, so precision was not measured: add --test."
        return _section("Precision", tag("p", text))
    results = report.translation
    first = next(iter(results.values()))
    ks = list(first.precision)
    text = (
        f"P@k: of {first.total:,} test words, how many have a right translation among their k "
        "best. The intervals come from a bootstrap over test words: another test dictionary of "
        "the same kind would be expected to land inside."
    )
    rows = [
        [
            METHOD_NAMES[method],
            *(
                join(
                    (
                        f"{percent(result.precision[k])} ",
                        tag("small", interval(result.intervals[k])),
                    )
                )
                for k in ks
            ),
            f"{result.mrr:.4f}",
        ]
        for method, result in results.items()
    ]
    header = ["method", *(f"P@{k}" for k in ks), "MRR"]
    numeric = range(1, len(header))
    picture = _picture(
        lambda: plot.precision(results),
        "precision",
        "Bars of precision at "
        + ", ".join(map(str, ks))
        + " for "
        + " and ".join(METHOD_NAMES[method] for method in results)
        + "; the table below has the figures.",
        "Precision by method. Lines on the bars are confidence intervals.",
    )
    level = f"{100 * report.settings['confidence']:g}"
    listed = table(
        f"Precision in per cent, {level} % intervals in brackets", header, rows, numeric=numeric
    )
    return _section("Precision", tag("p", text), picture, listed)


def selection(report: AlignmentReport) -> Markup:
    """How the method was chosen, where it was left to the data."""
    found = report.alignment.map.selection
    if found is None:
        return Markup("")
    text = (
        "Each method was fitted without one fold of the training dictionary, and translated the "
        f"words of that fold, until every one of {found.queries:,} words had been left out once. "
        "Differences are to the method chosen, on the same words; p-values are corrected for "
        "comparing several."
    )
    header, *rows = found.rows()
    caption = f"P@1 of left-out words among {found.candidates:,} targets, in per cent"
    numeric = [i for i, name in enumerate(header) if i > 0 and not name.endswith("%")]
    parts = [tag("p", text), table(caption, header, rows, numeric=numeric), tag("p", found.because)]
    if found.left_out:
        said = (f"{label}: {why}" for label, why in found.left_out.items())
        parts.append(tag("p", f"Left out: {'; '.join(said)}.", class_="quiet"))
    return _section("Which method?", *parts)


def verdict(report: AlignmentReport) -> Markup:
    """Whether CSLS helps, decided on the training dictionary."""
    if report.verdict is None:
        return Markup("")
    text = (
        "CSLS corrects cosines for hubs: words that are near to everything. That helps on many "
        "pairs of languages and does harm on some. It was decided here without the test words: the "
        "training dictionary was cut into folds, the map fitted without each fold in turn, and "
        "the words of that fold translated both ways."
    )
    result = report.verdict
    picture = _picture(
        lambda: plot.verdict(result),
        "verdict",
        wording.verdict_evidence(result),
        "The gain of CSLS over NN with its interval; right of the line CSLS is better.",
    )
    advice = tag("p", wording.verdict_advice(result))
    return _section("Does CSLS help here?", tag("p", text), picture, advice)


def hubness(report: AlignmentReport) -> Markup:
    """How evenly targets are used, before and after, and the largest hubs by name."""
    if not report.hubness:
        return Markup("")
    text = (
        f"For the {report.hubness_rows:,} most frequent source words the ten nearest targets were "
        "listed, and it was counted how often each target appears. A few hubs that appear "
        "everywhere take the place of right answers; targets that appear never cannot be found. "
        "These figures describe a space; whether CSLS helps is decided above."
    )
    rows = []
    for method, result in report.hubness.items():
        hubs = join((_hub(*hub) for hub in result.hubs[:5]), ", ")
        rows.append(
            [
                METHOD_NAMES[method],
                f"{result.skewness:.2f}",
                f"{percent(result.antihubs, 1)} %",
                hubs,
            ]
        )
    listed = table(
        "Hubness before and after alignment",
        ["retrieval", "skewness", "never found", "largest hubs, with counts"],
        rows,
        numeric=(1, 2),
    )
    picture = _picture(
        lambda: plot.hubness(report.hubness),
        "hubness",
        "Share of targets that are among the ten nearest at least so many times; the table below "
        "has skewness and largest hubs.",
        "The further a line reaches to the right, the larger the hubs.",
    )
    return _section("Hubness", tag("p", text), picture, listed)


def _hub(row: int, name: str | None, count: int) -> Markup:
    return join((word(f"row {row}" if name is None else name), f" {count:,}"))


def singular_values(report: AlignmentReport) -> Markup:
    """In how many directions the two spaces agree."""
    if report.singular_values is None:
        return Markup("")
    values = np.asarray(report.singular_values, dtype=float)
    if not len(values) or not values[0] > 0:
        return Markup("")
    half = int(np.searchsorted(np.cumsum(values), values.sum() / 2) + 1)
    text = (
        "The map turns the source space so that the training pairs fall together. The singular "
        "values of their cross-moment say how much the pairs agree along each direction: their "
        f"sum, {values.sum():.3f}, is the correlation of the pairs after mapping (1 if they fell "
        f"together). Half of it lies in the first {half} of {len(values)} directions."
    )
    rank = report.alignment.map.metrics.get("rank", len(values))
    if rank < len(values):
        text += (
            f" The pairs fix only {rank} directions; how the map turns the others is arbitrary, so "
            "precision would differ by some points with another, equally good map. More training "
            "pairs fix more."
        )
    picture = _picture(
        lambda: plot.singular_values(values),
        "singular-values",
        f"Singular values falling from {values[0]:.3g} to {values[-1]:.3g}.",
        "Singular values of the cross-moment, scaled to sum to the correlation.",
    )
    return _section("Shared directions", tag("p", text), picture)


def samples(report: AlignmentReport, names: tuple[str, str]) -> Markup:
    """Nearest neighbours of a few words, before and after."""
    if not report.samples:
        return Markup("")
    before = any(sample.before for sample in report.samples)
    where = "test" if report.translation else "training"
    text = (
        f"Words of the {where} dictionary, spread evenly from frequent to rare; what the "
        "dictionary holds is marked."
    )
    header = [names[0], "dictionary", *(["before alignment"] if before else []), "NN", "CSLS"]
    rows = []
    for sample in report.samples:
        columns = ([sample.before] if before else []) + [sample.nn, sample.csls]
        right = join(map(word, sample.translations[:4]), ", ")
        rows.append([word(sample.word), right, *(_near(sample, column) for column in columns)])
    caption = f"Nearest words of {names[1]}, nearest first"
    return _section("Neighbours of sample words", tag("p", text), table(caption, header, rows))


def _near(sample: SampleWord, candidates: tuple[tuple[str, float], ...]) -> Markup:
    items = (
        tag("li", word(text, class_="hit") if text in sample.translations else word(text))
        for text, _ in candidates[:3]
    )
    return tag("ol", *items, class_="near")


def pairs(report: AlignmentReport, names: tuple[str, str]) -> Markup:
    """Draw translation pairs in the plane, before and after."""
    found = report.pictured
    if found is None:
        return Markup("")
    where = "test" if report.translation else "training"
    text = (
        f"{len(found.words)} pairs of the {where} dictionary, from frequent to rare words, joined "
        "by lines, each picture in the two directions in which its words spread most. A map that "
        "works makes the lines short; most of what is left lies in the directions not shown."
    )
    picture = _picture(
        lambda: plot.translations(
            found.source, found.target, found.mapped, words=found.words, names=names
        )[0],
        "pairs",
        f"Points for words of {names[0]} and {names[1]}, translations joined by lines.",
        "Translation pairs in the plane.",
    )
    return _section("Pairs in the plane", tag("p", text), picture)


def isometry(report: AlignmentReport, names: tuple[str, str]) -> Markup:
    """How alike the spaces are, whatever the map."""
    found = report.isometry
    if found is None:
        return Markup("")
    text = (
        "A linear map turns a space and does not bend it, so the two have to be alike in shape. "
        "This was measured before any map was fitted."
    )
    picture = _picture(
        lambda: plot.spectrum(found, names=names),
        "spectrum",
        f"Singular values of {names[0]} and of {names[1]}, falling side by side.",
        "Singular values of both spaces: the nearer the lines, the more alike.",
    )
    return _section("Are the spaces alike?", tag("p", text), tag("p", found.explanation), picture)


def timings(report: AlignmentReport) -> Markup:
    """Where the time went."""
    rows = [[name, duration(seconds)] for name, seconds in report.seconds.items()]
    rows.append(["together", duration(sum(report.seconds.values()))])
    if report.peak_memory is not None:
        rows.append(["peak memory of the process", file_size(report.peak_memory)])
    caption = f"Wall time, {report.settings['threads']} threads"
    return _section("Time and memory", table(caption, ["stage", "cost"], rows, numeric=(1,)))


def provenance(report: AlignmentReport, origin: Mapping[str, Any]) -> Markup:
    """List what went in, so that the result can be made again."""
    parts = []
    if command := origin.get("command"):
        parts.append(tag("p", tag("code", command)))
    if files := origin.get("files"):
        rows = [
            [
                file["role"],
                tag("code", file["path"]),
                file_size(file["bytes"]),
                tag("code", file["sha256"]),
            ]
            for file in files
        ]
        header = ["input", "path", "size", "SHA-256"]
        parts.append(table("Input files", header, rows, numeric=(2,)))
    settings = [[name.replace("_", " "), str(value)] for name, value in report.settings.items()]
    if report.train is not None:
        found = report.train
        counts = f"{found.pairs_found:,} of {found.pairs_total:,} in both vocabularies"
        settings.append(["training dictionary", counts])
    settings += [[name, str(value)] for name, value in origin.get("versions", {}).items()]
    parts.append(table("Settings and versions", ["name", "value"], settings))
    return _section("How to make this again", *parts)


def _section(title: str, *parts: str) -> Markup:
    return tag("section", tag("h2", title), *parts)


def _picture(draw: Callable[[], Any], name: str, description: str, caption: str) -> Markup:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return tag("p", _INSTALL, class_="quiet")
    return figure(_figures.svg(draw(), name, description), caption)
