"""Damaged models, texts and disks: a named error, the original untouched, nothing half-written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("tokenizers")

from isomorph.cli import main
from isomorph.errors import FormatError
from isomorph.vocab import trim, untrim
from support import small_models as small


def edit(file: str, change: Callable[[dict], object]) -> Callable[[Path], object]:
    def damage(model: Path) -> None:
        value = json.loads((model / file).read_text())
        change(value)
        (model / file).write_text(json.dumps(value))

    return damage


def cut(model: Path) -> None:
    data = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(data[:-1])


def long_header(model: Path) -> None:
    data = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes((2**40).to_bytes(8, "little") + data[8:])


def overlapping(model: Path) -> None:
    data = (model / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    name = max((n for n in header if n != "__metadata__"), key=lambda n: header[n]["data_offsets"])
    header[name]["data_offsets"] = [offset - 8 for offset in header[name]["data_offsets"]]
    text = json.dumps(header).encode()
    length = len(text).to_bytes(8, "little")
    (model / "model.safetensors").write_bytes(length + text + data[start:])


def only_pickled(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")


def only(name: str) -> Callable[[Path], object]:
    return lambda model: (model / "model.safetensors").rename(model / name)


def missing_shard(model: Path) -> None:
    small.write_json(
        model / "model.safetensors.index.json",
        {"metadata": {}, "weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors"}},
    )


def merge_of_nothing(value: dict) -> None:
    value["model"]["merges"].append(["zzz", "qqq"])


def the_same_id_twice(value: dict) -> None:
    vocab = value["model"]["vocab"]
    first, second = list(vocab)[-2:]
    vocab[second] = vocab[first]


def an_id_beyond(value: dict) -> None:
    value["model"]["vocab"]["beyond"] = 10**6


DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (cut, r"model\.safetensors: byte \d+: .*this one has"),
    "a header longer than the file": (long_header, r"model\.safetensors: byte 0: .*header"),
    "overlapping offsets": (overlapping, "overlaps what is before it"),
    "a pointer": (
        lambda model: (model / "model.safetensors").write_text("version https://git-lfs.github"),
        r"model\.safetensors: .*git lfs pull",
    ),
    "a pickle": (only_pickled, "expected safetensors, got a pickle.*safe_serialization"),
    "GGUF alone": (only("model.gguf"), r"GGUF is not trimmed: .*convert_hf_to_gguf"),
    "ONNX alone": (only("model.onnx"), r"ONNX is not trimmed: .*optimum-cli"),
    "no weights": (lambda model: (model / "model.safetensors").unlink(), "found neither"),
    "ONNX beside": (
        lambda model: (model / "model.onnx").write_bytes(b""),
        r"ONNX beside the model .*leave_out=\['\*\.onnx'\]",
    ),
    "a missing shard": (missing_shard, "model-00002-of-00002"),
    "no tokenizer": (lambda model: (model / "tokenizer.json").unlink(), "tokenizer.json"),
    "a tokenizer cut short": (
        lambda model: (model / "tokenizer.json").write_text(
            (model / "tokenizer.json").read_text()[:-100]
        ),
        "tokenizer.json",
    ),
    "a merge of unknown tokens": (edit("tokenizer.json", merge_of_nothing), "merges"),
    "an id twice": (edit("tokenizer.json", the_same_id_twice), r"tokenizer\.json"),
    "an id beyond the rows": (edit("tokenizer.json", an_id_beyond), "rows|holes|ids"),
    "a configuration cut short": (
        lambda model: (model / "config.json").write_text('{"vocab_size": 1'),
        r"config\.json: expected JSON",
    ),
    "a configuration that is a list": (
        lambda model: (model / "config.json").write_text("[]"),
        r"config\.json: expected a JSON object",
    ),
    "another vocab_size": (
        edit("config.json", lambda value: value.update(vocab_size=123)),
        "expected 123 rows of lm_head.weight, as the configuration says|expected 123 rows",
    ),
    "modules of no transformer": (
        lambda model: small.write_json(model / "modules.json", [{"type": "a.BoW", "path": ""}]),
        r"modules\.json: a module of BoW",
    ),
    "modules elsewhere": (
        lambda model: small.write_json(
            model / "modules.json", [{"type": "a.Transformer", "path": "../.."}]
        ),
        "expected a path inside the folder",
    ),
}


@pytest.mark.parametrize("cause", DAMAGED)
def test_damaged_models(tmp_path, model, corpus, cause, capsys):
    damage, message = DAMAGED[cause]
    damage(model)
    before = small.state(tmp_path)
    with pytest.raises((FormatError, FileNotFoundError), match=message):
        trim(model, tmp_path / "out", corpus=corpus)
    assert small.state(tmp_path) == before
    assert main(["trim", str(model), "--corpus", str(corpus), "-o", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("isomorph: error: ")
    assert said.count("\n") == 1
    assert small.state(tmp_path) == before


def test_held_out_text_that_is_not_there_is_told_first(tmp_path, model, corpus):
    before = small.state(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"missing\.txt"):
        trim(model, tmp_path / "out", corpus=corpus, held_out=tmp_path / "missing.txt")
    assert small.state(tmp_path) == before


def test_onnx_beside_can_be_left_out(tmp_path, model, corpus):
    (model / "onnx").mkdir()
    (model / "onnx" / "model.onnx").write_bytes(b"")
    done = trim(model, tmp_path / "out", corpus=corpus, leave_out=["*.onnx"])
    assert not (tmp_path / "out" / "onnx").exists()
    assert any(change.file == "onnx/model.onnx" for change in done.changes)


@pytest.mark.parametrize("data", [b"good line\n\xff\xfe bad\n", b"", b"\n  \n"])
def test_texts_that_are_none(tmp_path, model, data):
    file = tmp_path / "bad.txt"
    file.write_bytes(data)
    before = small.state(tmp_path)
    with pytest.raises(FormatError, match=r"line 2, byte 10: expected UTF-8|expected text"):
        trim(model, tmp_path / "out", corpus=file)
    assert small.state(tmp_path) == before


def test_where_a_model_may_not_be_written(tmp_path, model, corpus):
    before = small.state(tmp_path)
    for out in (model, model / "inside", tmp_path):
        with pytest.raises(ValueError, match="expected a folder apart from the model's"):
            trim(model, out, corpus=corpus)
    with pytest.raises(ValueError, match="out: expected a folder to write"):
        trim(model, None, corpus=corpus)
    full = tmp_path / "full"
    full.mkdir()
    (full / "precious.txt").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="exists"):
            trim(model, full, corpus=corpus, overwrite=overwrite)
    with pytest.raises(NotADirectoryError):
        trim(model, corpus, corpus=corpus)
    assert (full / "precious.txt").read_text() == "x"
    (full / "precious.txt").unlink()
    full.rmdir()
    assert small.state(tmp_path) == before


def test_an_earlier_trim_is_replaced_when_asked(tmp_path, model, corpus):
    out = tmp_path / "out"
    trim(model, out, corpus=corpus)
    with pytest.raises(FileExistsError, match="exists and is not empty"):
        trim(model, out, corpus=corpus)
    trim(model, out, corpus=corpus, size=384, overwrite=True)
    assert json.loads((out / "config.json").read_text())["vocab_size"] == 384
    assert sorted(file.name for file in tmp_path.iterdir()) == ["corpus.txt", "model", "out"]


@pytest.mark.parametrize("name", ["checkpoint-500/trained.txt", "corpus.txt", "isomorph/mine.txt"])
def test_what_was_added_to_a_trim_is_not_removed_with_it(tmp_path, model, corpus, name):
    out = tmp_path / "out"
    trim(model, out, corpus=corpus)
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_bytes(corpus.read_bytes())
    before = small.state(tmp_path)
    with pytest.raises(FileExistsError, match="was not written by the trim") as caught:
        trim(model, out, corpus=out / name, overwrite=True)
    assert caught.value.filename == str(out / name)
    assert small.state(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path, model, corpus):
    place = tmp_path / "place"
    place.mkdir(mode=0o555)
    with pytest.raises(PermissionError, match="out"):
        trim(model, place / "out", corpus=corpus)


def test_a_folder_that_cannot_be_made(tmp_path, model, corpus):
    """A file where a folder should be stands for one that cannot be written to."""
    with pytest.raises(OSError, match=r"corpus\.txt"):
        trim(model, corpus / "below" / "out", corpus=corpus)


def test_a_hub_id_without_the_hub(tmp_path, corpus, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'isomorph\[hub\]'"):
        trim("some/model", tmp_path / "out", corpus=corpus)
    with pytest.raises(FileNotFoundError, match="expected the folder of a model, or a hub id"):
        trim("nothing", tmp_path / "out", corpus=corpus)


def test_a_hub_id_is_fetched(tmp_path, model, corpus, monkeypatch):
    class Hub:
        @staticmethod
        def snapshot_download(name: str, *, revision: str, **patterns: list[str]) -> str:
            if name != "some/model":
                raise OSError("no\nsuch model")
            assert revision == "v1"
            assert "*.onnx" in patterns["ignore_patterns"]
            return str(model)

    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub)
    monkeypatch.chdir(tmp_path)
    trim("some/model", tmp_path / "out", corpus=corpus, revision="v1")
    with pytest.raises(OSError, match="not fetched from the hub: no such model"):
        trim("other/model", tmp_path / "other", corpus=corpus, revision="v1")


def test_undo_files_that_do_not_fit(tmp_path, model, corpus):
    trim(model, tmp_path / "out", corpus=corpus)
    small.write(tmp_path / "bert", "bert")
    with pytest.raises(FileNotFoundError, match="is this a model that isomorph trimmed"):
        untrim(model, tmp_path / "back")
    with pytest.raises(FormatError, match="tokens were added or removed since"):
        untrim(model, tmp_path / "back", undo=tmp_path / "out")
    with pytest.raises(FormatError, match="rows of the model that was trimmed"):
        untrim(tmp_path / "out", tmp_path / "back", original=tmp_path / "bert")
    packed = tmp_path / "out" / "isomorph" / "original" / "tokenizer.json.gz"
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(FormatError, match="damaged gzip data"):
        untrim(tmp_path / "out", tmp_path / "back")
    file = tmp_path / "out" / "isomorph" / "undo.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(FormatError, match=r"undo\.safetensors"):
        untrim(tmp_path / "out", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_tensor_of_which_nobody_knows(tmp_path, corpus):
    model = tmp_path / "model"
    family = small.write(model, "bert")
    tensors = {
        name: (dtype, shape) for name, (dtype, shape, _) in small.read_weights(model).items()
    }
    tensors["something.odd"] = ("F32", (family.rows, 3))
    small.write_weights(model, tensors)
    with pytest.raises(FormatError, match=r"tables=\{'something\.odd': 'input'\}"):
        trim(model, tmp_path / "out", corpus=corpus)
    done = trim(model, tmp_path / "out", corpus=corpus, tables={"something.odd": None})
    assert small.read_weights(tmp_path / "out")["something.odd"][1] == (family.rows, 3)
    trim(model, tmp_path / "two", corpus=corpus, tables={"something.odd": "output"})
    found = small.read_weights(tmp_path / "two")["something.odd"]
    assert found[1] == (done.after.rows, 3)


def flip(out: Path, tensor: str) -> None:
    file = out / "model.safetensors"
    data = bytearray(file.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    data[start + json.loads(data[8:start])[tensor]["data_offsets"][0] + 5] ^= 1
    file.write_bytes(data)


def rename_token(value: dict) -> None:
    vocab = value["model"]["vocab"]
    first, second = list(vocab)[-2:]
    vocab[first], vocab[second] = vocab[second], vocab[first]


def no_merges(value: dict) -> None:
    value["model"]["merges"] = value["model"]["merges"][:3]


#: What a trim could do wrong, and what finds it.
WRONG = {
    "a row": (lambda out: flip(out, "lm_head.weight"), "'lm_head.weight': bytes 0 to"),
    "another tensor": (lambda out: flip(out, "model.norm.weight"), "'model.norm.weight': bytes 0"),
    "a size": (
        edit("config.json", lambda value: value.update(vocab_size=900)),
        "expected 900 rows|says 900 tokens",
    ),
    "an id": (
        edit("config.json", lambda value: value.update(bos_token_id=2)),
        "bos_token_id: expected 1, the new id of 1, got 2",
    ),
    "an id in a list": (
        edit("generation_config.json", lambda value: value["suppress_tokens"].pop()),
        r"suppress_tokens\[1\]: expected 258",
    ),
    "two tokens exchanged": (edit("tokenizer.json", rename_token), "has other tokens than those"),
    "merges forgotten": (edit("tokenizer.json", no_merges), "corpus lines have other tokens"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_nothing_wrong_is_certified(tmp_path, model, corpus, fault, monkeypatch):
    from isomorph.errors import IsomorphError
    from isomorph.vocab.trimming import _undo

    spoil, message = WRONG[fault]
    save = _undo.save

    def spoiled(out: Path, *arguments: object) -> None:
        save(out, *arguments)
        spoil(out)

    monkeypatch.setattr(_undo, "save", spoiled)
    before = small.state(tmp_path)
    with pytest.raises(IsomorphError, match=message):
        trim(model, tmp_path / "out", corpus=corpus)
    assert small.state(tmp_path) == before
