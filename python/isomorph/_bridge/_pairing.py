"""Whether pairs belong together: where partners stand, to a map that has not seen them.

Of rows that do not belong together the partner stands anywhere: its place, as a share of the
others, is uniform. So wrong pairs show, all of them or some.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isomorph._bridge._retention import Rows, Values
from isomorph.metrics.intervals import Interval, wilson

#: Standard deviations of chance that pairs must be better by.
CLEARLY = 5.0
#: The lower end of the share of wrong pairs from which there is a warning.
WARNED = 0.03
#: From here on the partner of a right pair hardly ever stands.
_BEHIND = 0.5
#: The share of wrong ones that rows must have, as far as places tell, to be suspects.
_SUSPECT = 0.9


@dataclass(frozen=True, slots=True)
class Pairing:
    """What the places say.

    Attributes
    ----------
    related : bool
        Whether partners stand before others more often than chance.
    wrong : float
        Estimated share of wrong pairs.
    interval : Interval
        Of that share.
    suspects : ndarray of int64
        Rows of which nine in ten are wrong pairs, by estimate, ascending.
    """

    related: bool
    wrong: float
    interval: Interval
    suspects: Rows


def judge(standing: Values, confidence: float) -> Pairing:
    """Judge pairs by the shares of other rows that stand before their partners.

    The share of wrong pairs is twice that of the partners in the farther half (J. D. Storey, "A
    direct approach to false discovery rates", J. R. Stat. Soc. B 64, 2002, with lambda = 1/2): an
    estimate from above, as a right pair may stand there, too.
    """
    rows = np.flatnonzero(np.isfinite(standing))
    places = standing[rows]
    n = len(places)
    # A uniform share has variance 1/12.
    related = 0.5 - float(places.mean()) > CLEARLY / math.sqrt(12 * n)
    # Rows that are all alike belong together in any order.
    related = related or bool((places == 0.5).all())
    behind = int((places > _BEHIND).sum())
    low, high = wilson(behind, n, confidence=confidence)
    scale = 1 / (1 - _BEHIND)
    interval = Interval(min(1.0, scale * low), min(1.0, scale * high), confidence, "wilson")
    wrong = min(1.0, scale * behind / n)
    return Pairing(related, wrong, interval, rows[_suspects(places, wrong)])


def _suspects(places: Values, wrong: float) -> NDArray[np.bool_]:
    """Choose the longest tail of the places in which wrong pairs are most."""
    values, counts = np.unique(places, return_counts=True)
    # Equal places belong to one tail.
    behind = np.cumsum(counts[::-1])[::-1]
    enough = np.flatnonzero(wrong * len(places) * (1 - values) >= _SUSPECT * behind)
    if wrong == 0 or not len(enough):
        return np.zeros(len(places), bool)
    return np.asarray(places >= values[enough[0]])
