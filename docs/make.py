#!/usr/bin/env python3
"""Make what the README shows: the figure of the demo, and the table of measured ratios.

Usage: python docs/make.py figure    (runs the demo's three pairs, writes docs/demo.svg)
       python docs/make.py pairs     (writes docs/how-to/pairs.svg: translations in the plane)
       python docs/make.py budget DATA  (writes docs/explanation/vocabulary-budget.svg from the
                                         development data in the folder DATA)
       python docs/make.py table     (puts the newest benches/record/*.md into README.md)
       python docs/make.py reference (writes docs/reference/README.md from the docstrings)

With --check, `table` and `reference` write nothing; the exit status says whether all is up to date.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parent
README = DOCS.parent / "README.md"
REFERENCE = DOCS / "reference" / "README.md"
RECORDS = DOCS.parent / "benches" / "record"
TABLE = re.compile(r"(<!-- table: begin.*?-->\n).*?(<!-- table: end -->)", re.DOTALL)


def figure() -> None:
    """Draw P@1 of the three pairs, NN and CSLS, with intervals and the time beside them."""
    import matplotlib
    from matplotlib.figure import Figure

    from isomorph import data, plot
    from isomorph.pipeline import align_vocabularies

    # The same input gives the same file.
    matplotlib.rcParams |= {"svg.hashsalt": "isomorph", "svg.fonttype": "none", "font.size": 11}
    fig = Figure(figsize=(7.2, 3.2), layout="constrained", facecolor="white")
    axes = fig.subplots()
    labels = []
    for place, pair in enumerate(data.PAIRS):
        source, target, train, test = data.load_sample(pair)
        start = time.perf_counter()
        report = align_vocabularies(source, target, train, test)
        seconds = time.perf_counter() - start
        words = report.translation["nn"].total
        labels.append(f"{pair}\n{words} test words, {seconds:.1f} s")
        for offset, method in ((-0.19, "nn"), (0.19, "csls")):
            result = report.translation[method]
            value, (low, high) = 100 * result.precision[1], result.intervals[1]
            axes.bar(
                place + offset,
                value,
                0.34,
                color=plot.COLORS[method],
                label=method.upper() if place == 0 else None,
            )
            error = [[value - 100 * low], [100 * high - value]]
            axes.errorbar(place + offset, value, error, fmt="none", ecolor=plot.INK, capsize=4)
            axes.annotate(
                f"{value:.1f}",
                (place + offset, 100 * high),
                (0, 3),
                textcoords="offset points",
                ha="center",
                color=plot.INK,
            )
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylim(0, 100)
    axes.set_ylabel("P@1, %")
    axes.set_title("Words translated right at the first try, with 95 % intervals", fontsize=11)
    axes.legend(frameon=False, ncols=2, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    fig.savefig(DOCS / "demo.svg", metadata={"Date": None})


def pairs() -> None:
    """Draw test pairs of the sample in the plane, before and after mapping."""
    import matplotlib
    import numpy as np

    import isomorph as iso
    from isomorph import data, plot

    matplotlib.rcParams |= {"svg.hashsalt": "isomorph", "svg.fonttype": "none"}
    english, french, train, test = data.load_sample("en-fr")
    seed, held_out = (iso.io.load_dictionary(path, english, french) for path in (train, test))
    chain = iso.transforms.Chain.parse("unit center unit")
    (_, x), (_, y) = (chain.fit_apply(side.vectors) for side in (english, french))
    mapped = iso.procrustes(x[seed.source], y[seed.target])(x)
    rows, first = np.unique(held_out.source, return_index=True)
    some = np.unique(np.linspace(0, len(rows) - 1, 40).astype(int))
    rows, partners = rows[some], held_out.target[first[some]]
    words = [(english.words[a], french.words[b]) for a, b in zip(rows, partners, strict=True)]
    axes = plot.translations(
        x[rows], y[partners], mapped[rows], words=words, names=("English", "French")
    )
    figure = axes[0].figure
    figure.set_facecolor("white")
    figure.savefig(DOCS / "how-to" / "pairs.svg", metadata={"Date": None})


def budget(data: Path) -> None:
    """Draw what a vocabulary of 250,002 pieces costs at each size, in five languages."""
    import matplotlib

    from isomorph import plot, vocab

    matplotlib.rcParams |= {"svg.hashsalt": "isomorph", "svg.fonttype": "none"}
    tokenizer = vocab.Tokenizer.load(data / "tokenizers" / "xlmr_unigram_250k_rebuilt.json")
    names = {"deu": "German", "fin": "Finnish", "fra": "French", "hin": "Hindi", "rus": "Russian"}
    texts = {
        name: [data / "parallel" / "tatoeba" / f"tatoeba.{code}-eng.{code}"]
        for code, name in names.items()
    }
    plan = vocab.plan(tokenizer, languages=texts, max_extra_tokens="5%", points=12)
    print(plan)
    axes = plot.budget(plan)
    axes.figure.set_facecolor("white")
    axes.figure.savefig(DOCS / "explanation" / "vocabulary-budget.svg", metadata={"Date": None})


def table_of_record() -> str:
    """Return the table of the newest record, or what to do while there is none."""
    records = sorted(RECORDS.glob("**/*.md"), key=lambda file: file.name)
    records = [file for file in records if file.name.lower() != "readme.md"]
    if not records:
        return "No record yet: `isomorph bench --record benches/record/NAME` makes one.\n"
    return records[-1].read_text(encoding="utf8").strip() + "\n"


MODULES = (
    "isomorph",
    "isomorph.io",
    "isomorph.align",
    "isomorph.learning",
    "isomorph.transforms",
    "isomorph.linalg",
    "isomorph.metrics",
    "isomorph.vocab",
    "isomorph.plot",
    "isomorph.runtime",
    "isomorph.errors",
)


def reference() -> str:
    """List every public name with its signature and the first line of its docstring."""
    lines = [
        "# Reference",
        "",
        "Made by `python docs/make.py reference`. The whole text of an entry, with shapes, types,",
        "errors, complexity, peak memory and examples: `help(isomorph.topk)`.",
    ]
    for name in MODULES:
        module = importlib.import_module(name)
        lines += ["", f"## {name}", "", _summary(module), ""]
        for member, thing in _members(module):
            lines.append(f"- `{member}{_signature(thing)}`: {_summary(thing)}")
    return "\n".join(lines) + "\n"


def _members(module: object) -> Iterator[tuple[str, object]]:
    """Go through what a module offers, modules left out; its classes and functions otherwise."""
    names = getattr(module, "__all__", None) or [
        name
        for name, thing in vars(module).items()
        if inspect.isclass(thing) and thing.__module__ == module.__name__
    ]
    for name in names:
        thing = getattr(module, name)
        if not inspect.ismodule(thing):
            yield name, thing


def _summary(thing: object) -> str:
    if not (inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing)):
        # The text of its type says nothing of a constant.
        return "a constant"
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")


def _signature(thing: object) -> str:
    if not inspect.isfunction(thing):
        return ""
    names = []
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in names:
            names.append("*")
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        names.append(parameter.name + default)
    return f"({', '.join(names)})"


def put(file: Path, text: str, *, check: bool) -> int:
    """Write a file, or say by the exit status whether it holds that text."""
    if check:
        return int(not file.is_file() or file.read_text(encoding="utf8") != text)
    file.write_text(text, encoding="utf8")
    return 0


def main() -> int:
    """Make what the arguments name."""
    what, check = sys.argv[1:2], "--check" in sys.argv
    if what == ["figure"]:
        figure()
        return 0
    if what == ["pairs"]:
        pairs()
        return 0
    if what == ["budget"] and len(sys.argv) == 3:
        budget(Path(sys.argv[2]))
        return 0
    if what == ["table"]:
        text = README.read_text(encoding="utf8")
        made = TABLE.sub(lambda marks: marks[1] + table_of_record() + marks[2], text)
        return put(README, made, check=check)
    if what == ["reference"]:
        return put(REFERENCE, reference(), check=check)
    print(__doc__)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
