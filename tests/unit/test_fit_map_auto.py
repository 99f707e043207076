"""``fit_map(method="auto")``: against a slow oracle, no leaks, what it says, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph.align._auto import GIVEN_UP, _because, _Pick, _pick
from isomorph.align._holdout import How, Rows
from isomorph.align._methods import Problem
from isomorph.align._rows import joined, names_of
from isomorph.align._selection import Score, Tried
from isomorph.errors import DTypeError, ShapeError

AUTO = {"method": "auto"}


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def turned(rng):
    """Rows and their turned likes with noise, and all rows of both sides."""
    x = rng.standard_normal((120, 12))
    y = x @ np.linalg.qr(rng.standard_normal((12, 12)))[0] + 0.8 * rng.standard_normal((120, 12))
    return x, y


def folds_of(x, folds, seed, group=None):
    problem = Problem(x, x, None, False, True, None, None)
    return Rows(problem, (None, None)).deal(group, How(folds, "nn", 1, None, 0.95, seed))


def slow_table(x, y, source_space, target_space, folds, fit, neighborhood):
    """P@1 by both retrievals over held-out sources, all scores in memory."""
    dealt = folds_of(x, folds, 0).pairs
    hits = {"nn": [], "csls": []}
    for fold in range(folds):
        training = dealt != fold
        matrix = fit(x[training], y[training])
        cosines = unit(source_space @ matrix) @ unit(target_space).T
        radii = np.sort(cosines, axis=0)[-neighborhood:].mean(axis=0)
        own = np.nonzero(~training)[0]
        for row in own[np.unique(names_of(x)[0][own], return_index=True)[1]]:
            golds = {y[i].tobytes() for i in range(len(x)) if np.array_equal(x[i], x[row])}
            scores = unit(x[row : row + 1] @ matrix) @ unit(target_space).T
            for name, values in (("nn", scores), ("csls", 2 * scores - radii)):
                hits[name].append(target_space[int(np.argmax(values))].tobytes() in golds)
    return {name: float(np.mean(found)) for name, found in hits.items()}


def test_the_table_is_that_of_refits(turned, rng, backend):
    x, y = turned
    source_space = np.concatenate([x, rng.standard_normal((70, 12))])
    target_space = np.concatenate([rng.standard_normal((90, 12)), y])
    # Some sources have several targets, some targets several sources.
    again = rng.integers(0, 120, 40)
    x, y = np.concatenate([x, x[again]]), np.concatenate([y, y[rng.permutation(again)]])
    spaces = {"source_space": source_space, "target_space": target_space}
    made = iso.fit_map(x, y, **AUTO, **spaces, folds=4, neighborhood=3)
    found = {one.label: one.scores for one in made.selection.tried}

    def ols(a, b):
        return np.linalg.lstsq(a, b, rcond=None)[0]

    def turn(a, b):
        u, _, vt = np.linalg.svd(a.T @ b)
        return u @ vt

    assert made.selection.queries == 120
    assert made.selection.candidates == 210
    for label, fit in (("ols", ols), ("procrustes", turn)):
        expected = slow_table(x, y, source_space, target_space, 4, fit, 3)
        assert {name: score.precision for name, score in found[label].items()} == expected


def test_the_chosen_map_is_fitted_to_all_pairs(turned):
    x, y = turned
    made = iso.fit_map(x, y, **AUTO)
    chosen = next(one for one in made.selection.tried if one.label == made.selection.chosen)
    expected = iso.fit_map(x, y, method=chosen.method, **chosen.options)
    assert made.matrix.tobytes() == expected.matrix.tobytes()
    assert made.method == f"auto: {chosen.method}"


def test_a_turn_is_found_to_be_one_and_a_stretch_is_not(rng):
    x = rng.standard_normal((300, 8))
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    noise = rng.standard_normal((300, 8))
    made = iso.fit_map(x, x @ turn + 0.4 * noise, **AUTO, methods=["procrustes", "cca", "ols"])
    assert made.selection.chosen == "procrustes"
    stretched = x @ (turn * np.geomspace(0.05, 20, 8)) @ np.linalg.qr(noise[:8])[0]
    made = iso.fit_map(x, stretched + 0.01 * noise, **AUTO)
    assert made.selection.chosen in ("ols", "ridge", "cca")
    assert made.selection.tried[0].scores["nn"].adjusted < 0.01


@pytest.mark.parametrize("by", ["rows", "group"])
def test_what_belongs_together_does_not_leak(by, rng):
    """Random targets, which a fit of more dimensions than pairs remembers word for word."""
    words, copies, d = 60, 4, 300
    x = np.repeat(rng.standard_normal((words, d)), copies, axis=0)
    y = np.repeat(rng.standard_normal((words, d)), copies, axis=0)
    how = {**AUTO, "methods": ["ols", "ridge", "vecmap"]}
    if by == "rows":
        # Each source has targets of its own: what a leak would give away is another right answer.
        y = y + 0.1 * rng.standard_normal(y.shape)
        table = iso.fit_map(x, y, **how).selection.tried
    else:
        x = x + 1e-3 * rng.standard_normal(x.shape)
        leaking = iso.fit_map(x, y, **how).selection.tried
        assert leaking[0].scores["nn"].precision > 0.9
        table = iso.fit_map(x, y, **how, group=np.repeat(np.arange(words), copies)).selection.tried
    assert all(one.scores[name].precision < 0.08 for one in table for name in one.scores)


def test_units_are_in_one_fold_and_folds_are_even(rng):
    x = rng.standard_normal((50, 3))[rng.integers(0, 50, 200)]
    group = rng.integers(0, 400, 200) // 2
    dealt = folds_of(x, 5, 3, group)
    for labels in (names_of(x)[0], group):
        for label in np.unique(labels):
            assert len(set(dealt.pairs[labels == label])) == 1
    assert np.array_equal(dealt.pairs, folds_of(x, 5, 3, group).pairs)
    words = folds_of(rng.standard_normal((103, 2)), 10, 0)
    assert set(np.bincount(words.pairs)) == {10, 11}
    assert np.array_equal(words.groups % 10, words.pairs)


def test_rows_have_names_by_value(rng):
    x = rng.integers(-1, 2, (500, 3)).astype(np.float32)
    x[x == 0] *= -1
    mine, reversed_ = names_of(x, x[::-1].copy())
    assert np.array_equal(mine, reversed_[::-1])
    expected = np.unique(x + 0, axis=0, return_inverse=True)[1].ravel()
    assert len({*zip(mine, expected, strict=True)}) == len(set(mine)) == len(set(expected)) == 27
    big = rng.standard_normal((9000, 2))
    assert len(set(names_of(big)[0])) == 9000


def test_components_are_joined():
    chain = np.arange(1000)
    assert set(joined(chain // 2, (chain + 1) // 2)) == {0}
    assert joined(np.array([0, 1, 2, 0]), np.array([5, 5, 6, 7])).tolist() == [0, 0, 1, 0]


def test_any_translation_of_a_source_is_right(turned):
    x, y = turned
    decoys = np.random.default_rng(1).standard_normal(y.shape)
    both = iso.fit_map(np.tile(x, (2, 1)), np.concatenate([y, decoys]), **AUTO).selection
    one = iso.fit_map(x, y, **AUTO, target_space=np.concatenate([y, decoys])).selection
    assert both.queries == one.queries == 120
    assert both.candidates == one.candidates == 240
    # The same search; the decoys only spoil the fits.
    assert both.tried[0].scores["nn"].precision > 0.5 * one.tried[0].scores["nn"].precision


def test_the_first_of_those_that_cannot_be_told_apart(turned):
    x, y = turned
    labels = ["ridge", "procrustes", "robust", "ols"]
    for order in (labels, labels[::-1]):
        made = iso.fit_map(x, y, **AUTO, methods=order, retrieval="nn").selection
        scores = {one.label: one.scores["nn"] for one in made.tried}
        best = max(score.precision for score in scores.values())
        assert scores[made.chosen].precision >= best - GIVEN_UP
        assert [one.label for one in made.tried] == order
        for score in scores.values():
            assert score.difference == pytest.approx(
                score.precision - scores[made.chosen].precision
            )
            assert np.mean(score.folds) == pytest.approx(score.precision, abs=0.01)
    same = iso.fit_map(x, y, **AUTO, methods=["rectangular", "procrustes"]).selection
    assert same.chosen == "rectangular"
    assert same.tried[1].scores["nn"].p_value == 1


def test_only_what_was_asked_for_is_measured(turned):
    x, y = turned
    fast = iso.fit_map(x, y, **AUTO, retrieval="nn").selection
    assert fast.retrievals == ("nn",)
    assert fast.retrieval == "nn"
    told = iso.fit_map(x, y, **AUTO, retrieval="csls").selection
    assert (told.retrieval, told.retrievals) == ("csls", ("nn", "csls"))
    free = iso.fit_map(x, y, **AUTO).selection
    assert set(free.by_retrieval) == {"nn", "csls"}
    assert free.chosen == free.by_retrieval[free.retrieval]


def test_it_says_why_and_is_kept(turned, tmp_path):
    made = iso.fit_map(*turned, **AUTO, methods=["procrustes", ("ridge", {"alpha": 2.0})])
    made.save(tmp_path / "map.safetensors")
    again = iso.LinearMap.load(tmp_path / "map.safetensors")
    assert again.selection == made.selection
    assert again.metrics == made.metrics
    chosen, retrieval, because = made.selection
    assert because.startswith(f"chosen: {chosen}, with {retrieval.upper()}, because P@1 is ")
    lines = str(made.selection).splitlines()
    assert lines[0].split() == (
        ["method", "NN", "95", "%", "CSLS", "95", "%", "difference", "95", "%", "p", "seconds"]
    )
    assert lines[2].startswith("ridge, alpha=2.0 ")
    assert lines[-1] == because
    assert len({len(line) for line in lines[:3]}) == 1
    assert iso.fit_map(*turned).selection is None


def test_what_cannot_be_tried_is_named(rng):
    x, y = rng.standard_normal((2, 30, 4))
    weights = rng.uniform(0.5, 1, 30)
    found = iso.fit_map(x, y, **AUTO, weights=weights).selection
    label = "vecmap"
    assert "takes no weights" in found.left_out[label]
    assert f"left out: {label}: " in str(found)
    # Each fold of two pairs leaves one, which no penalty can be chosen by.
    few = iso.fit_map(x[:2], y[:2], **AUTO).selection
    assert few.folds == 2
    assert "alpha" in few.left_out["ridge"]
    with pytest.raises(ValueError, match="alpha: expected one number"):
        iso.fit_map(x[:2], y[:2], **AUTO, methods=["procrustes", "ridge"])


def test_rcsls_is_tried_where_there_are_spaces(turned):
    x, y = turned
    found = iso.fit_map(x, y, **AUTO).selection
    assert found.left_out["rcsls"] == "needs source_space and target_space"
    made = iso.fit_map(x, y, **AUTO, source_space=x, target_space=y, retrieval="csls")
    score = next(one for one in made.selection.tried if one.label == "rcsls").scores["csls"]
    assert score.precision > 0.5
    alone = iso.fit_map(
        x, y, **AUTO, source_space=x, target_space=y, methods=[("rcsls", {"iterations": 5})]
    )
    expected = iso.fit_map(x, y, method="rcsls", source_space=x, target_space=y, iterations=5)
    assert alone.matrix.tobytes() == expected.matrix.tobytes()


def test_with_means_the_scale_matters(rng):
    x, y = rng.standard_normal((2, 30, 4))
    labels = [one.label for one in iso.fit_map(x, y, **AUTO, translate=True).selection.tried]
    assert "procrustes, scale=True" in labels
    assert not any("vecmap" in label for label in labels)


def test_pairs_of_no_weight_are_not_there(turned, rng):
    x, y = turned
    weights = rng.uniform(0.5, 1, 120)
    weights[::3] = 0
    there = weights > 0
    group = np.arange(120) // 2
    some = iso.fit_map(x, y, **AUTO, weights=weights, group=group)
    alone = iso.fit_map(x[there], y[there], **AUTO, weights=weights[there], group=group[there])
    assert some.matrix.tobytes() == alone.matrix.tobytes()
    assert some.selection.queries == 80


def test_the_search_is_bounded(turned):
    x, y = turned
    spaces = {"source_space": x, "target_space": y}
    few = iso.fit_map(x, y, **AUTO, **spaces, max_rows=30).selection
    assert few.queries == 30
    assert 30 <= few.candidates <= 60
    whole = iso.fit_map(x, y, **AUTO, **spaces, max_rows=None).selection
    assert (whole.queries, whole.candidates) == (120, 120)
    assert few.tried[0].scores["nn"].precision >= whole.tried[0].scores["nn"].precision - 0.15


def test_a_stack_chooses_for_each_problem(rng):
    x = rng.standard_normal((2, 200, 6))
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    stretch = turn * np.geomspace(0.02, 50, 6)
    y = np.stack([x[0] @ turn + 0.3 * rng.standard_normal((200, 6)), x[1] @ stretch])
    how = {**AUTO, "methods": ["procrustes", "cca", "ols"], "retrieval": "nn"}
    made = iso.fit_map(x, y, **how, source_space=x, target_space=y)
    singles = [
        iso.fit_map(x[i], y[i], **how, source_space=x[i], target_space=y[i]) for i in range(2)
    ]
    assert [one.selection.chosen for one in singles] == ["procrustes", "cca"]
    assert made.method == "auto: procrustes; auto: cca"
    for i, one in enumerate(singles):
        np.testing.assert_allclose(made(x)[i], one(x[i]), atol=1e-12)
    assert made.selection is None
    assert [told["chosen"] for told in made.metrics["auto"]] == ["procrustes", "cca"]
    both = iso.fit_map(x, y, **how, target_space=y.reshape(400, 6))
    assert [told["candidates"] for told in both.metrics["auto"]] == [400, 400]
    with pytest.raises(ShapeError, match=r"target_space: expected shape \(2, rows, columns\)"):
        iso.fit_map(x, y, **how, target_space=np.stack([y[0]] * 3))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"folds": 1}, ValueError, "folds: expected an integer of 2 or more"),
        ({"folds": 2.5}, DTypeError, "folds: expected an integer"),
        ({"retrieval": "dot"}, ValueError, "retrieval: expected one of auto, nn, csls"),
        ({"neighborhood": 0}, ValueError, "neighborhood: expected an integer of 1 or more"),
        ({"max_rows": 0}, ValueError, "max_rows: expected an integer of 1 or more"),
        ({"confidence": 1.0}, ValueError, "confidence: expected a level between 0 and 1"),
        ({"seed": -1}, ValueError, "seed: expected 0 to"),
        ({"methods": "ols"}, DTypeError, "methods: expected names"),
        ({"methods": [3]}, DTypeError, "methods: expected names"),
        ({"methods": []}, ValueError, "methods: expected at least one"),
        ({"methods": ["auto"]}, ValueError, "methods: expected some of procrustes"),
        ({"methods": ["ols", "ols"]}, ValueError, "methods: expected each once, got 'ols'"),
        ({"methods": [("ols", {"k": 1})]}, ValueError, "methods: 'ols' takes no option 'k'"),
        ({"group": 3}, ShapeError, "group: expected shape"),
        ({"group": np.zeros(7, int)}, ShapeError, "group: expected an integer or shape"),
        ({"group": np.zeros(30, int)}, ValueError, "source: expected at least two groups"),
        ({"target_space": np.ones((9, 4))}, ValueError, "target: row 0 is no row of target_space"),
        ({"target_space": np.ones((9, 3))}, ShapeError, "target_space: expected 4 columns"),
        ({"source_space": np.ones((0, 4))}, ShapeError, "source_space: expected at least one row"),
        ({"source_space": np.full((9, 4), np.nan)}, ValueError, "source_space: row 0 has a NaN"),
        ({"source_space": np.ones((9, 4), int)}, DTypeError, "source_space: expected floating"),
    ],
)
def test_what_is_refused(options, error, message, rng):
    x, y = rng.standard_normal((2, 30, 4))
    with pytest.raises(error, match=message):
        iso.fit_map(x, y, **AUTO, **options)


def test_one_source_leaves_nothing_to_choose_by(rng):
    y = rng.standard_normal((5, 4))
    with pytest.raises(ValueError, match="source: expected at least two different source rows"):
        iso.fit_map(np.ones((5, 4)), y, **AUTO)
    # Zeros of either sign are one source.
    with pytest.raises(ValueError, match="at least two different source rows"):
        iso.fit_map(np.array([[0.0, 0.0], [-0.0, 0.0]]), y[:2, :2], **AUTO)


@pytest.mark.parametrize(("d", "e"), [(40, 40), (40, 9), (9, 40)])
@pytest.mark.parametrize("n", [2, 3, 7, 30])
def test_fewer_pairs_than_dimensions_or_folds(n, d, e, rng):
    x, y = rng.standard_normal((n, d)), rng.standard_normal((n, e))
    made = iso.fit_map(x, y, **AUTO)
    assert np.isfinite(made(x)).all()
    assert made.selection.folds == min(5, n)
    assert made.selection.queries == n


@pytest.mark.parametrize("options", [{"alpha": 1.0}, {"choose_by": "loo"}])
def test_a_ridge_that_leaves_out_no_folds_can_win(options):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 4))
    y = x @ rng.standard_normal((4, 4)) + 0.01 * rng.standard_normal((120, 4))
    fitted = iso.fit_map(x, y, method="auto", methods=[("ridge", options)])
    assert fitted.method == "auto: ridge"


def hits(n, *found):
    """Give the hits of methods: how many of n queries each finds, from the first on."""
    return [np.arange(n) < count for count in found]


HOW = How(5, "auto", 10, None, 0.95, 0)


@pytest.mark.parametrize(
    ("found", "by_the_other", "picked"),
    [
        # One hit of 1,000 may be chance: who finds more by the other retrieval is taken.
        ((501, 500, 300), (10, 20, 900), 1),
        # Not if it finds fewer, or as many.
        ((501, 500, 300), (20, 10, 900), 0),
        ((501, 500, 300), (20, 20, 900), 0),
        # Nine that only the best finds are no chance (p = 0.004), however few of 1,000.
        ((509, 500, 300), (10, 20, 900), 0),
        # What is more than a point below is not considered, whatever the other says.
        ((520, 500, 300), (10, 20, 900), 0),
    ],
)
def test_chance_does_not_decide_between_methods(found, by_the_other, picked) -> None:
    column, other = hits(1000, *found), hits(1000, *by_the_other)
    assert _pick(column, ["ols", "rcsls", "cca"], [other], HOW) == _Pick(picked)


def test_chance_does_not_decide_even_where_the_difference_is_large(rng) -> None:
    """Few queries: 3 of 400 apart in 15 that only one of two finds (p = 0.6)."""
    best, second = np.zeros((2, 400), dtype=bool)
    best[:209], second[:200], second[209:215] = True, True, True
    other = hits(400, 100, 150)
    assert _pick([best, second], ["ols", "rcsls"], [other], HOW) == _Pick(1)
    assert _pick([best, second], ["ols", "rcsls"], [], HOW) == _Pick(0)


def test_an_orthogonal_map_comes_before_the_other_retrieval() -> None:
    column, other = hits(1000, 501, 501, 500), hits(1000, 10, 20, 30)
    # One worse, by two that it misses and one that it finds: within a standard error.
    column[0] = np.roll(column[0], 1) & (np.arange(1000) != 1)
    assert _pick(column, ["procrustes", "ols", "rcsls"], [other], HOW) == _Pick(0, plainer=True)


def test_the_reason_tells_of_the_other_retrieval() -> None:
    def tried(label, nn, csls, difference, p):
        scores = {
            name: Score(value, (0.4, 0.6), (value,), difference, (0.0, 0.0), p, p)
            for name, value in (("nn", nn), ("csls", csls))
        }
        return Tried(label, label, {}, scores, 0.0)

    table = (tried("ols", 0.409, 0.510, 0.0056, 0.4), tried("rcsls", 0.445, 0.5044, 0.0, 1.0))
    assert _because(table, _Pick(1), "csls") == (
        "chosen: rcsls, with CSLS, because P@1 is 50.4 % [40.0, 60.0] on sources that were left "
        "out; ols has 0.56 points more, which may be chance (p = 0.4), and by NN rcsls has 44.5 %, "
        "ols 40.9 %."
    )
