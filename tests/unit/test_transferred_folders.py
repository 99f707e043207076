"""Folders of transfers: norms of new rows, model cards, what is replaced, what is said of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tokenizers")

from isomorph import vocab
from isomorph.cli import main
from isomorph.vocab.initialization._vocabularies import vocabulary
from isomorph.vocab.transfers._kinds import kinds
from support import small_models as small
from support.small_transfers import SPECIAL, finite_weights, retrained


@pytest.fixture
def bert(tmp_path: Path) -> tuple[Path, Path, small.Family]:
    """A BERT with a head and its bias, and another WordPiece."""
    family = small.write(tmp_path / "model", "bert")
    finite_weights(tmp_path / "model")
    new = retrained(tmp_path / "new", family.tokenizer, special=SPECIAL)
    return tmp_path / "model", new, family


def tables(folder: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    found = {}
    for name, (dtype, shape, data) in small.read_weights(folder).items():
        if name in names and dtype == "F32":
            found[name] = np.frombuffer(data, "f4").reshape(shape).astype(np.float64)
    return found


@pytest.mark.parametrize("choice", ["all", "kind"])
def test_new_rows_are_as_long_as_old_ones(tmp_path, bert, choice):
    model, new, family = bert
    options = {"method": "subword_mean"}
    plain = vocab.transfer(model, new, tmp_path / "plain", **options)
    moved = vocab.transfer(model, new, tmp_path / "out", match_norm=choice, **options)
    assert moved.mixing == plain.mixing
    assert moved.match_norm == choice
    old, target = vocab.Tokenizer.load(model), vocab.Tokenizer.load(new)
    copied = (moved.mixing.counts == 1) & (moved.mixing.row_sums() == 1)
    group, of_old = (kinds(vocabulary("it", one)) for one in (target, old))
    if choice == "all":
        group, of_old = np.zeros_like(group), np.zeros_like(of_old)
    before = tables(model, family.tables)
    after, unscaled = (tables(tmp_path / name, family.tables) for name in ("out", "plain"))
    assert any(table.ndim == 2 for table in after.values())
    for name, table in after.items():
        if table.ndim == 1:
            np.testing.assert_array_equal(table, unscaled[name])
            continue
        lengths = np.linalg.norm(before[name][: old.size], axis=1)
        np.testing.assert_array_equal(table[: target.size][copied], unscaled[name][copied])
        for row in np.flatnonzero(~copied):
            own = of_old == group[row]
            own = own if group[row] >= 0 and own.sum() >= 2 else np.ones(old.size, bool)
            assert abs(np.linalg.norm(table[row]) - lengths[own].mean()) < 1e-5
            made = unscaled[name][row]
            cosine = made @ table[row] / np.linalg.norm(made) / np.linalg.norm(table[row])
            assert cosine > 1 - 1e-6


def test_the_card_says_how_and_only_a_transfer_is_replaced(tmp_path, bert):
    model, new, _ = bert
    (model / "README.md").write_bytes(b"# Model\r\nold \xff text")
    out = tmp_path / "out"
    vocab.transfer(model, new, out, method="mean")
    card = (out / "README.md").read_bytes()
    assert card.startswith(b"# Model\r\nold \xff text\n\n## Transferred vocabulary\n")
    assert b"by `mean`" in card
    assert b"isomorph.vocab.transfer('model'" in card
    report = json.loads((out / "isomorph" / "transfer.json").read_text(encoding="utf-8"))
    files = {file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()}
    assert set(report["files"]) == files - {"README.md", "isomorph/transfer.json"}
    vocab.transfer(model, new, out, method="mean", match_norm="all", overwrite=True)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="was not written by the transfer"):
        vocab.transfer(model, new, out, method="mean", overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    weights = next(out.glob("*.safetensors"))
    trained = bytearray(weights.read_bytes())
    trained[-1] ^= 1
    weights.write_bytes(trained)
    with pytest.raises(FileExistsError, match="was changed since the transfer"):
        vocab.transfer(model, new, out, method="mean", overwrite=True)
    with pytest.raises(FileExistsError, match="nothing that isomorph wrote"):
        vocab.transfer(model, new, new, method="mean", overwrite=True)
    with pytest.raises(ValueError, match="match_norm: expected one of all, kind"):
        vocab.transfer(model, new, tmp_path / "other", match_norm="each")


def told(capsys, *arguments) -> str:
    assert main([str(one) for one in ("info", *arguments)]) == 0
    return capsys.readouterr().out


def test_info_says_what_a_folder_is(tmp_path, bert, capsys):
    model, new, _ = bert
    assert "neither trimmed nor transferred" in told(capsys, model)
    vocab.transfer(model, new, tmp_path / "out", method="subword_mean", match_norm="kind")
    shown = told(capsys, tmp_path / "out")
    for part in ("transferred model", "subword_mean", "rows: copied (exact)", "norms matched"):
        assert part in shown
    mixing = tmp_path / "out" / "isomorph" / "mixing.safetensors"
    facts = json.loads(told(capsys, mixing, "--json"))
    assert facts["kind"] == "mixing of tokens"
    assert facts["convex"] is True
    assert facts["target tokens"] == vocab.Tokenizer.load(new).size
    vocab.trim(model, tmp_path / "small", keep=[7, 8, 9])
    shown = told(capsys, tmp_path / "small")
    assert "trimmed model" in shown
    assert "no corpus: coverage unknown" in shown


def test_what_is_missing_is_named_as_an_option(tmp_path, bert, capsys):
    model, new, _ = bert
    given = ["transfer", str(model), "--tokenizer", str(new), "-o", str(tmp_path / "out")]
    for method, message in (
        ("wechsel", "needs --vectors (of the new tokens, or of words), --source-vectors (of the"),
        ("magic", "method: expected one of auto, mean"),
        ("auto k=3", "method: auto takes no settings, got 'k=3'"),
    ):
        assert main([*given, "--method", method]) == 1
        assert message in capsys.readouterr().err
    for name, columns in (("two", 2), ("three", 3)):
        path = tmp_path / f"{name}.vec"
        path.write_text(f"1 {columns}\nthe {' '.join('1' * columns)}\n")
    sides = (
        "--vectors",
        str(tmp_path / "two.vec"),
        "--source-vectors",
        str(tmp_path / "three.vec"),
    )
    assert main([*given, "--method", "wechsel", *sides]) == 1
    said = "--vectors, --source-vectors: expected vectors of one space, got 2 and 3 columns"
    assert said in capsys.readouterr().err
    command = [*given, "--method", "mean", "--match-norm", "all"]
    assert main(command) == 0
    assert "method: mean, norms of all old rows" in capsys.readouterr().out
    assert "isomorph transfer" in (tmp_path / "out" / "README.md").read_text()
