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
