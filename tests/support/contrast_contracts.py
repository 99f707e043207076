"""The contract of contrastive refinement, for the table of all of them."""

from __future__ import annotations

from typing import Any

import isomorph as iso
from isomorph.errors import DTypeError
from support.contracts import Contract
from support.learning_contracts import LANGUAGES, SEEDS


def _refined(source: Any, target: Any, seed_pairs: Any = SEEDS, **options: Any) -> Any:
    few = {"steps": 4, "stride": 2, "negatives": 5, "chain": "unit"}
    return iso.contrast(source, target, seed_pairs, **{**few, **options})


CONTRAST = (
    Contract(
        "contrast",
        LANGUAGES,
        _refined,
        takes_progress=True,
        typed=(".matrix",),
        # Singular vectors may change sign; what was measured, and how well, may not.
        unique=("source", "target", "objective", "accuracy"),
        refused=(
            ({"setting": "2k"}, ValueError, "setting: expected one of default, 5k, 1k"),
            ({"chain": "turn"}, ValueError, "chain: expected steps of unit"),
            ({"loops": 0}, ValueError, "loops: expected 1 to"),
            ({"steps": -1}, ValueError, "steps: expected 0 to"),
            ({"steps": 1.5}, DTypeError, "steps: expected an integer"),
            ({"negatives": 0}, ValueError, "negatives: expected 1 to"),
            ({"temperature": 0}, ValueError, "temperature: expected a finite number above 0"),
            ({"learning_rate": float("nan")}, ValueError, "learning_rate: expected a finite"),
            ({"augment": -1}, ValueError, "augment: expected 0 to"),
            ({"vocabulary": 0}, ValueError, "vocabulary: expected 1 to"),
            ({"neighborhood": 0}, ValueError, "neighborhood: expected 1 to"),
            ({"held_out": 1}, ValueError, "held_out: expected a finite number of at least 0"),
            ({"stride": 0}, ValueError, "stride: expected 1 to"),
            ({"seed": -1}, ValueError, "seed: expected 0 to"),
            ({"resume": True}, ValueError, "resume: expected a checkpoint="),
        ),
    ),
)
