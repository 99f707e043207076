"""Checkpoints that are damaged, disks that are full, processes that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from isomorph import _core, errors
from isomorph.vocab.checkpoints._header import read_header
from isomorph.vocab.checkpoints._tensors import Rows, Tensors, rewrite
from support.checkpoints import entry, write_raw

GOOD = {"a": entry("F32", [2, 2], 0, 16), "b": entry("U8", [3], 16, 19)}
DATA = bytes(19)


def changed(**entries: object) -> dict:
    return {**GOOD, **entries}


WRONG = {
    "a header that is no JSON": (b"{", "not valid"),
    "a header that is no object": (b"[]", "not a JSON object"),
    "bytes that are no text": (b'{"\xff": 1}', "not valid"),
    "deeply nested": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not valid"),
    "a number too long": (b'{"a":' + b"9" * 5000 + b"}", "not valid"),
    "names twice": (
        b'{"a":'
        + json.dumps(GOOD["a"]).encode()
        + b',"a":'
        + json.dumps(GOOD["a"]).encode()
        + b"}",
        "'a' is there twice",
    ),
    "keys twice": (b'{"a":{"dtype":"F32","dtype":"F16"}}', "'dtype' is there twice"),
    "no entry": (changed(b=3), "expected dtype, shape"),
    "no offsets": (changed(b={"dtype": "U8", "shape": [3]}), "expected dtype, shape"),
    "a type that is no text": (changed(b=entry(8, [3], 16, 19)), "a type and a shape"),
    "a shape that is no list": (changed(b=entry("U8", 3, 16, 19)), "a type and a shape"),
    "a negative size": (changed(b=entry("U8", [-3], 16, 19)), "a type and a shape"),
    "a size that is true": (changed(b=entry("U8", [True], 16, 17)), "a type and a shape"),
    "a size with a fraction": (changed(b=entry("U8", [3.0], 16, 19)), "a type and a shape"),
    "a huge size": (changed(b=entry("U8", [2**63], 16, 19)), "a type and a shape"),
    "a huge product": (changed(b=entry("U8", [2**40, 2**40], 16, 19)), "impossible shape"),
    "a huge product hidden by zero": (
        changed(b=entry("U8", [2**40, 2**40, 0], 16, 16)),
        "impossible shape",
    ),
    "negative offsets": (changed(b=entry("U8", [3], -3, 0)), "a begin and an end"),
    "offsets the wrong way": (changed(b=entry("U8", [3], 19, 16)), "a begin and an end"),
    "huge offsets": (changed(b=entry("U8", [3], 2**70, 2**70 + 3)), "a begin and an end"),
    "one offset": (changed(b={**entry("U8", [3], 0, 0), "data_offsets": [16]}), "a begin and"),
    "a shape of more bytes": (changed(b=entry("U8", [4], 16, 19)), "takes 4 bytes.*say 3"),
    "a shape of fewer bytes": (changed(b=entry("U16", [1], 16, 19)), "takes 2 bytes.*say 3"),
    "half a byte": (changed(b=entry("F4", [5], 16, 19)), "takes 2.5 bytes"),
    "overlapping": (changed(b=entry("U8", [3], 15, 18)), "'b' overlaps"),
    "the same bytes": (changed(b=entry("F32", [2, 2], 0, 16)), "overlaps"),
    "a gap": (changed(b=entry("U8", [2], 17, 19)), "'b' leaves a gap"),
    "fewer bytes than there are": (changed(b=entry("U8", [2], 16, 18)), "of 18 bytes|describes"),
    "more bytes than there are": (changed(b=entry("U8", [9], 16, 25)), "describes a file"),
    "half a character in a name": (
        b'{"\\ud800":' + json.dumps(entry("U8", [19], 0, 19)).encode() + b"}",
        "not valid Unicode",
    ),
    "half a character in the metadata": (changed(__metadata__={"a": "\ud800"}), "valid Unicode"),
    "metadata of numbers": (changed(__metadata__={"a": 1}), "strings to strings"),
    "metadata that is a list": (changed(__metadata__=[]), "strings to strings"),
}


@pytest.mark.parametrize(("header", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_header_is_named(tmp_path: Path, header: object, message: str) -> None:
    path = write_raw(tmp_path / "model.safetensors", header, DATA)
    before = path.read_bytes()
    with pytest.raises(errors.FormatError, match=message) as found:
        rewrite(path, tmp_path / "out.safetensors", {"a": Rows([1])})
    assert str(path) in str(found.value)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize("length", [0, 7, 10**6, 2**40, 2**64 - 1])
def test_a_header_longer_than_the_file(tmp_path: Path, length: int) -> None:
    path = write_raw(tmp_path / "x.safetensors", GOOD, DATA, length=length)
    with pytest.raises(errors.FormatError, match="not a valid safetensors file"):
        read_header(path)


def test_a_file_cut_anywhere(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "x.safetensors", GOOD, DATA)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(errors.FormatError, match=str(path)):
            read_header(path)


def test_a_file_cut_after_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    _core.write_safetensors(str(path), {"a": np.zeros((1000, 100), np.float32)}, {})
    opened = Tensors.open(path)
    os.truncate(path, 10_000)
    with pytest.raises((errors.FormatError, OSError)):
        opened.table("a").take_rows([999])
    tensor = opened.tensors["a"]
    file = _core.TensorFile(str(tmp_path / "out"), b"")
    with pytest.raises(errors.FormatError, match="ends within a tensor"):
        file.copy(str(path), tensor.start, tensor.nbytes)
    with pytest.raises(errors.FormatError, match="expected 1 tables of 1000 rows"):
        file.gather(str(path), (tensor.start, 1, 1000, 400), np.arange(3), bytes(400), 1)
    file.abandon()
    with pytest.raises(RuntimeError, match="finished"):
        file.finish()
    with pytest.raises(RuntimeError, match="not finished"):
        file.commit()
    assert [one.name for one in tmp_path.iterdir()] == ["x.safetensors"]


@pytest.mark.skipif(os.name == "nt", reason="pipes with names are those of POSIX")
def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(errors.FormatError, match="not a regular file"):
        read_header(tmp_path / "pipe.safetensors")
    with pytest.raises(IsADirectoryError):
        read_header(tmp_path)


@pytest.mark.parametrize("plan", [{}, {"a": Rows([1])}])
def test_who_is_told_of_progress_may_stop_it(tmp_path: Path, plan: dict) -> None:
    path = write_raw(tmp_path / "x.safetensors", GOOD, DATA)

    def stop(_: int, __: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrite(path, tmp_path / "out.safetensors", plan, progress=stop)
    assert [one.name for one in tmp_path.iterdir()] == ["x.safetensors"]


INDEXES = {
    "no JSON": (b"{", "expected JSON"),
    "no map": (b"{}", "expected a weight_map"),
    "a list": (b"[]", "expected a weight_map"),
    "a path elsewhere": (b'{"weight_map": {"a": "../x.safetensors"}}', "a file beside it"),
    "an absolute path": (b'{"weight_map": {"a": "/etc/passwd"}}', "a file beside it"),
    "a number": (b'{"weight_map": {"a": 1}}', "a file beside it"),
    "not in its file": (
        b'{"weight_map": {"c": "x.safetensors"}}',
        "'c' is in x.safetensors",
    ),
    "metadata of another kind": (
        b'{"weight_map": {"a": "x.safetensors"}, "metadata": 3}',
        "metadata to be an object",
    ),
}


@pytest.mark.parametrize(("text", "message"), INDEXES.values(), ids=INDEXES.keys())
def test_a_wrong_index_is_named(tmp_path: Path, text: bytes, message: str) -> None:
    write_raw(tmp_path / "x.safetensors", GOOD, DATA)
    (tmp_path / "model.safetensors.index.json").write_bytes(text)
    with pytest.raises(errors.FormatError, match=message):
        Tensors.open(tmp_path)


def test_a_shard_that_is_missing(tmp_path: Path) -> None:
    index = {"weight_map": {"a": "gone.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(FileNotFoundError, match="gone"):
        Tensors.open(tmp_path)


def run(code: str, *arguments: object, **options: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def big(tmp_path: Path, rows: int = 20_000) -> Path:
    path = tmp_path / "model.safetensors"
    _core.write_safetensors(str(path), {"a": np.ones((rows, 100), np.float32)}, {})
    return path


@pytest.mark.skipif(os.name == "nt", reason="limits of a process are those of POSIX")
@pytest.mark.parametrize("plan", ["{}", "{'a': Rows(range(0, 20000, 2))}"])
def test_a_full_disk(tmp_path: Path, plan: str) -> None:
    path = big(tmp_path)
    old = tmp_path / "out" / "model.safetensors"
    old.parent.mkdir()
    old.write_bytes(b"old")
    code = f"""
        import resource, signal, sys
        from isomorph.vocab.checkpoints._tensors import Rows, rewrite
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            rewrite(sys.argv[1], sys.argv[2], {plan})
        except OSError as error:
            print(error)
        """
    output, errors_ = run(code, path, old).communicate(timeout=60)
    assert "File too large" in output, errors_
    assert str(old) in output
    assert old.read_bytes() == b"old"
    assert [one.name for one in old.parent.iterdir()] == ["model.safetensors"]
    assert path.stat().st_size > 8_000_000


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_killed_in_the_middle(tmp_path: Path) -> None:
    path = big(tmp_path)
    before = path.read_bytes()
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.safetensors").write_bytes(b"old")
    code = """
        import sys, time
        from isomorph.vocab.checkpoints._tensors import Made, Rows, rewrite

        def make(start, stop):
            print("begun", flush=True)
            time.sleep(60)

        rewrite(sys.argv[1], sys.argv[2] + "/model.safetensors",
                {"a": Rows(range(10)), "z": Made((1,), "U8", make)})
        """
    process = run(code, path, out)
    assert process.stdout.readline() == "begun\n", process.stderr.read()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert path.read_bytes() == before
    assert (out / "model.safetensors").read_bytes() == b"old"
    # Where the system has files without names, not even a draft is left.
    assert all(one.name.startswith(".") or one.name == "model.safetensors" for one in out.iterdir())
