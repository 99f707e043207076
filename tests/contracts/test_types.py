"""Types in and out: float32 and float64 stay, float16 widens, others are refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from isomorph.errors import DTypeError
from support.contracts import array_parts, content
from support.every import every_argument, every_contract


def float_types(contract, result) -> set[str]:
    """Return the types of what is computed in the type of the input."""
    return {
        str(value.dtype)
        for path, value in array_parts(result)
        if value.dtype.kind == "f" and path.endswith(contract.typed or "")
    }


@every_contract()
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_computing_type_is_the_inputs(contract, dtype, backend):
    found = float_types(contract, contract.call(**contract.arrays(dtype)))
    assert found <= {dtype}


@every_contract()
def test_indices_are_int64(contract, backend):
    result = contract.call(**contract.arrays())
    integers = {str(value.dtype) for _, value in array_parts(result) if value.dtype.kind in "iu"}
    assert integers <= {"int64"}


@every_contract()
def test_float16_is_widened_to_float32(contract, backend):
    arrays = contract.arrays("float16")
    wide = {name: array.astype("float32") for name, array in arrays.items()}
    assert content(contract.call(**arrays)) == content(contract.call(**wide))


@every_argument()
def test_mixed_types_promote(contract, argument, backend):
    arrays = contract.arrays("float32")
    mixed = arrays | {argument: arrays[argument].astype("float64")}
    if contract.arguments[argument].follows:
        assert float_types(contract, contract.call(**mixed)) == {"float32"}
        return
    wide = {name: array.astype("float64") for name, array in arrays.items()}
    assert content(contract.call(**mixed)) == content(contract.call(**wide))


WRONG_DTYPES = ("int8", "int64", "uint8", "bool", "complex64", "complex128", "object", "U5", "S3")


@every_argument()
@pytest.mark.parametrize("dtype", WRONG_DTYPES)
def test_other_types_are_refused_by_name(contract, argument, dtype, backend):
    arrays = contract.arrays()
    arrays[argument] = np.ones(arrays[argument].shape).astype(dtype)
    with pytest.raises(DTypeError, match=rf"^{argument}: expected (floating point|real) values"):
        contract.call(**arrays)


@every_argument()
@pytest.mark.parametrize(
    "convert",
    [np.ndarray.tolist, lambda array: "words", lambda array: 1.5, lambda array: iter(array)],
    ids=["list", "string", "number", "iterator"],
)
def test_what_is_no_array_is_refused_by_name(contract, argument, convert, backend):
    arrays = contract.arrays()
    arrays[argument] = convert(arrays[argument])
    with pytest.raises(DTypeError, match=rf"^{argument}: expected an array, got"):
        contract.call(**arrays)


@every_argument()
def test_masked_arrays_are_refused(contract, argument, backend):
    arrays = contract.arrays()
    arrays[argument] = np.ma.masked_array(arrays[argument])
    with pytest.raises(DTypeError, match=rf"^{argument}: a masked array"):
        contract.call(**arrays)


@every_argument()
def test_structured_arrays_are_refused(contract, argument, backend):
    arrays = contract.arrays()
    arrays[argument] = np.zeros(arrays[argument].shape, dtype=[("x", "f4"), ("y", "f4")])
    with pytest.raises(DTypeError, match=rf"^{argument}: expected floating point values"):
        contract.call(**arrays)
