"""Contrastive refinement: what is held out, where it ends, edges, interruption and resumption."""

from __future__ import annotations

import json

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core
from isomorph.errors import ConvergenceWarning, DictionaryError, FormatError, ShapeError
from isomorph.learning import CONTRAST_SETTINGS, ContrastSetting
from support.contracts import content

# In few dimensions pairs by chance bear each other out, too.
pytestmark = pytest.mark.filterwarnings("ignore::isomorph.errors.ConvergenceWarning")

FAST = {"steps": 6, "stride": 2, "negatives": 8}
SEED = (np.arange(60), np.arange(60))


@pytest.fixture
def sides(rng):
    """Two views of 200 things that no rotation makes one, and 60 pairs of them."""
    things = rng.standard_normal((200, 8)) ** 3
    bent = things @ rng.standard_normal((8, 8)) + 0.1 * rng.standard_normal((200, 8))
    return things.astype(np.float32), bent.astype(np.float32)


def precision(learned, sides):
    x, z = learned.alignment.apply_source(sides[0]), learned.alignment.apply_target(sides[1])
    return np.mean(iso.topk(x, z, 1).indices[:, 0] == np.arange(len(x)))


def test_it_is_better_than_where_it_starts(sides):
    start = iso.contrast(*sides, SEED, steps=0)
    refined = iso.contrast(*sides, SEED, steps=40, negatives=8)
    metrics = refined.alignment.map.metrics
    assert metrics["accuracy"] > metrics["first_accuracy"]
    assert metrics["step"] > 0
    assert precision(refined, sides) > precision(start, sides)
    # Held-out words say more.
    assert refined.agreement is None
    assert "held-out accuracy" in repr(refined)
    assert refined.converged
    np.testing.assert_array_equal(refined.pairs.source, SEED[0])
    assert refined.alignment.map.provenance["temperature"] == 0.25


def test_without_steps_the_maps_are_those_of_vecmap(sides):
    learned = iso.contrast(*sides, SEED, chain="unit", steps=0)
    unit = iso.transforms.Chain.parse("unit")
    x, z = (unit.fit_apply(side)[1] for side in sides)
    fit = iso.align.vecmap(x[:60], z[:60])
    for ours, theirs in (
        (learned.alignment.map, fit.map),
        (learned.alignment.target_map, fit.target_map),
    ):
        ratio = ours.matrix / theirs.matrix
        np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)


def test_what_does_not_help_is_not_taken(sides):
    # Steps that are far too long.
    wild = ContrastSetting(learning_rate=1e4, clip=1e4, negatives=8, steps=8)
    learned = iso.contrast(*sides, SEED, setting=wild, stride=4)
    start = iso.contrast(*sides, SEED, steps=0)
    metrics = learned.alignment.map.metrics
    assert (metrics["loop"], metrics["step"]) == (0, 0)
    assert metrics["accuracy"] == metrics["first_accuracy"]
    np.testing.assert_array_equal(learned.alignment.map.matrix, start.alignment.map.matrix)


def test_held_out_words_are_measured_and_all_are_learned(sides):
    learned = iso.contrast(*sides, SEED, held_out=0.25, **FAST)
    out = [entry for entry in learned.history if entry.held_out]
    whole = [entry for entry in learned.history if not entry.held_out]
    assert [entry.step for entry in out] == [0, 2, 4, 6]
    assert {entry.pairs for entry in out} == {45}
    assert {entry.pairs for entry in whole} == {60}
    assert all(entry.accuracy is not None for entry in out)
    assert all(entry.accuracy is None for entry in whole)
    assert whole[-1].step == learned.alignment.map.metrics["step"]
    best = max(entry.accuracy for entry in out)
    assert [entry.accuracy for entry in out if entry.improved][-1] == best
    assert [entry.number for entry in learned.history] == list(range(1, len(learned.history) + 1))


def test_without_held_out_words_it_goes_all_the_way(sides):
    learned = iso.contrast(*sides, SEED, held_out=0, learning_rate=0.1, **FAST)
    assert [(e.held_out, e.step) for e in learned.history] == [(False, s) for s in (0, 2, 4, 6)]
    assert learned.alignment.map.metrics == {"loop": 0, "step": 6}
    assert learned.agreement is not None
    losses = [-entry.objective for entry in learned.history]
    assert losses == sorted(losses, reverse=True)


def test_loops_induce_pairs_of_other_words(sides):
    setting = ContrastSetting(loops=2, steps=4, negatives=8, augment=50, frequent=150)
    learned = iso.contrast(*sides, SEED, setting=setting, held_out=0)
    new = learned.pairs.source[60:], learned.pairs.target[60:]
    assert 0 < len(new[0]) <= 50
    assert min(new[0].min(), new[1].min()) >= 60
    assert max(new[0].max(), new[1].max()) < 150
    assert {entry.pairs for entry in learned.history} == {60}
    both = iso.contrast(*sides, SEED, setting=CONTRAST_SETTINGS["1k"], held_out=0, steps=2, loops=2)
    assert [entry.pairs > 60 for entry in both.history] == [False, False, True, True]


def test_seeds_draw_other_words(sides):
    accuracies = {
        tuple(e.accuracy for e in iso.contrast(*sides, SEED, seed=seed, **FAST).history)
        for seed in range(4)
    }
    assert len(accuracies) > 1


def test_no_byte_depends_on_threads(sides):
    one = iso.contrast(*sides, SEED, threads=1, **FAST)
    assert content(iso.contrast(*sides, SEED, threads=3, **FAST)) == content(one)


@pytest.mark.parametrize("start", ["unsupervised", None])
def test_it_needs_a_dictionary(sides, start):
    with pytest.raises(ValueError, match="expected a dictionary to start from"):
        iso.contrast(*sides, start)
    with pytest.raises(DictionaryError, match="expected at least one pair"):
        iso.contrast(*sides, ([], []))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_pairs(sides, count):
    learned = iso.contrast(*sides, (np.arange(count), np.arange(count)), **FAST)
    assert np.isfinite(learned.alignment.map.matrix).all()
    assert np.isfinite(learned.alignment.target_map.matrix).all()
    if count == 1:
        # No word to hold out, so nothing says that a step is good.
        assert learned.alignment.map.metrics == {"loop": 0, "step": 0}
        wanted = iso.contrast(*sides, ([0], [0]), held_out=0, **FAST)
        assert wanted.alignment.map.metrics == {"loop": 0, "step": 6}
        assert np.isfinite(wanted.alignment.map.matrix).all()


def test_one_word_of_several_translations(sides):
    learned = iso.contrast(*sides, (np.zeros(9, int), np.arange(9)), held_out=0, **FAST)
    assert np.isfinite(learned.alignment.map.matrix).all()


def test_words_that_are_all_in_the_dictionary(sides):
    # All targets belong to the one source: there is nothing to hold it against.
    few = sides[0][:20], sides[1][:3]
    learned = iso.contrast(*few, (np.zeros(3, int), np.arange(3)), chain="unit", held_out=0, **FAST)
    assert np.isfinite(learned.alignment.map.matrix).all()


def test_rows_of_zeros(sides):
    x, z = (side.copy() for side in sides)
    x[::7] = z[::5] = 0
    for chain in ("none", "unit centre unit"):
        learned = iso.contrast(x, z, SEED, chain=chain, **FAST)
        assert np.isfinite([e.objective for e in learned.history]).all()
        assert np.isfinite(learned.alignment.apply_source(x)).all()
    with pytest.raises(ValueError, match=r"^source: expected a row that is not zero"):
        iso.contrast(x, z, ([0], [1]), chain="none")


@pytest.mark.parametrize("swap", [False, True])
def test_different_dimensions(sides, swap):
    wide = np.hstack([sides[1], 0.1 * sides[1] ** 2])
    pair = (wide, sides[0]) if swap else (sides[0], wide)
    learned = iso.contrast(*pair, SEED, **FAST)
    mapped = learned.alignment.apply_source(pair[0]), learned.alignment.apply_target(pair[1])
    assert mapped[0].shape == mapped[1].shape == (200, 8)


def test_pairs_outside_the_rows_that_are_searched(sides):
    learned = iso.contrast(*sides, SEED, vocabulary=40, **FAST)
    assert np.isfinite(learned.alignment.map.matrix).all()
    # None of the translations is searched, so none is evidence.
    late = np.arange(50, 100)
    learned = iso.contrast(*sides, (late, late), vocabulary=40, **FAST)
    assert learned.alignment.map.metrics == {"loop": 0, "step": 0}


def test_pairs_that_are_wrong_are_told(rng):
    x, z = rng.standard_normal((2, 600, 20))
    with pytest.warns(ConvergenceWarning, match=r"^contrast failed: .* of the held-out"):
        iso.contrast(x, z, (np.arange(100), rng.permutation(100)), **FAST)
    with pytest.warns(ConvergenceWarning, match=r"^self-learning failed"):
        iso.contrast(x, z, (np.arange(100), rng.permutation(100)), held_out=0, **FAST)


class Interrupted(Exception):
    pass


def stop_at(step):
    def progress(done, total):
        assert 0 <= done <= total
        if done >= step:
            raise Interrupted("here")

    return progress


LOOPS = {"setting": CONTRAST_SETTINGS["1k"], "loops": 2}


@pytest.mark.parametrize("step", [0, 3, 7, 11])
@pytest.mark.parametrize("held_out", [0.2, 0])
def test_a_resumed_run_has_the_bytes_of_an_uninterrupted_one(sides, step, held_out, tmp_path):
    options = {**FAST, **LOOPS, "held_out": held_out}
    whole = iso.contrast(*sides, SEED, **options)
    kept = {"checkpoint": tmp_path / "run", "log": tmp_path / "log"}
    with pytest.raises(Interrupted, match="here") as raised:
        iso.contrast(*sides, SEED, progress=stop_at(step), **options, **kept)
    assert "holds the run up to iteration" in raised.value.__notes__[0]
    resumed = iso.contrast(*sides, SEED, resume=True, **options, **kept)
    assert content(resumed) == content(whole)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["objective"] for line in lines] == [e.objective for e in whole.history]
    # What is finished stays so.
    assert content(iso.contrast(*sides, SEED, resume=True, **options, **kept)) == content(whole)


@pytest.mark.parametrize(
    ("change", "named"),
    [({"seed": 1}, "seed: 0, not 1"), ({"temperature": 0.5}, "temperature: 0.25"), ({}, "vectors")],
)
def test_a_checkpoint_of_another_run_is_refused(sides, change, named, tmp_path):
    options = {"checkpoint": tmp_path / "run", **FAST}
    iso.contrast(*sides, SEED, **options)
    x = sides[0] if change else sides[0] * np.linspace(1, 2, 8, dtype=np.float32)
    with pytest.raises(ValueError, match=f"^checkpoint: .* of a run with other {named}"):
        iso.contrast(x, sides[1], SEED, resume=True, **options | change)


def test_what_is_no_checkpoint_is_refused(sides, tmp_path):
    path = tmp_path / "run"
    options = {"checkpoint": path, "resume": True, **FAST}
    iso.procrustes(*sides).save(path)
    with pytest.raises(FormatError, match=r"expected a file of isomorph\.Contrast"):
        iso.contrast(*sides, SEED, **options)
    path.unlink()
    iso.contrast(*sides, SEED, **options)
    tensors, metadata = _core.read_safetensors(str(path))
    state = json.loads(metadata["state"])
    damaged = [
        (tensors | {"source": tensors["source"] + 190}, state),
        (tensors | {"source_map": tensors["source_map"] * np.nan}, state),
        (tensors | {"source_map": tensors["source_map"][:, :3].copy()}, state),
        ({name: value for name, value in tensors.items() if name != "target"}, state),
        (tensors, state | {"ended": "soon"}),
        (tensors, state | {"loop": -1}),
        (tensors, state | {"best": [1]}),
        (tensors, state | {"history": state["history"][1:]}),
        (tensors, {}),
        (tensors, []),
    ]
    for values, described in damaged:
        told = metadata | {"state": json.dumps(described)}
        _core.write_safetensors(str(path), values, told)
        with pytest.raises(FormatError, match="not a whole checkpoint"):
            iso.contrast(*sides, SEED, **options)
    _core.write_safetensors(str(path), tensors, metadata | {"format_version": "2"})
    with pytest.raises(FormatError, match="newer isomorph"):
        iso.contrast(*sides, SEED, **options)


def test_a_callable_is_told_each_round(sides):
    told = []
    learned = iso.contrast(*sides, SEED, log=told.append, **FAST)
    assert [entry["step"] for entry in told] == [entry.step for entry in learned.history]
    assert all(entry["seconds"] >= 0 for entry in told)


def test_dimensions_of_one_side_alone_do_not_fit_no_pairs(sides):
    with pytest.raises(ShapeError, match="60 sources but 59 targets"):
        iso.contrast(*sides, (np.arange(60), np.arange(59)))
