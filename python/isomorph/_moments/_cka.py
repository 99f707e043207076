"""Centred kernel alignment from moments."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from isomorph import runtime
from isomorph._backends import Run
from isomorph._moments._fits import where_spread

if TYPE_CHECKING:
    from isomorph._moments._streaming import Moments


def cka(self: Moments, *, unbiased: bool = False, threads: int | None = None) -> float:
    r"""Compute linear centred kernel alignment, how alike the two sets of rows are shaped.

    .. math:: \frac{HSIC(XX^T, YY^T)}{\sqrt{HSIC(XX^T, XX^T)\, HSIC(YY^T, YY^T)}}

    1 for sets that are equal but for rotation, uniform scale and translation.

    Parameters
    ----------
    unbiased : bool, default False
        False: :math:`HSIC = |X^TY|_F^2` of the centred rows, in [0, 1], which for few rows is far
        above 0 even for independent sets. True: the unbiased estimator of HSIC in all three places,
        0 on average for independent sets, and possibly negative. It needs ``norms=True``.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        A side whose rows are all equal; unbiased: no ``norms``, fewer than 4 rows (sum of weights),
        or a side whose own estimate is not positive, which happens with few rows only.

    Notes
    -----
    With zeros on the diagonals of :math:`\tilde K, \tilde L`, Song et al.'s estimator is

    .. math:: \frac{1}{n(n-3)}\Big[\operatorname{tr}\tilde K\tilde L + \frac{1^T\tilde K 1\,
        1^T\tilde L 1}{(n-1)(n-2)} - \frac{2}{n-2} 1^T\tilde K\tilde L 1\Big]

    which does not change when rows are translated. About the means :math:`1^T\tilde K 1 = -\sum
    |x|^2`, :math:`1^T\tilde K\tilde L1 = \sum|x|^2|y|^2` and :math:`\operatorname{tr}\tilde
    K\tilde L = |X^TY|_F^2 - \sum|x|^2|y|^2`, so no n x n matrix is needed. A weight of w stands for
    w equal rows. O(D^2).

    References
    ----------
    S. Kornblith et al., "Similarity of neural network representations revisited", ICML 2019; L.
    Song et al., "Feature selection via dependence maximization", JMLR 13 (2012), equation 5.
    """
    scatter = self.scatter(threads=threads)
    tools = scatter.tools

    def square(matrix: Any) -> float:
        norm = float(tools.xp.linalg.matrix_norm(matrix))
        return norm * norm

    squares = [square(m) for m in (scatter.xx, scatter.xy, scatter.yy)]
    x, y = where_spread(scatter)
    if x == 0 or y == 0:
        side = "x" if x == 0 else "y"
        raise ValueError(f"{side}: expected rows that are not all equal; CKA is not defined")
    if unbiased:
        squares = _unbiased(self, squares, (x, y), Run(runtime.resolve_threads(threads)))
    xx, xy, yy = squares
    if xx <= 0 or yy <= 0:
        raise ValueError(
            "moments: the unbiased estimate of a set's own HSIC is not positive; give more rows"
        )
    return xy / math.sqrt(xx) / math.sqrt(yy)


def _unbiased(
    self: Moments, squares: list[float], sums: tuple[float, float], run: Run
) -> list[float]:
    if not self.norms:
        raise ValueError("unbiased: expected moments that were made with norms=True")
    n = self.weight
    if n <= 3:
        raise ValueError(f"unbiased: expected more than 3 rows (sum of weights), got {n:g}")
    norms = self._total(run).parts[3]
    width = self.x_dim + self.y_dim
    x, y = sums
    products = (x * x, x * y, y * y)
    # Where the weights of the terms are collected, tr K L and 1'K L 1 share sum |x|^2 |y|^2.
    return [
        (square + product / (n - 1) / (n - 2) - n / (n - 2) * float(norms[2 * width + i]))
        / n
        / (n - 3)
        for i, (square, product) in enumerate(zip(squares, products, strict=True))
    ]
