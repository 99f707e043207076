"""The commands that trim a model and that undo a trim."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("tokenizers")

from support import small_models as small


@pytest.fixture
def model(tmp_path: Path) -> Path:
    small.write(tmp_path / "model", "llama")
    return tmp_path / "model"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return small.write_text(tmp_path / "corpus.txt", small.CORPUS)


def test_a_trim_prints_before_and_after_and_the_certificate(run, tmp_path, model, corpus):
    out = tmp_path / "out"
    done = run("trim", model, "--corpus", corpus, "-o", out)
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    header = next(n for n, line in enumerate(lines) if line.split() == ["before", "after"])
    table = {line[:19].strip(): line[19:].split() for line in lines[header + 1 : header + 7]}
    assert list(table) == [
        "tokens",
        "rows of tables",
        "parameters",
        "of them in tables",
        "megabytes on disk",
        "megabytes to load",
    ]
    assert len({len(line) for line in lines[header + 1 : header + 7]}) == 1
    assert f"{len(small.CORPUS)} of {len(small.CORPUS)} corpus lines have the same tokens" in (
        done.out
    )
    assert f"wrote {out}" in done.err
    assert str(out / "isomorph" / "changes.json") in done.err
    card = (out / "README.md").read_text()
    assert f"isomorph trim {model} --corpus {corpus} -o {out}" in card


def test_a_dry_run_lists_the_changes_and_needs_no_output(run, tmp_path, model, corpus):
    done = run("trim", model, "--corpus", corpus, "--dry-run")
    assert done.status == 0, done.err
    assert "config.json: vocab_size: 900 -> " in done.out
    assert "about " in done.out
    assert sorted(file.name for file in tmp_path.iterdir()) == ["corpus.txt", "model"]


def test_a_size_that_is_rounded_up_is_said(run, model, corpus):
    done = run("trim", model, "--corpus", corpus, "--dry-run", "--size", 500)
    assert "500 asked, 512 with --multiple-of 64" in done.err
    done = run("trim", model, "--corpus", corpus, "--dry-run", "--size", 512)
    assert "asked" not in done.err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((), "expected --corpus, --language, --scripts or --keep: a size alone"),
        (("--scripts", "French"), "a script is no language: --language fr=fr.txt names"),
        (("--scripts", "Latin", "--min-count", 2), "--min-count: expected --corpus or --language"),
        (("--scripts", "Latin", "--size", 9, "--max-extra-tokens", "5%"), "--size and --max-"),
        (("--scripts", "Latin", "--characters", "corpus"), "--characters: expected --corpus"),
        (("--corpus", "no such.txt"), "no such.txt: no such file or directory\n"),
    ],
)
def test_errors_name_options(run, model, given, told):
    done = run("trim", model, "--dry-run", *given)
    assert done.status == 1
    assert told in done.err


def test_notes_name_options(run, model):
    done = run("trim", model, "--dry-run", "--scripts", "Latin")
    assert "tells them apart, as --language fr=fr.txt" in done.out
    assert done.err.endswith("nothing was written\n")


def test_json_has_everything(run, tmp_path, model, corpus):
    other = small.write_text(tmp_path / "other.txt", small.OTHER)
    options = ("--corpus", corpus, "--held-out", other, "--min-count", 2, "--json")
    done = run("trim", model, *options, "-o", tmp_path / "out")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["before"]["tokens"] == 900
    assert found["certificate"]["held_out"]["total"]["lines"] == len(small.OTHER)
    assert {"file", "field", "old", "new"} == found["changes"][0].keys()


def test_languages_bounds_and_lists(run, tmp_path, model, corpus):
    other = small.write_text(tmp_path / "other.txt", small.OTHER)
    known = small.ids("llama")
    last = max(known, key=known.__getitem__)
    keep = small.write_text(tmp_path / "keep.txt", [last])
    languages = ("--language", f"en={corpus}", "--language", f"fr={other}")
    options = ("--max-extra-tokens", "20%", "--keep", keep, "--multiple-of", 8)
    done = run("trim", model, *languages, *options, "-o", tmp_path / "out")
    assert done.status == 0, done.err
    assert "fr" in done.out
    tokenizer = json.loads((tmp_path / "out" / "tokenizer.json").read_text())
    assert last in tokenizer["model"]["vocab"]


def test_untrim_gives_the_ids_back(run, tmp_path, model, corpus):
    run("trim", model, "--corpus", corpus, "-o", tmp_path / "out")
    done = run("untrim", tmp_path / "out", "-o", tmp_path / "back", "--original", model)
    assert done.status == 0, done.err
    assert "900 rows with their original ids" in done.out
    assert small.read_weights(tmp_path / "back") == small.read_weights(model)
    done = run("untrim", tmp_path / "out", "-o", tmp_path / "two", "--dropped", "zero", "--json")
    assert json.loads(done.out)["rule"] == "zero"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "-o OUT: expected a folder to write, or --dry-run"),
        (("-o", "out"), "expected --corpus, --language, --scripts or --keep"),
        (("-o", "out", "--corpus", "missing.txt"), "missing.txt: no such file"),
        (("-o", "model/x", "--corpus", "corpus.txt"), "expected a folder apart"),
        (("-o", "out", "--corpus", "corpus.txt", "--size", "3"), "--size: expected"),
        (("-o", "out", "--scripts", "Klingonish"), "Klingonish"),
        (("-o", "out", "--scripts", "Latin", "--table", "x=input"), "has no tensor 'x'"),
        (("-o", "out", "--scripts", "Latin", "--table", "lm_head.weight=odd"), "expected one of"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, monkeypatch, model, corpus, options, message):
    monkeypatch.chdir(tmp_path)
    done = run("trim", "model", *options)
    assert done.status == 1
    assert message in done.err
    assert done.err.startswith("isomorph: error: ")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options", [("--max-extra-tokens", "5 apples"), ("--size", "0"), ("--language", "fr.txt")]
)
def test_options_that_cannot_be_read(run, model, options):
    done = run("trim", model, "-o", "out", *options)
    assert done.status == 2
    assert "usage: isomorph trim" in done.err
