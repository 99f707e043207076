"""Bad input: its named error, with the argument in the message, promptly."""

from __future__ import annotations

import time

import numpy as np
import pytest

from isomorph.errors import NonFiniteError, ShapeError
from support.contract_table import CONTRACTS
from support.contracts import content
from support.every import every_argument, every_contract


@every_argument()
def test_a_wrong_number_of_dimensions_is_refused(contract, argument, backend):
    arrays = contract.arrays()
    allowed = contract.arguments[argument].allowed_ndims
    for ndim in {0, 1, 2, 3, 4, 5} - set(allowed):
        with pytest.raises(ShapeError, match=rf"^{argument}: expected"):
            contract.call(**arrays | {argument: np.ones((2,) * ndim, "float32")})


@every_argument(lambda argument: argument.not_empty)
def test_no_rows_are_refused(contract, argument, backend):
    arrays = contract.arrays()
    shape = list(arrays[argument].shape)
    # The leading axes of a stack may be empty.
    shape[max(0, len(shape) - 2)] = 0
    with pytest.raises(ShapeError, match=rf"{argument}: expected"):
        contract.call(**arrays | {argument: np.ones(shape, "float32")})


@every_contract()
def test_no_columns_are_refused(contract, backend):
    arrays = {
        name: np.ones((*array.shape[:-1], 0), "float32") if array.ndim > 1 else array
        for name, array in contract.arrays().items()
    }
    with pytest.raises(ShapeError, match="expected"):
        contract.call(**arrays)


@every_contract(lambda contract: bool(contract.same_columns))
def test_vectors_of_different_lengths_are_refused(contract, backend):
    arrays = contract.arrays()
    for argument in contract.same_columns:
        with pytest.raises(ShapeError, match=rf"^{argument}: expected \d+ columns"):
            contract.call(**arrays | {argument: arrays[argument][..., :-1]})


@every_argument(lambda argument: argument.finite)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_found_wherever_it_stands(contract, argument, value, backend):
    arrays = contract.arrays()
    good = arrays[argument]
    rows = good.reshape(-1, good.shape[-1]) if good.ndim > 1 else good[:, None]
    for column in range(rows.shape[1]):
        row = (3 * column + 1) % rows.shape[0]
        bad = rows.copy()
        bad[row, column] = value
        place = rf"(row|entry) {row}\b"
        if good.ndim > 2:
            matrix, place_in = divmod(row, good.shape[-2])
            # Documents are rows of one long matrix to the core.
            place += f"|row {place_in} (of matrix {matrix} |.*in matrix {matrix} of)"
        with pytest.raises(NonFiniteError, match=f"^{argument}: ({place})"):
            contract.call(**arrays | {argument: bad.reshape(good.shape)})


@every_argument(lambda argument: argument.finite)
def test_the_first_bad_row_is_named(contract, argument, backend):
    arrays = contract.arrays()
    bad = arrays[argument].copy()
    bad.reshape(-1)[-1] = np.inf
    bad.reshape(-1)[0] = np.nan
    with pytest.raises(NonFiniteError, match=rf"^{argument}: (row|entry) 0\b"):
        contract.call(**arrays | {argument: bad})


@every_contract(lambda contract: contract.takes_check_finite)
def test_without_the_check_the_answer_is_the_same_every_time(contract, backend):
    arrays = contract.arrays()
    assert content(contract.call(**arrays, check_finite=False)) == content(contract.call(**arrays))


REFUSED = [
    pytest.param(contract, *refusal, id=f"{contract.id}-{refusal[0]}")
    for contract in CONTRACTS
    for refusal in contract.refused
]


@pytest.mark.parametrize(("contract", "options", "error", "message"), REFUSED)
def test_values_out_of_range_are_refused(contract, options, error, message, backend):
    with pytest.raises(error, match=message):
        contract.call(**contract.arrays(), **options)


@every_contract(lambda contract: contract.takes_threads)
@pytest.mark.parametrize("threads", [0, -1, 100_000, 1.5, "two", True])
def test_a_bad_number_of_threads_is_refused(contract, threads, backend):
    with pytest.raises(ValueError, match="threads: expected an integer"):
        contract.call(**contract.arrays(), threads=threads)


@every_argument(lambda argument: len(argument.shape) == 2)
def test_too_many_rows_are_refused_at_once(contract, argument, backend):
    """Without looking at a value or taking memory: as a broadcast view the rows cost nothing."""
    arrays = contract.arrays()
    row = arrays[argument][:1]
    huge = np.broadcast_to(row, (2**32 - 1, row.shape[1]))
    start = time.monotonic()
    with pytest.raises(ShapeError, match=rf"{argument}: expected at most 4294967294 rows"):
        contract.call(**arrays | {argument: huge})
    assert time.monotonic() - start < 2
