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
ROW = re.compile(
    r"^\| (.+) -> (.+) \| (\.\d+)(?: \((\.\d+) without `translate`\))? \| (\.\d+) \|$", re.M
)


def measure(old: np.ndarray, new: np.ndarray, *, translate: bool) -> tuple[float, float]:
    """Fit on 2,000 random pairs, and count on the others as the page does."""
    order = np.random.default_rng(0).permutation(len(old))
    pairs, held_out = order[:2000], order[2000:]
    bridge = iso.procrustes(old[pairs], new[pairs], translate=translate, scale=True)
    store, queries = bridge(old[held_out]), new[held_out]
    wanted = iso.topk(queries, queries, 10, exclude_self=True).indices
    found = iso.topk(queries, store, 10, exclude_self=True).indices
    kept = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(wanted, found, strict=True)])
    own = iso.topk(queries, store, 1).indices[:, 0] == np.arange(len(held_out))
    return float(kept), float(own.mean())


@pytest.mark.slow
def test_neighbours_kept_by_a_moved_store(shared_data: Path, repository: Path) -> None:
    page = (repository / "docs/how-to/move-a-vector-store.md").read_text(encoding="utf-8")
    rows = ROW.findall(page)
    assert len(rows) == 5
    vectors = {
        name: np.load(shared_data / "paired" / f"{file}.float16.npy").astype(np.float32)
        for name, file in NAMES.items()
    }
    # Half a unit of the last digit shown, and a few of 38,350 neighbours for other rounding.
    for old, new, kept, plain, own in rows:
        figures = measure(vectors[old], vectors[new], translate=True)
        assert figures == pytest.approx((float(kept), float(own)), abs=0.001), (old, new)
        if plain:
            figures = measure(vectors[old], vectors[new], translate=False)
            assert figures[0] == pytest.approx(float(plain), abs=0.001), (old, new)
    # The README quotes the first row.
    first = rows[0]
    assert first[:2] == ("multilingual-e5-small", "all-MiniLM-L6-v2")
    readme = " ".join((repository / "README.md").read_text(encoding="utf-8").split())
    kept, own = (round(100 * float(figure)) for figure in (first[2], first[4]))
    assert f"first for {own} % of all-MiniLM-L6-v2 queries, and {kept} % of the ten" in readme
