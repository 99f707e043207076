"""However the values lie in memory, the answer has the same bytes and the input stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from support.contract_table import CONTRACTS
from support.contracts import content
from support.every import both_types, every_contract


class Subclass(np.ndarray):
    """An array class of somebody else's."""


def read_only(array, folder):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def fortran(array, folder):
    return np.asfortranarray(array)


def strided(array, folder):
    wide = np.full([2 * length for length in array.shape], np.nan, array.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def reversed_axes(array, folder):
    backwards = tuple(slice(None, None, -1) for _ in array.shape)
    return np.ascontiguousarray(array[backwards])[backwards]


def window(array, folder):
    wide = np.full([length + 3 for length in array.shape], np.inf, array.dtype)
    inner = wide[tuple(slice(2, -1) for _ in array.shape)]
    inner[...] = array
    return inner


def memory_mapped(array, folder):
    file = folder / f"{id(array)}.npy"
    np.save(file, array)
    return np.load(file, mmap_mode="r")


def misaligned(array, folder):
    memory = bytearray(array.nbytes + 1)
    view = np.frombuffer(memory, array.dtype, array.size, offset=1).reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned
    return view


def swapped_bytes(array, folder):
    return array.astype(array.dtype.newbyteorder())


def subclass(array, folder):
    return array.view(Subclass)


LAYOUTS = (
    read_only,
    fortran,
    strided,
    reversed_axes,
    window,
    memory_mapped,
    misaligned,
    swapped_bytes,
    subclass,
)


#: NumPy adds in the order of the memory, so of array code only selections have bytes to promise.
CASES = [
    pytest.param(contract, backend, id=f"{backend}-{contract.id}")
    for contract in CONTRACTS
    for backend in ("cpu", "array")
    if backend == "cpu" or contract.selects
]
every_case = pytest.mark.parametrize(("contract", "name"), CASES)


@every_case
@both_types
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_the_layout_does_not_matter(contract, name, dtype, layout, tmp_path):
    arrays = contract.arrays(dtype)
    laid_out = {key: layout(array, tmp_path) for key, array in arrays.items()}
    before = {key: array.tobytes() for key, array in laid_out.items()}
    with iso.runtime.use_backend(name):
        assert content(contract.call(**laid_out)) == content(contract.call(**arrays))
    assert {key: array.tobytes() for key, array in laid_out.items()} == before


@every_case
def test_one_row_repeated_is_taken_as_rows(contract, name):
    """A broadcast view has stride 0 over rows."""
    arrays = contract.arrays()
    views = {
        key: np.broadcast_to(array[:1], array.shape) if array.ndim == 2 else array
        for key, array in arrays.items()
    }
    copies = {key: array.copy() for key, array in views.items()}
    with iso.runtime.use_backend(name):
        assert content(contract.call(**views)) == content(contract.call(**copies))


@every_contract()
@both_types
def test_inputs_are_never_written(contract, dtype, backend):
    arrays = contract.arrays(dtype)
    before = {key: array.tobytes() for key, array in arrays.items()}
    contract.call(**arrays)
    assert {key: array.tobytes() for key, array in arrays.items()} == before


def two_sides(contract) -> bool:
    ranks = [len(argument.shape) for argument in contract.arguments.values()]
    return ranks == [2, 2] and bool(contract.same_columns)


@every_contract(two_sides)
def test_the_same_array_may_stand_for_both_sides(contract, backend):
    arrays = contract.arrays()
    largest = max(arrays.values(), key=np.size)
    copies = {key: largest.copy() for key in arrays}
    same = dict.fromkeys(arrays, largest)
    assert content(contract.call(**same)) == content(contract.call(**copies))
