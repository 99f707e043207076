"""Ids of every integer type, in place and not, and what happens to those without a new one."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest

from isomorph import errors
from isomorph.vocab import Remap

INTEGERS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i2", ">u4", ">i8"]
REMAP = Remap.from_kept([4, 0, 2], 5, dropped=1)
OLD = [[0, 4, 2], [1, 3, 0]]
NEW = [[1, 0, 2], [1, 1, 1]]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("other", [None, "i1", "u2", "i4", "u8", ">i4"])
def test_every_type_to_every_type(dtype: str, other: str | None) -> None:
    old = np.array(OLD, dtype)
    new = REMAP.ids(old, dtype=other)
    assert new.dtype == (other or dtype)
    assert new.tolist() == NEW
    assert old.tolist() == OLD


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize(
    "layout",
    [np.array, np.asfortranarray, lambda ids: np.repeat(ids, 2, axis=1)[:, ::2]],
    ids=["C", "F", "strided"],
)
def test_in_place(dtype: str, layout) -> None:
    ids = layout(np.array(OLD, dtype))
    assert REMAP.ids(ids, in_place=True) is ids
    assert ids.tolist() == NEW
    assert ids.dtype == dtype


def test_lists_and_scalars_and_nothing() -> None:
    assert REMAP.ids(OLD).dtype == np.int64
    assert REMAP.ids(OLD).tolist() == NEW
    assert REMAP.ids(np.uint8(4)).shape == ()
    assert REMAP.ids(np.empty((0, 3), np.uint8)).dtype == np.uint8
    assert REMAP.ids([]).dtype == np.int64
    assert REMAP.ids(array_api_strict.asarray([4, 1])).tolist() == [0, 1]


def test_out_is_what_was_given() -> None:
    out = np.empty((2, 3), np.uint16)
    assert REMAP.ids(OLD, out=out) is out
    assert out.tolist() == NEW
    old = np.array(OLD)
    assert REMAP.ids(old, out=old) is old
    assert old.tolist() == NEW
    wide = np.zeros((2, 6), np.int32)
    assert REMAP.ids(OLD, out=wide[:, ::2]).base is wide
    assert wide.tolist() == [[1, 0, 0, 0, 2, 0], [1, 0, 1, 0, 1, 0]]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"out": np.empty((3, 2), int)}, errors.ShapeError, "out: expected the shape of tokens"),
        ({"out": np.empty((2, 3))}, errors.DTypeError, "expected a type of integers, got float64"),
        ({"out": [[0] * 3] * 2}, errors.DTypeError, "out: expected an array"),
        ({"out": np.empty((2, 3), "i4"), "dtype": "i8"}, errors.DTypeError, "array of int64"),
        ({"out": np.broadcast_to(1, (2, 3))}, ValueError, "read-only"),
        ({"dtype": "f4"}, errors.DTypeError, "dtype: expected a type of integers"),
        ({"dtype": "?"}, errors.DTypeError, "dtype: expected a type of integers"),
        ({"in_place": True}, errors.DTypeError, "in_place: expected a NumPy array.*got list"),
        ({"unknown": "ignore"}, ValueError, "unknown: expected one of raise, dropped, keep"),
        ({"ignore": 3}, errors.RemapError, "ignore: .*got 3"),
        ({"ignore": 1.5}, errors.DTypeError, "ignore: expected an integer"),
        ({"ignore": -100, "dtype": "u4", "tokens": np.array([0])}, errors.RemapError, "-100 does"),
    ],
)
def test_what_cannot_be_asked(options: dict, error: type[Exception], message: str) -> None:
    options = {"tokens": OLD, **options}
    with pytest.raises(error, match=message):
        REMAP.ids(options.pop("tokens"), **options)


def test_memory_that_overlaps() -> None:
    ids = np.zeros(10, int)
    with pytest.raises(ValueError, match="overlaps"):
        REMAP.ids(ids[:5], out=ids[2:7])
    ids.flags.writeable = False
    with pytest.raises(ValueError, match=r"in_place.*read-only"):
        REMAP.ids(ids, in_place=True)
    with pytest.raises(ValueError, match="no out="):
        REMAP.ids(np.zeros(3, int), in_place=True, out=ids)


@pytest.mark.parametrize("dtype", ["i2", "i4", "i8", ">i4"])
def test_unknown_ids_by_policy(dtype: str) -> None:
    ids = np.array([4, -100, 7, 1], dtype)
    for refused, value in ((ids, "-100"), (ids[2:], "7")):
        before = refused.copy()
        with pytest.raises(errors.RemapError, match=f"{value}.*is no id; pass ignore="):
            REMAP.ids(refused, in_place=True)
        assert np.array_equal(refused, before)
    assert REMAP.ids(ids, unknown="dropped").tolist() == [0, 1, 1, 1]
    assert REMAP.ids(ids, unknown="keep").tolist() == [0, -100, 7, 1]
    assert REMAP.ids(ids, ignore=[-100, 7]).tolist() == [0, -100, 7, 1]
    assert REMAP.ids(ids, ignore=-100, unknown="dropped").tolist() == [0, -100, 1, 1]
    with pytest.raises(errors.RemapError, match="got 7 at entry 2"):
        REMAP.ids(ids, ignore=-100)


def test_the_largest_ids_are_no_places() -> None:
    for dtype, value in (("u8", 2**64 - 1), ("i8", -(2**63)), ("u4", 2**32 - 1), ("i4", -1)):
        ids = np.array([0, value], dtype)
        with pytest.raises(errors.RemapError, match=f"{value}.*entry 1"):
            REMAP.ids(ids)
        assert REMAP.ids(ids, unknown="keep").tolist() == [1, value]
        with pytest.raises(errors.RemapError, match="does not fit int8"):
            REMAP.ids(np.array([300, value], dtype), unknown="keep", dtype="i1")
    # A vocabulary of more ids than the type has.
    large = Remap.from_kept(np.arange(300)[::-1], 300)
    assert large.ids(np.array([100], "i1"), dtype="i2").tolist() == [199]
    with pytest.raises(errors.RemapError, match="negative id, -1"):
        large.ids(np.array([-1], "i1"), dtype="i2")
    with pytest.raises(errors.RemapError, match="id 100 at entry 0: it becomes 199, which int8"):
        large.ids(np.array([127, 100], "i1")[::-1], dtype=None)


def test_what_was_not_kept_has_to_fit_and_may_be_an_error() -> None:
    lossy = Remap.from_kept([4, 0, 2], 5)
    assert lossy.ids(np.array([4, 3], np.int8)).tolist() == [0, -1]
    assert lossy.ids(np.array([4, 2], np.uint8)).tolist() == [0, 2]
    with pytest.raises(errors.RemapError, match=r"entry 1: it becomes -1, which uint8.*dropped"):
        lossy.ids(np.array([4, 3], np.uint8))
    with pytest.raises(errors.RemapError, match="unknown: 'dropped' gives -1"):
        lossy.ids(np.array([4], np.uint8), unknown="dropped")
    with pytest.raises(errors.RemapError, match=r"id 1 at entry \(1, 0\): it was not kept"):
        REMAP.ids(np.array(OLD), strict=True)
    assert REMAP.ids(np.array(OLD[0]), strict=True).tolist() == NEW[0]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_many_ids_on_several_threads(threads: int) -> None:
    rng = np.random.default_rng(0)
    remap = Remap.from_kept(rng.permutation(70_000)[:40_000], 70_000, dropped=3)
    ids = rng.integers(0, 70_000, 300_001).astype(np.int32)
    expected = remap.old_to_new[ids]
    assert np.array_equal(remap.ids(ids, threads=threads), expected)
    ids[222_222] = -7
    before = ids.copy()
    with pytest.raises(errors.RemapError, match="-7, at entry 222222"):
        remap.ids(ids, in_place=True, threads=threads)
    assert np.array_equal(ids, before)


def test_without_a_vocabulary_everything_is_unknown() -> None:
    nothing = Remap.from_kept([], 0)
    assert nothing.ids([5], unknown="keep").tolist() == [5]
    assert nothing.ids([5], unknown="dropped").tolist() == [-1]
    with pytest.raises(errors.RemapError, match="below 0"):
        nothing.ids([0])
