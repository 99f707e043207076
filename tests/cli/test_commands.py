"""``demo``, ``evaluate``, ``convert``, ``info`` and ``bench``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import isomorph as iso
from isomorph import data, io
from support.bridge_contracts import a_bridge


@pytest.mark.parametrize("pair", data.PAIRS)
def test_demo_writes_a_report_and_prints_intervals(run, tmp_path: Path, pair: str) -> None:
    folder = tmp_path / "out"
    done = run("demo", "--pair", pair, "-o", folder)
    assert done.status == 0, done.err
    assert sorted(path.name for path in folder.iterdir()) == [
        "map.safetensors",
        "metrics.json",
        "report.html",
    ]
    assert re.search(r"^P@1 +\d\d\.\d\d +\[\d\d\.\d, \d\d\.\d\] +\d\d\.\d\d +\[", done.out, re.M)
    assert "CSLS helps on this data" in done.out
    assert "folds of the training dictionary" in done.out
    assert f"isomorph translate {folder} sample:{pair[:2]} sample:{pair[3:]}" in done.err


def test_demo_goes_to_its_own_folder_by_default(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("demo", "--json", "--quiet")
    assert done.err == ""
    assert json.loads(done.out)["format"] == "isomorph.align/1"
    assert [path.name for path in tmp_path.iterdir()] == ["isomorph-demo"]


def test_a_second_demo_replaces_the_first(run, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("earlier")
    (tmp_path / "notes.txt").write_text("mine")
    assert run("demo", "-o", tmp_path).status == 0
    assert "earlier" not in (tmp_path / "report.html").read_text("utf-8")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_evaluate_with_a_map_agrees_with_align(run, files, aligned: Path) -> None:
    done = run(
        "evaluate", files.source, files.target, "--dictionary", files.test, "--map", aligned,
        "--convention", "vecmap", "--json",
    )  # fmt: skip
    found = json.loads(done.out)["vecmap"]
    expected = json.loads((aligned / "metrics.json").read_text("utf-8"))["translation"]
    for method in ("nn", "csls"):
        assert found[method]["precision"] == expected[method]["precision"]
        assert found[method]["mrr"] == expected[method]["mrr"]


def test_conventions_differ_in_what_they_count(run, files, aligned: Path) -> None:
    done = run(
        "evaluate", files.source, files.target, "--dictionary", files.test, "--map", aligned,
        "--convention", "all", "--method", "nn",
    )  # fmt: skip
    rows = [line.split() for line in done.out.splitlines()[1:]]
    counted = {row[0]: (row[2], " ".join(row[-3:])) for row in rows}
    assert counted["vecmap"] == ("100.00", "30 of 31")
    # One of the 31 words of the dictionary is in no vocabulary.
    assert counted["fasttext"] == ("96.77", "31 of 31")


def test_evaluate_without_a_map_takes_the_vectors_as_they_are(run, files) -> None:
    done = run(
        "evaluate", files.source, files.target, "--dictionary", files.test,
        "--method", "nn", "--json",
    )  # fmt: skip
    assert json.loads(done.out)["vecmap"]["nn"]["precision"]["1"] < 0.3


@pytest.mark.parametrize("ending", ["vec", "vec.gz", "npy", "safetensors"])
def test_convert_there_and_back_changes_no_bit(run, files, tmp_path: Path, ending: str) -> None:
    there, back = tmp_path / f"there.{ending}", tmp_path / "back.vec"
    assert run("convert", files.source, there).status == 0
    assert run("convert", there, back).status == 0
    first, last = io.load(files.source), io.load(back)
    assert list(first.words) == list(last.words)
    np.testing.assert_array_equal(first.vectors, last.vectors)


def test_convert_keeps_what_is_asked_for(run, tmp_path: Path) -> None:
    out = tmp_path / "fi.npy"
    done = run("convert", "sample:fi", out, "--limit", 50, "--drop-ascii", "--json")
    kept = io.load(out)
    assert json.loads(done.out)["rows"] == len(kept)
    assert 0 < len(kept) < 50
    assert not any(word.isascii() for word in kept.words)


def test_convert_refuses_an_unknown_ending_before_reading(run, tmp_path: Path) -> None:
    done = run("convert", tmp_path / "nosuch.vec", tmp_path / "out.xyz")
    assert done.status == 1
    assert "out.xyz" in done.err


def test_info_on_vectors(run, files) -> None:
    facts = json.loads(run("info", files.target, "--json").out)
    assert (facts["kind"], facts["format"]) == ("vectors", "text")
    assert (facts["words"], facts["dimension"]) == (80, 8)
    assert facts["first words"][:2] == ["tä0", "tä1"]
    assert facts["repeated words"] == 0
    assert facts["scripts"] == {"Latin": 80}


def test_info_on_safetensors_tells_vectors_from_maps(run, files, aligned: Path, tmp_path) -> None:
    vectors = tmp_path / "v.safetensors"
    run("convert", files.source, vectors)
    assert json.loads(run("info", vectors, "--json").out)["kind"] == "vectors"
    for path in (aligned, aligned / "map.safetensors"):
        facts = json.loads(run("info", path, "--json").out)
        assert facts["kind"] == "map"
        assert facts["source transform"] == "unit centre unit"
        assert facts["provenance"]["csls_verdict"] in ("helps", "hurts", "undetermined")
    assert "csls_verdict" in run("info", aligned).out


def test_info_on_a_bridge_and_a_common_space(run, tmp_path: Path) -> None:
    bridge = a_bridge(iso.LinearMap(np.eye(3)[:, :2]))
    bridge.save(tmp_path / "map.safetensors")
    for path in (tmp_path, tmp_path / "map.safetensors"):
        facts = json.loads(run("info", path, "--json").out)
        assert (facts["kind"], facts["source dimension"], facts["target dimension"]) == (
            "bridge", 3, 2,
        )  # fmt: skip
        assert {name: facts[name] for name in bridge.as_dict()} == bridge.as_dict()
    shown = run("info", tmp_path)
    assert shown.status == 0, shown.err
    assert "retention" in shown.out
    path = tmp_path / "hub.safetensors"
    iso.CommonSpace({"en": iso.LinearMap(np.eye(3)), "fr": iso.LinearMap(np.eye(3))}).save(path)
    facts = json.loads(run("info", path, "--json").out)
    assert (facts["kind"], facts["dimension"]) == ("common space", 3)
    assert facts["spaces"] == {"en": 3, "fr": 3}
    assert run("info", path).status == 0
    np.save(tmp_path / "in.npy", np.ones((4, 3)))
    refused = run("apply", path, tmp_path / "in.npy", tmp_path / "out.npy")
    assert refused.status == 1
    assert "got isomorph.CommonSpace" in refused.err


def test_info_on_what_is_neither(run, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"not at all")
    done = run("info", tmp_path / "x.safetensors")
    assert done.status == 1
    assert "x.safetensors" in done.err
    assert run("info", tmp_path).status == 1


@pytest.mark.parametrize("name", ["sample:xx", "sample:"])
def test_unknown_samples_are_named(run, name: str) -> None:
    done = run("info", name)
    assert done.status == 1
    assert "en, fr, fi" in done.err


def test_what_is_no_map_is_said_to_be_none(run, files, tmp_path: Path) -> None:
    path = tmp_path / "words.vec"
    path.write_text("hello 1 2 3\n")
    for given in (path, files.source):
        done = run("translate", str(given), files.source, files.target, "word")
        assert done.status == 1
        assert f"{given}: expected a map that 'isomorph align' has written" in done.err
        assert done.err.count(str(given)) == 1


def test_an_option_that_the_library_refuses_is_named_as_it_is_typed(run, files, aligned) -> None:
    done = run("translate", str(aligned), files.source, files.target, "s1", "--neighborhood", "999")
    assert done.status == 1
    assert "error: --neighborhood: expected 1 to" in done.err


def test_spaces_that_were_never_aligned_are_suspected(run) -> None:
    done = run("evaluate", "sample:en", "sample:fr", "--dictionary", "sample:en-fr.test")
    assert done.status == 0
    assert "do not seem to be in one space; --map takes" in done.err


def test_a_file_cut_short_is_explained_without_python(run, tmp_path: Path) -> None:
    path = tmp_path / "short.vec"
    path.write_text("1 2\n")
    done = run("info", str(path))
    assert done.status == 1
    assert "put a line with the numbers of rows and columns above it" in done.err
