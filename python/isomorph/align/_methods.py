"""The methods of :func:`isomorph.fit_map`: a table, to which a method adds its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from isomorph import _arrays, _checks
from isomorph._moments._fits import where_spread
from isomorph._moments._maps import map_of
from isomorph._progress import Progress
from isomorph.align import _leave_one_out, _rcsls, _robust
from isomorph.align._maps import LinearMap
from isomorph.align._procrustes import procrustes
from isomorph.align._vecmap import MODES, vecmap
from isomorph.linalg import Moments


@dataclass(frozen=True, slots=True)
class Problem:
    """Pairs of rows whose shapes fit, and how to work; weights are checked, float64, or None."""

    source: Any
    target: Any
    weights: Any
    translate: bool
    check_finite: bool
    threads: int | None
    progress: Progress

    def one(self, index: int, count: int) -> Problem:
        """Give one problem of a stack of `count`."""
        weights = self.weights
        if weights is not None and weights.ndim == 2:
            weights = weights[index, :]
        progress = self.progress
        if callable(progress):
            report = progress
            # What a problem reports is a part of the whole.
            progress = lambda done, total: report(index * total + done, count * total)  # noqa: E731
        return replace(
            self,
            source=self.source[index, ...],
            target=self.target[index, ...],
            weights=weights,
            progress=progress,
        )

    def taking(self, pairs: Any) -> Problem:
        """Give the problem of these pairs alone; `pairs` are NumPy's int64."""
        xp = _arrays.Arguments(source=self.source).array_namespace()
        rows = pairs
        if not isinstance(self.source, np.ndarray):
            rows = xp.asarray(pairs, device=self.source.device)
        weights = self.weights
        return replace(
            self,
            source=xp.take(self.source, rows, axis=0),
            target=xp.take(self.target, rows, axis=0),
            weights=None if weights is None else xp.take(weights, rows, axis=0),
        )

    def moments(self, *, group: Any = None) -> Moments:
        """Take the moments of the rows."""
        moments = Moments(int(self.source.shape[1]), int(self.target.shape[1]))
        with renamed({"x": "source", "y": "target"}):
            moments.update(
                self.source,
                self.target,
                weights=self.weights,
                group=group,
                check_finite=self.check_finite,
                threads=self.threads,
                progress=self.progress,
            )
        return moments


@dataclass(frozen=True, slots=True)
class Method:
    """How a method fits one problem, and by which options.

    Attributes
    ----------
    fit : callable
        Of a Problem and the options by name; gives a LinearMap.
    options : tuple of str
        Names of the options that it takes.
    stacks : bool
        Whether it takes a stack of problems at once; otherwise it gets one after the other.
    """

    fit: Callable[..., LinearMap]
    options: tuple[str, ...] = ()
    stacks: bool = False


class renamed:  # noqa: N801 - reads as what it does
    """Errors about arguments, in the words of the caller of the caller."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ValueError | TypeError):
            name, colon, rest = str(error).partition(":")
            if colon and name in self.names:
                raise type(error)(f"{self.names[name]}:{rest}") from error


def _procrustes(problem: Problem, *, name: str, scale: bool = False, **how: Any) -> LinearMap:
    fitted = procrustes(
        problem.source,
        problem.target,
        weights=problem.weights,
        scale=scale,
        translate=problem.translate,
        check_finite=problem.check_finite,
        threads=problem.threads,
        progress=problem.progress,
        **how,
    )
    return replace(fitted, method=name)


def _plain(problem: Problem, **options: Any) -> LinearMap:
    return _procrustes(problem, name="procrustes", **options)


def _rectangular(problem: Problem, **options: Any) -> LinearMap:
    return _procrustes(problem, name="rectangular", **options)


def _rotation(problem: Problem, **options: Any) -> LinearMap:
    return _procrustes(problem, name="rotation", allow_reflection=False, **options)


def _ols(problem: Problem) -> LinearMap:
    return problem.moments().ols(translate=problem.translate, threads=problem.threads)


def _ridge(
    problem: Problem,
    *,
    alpha: Any = None,
    choose_by: str = "folds",
    folds: int = 10,
    group: Any = None,
    seed: int = 0,
) -> LinearMap:
    _checks.one_of("choose_by", choose_by, ("folds", "loo"))
    # Wrong whether needed or not.
    dealt(2, folds, seed)
    if group is not None and (choose_by == "loo" or (alpha is not None and np.ndim(alpha) == 0)):
        raise ValueError("group: expected None where the penalty is not chosen by folds")
    if alpha is not None and np.ndim(alpha) == 0:
        return problem.moments().ridge(alpha, translate=problem.translate, threads=problem.threads)
    n = int(problem.source.shape[0])
    if n < 2:
        raise ValueError("alpha: expected one number; with a single pair none can be left out")
    if choose_by == "loo":
        return _leave_one_out.ridge(problem, alpha)
    moments = problem.moments(group=dealt(n, folds, seed) if group is None else group)
    return moments.ridge(alpha, translate=problem.translate, threads=problem.threads)


def dealt(n: int, folds: int, seed: int) -> Any:
    """Deal n pairs to folds, evenly and at random: a function of the three numbers alone."""
    folds, seed = _checks.integer("folds", folds, 2), _checks.integer("seed", seed, 0)
    return np.random.default_rng(seed).permutation(n) % min(folds, n)


def _cca(problem: Problem, *, k: int | None = None) -> LinearMap:
    moments = problem.moments()
    if k is not None:
        k = _checks.integer("k", k, 1, min(moments.x_dim, moments.y_dim))
    scatter = moments.scatter(threads=problem.threads)
    if 0 in where_spread(scatter):
        # Nothing correlates with rows that are all equal: every row goes to the mean.
        metrics = {"rank": 0, "ranks": [0, 0], "correlation": 0.0}
        return map_of(moments, scatter, 0 * scatter.xy, "cca", metrics=metrics)
    return moments.cca(k, threads=problem.threads).map


def _vecmap(problem: Problem, **options: Any) -> LinearMap:
    if problem.weights is not None:
        raise ValueError("weights: method 'vecmap' takes none")
    if problem.translate:
        raise ValueError("translate: method 'vecmap' does not; centre both sides before")
    mode = MODES.get(options.get("mode", "supervised"))
    if mode is not None and mode.kind == "whitened":
        # The target stays as it is: taking back what re-weighting does to it would blow up what
        # correlates least.
        options = {"target_reweight": 0.0, **options}
    fitted = vecmap(
        problem.source,
        problem.target,
        check_finite=problem.check_finite,
        threads=problem.threads,
        progress=problem.progress,
        **options,
    )
    source_side, direct = fitted.map, fitted.direct().map
    return LinearMap(
        direct.matrix,
        direct.source_mean,
        direct.target_mean,
        direct.scale,
        orthogonal=direct.orthogonal,
        method="vecmap",
        metrics=source_side.metrics,
        provenance=source_side.provenance,
        singular_values=source_side.singular_values,
    )


def _auto(problem: Problem, **options: Any) -> LinearMap:
    # Retrieval and its statistics are loaded by whom they are asked for.
    from isomorph.align import _auto as automatic

    return automatic.fit(problem, **options)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "procrustes": Method(_plain, ("scale",), stacks=True),
        "rectangular": Method(_rectangular, ("scale",), stacks=True),
        "rotation": Method(_rotation, ("scale",), stacks=True),
        "robust": Method(_robust.fit, ("scale", "rounds", "delta")),
        "ols": Method(_ols),
        "ridge": Method(_ridge, ("alpha", "choose_by", "folds", "group", "seed")),
        "cca": Method(_cca, ("k",)),
        "vecmap": Method(
            _vecmap,
            (
                "mode",
                "whiten",
                "source_reweight",
                "target_reweight",
                "source_dewhiten",
                "target_dewhiten",
                "dimensions",
            ),
        ),
        "rcsls": Method(
            _rcsls.fit,
            (
                "source_space",
                "target_space",
                "neighborhood",
                "negatives",
                "spectral",
                "reg",
                "iterations",
                "tolerance",
                "held_out",
                "seed",
                "start",
                "parity",
                "learning_rate",
                "batch_size",
                "each",
            ),
            stacks=True,
        ),
        "auto": Method(
            _auto,
            (
                "source_space",
                "target_space",
                "group",
                "folds",
                "methods",
                "retrieval",
                "neighborhood",
                "max_rows",
                "confidence",
                "seed",
            ),
            stacks=True,
        ),
    }
)


def stacked(maps: list[LinearMap]) -> LinearMap:
    """Give several maps of one shape as a stack of them."""
    first = maps[0]
    xp = _arrays.Arguments(matrix=first.matrix).array_namespace()

    def joined(parts: list[Any]) -> Any:
        if any(part is None or part.shape != parts[0].shape for part in parts):
            return None
        return xp.stack(parts)

    def mean(name: str) -> Any:
        parts = [getattr(one, name) for one in maps]
        there = [part for part in parts if part is not None]
        # Methods that were chosen each for itself: one may have means where another has none.
        return joined(
            [0 * there[0] if part is None else part for part in parts] if there else [None]
        )

    shared = [name for name in first.metrics if all(name in one.metrics for one in maps)]
    metrics = {name: [one.metrics[name] for one in maps] for name in shared}
    means = mean("source_mean"), mean("target_mean")
    device = {} if isinstance(first.matrix, np.ndarray) else {"device": first.matrix.device}
    scale = xp.asarray([one.scale for one in maps], dtype=xp.float64, **device)
    return LinearMap(
        xp.stack([one.matrix for one in maps]),
        *means,
        scale,
        orthogonal=all(one.orthogonal for one in maps),
        method="; ".join(dict.fromkeys(one.method for one in maps)),
        metrics=metrics,
        provenance=first.provenance,
        singular_values=joined([one.singular_values for one in maps]),
    )
