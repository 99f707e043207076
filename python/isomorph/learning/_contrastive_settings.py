"""The constants of contrastive refinement: by name, or one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from isomorph import _arrays, _checks


@dataclass(frozen=True, slots=True)
class ContrastSetting:
    """The constants of :func:`isomorph.contrast`.

    Attributes
    ----------
    loops : int
        How often the maps start anew; from the second on, with pairs that were induced.
    steps : int
        Of a loop, at most.
    learning_rate, decay : float
        Step t is the gradient times ``learning_rate * decay**t``.
    clip : float
        The longest gradient, Frobenius, of both maps together.
    temperature : float
        By which cosines are divided: the smaller, the more the hardest negatives count.
    negatives : int
        Nearest rows that each side of a pair is held against.
    refresh : int
        Steps after which they are searched again.
    augment : int
        The most pairs that are induced between loops.
    frequent : int
        Rows of each side among which they are induced.
    learn_augmented : bool
        Whether the gradient is of these pairs, too, or only the start of the loop.
    """

    loops: int = 1
    steps: int = 50
    learning_rate: float = 1.0
    decay: float = 0.98
    clip: float = 1.0
    temperature: float = 0.25
    negatives: int = 100
    refresh: int = 10
    augment: int = 10_000
    frequent: int = 20_000
    learn_augmented: bool = False


#: Constants by name: our own, chosen on held-out words of training dictionaries (English-Russian
#: and Sinhala-English, which loses with a temperature of 0.1 and 20 negatives), and the original's
#: for dictionaries of 5,000 and 1,000 words.
SETTINGS: Mapping[str, ContrastSetting] = MappingProxyType(
    {
        "default": ContrastSetting(),
        "5k": ContrastSetting(
            loops=2, steps=200, learning_rate=1.5, decay=0.99, clip=0.15, temperature=1.0,
            negatives=150, refresh=1, augment=10_000, frequent=60_000,
        ),
        "1k": ContrastSetting(
            loops=3, steps=50, learning_rate=2.0, decay=1.0, clip=0.15, temperature=1.0,
            negatives=60, refresh=1, augment=6_000, frequent=20_000, learn_augmented=True,
        ),
    }
)  # fmt: skip

_WHOLE = {"loops": 1, "steps": 0, "negatives": 1, "refresh": 1, "augment": 0, "frequent": 1}


def chosen_setting(setting: Any, **instead: Any) -> ContrastSetting:
    """Give the constants, checked."""
    if not isinstance(setting, ContrastSetting):
        setting = SETTINGS[_checks.one_of("setting", setting, tuple(SETTINGS))]
    given = {name: value for name, value in instead.items() if value is not None}
    values = dataclasses.asdict(setting) | given
    for name, least in _WHOLE.items():
        values[name] = _checks.integer(name, values[name], least, _arrays.MAX_ROWS)
    for name in ("learning_rate", "clip", "temperature"):
        values[name] = _checks.number(name, values[name], above=0.0)
    values["decay"] = _checks.number("decay", values["decay"], above=0.0, most=1.0)
    return ContrastSetting(**values)


@dataclass(frozen=True, slots=True)
class Options:
    """All that decides a run beside vectors and pairs."""

    setting: ContrastSetting
    neighborhood: int
    held_out: float
    stride: int
    seed: int

    def described(self) -> dict[str, Any]:
        """Give every option by its name."""
        values = dataclasses.asdict(self)
        return {**values.pop("setting"), **values}
