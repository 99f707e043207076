"""PyTorch's files: read without PyTorch, and nothing in them is run, whatever they are."""

from __future__ import annotations

import builtins
import io as streams
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from isomorph import _torch_files, io
from isomorph.errors import DTypeError, FormatError
from support.torch_files import WRITTEN

EXPECTED = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(("age", "kind"), WRITTEN)
def test_what_pytorch_writes(tmp_path, age, kind):
    path = tmp_path / "m.pth"
    path.write_bytes(WRITTEN[age, kind])
    found = io.load_matrix(path)
    assert found.tolist() == (EXPECTED.T if kind == "tensor" else EXPECTED).tolist()
    assert found.dtype == (np.float64 if kind == "array" else np.float32)


def test_there_and_back(tmp_path, rng):
    path = str(tmp_path / "x.pth")
    value = {
        "text": "ä",
        "numbers": [1, -(2**40), True],
        "matrix": rng.standard_normal((3, 2)),
        "none left": np.zeros((0, 4), np.float32),
    }
    _torch_files.save(path, value)
    found = _torch_files.load(path)
    assert found["text"] == "ä"
    assert found["numbers"] == [1, -(2**40), True]
    np.testing.assert_array_equal(found["matrix"], value["matrix"])
    assert found["none left"].shape == (0, 4)
    with pytest.raises(DTypeError):
        _torch_files.save(path, {"a": object()})


class Runs:
    """What unpickling would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class Evaluates:
    def __reduce__(self):
        return builtins.eval, ("1 + 1",)


def archive(path, data, storages=None, **options):
    with zipfile.ZipFile(path, "w", **options) as made:
        made.writestr("archive/data.pkl", data)
        made.writestr("archive/byteorder", b"little")
        for key, storage in (storages or {}).items():
            made.writestr(f"archive/data/{key}", storage)


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_is_run(tmp_path, protocol, zipped):
    path, proof = tmp_path / "x.pth", tmp_path / "proof"
    for hostile in (Runs(proof), Evaluates(), [Runs(proof)], {"vectors": Runs(proof)}):
        data = pickle.dumps(hostile, protocol)
        if zipped:
            archive(path, data)
        else:
            path.write_bytes(data)
        with pytest.raises(
            FormatError, match=r"it calls (posix|nt|builtins|__builtin__)\.\w+; only data"
        ):
            io.load_matrix(path)
        assert not proof.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04ios\nsystem\n.",  # INST
        b"\x80\x02(S'echo'\nios\nsystem\n.",
        b"\x80\x02cos\nsystem\n(S'echo'\no.",  # OBJ
        b"\x80\x02\x82\x01.",  # an extension
        b"\x80\x09.",
        b"\x80\x02.",
        b"\x80\x02",
        b"\x80\x02K\x01K\x02.",
        b"\x80\x02X\xff\xff\xff\xffabc.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        b"\x80\x02\x8a\xff" + b"\x01" * 255 + b".",
        b"\x80\x02X\x01\x00\x00\x00\xff.",
        b"\x80\x02h\x07.",
        b"\x80\x02t.",
        b"\x80\x02\x86.",
        b"\x80\x02]K\x01K\x02s.",
        b"\x80\x02}))s.",  # a key that could take for ever to hash
        b"\x80\x02K\x01}b.",
        b"\x80\x02cos\nsystem",
        b"\x80\x02Q.",
        b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
        b"\x80\x02" + b")\x85" * 100_000 + b"R.",
    ],
    ids=range(22),
)
def test_damage_has_a_name(tmp_path, data):
    path = tmp_path / "x.pth"
    for write in (path.write_bytes, lambda data: archive(path, data)):
        write(data)
        with pytest.raises(FormatError, match=r"x\.pth"):
            io.load_matrix(path)


@pytest.mark.parametrize(("age", "kind"), WRITTEN)
def test_every_truncation_is_refused(tmp_path, age, kind):
    path, whole = tmp_path / "x.pth", WRITTEN[age, kind]
    for count in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:count])
        with pytest.raises(FormatError):
            io.load_matrix(path)


@pytest.mark.parametrize(("age", "kind"), WRITTEN)
def test_no_changed_byte_is_a_fault_of_ours(tmp_path, rng, age, kind):
    path, whole = tmp_path / "x.pth", WRITTEN[age, kind]
    for place in rng.integers(0, len(whole), 300).tolist():
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            found = io.load_matrix(path)
        except FormatError:
            continue
        assert found.size <= len(whole)


def tensor(size, stride, count, offset=0, kind="FloatStorage", key="0"):
    """Describe a tensor as PyTorch does."""
    pickler = _torch_files._Pickler()
    pickler.parts = [b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(("]
    pickler._any("storage")
    pickler.parts.append(b"ctorch\n" + kind.encode() + b"\n")
    for one in (key, "cpu", count):
        pickler._any(one)
    pickler.parts.append(b"tQ")
    for one in (offset, size, stride, False):
        pickler._any(one)
    return b"".join([*pickler.parts, b"ccollections\nOrderedDict\n)RtR."])


@pytest.mark.parametrize(
    "described",
    [
        {"size": (2**40, 2**20), "stride": (2**20, 1), "count": 6},
        {"size": (2**40, 2**20), "stride": (2**20, 1), "count": 2**60},
        # Little that says that it is much.
        {"size": (2**20, 2**20), "stride": (0, 0), "count": 6},
        {"size": (2, 3), "stride": (3, 1), "count": 6, "offset": 1},
        {"size": (2, 3), "stride": (4, 1), "count": 6},
        {"size": (2, 3), "stride": (-3, 1), "count": 6, "offset": 3},
        {"size": (2, -3), "stride": (3, 1), "count": 6},
        {"size": (2, 3), "stride": (3,), "count": 6},
        {"size": (1,) * 9, "stride": (1,) * 9, "count": 6},
        {"size": (2, 3), "stride": (3, 1), "count": 5},
        {"size": (2, 3), "stride": (3, 1), "count": -6},
        {"size": (2, 3), "stride": (3, 1), "count": 6, "kind": "DoubleStorage"},
        {"size": (2, 3), "stride": (3, 1), "count": 6, "kind": "ByteStorage"},
        {"size": (2, 3), "stride": (3, 1), "count": 6, "key": "1"},
        {"size": (2, 3), "stride": (3, 1), "count": 6, "key": "../data.pkl"},
        {"size": (6,), "stride": (1,), "count": 6},
    ],
    ids=str,
)
def test_sizes_that_do_not_fit(tmp_path, described):
    path = tmp_path / "x.pth"
    archive(path, tensor(**described), {"0": np.zeros(6, np.float32).tobytes()})
    with pytest.raises(FormatError, match=r"x\.pth"):
        io.load_matrix(path)


def test_archives_that_are_bombs_or_none(tmp_path):
    path = tmp_path / "x.pth"
    good = tensor(size=(2, 3), stride=(3, 1), count=6)
    storage = {"0": np.zeros(6, np.float32).tobytes()}
    archive(path, good, storage)
    assert io.load_matrix(path).shape == (2, 3)
    archive(path, good, storage, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(FormatError, match="not compressed"):
        io.load_matrix(path)
    archive(path, good)
    with pytest.raises(FormatError, match="got none"):
        io.load_matrix(path)
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("other", b"")
    with pytest.raises(FormatError, match=r"one 'data\.pkl', got 0"):
        io.load_matrix(path)
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("archive/data.pkl", good)
        made.writestr("archive/byteorder", b"big")
    with pytest.raises(FormatError, match="little-endian"):
        io.load_matrix(path)
    path.write_text("no pickle at all")
    with pytest.raises(FormatError, match="neither archive nor pickle"):
        io.load_matrix(path)
    with pytest.raises(FileNotFoundError):
        io.load_matrix(tmp_path / "missing.pth")


def test_an_entry_that_lies_about_its_size(tmp_path):
    path = tmp_path / "x.pth"
    stream = streams.BytesIO()
    archive(stream, tensor(size=(2, 3), stride=(3, 1), count=6), {"0": bytes(24)})
    data = bytearray(stream.getvalue())
    central = data.rindex(b"PK\x01\x02")
    struct.pack_into("<II", data, central + 20, 2**31, 2**31)
    path.write_bytes(data)
    with pytest.raises(FormatError):
        io.load_matrix(path)


@pytest.mark.parametrize(
    "value",
    [
        np.array(["a"]),
        np.array([object()], dtype=object),
        np.array(1.5),
        np.zeros((2, 2), complex),
        {"a": 1},
        "text",
    ],
    ids=str,
)
def test_what_is_no_matrix(tmp_path, value):
    path = tmp_path / "x.pth"
    path.write_bytes(pickle.dumps(value, 4))
    with pytest.raises(FormatError):
        io.load_matrix(path)


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2"])
def test_arrays_of_every_protocol(tmp_path, protocol, dtype):
    path = tmp_path / "x.pth"
    for value in (EXPECTED.astype(dtype), np.asfortranarray(EXPECTED.astype(dtype))):
        path.write_bytes(pickle.dumps(value, protocol))
        assert io.load_matrix(path).tolist() == EXPECTED.tolist()
