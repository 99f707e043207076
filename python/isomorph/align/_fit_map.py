"""One call for every map between two spaces."""

from __future__ import annotations

from typing import Any

from isomorph import _checks
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph.align._maps import LinearMap
from isomorph.align._methods import METHODS, Problem, stacked
from isomorph.align._pairs import paired, weights_of
from isomorph.errors import NonFiniteError, ShapeError


@served
def fit_map(
    source: Any,
    target: Any,
    *,
    method: str = "procrustes",
    weights: Any = None,
    translate: bool = False,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
    **options: Any,
) -> LinearMap:
    r"""Fit the linear map that brings rows of `source` near to their partners in `target`.

    .. math:: x \mapsto s\,(x - \bar x) W + \bar y

    =============  ===========================================================  ===================
    method         W                                                            options
    =============  ===========================================================  ===================
    "procrustes"   orthonormal, any d and e: :func:`isomorph.procrustes`        scale
    "rectangular"  the same by the name it has where d and e differ             scale
    "rotation"     orthonormal with det W = +1 (for d = e)                      scale
    "robust"       orthonormal, pairs that fit badly counting less              scale, rounds, delta
    "ols"          least squares, of several answers the smallest               -
    "ridge"        least squares with a penalty, which is chosen                alpha, choose_by,
                                                                                folds, group, seed
    "cca"          into the canonical space and back out of the target's        k
    "vecmap"       :func:`isomorph.align.vecmap`, the target left as it is      as there, but
                                                                                target_reweight=0
    "rcsls"        by descent on the criterion of CSLS retrieval itself         see below
    "auto"         that of these methods which translates left-out pairs best   see below
    =============  ===========================================================  ===================

    Parameters
    ----------
    source : array of shape (n, d) or (b, n, d)
        Row i belongs to row i of `target`. A stack has b problems and gives a stack of maps.
    target : array of shape (n, e) or (b, n, e)
        float32 and float64; float16 and bfloat16 are widened to float32.
    method : str, default "procrustes"
        One of the table.
    weights : array of shape (n,) or (b, n), optional
        How much each pair counts, none negative: a weight of 2 is the pair given twice. Default:
        all 1. Not for "vecmap"; but for the first three methods, 0 or between 1e-30 and 1e30.
    translate : bool, default False
        Subtract the weighted means :math:`\bar x, \bar y`; without it both are 0. "cca" always
        does, "vecmap" and "rcsls" never.
    check_finite : bool, default True
        Refuse NaN and infinities with a scan before the work.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the answer depends on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)``.
    scale : bool, default False
        Fit s >= 0, too.
    rounds : int, default 5
        Fits of "robust": the first with the weights as they are, every other with
        :math:`w_i / (|r_i| + \delta)`, r the residuals of the one before.
    delta : float, default 1e-3
        In the units of the rows: residuals far below it count alike. As published for rows scaled
        to variance 1 in each column.
    alpha : float or sequence of float, optional
        Penalty of "ridge", as :meth:`isomorph.linalg.Moments.ridge` has it. Of several, or by
        default of 20, the one is taken that does best on pairs left out.
    choose_by : {"folds", "loo"}, default "folds"
        Leave out folds, which needs no other pass over the rows, or each pair on its own ("loo"),
        which takes one more, of a times the operations of applying a map, a the number of alphas.
    folds : int, default 10
        At most one a pair. Pairs are dealt to folds at random, evenly.
    group : integers of shape (n,), optional
        The fold of each pair instead: pairs with the same source word should share one.
    seed : int, default 0
        Of the dealing.
    k : int, optional
        Pairs of canonical columns; default: all.

    Of "rcsls":

    source_space : array of shape (N, d) or (b, N, d), optional
        All rows of the source side, most frequent first. Default: the rows of the pairs.
    target_space : array of shape (M, e) or (b, M, e), optional
        All rows of the target side.
    neighborhood : int, default 10
        K.
    negatives : int, default 200,000
        Neighbours are sought among so many first rows of each space.
    spectral : bool, default False
        Keep all singular values at most 1, where otherwise the norm of W is kept.
    reg : float, default 0
        Add reg |W|^2 / 2 to the objective and let the norm of W go. Whatever `reg` is, the W of the
        smallest objective differs by a factor only.
    iterations : int, optional
        At most so many. Default: 50; with `parity` 10 (after which one more step is taken).
    tolerance : float, default 0.01
        Stop where a step lowers the objective by no more than this part of it.
    held_out : float, optional
        This share of the sources, with their pairs, says after how many steps the map is best for
        pairs that it was not fitted to; then as many are taken with all. 0 goes on to `tolerance`.
        Default: 0.2, but 0 with `start`, which may have seen the pairs, and with `parity`.
    seed : int, default 0
        Draws them.
    start : array of shape (d, e) or LinearMap, optional
        Where to begin. Default: the "procrustes" map of the pairs.
    parity : bool, default False
        Take the steps of the program that the authors published instead of searching their length:
        see Notes.
    learning_rate : float, default 1
        Of the first step, with `parity`.
    batch_size : int, optional
        With `parity`, steps on so many pairs, drawn anew for each: its stochastic descent.
    each : callable, optional
        With `parity`, told after each step its number from 0, the objective before it, and W.

    Of "auto", which deals pairs to folds, fits each method to all folds but one, and looks the
    sources of that one up among the targets (P@1; any target that a source has is right):

    source_space : array of shape (N, d) or (b, N, d), optional
        All rows of the source side: CSLS takes its radii over them. Default: the distinct sources
        of the pairs.
    target_space : array of shape (M, e) or (b, M, e), optional
        All rows of the target side, which those of `target` are among: what is looked through.
        Default: the distinct targets of the pairs, which makes it easier than it will be.
    folds : int, default 5
        At most one a unit. Pairs with equal source rows are one unit, never in two folds, ...
    group : integers of shape (n,), optional
        ... and so are pairs of one group: documents, lemmas, speakers.
    methods : sequence of str or (str, dict), optional
        What is tried, with options: ``["procrustes", ("ridge", {"alpha": 1.0})]``, in the order of
        preference among orthogonal ones. Default: procrustes, robust, cca, ridge, ols, vecmap and
        rcsls as far as they serve the arguments; the ones that these pairs do not define are left
        out, and named.
    retrieval : {"auto", "nn", "csls"}, default "auto"
        By which P@1 methods are compared; "auto" takes the better of the two and says which.
        "nn" is by far the fastest: CSLS needs the radii of the targets for every fit.
    neighborhood : int, default 10
        K of the radii; fewer where there are not as many rows.
    max_rows : int or None, default 30,000
        Bounds the search: rows of `source_space` and of `target_space` that are looked at, from the
        first on (besides the right ones), and sources that are looked up. With fewer targets to
        look through all methods seem better than they are, some more than others; None takes all.
    confidence : float, default 0.95
        Level of the intervals in the table.
    seed : int, default 0
        Of the dealing.

    Returns
    -------
    LinearMap
        In the type of the input, with ``metrics`` of the method. From "auto" ``selection`` is the
        table (:class:`isomorph.align.Selection`; print it), kept when the map is saved, as
        ``metrics["auto"]``.

    Raises
    ------
    ShapeError
        Different numbers of rows or of problems, no rows or no columns.
    DTypeError
        Not arrays of real floating point values.
    NonFiniteError
        NaN or infinity.
    ValueError
        A method that does not exist, an option that the method does not take or that is out of
        range; weights that are negative or all zero; rows that do not define what was asked for.

    Warns
    -----
    ConvergenceWarning
        "rcsls" was still falling after its last iteration.

    Notes
    -----
    All but "procrustes" and its two other names, "vecmap" and "rcsls", are d x d work from one pass
    of :class:`isomorph.linalg.Moments`, O(n (d + e)^2 + (d + e)^3): use that class where the pairs
    do not fit in memory, or for several fits of the same pairs. "robust" takes one pass a round.
    With fewer pairs than dimensions "ols" gives the answer of the smallest norm, and "procrustes"
    the one nearest to the identity; "ridge" and "cca" leave out directions without evidence.

    "rcsls" minimises, for rows of unit length and so in terms of cosines,

    .. math:: f(W) = \frac{1}{\sum_i w_i} \sum_i w_i \Big[ -2\, x_i W y_i^T
              + \frac1K \sum_{z \in N_K(x_i W)} x_i W z^T
              + \frac1K \sum_{v \in N_K(y_i)} v W y_i^T \Big],

    the neighbours of :math:`x_i W` among the rows z of the target space, those of :math:`y_i` among
    the mapped rows vW of the source space, both by dot product: give unit rows. f is the largest of
    linear functions, so convex, and f(cW) = c f(W), so only the direction of W counts: steps are
    along the gradient with the neighbours held, back to the norm of the start (or to singular
    values of at most 1), of a length that lowers f by a quarter of what the slope promises at
    least. ``metrics`` has ``objective`` and ``objectives`` (at the start and after each step),
    ``held_out_objectives`` (the same of held-out pairs, in the run without them), ``iterations``,
    ``evaluations``, ``step`` (the last), and ``stopped``: "held-out pairs" or "tolerance" (then
    ``converged``), "no descent" or "iterations", with a ConvergenceWarning. Mapped rows have no
    unit length. Small dictionaries are learned by heart: without `held_out` a few hundred pairs
    give a map far worse than "procrustes". The steps taken are the fewest that held-out sources
    cannot tell from the best (one standard error).

    An evaluation of f takes two searches of at most n rows, O(n (M + N) d), against rows that are
    prepared once: since vWy' = v(yW')', no row of a space is ever mapped. Repeated rows are looked
    up once. Peak memory beyond the input: the codes of both spaces, d + 24 bytes a row, the
    distinct rows of the pairs twice, 20 K bytes a pair, and what :func:`isomorph.topk` takes.

    With `parity` the steps are :math:`W - \lambda (\nabla f + \mathrm{reg}\,W)` of the rate
    :math:`\lambda`, which is halved where f is above its lowest value so far; below 1e-4 they end
    (``stopped`` is "learning rate"). The published program means to go back then as well, and does
    not: it only leaves the singular values unclipped that once. ``objectives`` are, as it prints
    them, those before each step. It computes in float64: give float64 for its figures.

    "auto" takes the best method, or the first orthogonal one that is within one standard error of
    it and within one point: a plainer map for nothing that could be told. Among the others that are
    within one point of the best, and that a paired test cannot tell from it, it takes the one that
    finds most by the other retrieval: a difference that may be chance decides nothing, and folds
    leave out pairs, which some methods miss more than others. What it says of the
    winner is a little too good (the best of many), and all of it a little too bad (fits have fewer
    pairs than the map that is given, which is fitted to all).

    One pass over the pairs serves the fits of all
    folds from moments; "robust", "vecmap" and options that need rows take their own. Then for each
    method and fold a search of the held-out sources, and with CSLS one pass of radii: O(methods
    folds N M d), N and M at most `max_rows`. Peak memory: D^2 numbers for each fold, D = d + e, and
    copies of the pairs of a fold, of the targets and their codes, and of the mapped sources.

    References
    ----------
    F. Paischer et al., "SITTA: a semantic image-text alignment for image captioning", 2023, for
    "robust"; A. Joulin et al., "Loss in translation: learning bilingual word mapping with a
    retrieval criterion", EMNLP 2018, for "rcsls"; the others are named where they are defined.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 4))
    >>> y = x @ rng.standard_normal((4, 3)) + 0.1 * rng.standard_normal((200, 3))
    >>> iso.fit_map(x, y, method="ridge", translate=True)
    LinearMap(4 -> 3, float64, method='ridge', residual=...)
    >>> choice = iso.fit_map(x, y, method="auto", translate=True).selection
    >>> choice.retrieval in ("nn", "csls") and choice.because.startswith(f"chosen: {choice.chosen}")
    True
    """
    _checks.one_of("method", method, tuple(METHODS))
    how = METHODS[method]
    if unknown := sorted(set(options) - set(how.options)):
        takes = f"takes {', '.join(how.options)}" if how.options else "takes no options"
        raise ValueError(f"{unknown[0]}: method {method!r} {takes}")
    arguments = paired(source, target)
    shapes = arguments.shapes
    checked = weights_of(arguments, weights)
    problem = Problem(source, target, checked, bool(translate), check_finite, threads, progress)
    if how.stacks or len(shapes["source"]) == 2:
        return how.fit(problem, **options)
    b = shapes["source"][0]
    if b == 0:
        raise ShapeError(f"source: expected at least one problem, got shape {shapes['source']}")
    maps = []
    for i in range(b):
        try:
            maps.append(how.fit(problem.one(i, b), **options))
        except NonFiniteError as error:
            raise NonFiniteError(f"{error} (in matrix {i} of the stack)") from error
    return stacked(maps)
