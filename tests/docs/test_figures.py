"""The figures that the pages give for real data are those that the pages' own code gives."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import isomorph as iso

NAMES = {
    "multilingual-e5-small": "e5small384",
    "all-MiniLM-L6-v2": "minilm384",
    "WordLlama 256": "wordllama256",
}
_PREDICTED = r"(\.\d{3}) \[(\.\d{3}), (\.\d{3})\]"
ROW = re.compile(
    rf"^\| (.+) -> (.+) \| {_PREDICTED} \| (\.\d{{3}}) \| {_PREDICTED} \| (\.\d{{3}}) "
    r"\| (\.\d{3}) \|$",
    re.M,
)


def figures(old: np.ndarray, new: np.ndarray) -> list[float]:
    """Fit on 2,000 random pairs, predict, and count on the others, as the page does."""
    order = np.random.default_rng(0).permutation(len(old))
    pairs, rest = order[:2000], order[2000:]
    bridge = iso.bridge(old[pairs], new[pairs], min_retention=0, store_size=len(rest))
    store, queries = bridge(old[rest]), new[rest]
    wanted = iso.topk(queries, queries, 10, exclude_self=True).indices
    found = iso.topk(queries, store, 10, exclude_self=True).indices
    kept = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(wanted, found, strict=True)])
    own = iso.topk(queries, store, 1).indices[:, 0] == np.arange(len(rest))
    mrr = iso.metrics.retrieval_metrics(queries, store, list(range(len(rest)))).mrr
    return [
        bridge.recall, *bridge.recall_interval, float(kept),
        bridge.mrr, *bridge.mrr_interval, mrr,
        float(own.mean()),
    ]  # fmt: skip


@pytest.mark.slow
def test_what_a_moved_store_keeps(shared_data: Path, repository: Path) -> None:
    page = (repository / "docs/how-to/move-a-vector-store.md").read_text(encoding="utf-8")
    rows = ROW.findall(page)
    assert len(rows) == 6
    vectors = {
        name: np.load(shared_data / "paired" / f"{file}.float16.npy").astype(np.float32)
        for name, file in NAMES.items()
    }
    # Half a unit of the last digit shown, and a few of 38,350 neighbours for other rounding.
    for old, new, *told in rows:
        measured = figures(vectors[old], vectors[new])
        assert measured == pytest.approx([float(figure) for figure in told], abs=0.001), (old, new)
    # The README quotes the first row.
    old, new, *told = rows[0]
    kept, own = (round(100 * float(told[column])) for column in (3, 8))
    readme = " ".join((repository / "README.md").read_text(encoding="utf-8").split())
    assert f"mapped from {old} have {kept} % of the ten neighbours that {new} itself" in readme
    assert f"{new} queries find their own sentence first for {own} %" in readme


LANGUAGES = ("German", "Finnish", "French", "Hindi", "Russian", "Sinhala")
ESTIMATES = re.compile(
    rf"^\| ({'|'.join(LANGUAGES)}) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", re.M
)


@pytest.mark.slow
def test_what_a_vocabulary_costs(shared_data: Path, repository: Path) -> None:
    page = (repository / "docs/explanation/vocabulary-budget.md").read_text(encoding="utf-8")
    told = {name: [float(x) for x in values] for name, *values in ESTIMATES.findall(page)}
    assert tuple(told) == LANGUAGES
    folder = shared_data / "parallel"
    tatoeba = [f"tatoeba/tatoeba.{code}-eng.{code}" for code in ("deu", "fin", "fra", "hin", "rus")]
    files = dict(zip(LANGUAGES, [*tatoeba, "flores1/wikipedia.dev.si-en.si"], strict=True))
    lines = {name: list(iso.vocab.corpora.lines(folder / file)) for name, file in files.items()}
    halves = [
        {name: iso.vocab.Corpus.from_lines(text[n::2]) for name, text in lines.items()}
        for n in (0, 1)
    ]
    tokenizer = iso.vocab.Tokenizer.load(
        shared_data / "tokenizers" / "xlmr_unigram_250k_rebuilt.json"
    )
    for column, least in ((0, 1), (2, 2)):
        plan = iso.vocab.plan(tokenizer, languages=halves[0], min_count=least, points=0)
        missing = np.ones(tokenizer.size, bool)
        missing[plan.kept] = False
        for name, part in plan.expected_missing.items():
            counts = tokenizer.usage(halves[1][name].lines()).counts
            found = [100 * part, 100 * counts[missing].sum() / counts.sum()]
            assert found == pytest.approx(told[name][column : column + 2], abs=0.051), name
    # What the text says of the figure.
    whole = {name: folder / file for name, file in files.items() if name != "Sinhala"}
    plan = iso.vocab.plan(tokenizer, languages=whole, max_extra_tokens="5%", points=2)
    sizes = [row.size for row in plan.budget]
    assert {1152, 10432, 11799, 250002} <= set(sizes)
    assert "To the right of 11,799" in page
    assert f"{250002 - 11799:,} rows" in page
    assert plan.size == 10432
    assert "10,432 tokens are enough" in page
