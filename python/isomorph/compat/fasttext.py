"""The alignment scripts of fastText: RCSLS, its evaluation, and Wasserstein-Procrustes.

What they print, they print here; what they compute is done by :mod:`isomorph`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import isomorph as iso
from isomorph import _matrices, io
from isomorph.compat._vectors import Lexicon, chained, read, readable, rows_of
from isomorph.errors import DictionaryError, ShapeError

__all__ = ["align", "evaluate", "unsupervised_align"]

Say = Callable[[str], object]
#: What the scripts load where they take no option for it.
_LOADED, _INITIAL, _JUDGED = 200_000, 2_500, 5_000
#: The weight of the entropy in the figure that an epoch prints.
_JUDGED_REG = 0.025


def align(
    src_emb: str,
    tgt_emb: str,
    dico_train: str,
    dico_test: str,
    *,
    output: str = "",
    center: bool = False,
    knn: int = 10,
    maxneg: int = 200_000,
    maxsup: int = -1,
    maxload: int = 200_000,
    model: str = "none",
    reg: float = 0.0,
    lr: float = 1.0,
    niter: int = 10,
    sgd: bool = False,
    batchsize: int = 10_000,
    seed: int = 0,
    faithful: bool = False,
    say: Say = print,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Do what ``align.py`` does, and give R, by which x becomes :math:`R x`.

    The arguments are the script's options. Of `seed` come the batches, which the script draws
    unseeded; `faithful` keeps all rows of a repeated word.
    """
    target = _Space(tgt_emb, maxload, center, faithful, say, threads)
    source = _Space(src_emb, maxload, center, faithful, say, threads)
    test = _lexicon(dico_test, source, target, say)
    with readable(dico_train) as name:
        train = Lexicon(name, source.index, target.index)
    say(
        f"Found pairs for training: {len(train)} - Total pairs in file: {train.total} - "
        f"Coverage of pairs: {len(train) / train.total:.4f}"
    )
    if not len(train):
        raise DictionaryError(f"{dico_train}: no pair is in the vocabularies")
    most = maxsup if 0 < maxsup < len(train) else len(train)
    x, z = source.vectors, target.vectors
    pairs = x[train.source[:most]], z[train.target[:most]]

    def accuracy(matrix: Any) -> float:
        return _nearest(iso.LinearMap(matrix)(x[test.queries], threads=threads), z, test, threads)

    start = iso.procrustes(*pairs, threads=threads)
    say(f"[init -- Procrustes] NN: {accuracy(start.matrix):.4f}")

    def told(taken: int, objective: float, matrix: Any) -> None:
        say(f"[it={taken}] f = {objective:.4f}")
        if (taken > 0 and taken % 10 == 0) or taken == niter:
            say(f"[it={taken}] NN = {accuracy(matrix):.4f} - Coverage = {test.coverage:.4f}")

    fitted = iso.fit_map(
        *pairs,
        method="rcsls",
        parity=True,
        source_space=x[:maxneg],
        target_space=z[:maxneg],
        neighborhood=knn,
        negatives=maxneg,
        spectral=model == "spectral",
        reg=reg,
        learning_rate=lr,
        iterations=niter,
        batch_size=batchsize if sgd else None,
        seed=seed,
        start=start,
        each=told,
        threads=threads,
    )
    say(f"[final] NN = {accuracy(fitted.matrix):.4f} - Coverage = {test.coverage:.4f}")
    matrix = np.ascontiguousarray(fitted.matrix.T)
    if output:
        say(f"Saving all aligned vectors at {output}")
        whole = source
        if source.cut:
            whole = _Space(src_emb, -1, center, faithful, None, threads)
        mapped = chained("unit", fitted(whole.vectors, threads=threads), threads)
        io.save(
            io.Embeddings(whole.words, mapped), output, format="text", numbers="%.4f",
            threads=threads,
        )  # fmt: skip
        io.save_matrix(matrix, output + "-mat", numbers="%.4f")
    return matrix


def evaluate(
    src_emb: str,
    tgt_emb: str,
    dico_test: str,
    *,
    center: bool = False,
    src_mat: str = "",
    tgt_mat: str = "",
    maxload: int = 200_000,
    nomatch: bool = False,
    faithful: bool = False,
    say: Say = print,
    threads: int | None = None,
) -> dict[str, float]:
    """Do what ``eval.py`` does, and give what it prints.

    A matrix with a header "n d", as ``align.py`` writes it, is R of :math:`R x`; one without is
    multiplied from the right, :math:`x M`, as the script does with every one.
    """
    say(f"Evaluation of alignment on {dico_test}")
    if nomatch:
        say("running without exact string matches")
    target = _Space(tgt_emb, maxload, center, faithful, say, threads)
    source = _Space(src_emb, maxload, center, faithful, say, threads)
    x, z = (
        side.vectors if not path else _applied(path, side.vectors, threads)
        for side, path in ((source, src_mat), (target, tgt_mat))
    )
    test = _lexicon(dico_test, source, target, say)
    queries = x[test.queries]
    hood = min(10, len(x), len(z))
    radii = iso.csls_radii(x, z, neighborhood=hood, threads=threads)
    found = iso.csls(
        queries, z, 1, source_radii=radii[0][test.queries], target_radii=radii[1], threads=threads
    )
    figures = {
        "nn": _nearest(queries, z, test, threads),
        "csls": _share(test, found.indices[:, 0]),
        "coverage": test.coverage,
    }
    say("NN = {nn:.4f} - CSLS = {csls:.4f} - Coverage = {coverage:.4f}".format(**figures))
    return figures


def unsupervised_align(
    model_src: str,
    model_tgt: str,
    lexicon: str,
    *,
    output_src: str = "",
    output_tgt: str = "",
    seed: int = 1111,
    nepoch: int = 5,
    niter: int = 5_000,
    bsz: int = 500,
    lr: float = 500.0,
    nmax: int = 20_000,
    reg: float = 0.05,
    faithful: bool = False,
    say: Say = print,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Do what ``unsup_align.py`` does, and give R, by which x becomes :math:`x R`.

    The start is the convex relaxation of ``self_learn(init="wasserstein")``; batches are drawn
    among the words that there are, where the script goes beyond the end of small vocabularies.
    """
    from isomorph.learning._matching import matched, minus_products
    from isomorph.learning._wasserstein import relaxed

    workers = iso.runtime.resolve_threads(threads)
    say("\n*** Wasserstein Procrustes ***\n")
    source, target = (
        _Space(path, _LOADED, True, faithful, say, threads) for path in (model_src, model_tgt)
    )
    test = _lexicon(lexicon, source, target, say)
    x, z = source.vectors, target.vectors
    say("\nComputing initial mapping with convex relaxation...")
    begun = time.perf_counter()
    raw = [_raw(side, len(side.words)) for side in (source, target)]
    start = relaxed((raw[0], raw[1]), (x, z), vocabulary=_INITIAL, threads=workers)
    say(f"Done [{math.floor(time.perf_counter() - begun):03d} sec]")
    say("\nComputing mapping with Wasserstein Procrustes...")
    begun = time.perf_counter()
    draws = np.random.RandomState(seed)
    matrix: NDArray[np.float64] = start.matrix
    size = bsz

    def moved(left: Any, right: Any, weight: float) -> Any:
        """Give where each row of one side goes on the other."""
        turned = iso.LinearMap(matrix)(left, threads=threads)
        plan = matched(minus_products(turned, right, workers), weight, None, workers)
        return turned, plan.apply(right, check_finite=False)

    for epoch in range(1, nepoch + 1):
        batch = min(size, nmax, len(x), len(z))
        for _ in range(niter):
            left, right = (side[draws.permutation(min(nmax, len(side)))[:batch]] for side in (x, z))
            gradient = left.T @ moved(left, right, reg)[1]
            matrix, _ = iso.linalg.polar(matrix + (lr / batch) * gradient, threads=threads)
        size, niter = 2 * size, niter // 4
        count = min(_JUDGED, len(x), len(z))
        turned, sent = moved(x[:count], z[:count], _JUDGED_REG)
        say(f"epoch: {epoch}  obj: {1000 * np.linalg.norm(turned - sent) / count:.3f}")
    say(f"Done [{math.floor(time.perf_counter() - begun):03d} sec]")
    back = iso.LinearMap(np.ascontiguousarray(matrix.T))(z, threads=threads)
    right = _nearest(x[test.queries], back, test, threads, of=len(test.queries))
    say(f"\nPrecision@1: {right:.3f}\n")
    for path, side, vectors in ((output_src, source, x), (output_tgt, target, back)):
        if path:
            kept = io.Embeddings(side.words, vectors)
            io.save(kept, path, format="text", numbers="%.4f", threads=threads)
    return matrix


class _Space:
    """Words, their rows, and their vectors as the scripts load them: of unit length, float64."""

    def __init__(
        self,
        path: str,
        maxload: int,
        center: bool,
        faithful: bool,
        say: Say | None,
        threads: int | None,
    ) -> None:
        if say is not None:
            say(f"Loading vectors from {path}")
        limit = maxload if maxload > 0 else None
        duplicates = "keep" if faithful else "first"
        self.path = path
        self.words, vectors = read(path, duplicates=duplicates, limit=limit, threads=threads)
        self.raw = vectors
        #: Whether the file may have more rows.
        self.cut = limit is not None and len(self.words) >= limit
        chain = "unit center unit" if center else "unit"
        self.vectors: Any = chained(chain, vectors.astype(np.float64), threads)
        self.index = rows_of(self.words, "first")
        if say is not None:
            say(f"{len(self.words)} word vectors loaded")


def _raw(space: _Space, count: int) -> Any:
    return space.raw[:count].astype(np.float64)


def _lexicon(path: str, source: _Space, target: _Space, say: Say) -> Lexicon:
    with readable(path) as name:
        lexicon = Lexicon(name, source.index, target.index)
    say(f"Coverage of source vocab: {lexicon.coverage:.4f}")
    return lexicon


def _nearest(
    queries: Any, z: Any, test: Lexicon, threads: int | None, of: int | None = None
) -> float:
    if not len(queries):
        return 0.0
    return _share(test, iso.topk(queries, z, 1, threads=threads).indices[:, 0], of)


def _share(test: Lexicon, answers: Any, of: int | None = None) -> float:
    """Give the share of the right answers of all source words, those that are unknown included."""
    return float(np.sum(test.right(test.queries, answers))) / (of or test.sources)


def _applied(path: str, vectors: Any, threads: int | None) -> Any:
    matrix, ours = _matrices.read_text(path)
    matrix = matrix.T if ours else matrix
    if matrix.shape[0] != vectors.shape[1]:
        raise ShapeError(
            f"{path}: expected a matrix for vectors of {vectors.shape[1]} dimensions, got "
            f"one of shape {matrix.shape}"
        )
    mapped = iso.LinearMap(np.ascontiguousarray(matrix))(vectors, threads=threads)
    return chained("unit", mapped, threads)
