"""Dictionary induction in plain array-namespace code: a draw for every pair, then the search.

This is the definition that the Rust core must equal, byte for byte, without drawing for every pair.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from isomorph._backends import Choice, Dropout, Run
from isomorph._backends.array_neighbors import ArrayNeighbors, Score, _device, _transposed

_WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
#: Bits of a draw: as many as a float64 holds exactly, the first word and part of the second.
_BITS = 53


class ArrayInduction(ArrayNeighbors):
    """The induction of :class:`isomorph._backends.Backend`."""

    def induce(
        self,
        source: Any,
        target: Any,
        neighborhood: int,
        directions: str,
        dropout: Dropout,
        *,
        second: bool,
        largest: bool,
        run: Run,
    ) -> tuple[Choice | None, Choice | None]:
        """See the protocol."""
        xp = self.xp
        if neighborhood:
            radii = self.csls_radii(source, target, neighborhood, run)
        else:
            radii = tuple(
                xp.zeros(side.shape[0], dtype=side.dtype, device=_device(side))
                for side in (source, target)
            )
        score = self._csls_score(source, target, *radii)
        forward = backward = None
        if directions != "backward":
            thinned = self._thinned(score, radii[0], dropout, 0)
            forward = self._choose(thinned, source, target, second, largest, run)
        if directions != "forward":
            thinned = self._thinned(score, radii[1], dropout, 1)
            backward = self._choose(_transposed(xp, thinned), target, source, second, largest, run)
        return forward, backward

    def _choose(
        self, score: Score, left: Any, right: Any, second: bool, largest: bool, run: Run
    ) -> Choice:
        k = 2 if second and right.shape[0] > 1 else 1
        scores, indices = self._select(score, left, right, k, run)
        seconds = scores[:, 1] if k == 2 else self.xp.full_like(scores[:, 0], -float("inf"))
        cosines = self.topk(left, right, 1, "cosine", False, run)[0][:, 0] if largest else None
        return Choice(indices[:, 0], scores[:, 0], seconds, cosines)

    def _thinned(self, score: Score, radius: Any, dropout: Dropout, stream: int) -> Score:
        """Give dropped pairs the score of the value 0, which is minus the own `radius`."""
        xp = self.xp
        if dropout.keep >= 1.0:
            return score
        kept = self._kept(dropout, stream, _device(radius))
        low = 0.0 - radius

        def thinned(i: slice, j: slice) -> Any:
            block = score(i, j)
            floor = low[None, j] if stream else low[i, None]
            # What is not finite stays out, dropped or not.
            taken = kept(i, j) | xp.isnan(block)
            return xp.where(taken, block, xp.broadcast_to(floor, block.shape))

        return thinned

    def _kept(self, dropout: Dropout, stream: int, device: Any) -> Callable[[slice, slice], Any]:
        xp = self.xp
        threshold = math.ceil(dropout.keep * 2.0**_BITS)

        def kept(i: slice, j: slice) -> Any:
            rows = xp.arange(i.start, i.stop, dtype=xp.int64, device=device)[:, None]
            columns = xp.arange(j.start, j.stop, dtype=xp.int64, device=device)[None, :]
            return draws(dropout.seed, dropout.step, stream, rows, columns) < threshold

        return kept


def draws(seed: int, step: int, stream: int, rows: Any, columns: Any) -> Any:
    """Give the draws, below 2^53, of int64 `rows` and `columns`, broadcast against each other.

    Philox4x32-10 (Salmon et al., SC 2011) on the counter (column, row, step, stream) with the two
    halves of `seed` as key. Products of words wrap around in int64; their bits are the right ones.
    """
    both = rows + columns
    a, b = both - rows, both - columns
    c, d = both * 0 + step, both * 0 + stream
    k, m = seed & _WORD, seed >> 32
    for _ in range(_ROUNDS):
        product_a, product_c = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (
            ((product_c >> 32) & _WORD) ^ b ^ k,
            product_c & _WORD,
            ((product_a >> 32) & _WORD) ^ d ^ m,
            product_a & _WORD,
        )
        k, m = (k + _KEY_STEPS[0]) & _WORD, (m + _KEY_STEPS[1]) & _WORD
    return a | ((b & ((1 << (_BITS - 32)) - 1)) << 32)
