"""The Rust core, the array-namespace code and other array libraries give one answer."""

from __future__ import annotations

import pytest

import isomorph as iso
from isomorph.errors import DTypeError
from support.contracts import array_parts, assert_agree, content
from support.cuda_stand_in import on_cuda
from support.every import both_types, every_contract


@every_contract()
@both_types
def test_the_core_answers_as_the_array_code_does(contract, dtype):
    for seed in range(3):
        arrays = contract.arrays(dtype, seed)
        with iso.runtime.use_backend("array"):
            expected = contract.call(**arrays)
        assert_agree(contract, dtype, contract.call(**arrays), expected)


@every_contract(lambda contract: contract.takes_array_api)
@both_types
def test_the_core_answers_as_the_code_for_gpus_does(contract, dtype):
    """With NumPy in CuPy's place, and all cut so small that rows are searched again."""
    arrays = contract.arrays(dtype)
    with on_cuda(extra=1, most=6, tile=(7, 9)):
        found = contract.call(**arrays)
    assert_agree(contract, dtype, found, contract.call(**arrays))


@every_contract(lambda contract: contract.takes_array_api)
@both_types
def test_strict_array_api_arrays_come_back_as_they_went_in(contract, dtype):
    xp = pytest.importorskip("array_api_strict")
    arrays = contract.arrays(dtype)
    result = contract.call(**{name: xp.asarray(array) for name, array in arrays.items()})
    assert content(result)
    for path, array in array_parts(result):
        if path.rsplit(".", 1)[-1] in contract.on_host:
            continue
        assert type(array) is type(xp.asarray([0.0])), path
    assert_agree(contract, dtype, result, contract.call(**arrays))


def can_mix(contract) -> bool:
    return contract.takes_array_api and len(contract.arguments) > 1


@every_contract(can_mix)
def test_arrays_of_different_libraries_are_not_mixed(contract):
    xp = pytest.importorskip("array_api_strict")
    arrays = contract.arrays()
    *_, last = arrays
    with pytest.raises(DTypeError, match="librar"):
        contract.call(**arrays | {last: xp.asarray(arrays[last])})


@every_contract(can_mix)
def test_devices_are_not_mixed(contract):
    xp = pytest.importorskip("array_api_strict")
    arrays = {name: xp.asarray(array) for name, array in contract.arrays().items()}
    *_, last = arrays
    elsewhere = arrays[last].to_device(xp.Device("device1"))
    with pytest.raises(DTypeError, match=r"device|librar"):
        contract.call(**arrays | {last: elsewhere})
