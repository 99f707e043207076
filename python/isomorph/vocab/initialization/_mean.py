"""Every new row the mean of the old ones, or of those of its group."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from isomorph import _checks
from isomorph._dlpack import served
from isomorph.vocab._mixing import checks
from isomorph.vocab.initialization import _building as building
from isomorph.vocab.initialization import _statistics as statistics

__all__ = ["mean"]


@served
def mean(
    rows: Any,
    targets: Any,
    *,
    source_groups: Sequence[Hashable] | None = None,
    target_groups: Sequence[Hashable] | None = None,
    min_group: int = 2,
    check_finite: bool = True,
) -> Any:
    r"""Give target tokens the mean row: :math:`E'_t = \frac1n \sum_s E_s`.

    The mean lies within the convex hull of the rows, so a head initialised with it never gives a
    new token the largest logit of all (Hewitt, 2021).

    Parameters
    ----------
    rows : array of shape (n, d)
        E: the old table.
    targets : int array of shape (m,), or int
        Ids of the target tokens, such as :attr:`TokenMixing.fallback_rows`; a number stands for
        the ids below it.
    source_groups, target_groups : sequence, optional
        A label for each source row and for each of the `targets`, as
        :func:`isomorph.vocab.token_groups` gives them: the mean over the source rows of the label.
    min_group : int, default 2
        A label with fewer source rows stands for all rows.
    check_finite : bool, default True
        Refuse NaN and infinities.

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
    O(n d) for each group, in float64, a block of 4,096 rows at a time.

    References
    ----------
    J. Hewitt, *Initializing new word embeddings for pretrained language models*, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import mean
    >>> mean(np.array([[1.0, 0.0], [3.0, 4.0]]), 1).tolist()
    [[2.0, 2.0]]
    """
    return _drawn(
        rows, targets, source_groups, target_groups, min_group, None, check_finite=check_finite
    )


def _drawn(
    rows: Any,
    targets: Any,
    source_groups: Sequence[Hashable] | None,
    target_groups: Sequence[Hashable] | None,
    min_group: int,
    seed: int | None,
    *,
    check_finite: bool,
) -> Any:
    """Give means, with deviations drawn around them unless the seed is None."""
    arguments = building.embedding_arguments(rows=rows)
    n, d = arguments.shapes["rows"]
    xp = arguments.array_namespace()
    ids = statistics.target_ids(targets)
    least = _checks.integer("min_group", min_group, 1)
    groups = statistics.groups(source_groups, target_groups, n, len(ids), least)
    if check_finite:
        checks.require_finite(xp, "rows", rows)
    own = building.beside(rows)
    dtype = getattr(xp, arguments.dtype())
    rows, exponent = building.in_range(xp, rows)
    found = [statistics.mean_and_deviation(xp, rows, members) for members in groups.members]
    place = xp.asarray(groups.of_targets, **own)
    values = xp.take(xp.stack([mean for mean, _ in found]), place, axis=0)
    if seed is not None:
        deviations = xp.take(xp.stack([deviation for _, deviation in found]), place, axis=0)
        values = values + deviations * xp.asarray(statistics.normal_rows(ids, d, seed), **own)
    return xp.astype(building.times_power(values, exponent), dtype)
