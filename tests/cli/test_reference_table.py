"""``isomorph align`` prints the reference table of the development data, to the last digit."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(1200)

#: Source, target: dictionary, training pairs, test words found and in all, and P@1/5/10 in per
#: cent of NN and CSLS; what a plain NumPy float32 program gives.
TABLE = {
    ("en", "fr"): ("muse.en-fr", 8244, (1377, 1500), "71.17 85.62 89.54", "73.64 89.11 91.79"),
    ("en", "fi"): ("muse.en-fi", 8066, (1270, 1500), "54.72 77.01 83.54", "60.94 81.57 87.01"),
    ("en", "ru"): ("muse.en-ru", 6829, (1158, 1500), "37.48 61.31 69.26", "46.63 70.98 77.72"),
    ("fr", "en"): ("muse.en-fr", 8244, (2301, 2448), "52.85 76.97 82.57", "54.37 80.40 85.79"),
    ("fi", "en"): ("muse.en-fi", 8066, (2238, 2705), "44.68 71.54 78.46", "47.18 74.84 81.10"),
    ("ru", "en"): ("muse.en-ru", 6829, (1959, 2641), "33.54 61.41 69.17", "35.58 62.84 69.93"),
    ("si_ppmi", "en"): (
        "cc_si-en_trainset_1500_5000_200k.txt",
        3023,
        (679, 1000),
        "32.99 50.07 55.82",
        "17.97 31.96 36.52",
    ),
}
QUICK = ("en", "fr")


def command(data: Path, pair: tuple[str, str], output: Path) -> list[object]:
    """Return the command line for one row of the table."""
    dictionary = TABLE[pair][0]
    vectors = [data / "vectors" / f"{language}.float16.npy" for language in pair]
    folder = data / "dictionaries"
    if dictionary.endswith(".txt"):
        given = ["--train", folder / dictionary, "--holdout", 5]
    else:
        parts = [folder / f"{dictionary}.{part}.tsv" for part in ("train", "test")]
        given = ["--train", parts[0], "--test", parts[1]]
    if not dictionary.startswith(f"muse.{pair[0]}"):
        given += ["--reverse"] if dictionary.startswith("muse") else []
    return ["align", *vectors, *given, "-o", output]


def printed(text: str) -> tuple[str, str]:
    """Return P@1/5/10 of NN and of CSLS as the terminal shows them."""
    rows = re.findall(r"^P@\d+ +([\d.]+) +\[.*?\] +([\d.]+) +\[.*?\]$", text, re.MULTILINE)
    assert len(rows) == 3
    nearest, corrected = zip(*rows, strict=True)
    return " ".join(nearest), " ".join(corrected)


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(pair, id="-".join(pair), marks=() if pair == QUICK else pytest.mark.slow)
        for pair in TABLE
    ],
)
def test_row(run, shared_data: Path, tmp_path: Path, pair: tuple[str, str]) -> None:
    _, pairs, words, nearest, corrected = TABLE[pair]
    done = run(*command(shared_data, pair, tmp_path / "out"), "--no-verdict")
    assert done.status == 0, done.err
    assert printed(done.out) == (nearest, corrected)
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))
    assert figures["train"]["pairs_used"] == pairs
    assert (figures["test"]["sources_found"], figures["test"]["sources_total"]) == words


@pytest.mark.slow
@pytest.mark.parametrize(("pair", "decision"), [(("si_ppmi", "en"), "hurts"), (QUICK, "helps")])
def test_the_verdict_is_given_without_a_test(
    run, shared_data: Path, tmp_path: Path, pair: tuple[str, str], decision: str
) -> None:
    arguments = command(shared_data, pair, tmp_path / "out")
    if "--test" in arguments:
        place = arguments.index("--test")
        arguments = arguments[:place] + arguments[place + 2 :]
    done = run(*arguments, "--json")
    assert json.loads(done.out)["verdict"]["decision"] == decision
