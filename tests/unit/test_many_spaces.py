"""Many spaces in one: against slow formulas, laws of the fit, bad input, files."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import (
    ConvergenceWarning,
    DictionaryError,
    DTypeError,
    FormatError,
    NonFiniteError,
    ShapeError,
    UnknownWordError,
)
from support import hub_oracle as oracle

SETTINGS = [
    pytest.param({"scale": scale, "translate": translate}, id=f"{scale=} {translate=}")
    for scale, translate in itertools.product((False, True), repeat=2)
]


def turn(rng, d):
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


@pytest.fixture
def noisy(rng):
    """Four spaces of the same 60 things, turned, scaled, shifted, and with noise."""
    things = rng.standard_normal((60, 5)) * [3, 2, 1.5, 1, 0.5]
    return {
        name: size * things @ turn(rng, 5)
        + rng.standard_normal(5)
        + 0.4 * rng.standard_normal((60, 5))
        for name, size in zip("abcd", (1.0, 0.5, 2.0, 1.3), strict=True)
    }


@pytest.fixture
def partial(noisy, rng):
    """The same, of which each space has only some, and of some things two rows."""
    spaces, concepts = {}, {}
    for name, rows in noisy.items():
        held = np.concatenate([rng.permutation(60)[:35], rng.permutation(60)[:5]])
        spaces[name] = rows[held] + 0.1 * rng.standard_normal((40, 5))
        concepts[name] = held
    return spaces, concepts


def mapped(hub, spaces):
    return {name: hub[name](rows) for name, rows in spaces.items()}


@pytest.mark.parametrize("how", SETTINGS)
def test_against_the_alternating_fit_of_the_rows(how, noisy, backend):
    hub = iso.generalized_procrustes(noisy, tol=1e-13, max_iterations=1000, **how)
    expected = oracle.gower(list(noisy.values()), **how)
    assert hub.objective[-1] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("how", SETTINGS)
def test_the_objective_is_what_the_mapped_rows_say_and_never_grows(how, noisy, partial):
    spaces, concepts = partial
    pairs = {
        ("a", "b"): (np.arange(40), np.arange(40)),
        ("c", "b"): (np.arange(0, 40, 2), np.arange(20)),
        ("a", "c"): (np.arange(30), np.arange(30)[::-1]),
        ("c", "a"): (np.array([3, 3]), np.array([1, 2])),
        ("d", "c"): (np.arange(11), np.arange(11)),
    }
    for given, more in (
        (noisy, {}),
        (spaces, {"concepts": concepts}),
        (spaces, {"pairs": pairs}),
    ):
        hub = iso.generalized_procrustes(given, tol=1e-9, max_iterations=500, **how, **more)
        losses = np.array(hub.objective)
        assert np.all(np.diff(losses) <= 1e-13 * losses[0])
        assert hub.converged
        edges = oracle.edges(given, **more)
        assert hub.objective[-1] == pytest.approx(oracle.loss(hub, given, edges), rel=1e-8)
        for between, residual in hub.residuals.items():
            expected = oracle.loss(hub, given, edges, between)
            assert residual**2 == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("how", SETTINGS)
def test_no_space_alone_can_do_better(how, partial):
    """At the end each map is the Procrustes fit of its rows to their partners in the hub."""
    spaces, concepts = partial
    hub = iso.generalized_procrustes(spaces, concepts=concepts, tol=0, max_iterations=3000, **how)
    edges = oracle.edges(spaces, concepts=concepts)
    for name in spaces:
        x, y, w = oracle.partners(hub, spaces, edges, name)
        here = hub[name]
        best = iso.procrustes(here.scale * x, y, weights=w, translate=how["translate"])
        np.testing.assert_allclose(best(here.scale * x), here(x), atol=2e-5)


def test_planted_turns_scales_and_shifts_are_found_exactly(rng):
    things = rng.standard_normal((50, 6))
    turns = [turn(rng, 6) for _ in range(5)]
    sizes, shifts = rng.uniform(0.5, 2, 5), rng.standard_normal((5, 6))
    spaces = [s * things @ r + t for s, r, t in zip(sizes, turns, shifts, strict=True)]
    held = [np.sort(rng.permutation(50)[:30]) for _ in spaces]
    hub = iso.generalized_procrustes(
        [x[rows] for x, rows in zip(spaces, held, strict=True)],
        concepts=held,
        scale=True,
        translate=True,
        tol=1e-15,
        max_iterations=3000,
    )
    assert hub.objective[-1] < 1e-12
    for i, j in itertools.permutations(range(5), 2):
        there = hub.between(str(i), str(j))
        assert there.orthogonal
        np.testing.assert_allclose(there(spaces[i]), spaces[j], atol=1e-5)


def test_exact_turns_are_found_at_the_start(rng):
    things = rng.standard_normal((50, 6))
    turns = [turn(rng, 6) for _ in range(5)]
    hub = iso.generalized_procrustes([things @ r for r in turns])
    assert max(hub.objective) < 1e-14
    np.testing.assert_allclose(hub.between("1", "3").matrix, turns[1].T @ turns[3], atol=1e-12)


@pytest.mark.parametrize("translate", [False, True])
def test_two_spaces_are_procrustes(translate, noisy):
    two = {name: noisy[name] for name in "ab"}
    hub = iso.generalized_procrustes(two, translate=translate)
    expected = iso.procrustes(two["a"], two["b"], translate=translate)
    np.testing.assert_allclose(hub.between("a", "b")(two["a"]), expected(two["a"]), atol=1e-10)


def test_the_order_of_the_spaces_changes_nothing(partial):
    spaces, concepts = partial
    how = {"scale": True, "translate": True, "tol": 1e-12, "max_iterations": 1000}
    first = iso.generalized_procrustes(spaces, concepts=concepts, **how)
    turned = dict(reversed(spaces.items()))
    second = iso.generalized_procrustes(turned, concepts=concepts, **how)
    assert second.names == ("d", "c", "b", "a")
    assert first.provenance["identity"] == second.provenance["identity"]
    for name, rows in spaces.items():
        np.testing.assert_allclose(first[name](rows), second[name](rows), atol=1e-9)


def test_turning_a_space_turns_its_map(partial, rng):
    spaces, concepts = partial
    how = {"concepts": concepts, "tol": 1e-12, "max_iterations": 1000}
    first = iso.generalized_procrustes(spaces, **how)
    name = next(n for n in spaces if n != first.provenance["identity"])
    r = turn(rng, 5)
    second = iso.generalized_procrustes({**spaces, name: spaces[name] @ r}, **how)
    np.testing.assert_allclose(second[name].matrix, r.T @ first[name].matrix, atol=1e-9)


def test_labels_are_only_names_and_rows_without_one_do_not_count(partial, rng):
    spaces, concepts = partial
    first = iso.generalized_procrustes(spaces, concepts=concepts)
    numbers = rng.permutation(1000)[:60]
    second = iso.generalized_procrustes(
        {n: np.concatenate([1e6 * np.ones((2, 5)), x]) for n, x in spaces.items()},
        concepts={n: np.concatenate([[-1, -1], numbers[c]]) for n, c in concepts.items()},
    )
    assert second.objective[-1] == pytest.approx(first.objective[-1], rel=1e-9)


@pytest.mark.parametrize("how", SETTINGS)
def test_a_pivot_is_the_pairwise_fits(how, noisy):
    hub = iso.generalized_procrustes(noisy, pivot="b", **how)
    np.testing.assert_array_equal(hub["b"].matrix, np.eye(5))
    for name in "acd":
        expected = iso.procrustes(noisy[name], noisy["b"], **how)
        assert hub[name].matrix.tobytes() == expected.matrix.tobytes()
        assert hub.residuals[name, "b"] == expected.metrics["residual"]
    assert hub.objective == ()
    assert hub.provenance["identity"] == "b"


def test_a_tree_of_dictionaries_is_the_pairwise_fits(noisy):
    rows = np.arange(60)
    pairs = {("a", other): (rows, rows) for other in "bcd"}
    hub = iso.generalized_procrustes(noisy, pairs=pairs)
    for other in "bcd":
        expected = iso.procrustes(noisy["a"], noisy[other]).matrix
        np.testing.assert_allclose(hub.between("a", other).matrix, expected, atol=1e-9)


def test_rotations_only(rng):
    things = rng.standard_normal((30, 4))
    mirror = np.diag([1.0, 1.0, 1.0, -1.0])
    spaces = [things, things @ mirror, things @ turn(rng, 4)]
    hub = iso.generalized_procrustes(spaces, allow_reflection=False)
    for name in hub:
        assert np.linalg.det(hub[name].matrix) == pytest.approx(1)
    assert hub.objective[-1] > 0.01


def test_spaces_of_different_dimensions(rng):
    things = rng.standard_normal((80, 3))
    spaces = {
        "narrow": things,
        "wide": np.concatenate([things, np.zeros((80, 2))], axis=1) @ turn(rng, 5),
        "middle": np.concatenate([things, np.zeros((80, 1))], axis=1) @ turn(rng, 4),
    }
    hub = iso.generalized_procrustes(spaces)
    assert hub.dimension == 5
    assert hub.provenance["identity"] == "wide"
    assert hub.objective[-1] < 1e-14
    assert hub["narrow"].matrix.shape == (3, 5)
    for a, b in itertools.permutations(spaces, 2):
        np.testing.assert_allclose(hub.between(a, b)(spaces[a]), spaces[b], atol=1e-9)
    assert iso.generalized_procrustes(spaces, pivot="narrow").dimension == 3


def test_one_shared_concept_and_zero_vectors(rng):
    one = [rng.standard_normal((1, 4)) for _ in range(3)]
    hub = iso.generalized_procrustes(one)
    for name in hub:
        matrix = hub[name].matrix
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(4), atol=1e-12)
    assert hub["1"].metrics["rank"] == 1
    zeros = iso.generalized_procrustes([np.zeros((5, 4))] * 3, scale=True, translate=True)
    assert zeros.objective[-1] == 0
    np.testing.assert_allclose(zeros["2"].matrix, np.eye(4), atol=1e-12)
    some = iso.generalized_procrustes([np.zeros((5, 4)), rng.standard_normal((5, 4))], scale=True)
    assert all(np.isfinite(some[name].matrix).all() for name in some)


def test_values_near_the_ends_are_refused_by_name(rng):
    x = rng.standard_normal((9, 3))
    with pytest.raises(ValueError, match=r"spaces\.0, spaces\.1: expected values whose squares"):
        iso.generalized_procrustes([x, 1e200 * x])


def test_another_space_joins_and_the_others_stay(noisy):
    hub = iso.generalized_procrustes({n: noisy[n] for n in "abc"}, translate=True)
    known = {n: (noisy["d"][:40], noisy[n][:40]) for n in "ab"}
    more = hub.add("d", known, translate=True, scale=True)
    assert hub.names == ("a", "b", "c")
    assert more.names == ("a", "b", "c", "d")
    assert all(more[n] is hub[n] for n in "abc")
    expected = iso.procrustes(
        np.concatenate([noisy["d"][:40]] * 2),
        np.concatenate([hub[n](noisy[n][:40]) for n in "ab"]),
        translate=True,
        scale=True,
    )
    assert more["d"].matrix.tobytes() == expected.matrix.tobytes()
    assert more.residuals["d", "a b"] == expected.metrics["residual"]


def test_consensus_is_the_mean_in_the_hub(noisy, partial):
    hub = iso.generalized_procrustes(noisy)
    images = np.stack(list(mapped(hub, noisy).values()))
    np.testing.assert_allclose(hub.consensus(noisy), images.mean(axis=0), atol=1e-12)
    spaces, concepts = partial
    hub = iso.generalized_procrustes(spaces, concepts=concepts)
    every = np.unique(np.concatenate(list(concepts.values())))
    expected = [
        np.mean(
            [
                hub[name](rows[concepts[name] == c]).mean(axis=0)
                for name, rows in spaces.items()
                if c in concepts[name]
            ],
            axis=0,
        )
        for c in every
    ]
    np.testing.assert_allclose(hub.consensus(spaces, concepts=concepts), expected, atol=1e-10)


def test_files(noisy, tmp_path, rng):
    hub = iso.generalized_procrustes(noisy, scale=True, translate=True)
    hub = hub.add("é/ü", {"a": (rng.standard_normal((9, 3)), noisy["a"][:9])})
    hub.save(tmp_path / "hub.safetensors")
    back = iso.CommonSpace.load(tmp_path / "hub.safetensors")
    assert back.names == hub.names
    assert back.objective == hub.objective
    assert back.residuals == hub.residuals
    assert back.provenance == hub.provenance
    for name in hub:
        for part in dataclasses.fields(hub[name]):
            left, right = (getattr(space[name], part.name) for space in (hub, back))
            if isinstance(left, np.ndarray):
                assert left.tobytes() == right.tobytes()
            else:
                assert left == right
    with pytest.raises(FormatError, match=r"expected a file of isomorph\.LinearMap"):
        iso.LinearMap.load(tmp_path / "hub.safetensors")
    hub["a"].save(tmp_path / "map.safetensors")
    with pytest.raises(FormatError, match=r"expected a file of isomorph\.CommonSpace"):
        iso.CommonSpace.load(tmp_path / "map.safetensors")


def test_rounds_that_are_not_enough_are_warned_of(noisy):
    with pytest.warns(ConvergenceWarning, match="after 1 rounds"):
        hub = iso.generalized_procrustes(noisy, max_iterations=1, tol=0)
    assert not hub.converged
    assert len(hub.objective) == 2


X = np.random.default_rng(0).standard_normal((7, 3))
PAIR = (np.arange(3), np.arange(3))


@pytest.mark.parametrize(
    ("spaces", "options", "error", "message"),
    [
        ([X], {}, ValueError, "spaces: expected at least two, got 1"),
        (X, {}, DTypeError, "spaces: expected a mapping of names to arrays"),
        ({1: X, 2: X}, {}, DTypeError, "spaces: expected names, got 1"),
        ([X, X[:5]], {}, ShapeError, r"spaces\.1: expected 7 rows as in spaces\.0"),
        ([X, X], {"pivot": "en"}, ValueError, "pivot: expected one of 0, 1, got 'en'"),
        ([X, X], {"max_iterations": 0}, ValueError, "max_iterations: expected an integer of 1"),
        ([X, X], {"tol": -1e-9}, ValueError, "tol: expected"),
        ([X, X], {"concepts": [np.arange(7)] * 2, "pairs": {}}, ValueError, "pairs: expected conc"),
        ([X, X], {"concepts": [np.arange(7)]}, ValueError, "concepts: expected one for each"),
        ([X, X], {"concepts": [np.arange(6)] * 2}, ShapeError, r"concepts\.0: expected shape"),
        ([X, X], {"concepts": [np.ones(7)] * 2}, DTypeError, r"concepts\.0: expected integers"),
        ([X, X], {"concepts": [-2 * np.arange(7)] * 2}, ValueError, r"concepts\.0: expected -1"),
        ([X, X], {"pairs": [PAIR]}, DTypeError, "pairs: expected a mapping of two names"),
        ([X, X], {"pairs": {("0", "2"): PAIR}}, ValueError, "pairs: expected two of 0, 1"),
        ([X, X], {"pairs": {("0", "0"): PAIR}}, ValueError, "pairs: expected two different"),
        (
            [X, X],
            {"pairs": {("0", "1"): (np.array([9]), np.array([0]))}},
            ValueError,
            r"pairs\.0-1\.source: expected rows from 0 to 6",
        ),
        (
            [X, X],
            {"pairs": {("0", "1"): (np.zeros(0, int), np.zeros(0, int))}},
            DictionaryError,
            r"pairs\.0-1: no pair",
        ),
        (
            [X, X, X, X],
            {"pairs": {("0", "1"): PAIR, ("2", "3"): PAIR}},
            DictionaryError,
            "nothing of 2, 3 belongs to anything of 0, 1",
        ),
        (
            [X, X],
            {"concepts": [np.arange(7), np.arange(7, 14)]},
            DictionaryError,
            "nothing of 1 belongs to anything of 0",
        ),
        (
            [X, X, X],
            {"pairs": {("0", "1"): PAIR, ("1", "2"): PAIR}, "pivot": "0"},
            DictionaryError,
            "2 share nothing with it",
        ),
        ([X, X + np.nan], {}, NonFiniteError, r"spaces\.1: row 0"),
    ],
)
def test_bad_input(spaces, options, error, message):
    with pytest.raises(error, match=message):
        iso.generalized_procrustes(spaces, **options)


def test_bad_input_of_a_hub(noisy):
    hub = iso.generalized_procrustes(noisy)
    x = noisy["a"]
    with pytest.raises(UnknownWordError, match="name: expected one of a, b, c, d, got 'e'"):
        hub["e"]
    for name, known, error, message in (
        ("a", {"b": (x, x)}, ValueError, "name: expected one that the hub does not have"),
        ("e", {}, DictionaryError, "known: expected rows for at least one"),
        ("e", {"f": (x, x)}, ValueError, "known: expected some of a, b, c, d, got 'f'"),
        ("e", {"a": x}, DTypeError, r"known\.a: expected \(rows"),
        ("e", {"a": (x, x[:3])}, ShapeError, r"known\.a\.1: expected 60 rows"),
        ("e", {"a": (x[:0], x[:0])}, ShapeError, r"known\.a\.0: expected at least one row"),
        ("e", {"a": (x, x[:, :2])}, ShapeError, r"known\.a\.1: expected shape"),
    ):
        with pytest.raises(error, match=message):
            hub.add(name, known)
    with pytest.raises(ShapeError, match=r"maps\.b: expected a map into the same space"):
        iso.CommonSpace({"a": iso.LinearMap(np.eye(2)), "b": iso.LinearMap(np.eye(3))})
    with pytest.raises(ValueError, match="spaces: expected some of"):
        hub.consensus({"a": x, "e": x})


def test_embeddings_count_as_their_vectors(noisy):
    words = [str(i) for i in range(60)]
    given = {name: iso.io.Embeddings(words, rows) for name, rows in noisy.items()}
    assert (
        iso.generalized_procrustes(given).objective == iso.generalized_procrustes(noisy).objective
    )
