"""The command that moves a model to another tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("tokenizers")

from isomorph import vocab
from support import small_models as small
from support.small_transfers import SPECIAL, finite_weights, retrained


@pytest.fixture
def model(tmp_path: Path) -> Path:
    small.write(tmp_path / "model", "bert")
    finite_weights(tmp_path / "model")
    retrained(tmp_path / "new", small.family("bert").tokenizer, special=SPECIAL)
    return tmp_path / "model"


def test_auto_prints_its_scores_and_where_rows_are_from(run, tmp_path, model):
    out = tmp_path / "out"
    done = run("transfer", model, "--tokenizer", tmp_path / "new", "-o", out, "--changes")
    assert done.status == 0, done.err
    assert "1/rank" in done.out
    assert "validated: order by this score" in done.out
    assert "copied (exact)" in done.out
    assert "config.json: vocab_size: " in done.out
    assert f"wrote {out}" in done.err
    assert (out / "isomorph" / "mixing.safetensors").is_file()


def test_a_mixing_is_taken_from_a_file(run, tmp_path, model):
    old, new = (vocab.Tokenizer.load(path) for path in (model, tmp_path / "new"))
    vocab.subword_mean(old, new).save(tmp_path / "made.safetensors")
    options = ("--tokenizer", tmp_path / "new", "--mixing", tmp_path / "made.safetensors")
    done = run("transfer", model, *options, "-o", tmp_path / "out", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["method"] == "subword mean"
    done = run("transfer", model, *options, "-o", tmp_path / "twice", "--method", "mean")
    assert done.status != 0
    assert "method, mixing: expected one of them" in done.err


def test_json_has_everything(run, tmp_path, model):
    options = ("--method", "gaussian seed=1", "--alias", "[MASK]=[UNK]", "--json")
    done = run("transfer", model, "--tokenizer", tmp_path / "new", "-o", tmp_path / "out", *options)
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["method"] == "gaussian seed=1"
    assert found["leave_out"] is None
    assert sum(found["origins"]["copied (alias)"].values()) >= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "focus"), "method: focus needs --vectors (of the new tokens, or of words)"),
        (("--method", "magic"), "method: expected one of auto, mean,"),
        (("--rule", "near"), "rule: expected one of exact,"),
        (("--vectors", "none.vec"), "none.vec"),
        (("--alias", "nobody=[UNK]"), "aliases: no target token 'nobody'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run, tmp_path, model, options, message):
    out = tmp_path / "out"
    done = run("transfer", model, "--tokenizer", tmp_path / "new", "-o", out, *options)
    assert done.status == 1
    assert message in done.err
    assert "Traceback" not in done.err
    assert not out.exists()
