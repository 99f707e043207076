"""The HTML report: self-contained, well-formed, escaped, readable without seeing."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from isomorph import data, io
from isomorph.pipeline import align_vocabularies
from isomorph.report import facts, render, wording

VOID = {"meta", "br", "img", "link", "hr", "input"}


class Checker(HTMLParser):
    """Collects elements, and complains about tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


@pytest.fixture(scope="module")
def report():
    source, target, train, test = data.load_sample("en-fr")
    strange = ["<b>\"&'", "כלב", "ශ්‍රී"]
    source = io.Embeddings([*strange, *source.words[3:]], source.vectors)
    found = align_vocabularies(source, target, train, test, hubness_rows=300, samples=4)
    odd = replace(found.samples[0], word=strange[0], translations=tuple(strange))
    return replace(found, samples=(odd, *found.samples[1:]))


@pytest.fixture(scope="module")
def page(report) -> str:
    pytest.importorskip("matplotlib")
    files = [{"role": "source", "path": "a & b.vec", "bytes": 1_500_000, "sha256": "ab" * 32}]
    origin = {
        "command": "isomorph align <x>",
        "created": "2026-11-22",
        "versions": {"isomorph": "0.1"},
        "files": files,
    }
    return render(report, source_name="en", target_name="fr", provenance=origin)


def parsed(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def test_tags_match_and_text_is_escaped(page: str) -> None:
    checker = parsed(page)
    assert checker.count("b") == 0
    text = "".join(checker.text)
    assert "<b>\"&'" in text
    assert "a & b.vec" in text
    assert "isomorph align <x>" in text
    assert "ශ්‍රී" in text


def test_nothing_outside_is_referred_to(page: str) -> None:
    assert "://" not in page
    checker = parsed(page)
    assert not {"link", "script", "img", "iframe", "object"} & {tag for tag, _ in checker.elements}
    references = [
        value
        for _, attributes in checker.elements
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "data", "action")
    ]
    assert all(value.startswith("#") for value in references)
    assert all(inner.startswith("#") for inner in re.findall(r"url\(([^)]*)\)", page))
    assert "@import" not in page


def test_figures_can_be_read_without_seeing(page: str) -> None:
    checker = parsed(page)
    pictures = [attributes for tag, attributes in checker.elements if tag == "svg"]
    assert len(pictures) == 6
    assert checker.count("figcaption") == 6
    titles = {attributes.get("id") for tag, attributes in checker.elements if tag == "title"}
    for attributes in pictures:
        assert attributes["role"] == "img"
        assert attributes["aria-labelledby"] in titles
    assert ("html", {"lang": "en"}) in checker.elements
    assert all("scope" in attributes for tag, attributes in checker.elements if tag == "th")


def test_identifiers_are_unique_and_references_resolve(page: str) -> None:
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    used = re.findall(r'href="#([^"]+)"', page) + re.findall(r"url\(#([^)]+)\)", page)
    assert set(used) <= set(identifiers)


def test_figures_take_the_colours_and_the_font_of_the_page(page: str) -> None:
    body = page[page.index("<body>") :]
    assert "var(--ink)" in body
    assert "#1f2430" not in body
    assert "DejaVu" not in body
    assert body.count("<style") == 0


def test_the_same_report_is_the_same_page(report, page: str) -> None:
    again = [render(report, source_name="en", target_name="fr") for _ in range(2)]
    assert again[0] == again[1]


def test_without_matplotlib_there_are_tables_and_advice(report, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = render(report)
    checker = parsed(page)
    assert checker.count("svg") == 0
    assert checker.count("table") >= 5
    assert "pip install 'isomorph[report]'" in "".join(checker.text)


def test_parts_that_were_not_measured_are_left_out(report) -> None:
    page = render(replace(report, translation={}, verdict=None, samples=(), hubness={}))
    text = "".join(parsed(page).text)
    assert "Does CSLS help" not in text
    assert "add --test" in text


def test_facts_are_json(report) -> None:
    text = json.dumps(facts(report), allow_nan=False)
    figures = json.loads(text)
    assert figures["format"] == "isomorph.align/1"
    assert figures["translation"]["nn"]["precision"]["1"] == report.translation["nn"].precision[1]
    occurrences = figures["hubness"]["csls"]["occurrences"]
    assert sum(occurrences.values()) == 4000
    assert sum(int(count) * targets for count, targets in occurrences.items()) == 3000


def test_facts_put_none_for_what_json_cannot_say(report) -> None:
    figures = facts(replace(report, seconds={"odd": float("nan")}))
    assert figures["seconds"] == {"odd": None}


@pytest.mark.parametrize(
    ("decision", "method", "word"),
    [
        ("helps", "csls", "use it"),
        ("hurts", "nn", "plain nearest"),
        ("undetermined", "csls", "cannot"),
    ],
)
def test_wording_of_the_verdict(decision: str, method: str, word: str) -> None:
    assert wording.preferred_method(decision) == method
    assert word in wording.HEADLINES[decision]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.duration(0.0021), "2 ms"),
        (wording.duration(0.996), "1.0 s"),
        (wording.duration(600), "10.0 min"),
        (wording.file_size(999), "999 bytes"),
        (wording.file_size(1_500_000), "1.5 MB"),
        (wording.file_size(3 * 10**12), "3000.0 GB"),
        (wording.percent(0.71169), "71.17"),
        (wording.points(-0.0301), "-3.0"),
        (wording.points_interval((-0.01, 0.2)), "[-1.0, +20.0]"),
    ],
)
def test_numbers_as_people_read_them(written: str, expected: str) -> None:
    assert written == expected
