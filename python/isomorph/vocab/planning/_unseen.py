"""What new text of the same kind will need that is not kept, guessed from the corpus alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Counts that are corrected; of more frequent tokens the corpus tells the share well enough.
_RARE = 5


def share(counts: NDArray[np.int64], kept: NDArray[np.bool_]) -> float:
    """Estimate which part of the tokens of new text is not kept (Good and Turing).

    Of N tokens, n_r different ones came out r times each. Those will make up (r + 1) n_{r+1} / N of
    new text, so that n_1 / N of it is tokens that did not come out at all.

    Parameters
    ----------
    counts : ndarray of int64, shape (size,)
        How often each token came out.
    kept : ndarray of bool, shape (size,)
        Which tokens stay.

    Returns
    -------
    float
        From 0 to 1.
    """
    total = int(counts.sum())
    if not total:
        return 0.0
    lost = float(counts[(counts > _RARE) & ~kept].sum())
    for times in range(_RARE + 1):
        here = counts == times
        # Of tokens that did not come out, those that are kept all the same are few.
        dropped = 1.0 if times == 0 else float(np.mean(~kept[here])) if here.any() else 0.0
        following = int(np.sum(counts == times + 1))
        # Where the next class is empty the estimate is worthless, and the corpus is believed.
        lost += dropped * ((times + 1) * following or times * int(here.sum()))
    return min(lost / total, 1.0)
