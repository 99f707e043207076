"""Refinement as MUSE does it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph import _arrays, _checks, runtime, transforms
from isomorph._dlpack import served
from isomorph._progress import Progress, reporting
from isomorph._warning import warn
from isomorph.align import Alignment
from isomorph.errors import ConvergenceWarning
from isomorph.induction import induce_dictionary
from isomorph.learning import _agreement, _checkpoint
from isomorph.learning import _options as check
from isomorph.learning._checkpoint import State
from isomorph.learning._journal import Journal, Log, fingerprint
from isomorph.learning._results import Iteration, SelfLearned
from isomorph.learning._spaces import Spaces
from isomorph.metrics._host import take_rows, to_numpy

if TYPE_CHECKING:
    from isomorph._results import Pairs
    from isomorph.io import Embeddings

#: Pairs over which a map is judged, and the rows among which they are looked for.
_JUDGED = 10_000
#: Of these, how many at once.
_AT_ONCE = 1024


@served
def refine(
    source: Embeddings | Any,
    target: Embeddings | Any,
    seed_pairs: Pairs | tuple[Any, Any] | str,
    *,
    chain: str = "unit centre unit",
    iterations: int = 5,
    vocabulary: int | None = None,
    direction: str = "intersection",
    method: str = "csls",
    neighborhood: int = 10,
    max_rank: int | None = 10_000,
    threshold: float | None = None,
    min_size: int = 0,
    max_size: int | None = None,
    unique: bool = False,
    judge: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    log: Log = None,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> SelfLearned:
    r"""Refine an orthogonal map a few times on pairs that choose each other, and keep the best map.

    Both sides go through `chain`. The first map is fitted on `seed_pairs`; each iteration induces a
    dictionary with the map that there is (:func:`isomorph.induce_dictionary`) and fits the next,

    .. math:: W = \arg\min_W |X_s W - Z_t|_F, \qquad W^TW = I.

    A map is judged without a test dictionary: by the mean cosine of the 10,000 most confident pairs
    (best CSLS score less the second best) that sources of the first 10,000 rows choose among
    targets of these rows. The map with the largest is kept, the one of the seed included.

    Parameters
    ----------
    source, target : Embeddings, or array of shape (n, d) and (m, e)
        As for :func:`isomorph.self_learn`.
    seed_pairs : Pairs, two arrays of rows, or {"identical", "numerals"}
        A dictionary, or words that both sides have.
    chain : str, default "unit centre unit"
        Steps of :mod:`isomorph.transforms`; MUSE's own default is ``"none"``.
    iterations : int, default 5
        Dictionaries that are induced; 0 for the map of the seed. A run that is resumed may be given
        more.
    vocabulary : int or None, default None
        Rows of each side that are searched; None for all.
    direction, method, neighborhood, max_rank, threshold, min_size, max_size, unique
        As :func:`isomorph.induce_dictionary`: MUSE's ``dico_`` options, with its defaults for a
        given dictionary. ``direction="union"`` counts twice what both directions found, unless
        `unique`, as MUSE's ``S2T|T2S``.
    judge, checkpoint, resume, log, check_finite, threads, progress
        As for :func:`isomorph.self_learn`; the checkpoint is written after every iteration.

    Returns
    -------
    SelfLearned
        With ``alignment.map`` orthogonal, ``pairs`` those of the best map, and in ``history`` the
        maps in their order, that of the seed first: ``objective`` is the mean cosine, ``pairs``
        counts what the map was fitted on, ``improved`` says whether it was the best so far.

    Warns
    -----
    ConvergenceWarning
        The pairs bear each other out no more than pairs drawn by lot come to; see
        :class:`isomorph.learning.Agreement`.

    Raises
    ------
    DictionaryError
        No seed pair, or none is left by the options.
    ShapeError, DTypeError, NonFiniteError, FormatError, FileExistsError, ValueError
        As :func:`isomorph.self_learn`.

    Notes
    -----
    MUSE selects on the evaluation dictionary if it is given one to train on; this never does.
    O(n m d) for each search, two an iteration. Memory as :func:`isomorph.self_learn`.

    References
    ----------
    Conneau, Lample, Ranzato, Denoyer and Jegou, "Word translation without parallel data", ICLR
    2018.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 5)) ** 3
    >>> z = x @ np.linalg.qr(rng.standard_normal((5, 5)))[0]
    >>> refined = iso.refine(x, z, (range(9), range(9)))
    >>> refined.agreement.verdict, refined.alignment.map.orthogonal
    ('aligned', True)
    """
    vectors, words = check.sides(source, target)
    arguments = _arrays.Arguments(**vectors)
    arguments.require_not_empty()
    steps = transforms.Chain.parse(chain)
    options: dict[str, Any] = {
        "direction": _checks.one_of("direction", direction, check.DIRECTIONS),
        "method": _checks.one_of("method", method, check.METHODS),
        "neighborhood": check.whole("neighborhood", neighborhood, 0),
        "max_rank": check.whole_or_none("max_rank", max_rank, 1),
        "threshold": None if threshold is None else _checks.number("threshold", threshold),
        "min_size": check.whole("min_size", min_size, 0),
        "max_size": check.whole_or_none("max_size", max_size, 1),
        "unique": bool(unique),
    }
    rounds = check.whole("iterations", iterations, 0)
    first = check.whole_or_none("vocabulary", vocabulary, 1)
    journal = Journal(checkpoint, resume=resume, every=1, log=log, file=_checkpoint)
    seeds = check.seed_pairs(seed_pairs, words, arguments.shapes)
    if seeds is None:
        raise ValueError("seed_pairs: expected a dictionary to start from; self_learn needs none")
    workers = runtime.resolve_threads(threads)
    ready = arguments.ready(check_finite=check_finite)
    (source_chain, x), (target_chain, z) = (
        steps.fit_apply(side, check_finite=False, threads=workers) for side in ready.arrays
    )
    spaces = Spaces.of(x, z, first, workers)
    fewest = min(int(side.shape[0]) for side in (spaces.first_x, spaces.first_z))
    options["neighborhood"] = min(options["neighborhood"], fewest)
    settings = {
        "function": "refine",
        "chain": str(steps),
        "start": seed_pairs if isinstance(seed_pairs, str) else "pairs",
        "iterations": rounds,
        "vocabulary": first,
        **options,
    }
    # How long a run goes on does not change what it does.
    decisive = {name: value for name, value in settings.items() if name != "iterations"}
    if journal.keeps:
        decisive["vectors"] = fingerprint(x, z, *seeds)
    state = journal.begin(decisive, (int(x.shape[0]), int(z.shape[0]))) or State(pairs=seeds)
    if state.number > rounds + 1:
        raise ValueError(
            f"iterations: expected at least the {state.number - 1} that are done in checkpoint=, "
            f"got {rounds}"
        )
    judged = None
    with reporting(progress, "iterations") as report, journal.open(state):
        tell = check.reporter(report, judge=bool(judge))
        while state.number <= rounds:
            tell(state.number, rounds + 1)
            used = _step(spaces, state, options)
            journal.after(state, used)
        state.ended = _checkpoint.CONVERGED
        assert state.best_pairs is not None
        best = spaces.fit(state.best_pairs)
        if judge:
            hood = max(1, options["neighborhood"])
            judged = _agreement.agreement(
                spaces, best, hood, 0, lambda done: tell(rounds + 1, rounds + 1, done)
            )
        tell(rounds + 1, rounds + 1, _agreement.STEPS)
    if (doubt := check.doubt(judged, "another dictionary as seed_pairs")) is not None:
        warn(doubt, ConvergenceWarning)
    kept = replace(
        best,
        method="refine",
        provenance={
            **best.provenance,
            **settings,
            **({} if judged is None else {"agreement": judged.verdict}),
        },
    )
    return SelfLearned(
        Alignment(source_chain, kept, target_chain),
        check.as_pairs(state.best_pairs, x),
        judged,
        tuple(state.history),
        True,
        settings,
    )


def _step(spaces: Spaces, state: State, options: dict[str, Any]) -> tuple[Any, Any]:
    """Induce pairs with the map of the pairs that there are, but for the seed, and judge theirs."""
    used = state.pairs
    if state.number:
        induced = induce_dictionary(
            spaces.mapped(spaces.turn(used)),
            spaces.first_z,
            check_finite=False,
            threads=spaces.threads,
            **options,
        )
        used = to_numpy(induced.source), to_numpy(induced.target)
        check.require_pairs(used, options["direction"])
    value = _mean_cosine(spaces, spaces.mapped(spaces.turn(used)), options)
    better = state.best is None or value > state.best
    best = {"best": value, "best_pairs": used} if better else {}
    entry = Iteration(state.number + 1, value, len(used[0]), 1.0, better)
    state.advance(entry, pairs=used, ended=_checkpoint.RUNNING, **best)
    return used


def _mean_cosine(spaces: Spaces, mapped: Any, options: dict[str, Any]) -> float:
    """Give the mean cosine of the most confident pairs that sources choose."""
    chosen = induce_dictionary(
        mapped,
        spaces.first_z,
        direction="forward",
        method=options["method"],
        neighborhood=options["neighborhood"],
        max_rank=_JUDGED,
        max_size=_JUDGED,
        check_finite=False,
        threads=spaces.threads,
    )
    source, target = to_numpy(chosen.source), to_numpy(chosen.target)
    check.require_pairs((source, target), "forward")
    cosines = [
        _cosines(mapped, source[part], spaces.first_z, target[part])
        for part in (slice(i, i + _AT_ONCE) for i in range(0, len(source), _AT_ONCE))
    ]
    return float(np.mean(np.concatenate(cosines)))


def _cosines(x: Any, source: Any, z: Any, target: Any) -> Any:
    """Give the cosine of each pair, 0 for a row of zeros."""
    left, right = (
        to_numpy(take_rows(side, rows)).astype(np.float64)
        for side, rows in ((x, source), (z, target))
    )
    norms = np.sqrt(np.sum(left**2, axis=1) * np.sum(right**2, axis=1))
    return np.sum(left * right, axis=1) / np.where(norms == 0, 1.0, norms)
