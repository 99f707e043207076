"""Self-learning: starts, edges, interruption and resumption, the log, and the verdict."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import ConvergenceWarning, DictionaryError, FormatError, ShapeError
from support.contracts import content
from support.process import environment

FAST = {"patience": 3, "initial_vocabulary": 100}


@pytest.fixture
def sides(rng):
    """Two views of 200 things, and 10 pairs of them."""
    things = rng.standard_normal((200, 6)) ** 3
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    noise = 0.05 * rng.standard_normal((200, 6))
    return things.astype(np.float32), (things @ turn + noise).astype(np.float32)


SEED = (np.arange(10), np.arange(10))


def worded(sides, shared=40):
    first = [str(i) if i % 2 else f"name{i}" for i in range(shared)]
    return [
        iso.io.Embeddings(first + [f"{side}{i}" for i in range(160)], vectors)
        for side, vectors in zip("ab", sides, strict=True)
    ]


@pytest.mark.parametrize("start", [SEED, None, "unsupervised"])
def test_languages_are_aligned(sides, start):
    learned = iso.self_learn(*sides, seed_pairs=start, **FAST)
    alignment, pairs = learned
    found = iso.topk(alignment.apply_source(sides[0]), alignment.apply_target(sides[1]), 1)
    assert np.mean(found.indices[:, 0] == np.arange(200)) > 0.9
    assert learned.agreement.verdict == "aligned"
    assert learned.converged
    assert len(pairs) == 400
    assert "aligned" in repr(learned)
    assert learned.alignment.map.provenance["iterations"] == learned.iterations


@pytest.mark.parametrize("init", ["gromov", "wasserstein", "spectra"])
def test_distances_within_the_sides_are_a_start(sides, init):
    """From matched distances, rows in any order come together."""
    order = np.random.default_rng(1).permutation(200)
    learned = iso.self_learn(sides[0], sides[1][order], init=init, patience=3)
    found = learned.alignment
    best = iso.topk(found.apply_source(sides[0]), found.apply_target(sides[1][order]), 1)
    assert np.mean(order[best.indices[:, 0]] == np.arange(200)) > 0.9
    assert learned.settings["init"] == init
    assert learned.agreement.verdict == "aligned"


@pytest.mark.parametrize(("start", "count"), [("identical", 40), ("numerals", 20)])
def test_words_alike_are_a_start(sides, start, count):
    source, target = worded(sides)
    learned = iso.self_learn(source, target, seed_pairs=start, max_iterations=0)
    assert len(learned.pairs) == count
    np.testing.assert_array_equal(learned.pairs.source, learned.pairs.target)


def test_no_word_alike_is_a_named_error(sides):
    a, b = (
        iso.io.Embeddings([f"{side}{i}" for i in range(200)], vectors)
        for side, vectors in zip("ab", sides, strict=True)
    )
    for start in ("identical", "numerals"):
        with pytest.raises(DictionaryError, match=r"^seed_pairs: expected a (word|numeral)"):
            iso.self_learn(a, b, seed_pairs=start)


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        (([], []), DictionaryError, "expected at least one pair, got none"),
        (([0], [0, 1]), ShapeError, "1 sources but 2 targets"),
        (([0], [200]), ValueError, r"seed_pairs\.target: expected rows from 0 to 199"),
        (([-1], [0]), ValueError, r"seed_pairs\.source: expected rows from 0 to 199"),
        (([0.5], [0]), TypeError, r"seed_pairs\.source: expected integer rows"),
        (([[0]], [0]), ShapeError, r"seed_pairs\.source: expected one dimension"),
        ("identical", ValueError, "'identical' needs words; give Embeddings"),
        ("words", ValueError, "expected one of identical, numerals, unsupervised"),
        (7, TypeError, "expected Pairs, two arrays of rows"),
    ],
)
def test_what_is_no_start(sides, start, error, message):
    for function in (iso.self_learn, iso.refine):
        with pytest.raises(error, match=message):
            function(*sides, seed_pairs=start)


def test_refinement_needs_a_start(sides):
    with pytest.raises(ValueError, match="expected a dictionary to start from"):
        iso.refine(*sides, "unsupervised")


def test_one_pair_is_enough_to_run(sides):
    with pytest.warns(ConvergenceWarning):
        learned = iso.self_learn(*sides, seed_pairs=([3], [3]), max_iterations=2)
    assert np.isfinite(learned.alignment.map.matrix).all()
    one = sides[0][:1], sides[1][:1]
    only = iso.self_learn(*one, seed_pairs=([0], [0]), chain="unit", max_iterations=1)
    assert only.agreement.verdict == "undetermined"
    # Its own mean is all that a single row has.
    with pytest.raises(ValueError, match=r"^source: expected a row that is not zero"):
        iso.self_learn(*one, seed_pairs=([0], [0]), max_iterations=1)


def test_rows_of_zeros(sides):
    x, z = (side.copy() for side in sides)
    x[::7] = z[::5] = 0
    learned = iso.self_learn(x, z, seed_pairs=(np.arange(200), np.arange(200)), **FAST)
    for rows in (
        learned.alignment.apply_source(x),
        learned.alignment.apply_target(z),
        np.array([i.objective for i in learned.history]),
    ):
        assert np.isfinite(rows).all()


def test_vectors_of_zeros_have_no_spectrum():
    x = np.zeros((20, 3), np.float32)
    with pytest.raises(DictionaryError, match="are all alike"):
        iso.self_learn(x, x)


def test_different_dimensions_need_a_dictionary(sides):
    x, z = sides[0], np.hstack([sides[1], 0.1 * sides[1] ** 2])
    with pytest.raises(ShapeError, match=r"^target: expected 6 columns"):
        iso.self_learn(x, z)
    learned = iso.self_learn(x, z, seed_pairs=(np.arange(150), np.arange(150)), **FAST)
    assert learned.alignment.apply_source(x).shape == learned.alignment.apply_target(z).shape


def test_a_stretch_of_words_is_searched_and_all_are_mapped(sides):
    learned = iso.self_learn(*sides, seed_pairs=SEED, vocabulary=50, **FAST)
    assert len(learned.pairs) == 100
    assert max(learned.pairs.source.max(), learned.pairs.target.max()) < 50
    assert learned.alignment.apply_source(sides[0]).shape == (200, 6)


@pytest.mark.parametrize("function", [iso.self_learn, iso.refine])
@pytest.mark.parametrize(("words", "columns"), [(600, 20), (600, 5), (600, 60)])
def test_unrelated_spaces_are_told(function, words, columns, rng):
    x, z = rng.standard_normal((2, words, columns))
    start = (np.arange(100), rng.permutation(100))
    options = {"patience": 3} if function is iso.self_learn else {}
    with pytest.warns(ConvergenceWarning, match=r"self-learning (may have )?failed: .* nothing"):
        learned = function(x, z, seed_pairs=start, **options)
    assert learned.agreement.verdict in ("failed", "undetermined")
    # What looks like success: most rows choose each other.
    assert learned.agreement.mutual > words / 3


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("words", "columns"), [(600, 20), (900, 60)])
def test_related_spaces_are_told(words, columns, noise, rng):
    x = rng.standard_normal((words, columns))
    z = x @ np.linalg.qr(rng.standard_normal((columns, columns)))[0]
    z += noise * rng.standard_normal(z.shape)
    learned = iso.self_learn(x, z, seed_pairs=(np.arange(100),) * 2, patience=3)
    assert learned.agreement.verdict == "aligned"


def test_what_is_not_learned_is_not_judged(sides):
    learned = iso.self_learn(*sides, seed_pairs=SEED, max_iterations=0)
    assert learned.agreement is None
    assert "not judged" in repr(learned)


class Interrupted(Exception):
    pass


def stop_after(iterations):
    def progress(done, total):
        if done == iterations:
            raise Interrupted

    return progress


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("stop", [0, 1, 3, 6])
@pytest.mark.parametrize("start", [SEED, None], ids=["dictionary", "unsupervised"])
def test_a_resumed_run_has_the_bytes_of_an_uninterrupted_one(sides, start, stop, every, tmp_path):
    whole = iso.self_learn(*sides, seed_pairs=start, **FAST)
    options = {
        "seed_pairs": start,
        "checkpoint": tmp_path / "run.safetensors",
        "checkpoint_every": every,
        "log": tmp_path / "log.jsonl",
        **FAST,
    }
    with pytest.raises(Interrupted) as raised:
        iso.self_learn(*sides, progress=stop_after(stop), **options)
    assert f"up to iteration {stop}" in raised.value.__notes__[0]
    resumed = iso.self_learn(*sides, resume=True, **options)
    assert content(resumed) == content(whole)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(1, whole.iterations + 1))
    assert [line["objective"] for line in lines] == [i.objective for i in whole.history]
    # What is finished stays so.
    assert content(iso.self_learn(*sides, resume=True, **options)) == content(whole)


@pytest.mark.parametrize("stop", [0, 2, 5])
def test_a_resumed_refinement_has_the_same_bytes(sides, stop, tmp_path):
    whole = iso.refine(*sides, SEED)
    options = {"checkpoint": tmp_path / "run.safetensors"}
    with pytest.raises(Interrupted):
        iso.refine(*sides, SEED, progress=stop_after(stop), **options)
    assert content(iso.refine(*sides, SEED, resume=True, **options)) == content(whole)


def test_resume_without_a_file_starts(sides, tmp_path):
    options = {"checkpoint": tmp_path / "run", "resume": True, "max_iterations": 2}
    assert iso.self_learn(*sides, seed_pairs=SEED, **options).iterations == 2
    assert (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [({"seed": 1}, "seed: 0, not 1"), ({"keep": 0.5}, "keep: 0.1, not 0.5"), ({}, "vectors")],
)
def test_a_checkpoint_of_another_run_is_refused(sides, change, named, tmp_path):
    options = {"seed_pairs": SEED, "checkpoint": tmp_path / "run", "max_iterations": 2}
    iso.self_learn(*sides, **options)
    x = sides[0] if change else sides[0] * np.linspace(1, 2, 6, dtype=np.float32)
    with pytest.raises(ValueError, match=f"^checkpoint: .* of a run with other {named}"):
        iso.self_learn(x, sides[1], resume=True, **options | change)


def test_what_is_no_checkpoint_is_refused(sides, tmp_path):
    path = tmp_path / "run"
    options = {"seed_pairs": SEED, "checkpoint": path, "resume": True}
    iso.procrustes(*sides).save(path)
    with pytest.raises(FormatError, match=r"expected a file of isomorph\.SelfLearning"):
        iso.self_learn(*sides, **options)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(FormatError, match="run"):
        iso.self_learn(*sides, **options)
    from isomorph import _core

    for metadata, words in (
        ({"format_version": "2"}, "newer isomorph"),
        ({"format_version": "1"}, "not a whole checkpoint"),
        ({"format_version": "1", "settings": "{}", "state": "[]"}, "not a whole|other"),
    ):
        described = {"format": "isomorph.SelfLearning", **metadata}
        _core.write_safetensors(str(path), {"source": np.zeros(1)}, described)
        with pytest.raises(ValueError, match=words):
            iso.self_learn(*sides, **options)


def test_resume_needs_a_checkpoint(sides):
    with pytest.raises(ValueError, match=r"^resume: expected a checkpoint="):
        iso.self_learn(*sides, resume=True)


def test_a_callable_is_told_each_iteration(sides):
    told = []
    learned = iso.self_learn(*sides, seed_pairs=SEED, log=told.append, **FAST)
    assert [entry["objective"] for entry in told] == [i.objective for i in learned.history]
    assert all(entry["seconds"] >= 0 for entry in told)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_the_keyboard_leaves_a_checkpoint_that_goes_on(tmp_path):
    code = f"""
        import numpy as np, isomorph as iso, sys
        rng = np.random.default_rng(0)
        x = rng.standard_normal((1500, 40)).astype("float32")
        z = x @ np.linalg.qr(rng.standard_normal((40, 40)))[0].astype("float32")
        options = dict(seed_pairs=(range(60), range(60)), threads=1, patience=10**6, seed=1,
                       checkpoint={str(tmp_path / "run")!r}, log={str(tmp_path / "log")!r})
        if sys.argv[1:]:
            learned = iso.self_learn(x, z, resume=True, **options | dict(max_iterations=None),
                                     progress=lambda done, total: print(done) or sys.exit())
        iso.self_learn(x, z, **options)
    """
    import textwrap

    command = [sys.executable, "-c", textwrap.dedent(code)]
    started = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not ((log := tmp_path / "log").exists() and log.read_text().count("\n") >= 3):
        assert time.monotonic() < deadline
        assert started.poll() is None
        time.sleep(0.02)
    started.send_signal(signal.SIGINT)
    _, error = started.communicate(timeout=30)
    assert "KeyboardInterrupt" in error
    assert "holds the run up to iteration" in error
    again = subprocess.run(
        [*command, "again"], env=environment(), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert int(again.stdout) >= 3, again.stderr


def test_pairs_that_could_pass_for_sides_are_refused() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 4))
    for pairs in ([(3, 3), (4, 4)], [(3, 3), (4, 4), (5, 5)], np.array([[3, 3], [4, 4]])):
        with pytest.raises(iso.errors.DTypeError, match="seed_pairs: expected"):
            iso.self_learn(x, x, seed_pairs=pairs, max_iterations=0)
