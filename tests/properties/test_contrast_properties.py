"""What holds of contrastive refinement for any vectors: symmetries, and never worse than before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isomorph as iso
from support.learning_oracle import unit

pytestmark = pytest.mark.filterwarnings("ignore::isomorph.errors.ConvergenceWarning")

OPTIONS = {"chain": "none", "steps": 5, "negatives": 6, "stride": 5}
COUNT = 30


def languages(seed, d, e):
    rng = np.random.default_rng(seed)
    things = rng.standard_normal((60, d))
    other = things @ rng.standard_normal((d, e)) + 0.3 * rng.standard_normal((60, e))
    return things, other


def cosines(x, z, pairs, **options):
    learned = iso.contrast(x, z, pairs, **OPTIONS | {"held_out": 0} | options)
    return unit(learned.alignment.apply_source(x)) @ unit(learned.alignment.apply_target(z)).T


problems = given(seed=st.integers(0, 2**32 - 1), d=st.integers(2, 7), e=st.integers(2, 7))
ROWS = np.arange(COUNT)


@problems
def test_neither_side_is_the_first(seed, d, e):
    x, z = languages(seed, d, e)
    there = cosines(x, z, (ROWS, ROWS))
    np.testing.assert_allclose(cosines(z, x, (ROWS, ROWS)), there.T, atol=1e-7)


@problems
def test_axes_and_lengths_do_not_matter(seed, d, e):
    x, z = languages(seed, d, e)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]
    found = cosines(4 * x @ turn, z, (ROWS, ROWS))
    # Lengths change the step of A against that of B, so only the axes are free.
    np.testing.assert_allclose(found, cosines(4 * x, z, (ROWS, ROWS)), atol=1e-7)
    power = cosines(x, z, (ROWS, ROWS), steps=0)
    np.testing.assert_allclose(cosines(4 * x, z, (ROWS, ROWS), steps=0), power, atol=1e-7)


@problems
def test_pairs_that_are_all_there_twice_are_the_same_pairs(seed, d, e):
    x, z = languages(seed, d, e)
    twice = np.concatenate([ROWS, ROWS])
    np.testing.assert_allclose(
        cosines(x, z, (twice, twice)), cosines(x, z, (ROWS, ROWS)), atol=1e-7
    )


@problems
@settings(max_examples=10)
def test_it_is_never_worse_by_the_words_that_it_held_out(seed, d, e):
    x, z = languages(seed, d, e)
    learned = iso.contrast(x, z, (ROWS, ROWS), **OPTIONS)
    metrics = learned.alignment.map.metrics
    assert metrics["accuracy"] >= metrics["first_accuracy"]
    assert np.isfinite(learned.alignment.map.matrix).all()
