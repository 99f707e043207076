"""Broken and malicious files: a named error, promptly; and nothing half-written."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from isomorph import io
from isomorph.errors import FormatError

TEXT = b"3 2\nab 1.5 2\ncd 3 4\nef 5 6.25\n"
TABLE = io.Embeddings(["ab", "cd", "ef"], np.array([[1.5, 2], [3, 4], [5, 6.25]], np.float32))


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode()
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + data


def tensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def of_kind(**entries: object) -> dict[str, object]:
    metadata = {"format": "isomorph.embeddings", "format_version": "1"}
    return {"__metadata__": metadata, **entries}


def one(dtype: str, shape: list[int], end: int, start: int = 0) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def claim(descr: str = "'<f4'", shape: str = "(2, 2)", fortran: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch exploded",)


BROKEN = {
    # name: (file, its bytes, what the error must say)
    "empty text": ("x.vec", b"", "empty"),
    "blank text": ("x.vec", b"\n \n", "empty"),
    "empty npy": ("x.npy", b"", "empty"),
    "empty safetensors": ("x.safetensors", b"", "empty"),
    "a billion rows": (
        "x.vec",
        b"1000000000 300\na 1\n",
        "line 1: the header says 1000000000 rows",
    ),
    "absurd rows": ("x.vec", b"99999999999999999999 300\na 1\n", "line 1: the header says"),
    "absurd dimension": ("x.vec", b"1 99999999999999\na 1\n", "line 1: the header says dimension"),
    "absurd gz": (
        "x.vec",
        gzip.compress(b"99999999999 30000000\na 1\n"),
        "expected 30000000 numbers",
    ),
    "dimension 0": ("x.vec", b"2 0\na\nb\n", "line 1: the header says dimension 0"),
    "rows missing": ("x.vec", b"3 1\nabcdefgh 1\nb 2\n", "line 3: the header says 3 rows"),
    "rows extra": ("x.vec", b"1 1\na 1\nb 2\n", "line 3: the header says 1 rows"),
    "other dimension": ("x.vec", b"1 3\nab 1 2\n", "line 2: expected 3 numbers, as the header"),
    "too few": ("x.vec", b"a 1 2\nb 1\n", "line 2: too few numbers: .* 2 numbers, got 1"),
    "too many": ("x.vec", b"a 1 2\nb 1 2 3\n", "line 2: too many numbers: .* 2 numbers, got 3"),
    "no word": ("x.vec", b"a 1 2\n 1 2\n", "line 2: expected a word"),
    "not a number": ("x.vec", b"a 1 2\nb 1 2,5\n", 'line 2: expected a decimal number, got "2,5"'),
    "hexadecimal": ("x.vec", b"a 1 2\nb 1 0x5\n", "line 2: expected a decimal number"),
    "underscore": ("x.vec", b"a 1 2\nb 1 1_0\n", "line 2: expected a decimal number"),
    "nan": ("x.vec", b"a 1 2\nb 1 nan\n", "line 2: expected a finite number"),
    "inf": ("x.vec", b"a 1 2\nb 1 -inf\n", "line 2: expected a finite number"),
    "beyond float32": ("x.vec", b"a 1 2\nb 1 1e39\n", "line 2: expected a finite number"),
    "no numbers": ("x.vec", b"hello world\n", "line 1: expected a word and its numbers"),
    "not UTF-8": ("x.vec", b"a 1\n\xff 1\n", "line 2: not valid UTF-8"),
    "binary vectors": (
        "x.vec",
        b"1 2\nw \x00\x00\x80?\x00\x00\x00@\n",
        "line 2: expected text, got bin",
    ),
    "gz cut": ("x.vec", gzip.compress(TEXT)[:-9], "gzip data are cut short"),
    "gz then rubbish": ("x.vec", gzip.compress(TEXT) + b"rubbish", "gzip data"),
    "not npy": ("x.npy", b"PK\x03\x04rest of it", "not an npy file"),
    "npy version": ("x.npy", npy(claim(), b"", b"\x09\x00"), "version 9.0"),
    "npy claims more": ("x.npy", npy(claim(shape="(1000000000, 1000)"), b"1234"), "but 4 follow"),
    "npy overflows": ("x.npy", npy(claim(shape=f"({2**63}, {2**63})"), b"1234"), "but 4 follow"),
    "npy claims less": ("x.npy", npy(claim(), bytes(32)), "16 bytes, but 32 follow"),
    "npy of objects": ("x.npy", npy(claim("'|O'"), pickle.dumps(Bomb())), "type |O"),
    "npy of integers": ("x.npy", npy(claim("'<i4'"), bytes(16)), "type <i4"),
    "npy structured": ("x.npy", npy(claim("[('a', '<f4')]"), bytes(16)), "expected float16"),
    "npy vector": ("x.npy", npy(claim(shape="(4,)"), bytes(16)), "shape \\[4\\]"),
    "npy code": ("x.npy", npy("__import__('os').abort()\n"), "header is not valid"),
    "npy long header": ("x.npy", npy(claim())[:8] + b"\xff\xff", "header is not valid"),
    "npy nan": ("x.npy", npy(claim(), np.array([1, 2, np.nan, 4], "<f4").tobytes()), "row 1"),
    "npz": ("x.npz", b"PK\x03\x04", "a damaged archive"),
    "st cut": ("x.safetensors", b"\x10\x00\x00", "header's length"),
    "st header too long": (
        "x.safetensors",
        tensors(b"{}", length=2**63),
        "byte 0: .* header should be",
    ),
    "st not JSON": ("x.safetensors", tensors(b"{nope}"), "header is not valid"),
    "st not UTF-8": ("x.safetensors", tensors(b"{\xff}"), "UTF-8"),
    "st claims more": (
        "x.safetensors",
        tensors(of_kind(vectors=one("F32", [10**6, 10**3], 4 * 10**9)), b"1234"),
        "describes a file of",
    ),
    "st overlap": (
        "x.safetensors",
        tensors(of_kind(vectors=one("F32", [1, 1], 4), words=one("U8", [2], 4, 2)), b"1234"),
        "header is not valid",
    ),
    "st shape and size": (
        "x.safetensors",
        tensors(of_kind(vectors=one("F32", [2, 2], 4)), b"1234"),
        "header is not valid",
    ),
    "st of another kind": ("x.safetensors", tensors({"a": one("U8", [2], 2)}, b"12"), "metadata"),
    "st without words": (
        "x.safetensors",
        tensors(of_kind(vectors=one("F32", [1, 1], 4)), b"1234"),
        "tensor 'words'",
    ),
    "st newer": (
        "x.safetensors",
        tensors({"__metadata__": {"format": "isomorph.embeddings", "format_version": "2"}}),
        "newer isomorph",
    ),
    "st words short": (
        "x.safetensors",
        tensors(of_kind(vectors=one("F32", [1, 1], 4), words=one("U8", [2], 6, 4)), b"1234ab"),
        "expected 1 words",
    ),
}


@pytest.mark.parametrize("cause", BROKEN)
def test_each_cause_is_named_promptly(tmp_path: Path, cause: str) -> None:
    name, data, message = BROKEN[cause]
    path = tmp_path / name
    path.write_bytes(data)
    words = ["a", "b"] if name == "x.npy" else None
    started = time.perf_counter()
    with pytest.raises(FormatError, match=message) as caught:
        io.load(path, words=words)
    assert time.perf_counter() - started < 2
    assert str(caught.value).startswith(str(path))
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["x.vec", "x.vec.gz", "x.npy", "x.float16.npy", "x.safetensors"])
def test_a_file_cut_at_any_byte(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    io.save(TABLE, path)
    data = path.read_bytes()
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        try:
            loaded = io.load(path)
        except FormatError:
            continue
        # Text cannot tell a number from its beginning: only the last one may be shorter.
        assert name == "x.vec"
        assert loaded.words == TABLE.words
        np.testing.assert_array_equal(loaded.vectors.ravel()[:-1], TABLE.vectors.ravel()[:-1])


@pytest.mark.parametrize("name", ["x.vec.gz", "x.npy", "x.safetensors"])
def test_a_file_with_any_byte_changed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    io.save(TABLE, path)
    data = path.read_bytes()
    for at in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            changed = bytearray(data)
            changed[at] ^= flip
            path.write_bytes(changed)
            try:
                loaded = io.load(path)
            except FormatError:
                continue
            assert loaded.vectors.ndim == 2


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "x.vec"
    os.mkfifo(path)
    with pytest.raises(FormatError, match="regular file"):
        io.load(path)


def test_a_claim_is_not_paid_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.vec"
    path.write_bytes(gzip.compress(b"1000000000 1000000\n" + b"a 1 2\n" * 1000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FormatError):
        io.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize("name", ["x.vec", "x.vec.gz", "x.safetensors", "x.npy"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, name: str) -> None:
    """A limit on the size of files stands for the full disk."""
    (tmp_path / name).write_text("old")
    code = f"""
import resource, signal, sys
import numpy as np
from isomorph import io
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
values = np.random.default_rng(0).normal(size=(2000, 50))
table = io.Embeddings([f"w{{i}}" for i in range(2000)], values)
try:
    io.save(table, {str(tmp_path / name)!r})
except OSError as error:
    print(type(error).__name__, error.errno)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("OSError 27"), done
    assert (tmp_path / name).read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_save_that_is_stopped_leaves_the_old_file(tmp_path: Path, how: signal.Signals) -> None:
    path = tmp_path / "x.vec.gz"
    path.write_text("old")
    code = f"""
import numpy as np
from isomorph import io
values = np.random.default_rng(0).normal(size=(200_000, 100)).astype("f4")
table = io.Embeddings([f"w{{i}}" for i in range(len(values))], values)
print("ready", flush=True)
io.save(table, {str(path)!r}, threads=1)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(0.5)
    process.send_signal(how)
    started = time.perf_counter()
    _, complaint = process.communicate(timeout=30)
    assert time.perf_counter() - started < 5
    assert path.read_text() == "old"
    if how == signal.SIGINT:
        assert b"KeyboardInterrupt" in complaint
    assert sorted(tmp_path.iterdir()) == [path]
