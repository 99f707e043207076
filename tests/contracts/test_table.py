"""Every public function has a contract, and every contract names a public function."""

from __future__ import annotations

import inspect

import pytest

from support.contract_table import CONTRACTS, WITHOUT_ARRAYS
from support.contracts import public_callables

PUBLIC = public_callables()


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_function_has_a_contract(name):
    contracted = {contract.name for contract in CONTRACTS}
    assert (name in contracted) != (name in WITHOUT_ARRAYS), (
        f"{name} needs an entry in tests/support/contract_table.py: a contract, or a reason in "
        "WITHOUT_ARRAYS"
    )


def test_the_table_names_only_public_functions():
    named = {contract.name for contract in CONTRACTS} | set(WITHOUT_ARRAYS)
    assert named <= set(PUBLIC)


def test_contracts_have_names_of_their_own():
    ids = [contract.id for contract in CONTRACTS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_function_has_a_docstring(name):
    assert inspect.getdoc(PUBLIC[name])


KEYWORDS = ("threads", "memory", "progress", "check_finite")


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.id)
@pytest.mark.parametrize("keyword", KEYWORDS)
def test_the_contract_says_which_keywords_are_taken(contract, keyword):
    parameters = inspect.signature(PUBLIC[contract.name]).parameters
    assert (keyword in parameters) == getattr(contract, f"takes_{keyword}")


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_knobs_are_keyword_only(name):
    parameters = inspect.signature(PUBLIC[name]).parameters
    for keyword in KEYWORDS:
        if keyword in parameters and PUBLIC[name].__name__ != "resolve_threads":
            assert parameters[keyword].kind is inspect.Parameter.KEYWORD_ONLY
