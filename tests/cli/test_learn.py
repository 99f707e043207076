"""``isomorph learn``: outputs, starts, interruption, and what it says of a run that failed."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import isomorph as iso
from isomorph import io

OUTPUTS = ["dictionary.tsv", "log.jsonl", "map.safetensors", "metrics.json"]
QUICK = ("--patience", "2", "--keep", "0.5")


@pytest.fixture
def languages(tmp_path: Path, rng: np.random.Generator):
    """Write two vocabularies of 200 words that are one, turned, and a test dictionary."""
    vectors = (rng.standard_normal((200, 8)) ** 3).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0].astype(np.float32)
    shared = [f"same{i}" for i in range(30)] + [str(i) for i in range(20)]
    for side, rows in (("a", vectors), ("b", vectors @ turn)):
        words = shared + [f"{side}{i}" for i in range(150)]
        io.save(io.Embeddings(words, rows), tmp_path / f"{side}.vec")
    lines = "".join(f"a{i}\tb{i}\n" for i in range(150))
    (tmp_path / "test.txt").write_text(lines)
    return tmp_path / "a.vec", tmp_path / "b.vec", tmp_path / "test.txt"


def learn(languages, output, *options):
    return ("learn", *languages[:2], "-o", output, *QUICK, *options)


@pytest.mark.parametrize("start", [(), ("--start", "identical"), ("--start", "numerals")])
def test_two_views_of_one_language_come_together(run, languages, tmp_path, start) -> None:
    out = tmp_path / "out"
    done = run(*learn(languages, out, "--test", languages[2], *start))
    assert (done.status, done.err) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == OUTPUTS
    figures = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert figures["agreement"]["verdict"] == "aligned"
    assert figures["translation"]["csls"]["precision"]["1"] > 0.98
    assert figures["iterations"] == len((out / "log.jsonl").read_text().splitlines())
    assert "found again" in done.out
    pairs = [line.split("\t") for line in (out / "dictionary.tsv").read_text().splitlines()]
    assert ["a7", "b7"] in pairs
    alignment = iso.Alignment.load(out / "map.safetensors")
    assert alignment.target_map is not None
    assert alignment.map.provenance["files"][0]["role"] == "source"


def test_json_is_what_metrics_json_holds(run, languages, tmp_path) -> None:
    out = tmp_path / "out"
    done = run(*learn(languages, out, "--json"))
    assert json.loads(done.out) == json.loads((out / "metrics.json").read_text("utf-8"))


def test_refinement_from_a_dictionary_the_other_way_round(run, languages, tmp_path) -> None:
    backwards = tmp_path / "few.txt"
    backwards.write_text("".join(f"b{i}\ta{i}\n" for i in range(12)))
    options = ("--method", "muse", "--start", backwards, "--reverse")
    done = run("learn", *languages[:2], "-o", tmp_path / "out", *options)
    assert done.status == 0, done.err
    assert iso.Alignment.load(tmp_path / "out/map.safetensors").map.method == "refine"


def test_contrast_from_a_dictionary(run, languages, tmp_path) -> None:
    few = tmp_path / "few.txt"
    few.write_text("".join(f"a{i}\tb{i}\n" for i in range(60)))
    options = ("--method", "contrast", "--start", few, "--max-iterations", "4")
    out = tmp_path / "out"
    done = run("learn", *languages[:2], "-o", out, "--test", languages[2], *options)
    assert done.status == 0, done.err
    assert iso.Alignment.load(tmp_path / "out/map.safetensors").map.method == "contrast"
    figures = json.loads((tmp_path / "out/metrics.json").read_text(encoding="utf-8"))
    assert figures["settings"]["steps"] == 4
    assert figures["translation"]["nn"]["precision"]["1"] > 0.9
    lines = (tmp_path / "out/log.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["held_out"] is True
    assert "held-out words" in done.out


def test_contrast_from_a_wrong_dictionary_says_so_and_exits_1(run, languages, tmp_path) -> None:
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("".join(f"a{i}\tb{(7 * i + 3) % 150}\n" for i in range(150)))
    options = ("--method", "contrast", "--start", wrong, "--max-iterations", "2")
    done = run("learn", *languages[:2], "-o", tmp_path / "out", *options)
    assert done.status == 1
    assert "of the held-out words of the dictionary are translated right" in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == OUTPUTS


def test_the_map_serves_the_other_commands(run, languages, tmp_path) -> None:
    out = tmp_path / "out"
    run(*learn(languages, out))
    assert "b3 " in run("translate", out, *languages[:2], "a3").out
    assert run("info", out / "map.safetensors").status == 0


def test_a_run_that_failed_says_so_and_exits_1(run, tmp_path, rng) -> None:
    # Vectors of five numbers: what is found again is found by chance.
    for side in "ab":
        words = [f"{side}{i}" for i in range(500)]
        vectors = rng.standard_normal((500, 5)).astype(np.float32)
        io.save(io.Embeddings(words, vectors), tmp_path / f"{side}.vec")
    out = tmp_path / "out"
    done = run(*learn((tmp_path / "a.vec", tmp_path / "b.vec"), out))
    figures = json.loads((out / "metrics.json").read_text("utf-8"))
    assert done.status == (figures["agreement"]["verdict"] == "failed")
    assert figures["agreement"]["verdict"] != "aligned"
    assert "isomorph: self-learning " in done.err
    assert "--start DICT" in done.err
    assert sorted(path.name for path in out.iterdir()) == OUTPUTS


def test_an_unfinished_run_is_not_overwritten_by_chance(run, languages, tmp_path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "checkpoint.safetensors").write_bytes(b"hours of work")
    done = run(*learn(languages, out))
    assert done.status == 1
    assert "--resume goes on with it, --restart begins anew" in done.err
    assert (out / "checkpoint.safetensors").read_bytes() == b"hours of work"
    assert run(*learn(languages, out, "--restart")).status == 0
    assert not (out / "checkpoint.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--start", "nowhere.txt"), "nowhere.txt: no such file"),
        (("--final", "best"), "final: expected one of"),
        (("--chain", "turn"), "chain: expected steps"),
    ],
)
def test_what_cannot_start_leaves_nothing_behind(run, languages, tmp_path, options, message):
    done = run(*learn(languages, tmp_path / "out", *options))
    assert done.status == 1
    assert message in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("muse", (), "--method muse needs --start: a dictionary, identical or numerals"),
        ("contrast", (), "--method contrast needs --start: a dictionary, identical or numerals"),
        ("muse", ("--seed", "1", "--final", "orthogonal"), "no --final, no --seed"),
        ("muse", ("--keep", "0.5"), "--method muse has no --keep"),
        ("contrast", ("--patience", "3"), "--method contrast has no --patience"),
        ("contrast", ("--direction", "union"), "--method contrast has no --direction"),
        ("vecmap", ("--setting", "5k"), "--method vecmap has no --setting"),
    ],
)
def test_what_a_method_has_no_use_for_is_refused_at_once(run, tmp_path, method, options, message):
    out = tmp_path / "out"
    start = ("--start", "identical") if options else ()
    done = run("learn", "no.vec", "nor.vec", "-o", out, "--method", method, *start, *options)
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert not out.exists()


def test_a_run_need_not_be_judged(run, languages, tmp_path) -> None:
    out = tmp_path / "out"
    assert run(*learn(languages, out, "--no-verdict")).status == 0
    assert json.loads((out / "metrics.json").read_text("utf-8"))["agreement"] is None


def test_a_checkpoint_that_is_refused_is_not_praised(run, languages, tmp_path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "checkpoint.safetensors").write_bytes(b"hours of work")
    done = run(*learn(languages, out, "--resume"))
    assert done.status == 1
    assert "checkpoint.safetensors" in done.err
    assert "holds the run" not in done.err
    # A slip of the pen does not cost the old run, either.
    assert run(*learn(languages, out, "--restart", "--chain", "turn")).status == 1
    assert run(*learn(languages, out, "--restart", "--start", "no.txt")).status == 1
    assert (out / "checkpoint.safetensors").read_bytes() == b"hours of work"


def test_a_restart_that_is_interrupted_keeps_nothing_of_the_old_run(
    run, languages, tmp_path, monkeypatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "checkpoint.safetensors").write_bytes(b"of another run")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(iso, "self_learn", interrupted)
    done = run(*learn(languages, out, "--restart"))
    assert done.status == 130
    assert "holds the run" not in done.err
    assert not (out / "checkpoint.safetensors").exists()


def test_ctrl_c_keeps_the_run_and_resume_ends_with_the_same_bytes(
    run, start, languages, tmp_path
) -> None:
    command = ("learn", *languages[:2], "--start", "identical", "--patience", 400, "--keep", 1)
    assert run(*command, "-o", tmp_path / "whole").status == 0
    out = tmp_path / "out"
    process = start(*command, "-o", out, "--threads", 1)
    log, deadline = out / "log.jsonl", time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") > 3):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"holds the run; --resume goes on with it" in error
    assert sorted(path.name for path in out.iterdir()) == ["checkpoint.safetensors", "log.jsonl"]
    done = run(*command, "-o", out, "--resume")
    assert done.status == 0, done.err
    whole, resumed = (iso.Alignment.load(f / "map.safetensors") for f in (tmp_path / "whole", out))
    for one, other in ((whole.map, resumed.map), (whole.target_map, resumed.target_map)):
        assert one.matrix.tobytes() == other.matrix.tobytes()
    assert (out / "dictionary.tsv").read_bytes() == (tmp_path / "whole/dictionary.tsv").read_bytes()
