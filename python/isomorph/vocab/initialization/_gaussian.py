"""New rows drawn around the old ones, one deviation a dimension; by script, if asked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from isomorph import _checks
from isomorph._dlpack import served
from isomorph.vocab.initialization._mean import _drawn

__all__ = ["gaussian"]


@served
def gaussian(
    rows: Any,
    targets: Any,
    *,
    seed: int = 0,
    source_groups: Sequence[Hashable] | None = None,
    target_groups: Sequence[Hashable] | None = None,
    min_group: int = 2,
    check_finite: bool = True,
) -> Any:
    r"""Draw rows for target tokens: :math:`E'_{ti} \sim N(\mu_i, \sigma_i^2)`.

    :math:`\mu_i` and :math:`\sigma_i` are mean and (population) standard deviation of dimension i
    over the old rows: what WECHSEL, OFA, FOCUS and CLP-Transfer give tokens that they find nothing
    for. With groups, over the rows of the token's group (Downey et al.: its script and whether it
    begins a word).

    Parameters
    ----------
    rows : array of shape (n, d)
        E: the old table.
    targets : int array of shape (m,), or int
        Ids of the target tokens, such as :attr:`TokenMixing.fallback_rows`; a number stands for
        the ids below it. A row depends on its id, the seed and E alone, whatever else is drawn.
    seed : int, default 0
        Key of a counter-based generator (Philox), from 0 to 2^128 - 1.
    source_groups, target_groups : sequence, optional
        A label for each source row and for each of the `targets`, as
        :func:`isomorph.vocab.token_groups` gives them.
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
    O(n d) for each group in two passes, in float64, a block of 4,096 rows at a time.

    References
    ----------
    C. M. Downey, T. Blevins, N. Goldfine, S. Steinert-Threlkeld, *Embedding structure matters:
    comparing methods to adapt multilingual vocabularies to new languages*, MRL 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import gaussian
    >>> table = np.array([[1.0, 0.0], [1.0, 4.0]])
    >>> both, second = gaussian(table, [3, 7]), gaussian(table, [7])
    >>> both[:, 0].tolist(), bool((both[1] == second[0]).all())
    ([1.0, 1.0], True)
    """
    seed = _checks.integer("seed", seed, 0, 2**128 - 1)
    return _drawn(
        rows, targets, source_groups, target_groups, min_group, seed, check_finite=check_finite
    )
