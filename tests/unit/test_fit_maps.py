"""Many fits in one call: each as by itself, whatever the sizes, and what goes wrong is named."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph.align._methods import METHODS
from isomorph.errors import NonFiniteError, ShapeError


def problem(rng, n, d, e):
    x = rng.standard_normal((n, d))
    return x, x @ rng.standard_normal((d, e)) + 0.1 * rng.standard_normal((n, e))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("threads", [1, 3])
def test_each_map_has_the_bytes_of_its_own_fit(method, threads, rng):
    problems = {
        (n, d): problem(rng, n, d, e)
        for n, d, e in ((30, 4, 4), (25, 5, 3), (40, 3, 6), (12, 12, 12))
    }
    fitted = iso.fit_maps(problems, method=method, threads=threads)
    assert list(fitted) == list(problems)
    for key, (x, y) in problems.items():
        expected = iso.fit_map(x, y, method=method)
        assert fitted[key].matrix.tobytes() == expected.matrix.tobytes()
        if method != "auto":
            # The table of the automatic choice has seconds in it.
            assert fitted[key].metrics == expected.metrics


def test_a_sequence_gives_a_list_and_weights_come_with_their_problem(rng):
    (x, y), (a, b) = problem(rng, 30, 4, 4), problem(rng, 20, 3, 5)
    w = rng.uniform(size=30)
    first, second = iso.fit_maps([(x, y, w), [a, b]], method="ridge", alpha=2.0, translate=True)
    expected = iso.fit_map(x, y, method="ridge", alpha=2.0, translate=True, weights=w)
    assert first.matrix.tobytes() == expected.matrix.tobytes()
    expected = iso.fit_map(a, b, method="ridge", alpha=2.0, translate=True)
    assert second.matrix.tobytes() == expected.matrix.tobytes()


def test_threads_and_backend_of_the_context_hold_in_all_problems(rng):
    problems = [problem(rng, 20, 3, 3) for _ in range(5)]
    with iso.runtime.use_backend("array"), iso.runtime.threads(2):
        fitted = iso.fit_maps(problems)
        for one, (x, y) in zip(fitted, problems, strict=True):
            assert one.matrix.tobytes() == iso.procrustes(x, y).matrix.tobytes()


def test_progress_counts_problems(rng):
    seen = []
    iso.fit_maps(
        [problem(rng, 20, 3, 3) for _ in range(4)],
        threads=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("threads", [1, 2])
def test_what_goes_wrong_is_named(threads, rng):
    x, y = problem(rng, 20, 3, 3)
    bad = x.copy()
    bad[4, 1] = np.nan
    for problems, error, message in (
        ([], ValueError, "problems: expected at least one"),
        (x, TypeError, "problems: expected a mapping or a sequence of"),
        ("xy", TypeError, "problems: expected a mapping or a sequence of"),
        ([x, y], TypeError, r"problems\.0: expected \(source, target\)"),
        ({"en-fr": (x,)}, TypeError, r"problems\.en-fr: expected \(source, target\)"),
        ({"a": (x, y), "en-fr": (x, y[:3])}, ShapeError, r"problems\.en-fr\.target: expected"),
        ([(x, y), (bad, y)], NonFiniteError, r"problems\.1\.source: row 4"),
        ([(x, y, -np.ones(20))], ValueError, r"problems\.0\.weights: expected none negative"),
    ):
        with pytest.raises(error, match=message):
            iso.fit_maps(problems, threads=threads)
