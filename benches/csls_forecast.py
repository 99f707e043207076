"""Does any figure seen without a dictionary tell whether CSLS helps? The cells of the experiment.

``python benches/csls_forecast.py DATA`` with the folder of development data (vectors/ and
dictionaries/) prints one line a cell: P@1 by nearest neighbour and CSLS on test words with a map
fitted on a dictionary, and what ``metrics.csls_forecast`` sees of the mapped spaces alone. The
table and the accuracies in docs/explanation/csls-forecast.md are made from its lines
(``--table FILE``).
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

import isomorph as iso

DIRECT = ("en-fr", "en-fi", "en-ru", "en-si", "fr-en", "fi-en", "ru-en", "si-en")
#: Through English: what translates one English word translates each other.
PIVOT = ("si-fr", "si-fi", "si-ru", "fr-si", "fi-ru", "ru-fi", "fr-ru", "ru-si")
MAPS = ("procrustes", "few", "ridge", "uncentred", "noisy")

Words = list[tuple[str, str]]


def load(data: Path, name: str) -> tuple[list[str], Any]:
    name = {"si": "si_ppmi"}.get(name, name)
    words = (data / "vectors" / f"{name}.words.txt").read_text(encoding="utf8").split("\n")
    vectors = np.load(data / "vectors" / f"{name}.float16.npy").astype(np.float32)
    return words[: len(vectors)], vectors


def read(path: Path) -> Words:
    lines = (line.split() for line in path.read_text(encoding="utf8").splitlines())
    return [(parts[0], parts[1]) for parts in lines if len(parts) >= 2]


def dictionaries(data: Path, pair: str) -> tuple[Words, Words]:
    """Training and test pairs of words."""
    source, target = pair.split("-")
    folder = data / "dictionaries"
    if "en" not in (source, target):
        sides = [dictionaries(data, name) for name in (f"{source}-en", f"en-{target}")]
        if "si" in (source, target):
            # The English words of one side are split otherwise than those of the other.
            whole = 1 if source == "si" else 0
            sides[whole] = (sides[whole][0] + sides[whole][1],) * 2
        return joined(sides[0][0], sides[1][0]), joined(sides[0][1], sides[1][1])
    if "si" in (source, target):
        pairs = read(folder / f"cc_{source}-{target}_trainset_1500_5000_200k.txt")
        order = {word: number for number, word in enumerate(dict.fromkeys(a for a, _ in pairs))}
        return tuple(  # type: ignore[return-value]
            [p for p in pairs if (order[p[0]] % 5 == 4) == is_test] for is_test in (False, True)
        )
    other = target if source == "en" else source
    train, test = (read(folder / f"muse.en-{other}.{part}.tsv") for part in ("train", "test"))
    if source != "en":
        train, test = ([(b, a) for a, b in part] for part in (train, test))
    return train, test


def joined(first: Words, second: Words) -> Words:
    translations = defaultdict(list)
    for english, word in second:
        translations[english].append(word)
    return [(word, other) for word, english in first for other in translations[english]]


def rows(pairs: Words, source: list[str], target: list[str]) -> Any:
    own = {word: row for row, word in reversed(list(enumerate(source)))}
    other = {word: row for row, word in reversed(list(enumerate(target)))}
    known = [(own[a], other[b]) for a, b in pairs if a in own and b in other]
    return np.array(known, dtype=np.int64)


def mapped(x: Any, y: Any, train: Any, kind: str) -> Any:
    rng = np.random.default_rng(1)
    if kind == "few":
        train = train[rng.permutation(len(train))[:500]]
    if kind == "ridge":
        a, b = x[train[:, 0]].astype(float), y[train[:, 1]].astype(float)
        w = np.linalg.solve(a.T @ a + np.eye(a.shape[1]), a.T @ b)
        z = (x @ w).astype(np.float32)
    else:
        z = np.asarray(iso.procrustes(x[train[:, 0]], y[train[:, 1]])(x))
    if kind == "noisy":
        z = z + 0.6 / z.shape[1] ** 0.5 * rng.standard_normal(z.shape).astype(np.float32)
    return z


def cell(data: Path, pair: str, kind: str) -> dict[str, Any]:
    """Measure one cell."""
    (source, vx), (target, vy) = (load(data, name) for name in pair.split("-"))
    chain = iso.transforms.Chain.parse("unit" if kind == "uncentred" else "unit center unit")
    x, y = chain.fit_apply(vx)[1], chain.fit_apply(vy)[1]
    train, test = (rows(part, source, target) for part in dictionaries(data, pair))
    z = mapped(x, y, train, kind)
    pairs = iso.Pairs(test[:, 0], test[:, 1])
    nn, csls = (
        iso.metrics.word_translation(z, y, pairs, method=method, at=(1,), resamples=200)
        for method in ("nn", "csls")
    )
    truth = iso.metrics.paired_difference(csls.hits(1), nn.hits(1))
    seen = iso.metrics.csls_forecast(z, y)
    return {
        "pair": pair,
        "map": kind,
        "nn": nn.precision[1],
        "csls": csls.precision[1],
        "interval": list(truth.interval),
        **{key: value for key, value in seen.as_dict().items() if key != "explanation"},
    }


FIGURES = {
    "halves": lambda c: c["halves"]["difference"] if c["halves"] else 0.0,
    "returning": lambda c: c["returning"],
    "radius-occurrence": lambda c: c["radius_occurrence"],
    "skewness": lambda c: c["skewness"],
    "log skewness ratio": lambda c: float(np.log(c["skewness"] / c["reverse_skewness"])),
}


def left_out(values: Any, helps: Any, groups: Any) -> float:
    """Share of right signs, the threshold chosen on the cells of all other groups."""
    right = 0
    for group in set(groups):
        inside = np.array([g == group for g in groups])
        known, signs = values[~inside], helps[~inside]
        cuts = np.concatenate([[-np.inf], np.sort(known)])
        scored = [((s * (known - cut) > 0) == signs).mean() for cut in cuts for s in (1, -1)]
        best = int(np.argmax(scored))
        cut, s = cuts[best // 2], (1, -1)[best % 2]
        right += int(((s * (values[inside] - cut) > 0) == helps[inside]).sum())
    return right / len(values)


def table(cells: list[dict[str, Any]]) -> str:
    """Give the cells and the accuracies in Markdown."""
    lines = ["| pair | map | NN | CSLS - NN | halves | returning | radius-occ. | skewness |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for c in sorted(cells, key=lambda c: c["csls"] - c["nn"]):
        sure = c["interval"][0] > 0 or c["interval"][1] < 0
        lines.append(
            f"| {c['pair']} | {c['map']} | {100 * c['nn']:.1f} | "
            f"{100 * (c['csls'] - c['nn']):+.1f}{'' if sure else ' (unsure)'} | "
            f"{100 * FIGURES['halves'](c):+.2f} | {100 * c['returning']:+.1f} | "
            f"{c['radius_occurrence']:.2f} | {c['skewness']:.1f} |"
        )
    helps = np.array([c["csls"] > c["nn"] for c in cells])
    unordered = ["-".join(sorted(c["pair"].split("-"))) for c in cells]
    language = [next(iter({"si"} & set(c["pair"].split("-"))), c["pair"]) for c in cells]
    lines += ["", f"{len(cells)} cells, CSLS helps in {helps.sum()}.", ""]
    lines.append("| figure | sign at 0 | hurt cells found | pair left out | Sinhala left out |")
    lines.append("|---|---|---|---|---|")
    for name, figure in FIGURES.items():
        values = np.array([figure(c) for c in cells])
        found = (values <= 0)[~helps].mean()
        at_zero = ((values > 0) == helps).mean()
        out = [left_out(values, helps, groups) for groups in (unordered, language)]
        lines.append(f"| {name} | {at_zero:.0%} | {found:.0%} | {out[0]:.0%} | {out[1]:.0%} |")
    lines.append(f"| always helps | {helps.mean():.0%} | 0% | {helps.mean():.0%} | |")
    return "\n".join(lines)


def main() -> None:
    """Measure all cells, or make the table of measured ones."""
    if sys.argv[1] == "--table":
        text = Path(sys.argv[2]).read_text(encoding="utf8")
        print(table([json.loads(line) for line in text.splitlines()]))
        return
    data = Path(sys.argv[1])
    cells = [(pair, kind) for kind in MAPS for pair in DIRECT]
    cells[16:16] = [(pair, kind) for kind in ("procrustes", "ridge") for pair in PIVOT]
    for pair, kind in cells:
        print(json.dumps(cell(data, pair, kind)), flush=True)


if __name__ == "__main__":
    main()
