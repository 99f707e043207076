"""Late interaction in plain array-namespace code: every product canonical."""

from __future__ import annotations

import itertools
from typing import Any

from isomorph._backends import Run
from isomorph._backends.array_neighbors import ArrayNeighbors, _blocks, _device, _overflow, _quiet

#: Document rows in one block of products.
BLOCK_ROWS = 2048


class ArrayLate(ArrayNeighbors):
    """The late interaction of :class:`isomorph._backends.Backend`."""

    def maxsim(
        self,
        queries: Any,
        query_offsets: Any,
        documents: Any,
        document_offsets: Any,
        k: int | None,
        check_finite: bool,  # noqa: ARG002 - what is wanted is checked before
        run: Run,
    ) -> Any:
        """See the protocol."""
        xp = self.xp
        rows = [
            self._scores_of(queries[int(start) : int(end), ...], documents, document_offsets)
            for start, end in itertools.pairwise(query_offsets)
        ]
        if callable(run.progress):
            run.progress(len(rows), len(rows))
        scores = xp.stack(rows)
        if k is None:
            return scores
        order = xp.argsort(-scores, axis=1, stable=True)[:, :k]
        best = xp.take_along_axis(scores, order, axis=1)
        return best, xp.where(xp.isinf(best), xp.full_like(order, -1), order)

    def _scores_of(self, tokens: Any, documents: Any, offsets: Any) -> Any:
        """Score one query with all documents."""
        xp, rows = self.xp, documents.values
        tokens = tokens[xp.all(xp.isfinite(tokens), axis=1)]
        sound = xp.all(xp.isfinite(rows), axis=1)
        scores = []
        for document, (start, end) in enumerate(itertools.pairwise(offsets)):
            start, end = int(start), int(end)
            if start == end or not bool(xp.any(sound[start:end])):
                scores.append(xp.asarray(-float("inf"), dtype=tokens.dtype, device=_device(rows)))
                continue
            best = self._maxima(tokens, documents, document, slice(start, end), sound, offsets)
            total: Any = 0.0
            for token in range(tokens.shape[0]):
                total = total + best[token]
            with _quiet():
                score = xp.astype(
                    xp.asarray(total, dtype=xp.float64, device=_device(rows)), tokens.dtype
                )
            if not bool(xp.isfinite(score)):
                raise _overflow(score)
            scores.append(score + 0.0)
        return xp.stack(scores)

    def _maxima(
        self, tokens: Any, documents: Any, document: int, span: slice, sound: Any, offsets: Any
    ) -> Any:
        """Give the largest canonical product of each token with a document's rows."""
        xp = self.xp
        x, kept = self._lanes(tokens), documents.values[span, ...][sound[span]]
        scales = self._row_scales(documents, document, span, offsets)
        best = xp.full(tokens.shape[0], -float("inf"), dtype=xp.float64, device=_device(tokens))
        for block in _blocks(kept.shape[0], BLOCK_ROWS):
            with _quiet():
                products = self._dot(x, self._lanes(kept[block, ...]))
                if scales is not None:
                    products = products * scales[None, block]
            if not bool(xp.all(xp.isfinite(products))):
                raise _overflow(tokens)
            best = xp.maximum(best, xp.max(products, axis=1))
        return best

    def _row_scales(self, documents: Any, document: int, span: slice, offsets: Any) -> Any:
        """Give the scales of a document's rows, or None."""
        xp = self.xp
        if documents.scales is None:
            return None
        scales = xp.asarray(documents.scales, device=_device(documents.values))
        if scales.shape[0] == len(offsets) - 1:
            return xp.broadcast_to(scales[document : document + 1], (span.stop - span.start,))
        return scales[span]
