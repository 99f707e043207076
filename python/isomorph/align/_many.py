"""Many maps in one call: pairs of languages, layers of a model, of different sizes."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

from isomorph import runtime
from isomorph._dlpack import served
from isomorph._progress import Progress, reporting
from isomorph.align._fit_map import fit_map
from isomorph.align._maps import LinearMap
from isomorph.align._methods import renamed

K = TypeVar("K")


@overload
def fit_maps(
    problems: Mapping[K, tuple[Any, ...]],
    *,
    method: str = ...,
    translate: bool = ...,
    check_finite: bool = ...,
    threads: int | None = ...,
    progress: Progress = ...,
    **options: Any,
) -> dict[K, LinearMap]: ...


@overload
def fit_maps(
    problems: Sequence[tuple[Any, ...]],
    *,
    method: str = ...,
    translate: bool = ...,
    check_finite: bool = ...,
    threads: int | None = ...,
    progress: Progress = ...,
    **options: Any,
) -> list[LinearMap]: ...


@served
def fit_maps(
    problems: Mapping[Any, tuple[Any, ...]] | Sequence[tuple[Any, ...]],
    *,
    method: str = "procrustes",
    translate: bool = False,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
    **options: Any,
) -> dict[Any, LinearMap] | list[LinearMap]:
    """Fit many maps by one method: :func:`isomorph.fit_map` of each problem, several at a time.

    The problems may have different numbers of rows, and of columns. Where all have one shape, a
    stack (b, n, d) given to :func:`isomorph.fit_map` itself says the same with one array.

    Parameters
    ----------
    problems : mapping or sequence of (source, target) or (source, target, weights)
        Arrays of shape (n, d), (n, e) and (n,), as :func:`isomorph.fit_map` takes them.
    method : str, default "procrustes"
        See :func:`isomorph.fit_map`.
    translate, check_finite
        As there.
    threads : int, optional
        See :mod:`isomorph.runtime`: as many problems are under way at a time. No byte of an answer
        depends on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)`` problems.
    **options
        Of the method, the same for all problems.

    Returns
    -------
    dict or list of LinearMap
        With the keys, or in the order, of the problems. Each has the bytes that
        :func:`isomorph.fit_map` gives for its problem alone.

    Raises
    ------
    ValueError
        No problem; what :func:`isomorph.fit_map` refuses, with the problem's name before that of
        the argument: ``problems.en-fr.source``.
    TypeError
        Not mappings or sequences of tuples.

    Notes
    -----
    The sum of what the fits cost. One small problem keeps one core busy for most of its time (its
    factorisation), so several of them side by side take less time than one after the other. Peak
    memory: that of as many fits as there are threads.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rng = np.random.default_rng(0)
    >>> layers = {n: (rng.normal(size=(rows, 8)), rng.normal(size=(rows, 4)))
    ...           for n, rows in enumerate((50, 60, 70))}
    >>> iso.fit_maps(layers, method="ols")[2]
    LinearMap(8 -> 4, float64, method='ols', residual=...)
    """
    named = _named(problems)
    workers = min(runtime.resolve_threads(threads), len(named))
    stopped = threading.Event()

    def fit(key: Any, problem: tuple[Any, ...], watch: Any) -> LinearMap:
        source, target, *weights = problem
        # What a method refuses is said of the problem that it refused it for.
        names = {name: f"problems.{key}.{name}" for name in ("source", "target", "weights")}
        with renamed(names):
            return fit_map(
                source,
                target,
                method=method,
                weights=weights[0] if weights else None,
                translate=translate,
                check_finite=check_finite,
                threads=threads,
                progress=watch,
                **options,
            )

    def stop(_done: int, _total: int) -> None:
        if stopped.is_set():
            raise InterruptedError

    maps: dict[Any, LinearMap] = {}
    with reporting(progress, "maps") as report:

        def done(key: Any, fitted: LinearMap) -> None:
            maps[key] = fitted
            if report is not None:
                report(len(maps), len(named))

        if workers == 1:
            for key, problem in named.items():
                done(key, fit(key, problem, None))
        else:
            # Not needed for a single map, and slow to import.
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(workers) as pool:
                jobs = {
                    key: pool.submit(_here(fit), key, problem, stop)
                    for key, problem in named.items()
                }
                try:
                    for key, job in jobs.items():
                        done(key, job.result())
                finally:
                    # After Ctrl-C or an error nobody waits for the others.
                    stopped.set()
                    pool.shutdown(cancel_futures=True)
    return maps if isinstance(problems, Mapping) else list(maps.values())


def _named(problems: Any) -> dict[Any, tuple[Any, ...]]:
    if not isinstance(problems, Mapping | Sequence) or isinstance(problems, str):
        raise TypeError(
            "problems: expected a mapping or a sequence of (source, target), got "
            f"{type(problems).__name__}"
        )
    named = dict(problems) if isinstance(problems, Mapping) else dict(enumerate(problems))
    if not named:
        raise ValueError("problems: expected at least one, got none")
    for key, problem in named.items():
        if not isinstance(problem, tuple | list) or len(problem) not in (2, 3):
            raise TypeError(
                f"problems.{key}: expected (source, target) or (source, target, weights), got "
                f"{type(problem).__name__}"
            )
    return named


def _here(function: Callable[..., LinearMap]) -> Callable[..., LinearMap]:
    """Give the function in a copy of this context: threads and backend are those of the caller."""
    context = contextvars.copy_context()
    return lambda *arguments: context.run(function, *arguments)
