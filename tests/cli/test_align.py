"""``isomorph align`` and ``translate`` on files: outputs, figures, options."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import isomorph as iso
from isomorph import io

OUTPUTS = ["map.safetensors", "metrics.json", "report.html"]


def align(files, output, *options):
    return (
        "align", files.source, files.target, "--train", files.train, "--test", files.test,
        "-o", output, *options,
    )  # fmt: skip


def test_a_turned_copy_is_translated_without_error(aligned: Path) -> None:
    figures = json.loads((aligned / "metrics.json").read_text(encoding="utf-8"))
    assert sorted(path.name for path in aligned.iterdir()) == OUTPUTS
    assert figures["translation"]["nn"]["precision"] == {"1": 1.0, "5": 1.0, "10": 1.0}
    assert figures["translation"]["csls"]["mrr"] == 1.0
    assert figures["train"]["pairs_used"] == 50
    assert figures["test"]["sources_found"] == 30
    assert figures["test"]["sources_total"] == 31
    assert figures["verdict"]["decision"] in ("helps", "hurts", "undetermined")
    roles = [file["role"] for file in figures["provenance"]["files"]]
    assert roles == ["source", "target", "training dictionary", "test dictionary"]


def test_the_map_brings_both_sides_together(aligned: Path, files) -> None:
    alignment = iso.Alignment.load(aligned / "map.safetensors")
    source, target = io.load(files.source), io.load(files.target)
    moved = alignment.apply_source(source.vectors)
    # Each side has its own centre, so the turned copy is met up to rounding.
    np.testing.assert_allclose(moved, alignment.apply_target(target.vectors), atol=1e-5)
    assert alignment.map.metrics["precision_at_1_nn"] == 1.0
    assert alignment.map.provenance["settings"]["chain"] == "unit center unit"


def test_json_is_what_metrics_json_holds(run, files, tmp_path: Path) -> None:
    done = run(*align(files, tmp_path / "out", "--json"))
    assert done.status == 0
    assert json.loads(done.out) == json.loads((tmp_path / "out/metrics.json").read_text("utf-8"))


def test_the_table_is_plain_and_whole_when_piped(run, files, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    done = run(*align(files, tmp_path / "out"))
    assert re.search(
        r"^P@1   100.00  \[.*, 100.0\]  100.00  \[.*, 100.0\]$", done.out, re.MULTILINE
    )
    assert "30 of 31 words in both vocabularies (96.8 %)" in done.out
    assert "\x1b" not in done.out
    assert "…" not in done.out
    assert done.err == ""


def test_without_a_test_there_is_still_a_verdict(run, files, tmp_path: Path) -> None:
    done = run(
        "align", files.source, files.target, "--train", files.train,
        "-o", tmp_path / "out", "--json",
    )  # fmt: skip
    figures = json.loads(done.out)
    assert figures["translation"] == {}
    assert figures["test"] is None
    assert figures["verdict"] is not None
    assert "add --test" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_holdout_measures_on_every_nth_source_word(run, files, tmp_path: Path) -> None:
    done = run(
        "align", files.source, files.target, "--train", files.train, "--holdout", 5,
        "-o", tmp_path / "out", "--json",
    )  # fmt: skip
    figures = json.loads(done.out)
    assert figures["train"]["pairs_used"] == 40
    assert figures["test"]["sources_total"] == 10
    assert figures["translation"]["nn"]["precision"]["1"] == 1.0


def test_reversed_dictionaries(run, files, tmp_path: Path) -> None:
    done = run(
        "align", files.target, files.source, "--train", files.train, "--test", files.test,
        "--reverse", "-o", tmp_path / "out", "--json",
    )  # fmt: skip
    figures = json.loads(done.out)
    assert figures["translation"]["nn"]["precision"]["1"] == 1.0
    assert figures["test"]["sources_total"] == 31


def test_pruning_takes_words_away(run, files, tmp_path: Path) -> None:
    done = run(*align(files, tmp_path / "out", "--drop-ascii-source"))
    assert done.status == 1
    assert "no word is left" in done.err
    done = run(*align(files, tmp_path / "out", "--limit", 70, "--drop-ascii-target", "--json"))
    assert json.loads(done.out)["target"]["rows"] == 70
    assert json.loads(done.out)["test"]["sources_found"] == 20


def test_the_same_input_gives_the_same_bytes(run, files, tmp_path: Path) -> None:
    figures = []
    for name, threads in (("a", 1), ("b", 3)):
        run(*align(files, tmp_path / name, "--threads", threads))
        read = json.loads((tmp_path / name / "metrics.json").read_text("utf-8"))
        for changing in ("seconds", "peak_memory_bytes", "provenance"):
            del read[changing]
        del read["settings"]["threads"]
        figures.append(read)
    assert figures[0] == figures[1]


def test_translate_finds_the_word(run, files, aligned: Path) -> None:
    done = run("translate", aligned, files.source, files.target, "s3", "s70", "-k", 1, "--json")
    found = json.loads(done.out)["translations"]
    assert {word: [item["word"] for item in items] for word, items in found.items()} == {
        "s3": ["tä3"],
        "s70": ["tä70"],
    }


@pytest.mark.parametrize("method", ["nn", "csls"])
def test_translate_by_either_method(run, files, aligned: Path, method: str) -> None:
    done = run("translate", aligned, files.source, files.target, "s5", "-k", 2, "--method", method)
    first, second, *_ = done.out.splitlines()
    assert first.split() == ["word", "translation", method.upper()]
    assert second.split()[:2] == ["s5", "tä5"]


def test_translate_takes_what_the_verdict_recommends(run, files, aligned: Path) -> None:
    recorded = iso.Alignment.load(aligned / "map.safetensors").map.provenance["csls_verdict"]
    done = run("translate", aligned, files.source, files.target, "s5", "--json")
    assert json.loads(done.out)["method"] == ("nn" if recorded == "hurts" else "csls")


def test_translate_names_unknown_words_and_goes_on(run, files, aligned: Path) -> None:
    done = run("translate", aligned, files.source, files.target, "nosuch", "s5")
    assert done.status == 1
    assert "xx.vec does not have 'nosuch'" in done.err
    assert "tä5" in done.out


def test_translate_reads_words_from_standard_input(run, files, aligned, monkeypatch) -> None:
    import io as streams

    monkeypatch.setattr("sys.stdin", streams.StringIO("s1\n\n s2\n"))
    done = run("translate", aligned, files.source, files.target, "-", "--json")
    assert list(json.loads(done.out)["translations"]) == ["s1", "s2"]


def test_a_dictionary_the_other_way_round_is_named(run, files, tmp_path: Path) -> None:
    right = Path(files.train).read_text(encoding="utf-8").splitlines()
    # Both vocabularies hold a word that is spelt alike, as real ones do: pairs are found.
    for name in (files.source, files.target):
        vectors = io.load(name)
        io.save(io.Embeddings(["taxi", *vectors.words[1:]], vectors.vectors), name)
    turned = tmp_path / "turned.txt"
    swapped = ["\t".join(reversed(line.split("\t"))) for line in right[1:]]
    turned.write_text("\n".join(["taxi\ttaxi", *swapped]), encoding="utf-8")
    command = ("align", files.source, files.target, "--train", turned, "-o", tmp_path / "out")
    done = run(*command, "--quiet", "--json")
    assert done.status == 0
    assert f"{turned}: only 1 of 50 training pairs are in both vocabularies" in done.err
    assert "50 are the other way round, with --reverse" in done.err
    assert json.loads(done.out)["train"]["pairs_used"] == 1
    assert run(*command, "--reverse").err == ""


def test_a_dictionary_of_other_languages_is_doubted(run, files, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    known = Path(files.train).read_text(encoding="utf-8").splitlines()[:2]
    other.write_text("\n".join([*known, *(f"u{i}\tv{i}" for i in range(98))]), encoding="utf-8")
    done = run("align", files.source, files.target, "--train", other, "-o", tmp_path / "out")
    assert done.status == 0
    assert "only 2 of 100 training pairs" in done.err
    assert "are the languages, their order and the case of the words right?" in done.err
    assert "--reverse" not in done.err


def test_a_map_that_is_asked_the_other_way_round_says_so(run, aligned, files, tmp_path) -> None:
    said = f"the map was fitted from {files.source} to {files.target}"
    assert run("translate", aligned, files.source, files.target, "s1").err == ""
    done = run("translate", aligned, files.target, files.source, "tä1", "--json")
    assert said in done.err
    assert "tä1" in json.loads(done.out)["translations"]
    turned = tmp_path / "turned.txt"
    turned.write_text("tä1\ts1\n", encoding="utf-8")
    command = ("evaluate", "--dictionary", turned, files.target, files.source)
    assert said in run(*command, "--map", aligned).err
    assert said not in run(*command).err


def test_the_method_may_be_named(run, files, tmp_path: Path) -> None:
    done = run(*align(files, tmp_path / "out", "--method", "ridge", "--json"))
    figures = json.loads(done.out)
    assert figures["settings"]["method"] == "ridge"
    assert figures["singular_values"] is None
    assert figures["selection"] is None
    assert figures["verdict"]["words"] == 50
    assert "Shared directions" not in (tmp_path / "out/report.html").read_text("utf-8")
    assert run(*align(files, tmp_path / "no", "--method", "magic")).status == 2


def test_the_data_may_choose_the_method(run, files, tmp_path: Path) -> None:
    done = run(*align(files, tmp_path / "out", "--method", "auto"))
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    header = next(line for line in lines if line.startswith("method"))
    assert header.split() == ["method", "NN", "CSLS", "difference", "p"]
    assert any(line.startswith("procrustes ") for line in lines)
    assert any(line.startswith("chosen: ") for line in lines)
    figures = json.loads((tmp_path / "out/metrics.json").read_text("utf-8"))
    chosen = figures["selection"]["chosen"]
    assert figures["settings"]["method"].startswith("auto: ")
    assert {one["label"] for one in figures["selection"]["tried"]} > {chosen, "ridge"} - {chosen}
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "Which method?" in page
    assert "left-out words among" in page
    kept = iso.Alignment.load(tmp_path / "out/map.safetensors").map.selection
    assert kept is not None
    assert kept.chosen == chosen
    told = run("info", tmp_path / "out")
    assert kept.because in told.out
    assert "metrics: auto" not in told.out
    data = json.loads(run("info", tmp_path / "out", "--json").out)
    assert data["metrics"]["auto"]["chosen"] == chosen
