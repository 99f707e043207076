"""What the figures of ``metrics.isometry`` are worth: pairs of real spaces, and controls.

``python benches/isometry.py DATA`` with the folder of development data (vectors/ and dictionaries/)
prints one line a pair: P@1 by CSLS and by nearest neighbour of an orthogonal map on test words, and
the figures. The tables in docs/how-to/are-my-spaces-alike.md are made from its lines.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import isomorph as iso

PAIRS = ("en-fr", "en-fi", "en-ru", "fr-fi", "fi-ru", "fr-ru", "si-en")


def load(data: Path, name: str) -> iso.io.Embeddings:
    name = {"si": "si_ppmi"}.get(name, name)
    words = (data / "vectors" / f"{name}.words.txt").read_text(encoding="utf8").split("\n")
    vectors = np.load(data / "vectors" / f"{name}.float16.npy").astype(np.float32)
    return iso.io.Embeddings(words[: len(vectors)], vectors)


def dictionary(data: Path, sides: dict[str, Any], pair: str, part: str) -> iso.Pairs:
    """Give the rows of a dictionary; between two others, of what shares an English word."""
    source, target = pair.split("-")
    folder = data / "dictionaries"
    if pair == "si-en":
        path = folder / "cc_si-en_trainset_1500_5000_200k.txt"
        whole = iso.io.load_dictionary(path, sides["si"], sides["en"])
        words = {row: n for n, row in enumerate(dict.fromkeys(whole.source.tolist()))}
        held_out = np.array([words[row] % 5 == 4 for row in whole.source.tolist()])
        kept = held_out if part == "test" else ~held_out
        return iso.Pairs(whole.source[kept], whole.target[kept])
    if source == "en":
        path = folder / f"muse.{pair}.{part}.tsv"
        return iso.io.load_dictionary(path, sides["en"], sides[target])
    left, right = (dictionary(data, sides, f"en-{name}", part) for name in (source, target))
    found = [
        (mine, theirs)
        for english, mine in zip(left.source, left.target, strict=True)
        for theirs in right.target[right.source == english]
    ]
    return iso.Pairs(*(np.array(side) for side in zip(*dict.fromkeys(found), strict=True)))


def show(name: str, found: iso.metrics.Isometry, accuracy: tuple[float, ...] = ()) -> None:
    low, high = found.relational_interval or (0.0, 0.0)
    print(
        f"{name:24}",
        *(f"P@1 {100 * value:5.1f}" for value in accuracy),
        f"relational {found.relational_similarity:.3f} [{low:.3f}, {high:.3f}]",
        f"eigenvalues {found.eigenvalue_distance:.0f} ({found.eigenvalue_share:.3f})",
        f"GH {found.gromov_hausdorff:.3f} ({found.gromov_hausdorff_share:.2f})",
        f"gap {found.singular_value_gap:.1f} condition {found.condition:.1f} {found.verdict}",
        flush=True,
    )


def main(data: Path) -> None:
    sides = {name: load(data, name) for name in ("en", "fr", "fi", "ru", "si")}
    chain = iso.transforms.Chain.parse("unit centre unit")
    spaces = {name: chain.fit_apply(side.vectors)[1] for name, side in sides.items()}
    for pair in PAIRS:
        source, target = pair.split("-")
        train, test = (dictionary(data, sides, pair, part) for part in ("train", "test"))
        fitted = iso.procrustes(spaces[source][train.source], spaces[target][train.target])
        mapped = fitted(spaces[source])
        accuracy = tuple(
            iso.metrics.word_translation(mapped, spaces[target], test, method=method).precision[1]
            for method in ("csls", "nn")
        )
        found = iso.metrics.isometry(sides[source].vectors, sides[target].vectors, train)
        show(pair, found, accuracy)
    english, french = sides["en"].vectors, sides["fr"].vectors
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.standard_normal((300, 300)))[0].astype(np.float32)
    unit = iso.transforms.unit(english)
    noise = rng.standard_normal(unit.shape).astype(np.float32) / np.sqrt(300)
    every = np.arange(len(english))
    columns = np.stack([rng.permutation(column) for column in english.T], axis=1)
    pairs = dictionary(data, sides, "en-fr", "train")
    shuffled = iso.Pairs(pairs.source, rng.permutation(pairs.target))
    controls = {
        "turned": (english @ turn, (every, every)),
        "noise, half": ((unit + 0.5 * noise) @ turn, (every, every)),
        "noise, as much": ((unit + noise) @ turn, (every, every)),
        "other words": (english[2000:], (every[:5000], every[:5000])),
        "pairs shuffled": (french, shuffled),
        "columns shuffled": (columns, (every, every)),
        "random directions": (noise, (every, every)),
    }
    for name, (other, given) in controls.items():
        show(name, iso.metrics.isometry(english, other, given))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
