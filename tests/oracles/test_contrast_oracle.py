"""Contrastive refinement against plain NumPy: loss, gradient, negatives, a whole run."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph import _arrays
from isomorph._backends import Run
from isomorph.align._double import Double
from isomorph.learning import ContrastSetting
from isomorph.learning._contrastive_loss import Vectors, hard_negatives
from support import contrast_oracle as oracle
from support.learning_oracle import unit

pytestmark = pytest.mark.filterwarnings("ignore::isomorph.errors.ConvergenceWarning")


def problem(rng, dtype=np.float64, *, pairs=14):
    """Two sides of other dimensions, a common space of another again, pairs with repetitions."""
    x, z = rng.standard_normal((30, 6)), rng.standard_normal((25, 5))
    x[3] = 0
    a, b = rng.standard_normal((6, 4)), rng.standard_normal((5, 4))
    rows = rng.integers(0, 30, pairs), rng.integers(0, 25, pairs)
    rows[0][:2] = 3, rows[0][2]
    return x.astype(dtype), z.astype(dtype), a, b, rows


def vectors(x, z):
    arguments = _arrays.Arguments(x=x, z=z)
    run = Run(1)
    return Vectors(x, z, Double(arguments, arguments.ready(), run), run)


def found_negatives(x, z, a, b, pairs, count):
    anchors = x[np.unique(pairs[0])] @ a, z[np.unique(pairs[1])] @ b
    return hard_negatives(*anchors, pairs, (x @ a, z @ b), count, 1)


@pytest.mark.parametrize("count", [1, 4, 20, 1000])
def test_the_negatives_are_the_nearest_that_are_no_translations(rng, count):
    x, z, a, b, pairs = problem(rng)
    found = found_negatives(x, z, a, b, pairs, count)
    cosines = unit(x @ a) @ unit(z @ b).T
    # A row of zeros is as near to all.
    np.testing.assert_array_equal(found.of_source, oracle.negatives(cosines, pairs, count))
    np.testing.assert_array_equal(found.of_target, oracle.negatives(cosines.T, pairs[::-1], count))


@pytest.mark.parametrize("temperature", [0.05, 1.0])
@pytest.mark.parametrize("block", [1, 3, 1000])
def test_loss_and_gradient(rng, temperature, block, monkeypatch, backend):
    x, z, a, b, pairs = problem(rng)
    monkeypatch.setattr("isomorph.learning._contrastive_loss._GATHERED", block * 4 * 6)
    negatives = found_negatives(x, z, a, b, pairs, 4)
    found = vectors(x, z).loss((a, b), pairs, negatives, temperature)
    given = (x, z, a, b, pairs, negatives.of_source, negatives.of_target, temperature)
    assert found[0] == pytest.approx(oracle.loss(*given), rel=1e-13)
    for ours, theirs in zip(found[1:], oracle.gradients(*given), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-13 / temperature)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_gradient_is_the_slope_of_the_loss(rng, temperature):
    x, z, a, b, pairs = problem(rng)
    negatives = found_negatives(x, z, a, b, pairs, 4)
    _, *found = vectors(x, z).loss((a, b), pairs, negatives, temperature)
    h = 1e-5
    for which, gradient in enumerate(found):
        for place in np.ndindex(gradient.shape):
            ends = []
            for sign in (h, -h):
                maps = [a.copy(), b.copy()]
                maps[which][place] += sign
                rest = pairs, negatives.of_source, negatives.of_target, temperature
                ends.append(oracle.loss(x, z, *maps, *rest))
            slope = (ends[0] - ends[1]) / (2 * h)
            assert gradient[place] == pytest.approx(slope, abs=1e-7 / temperature)


def test_float32_is_near(rng):
    x, z, a, b, pairs = problem(rng, np.float32)
    negatives = found_negatives(x.astype(float), z.astype(float), a, b, pairs, 4)
    found = vectors(x, z).loss((a, b), pairs, negatives, 0.1)
    expected = vectors(x.astype(float), z.astype(float)).loss((a, b), pairs, negatives, 0.1)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def languages(rng):
    things = rng.standard_normal((70, 6)) * np.linspace(0.6, 2, 6)
    other = things[:60] @ np.linalg.qr(rng.standard_normal((6, 6)))[0]
    return tuple(unit(s + 0.3 * rng.standard_normal(s.shape)) for s in (things, other))


@pytest.mark.parametrize(
    ("limits", "change"),
    [
        ((7,), {}),
        ((7,), {"temperature": 1.0, "clip": 0.01, "negatives": 5}),
        ((5, 5), {"refresh": 1, "augment": 9, "frequent": 50}),
        ((4, 4, 4), {"learn_augmented": True, "learning_rate": 0.5}),
        ((0,), {}),
    ],
    ids=str,
)
def test_a_whole_run(rng, limits, change):
    x, z = languages(rng)
    pairs = np.arange(24), np.arange(24)
    setting = ContrastSetting(
        **{"loops": len(limits), "steps": limits[0], "refresh": 3, "negatives": 8, "augment": 99}
        | change
    )
    ours = iso.contrast(
        x, z, pairs, setting=setting, chain="none", held_out=0, stride=1000, neighborhood=4
    )
    (a, b), losses = oracle.learned(x, z, pairs, setting, k=4, limits=limits)
    mapped = ours.alignment.apply_source(x), ours.alignment.apply_target(z)
    np.testing.assert_allclose(
        unit(mapped[0]) @ unit(mapped[1]).T, unit(x @ a) @ unit(z @ b).T, atol=1e-9
    )
    if losses:
        assert -ours.history[0].objective == pytest.approx(losses[0], rel=1e-10)
    assert [(e.loop, e.step) for e in ours.history if e.step] == [
        (loop, steps) for loop, steps in enumerate(limits) if steps
    ]
