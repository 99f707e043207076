"""Whether a run found an alignment: what one half of its pairs says about the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isomorph import neighbors
from isomorph.align import LinearMap
from isomorph.induction import induce_dictionary
from isomorph.learning._spaces import Rows, Spaces, first_rows
from isomorph.metrics._host import take_rows, to_numpy
from isomorph.metrics.intervals import permutation

#: Of the way from chance (0) to finding every pair again (1), what an alignment goes at least, and
#: a run that failed at most.
ALIGNED, FAILED = 0.35, 0.1
#: Where the run from chance finds so many of the same pairs, it is none.
SAME = 0.5
#: Words that are looked at: so many, or so many times the dimensions.
_WORDS, _TIMES = 2048, 8
#: Probabilities to take part, and for how many iterations, of the run that starts from chance.
_BY_CHANCE = ((0.1, 12), (0.2, 8), (0.4, 8), (0.8, 8), (1.0, 12))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether pairs that a map was not fitted on agree with it.

    The words that choose each other by CSLS are put into two halves; a map fitted on one half
    translates the sources of the other. Where two languages are aligned, pairs obey one map, and
    most are found again. A run that went astray ends in pairs that choose each other, too, as many
    of them, with cosines that look well; but they choose each other because the map was fitted on
    them, and few are found again. How few depends on words and dimensions (in a plane nearly all
    are), so it is measured: by a run of 48 iterations, with the dropout of self-learning, on the
    same vectors, that starts from pairs drawn by lot.

    Attributes
    ----------
    verdict : {"aligned", "failed", "undetermined"}
        Of the way from ``by_chance`` to 1, an alignment has gone at least 35 %, a run that failed
        less than 10 %. ``"undetermined"`` between the two, where an alignment is poor if there is
        one (with it, one word in three may be translated right), and if a half has fewer pairs
        than the vectors have dimensions. Where the run by lot arrives at the same pairs, half of
        them at least, both are right: ``"aligned"``.
    found_again : float or None
        The share found again: nearest of all targets, by cosine.
    by_chance : float or None
        The same of the run that starts by lot.
    mutual : int
        Words that choose each other.
    words : int
        How many, the most frequent of each side, were looked at: 2,048, or 8 times the dimensions.
    """

    verdict: str
    found_again: float | None
    by_chance: float | None
    mutual: int
    words: int


#: How often :func:`agreement` tells that it goes on.
STEPS = sum(iterations for _, iterations in _BY_CHANCE)


def agreement(
    spaces: Spaces,
    by: LinearMap,
    neighborhood: int,
    seed: int,
    step_done: Callable[[int], object],
) -> Agreement:
    """Judge the orthogonal map that a run ended with; `step_done` is told 1 to :data:`STEPS`."""
    x, z = spaces.first_x, spaces.first_z
    dimensions = min(int(x.shape[1]), int(z.shape[1]))
    words = max(_WORDS, _TIMES * dimensions)
    x, z = first_rows(x, words), first_rows(z, words)
    few = Spaces(x, z, x, z, spaces.threads)
    words = min(int(x.shape[0]), int(z.shape[0]))
    neighborhood = min(neighborhood, words)
    found_again, chosen = _found_again(few, by, neighborhood, seed)
    mutual = len(chosen[0])
    if found_again is None:
        return Agreement("undetermined", None, None, mutual, words)
    pairs = np.arange(words), permutation(words, seed)
    step = 0
    for keep, iterations in _BY_CHANCE:
        for _ in range(iterations):
            step += 1
            drawn = induce_dictionary(
                few.mapped(few.turn(pairs)),
                few.first_z,
                neighborhood=neighborhood,
                keep=keep,
                seed=seed,
                step=step,
                check_finite=False,
                threads=few.threads,
            )
            pairs = to_numpy(drawn.source), to_numpy(drawn.target)
            step_done(step)
    other = few.turn(pairs)
    by_chance, _ = _found_again(few, other, neighborhood, seed)
    by_chance = 0.0 if by_chance is None else by_chance
    if _hits(few, other, *chosen) >= SAME * mutual:
        # Two starts that have nothing in common met: there is something to find.
        return Agreement("aligned", found_again, by_chance, mutual, words)
    way = (found_again - by_chance) / max(1 - by_chance, 1e-9)
    verdict = "aligned" if way >= ALIGNED else "failed" if way < FAILED else "undetermined"
    return Agreement(verdict, found_again, by_chance, mutual, words)


def _found_again(
    spaces: Spaces, by: LinearMap, neighborhood: int, seed: int
) -> tuple[float | None, tuple[Rows, Rows]]:
    """Give the share that is found again, None where pairs are too few, and the mutual pairs."""
    x, z = spaces.first_x, spaces.first_z
    mutual = induce_dictionary(
        spaces.mapped(by),
        z,
        direction="intersection",
        neighborhood=neighborhood,
        check_finite=False,
        threads=spaces.threads,
    )
    source, target = to_numpy(mutual.source), to_numpy(mutual.target)
    count = len(source)
    half = count // 2
    if half < max(2, min(int(x.shape[1]), int(z.shape[1]))):
        return None, (source, target)
    order = permutation(count, seed)
    hits = 0
    for fitted, asked in ((order[:half], order[half:]), (order[half:], order[:half])):
        fitted, asked = np.sort(fitted), np.sort(asked)
        again = spaces.turn((source[fitted], target[fitted]))
        hits += _hits(spaces, again, source[asked], target[asked])
    return hits / count, (source, target)


def _hits(spaces: Spaces, by: LinearMap, source: Rows, target: Rows) -> int:
    """Count the sources of which the target is the nearest of all."""
    x, threads = take_rows(spaces.first_x, source), spaces.threads
    queries = by.apply(x, check_finite=False, threads=threads)
    best = neighbors.topk(queries, spaces.first_z, 1, check_finite=False, threads=threads)
    return int(np.sum(to_numpy(best.indices)[:, 0] == target))
