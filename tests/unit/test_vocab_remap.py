"""The remap: construction, renumbering, rows, files, and one named error a cause."""

from __future__ import annotations

from pathlib import Path

import array_api_strict
import numpy as np
import pytest

from isomorph import _core, errors
from isomorph.vocab import Remap


def test_it_knows_both_directions() -> None:
    remap = Remap.from_kept([4, 0, 2], 5)
    assert remap.new_to_old.tolist() == [4, 0, 2]
    assert remap.old_to_new.tolist() == [1, -1, 2, -1, 0]
    assert (remap.new_size, len(remap), remap.old_size) == (3, 3, 5)
    assert repr(remap) == "Remap(3 of 5 ids, dropped=-1)"


def test_its_tables_cannot_be_written() -> None:
    given = np.array([1, 0])
    remap = Remap.from_kept(given, 2)
    given[0] = 0
    assert remap.new_to_old.tolist() == [1, 0]
    for table in (remap.new_to_old, remap.old_to_new):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 0


def test_dropped_ids_become_what_was_said() -> None:
    remap = Remap.from_kept([3, 1], 4, dropped=1)
    assert remap.ids([[0, 3], [1, 2]]).tolist() == [[1, 0], [1, 1]]
    assert remap.ids([]).shape == (0,)
    assert int(remap.ids(np.uint16(3))) == 0


def test_gather_takes_anything_with_rows() -> None:
    remap = Remap.from_kept([2, 0], 3)
    assert remap.gather(["a", "b", "c"]) == ["c", "a"]
    assert remap.gather(("a", "b", "c")) == ("c", "a")
    half = np.array([1.5, np.nan, -0.0], dtype=np.float16)
    assert remap.gather(half).tobytes() == half[[2, 0]].tobytes()
    strict = remap.gather(array_api_strict.asarray([[1], [2], [3]]))
    assert type(strict).__module__.startswith("array_api_strict")
    assert np.asarray(strict).tolist() == [[3], [1]]


@pytest.mark.parametrize("rows", [np.zeros(2), np.zeros((4, 2)), ["a"]])
def test_another_number_of_rows_is_refused(rows: object) -> None:
    with pytest.raises(errors.ShapeError, match="expected 3 rows"):
        Remap.from_kept([2, 0], 3).gather(rows)


def test_gather_refuses_what_has_no_rows() -> None:
    for rows in (3, np.float32(1.0), None):
        with pytest.raises(errors.DTypeError, match="rows"):
            Remap.from_kept([0], 1).gather(rows)


def test_composition_and_inverse() -> None:
    first = Remap.from_kept([5, 3, 1], 6)
    second = Remap.from_kept([2, 0], 3, dropped=0)
    both = first.then(second)
    assert both.new_to_old.tolist() == [1, 5]
    assert both.dropped == 0
    assert both == second.compose(first)
    permutation = Remap.from_kept([2, 0, 1], 3)
    assert permutation.then(permutation.inverse()).new_to_old.tolist() == [0, 1, 2]
    with pytest.raises(errors.RemapError, match="3 of 6 ids were dropped"):
        first.inverse()
    with pytest.raises(errors.RemapError, match="one of 6"):
        first.then(first)


def test_scatter_puts_rows_back() -> None:
    remap = Remap.from_kept([2, 0], 3)
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert np.array_equal(remap.scatter(remap.gather(table), table), table)
    changed = remap.scatter(np.zeros((2, 2), np.float32), table)
    assert changed.tolist() == [[0, 0], [2, 3], [0, 0]]
    with pytest.raises(errors.ShapeError, match="into"):
        remap.scatter(table[:2], table[:2])
    with pytest.raises(errors.ShapeError, match="rows"):
        remap.scatter(table, table)
    with pytest.raises(errors.DTypeError, match="float32"):
        remap.scatter(table[:2].astype(np.float64), table)


@pytest.mark.parametrize(
    ("ids", "size", "message"),
    [
        ([0, 2, 0], 3, "id 0 is a duplicate, at entries 0 and 2"),
        ([0, -1], 3, "a negative id, -1"),
        ([0, 3], 3, "expected ids below 3.*got 3"),
        (np.array([2**64 - 1], np.uint64), 3, "expected ids below 3"),
        ([0], -1, "old_size"),
        ([0], 2**40, "old_size"),
    ],
)
def test_ids_that_do_not_fit_are_named(ids: object, size: int, message: str) -> None:
    with pytest.raises(errors.RemapError, match=message):
        Remap.from_kept(ids, size)  # type: ignore[arg-type]


def test_values_that_are_no_ids_are_named() -> None:
    for ids in ([0.0], ["a"], [True], [2**70]):
        with pytest.raises(errors.DTypeError, match="kept_old_ids"):
            Remap.from_kept(ids, 3)
    with pytest.raises(errors.ShapeError, match="one dimension"):
        Remap.from_kept(np.zeros((1, 1), int), 3)
    with pytest.raises(errors.ShapeError, match="ragged"):
        Remap.from_kept([[1], [1, 2]], 3)  # type: ignore[list-item]
    with pytest.raises(errors.DTypeError, match="old_size"):
        Remap.from_kept([0], 1.0)  # type: ignore[arg-type]
    for dropped in (-2, 1):
        with pytest.raises(errors.RemapError, match="dropped"):
            Remap.from_kept([0], 1, dropped=dropped)


def test_tokens_out_of_range_are_named() -> None:
    remap = Remap.from_kept([1], 3)
    with pytest.raises(errors.RemapError, match=r"tokens.*negative.*-100.*entry 1"):
        remap.ids([0, -100])
    with pytest.raises(errors.RemapError, match=r"below 3.*got 7.*entry 2"):
        remap.ids([0, 1, 7])
    with pytest.raises(errors.DTypeError, match="tokens"):
        remap.ids([0.5])


def test_it_survives_a_file(tmp_path: Path) -> None:
    remap = Remap.from_kept([4, 0, 2], 5, dropped=1)
    remap.save(tmp_path / "remap.safetensors")
    assert Remap.load(tmp_path / "remap.safetensors") == remap
    empty = Remap.from_kept([], 5)
    empty.save(tmp_path / "empty.safetensors")
    assert Remap.load(tmp_path / "empty.safetensors") == empty
    assert remap != empty
    assert remap != 3


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({"rows": np.zeros(1)}, {}, "expected a file of isomorph.remap"),
        ({"new_to_old": np.zeros(1, np.int64)}, {"format": "isomorph.remap"}, "format version"),
        (
            {"new_to_old": np.zeros(1, np.int64)},
            {"format": "isomorph.remap", "format_version": "1", "old_size": "x"},
            "old_size and dropped",
        ),
    ],
)
def test_another_file_is_refused(
    tmp_path: Path, tensors: dict[str, object], metadata: dict[str, str], message: str
) -> None:
    path = tmp_path / "other.safetensors"
    _core.write_safetensors(str(path), tensors, metadata)
    with pytest.raises(errors.FormatError, match=message):
        Remap.load(path)


def test_a_file_with_wrong_ids_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    metadata = {"format": "isomorph.remap", "format_version": "1", "old_size": "1", "dropped": "-1"}
    _core.write_safetensors(str(path), {"new_to_old": np.array([0, 0])}, metadata)
    with pytest.raises(errors.RemapError, match="duplicate"):
        Remap.load(path)
