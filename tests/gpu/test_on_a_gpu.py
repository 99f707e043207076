"""Everything that a GPU runs, on one: public functions against the core, kernels against models."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph._backends.cuda_device import CupyDevice
from support.contracts import array_parts, content
from support.cuda_stand_in import StandIn
from support.every import both_types, every_contract

pytestmark = pytest.mark.gpu


@every_contract(lambda contract: contract.takes_array_api and contract.selects)
@both_types
def test_selections_have_the_bytes_of_the_core(contract, dtype):
    import cupy

    arrays = contract.arrays(dtype)
    found = contract.call(**{name: cupy.asarray(array) for name, array in arrays.items()})
    expected = dict(array_parts(contract.call(**arrays)))
    for path, array in array_parts(found):
        if path.rsplit(".", 1)[-1] not in contract.on_host:
            assert isinstance(array, cupy.ndarray), path
        assert content(cupy.asnumpy(array)) == content(expected[path]), path


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_large_searches_have_the_bytes_of_the_core(rng, precision):
    import cupy

    x, y = (rng.standard_normal((rows, 300)).astype("float32") for rows in (3000, 40_000))
    with iso.runtime.precision(precision):
        found = iso.csls_both(cupy.asarray(x), cupy.asarray(y), 5)
    expected = iso.csls_both(x, y, 5)
    for side in ("forward", "backward"):
        for name in ("scores", "indices"):
            got = cupy.asnumpy(getattr(getattr(found, side), name))
            assert got.tobytes() == getattr(getattr(expected, side), name).tobytes()


@both_types
def test_kernels_are_their_models(rng, dtype):
    import cupy

    device, model = CupyDevice(cupy), StandIn()
    x, y = (rng.standard_normal((rows, 77)).astype(dtype) for rows in (300, 500))
    rows, columns = rng.integers(0, 300, 40), rng.integers(-1, 500, (40, 9))
    for squared in (False, True):
        sums = device.pair_sums(*map(cupy.asarray, (x, rows, y, columns)), squared)
        assert (
            cupy.asnumpy(sums).tobytes() == model.pair_sums(x, rows, y, columns, squared).tobytes()
        )
    tile = (x @ y.T).astype(dtype)
    for across, (count, others) in ((False, (300, 500)), (True, (500, 300))):
        bias, floor = np.zeros(others, dtype), np.full(count, 3, dtype)
        found = device.collect(*map(cupy.asarray, (tile,)), across, 2.0, *map(
            cupy.asarray, (bias, floor)
        ), others)  # fmt: skip
        expected = model.collect(tile, across, 2.0, bias, floor, others)
        assert cupy.asnumpy(found[2]).tobytes() == expected[2].tobytes()
        got = np.sort(cupy.asnumpy(found[0]), axis=1)
        np.testing.assert_array_equal(got, np.sort(expected[0], axis=1))
