"""Pairs dealt to folds, and the sources of a fold looked up among all targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays
from isomorph.align._candidates import SPACES
from isomorph.align._maps import LinearMap
from isomorph.align._rows import joined, names_of

if TYPE_CHECKING:
    from isomorph.align._methods import Problem


@dataclass(frozen=True, slots=True)
class How:
    """The options, checked."""

    folds: int
    retrieval: str
    neighborhood: int
    max_rows: int | None
    confidence: float
    seed: int


@dataclass(frozen=True, slots=True)
class Dealt:
    """To which fold pairs belong, and to which group of moments: its rest by `count`."""

    count: int
    pairs: NDArray[np.int64]
    groups: NDArray[np.int64]


def first_rows(space: Any, most: int | None) -> Any:
    """Give the first `most` rows; None stands for all."""
    n = int(space.shape[0])
    return space if most is None or n <= most else space[:most, ...]


class Rows:
    """The rows of all sides, on the host by name, and where they lie for searches."""

    def __init__(self, problem: Problem, spaces: tuple[Any, ...]) -> None:
        given = {"source": problem.source, "target": problem.target}
        given |= {n: s for n, s in zip(SPACES, spaces, strict=True) if s is not None}
        self.problem = problem
        self.arguments = _arrays.Arguments(**given)
        self.arguments.require_not_empty()
        for side in ("source", "target"):
            if f"{side}_space" in given:
                self.arguments.require_same_columns(side, f"{side}_space")
        ready = self.arguments.ready(check_finite=problem.check_finite)
        self.arrays = dict(zip(self.arguments.arrays, ready.arrays, strict=True))
        from isomorph.metrics._host import to_numpy

        on_host = {name: to_numpy(array) for name, array in self.arrays.items()}
        (self.source,) = names_of(on_host["source"])
        if "target_space" not in on_host:
            (self.target,) = names_of(on_host["target"])
            self.space = self.target
        else:
            self.target, self.space = names_of(on_host["target"], on_host["target_space"])
            known = np.isin(self.target, self.space)
            if not known.all():
                raise ValueError(
                    f"target: row {int(np.argmin(known))} is no row of target_space; take both "
                    "from one array, or leave target_space out"
                )

    def deal(self, group: Any, how: How) -> Dealt:
        """Deal units of pairs to folds: those of one source, and those of one group."""
        from isomorph.metrics.intervals import permutation

        labels = [self.source] if group is None else [self.source, group]
        units = joined(*labels)
        n = int(units.max()) + 1
        if n < 2:
            what = "different source rows" if group is None else "groups that share no source row"
            raise ValueError(
                f"source: expected at least two {what}, of which one can be left out, got {n}; "
                "name a method"
            )
        count = min(how.folds, n)
        order = np.empty(n, dtype=np.int64)
        order[permutation(n, how.seed)] = np.arange(n)
        # A penalty is chosen by groups left out of what is fitted: two at least.
        parts = 2 if count == 2 else 1
        return Dealt(count, (order % count)[units], (order % (count * parts))[units])


class Search:
    """Looks held-out sources up among the targets."""

    def __init__(self, rows: Rows, folds: Dealt, how: How) -> None:
        from isomorph import Index
        from isomorph.metrics._host import distinct_in_order, take_rows
        from isomorph.metrics.intervals import permutation

        source, target = rows.source, rows.target
        words, owner = distinct_in_order(source)
        first = np.full(int(source.max()) + 1, len(source), dtype=np.int64)
        np.minimum.at(first, source, np.arange(len(source)))
        asked = np.arange(len(words))
        if how.max_rows is not None and len(asked) > how.max_rows:
            asked = np.sort(permutation(len(words), how.seed)[: how.max_rows])
        place = np.full(len(words), -1, dtype=np.int64)
        place[asked] = np.arange(len(asked))
        kept = place[owner] >= 0
        # Pairs of the queries: who asks, and the names of what is right.
        self._owner, self._golds = place[owner[kept]], target[kept]
        queries = first[words[asked]]
        self.queries = len(queries)
        self._fold = folds.pairs[queries]
        self._asked = take_rows(rows.arrays["source"], queries)
        side = "target_space" if "target_space" in rows.arrays else "target"
        among = self._among(rows.space, how, self._golds)
        self._names = rows.space[among]
        self.candidates = len(among)
        self._target = take_rows(rows.arrays[side], among)
        if rows.arguments.on_cpu():
            self._target = Index(self._target, check_finite=False, threads=rows.problem.threads)
        if "source_space" in rows.arrays:
            self._space = first_rows(rows.arrays["source_space"], how.max_rows)
        else:
            self._space = take_rows(rows.arrays["source"], np.sort(first[words])[: how.max_rows])
        self._options: dict[str, Any] = {"check_finite": False, "threads": rows.problem.threads}
        most = min(int(self._space.shape[0]), self.candidates)
        self._neighborhood = min(how.neighborhood, most)
        self.retrievals = ("nn",) if how.retrieval == "nn" else ("nn", "csls")

    @staticmethod
    def _among(names: NDArray[np.int64], how: How, golds: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the distinct targets, the first `max_rows` of them and those of the queries."""
        _, first = np.unique(names, return_index=True)
        first = np.sort(first)
        if how.max_rows is None or len(first) <= how.max_rows:
            return first
        wanted = np.isin(names[first], golds)
        wanted[: how.max_rows] = True
        found: NDArray[np.int64] = first[wanted]
        return found

    def misses(self) -> dict[str, NDArray[np.bool_]]:
        """Give what nothing has been found of, by retrieval."""
        return {name: np.zeros(self.queries, dtype=np.bool_) for name in self.retrievals}

    def fill(self, hits: dict[str, NDArray[np.bool_]], fitted: LinearMap, fold: int) -> None:
        """Note which queries of a fold find one of their targets first."""
        from isomorph.metrics._host import take_rows, to_numpy
        from isomorph.metrics.retrieval import first_gold_ranks
        from isomorph.neighbors import csls, csls_radii, topk

        held = np.nonzero(self._fold == fold)[0]
        if not len(held):
            return
        asked = fitted(take_rows(self._asked, held), **self._options)
        lists = {"nn": topk(asked, self._target, 1, **self._options)}
        if "csls" in hits:
            _, radii = csls_radii(
                fitted(self._space, **self._options),
                self._target,
                neighborhood=self._neighborhood,
                **self._options,
            )
            # The query's own radius changes no order.
            own = 0 * asked[:, 0]
            lists["csls"] = csls(
                asked, self._target, 1, source_radii=own, target_radii=radii, **self._options
            )
        mine = np.isin(self._owner, held)
        owner, golds = np.searchsorted(held, self._owner[mine]), self._golds[mine]
        largest = int(max(self._names.max(), self._golds.max())) + 1
        for name, found in lists.items():
            first = self._names[to_numpy(found.indices)]
            hits[name][held] = first_gold_ranks(first, owner, golds, largest) == 1

    def by_fold(self, hits: NDArray[np.bool_]) -> tuple[float, ...]:
        """Give the share of hits in each fold that has queries."""
        present = np.unique(self._fold)
        return tuple(float(hits[self._fold == fold].mean()) for fold in present)
