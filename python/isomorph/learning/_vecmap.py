"""Self-learning as VecMap does it."""

from __future__ import annotations

import dataclasses
import math
import os
from typing import TYPE_CHECKING, Any

from isomorph import _arrays, _checks, _core, runtime, transforms
from isomorph._backends import Run
from isomorph._dlpack import served
from isomorph._progress import Progress, reporting
from isomorph._warning import warn
from isomorph.align import Alignment
from isomorph.align._vecmap import VecMapMode, fit_pairs
from isomorph.errors import ConvergenceWarning
from isomorph.induction import induce_dictionary, induce_with_largest
from isomorph.learning import _agreement, _checkpoint
from isomorph.learning import _options as check
from isomorph.learning._checkpoint import State
from isomorph.learning._journal import Journal, Log, fingerprint
from isomorph.learning._results import Iteration, SelfLearned
from isomorph.learning._seeds import INITS, UNSUPERVISED, from_spectra
from isomorph.learning._spaces import Spaces, objective
from isomorph.learning._wasserstein import transported
from isomorph.metrics._host import take_rows, to_numpy

if TYPE_CHECKING:
    from isomorph._results import Pairs
    from isomorph.io import Embeddings

#: VecMap's, and what is as good where the start is.
_PATIENCE = {"unsupervised": 50, "pairs": 10}


@served
def self_learn(
    source: Embeddings | Any,
    target: Embeddings | Any,
    *,
    seed_pairs: Pairs | tuple[Any, Any] | str | None = None,
    chain: str = "unit centre unit",
    vocabulary: int | None = 20_000,
    init: str = "gromov",
    initial_vocabulary: int = 4_000,
    direction: str = "union",
    method: str = "csls",
    neighborhood: int = 10,
    keep: float = 0.1,
    keep_multiplier: float = 2.0,
    patience: int | None = None,
    threshold: float = 1e-6,
    max_iterations: int | None = None,
    final: str | VecMapMode = "supervised",
    seed: int = 0,
    judge: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 10,
    resume: bool = False,
    log: Log = None,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> SelfLearned:
    r"""Align two spaces from a small dictionary or none: fit, induce pairs, fit again.

    Both sides go through `chain`. From the pairs :math:`(s, t)`, at first the seed, iteration i

    1. fits the orthogonal map :math:`W = \arg\min_W |X_s W - Z_t|_F`;
    2. computes the objective, the mean over the first `vocabulary` rows of both sides of
       :math:`\max_j \cos(x_i W, z_j)` and :math:`\max_i \cos(x_i W, z_j)`;
    3. induces the next pairs among these rows (:func:`isomorph.induce_dictionary`), in which each
       pair of rows takes part with probability `keep`.

    After `patience` iterations in which the objective rose by less than `threshold` above its best,
    `keep` is multiplied by `keep_multiplier`; once it is 1, the iterations end, and the map of both
    sides is fitted on the last pairs as `final` says (:func:`isomorph.align.vecmap`).

    Parameters
    ----------
    source, target : Embeddings, or array of shape (n, d) and (m, e)
        Words with vectors, or vectors alone, the most frequent first. The dimensions may differ
        where there are seed pairs. float32 and float64; float16 and bfloat16 are widened.
    seed_pairs : Pairs, two arrays of rows, or str, optional
        What the first map is fitted on: a dictionary; ``"identical"`` (words that both have) or
        ``"numerals"`` (of these the ones of digits alone), for Embeddings; ``"unsupervised"``, the
        default: from the vectors alone, as `init` says.
    chain : str, default "unit centre unit"
        Steps of :mod:`isomorph.transforms`.
    vocabulary : int or None, default 20,000
        Rows among which pairs are induced; None for all. The maps are for all rows.
    init : {"gromov", "wasserstein", "spectra"}, default "gromov"
        The unsupervised start. ``"gromov"`` and ``"wasserstein"`` transport the first rows of one
        side to those of the other so that the distances within both are alike, and then fit a map
        and transport by it in turns (Wasserstein-Procrustes): the one by entropic
        Gromov-Wasserstein transport, with less and less entropy, the other by a convex relaxation.
        ``"spectra"``, VecMap's: pairs of rows i of :math:`(XX^T)^{1/2}` and j of
        :math:`(ZZ^T)^{1/2}` that are alike once their values are sorted. Transport brings languages
        together that spectra do not, ``"gromov"`` the most, and takes some 50 transports of
        `initial_vocabulary` squared.
    initial_vocabulary : int, default 4,000
        Rows of the unsupervised start.
    direction, method, neighborhood
        As :func:`isomorph.induce_dictionary`; the neighbourhood is at most the number of rows.
    keep : float, default 0.1
        Probability with which a pair of rows takes part, at first; 1 for none left out.
    keep_multiplier : float, default 2.0
        Above 1.
    patience : int, optional
        Iterations without improvement before `keep` rises, or, at 1, before the end. By default 50
        for an unsupervised start, which has to get away from where it began, and 10 from pairs.
    threshold : float, default 1e-6
        The least improvement of the objective.
    max_iterations : int, optional
        End after so many, whatever the rule says; 0 fits `final` on the seed pairs. A run that is
        resumed may be given another.
    final : str or VecMapMode, default "supervised"
        A mode of :func:`isomorph.align.vecmap` for the last fit.
    seed : int, default 0
        Of the draws.
    judge : bool, default True
        Whether the run is judged at the end, which costs about as much as 48 iterations over the
        2,048 most frequent words; False leaves ``agreement`` None, and nothing warns.
    checkpoint : path, optional
        A safetensors file in which the run is kept: written at the start, every `checkpoint_every`
        iterations, at the end, and when the run is interrupted; each time whole or not at all.
        Unless resuming, there must be no such file yet.
    checkpoint_every : int, default 10
        Iterations between two writings.
    resume : bool, default False
        Go on from `checkpoint` if it is there (else start). The result has the bytes of a run that
        was never interrupted. A finished checkpoint costs the last fit only.
    log : path or callable, optional
        Told each iteration as it ends: a file gets a line of JSON (``number``, ``objective``,
        ``pairs``, ``keep``, ``improved``, ``seconds``); a callable gets a dict, in which
        ``fitted_on`` has the pairs that the map of the iteration was fitted on, too.
    check_finite : bool, default True
        Refuse NaN and infinities.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the answer depends on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)``: iterations, and how
        many there are if none improves any more, those of the judgement included.

    Returns
    -------
    SelfLearned
        ``alignment``, ``pairs``, ``agreement``, ``history``, ``converged``, ``settings``.

    Warns
    -----
    ConvergenceWarning
        The run failed, or may have: it ended in pairs that bear each other out hardly more than
        those of a run that starts by lot. See :class:`isomorph.learning.Agreement`.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError
        From the arrays.
    DictionaryError
        No seed pair.
    FormatError
        `checkpoint` holds something else, or is damaged, when resuming.
    FileExistsError, FileNotFoundError
        `checkpoint` is there without `resume`; the folder of `checkpoint` or `log` is not there.
    ValueError
        An option out of its range; a checkpoint of other settings or vectors, or of more than
        `max_iterations`.

    Notes
    -----
    VecMap's modes: ``--semi_supervised`` is a seed dictionary, ``--identical`` its name,
    ``--unsupervised`` ``init="spectra"``, all with ``patience=50``; from pairs 10 came to the same
    accuracy in a fifth to a third of the iterations. ``--acl2017``: ``"numerals"``,
    ``chain="unit centre"``, ``direction="forward"``, ``method="nn"``, ``keep=1``, ``patience=1``,
    ``final="orthogonal"``. ``--supervised``: ``max_iterations=0``. VecMap draws from one generator
    after another, so single runs differ from its runs; and it compares products where this compares
    cosines, which are the same after a last step ``unit``.

    Pairs are searched in the type of the vectors with canonical scores; sums over pairs and d x d
    factorisations are float64. An iteration costs O(n m d) for the search and O((n + m) d^2) for
    the rest. Peak memory beyond the vectors: a transformed copy of both sides, the mapped first
    rows, and that of the search; the unsupervised start has three matrices of
    `initial_vocabulary` squared by spectra, five by transport.

    Ctrl-C ends within an iteration; `checkpoint` then holds the iterations before it.

    References
    ----------
    Artetxe, Labaka and Agirre, "A robust self-learning method for fully unsupervised cross-lingual
    mappings of word embeddings", ACL 2018; the same, "Learning bilingual word embeddings with
    (almost) no bilingual data", ACL 2017. Alvarez-Melis and Jaakkola, "Gromov-Wasserstein alignment
    of word embedding spaces", EMNLP 2018. Grave, Joulin and
    Berthet, "Unsupervised alignment of embeddings with Wasserstein Procrustes", AISTATS 2019.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 5)) ** 3
    >>> z = x @ np.linalg.qr(rng.standard_normal((5, 5)))[0]
    >>> learned = iso.self_learn(x, z, seed_pairs=(range(9), range(9)), patience=3)
    >>> learned.agreement.verdict
    'aligned'
    """
    vectors, words = check.sides(source, target)
    arguments = _arrays.Arguments(**vectors)
    arguments.require_not_empty()
    steps = transforms.Chain.parse(chain)
    mode = check.final_mode(final)
    options: dict[str, Any] = {
        "direction": _checks.one_of("direction", direction, check.DIRECTIONS),
        "method": _checks.one_of("method", method, check.METHODS),
        "neighborhood": check.whole("neighborhood", neighborhood, 0),
    }
    rule: dict[str, Any] = {
        "keep": _checks.number("keep", keep, above=0.0, most=1.0),
        "keep_multiplier": _checks.number("keep_multiplier", keep_multiplier, above=1.0),
        "patience": check.whole_or_none("patience", patience, 1),
        "threshold": _checks.number("threshold", threshold),
        "max_iterations": check.whole_or_none("max_iterations", max_iterations, 0),
    }
    first = check.whole_or_none("vocabulary", vocabulary, 1)
    _checks.one_of("init", init, INITS)
    initial = check.whole("initial_vocabulary", initial_vocabulary, 1)
    seed = check.whole("seed", seed, 0, 2**64 - 1)
    every = check.whole("checkpoint_every", checkpoint_every, 1)
    journal = Journal(checkpoint, resume=resume, every=every, log=log, file=_checkpoint)
    seeds = check.seed_pairs(seed_pairs, words, arguments.shapes)
    if rule["patience"] is None:
        rule["patience"] = _PATIENCE["unsupervised" if seeds is None else "pairs"]
    if seeds is None:
        arguments.require_same_columns("source", "target")
    run = Run(runtime.resolve_threads(threads))
    ready = arguments.ready(check_finite=check_finite)
    fitted = [
        steps.fit_apply(side, check_finite=False, threads=run.threads) for side in ready.arrays
    ]
    (source_chain, x), (target_chain, z) = fitted
    spaces = Spaces.of(x, z, first, run.threads)
    fewest = min(int(side.shape[0]) for side in (spaces.first_x, spaces.first_z))
    options["neighborhood"] = min(options["neighborhood"], fewest)
    settings = {
        "function": "self_learn",
        "chain": str(steps),
        "vocabulary": first,
        "start": seed_pairs if isinstance(seed_pairs, str) else "pairs" if seeds else UNSUPERVISED,
        "init": init,
        "initial_vocabulary": initial,
        "seed": seed,
        **options,
        **rule,
    }
    # How long a run goes on does not change what it does.
    decisive = {name: value for name, value in settings.items() if name != "max_iterations"}
    if journal.keeps:
        decisive["vectors"] = fingerprint(x, z, *(seeds or ()))
    state = journal.begin(decisive, (int(x.shape[0]), int(z.shape[0])))
    if state is None:
        if seeds is None:
            if init == "spectra":
                start = from_spectra(
                    x, z, vocabulary=initial, chain=steps, threads=run.threads, **options
                )
            else:
                by = transported(
                    init, ready.arrays, (x, z), vocabulary=initial, threads=run.threads
                )
                start = induce_dictionary(
                    spaces.mapped(by),
                    spaces.first_z,
                    check_finite=False,
                    threads=run.threads,
                    **options,
                )
            seeds = to_numpy(start.source), to_numpy(start.target)
        state = State(pairs=seeds, keep=rule["keep"])
    check.go_on(state, rule["max_iterations"])
    judged = None
    with reporting(progress, "iterations") as report, journal.open(state):
        tell = check.reporter(report, judge=bool(judge))
        _iterate(spaces, state, journal, options, rule, seed, tell)
        if judge and state.number:
            by, hood = spaces.turn(state.pairs), max(1, options["neighborhood"])
            judged = _agreement.agreement(
                spaces, by, hood, seed, lambda done: tell(state.number, state.number, done)
            )
        tell(state.number, state.number, _agreement.STEPS)
    pairs = [take_rows(side, rows) for side, rows in zip((x, z), state.pairs, strict=True)]
    both = _arrays.Arguments(source=pairs[0], target=pairs[1])
    maps = fit_pairs(
        both,
        both.ready(check_finite=False),
        mode,
        None,
        run,
        {
            "isomorph": _core.build_info()["version"],
            "rows": len(state.pairs[0]),
            **settings,
            "final": dataclasses.asdict(mode),
            "iterations": state.number,
            **({} if judged is None else {"agreement": judged.verdict}),
        },
    )
    if (doubt := check.doubt(judged, "another seed=, or seed_pairs=")) is not None:
        warn(doubt, ConvergenceWarning)
    return SelfLearned(
        Alignment(source_chain, maps.map, target_chain, maps.target_map),
        check.as_pairs(state.pairs, x),
        judged,
        tuple(state.history),
        state.ended == _checkpoint.CONVERGED,
        {**settings, "final": dataclasses.asdict(mode)},
    )


def _iterate(
    spaces: Spaces,
    state: State,
    journal: Journal,
    options: dict[str, Any],
    rule: dict[str, Any],
    seed: int,
    tell: check.Tell,
) -> None:
    """Run until the rule ends it, from wherever the state stands."""
    while state.ended == _checkpoint.RUNNING:
        number = state.number + 1
        if rule["max_iterations"] is not None and number > rule["max_iterations"]:
            state.ended = _checkpoint.LIMITED
            break
        improved, keep = state.improved, state.keep
        if number - improved > rule["patience"]:
            if keep >= 1:
                state.ended = _checkpoint.CONVERGED
                break
            keep, improved = min(1.0, rule["keep_multiplier"] * keep), number
        tell(state.number, _expected(number, improved, keep, rule))
        used = state.pairs
        induced, largest = induce_with_largest(
            spaces.mapped(spaces.turn(used)),
            spaces.first_z,
            keep=keep,
            seed=seed,
            step=number,
            threads=spaces.threads,
            **options,
        )
        value = objective(largest)
        better = state.best is None or value - state.best >= rule["threshold"]
        pairs = to_numpy(induced.source), to_numpy(induced.target)
        check.require_pairs(pairs, options["direction"])
        state.advance(
            Iteration(number, value, len(pairs[0]), keep, better),
            pairs=pairs,
            keep=keep,
            improved=number if better else improved,
            best=value if better else state.best,
        )
        journal.after(state, used)


def _expected(number: int, improved: int, keep: float, rule: dict[str, Any]) -> int:
    """Give how many iterations there are if none improves any more."""
    total: int = improved + rule["patience"]
    if keep < 1:
        steps = math.ceil(math.log(1 / keep) / math.log(rule["keep_multiplier"]))
        total += steps * (rule["patience"] + 1)
    limit: int | None = rule["max_iterations"]
    return max(number, total if limit is None else min(total, limit))
