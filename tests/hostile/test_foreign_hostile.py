"""Vectors in the files of other programs: what they wrote is read, whatever else has a name."""

from __future__ import annotations

import pickle
import struct
import zipfile

import numpy as np
import pytest

from isomorph import _torch_files, io
from isomorph.errors import FormatError
from support.foreign_files import DIRECTIONS, FASTTEXT, GENSIM, GENSIM_IN_PARTS

WORDS, VECTORS = ["a", "ä", "c"], np.arange(9, dtype=np.float32).reshape(3, 3)
#: Bytes of a claim: the numbers in a header that a file may lie in.
HUGE = 2**31 - 1


def word2vec(rows=3, columns=3):
    named = zip(WORDS, VECTORS, strict=True)
    body = b"".join(word.encode() + b" " + row.tobytes() + b"\n" for word, row in named)
    return b"%d %d\n" % (rows, columns) + body


def faiss(code=b"IxFI", columns=3, rows=3, metric=0, values=9):
    header = code + struct.pack("<iqqq?iQ", columns, rows, 1 << 20, 1 << 20, True, metric, values)
    return header + VECTORS.tobytes()


def write(path, kind):
    """Write the words and vectors in a format; and give the words where the file has none."""
    if kind == "word2vec":
        path = path.with_suffix(".bin")
        path.write_bytes(word2vec())
    elif kind == "fasttext":
        path = path.with_suffix(".bin")
        path.write_bytes(FASTTEXT)
    elif kind == "gensim":
        path = path.with_suffix(".kv")
        path.write_bytes(GENSIM)
    elif kind == "faiss":
        path = path.with_suffix(".faiss")
        path.write_bytes(faiss())
        path.with_name(f"{path.name}.words.txt").write_text("a\nä\nc\n", encoding="utf-8")
    elif kind == "npz":
        path = path.with_suffix(".npz")
        np.savez(path, words=np.array(WORDS), vectors=VECTORS)
    else:
        path = path.with_suffix(".pth")
        dico = {"id2word": dict(enumerate(WORDS))}
        _torch_files.save(str(path), {"dico": dico, "vectors": VECTORS})
    return path


KINDS = ("word2vec", "fasttext", "gensim", "faiss", "npz", "torch")


@pytest.mark.parametrize("kind", set(KINDS) - {"fasttext"})
def test_what_it_holds(tmp_path, kind):
    path = write(tmp_path / "x", kind)
    found = io.load(path)
    last = "c d" if kind == "gensim" else "c"
    assert list(found.words) == ["a", "ä", last]
    np.testing.assert_array_equal(found.vectors, VECTORS)
    assert list(io.load(path, limit=2).words) == ["a", "ä"]
    facts = io.inspect(path)
    assert (facts["rows"], facts["dimension"], facts["duplicates"]) == (3, 3, 0)


def test_a_model_of_fasttext(tmp_path):
    """A word is the mean of its row and of those of its n-grams."""
    found = io.load(write(tmp_path / "x", "fasttext"))
    assert list(found.words) == list(DIRECTIONS)
    units = found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(units, list(DIRECTIONS.values()), atol=1e-5)


def test_gensim_with_its_vectors_beside(tmp_path):
    path = tmp_path / "x.kv"
    path.write_bytes(GENSIM_IN_PARTS)
    with pytest.raises(FileNotFoundError, match="vectors"):
        io.load(path)
    np.save(tmp_path / "x.kv.vectors.npy", VECTORS)
    np.testing.assert_array_equal(io.load(path).vectors, VECTORS)
    np.save(tmp_path / "x.kv.vectors.npy", VECTORS[:2])
    with pytest.raises(FormatError, match="a vector for each of 3 words"):
        io.load(path)


def test_words_of_a_flat_index_may_be_given(tmp_path):
    path = tmp_path / "x.index"
    path.write_bytes(faiss(b"IxF2", metric=1))
    assert list(io.load(path, words=WORDS).words) == WORDS
    with pytest.raises(FormatError, match="expected 3 words"):
        io.load(path, words=WORDS[:2])
    with pytest.raises(FileNotFoundError):
        io.load(path)


@pytest.mark.parametrize("kind", KINDS)
def test_every_truncation_is_refused(tmp_path, kind):
    path = write(tmp_path / "x", kind)
    whole = path.read_bytes()
    # What is not read: the line feed behind word2vec's last row, and fastText's output vectors.
    unread = 17 + 8 * len(DIRECTIONS) if kind == "fasttext" else 1
    for count in range(0, len(whole) - unread, 3):
        path.write_bytes(whole[:count])
        with pytest.raises(FormatError, match=r"x\.\w+"):
            io.load(path)


@pytest.mark.parametrize("kind", KINDS)
def test_no_changed_byte_is_a_fault_of_ours(tmp_path, rng, kind):
    path = write(tmp_path / "x", kind)
    whole = path.read_bytes()
    for place in rng.integers(0, len(whole), 250).tolist():
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            found = io.load(path)
        except (FormatError, FileNotFoundError):
            continue
        assert found.vectors.size <= len(whole)


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        (".bin", word2vec(rows=HUGE)),
        (".bin", word2vec(columns=HUGE)),
        (".bin", word2vec(rows=10**18, columns=10**18)),
        (".bin", word2vec(columns=0)),
        (".bin", b"3 3 3\n"),
        (".bin", b"x" * 200_000),
        (".faiss", faiss(rows=HUGE)),
        (".faiss", faiss(rows=2**62, columns=HUGE, values=2**63)),
        (".faiss", faiss(rows=-1)),
        (".faiss", faiss(columns=-3)),
        (".faiss", faiss(values=10)),
        (".faiss", faiss(code=b"IwFl")),
        (".faiss", faiss(metric=1)),
        (".faiss", faiss(metric=23)),
        (".faiss", faiss() + b"more"),
    ],
    ids=range(15),
)
def test_claims_that_the_size_belies(tmp_path, suffix, data):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"x\.\w+"):
        io.load(path, words=WORDS if suffix == ".faiss" else None)


@pytest.mark.parametrize("place", [4, 8, 64, 68, 72, 88])
def test_a_model_that_lies(tmp_path, place):
    """Version, dimension, entries, words, labels, pruned n-grams."""
    changed = bytearray(FASTTEXT)
    struct.pack_into("<i", changed, place, HUGE)
    path = tmp_path / "x.bin"
    path.write_bytes(changed)
    with pytest.raises(FormatError):
        io.load(path)


def test_npz_that_is_no_vocabulary(tmp_path):
    path = tmp_path / "x.npz"
    for arrays in (
        {"vectors": VECTORS},
        {"words": np.array(WORDS[:2]), "vectors": VECTORS},
        {"words": np.array(WORDS), "vectors": VECTORS[0]},
        {"words": np.array(WORDS), "vectors": VECTORS.astype(int)},
        {"words": np.array(WORDS, dtype=object), "vectors": VECTORS},
        {"words": np.array([b"\xff"] * 3), "vectors": VECTORS},
    ):
        np.savez(path, **arrays)
        with pytest.raises(FormatError):
            io.load(path)
    np.savez_compressed(path, words=np.array([w.encode() for w in WORDS]), vectors=VECTORS)
    assert list(io.load(path).words) == WORDS


def test_npz_that_unpacks_to_more_than_it_says(tmp_path):
    path = tmp_path / "x.npz"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 1000), }\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, rows in (("words", 3), ("vectors", 10**12)):
            text = header % rows
            made.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)
    with pytest.raises(FormatError):
        io.load(path)


def test_pickles_run_nothing(tmp_path):
    class Runs:
        def __reduce__(self):
            return (tmp_path / "proof").mkdir, ()

    for suffix in (".kv", ".pth"):
        path = tmp_path / f"x{suffix}"
        path.write_bytes(pickle.dumps({"dico": Runs(), "vectors": Runs()}))
        with pytest.raises(FormatError, match="nothing is run"):
            io.load(path)
    assert not (tmp_path / "proof").exists()


def test_convert_takes_them(tmp_path):
    from isomorph.cli import main

    for kind in KINDS:
        path = write(tmp_path / kind, kind)
        assert main(["convert", str(path), str(tmp_path / "out.vec"), "--quiet"]) == 0
        assert list(io.load(tmp_path / "out.vec").words) == list(io.load(path).words)
