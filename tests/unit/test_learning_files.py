"""Checkpoints and logs of self-learning: what is refused, and what a resumed run may change."""

from __future__ import annotations

import json

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core
from isomorph.errors import FormatError
from support.contracts import content

SEED = (np.arange(10), np.arange(10))
FUNCTIONS = {
    "self_learn": (lambda *sides, **options: iso.self_learn(*sides, seed_pairs=SEED, **options)),
    "refine": (lambda *sides, **options: iso.refine(*sides, SEED, **options)),
}


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(0)
    things = rng.standard_normal((200, 6)) ** 3
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    return things.astype(np.float32), (things @ turn).astype(np.float32)


@pytest.fixture(params=FUNCTIONS)
def learn(request, sides):
    return lambda **options: FUNCTIONS[request.param](*sides, **options)


def explode(*_):
    raise AssertionError("work was done")


@pytest.mark.parametrize("option", ["checkpoint", "log"])
def test_a_folder_that_is_not_there_is_found_before_the_work(learn, option, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"the folder of {option}= is not there"):
        learn(progress=explode, **{option: tmp_path / "no" / "run"})
    with pytest.raises(IsADirectoryError, match=f"{option}= is a folder"):
        learn(progress=explode, **{option: tmp_path})


def test_a_run_that_is_there_is_not_overwritten_unasked(learn, tmp_path):
    path = tmp_path / "run"
    learn(checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="resume=True goes on with it"):
        learn(checkpoint=path, progress=explode)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("function", "name"), [("self_learn", "max_iterations"), ("refine", "iterations")]
)
def test_a_resumed_run_may_go_on_longer(sides, function, name, tmp_path):
    learn, options = FUNCTIONS[function], {"checkpoint": tmp_path / "run", "resume": True}
    learn(*sides, **{name: 2}, **options)
    longer = learn(*sides, **{name: 4}, log=tmp_path / "log", **options)
    whole = learn(*sides, **{name: 4})
    assert content(longer) == content(whole)
    assert len((tmp_path / "log").read_text().splitlines()) == whole.iterations
    with pytest.raises(ValueError, match=f"^{name}: expected at least the 4 that are done"):
        learn(*sides, **{name: 3}, **options)
    assert content(learn(*sides, **{name: 4}, **options)) == content(whole)


def test_a_resumed_log_has_the_times(sides, tmp_path):
    options = {"checkpoint": tmp_path / "run", "resume": True, "seed_pairs": SEED}
    told = []
    iso.self_learn(*sides, max_iterations=3, log=told.append, **options)
    # What only a callable hears: the pairs of each map, the first those of the seed.
    fitted_on = [entry.pop("fitted_on") for entry in told]
    assert [rows.tolist() for rows in fitted_on[0]] == [np.asarray(side).tolist() for side in SEED]
    iso.self_learn(*sides, max_iterations=5, log=tmp_path / "log", **options)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert lines[:3] == told
    assert all(set(line) == set(told[0]) for line in lines)
    assert [line["number"] for line in lines] == [1, 2, 3, 4, 5]


def change(**fields):
    def changed(tensors, state):
        state.update(fields)

    return changed


def replace_rows(name, rows):
    def changed(tensors, state):
        tensors[name] = rows

    return changed


def in_history(**fields):
    def changed(tensors, state):
        state["history"][1].update(fields)

    return changed


def drop_a_field(tensors, state):
    del state["history"][0]["keep"]


@pytest.mark.parametrize(
    "damage",
    [
        replace_rows("source", np.zeros(400)),
        replace_rows("source", np.zeros((2, 200), np.int64)),
        replace_rows("source", np.zeros(3, np.int64)),
        replace_rows("target", np.full(400, 200)),
        replace_rows("target", np.full(400, -1)),
        change(keep=0),
        change(keep="all"),
        change(improved=9),
        change(improved=True),
        change(best=None),
        change(best=float("nan")),
        change(ended="tired"),
        change(kept=1),
        change(seconds=[1.0]),
        change(seconds=[1.0, None]),
        change(history={"a": 1, "b": 2}),
        in_history(number=7),
        in_history(objective="good"),
        in_history(objective=float("inf")),
        in_history(pairs=0),
        in_history(improved=1),
        drop_a_field,
    ],
)
def test_a_damaged_checkpoint_is_named(sides, damage, tmp_path):
    path = tmp_path / "run"
    options = {"seed_pairs": SEED, "checkpoint": path, "max_iterations": 2}
    iso.self_learn(*sides, **options)
    tensors, metadata = _core.read_safetensors(str(path))
    state = json.loads(metadata["state"])
    damage(tensors, state)
    metadata["state"] = json.dumps(state)
    _core.write_safetensors(str(path), tensors, metadata)
    with pytest.raises(FormatError, match=r"run: not a whole checkpoint: ") as raised:
        iso.self_learn(*sides, resume=True, **options)
    assert str(path) in str(raised.value)


def test_a_refinement_without_its_best_pairs_is_damaged(sides, tmp_path):
    path = tmp_path / "run"
    iso.refine(*sides, SEED, checkpoint=path)
    tensors, metadata = _core.read_safetensors(str(path))
    metadata["state"] = json.dumps(json.loads(metadata["state"]) | {"kept": False})
    _core.write_safetensors(str(path), tensors, metadata)
    with pytest.raises(FormatError, match="kept is not what a run leaves"):
        iso.refine(*sides, SEED, checkpoint=path, resume=True)


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_half_a_file_is_named(learn, cut, tmp_path):
    path = tmp_path / "run"
    learn(checkpoint=path)
    path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
    with pytest.raises(FormatError, match="run"):
        learn(checkpoint=path, resume=True)


def test_the_judgement_tells_how_far_it_is_and_can_be_left_out(learn):
    reports = {True: [], False: []}
    answers = {}
    for judge, told in reports.items():
        answers[judge] = learn(judge=judge, progress=lambda *step, told=told: told.append(step))
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert told[-1][0] == told[-1][1]
    assert len(reports[True]) > len(reports[False]) + 40
    assert answers[False].agreement is None
    assert "not judged" in repr(answers[False])
    maps = [answer.alignment.map.matrix.tobytes() for answer in answers.values()]
    assert maps[0] == maps[1]


def test_an_interrupted_judgement_costs_no_iteration(learn, tmp_path):
    path, told = tmp_path / "run", []
    whole = learn()

    def stop(done, total):
        if done == whole.iterations + 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        learn(checkpoint=path, progress=stop)
    assert f"up to iteration {whole.iterations}" in raised.value.__notes__[0]
    assert content(learn(checkpoint=path, resume=True, log=told.append)) == content(whole)
    assert told == []


def test_numbers_of_numpy_are_numbers_and_truths_are_not(sides):
    numbers = {
        "vocabulary": np.int64(150),
        "neighborhood": np.uint8(5),
        "patience": np.int32(2),
        "max_iterations": np.int16(2),
        "seed": np.uint64(2**64 - 1),
        "keep": np.float32(0.5),
        "threshold": np.float64(1e-6),
    }
    found = iso.self_learn(*sides, seed_pairs=SEED, **numbers)
    plain = iso.self_learn(*sides, seed_pairs=SEED, **{k: v.item() for k, v in numbers.items()})
    assert content(found) == content(plain)
    for name in numbers:
        for truth in (True, np.True_):
            with pytest.raises((ValueError, TypeError), match=f"^{name}: expected"):
                iso.self_learn(*sides, seed_pairs=SEED, **{name: truth})
    with pytest.raises((ValueError, TypeError), match=r"^keep: expected"):
        iso.induce_dictionary(*sides, keep=np.True_)


def test_what_refine_has_not_is_not_advised(rng):
    x, z = rng.standard_normal((2, 600, 20))
    with pytest.warns(iso.errors.ConvergenceWarning) as said:
        iso.refine(x, z, (np.arange(100), rng.permutation(100)))
    assert "seed=" not in str(said[0].message)
    assert "seed_pairs" in str(said[0].message)
