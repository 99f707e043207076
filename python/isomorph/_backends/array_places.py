"""Where given rows stand in a ranking, in plain array-namespace code: every score canonical."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from isomorph._backends import Run
from isomorph._backends.array_neighbors import BLOCK_COLUMNS, ArrayNeighbors, _blocks


class ArrayPlaces(ArrayNeighbors):
    """The ranks of :class:`isomorph._backends.Backend`."""

    def places(
        self,
        queries: Any,
        corpus: Any,
        offsets: Any,
        items: Any,
        metric: str,
        exclude_self: bool,
        run: Run,
    ) -> tuple[Any, Any]:
        """See the protocol."""
        xp = self.xp
        if metric == "cosine":
            plain = self._cosine(queries, corpus)
        else:
            x, y = self._lanes(queries), self._lanes(corpus)
            plain = lambda i, j: self._dot(x[i, ...], y[j, ...])  # noqa: E731
        # Where self is left out its score is NaN: neither above nor equal.
        score = self._rounded(plain, queries, corpus)
        others = self._rounded(plain, queries, corpus, exclude_self)
        above, tied = np.zeros(len(items), np.int64), np.zeros(len(items), np.int64)
        n, m = queries.shape[0], corpus.shape[0]
        for query, (start, end) in enumerate(itertools.pairwise(offsets.tolist())):
            row = slice(query, query + 1)
            own = [score(row, slice(item, item + 1))[0, 0] for item in items[start:end].tolist()]
            for block in _blocks(m, BLOCK_COLUMNS):
                if not own:
                    break
                scores = others(row, block)[0, ...]
                for at, value in enumerate(own, start=start):
                    above[at] += int(xp.sum(xp.astype(scores > value, xp.int64)))
                    tied[at] += int(xp.sum(xp.astype(scores == value, xp.int64)))
            if callable(run.progress):
                run.progress(query + 1, n)
        return above, tied
