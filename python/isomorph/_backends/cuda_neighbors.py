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
from isomorph._backends import FromRows, Run
from isomorph._backends.array_neighbors import _blocks, _overflow, _quiet
from isomorph._backends.cuda_questions import VALUES_AT_ONCE, CudaQuestions
from isomorph._backends.cuda_search import EXTRA, Question, Selection, Walk
from isomorph.errors import MemoryBudgetError

#: How many times more candidates a row keeps when it is searched again, and how many at most.
MORE, MOST = 4, 2048
#: One row of so many is in the sample that bounds radii.
SAMPLED = 10

#: Scores, indices, and of which rows they are proved.
Answer = tuple[Any, Any, Any]


class CudaNeighbors(CudaQuestions):
    """The neighbour operations of :class:`isomorph._backends.Backend` by tiles."""

    #: Candidates besides the k best, where they are not what suits the precision.
    extra: int | None = None
    #: The most candidates of a row.
    most: int = MOST
    #: Rows of the smaller side from which CSLS takes one pass.
    one_pass_from: int = 1280

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

    def csls_from_rows(
        self, source: Any, target: Any, k: int, neighborhood: int, both: bool, run: Run
    ) -> FromRows:
        """See the protocol.

        Radii over a sample of the other side are lower bounds of the radii, so that keys made of
        them are upper bounds of what the scores turn out to be: tiles are walked once for all four.
        """
        if min(source.shape[0], target.shape[0]) < self.one_pass_from:
            return super().csls_from_rows(source, target, k, neighborhood, both, run)
        with self._held():
            sides = self._unit_side(source), self._unit_side(target)
            there = self._nearest(source, target, sides, neighborhood)
            back = self._nearest(target, source, sides[::-1], neighborhood)
            low = (
                self._sampled(source, target, neighborhood, run),
                self._sampled(target, source, neighborhood, run),
            )
            bounds = self._csls_questions(source, target, k, *low, sides)[: 1 + both]
            found = self._walked([there, back, *bounds], run)
            r_s, r_t = (
                self._mean(self._finished(question, selection)[0])
                for question, selection in zip((there, back), found[:2], strict=True)
            )
            questions = self._csls_questions(source, target, k, r_s, r_t, sides)
            answers = []
            for question, bound, selection in zip(questions, bounds, found[2:], strict=False):
                # Keys have the errors of their own radii; scores round those that are none above 1.
                exact = dataclasses.replace(question, error=bound.error + 2.0**-48)
                answers.append(self._finished(exact, selection))
            forward, backward = answers[0], answers[-1]
            return FromRows(
                forward[:2],
                backward[:2] if both else None,
                (r_s, r_t),
                (forward[2], backward[2]),
            )

    def _sampled(self, rows: Any, others: Any, neighborhood: int, run: Run) -> Any:
        """Give the radii of rows over every tenth of the others: none above the radii of all."""
        xp, m = self.xp, int(others.shape[0])
        step = max(1, min(SAMPLED, m // neighborhood))
        some = xp.take(others, self._numbers(others)[::step], axis=0)
        sides = self._unit_side(rows), self._unit_side(some)
        question = self._nearest(rows, some, sides, neighborhood)
        return self._mean(self._ask([question], Run(run.threads))[0][0])

    def _ask(self, questions: list[Question], run: Run) -> list[tuple[Any, Any]]:
        """Answer one question, or two of which one asks for rows and one for columns of tiles."""
        selections = self._walked(questions, run)
        return [
            self._finished(question, selection)[:2]
            for question, selection in zip(questions, selections, strict=True)
        ]

    def _walked(self, questions: list[Question], run: Run) -> list[Selection]:
        """Show all tiles to every question: those of rows and those of columns in turn."""

        def report(done: int, total: int) -> None:
            if callable(run.progress):
                run.progress(done, total)

        selections = [
            Selection(self.xp, self.device, question, self._capacity(question), bool(place % 2))
            for place, question in enumerate(questions)
        ]
        Walk(self.xp, self.device, selections, self._precision(questions[0])).run(report)
        return selections

    def _finished(self, question: Question, selection: Selection) -> tuple[Any, Any, float]:
        """Give scores and indices of all rows, and the part of them that was proved at once."""
        xp = self.xp
        numbers = self._numbers(question.left.values)
        scores, indices, proved = self._scored(question, selection, numbers)
        self._settle(question, scores, indices, proved)
        if bool(xp.any(xp.isinf(scores) & (indices >= 0))):
            raise _overflow(scores)
        return scores, indices, float(xp.sum(xp.astype(proved, xp.float64))) / proved.shape[0]

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
