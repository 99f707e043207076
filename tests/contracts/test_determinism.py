"""The same bytes on every number of threads, every time, on every instruction set."""

from __future__ import annotations

import pytest

from isomorph._memory import Needs
from support.contracts import content
from support.every import both_types, every_contract


@every_contract(lambda contract: contract.takes_threads)
@both_types
def test_the_number_of_threads_does_not_matter(contract, dtype):
    arrays = contract.arrays(dtype)
    answers = [content(contract.call(**arrays, threads=threads)) for threads in (1, 2, 3, 7)]
    assert all(answer == answers[0] for answer in answers)


@every_contract(lambda contract: contract.takes_memory)
@both_types
@pytest.mark.parametrize("rows", [5, 8, 9, 20])
def test_the_memory_budget_does_not_matter(contract, dtype, rows, backend, monkeypatch):
    arrays = contract.arrays(dtype)
    whole = content(contract.call(**arrays))
    cuts = []

    def largest_block(self, budget):
        cuts.append((self, budget))
        return max(rows, 2 * self.k if self.both else 1)

    monkeypatch.setattr(Needs, "largest_block", largest_block)
    assert content(contract.call(**arrays, memory=1)) == whole
    assert len(cuts) == 1


@every_contract()
def test_a_second_call_gives_the_same_bytes(contract, backend):
    arrays = contract.arrays()
    assert content(contract.call(**arrays)) == content(contract.call(**arrays))


@every_contract(lambda contract: contract.takes_progress)
def test_progress_reports_reach_the_total(contract, backend):
    reports = []
    contract.call(**contract.arrays(), progress=lambda done, total: reports.append((done, total)))
    assert reports
    assert reports[-1][0] == reports[-1][1] > 0


@every_contract(lambda contract: contract.takes_progress)
def test_an_exception_of_the_callback_comes_out(contract, backend):
    class Enough(Exception):
        pass

    def progress(done, total):
        raise Enough

    with pytest.raises(Enough):
        contract.call(**contract.arrays(), progress=progress)
