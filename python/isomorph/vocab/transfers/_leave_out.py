"""The leave-out score: tokens that both vocabularies have, initialised as if they were new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks, runtime
from isomorph._arrays import Arguments
from isomorph._backends import Run
from isomorph._progress import Progress, reporting
from isomorph.errors import ShapeError
from isomorph.vocab.initialization import _building as building
from isomorph.vocab.initialization import overlap
from isomorph.vocab.initialization._vocabularies import Vocabulary, vocabulary
from isomorph.vocab.mixing import TokenMixing
from isomorph.vocab.transfers import _hiding, _recipes
from isomorph.vocab.transfers._kinds import KINDS, kinds
from isomorph.vocab.transfers._results import LeaveOut

__all__ = ["leave_out"]


def leave_out(
    rows: Any,
    source: Any,
    target: Any,
    *,
    methods: Sequence[str] | None = None,
    base: TokenMixing | None = None,
    rule: str = "marks",
    vectors: Any = None,
    source_vectors: Any = None,
    folds: int = 5,
    most: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress = None,
) -> LeaveOut:
    r"""Score methods by what they make of tokens whose rows are known.

    Tokens that both vocabularies have are hidden, a fold at a time; each method makes their rows
    as if they were new, and these are compared with the true ones. The score of a method is

    .. math:: \sum_g \pi_g \, \frac{1}{|H_g|} \sum_{t \in H_g} \cos(\hat E_t, E_t) ,

    :math:`H_g` being the hidden tokens of kind g (words, capitalised words, continuations of words,
    digits, punctuation) and :math:`\pi_g` the part of that kind among the tokens that really are to
    be made: those that are shared are mostly digits, names and punctuation, those that are not
    mostly words.

    Parameters
    ----------
    rows : array of shape (n, d)
        The old table: a row for each source token (further rows are ignored).
    source, target : Tokenizer, or sequence of (str or None)
        The old and the new vocabulary.
    methods : sequence of str, optional
        Methods with settings, as ``["mean", "omp k=16", "wechsel k=5 temperature=0.05"]``: of
        mean, gaussian, subword_mean, focus, omp, clp, wechsel. By default a grid of all those for
        which there is what they need.
    base : TokenMixing, optional
        The shared tokens; by default :func:`isomorph.vocab.overlap` by `rule`.
    rule : str, default "marks"
        See :func:`isomorph.vocab.overlap`.
    vectors : array of shape (m, e), optional
        A vector for each target token, zero where there is none: for focus, omp, clp, wechsel.
    source_vectors : array of shape (n, e), optional
        A vector for each source token in the same space: for wechsel.
    folds : int, default 5
        Each time this part of the shared tokens is hidden.
    most : int, default 2000
        At most so many tokens are hidden, drawn at random.
    confidence : float, default 0.95
        Of the intervals.
    seed : int, default 0
        Of the draw and the folds.
    threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    LeaveOut
        ``print`` shows the table; ``.best`` is the method of the largest score, ``.decided`` says
        whether it is ahead of the others beyond chance, ``.status`` whether the score has been
        seen to order methods as a real transfer does.

    Raises
    ------
    ShapeError
        Fewer rows than source tokens, vectors that do not fit; no shared tokens.
    ValueError
        An unknown method or setting, a method without the vectors that it needs.
    DTypeError, NonFiniteError
        As in :func:`isomorph.topk`.

    Notes
    -----
    A token's own source is kept out of its row: subword_mean cuts its text into the longest *other*
    tokens from the left, wechsel's neighbours are those without it. Time: each method once a fold
    on the hidden tokens, and their cosines with all rows.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import leave_out
    >>> words = ["dog", "puppy", "cat", "kitten", "car", "truck"]
    >>> space = np.array([[5.0, 1, 0], [5, 2, 0], [1, 5, 0], [2, 5, 0], [0, 0, 5], [0, 1, 5]])
    >>> rows = space @ np.array([[1.0, 2, 0, 1], [0, 1, 3, 1], [2, 0, 1, -1]])
    >>> found = leave_out(rows, words, [*words, "chiot"], vectors=np.vstack([space, [5, 1.5, 0]]),
    ...                   methods=["mean", "focus"], folds=6)
    >>> found.best
    'focus'
    """
    folds = _checks.integer("folds", folds, 2)
    most = _checks.integer("most", most, 2)
    confidence = _checks.number("confidence", confidence, above=0, below=1)
    seed = _checks.integer("seed", seed, 0)
    old, new = vocabulary("source", source), vocabulary("target", target)
    table = _rows(rows, len(old))
    if base is None:
        base = overlap(old, new, rule=rule)
    elif base.shape != (len(new), len(old)):
        raise ShapeError(f"base: expected shape {(len(new), len(old))}, got {base.shape}")
    each = kinds(new)
    vectors = _recipes.require_vectors("vectors", vectors, len(new))
    near = _recipes.require_vectors("source_vectors", source_vectors, len(old))
    # Copies of rows that are not zero, of tokens that stand for a text.
    known = np.flatnonzero((base.counts == 1) & (each >= 0))
    known = known[table[base.indices[base.indptr[known]]].any(axis=1)]
    if len(known) < folds:
        raise ShapeError(
            f"target: expected at least {folds} tokens that the source has too, got {len(known)}: "
            "is it the right tokenizer, or do its words need marks=?"
        )
    missing = each[base.fallback_rows]
    shares = np.bincount(missing[missing >= 0], minlength=len(KINDS)) / max(
        int((missing >= 0).sum()), 1
    )
    materials = _recipes.Materials(
        old,
        Vocabulary(tuple(new.tokens[i] for i in known.tolist()), new.marks),
        tokenizer=source,
        vectors=None if vectors is None else vectors[known],
        source_vectors=near,
        threads=threads,
    )
    shared = base.take(known)
    recipes = _recipes.candidates(methods, materials)
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(known))[:most]
    parts = [np.sort(part) for part in np.array_split(order, folds)]
    hidden = np.concatenate(parts)
    found = np.empty((3, len(recipes), len(hidden)))
    done, workers = 0, runtime.resolve_threads(threads)
    with reporting(progress, "leaving tokens out") as report:
        for number, recipe in enumerate(recipes):
            made = [_made(recipe, materials, shared, part, table) for part in parts]
            found[:, number] = _compared(
                np.concatenate(made), table, shared.indices[hidden], workers
            )
            done += 1
            if report is not None:
                report(done, len(recipes))
    return LeaveOut(
        tuple(recipe.label for recipe in recipes),
        known[hidden],
        each[known[hidden]],
        found[0],
        found[1],
        found[2],
        shares,
        confidence,
    )


def _rows(rows: Any, size: int) -> NDArray[Any]:
    arguments = Arguments(rows=rows)
    arguments.require_not_empty()
    if arguments.shapes["rows"][0] < size:
        raise ShapeError(
            f"rows: expected at least {size} rows, one a source token, got "
            f"{arguments.shapes['rows'][0]}"
        )
    ready = arguments.ready()
    return np.ascontiguousarray(building.host(ready.arrays[0])[:size])


def _made(
    recipe: _recipes.Recipe,
    materials: _recipes.Materials,
    shared: TokenMixing,
    part: NDArray[np.int64],
    table: NDArray[Any],
) -> NDArray[Any]:
    mixing = _hiding.hidden_rows(recipe, materials, shared, part)
    empty = mixing.fallback_rows
    fallback = recipe.fallback(table, part[empty]) if len(empty) else None
    made: NDArray[Any] = mixing.apply(table, fallback=fallback, threads=materials.threads)
    return made


def _compared(
    made: NDArray[Any], table: NDArray[Any], own: NDArray[Any], threads: int
) -> NDArray[np.float64]:
    """Give cosines, reciprocal ranks and quotients of norms."""
    from isomorph._backends.cpu import CpuBackend

    true = table[own].astype(np.float64)
    wide = made.astype(np.float64)
    lengths, right = np.linalg.norm(wide, axis=1), np.linalg.norm(true, axis=1)
    product = lengths * right
    cosine = np.divide(
        (wide * true).sum(axis=1), product, out=np.zeros(len(product)), where=product > 0
    )
    above, _ = CpuBackend().places(
        np.ascontiguousarray(made, table.dtype),
        table,
        np.arange(len(own) + 1, dtype=np.int64),
        np.asarray(own, dtype=np.int64),
        "cosine",
        False,
        Run(threads),
    )
    return np.stack([cosine, 1 / (1 + np.asarray(above, np.float64)), lengths / right])
