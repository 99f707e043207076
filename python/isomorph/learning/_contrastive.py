"""Contrastive refinement of the maps of both sides."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from isomorph import _arrays, _checks, _core, runtime, transforms
from isomorph._backends import Run
from isomorph._dlpack import served
from isomorph._progress import Progress, reporting
from isomorph._warning import warn
from isomorph.align import Alignment, LinearMap
from isomorph.align._double import Double
from isomorph.errors import ConvergenceWarning
from isomorph.learning import _contrastive_state
from isomorph.learning import _options as check
from isomorph.learning._agreement import STEPS, agreement
from isomorph.learning._checkpoint import RUNNING
from isomorph.learning._contrastive_loss import Vectors
from isomorph.learning._contrastive_run import Task
from isomorph.learning._contrastive_settings import ContrastSetting, Options, chosen_setting
from isomorph.learning._journal import Journal, Log, fingerprint
from isomorph.learning._results import SelfLearned
from isomorph.learning._spaces import Spaces

if TYPE_CHECKING:
    from isomorph._results import Pairs
    from isomorph.io import Embeddings


@served
def contrast(
    source: Embeddings | Any,
    target: Embeddings | Any,
    seed_pairs: Pairs | tuple[Any, Any] | str,
    *,
    setting: str | ContrastSetting = "default",
    chain: str = "unit centre unit",
    loops: int | None = None,
    steps: int | None = None,
    negatives: int | None = None,
    temperature: float | None = None,
    learning_rate: float | None = None,
    augment: int | None = None,
    vocabulary: int | None = 20_000,
    neighborhood: int = 10,
    held_out: float = 0.2,
    stride: int = 10,
    seed: int = 0,
    judge: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    log: Log = None,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> SelfLearned:
    r"""Refine the maps of both sides by contrast: pairs together, what is near but wrong apart.

    Both sides go through `chain`. A loop starts from VecMap's supervised maps A and B of the pairs
    (:func:`isomorph.align.vecmap`), and goes down the gradient of

    .. math:: L = -\frac1n \sum_{(i, j)} \log
              \frac{e^{s_{ij}/\tau}}
                   {e^{s_{ij}/\tau} + \sum_{k \in N(i)} e^{s_{ik}/\tau}
                    + \sum_{k \in N'(j)} e^{s_{kj}/\tau}},
              \qquad s_{ij} = \cos(x_i A, z_j B)

    over the pairs of the seed, where N(i) are the target rows nearest to source i under the maps
    that there are and N'(j) the source rows nearest to target j, without what the pairs say belongs
    to them. They are searched again as the maps move. Further loops first induce pairs among the
    most frequent words (mutual best by CSLS) and fit VecMap's maps on both together.

    How far to go is measured, never on a test dictionary: a run that holds out source words of the
    seed translates them every `stride` steps; a second run with the whole seed ends at the step
    that was best. Where that is better than the start by less than one standard error of the
    difference over words, the maps are those of the start: VecMap's.

    Parameters
    ----------
    source, target : Embeddings, or array of shape (n, d) and (m, e)
        As for :func:`isomorph.self_learn`.
    seed_pairs : Pairs, two arrays of rows, or {"identical", "numerals"}
        A dictionary, or words that both sides have. A source or a target may be in several pairs.
    setting : {"default", "5k", "1k"} or ContrastSetting, default "default"
        Constants by name, see :data:`isomorph.learning.CONTRAST_SETTINGS`. ``"5k"`` and ``"1k"``
        are those of the original for dictionaries of that size; they take much longer.
    chain : str, default "unit centre unit"
        Steps of :mod:`isomorph.transforms`.
    loops, steps, negatives, temperature, learning_rate, augment : optional
        Instead of those of `setting`, see :class:`isomorph.learning.ContrastSetting`.
    vocabulary : int or None, default 20,000
        Rows of each side among which negatives and translations are searched; None for all. The
        maps are for all rows.
    neighborhood : int, default 10
        K of the CSLS radii.
    held_out : float, default 0.2
        Share of the distinct source words of the seed, at least one, that chooses where to end; 0
        goes all the way. Where no word can be held out, nothing is refined.
    stride : int, default 10
        Steps between two measurements.
    seed : int, default 0
        Draws the words that are held out.
    judge : bool, default True
        As for :func:`isomorph.self_learn`, where no words are held out, which say more.
    checkpoint : path, optional
        A safetensors file in which the run is kept: written at the start, every `stride` steps, and
        when the run is interrupted; each time whole or not at all. Unless resuming, there must be
        no such file yet.
    resume : bool, default False
        Go on from `checkpoint` if it is there (else start). The result has the bytes of a run that
        was never interrupted.
    log : path or callable, optional
        Told each round as it ends: a line of JSON, or a call with a dict, of a
        :class:`isomorph.learning.ContrastRound` and ``seconds``.
    check_finite : bool, default True
        Refuse NaN and infinities.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the answer depends on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)``: steps of both runs.

    Returns
    -------
    SelfLearned
        ``alignment`` with ``map`` and ``target_map`` into one space of min(d, e) dimensions;
        ``pairs`` that it was learned from; ``history``, of
        :class:`isomorph.learning.ContrastRound`, first the run with held-out words;
        ``settings``; ``agreement`` where no words were held out, else None. In
        ``alignment.map.metrics``: ``loop`` and ``step``, where the run ended, and
        ``first_accuracy`` and ``accuracy`` of held-out words.

    Warns
    -----
    ConvergenceWarning
        Less than 5 % of the held-out words are translated right; or, without held-out words, what
        :class:`isomorph.learning.Agreement` says.

    Raises
    ------
    DictionaryError
        No seed pair.
    ShapeError, DTypeError, NonFiniteError, FormatError, FileExistsError
        As :func:`isomorph.self_learn`.
    ValueError
        An option out of its range; a checkpoint of other settings or vectors; a side of the pairs
        that is all zeros.

    Notes
    -----
    A step is :math:`A \leftarrow A - \eta_t\,\gamma\,\nabla_A L`, with
    :math:`\eta_t = \eta \cdot \mathrm{decay}^t`, and :math:`\gamma` the factor that brings the
    gradient of both maps together to at most `clip`; the maps are first scaled so that mapped rows
    of the pairs have a mean square of 1. The gradient goes through the norms of the cosines (the
    original takes them as constants). It needs the rows of the negatives as they are, once:

    .. math:: \nabla_A L = G B - X^T \mathrm{diag}(\alpha) X A, \qquad
              G = \sum_{ij} \frac{\partial L}{\partial s_{ij}}
                  \frac{x_i^T z_j}{|x_i A|\,|z_j B|}, \qquad
              \alpha_i = \sum_j \frac{\partial L}{\partial s_{ij}} \frac{s_{ij}}{|x_i A|^2},

    likewise for B. A zero row has cosine 0 with all and no gradient. The step lengths are made for
    rows of length 1: end the chain with ``unit``.

    Maps and sums over rows are float64, products with single rows of the type of the vectors.
    With p pairs, K negatives and v rows that are searched, a step costs O(p K d + (p + v) d^2), a
    search of negatives O(p v d), a measurement O(v^2 d). Peak memory beyond the vectors: a
    transformed and a mapped copy of both sides, 16 bytes for each of the 2 p K negatives, 16 MB
    of gathered rows a side, some 12 matrices of d x e.

    References
    ----------
    Li, Liu, Collier, Korhonen and Vulic, "Improving word translation via two-stage contrastive
    learning", ACL 2022, stage C1. Joulin et al., "Loss in translation: learning bilingual word
    mapping with a retrieval criterion", EMNLP 2018, for what it has in common with RCSLS.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((300, 5)) ** 3
    >>> z = x @ np.linalg.qr(rng.standard_normal((5, 5)))[0] + 0.1 * x**2
    >>> refined = iso.contrast(x, z, (range(100), range(100)), steps=20)
    >>> metrics = refined.alignment.map.metrics
    >>> metrics["accuracy"] >= metrics["first_accuracy"]
    True
    """
    vectors, words = check.sides(source, target)
    arguments = _arrays.Arguments(**vectors)
    arguments.require_not_empty()
    steps_of_chain = transforms.Chain.parse(chain)
    chosen = chosen_setting(
        setting,
        loops=loops,
        steps=steps,
        negatives=negatives,
        temperature=temperature,
        learning_rate=learning_rate,
        augment=augment,
    )
    task_options = Options(
        setting=chosen,
        neighborhood=check.whole("neighborhood", neighborhood, 1),
        held_out=_checks.number("held_out", held_out, least=0.0, below=1.0),
        stride=check.whole("stride", stride, 1),
        seed=check.whole("seed", seed, 0, 2**64 - 1),
    )
    first = check.whole_or_none("vocabulary", vocabulary, 1)
    journal = Journal(checkpoint, resume=resume, every=1, log=log, file=_contrastive_state)
    seeds = check.seed_pairs(seed_pairs, words, arguments.shapes)
    if seeds is None:
        raise ValueError("seed_pairs: expected a dictionary to start from; self_learn needs none")
    run = Run(runtime.resolve_threads(threads))
    ready = arguments.ready(check_finite=check_finite)
    (source_chain, x), (target_chain, z) = (
        steps_of_chain.fit_apply(side, check_finite=False, threads=run.threads)
        for side in ready.arrays
    )
    spaces = Spaces.of(x, z, first, run.threads)
    fewest = min(int(side.shape[0]) for side in (spaces.first_x, spaces.first_z))
    task_options = dataclasses.replace(
        task_options, neighborhood=min(task_options.neighborhood, fewest)
    )
    settings = {
        "function": "contrast",
        "chain": str(steps_of_chain),
        "start": seed_pairs if isinstance(seed_pairs, str) else "pairs",
        "vocabulary": first,
        **task_options.described(),
    }
    decisive = dict(settings)
    if journal.keeps:
        decisive["vectors"] = fingerprint(x, z, *seeds)
    after = _arrays.Arguments(source=x, target=z)
    prepared = after.ready(check_finite=False)
    computing = Vectors(x, z, Double(after, prepared, run), run)
    task = Task(spaces, computing, seeds, task_options)
    state = journal.begin(decisive, (int(x.shape[0]), int(z.shape[0]))) or task.begin()
    judged = None
    with reporting(progress, "steps") as report, journal.open(state):
        # Words that were held out say more than what the pairs say of each other.
        judging = bool(judge) and task.held is None
        tell = check.reporter(report, judge=judging)
        while state.ended == RUNNING:
            task.round(state, tell)
            journal.after(state)
        if judging:
            by, hood = task.turned(state), task_options.neighborhood
            judged = agreement(
                spaces, by, hood, task_options.seed, lambda done: tell(task.total, task.total, done)
            )
        tell(task.total, task.total, STEPS)
    maps = [computing.double.ready.convert(m) for m in task.beside(state.maps)]
    provenance = {
        "isomorph": _core.build_info()["version"],
        "rows": len(state.pairs[0]),
        **settings,
        **({} if judged is None else {"agreement": judged.verdict}),
    }
    metrics = task.metrics(state)
    doubt = check.doubt(judged, "another dictionary as seed_pairs", metrics)
    if doubt is not None:
        warn(doubt, ConvergenceWarning)
    both = [
        LinearMap(matrix, method="contrast", metrics=metrics, provenance=provenance)
        for matrix in maps
    ]
    return SelfLearned(
        Alignment(source_chain, both[0], target_chain, both[1]),
        check.as_pairs(state.pairs, x),
        judged,
        tuple(state.history),
        # Of one that went as far as it may, another step might be better.
        state.best[1] < task.setting.steps or state.best[0] + 1 < task.setting.loops,
        settings,
    )
