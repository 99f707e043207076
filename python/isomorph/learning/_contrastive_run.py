"""A contrastive run, round by round: what is measured, and how the maps go down the gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays, neighbors
from isomorph.align import LinearMap
from isomorph.align._vecmap import MODES, fit_pairs
from isomorph.induction import induce_dictionary
from isomorph.learning._checkpoint import CONVERGED, Rows
from isomorph.learning._contrastive_loss import Negatives, Vectors, hard_negatives
from isomorph.learning._contrastive_settings import Options
from isomorph.learning._contrastive_state import Matrix, State
from isomorph.learning._options import Tell
from isomorph.learning._results import ContrastRound
from isomorph.learning._spaces import Spaces, first_rows
from isomorph.metrics._host import distinct_in_order, take_rows, to_numpy
from isomorph.metrics.intervals import held_out
from isomorph.metrics.retrieval import first_gold_ranks


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """Words of the seed that maps are measured by, and the pairs that are left to learn from."""

    words: Rows
    owner: Rows
    golds: Rows
    rest: tuple[Rows, Rows]


class Task:
    """What a run works on; what changes is in a State."""

    def __init__(
        self, spaces: Spaces, vectors: Vectors, seeds: tuple[Rows, Rows], options: Options
    ) -> None:
        self.spaces, self.vectors, self.seeds = spaces, vectors, seeds
        self.options, self.setting = options, options.setting
        self.held = self._hold_out()
        whole = self.setting.loops * self.setting.steps
        self.total = max(1, 2 * whole if self.held else whole)

    def begin(self) -> State:
        """Give the state before the first round."""
        setting = self.setting
        choosing = self.held is not None
        # Without evidence for a step there is none, but on demand.
        last = (setting.loops - 1, setting.steps) if not self.options.held_out else (0, 0)
        pairs = self.seeds if self.held is None else self.held.rest
        return State(pairs=pairs, maps=self._fit(pairs), choosing=choosing, best=last)

    def round(self, state: State, tell: Tell) -> None:
        """Measure the maps, and take the steps to the next measurement."""
        maps = self.beside(state.maps)
        learned = self._learned(state)
        hits = self._hits(maps) if state.choosing else None
        improved = hits is not None and (
            not len(state.best_hits) or float(hits.mean()) > float(state.best_hits.mean())
        )
        negatives = self._negatives(maps, learned)
        loss, *gradients = self._loss(maps, learned, negatives)
        entry = ContrastRound(
            number=state.number + 1,
            held_out=state.choosing,
            loop=state.loop,
            step=state.step,
            objective=-loss,
            accuracy=None if hits is None else float(hits.mean()),
            pairs=len(learned[0]),
            improved=improved,
        )
        limit = self._limit(state)
        steps = min(self.options.stride, limit - state.step)
        for number in range(steps):
            tell(self._done(state) + number, self.total)
            if number:
                if number % self.setting.refresh == 0:
                    negatives = self._negatives(maps, learned)
                loss, *gradients = self._loss(maps, learned, negatives)
            maps = self._stepped(maps, gradients, state.step + number)
        after = self._next(state, maps, hits, improved) if not steps else {}
        if steps:
            after = {"maps": self._home(maps), "step": state.step + steps}
        if improved and "best" not in after:
            after["best"] = (state.loop, state.step)
        if hits is not None:
            after |= {"best_hits": hits} if improved else {}
            after |= {"first_hits": hits} if not state.history else {}
        state.advance(entry, **after)

    def metrics(self, state: State) -> dict[str, Any]:
        """Say where the run ended, and what held-out words say of it."""
        loop, step = state.best
        found: dict[str, Any] = {"loop": loop, "step": step}
        for entry in state.history:
            if entry.held_out and (entry.loop, entry.step) == (0, 0):
                found["first_accuracy"] = entry.accuracy
            if entry.held_out and (entry.loop, entry.step) == (loop, step):
                found["accuracy"] = entry.accuracy
        return found

    def beside(self, maps: tuple[Matrix, Matrix]) -> tuple[Any, Any]:
        """Bring maps to where the vectors are."""
        double = self.vectors.double
        a, b = (double.xp.asarray(matrix, **double.device) for matrix in maps)
        return a, b

    def turned(self, state: State) -> LinearMap:
        """Give the orthogonal map of the words that choose each other under the maps."""
        pairs = self._mutual(self.beside(state.maps), self.setting.frequent)
        return self.spaces.fit(pairs if len(pairs[0]) else self.seeds)

    def _hold_out(self) -> _HeldOut | None:
        """Draw the words that choose; None where there are none."""
        source, target = self.seeds
        words, owner = distinct_in_order(source)
        out = held_out(len(words), self.options.held_out, self.options.seed)[owner]
        # A word whose translations are not searched says nothing.
        there = out & (target < int(self.spaces.first_z.shape[0]))
        if not there.any():
            return None
        rows, place = np.unique(source[there], return_inverse=True)
        return _HeldOut(rows, place, target[there], (source[~out], target[~out]))

    def _hits(self, maps: tuple[Any, Any]) -> NDArray[np.float64]:
        """Give the share of hits, of cosine and of CSLS, of each held-out word."""
        held = self.held
        options: dict[str, Any] = {"check_finite": False, "threads": self.spaces.threads}
        assert held is not None
        u, v = self._mapped(maps)
        queries = self.vectors.mapped(take_rows(self.spaces.x, held.words), maps[0])
        _, radii = neighbors.csls_radii(u, v, neighborhood=self.options.neighborhood, **options)
        zeros = self.vectors.double.xp.zeros_like(queries[:, 0])
        found = (
            neighbors.topk(queries, v, 1, **options),
            neighbors.csls(queries, v, 1, source_radii=zeros, target_radii=radii, **options),
        )
        ranks = [
            first_gold_ranks(to_numpy(f.indices), held.owner, held.golds, int(v.shape[0]))
            for f in found
        ]
        share: NDArray[np.float64] = np.mean([rank == 1 for rank in ranks], axis=0)
        return share

    def _next(
        self, state: State, maps: tuple[Any, Any], hits: Any, improved: bool
    ) -> dict[str, Any]:
        """Give what changes after a loop: the next one, the run with the whole seed, or the end."""
        if state.choosing and state.loop + 1 == self.setting.loops:
            best = (state.loop, state.step) if improved else state.best
            gain = (hits if improved else state.best_hits) - (
                state.first_hits if state.history else hits
            )
            error = float(gain.std()) / math.sqrt(len(gain))
            return {
                "choosing": False,
                "loop": 0,
                "step": 0,
                "best": best if float(gain.mean()) > error else (0, 0),
                "pairs": self.seeds,
                "maps": self._fit(self.seeds),
            }
        if not state.choosing and state.loop == state.best[0]:
            return {"ended": CONVERGED}
        pairs = self._augmented(maps, self._own(state))
        return {"loop": state.loop + 1, "step": 0, "pairs": pairs, "maps": self._fit(pairs)}

    def _limit(self, state: State) -> int:
        last = not state.choosing and state.loop == state.best[0]
        return state.best[1] if last else self.setting.steps

    def _own(self, state: State) -> tuple[Rows, Rows]:
        """Give the pairs of the dictionary that this run may know."""
        return self.held.rest if state.choosing and self.held is not None else self.seeds

    def _learned(self, state: State) -> tuple[Rows, Rows]:
        return state.pairs if self.setting.learn_augmented else self._own(state)

    def _done(self, state: State) -> int:
        before = 0 if state.choosing or self.held is None else self.total // 2
        return before + state.loop * self.setting.steps + state.step

    def _augmented(self, maps: tuple[Any, Any], own: tuple[Rows, Rows]) -> tuple[Rows, Rows]:
        """Give the pairs and, of the words that are in none, those that choose each other."""
        source, target = self._mutual(maps, self.setting.frequent)
        new = ~np.isin(source, own[0]) & ~np.isin(target, own[1])
        source, target = source[new], target[new]
        # The most frequent first, by the rarer word of a pair.
        order = np.argsort(np.maximum(source, target), kind="stable")[: self.setting.augment]
        return np.concatenate([own[0], source[order]]), np.concatenate([own[1], target[order]])

    def _mutual(self, maps: tuple[Any, Any], frequent: int) -> tuple[Rows, Rows]:
        """Give the pairs of frequent words that choose each other by CSLS."""
        u, v = (
            self.vectors.mapped(first_rows(side, frequent), matrix)
            for side, matrix in zip((self.spaces.x, self.spaces.z), maps, strict=True)
        )
        found = induce_dictionary(
            u,
            v,
            direction="intersection",
            neighborhood=min(self.options.neighborhood, int(u.shape[0]), int(v.shape[0])),
            check_finite=False,
            threads=self.spaces.threads,
        )
        return to_numpy(found.source), to_numpy(found.target)

    def _fit(self, pairs: tuple[Rows, Rows]) -> tuple[Matrix, Matrix]:
        """Give VecMap's supervised maps, scaled to mapped rows of mean square 1."""
        sides = [
            take_rows(side, rows)
            for side, rows in zip((self.spaces.x, self.spaces.z), pairs, strict=True)
        ]
        arguments = _arrays.Arguments(source=sides[0], target=sides[1])
        ready = arguments.ready(check_finite=False)
        fitted = fit_pairs(arguments, ready, MODES["supervised"], None, self.vectors.run, {})
        assert fitted.target_map is not None
        maps = []
        for rows, by in zip(sides, (fitted.map, fitted.target_map), strict=True):
            matrix = to_numpy(by.matrix).astype(np.float64)
            beside = self.vectors.double.xp.asarray(matrix, **self.vectors.double.device)
            mapped = to_numpy(self.vectors.mapped(rows, beside)).astype(np.float64)
            square = float(np.mean(np.sum(mapped**2, axis=1)))
            maps.append(matrix / math.sqrt(square) if square > 0 else matrix)
        return maps[0], maps[1]

    def _mapped(self, maps: tuple[Any, Any]) -> tuple[Any, Any]:
        u, v = (
            self.vectors.mapped(side, matrix)
            for side, matrix in zip((self.spaces.first_x, self.spaces.first_z), maps, strict=True)
        )
        return u, v

    def _negatives(self, maps: tuple[Any, Any], pairs: tuple[Rows, Rows]) -> Negatives:
        anchors = [
            self.vectors.mapped(take_rows(side, np.unique(rows)), matrix)
            for side, rows, matrix in zip((self.spaces.x, self.spaces.z), pairs, maps, strict=True)
        ]
        return hard_negatives(
            anchors[0],
            anchors[1],
            pairs,
            self._mapped(maps),
            self.setting.negatives,
            self.spaces.threads,
        )

    def _loss(
        self, maps: tuple[Any, Any], pairs: tuple[Rows, Rows], negatives: Negatives
    ) -> tuple[float, Any, Any]:
        return self.vectors.loss(maps, pairs, negatives, self.setting.temperature)

    def _stepped(self, maps: tuple[Any, Any], gradients: list[Any], step: int) -> tuple[Any, Any]:
        """Take one step down."""
        setting, xp = self.setting, self.vectors.double.xp
        length = math.sqrt(sum(float(xp.sum(gradient**2)) for gradient in gradients))
        rate = setting.learning_rate * setting.decay**step
        rate *= setting.clip / length if length > setting.clip else 1.0
        a, b = (matrix - rate * gradient for matrix, gradient in zip(maps, gradients, strict=True))
        return a, b

    @staticmethod
    def _home(maps: tuple[Any, Any]) -> tuple[Matrix, Matrix]:
        a, b = (np.ascontiguousarray(to_numpy(matrix)) for matrix in maps)
        return a, b
