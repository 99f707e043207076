"""Marks that run a test for every contract, or for every array argument of every contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.contract_table import CONTRACTS
from support.contracts import Argument, Contract


def _all(_: object) -> bool:
    return True


def every_contract(
    where: Callable[[Contract], bool] = _all,
) -> pytest.MarkDecorator:
    """Run a test with every `contract` that `where` is true of."""
    chosen = [contract for contract in CONTRACTS if where(contract)]
    return pytest.mark.parametrize("contract", chosen, ids=lambda contract: contract.id)


def every_argument(
    where: Callable[[Argument], bool] = _all,
) -> pytest.MarkDecorator:
    """Run a test with every `contract` and the name of each `argument` that `where` is true of."""
    chosen = [
        pytest.param(contract, name, id=f"{contract.id}-{name}")
        for contract in CONTRACTS
        for name, argument in contract.arguments.items()
        if where(argument)
    ]
    return pytest.mark.parametrize(("contract", "argument"), chosen)


#: Runs a test in both computing types.
both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])
