"""What self-learning is asked: checked before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from isomorph import _arrays
from isomorph._checks import integer, one_of
from isomorph._embeddings import Embeddings
from isomorph._results import Pairs
from isomorph.align._vecmap import MODES, VecMapMode
from isomorph.errors import DictionaryError
from isomorph.learning import _seeds
from isomorph.learning._agreement import STEPS, Agreement
from isomorph.learning._checkpoint import LIMITED, RUNNING, State

DIRECTIONS = ("union", "forward", "backward", "intersection")
METHODS = ("csls", "nn")
#: Of held-out words, what is translated right at least where vectors and dictionary fit.
_POOR = 0.05
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def sides(source: Any, target: Any) -> tuple[dict[str, Any], tuple[Any, Any] | None]:
    """Give the vectors by name, and the embeddings if both are."""
    words = isinstance(source, Embeddings) and isinstance(target, Embeddings)
    vectors = {
        name: side.vectors if isinstance(side, Embeddings) else side
        for name, side in (("source", source), ("target", target))
    }
    return vectors, (source, target) if words else None


def seed_pairs(
    given: Any, words: tuple[Any, Any] | None, shapes: dict[str, tuple[int, ...]]
) -> tuple[_seeds.Rows, _seeds.Rows] | None:
    """Give the rows of the seed; None where it comes from the vectors."""
    if given is None:
        return None
    if isinstance(given, str):
        one_of("seed_pairs", given, (*_seeds.BY_WORDS, _seeds.UNSUPERVISED))
        if given == _seeds.UNSUPERVISED:
            return None
        if words is None:
            raise ValueError(
                f"seed_pairs: {given!r} needs words; give Embeddings as source and target"
            )
        return _seeds.words_alike(*words, given)
    return _seeds.given_pairs(given, shapes["source"][0], shapes["target"][0])


def final_mode(final: Any) -> VecMapMode:
    """Give the mode of the last fit."""
    if isinstance(final, VecMapMode):
        return final
    return MODES[one_of("final", final, tuple(MODES))]


def whole(name: str, value: Any, least: int, most: int = _arrays.MAX_ROWS) -> int:
    """Require an integer in a range, up to the most rows that there may be."""
    return integer(name, value, least, most)


def whole_or_none(name: str, value: Any, least: int) -> int | None:
    """Require an integer in a range, or None."""
    return None if value is None else whole(name, value, least)


class Tell(Protocol):
    """Tells how many iterations are done, of how many, and how much of the judgement."""

    def __call__(self, done: int, total: int, judged: int = 0) -> None: ...


def reporter(report: Callable[[int, int], object] | None, *, judge: bool) -> Tell:
    """Count the steps of the judgement, where there is one, as iterations after the last."""
    steps = STEPS if judge else 0

    def tell(done: int, total: int, judged: int = 0) -> None:
        if report is not None:
            report(max(1, done + min(judged, steps)) if judged else done, max(1, total + steps))

    return tell


def go_on(state: State, most: int | None) -> None:
    """Let a state that a limit ended run on to another."""
    if most is not None and state.number > most:
        raise ValueError(
            f"max_iterations: expected at least the {state.number} that are done in checkpoint=, "
            f"got {most}"
        )
    if state.ended == LIMITED and (most is None or state.number < most):
        state.ended = RUNNING


def require_pairs(pairs: tuple[Any, Any], direction: str) -> None:
    """Refuse to go on without pairs."""
    if not len(pairs[0]):
        raise DictionaryError(
            f"direction: {direction!r} left no pair to go on with; 'union' always has some"
        )


def as_pairs(pairs: tuple[_seeds.Rows, _seeds.Rows], like: Any) -> Pairs:
    """Give rows as arrays of the library of `like`."""
    if isinstance(like, np.ndarray):
        return Pairs(*pairs)
    import array_api_compat

    xp = array_api_compat.array_namespace(like)
    device = array_api_compat.device(like)
    return Pairs(*(xp.asarray(rows, device=device) for rows in pairs))


def failed(judged: Agreement | None, metrics: Mapping[str, Any]) -> bool:
    """Tell whether a run failed: by its pairs or, of contrast, by the words that were held out."""
    if judged is not None:
        return judged.verdict == "failed"
    return bool(metrics.get("accuracy", 1.0) < _POOR)


def doubt(
    judged: Agreement | None, ways_out: str, metrics: Mapping[str, Any] = _NOTHING
) -> str | None:
    """Say that a run failed, or may have, and to try `ways_out`; None where there is no doubt."""
    if judged is None and failed(judged, metrics):
        return (
            f"contrast failed: {100 * metrics['accuracy']:.1f} % of the held-out words of the "
            f"dictionary are translated right; most translations will be wrong. Try {ways_out}"
        )
    if judged is None or judged.found_again is None or judged.verdict == "aligned":
        return None
    found, chance = (100 * (share or 0.0) for share in (judged.found_again, judged.by_chance))
    lost = judged.verdict == "failed"
    return (
        f"self-learning {'failed' if lost else 'may have failed'}: a map of one half of the "
        f"pairs finds {found:.0f} % of the other half again, and one that was learned from "
        f"nothing {chance:.0f} %; {'most' if lost else 'many'} translations will be wrong. Try "
        f"{ways_out}"
    )
