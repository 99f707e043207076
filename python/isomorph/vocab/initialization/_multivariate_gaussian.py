"""New rows drawn around the old ones, with their covariance."""

from __future__ import annotations

from typing import Any

from isomorph import _checks, runtime
from isomorph._backends import Run
from isomorph._dlpack import served
from isomorph.vocab._mixing import checks
from isomorph.vocab.initialization import _building as building
from isomorph.vocab.initialization import _statistics as statistics

__all__ = ["multivariate_gaussian"]

#: Shares of the identity that are tried where the covariance is not positive definite.
_SHARES = (0.0, *(10.0**power for power in range(-12, 1)))


@served
def multivariate_gaussian(
    rows: Any,
    targets: Any,
    *,
    scale: float = 1e-5,
    seed: int = 0,
    check_finite: bool = True,
    threads: int | None = None,
) -> Any:
    r"""Draw rows for target tokens: :math:`E'_t \sim N(\mu, s\Sigma)`.

    :math:`\mu = \frac1n \sum_s E_s` and
    :math:`\Sigma = \frac1n \sum_s (E_s - \mu)(E_s - \mu)^T` over the old rows (Hewitt). By
    :math:`\Sigma = LL^T` a row is :math:`\mu + \sqrt{s} L z`, z standard normal.

    Parameters
    ----------
    rows : array of shape (n, d)
        E: the old table.
    targets : int array of shape (m,), or int
        Ids of the target tokens, such as :attr:`TokenMixing.fallback_rows`; a number stands for
        the ids below it. z depends on the id and the seed alone.
    scale : float, default 1e-5
        s: that of the published comparison of initialisations (Mundra et al.). ``transformers``
        has 1e-9 when it enlarges a table, Hewitt's note proposes 1e-5; mergekit-tokensurgeon
        takes 1, which lets new logits exceed the old ones. 0 gives the mean.
    seed : int, default 0
        Key of a counter-based generator (Philox), from 0 to 2^128 - 1.
    check_finite : bool, default True
        Refuse NaN and infinities.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    array of shape (m, d)
        In the type of `rows` (float16 and bfloat16: float32): a `fallback` for
        :meth:`TokenMixing.apply`.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        Arguments that are not as above.

    Notes
    -----
    O(n d^2) for the covariance, in float64, streamed; O(d^3) for Cholesky; O(m d^2) for the rows.
    Three d x d matrices of float64. Where :math:`\Sigma` is not positive definite, as with fewer
    rows than dimensions, :math:`(1 - \lambda)\Sigma + \lambda \frac{\mathrm{tr}\Sigma}{d} I` takes
    its place with the smallest :math:`\lambda` of 1e-12, 1e-11, ..., 1 that makes it so.

    References
    ----------
    J. Hewitt, *Initializing new word embeddings for pretrained language models*, 2021;
    N. Mundra et al., *An empirical comparison of vocabulary expansion and initialization approaches
    for language models*, CoNLL 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import multivariate_gaussian
    >>> table = np.array([[0.0, 0.0], [2.0, 2.0], [1.0, 1.0]])
    >>> drawn = multivariate_gaussian(table, 1, scale=1.0)
    >>> bool(abs(drawn[0, 0] - drawn[0, 1]) < 1e-4)  # along the diagonal
    True
    """
    arguments = building.embedding_arguments(rows=rows)
    n, d = arguments.shapes["rows"]
    ids = statistics.target_ids(targets)
    scale = _checks.number("scale", scale, least=0)
    seed = _checks.integer("seed", seed, 0, 2**128 - 1)
    workers = runtime.resolve_threads(threads)
    xp = arguments.array_namespace()
    if check_finite:
        checks.require_finite(xp, "rows", rows)
    dtype = getattr(xp, arguments.dtype())
    rows, exponent = building.in_range(xp, rows)
    mean, products = statistics.second_moments(
        rows, centre=True, check_finite=False, threads=workers
    )
    root = _root(xp, products / n)
    drawn = xp.asarray(statistics.normal_rows(ids, d, seed), **building.beside(rows))
    backend, _ = arguments.backend()
    if root is None or not len(ids):
        turned = xp.zeros_like(drawn)
    else:
        factor = building.doubles(xp, xp.matrix_transpose(root) * scale**0.5)
        turned = backend.multiply(drawn, factor, Run(workers))
    return xp.astype(building.times_power(mean + turned, exponent), dtype)


def _root(xp: Any, covariance: Any) -> Any:
    """Give the Cholesky factor, of a covariance shrunk as little as need be; None for zero."""
    d = covariance.shape[0]
    size = float(xp.linalg.trace(covariance)) / d
    if size == 0:
        return None
    identity = xp.eye(d, dtype=covariance.dtype, **building.beside(covariance))
    for share in _SHARES:
        try:
            root = xp.linalg.cholesky((1 - share) * covariance + share * size * identity)
        except Exception:
            continue
        # A pivot that is rounding alone would be drawn along.
        pivots = xp.linalg.diagonal(root)
        if bool(xp.all(xp.isfinite(root))) and float(xp.min(pivots)) ** 2 > 1e-14 * size:
            return root
    return identity * size**0.5
