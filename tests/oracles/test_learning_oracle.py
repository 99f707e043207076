"""Self-learning against a whole run in plain NumPy, iteration by iteration."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from support import learning_oracle, vecmap_oracle

# Some of these runs go astray, in both programs alike.
pytestmark = pytest.mark.filterwarnings("ignore::isomorph.errors.ConvergenceWarning")

N, M, D = 90, 80, 8


def languages(rng, dtype=np.float64):
    """Two noisy views of the same things, in two coordinate systems."""
    things = rng.standard_normal((N, D)) * np.linspace(0.5, 2, D) + 0.3
    other = things[:M] @ np.linalg.qr(rng.standard_normal((D, D)))[0]
    noise = [0.2 * rng.standard_normal(side.shape) for side in (things, other)]
    return (things + noise[0]).astype(dtype), (other + noise[1]).astype(dtype)


def run(x, z, start, **options):
    """Run both; `options` are those of the library."""
    settings = {
        "vocabulary": 60,
        "direction": "union",
        "neighborhood": 5,
        "keep": 0.3,
        "keep_multiplier": 2.0,
        "patience": 4,
        "threshold": 1e-6,
        "seed": 3,
        "max_iterations": None,
    } | options
    first = {"init": "spectra", "initial_vocabulary": 50}
    ours = iso.self_learn(x, z, seed_pairs=start, **first, **settings)
    a, b = learning_oracle.prepared(x), learning_oracle.prepared(z)
    if start is None:
        start = learning_oracle.start(a, b, 50, settings["direction"], settings["neighborhood"])
    limit = settings.pop("max_iterations")
    settings["k"], settings["multiplier"] = (
        settings.pop("neighborhood"),
        settings.pop("keep_multiplier"),
    )
    pairs, history = learning_oracle.learned(
        a, b, start, limit=10**9 if limit is None else limit, **settings
    )
    return ours, (a, b), pairs, history


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"direction": "forward"},
        {"direction": "backward", "neighborhood": 1},
        {"keep": 1.0, "patience": 1},
        {"keep": 0.05, "keep_multiplier": 5.0},
        {"neighborhood": 0},
        {"vocabulary": None},
        {"threshold": 0.02, "seed": 2**64 - 1},
        {"max_iterations": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("start", ["dictionary", "unsupervised"])
def test_every_iteration(options, start, rng):
    x, z = languages(rng)
    start = None if start == "unsupervised" else (np.arange(20), np.arange(20))
    ours, (a, b), pairs, history = run(x, z, start, **options)
    assert len(ours.history) == len(history)
    for found, (objective, keep, improved) in zip(ours.history, history, strict=True):
        assert found.objective == pytest.approx(objective, abs=1e-9), found
        assert (found.keep, found.improved) == (keep, improved), found
    np.testing.assert_array_equal(ours.pairs.source, pairs[0])
    np.testing.assert_array_equal(ours.pairs.target, pairs[1])
    how = iso.align.VECMAP_MODES["supervised"]
    expected = vecmap_oracle.mapped(a, b, a[pairs[0]], b[pairs[1]], how)
    mapped = ours.alignment.apply_source(x), ours.alignment.apply_target(z)
    cosines = [learning_oracle.unit(s) @ learning_oracle.unit(t).T for s, t in (mapped, expected)]
    np.testing.assert_allclose(*cosines, atol=1e-9)
    assert ours.converged == ("max_iterations" not in options)


def test_one_step_is_the_supervised_map(rng):
    x, z = languages(rng)
    start = (np.arange(40), np.arange(40))
    ours, (a, b), _, history = run(x, z, start, max_iterations=0)
    assert history == []
    assert ours.history == ()
    fit = iso.align.vecmap(a[:40], b[:40])
    np.testing.assert_allclose(ours.alignment.map.matrix, fit.map.matrix, atol=1e-10)


def test_the_maps_of_a_refinement_and_which_is_kept(rng):
    x, z = languages(rng)
    refined = iso.refine(x, z, (np.arange(12), np.arange(12)), neighborhood=5, max_rank=50)
    a, b = learning_oracle.prepared(x), learning_oracle.prepared(z)
    pairs = np.arange(12), np.arange(12)
    maps, objectives, used = [], [], []
    for _ in range(6):
        w = learning_oracle.turned(a[pairs[0]], b[pairs[1]])
        cosines = learning_oracle.unit(a @ w) @ b.T
        there, back = (
            learning_oracle.induced(cosines, direction, 5, 2.0, 0, 0)
            for direction in ("forward", "backward")
        )
        maps.append(w)
        used.append(len(pairs[0]))
        objectives.append(cosines[there].mean())
        mutual = sorted(set(zip(*there, strict=True)) & set(zip(*back, strict=True)))
        pairs = tuple(np.array([p for p in mutual if max(p) < 50]).T)
    np.testing.assert_allclose([i.objective for i in refined.history], objectives, atol=1e-9)
    assert [i.pairs for i in refined.history] == used
    best = int(np.argmax(objectives))
    np.testing.assert_allclose(refined.alignment.map.matrix, maps[best], atol=1e-9)
