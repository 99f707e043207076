"""The contracts of methods that spell new tokens by shared ones, and of transfers."""

from __future__ import annotations

import functools

from isomorph import vocab
from isomorph.errors import DTypeError
from support.contracts import Argument, Contract
from support.vocab_mixing_contracts import _BASE, _ENTRIES, COLUMNS, TARGETS, _made

_HELPER = {"helper_vectors": Argument((TARGETS, COLUMNS))}

SPELLED = (
    Contract(
        "vocab.focus",
        _HELPER,
        functools.partial(_made(vocab.focus), base=_BASE),
        takes_progress=True,
        on_host=_ENTRIES,
    ),
    Contract(
        "vocab.omp",
        _HELPER,
        functools.partial(_made(vocab.omp), base=_BASE, k=4),
        takes_progress=True,
        on_host=_ENTRIES,
        refused=(
            ({"k": 0}, ValueError, "k: expected an integer of 1 or more"),
            ({"k": 1.5}, DTypeError, "k: expected an integer"),
            ({"tolerance": 1.0}, ValueError, "tolerance: expected a finite number"),
            ({"tolerance": "no"}, DTypeError, "tolerance: expected a number"),
        ),
    ),
)

_TRANSFER = "takes vocabularies or a model's folder; tests/unit/test_transfer.py"
TRANSFERS = dict.fromkeys(
    (
        "LeaveOut.as_dict",
        "LeaveOut.table",
        "Transferred.as_dict",
        "Transferred.table",
        "vocab.leave_out",
        "vocab.transfer",
    ),
    _TRANSFER,
)
