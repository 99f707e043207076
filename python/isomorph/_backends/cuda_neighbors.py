"""Neighbours on a GPU: tiles filter, canonical scores of what is left decide, as in the core.

Answers have the bytes of the core's: a row is answered when its k-th canonical score is strictly
above what any column that it did not keep can have. Rows of which that is not proved are searched
again with more candidates, then, where thousands of scores are equal, by the definition.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from isomorph import runtime
from isomorph._backends import Run
from isomorph._backends.array_neighbors import _blocks, _overflow, _quiet
from isomorph._backends.cuda_questions import VALUES_AT_ONCE, CudaQuestions
from isomorph._backends.cuda_search import EXTRA, Question, Selection, Walk
from isomorph.errors import MemoryBudgetError

#: How many times more candidates a row keeps when it is searched again, and how many at most.
MORE, MOST = 4, 2048

#: Scores, indices, and of which rows they are proved.
Answer = tuple[Any, Any, Any]


class CudaNeighbors(CudaQuestions):
    """The neighbour operations of :class:`isomorph._backends.Backend` by tiles."""

    #: Candidates besides the k best, where they are not what suits the precision.
    extra: int | None = None
    #: The most candidates of a row.
    most: int = MOST

    def topk(
        self, queries: Any, corpus: Any, k: int, metric: str, exclude_self: bool, run: Run
    ) -> tuple[Any, Any]:
        """See the protocol."""
        with self._held():
            question = self._topk_question(queries, corpus, k, metric, exclude_self)
            if question is None:
                return super().topk(queries, corpus, k, metric, exclude_self, run)
            return self._ask([question], run)[0]

    def csls_radii(self, source: Any, target: Any, neighborhood: int, run: Run) -> tuple[Any, Any]:
        """See the protocol."""
        with self._held():
            x, y = self._unit_side(source), self._unit_side(target)
            there = self._nearest(source, target, (x, y), neighborhood)
            back = self._nearest(target, source, (y, x), neighborhood)
            (forward, _), (backward, _) = self._ask([there, back], run)
            return self._mean(forward), self._mean(backward)

    def csls(
        self, source: Any, target: Any, k: int, source_radii: Any, target_radii: Any, run: Run
    ) -> tuple[Any, Any]:
        """See the protocol."""
        with self._held():
            there, _ = self._csls_questions(source, target, k, source_radii, target_radii)
            return self._ask([there], run)[0]

    def csls_both(
        self, source: Any, target: Any, k: int, source_radii: Any, target_radii: Any, run: Run
    ) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """See the protocol."""
        with self._held():
            both = self._csls_questions(source, target, k, source_radii, target_radii)
            forward, backward = self._ask(list(both), run)
            return forward, backward

    def _ask(self, questions: list[Question], run: Run) -> list[tuple[Any, Any]]:
        """Answer one question, or two of which one asks for rows and one for columns of tiles."""

        def report(done: int, total: int) -> None:
            if callable(run.progress):
                run.progress(done, total)

        capacity = max(self._capacity(question) for question in questions)
        selections = [
            Selection(self.xp, self.device, question, capacity, across)
            for question, across in zip(questions, (False, True), strict=False)
        ]
        Walk(self.xp, self.device, selections, self._precision(questions[0])).run(report)
        answers = []
        for question, selection in zip(questions, selections, strict=True):
            scores, indices, proved = self._scored(
                question, selection, self._numbers(question.left.values)
            )
            self._settle(question, scores, indices, proved)
            if bool(self.xp.any(self.xp.isinf(scores) & (indices >= 0))):
                raise _overflow(scores)
            answers.append((scores, indices))
        return answers

    def _settle(self, question: Question, scores: Any, indices: Any, proved: Any) -> None:
        """Answer the rows that are not proved, in place."""
        xp, capacity = self.xp, self._capacity(question)
        m = int(question.right.values.shape[0])
        rows = xp.nonzero(~proved)[0]
        while rows.shape[0]:
            capacity *= MORE
            if min(capacity, m) > self.most:
                scores[rows, :], indices[rows, :] = question.plain(rows)
                return
            found, places, proved = self._again(question, rows, capacity)
            scores[rows, :], indices[rows, :] = found, places
            rows = rows[~proved]

    def _again(self, question: Question, rows: Any, capacity: int) -> Answer:
        """Search some rows again, with more candidates."""
        xp, side = self.xp, question.left
        left = dataclasses.replace(
            side,
            values=xp.take(side.values, rows, axis=0),
            norms=xp.take(side.norms, rows),
            sound=xp.take(side.sound, rows),
        )
        error = xp.take(question.error, rows)
        itself = None if question.itself is None else rows
        part = dataclasses.replace(question, left=left, error=error, itself=itself)
        selection = Selection(xp, self.device, part, capacity, False)
        Walk(xp, self.device, [selection], self._precision(part)).run(lambda *_: None)
        return self._scored(part, selection, rows)

    def _scored(self, question: Question, selection: Selection, numbers: Any) -> Answer:
        """Score the candidates of rows, and prove what can be proved."""
        xp, k = self.xp, question.k
        m, d = (int(length) for length in question.right.values.shape)
        parts = []
        for i in _blocks(int(numbers.shape[0]), max(1, VALUES_AT_ONCE // (selection.capacity * d))):
            rows, sound = numbers[i], question.left.sound[i]
            columns = selection.columns[i, :]
            columns = xp.where(sound[:, None] & (columns >= 0), columns, xp.full_like(columns, m))
            # Ascending, none last: what is equal then stays in the order of its index.
            columns = xp.sort(columns, axis=1)
            columns = xp.where(columns < m, columns, xp.full_like(columns, -1))
            with _quiet():
                scores = question.scores(rows, columns)
            none = columns < 0
            if bool(xp.any((xp.isnan(scores) | (scores == float("inf"))) & ~none)):
                raise _overflow(scores)
            scores = xp.where(none, xp.full_like(scores, -float("inf")), scores)
            order = xp.argsort(-scores, axis=1, stable=True)[:, :k]
            scores = xp.take_along_axis(scores, order, axis=1)
            columns = xp.take_along_axis(columns, order, axis=1)
            bound = xp.astype(selection.bound[i], xp.float64)
            with _quiet():
                # Rounding is monotone: no score is above that of its bound.
                most = xp.astype(question.ceiling(bound + question.error[i], rows), scores.dtype)
            proved = (scores[:, k - 1] > most) | (bound == -float("inf")) | ~sound
            parts.append((scores, columns, proved))
        scores, columns, proved = (xp.concat(part, axis=0) for part in zip(*parts, strict=True))
        return scores, columns, proved

    def _capacity(self, question: Question) -> int:
        extra = EXTRA[self._precision(question)] if self.extra is None else self.extra
        return question.k + extra

    def _precision(self, question: Question) -> str:
        wide = question.left.values.dtype == self.xp.float64
        return "float64" if wide else runtime.requested_precision()

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Name the error of memory that no smaller tile would save."""
        try:
            yield
        except MemoryBudgetError:
            raise
        except self.device.out_of_memory as error:
            raise MemoryBudgetError(
                "memory of the device: expected room for copies of both sides, lists of candidates "
                f"and the answer; search fewer rows at a time ({error})"
            ) from None
