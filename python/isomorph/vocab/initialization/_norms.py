"""New rows as long as the old ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks
from isomorph._dlpack import served
from isomorph.vocab._mixing import checks
from isomorph.vocab.initialization import _building as building

__all__ = ["match_norm"]


@served
def match_norm(
    rows: Any,
    reference: Any,
    *,
    how: str = "each",
    check_finite: bool = True,
) -> Any:
    r"""Scale rows to the mean norm of a reference: means of many rows come out short.

    Parameters
    ----------
    rows : array of shape (m, d)
        New rows.
    reference : array of shape (n, d)
        Old rows; :math:`\bar r` is the mean of their norms.
    how : {"each", "mean"}, default "each"
        ``"each"``: every row to length :math:`\bar r`, as GILL does with new tokens. ``"mean"``:
        all rows by one factor, so that their mean norm is :math:`\bar r` and they keep their
        proportions.
    check_finite : bool, default True
        Refuse NaN and infinities.

    Returns
    -------
    array of shape (m, d)
        In the type of `rows` (float16 and bfloat16: float32). A zero row stays.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError
        Arguments that are not as above.
    ValueError
        An unknown `how`.

    Notes
    -----
    O((m + n) d); norms in float64.

    References
    ----------
    J. Y. Koh, D. Fried, R. Salakhutdinov, *Generating images with multimodal language models*,
    NeurIPS 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import match_norm
    >>> match_norm(np.array([[0.3, 0.4], [0.0, 0.0]]), np.array([[3.0, 0.0], [0.0, 1.0]])).tolist()
    [[1.2, 1.6], [0.0, 0.0]]
    """
    _checks.one_of("how", how, ("each", "mean"))
    arguments = building.embedding_arguments(rows=rows, reference=reference)
    arguments.require_same_columns("rows", "reference")
    xp = arguments.array_namespace()
    if check_finite:
        for name, array in (("rows", rows), ("reference", reference)):
            checks.require_finite(xp, name, array)
    wanted = xp.mean(_norms(xp, reference))
    norms = _norms(xp, rows)
    if how == "mean":
        norms = xp.broadcast_to(xp.mean(norms), norms.shape)
    factors = xp.where(norms > 0, wanted / xp.where(norms > 0, norms, xp.ones_like(norms)), norms)
    scaled = xp.astype(rows, xp.float64) * factors[:, None]
    return xp.astype(scaled, getattr(xp, arguments.dtype()))


def row_norms(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Give the norm of each row of NumPy, float64."""
    found: NDArray[np.float64] = _norms(np, rows)
    return found


def _norms(xp: Any, rows: Any) -> Any:
    """Give the norm of each row, float64; scaled, so that no square leaves the range."""
    parts = []
    for part in building.blocks(rows.shape[0]):
        block = building.doubles(xp, rows[part, ...])
        largest = xp.max(xp.abs(block), axis=1)
        safe = xp.where(largest > 0, largest, xp.ones_like(largest))
        parts.append(safe * xp.sqrt(xp.sum((block / safe[:, None]) ** 2, axis=1)))
    return xp.concat(parts)
