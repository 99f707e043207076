"""The method that translates pairs best that it was not fitted on."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isomorph._checks import integer, one_of
from isomorph._progress import reporting
from isomorph.align._candidates import SPACES, Candidate, candidates
from isomorph.align._holdout import Dealt, How, Rows, Search, first_rows
from isomorph.align._maps import LinearMap
from isomorph.align._selection import Score, Selection, Tried
from isomorph.errors import ConvergenceWarning, ShapeError

if TYPE_CHECKING:
    from isomorph.align._methods import Problem

RETRIEVALS = ("auto", "nn", "csls")
#: What may be given up for a plainer method, or one that is better by the other retrieval, in P@1,
#: however noisy the difference is.
GIVEN_UP = 0.01
#: What counts as plainer than any other: such maps stretch nothing, and can be taken back.
ORTHOGONAL = ("procrustes", "rectangular", "rotation", "robust")


def fit(
    problem: Problem,
    *,
    source_space: Any = None,
    target_space: Any = None,
    group: Any = None,
    folds: int = 5,
    methods: Any = None,
    retrieval: str = "auto",
    neighborhood: int = 10,
    max_rows: int | None = 30_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> LinearMap:
    """Try methods on folds of the pairs, and fit the best to all pairs.

    A stack has a choice for each of its problems.
    """
    from isomorph.align._methods import stacked
    from isomorph.metrics.intervals import check_bootstrap

    one_of("retrieval", retrieval, RETRIEVALS)
    check_bootstrap(confidence, 1, seed)
    how = How(
        integer("folds", folds, 2),
        retrieval,
        integer("neighborhood", neighborhood, 1),
        None if max_rows is None else integer("max_rows", max_rows, 1),
        confidence,
        seed,
    )
    spaces = (source_space, target_space)
    if len(problem.source.shape) == 2:
        return _one(problem, spaces, group, methods, how)
    b = int(problem.source.shape[0])
    if b == 0:
        raise ShapeError(
            f"source: expected at least one problem, got shape {tuple(problem.source.shape)}"
        )
    for name, space in zip(SPACES, spaces, strict=True):
        if space is not None and (len(space.shape) == 3 and space.shape[0] != b):
            raise ShapeError(
                f"{name}: expected shape ({b}, rows, columns) for {b} problems, got "
                f"{tuple(space.shape)}"
            )
    return stacked(
        [
            _one(
                problem.one(i, b),
                tuple(_own(space, i) for space in spaces),
                group,
                methods,
                how,
            )
            for i in range(b)
        ]
    )


def _own(space: Any, i: int) -> Any:
    """Give the space of problem i, which all may share."""
    return space if space is None or len(space.shape) == 2 else space[i, ...]


def _one(
    problem: Problem, spaces: tuple[Any, ...], group: Any, methods: Any, how: How
) -> LinearMap:
    listed, left_out = candidates(methods, problem, (spaces[0], spaces[1]))
    problem, group = _counted(problem, group)
    rows = Rows(problem, spaces)
    dealt = rows.deal(group, how)
    search = Search(rows, dealt, how)
    problem = dataclasses.replace(problem, check_finite=False)
    quiet = dataclasses.replace(problem, progress=None)
    steps = len(listed) * dealt.count + 1
    with reporting(problem.progress, "choosing a method") as report:
        told = None if report is None else lambda done: report(done, steps)
        # Bounded, too: what a fit takes of the spaces.
        near = tuple(
            space if space is None else first_rows(space, how.max_rows) for space in spaces
        )
        tried, failed = _on_folds(listed, quiet, near, dealt, search, told, strict=bool(methods))
        if not tried:
            raise next(iter(failed.values()))
        left_out |= {label: str(error) for label, error in failed.items()}
        selection = _choose(tried, search, left_out, how)
        chosen = next(one.candidate for one in tried if one.candidate.label == selection.chosen)
        made = chosen.fit(quiet, None, dealt.pairs, spaces)
        if report is not None:
            report(steps, steps)
    return dataclasses.replace(
        made,
        method=f"auto: {made.method}",
        metrics={**made.metrics, "auto": selection.as_dict()},
    )


def _counted(problem: Problem, group: Any) -> tuple[Problem, Any]:
    """Leave out pairs that count for nothing, and give each pair's group as int64."""
    from isomorph._moments._inputs import labels_of
    from isomorph.metrics._host import to_numpy

    n = int(problem.source.shape[0])
    if group is not None:
        group = labels_of(group, n)
        if isinstance(group, int):
            raise ShapeError(f"group: expected shape ({n},), one a pair, got one number")
    if problem.weights is None:
        return problem, group
    counts = np.nonzero(to_numpy(problem.weights) > 0)[0]
    if len(counts) == n:
        return problem, group
    return problem.taking(counts), None if group is None else group[counts]


@dataclass(slots=True)
class _Trial:
    """What a candidate found so far."""

    candidate: Candidate
    hits: dict[str, NDArray[np.bool_]]
    seconds: float = 0.0


def _on_folds(
    listed: list[Candidate],
    problem: Problem,
    spaces: tuple[Any, ...],
    dealt: Dealt,
    search: Search,
    told: Callable[[int], object] | None,
    *,
    strict: bool,
) -> tuple[list[_Trial], dict[str, ValueError]]:
    """Fit all candidates without each fold, and look its sources up; and who could not be fitted.

    All that moments serve share those of a fold, with their decompositions.
    """
    trials = [_Trial(one, search.misses()) for one in listed]
    failed: dict[str, ValueError] = {}
    moments = None
    if any(one.summed for one in listed):
        moments = problem.moments(group=dealt.groups)
    for fold in range(dealt.count):
        training = np.nonzero(dealt.pairs != fold)[0]
        part, others = problem.taking(training), None
        if moments is not None:
            others = moments._like(
                {g: sums for g, sums in moments._groups.items() if g % dealt.count != fold}
            )
        for number, trial in enumerate(trials):
            if told is not None:
                told(fold * len(listed) + number)
            if trial.candidate.label in failed:
                continue
            start = time.perf_counter()
            try:
                with warnings.catch_warnings():
                    # The map that is given tells of itself.
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    fitted = trial.candidate.fit(part, others, dealt.groups[training], spaces)
            except ValueError as error:
                if strict:
                    raise
                # These pairs do not define the method; a user who named it would be told so.
                failed[trial.candidate.label] = error
                continue
            search.fill(trial.hits, fitted, fold)
            trial.seconds += time.perf_counter() - start
    return [trial for trial in trials if trial.candidate.label not in failed], failed


def _choose(
    found: list[_Trial],
    search: Search,
    left_out: dict[str, str],
    how: How,
) -> Selection:
    """Choose for each retrieval, then between them, and say what was seen."""
    from isomorph.metrics.intervals import wilson
    from isomorph.metrics.paired import holm, paired_test

    columns = {name: [trial.hits[name] for trial in found] for name in search.retrievals}
    methods = [trial.candidate.method for trial in found]
    picked = {name: _pick(column, methods, [], how) for name, column in columns.items()}
    retrieval = how.retrieval
    if retrieval == "auto":
        retrieval = max(picked, key=lambda name: float(columns[name][picked[name].place].mean()))
    others = [column for name, column in columns.items() if name != retrieval]
    picked[retrieval] = _pick(columns[retrieval], methods, others, how)
    winner = picked[retrieval].place
    labels = [trial.candidate.label for trial in found]
    scores: list[dict[str, Score]] = [{} for _ in found]
    for name, column in columns.items():
        tests = [paired_test(hits, column[winner], confidence=how.confidence) for hits in column]
        losers = [i for i in range(len(found)) if i != winner]
        adjusted = dict(zip(losers, holm([tests[i].p_value for i in losers]), strict=True))
        for i, (hits, test) in enumerate(zip(column, tests, strict=True)):
            low, high = wilson(int(hits.sum()), len(hits), confidence=how.confidence)
            scores[i][name] = Score(
                float(hits.mean()),
                (low, high),
                search.by_fold(hits),
                test.difference,
                (test.interval.low, test.interval.high) if i != winner else (0.0, 0.0),
                test.p_value,
                adjusted.get(i, 1.0),
            )
    tried = tuple(
        Tried(
            trial.candidate.label,
            trial.candidate.method,
            trial.candidate.options,
            score,
            trial.seconds,
        )
        for trial, score in zip(found, scores, strict=True)
    )
    return Selection(
        labels[winner],
        retrieval,
        _because(tried, picked[retrieval], retrieval),
        {name: labels[one.place] for name, one in picked.items()},
        tried,
        left_out,
        len(tried[0].scores["nn"].folds),
        search.queries,
        search.candidates,
        how.confidence,
        how.seed,
    )


@dataclass(frozen=True, slots=True)
class _Pick:
    """Who was picked, and whether that was for being plainer than the best."""

    place: int
    plainer: bool = False


def _pick(
    column: list[NDArray[np.bool_]],
    methods: list[str],
    others: list[list[NDArray[np.bool_]]],
    how: How,
) -> _Pick:
    """Give the best, unless another may be as good and has more to be said for it.

    That is the first orthogonal one within its standard error and GIVEN_UP; else, of those within
    GIVEN_UP that a paired test cannot tell from the best, the best by the other retrieval: folds
    leave out pairs, which some methods miss more than others, and chance decides nothing.
    """
    from isomorph.metrics.paired import paired_test

    best = int(np.argmax([hits.mean() for hits in column]))
    level = [best]
    for i, hits in enumerate(column):
        lost = column[best].astype(np.float64) - hits
        error = float(lost.std()) / len(lost) ** 0.5
        if methods[i] in ORTHOGONAL and lost.mean() <= min(error, GIVEN_UP):
            return _Pick(i, plainer=i != best)
        if i != best and lost.mean() <= GIVEN_UP:
            test = paired_test(hits, column[best], confidence=how.confidence)
            if test.p_value > 1 - how.confidence:
                level.append(i)
    # The best comes first: it is left only for one that finds more.
    found = [sum(int(other[i].sum()) for other in others) for i in level]
    return _Pick(level[int(np.argmax(found))])


def _because(tried: tuple[Tried, ...], picked: _Pick, retrieval: str) -> str:
    winner = picked.place

    def figure(i: int, by: str = retrieval) -> float:
        return tried[i].scores[by].precision

    chosen = tried[winner]
    low, high = chosen.scores[retrieval].interval
    said = (
        f"chosen: {chosen.label}, with {retrieval.upper()}, because P@1 is "
        f"{100 * figure(winner):.1f} % [{100 * low:.1f}, {100 * high:.1f}] on sources that were "
        "left out"
    )
    others = sorted((i for i in range(len(tried)) if i != winner), key=lambda i: -figure(i))
    if not others:
        return f"{said}; no other method was tried."
    second = tried[others[0]]
    score = second.scores[retrieval]
    points = 100 * score.difference
    if points > 0 and picked.plainer:
        return (
            f"{said}; {second.label} has {points:.2f} points more, which is within a standard "
            f"error, and {chosen.label} is the plainer map."
        )
    if points > 0:
        other = next(name for name in chosen.scores if name != retrieval)
        mine, its = (100 * figure(i, other) for i in (winner, others[0]))
        return (
            f"{said}; {second.label} has {points:.2f} points more, which may be chance (p = "
            f"{score.p_value:.2g}), and by {other.upper()} {chosen.label} has {mine:.1f} %, "
            f"{second.label} {its:.1f} %."
        )
    low, high = score.difference_interval
    return (
        f"{said}; the next is {second.label} with {points:+.2f} points [{100 * low:+.1f}, "
        f"{100 * high:+.1f}], p = {score.adjusted:.2g}."
    )
