"""NN against CSLS on folds of the training dictionary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph import Pairs, errors
from isomorph.metrics import csls_verdict
from isomorph.metrics.verdict import _split

Problem = tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]
PLAIN: dict[str, Any] = {"source_chain": None, "target_chain": None, "fit": lambda *_: lambda z: z}


def hubs(rng: np.random.Generator) -> Problem:
    """Sources keep little of what is their own, so the common mean is everybody's neighbour."""
    common = np.eye(1, 30)[0]
    own = rng.standard_normal((120, 30)) / np.sqrt(30)
    x = common + 0.3 * own + 0.2 * rng.standard_normal((120, 30)) / np.sqrt(30)
    hub = common + 0.1 * rng.standard_normal((10, 30)) / np.sqrt(30)
    rows = np.arange(120)
    return x, np.concatenate([common + own, hub]), (rows, rows)


def crowds(rng: np.random.Generator) -> Problem:
    """Many sources have one right target each crowd shares: CSLS takes what is right for a hub."""
    y = rng.standard_normal((10, 12))
    owner = np.repeat(np.arange(10), 20)
    x = y[owner] + 0.6 * rng.standard_normal((200, 12))
    beside = y[owner] + 0.9 * rng.standard_normal((200, 12))
    return x, np.concatenate([y, beside]), (np.arange(200), owner)


def test_it_tells_help_from_harm(rng: np.random.Generator) -> None:
    helped = csls_verdict(*hubs(rng), **PLAIN)
    assert (helped.decision, helped.method) == ("helps", "csls")
    assert helped.interval.low > 0
    hurt = csls_verdict(*crowds(rng), **PLAIN)
    assert (hurt.decision, hurt.method) == ("hurts", "nn")
    assert hurt.interval.high < 0


def test_equal_methods_are_undetermined(rng: np.random.Generator) -> None:
    x = rng.standard_normal((60, 20))
    rows = np.arange(60)
    verdict = csls_verdict(x, x, (rows, rows), **PLAIN)
    assert (verdict.decision, verdict.method, verdict.difference) == ("undetermined", None, 0.0)
    assert verdict.p_value == 1.0


def test_the_figures_belong_together(rng: np.random.Generator) -> None:
    x, y, pairs = hubs(rng)
    verdict = csls_verdict(x, y, Pairs(*pairs), folds=4, **PLAIN)
    decision, difference, interval = verdict
    assert decision == verdict.decision
    assert interval is verdict.interval
    assert difference == pytest.approx(verdict.csls - verdict.nn)
    assert difference == pytest.approx((verdict.gained - verdict.lost) / verdict.words)
    assert [fold.words for fold in verdict.folds] == [30, 30, 30, 30]
    assert np.mean([fold.nn for fold in verdict.folds]) == pytest.approx(verdict.nn)
    assert verdict.new_targets is not None
    assert verdict.new_targets.words == verdict.words
    plain = verdict.as_dict()
    assert plain["folds"][0]["train_pairs"] == 90
    assert plain["decision"] == "helps"


def test_it_explains_itself(rng: np.random.Generator) -> None:
    verdict = csls_verdict(*hubs(rng), **PLAIN)
    text = str(verdict)
    assert text == verdict.explanation
    assert text.startswith("CSLS helps here: on 5 folds of the training dictionary (120 words)")
    assert text.endswith("retrieve by CSLS.")
    crowded = csls_verdict(*crowds(rng), **PLAIN)
    assert crowded.new_targets is None
    assert crowded.explanation.endswith("retrieve by nearest neighbour.")


def test_words_stay_whole_and_held_out() -> None:
    owner = np.array([0, 0, 1, 2, 3, 3, 4])
    golds = np.array([9, 8, 9, 7, 6, 5, 4])
    seen = []
    for held, training in _split(owner, golds, 5, 3, seed=4, keep=True):
        seen.extend(held.tolist())
        assert not set(owner[training]) & set(held)
        assert set(owner[training]) | set(held) == set(range(5))
    assert sorted(seen) == list(range(5))
    for held, training in _split(owner, golds, 5, 3, seed=4, keep=False):
        assert not set(golds[training]) & set(golds[np.isin(owner, held)])


def test_shared_targets_are_counted_or_set_aside(rng: np.random.Generator) -> None:
    x, y, (rows, golds) = hubs(rng)
    golds = golds.copy()
    golds[60:] = golds[:60]
    kept = csls_verdict(x, y, (rows, golds), **PLAIN)
    assert sum(fold.known_targets for fold in kept.folds) > 0
    assert all(fold.set_aside == 0 for fold in kept.folds)
    assert kept.new_targets is not None
    assert kept.new_targets.words == 120 - sum(fold.known_targets for fold in kept.folds)
    assert "none of whose translations" in kept.explanation
    aside = csls_verdict(x, y, (rows, golds), shared_targets="set-aside", **PLAIN)
    assert all(fold.known_targets == 0 for fold in aside.folds)
    assert any(fold.set_aside > 0 for fold in aside.folds)
    assert aside.new_targets is not None
    assert aside.new_targets.words == 120


def test_the_seed_deals_the_folds(rng: np.random.Generator) -> None:
    x, y, pairs = hubs(rng)
    one = csls_verdict(x, y, pairs, **PLAIN)
    assert one == csls_verdict(x, y, pairs, **PLAIN)
    assert one.folds != csls_verdict(x, y, pairs, seed=1, **PLAIN).folds


def test_chains_and_the_default_fit(rng: np.random.Generator) -> None:
    x = rng.standard_normal((80, 6)).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0].astype(np.float32)
    rows = np.arange(60)
    verdict = csls_verdict(x, x @ turn, (rows, rows))
    assert verdict.nn == verdict.csls == 1.0
    chain = iso.transforms.Chain.parse("unit center unit")
    fitted = csls_verdict(
        x, x @ turn, (rows, rows), source_chain=chain, target_chain=chain.fit(x @ turn)
    )
    assert fitted == verdict


def test_fewer_rows_still_hold_the_dictionary(rng: np.random.Generator) -> None:
    x, y, _ = hubs(rng)
    rows = np.arange(40, 80)
    whole = csls_verdict(x, y, (rows, rows), **PLAIN)
    same = csls_verdict(x, y, (rows, rows), max_rows=1000, **PLAIN)
    assert whole == same
    fewer = csls_verdict(x, y, (rows, rows), max_rows=20, **PLAIN)
    assert fewer.words == 40
    # Its candidates are rows 0-19 and 40-79 of both sides.
    part = np.concatenate([np.arange(20), rows])
    assert fewer == csls_verdict(x[part], y[part], (np.arange(20, 60), np.arange(20, 60)), **PLAIN)


def test_progress_goes_forward(rng: np.random.Generator) -> None:
    seen: list[tuple[int, int]] = []
    csls_verdict(*hubs(rng), progress=lambda done, total: seen.append((done, total)), **PLAIN)
    assert seen == sorted(seen)
    assert seen[-1] == (5000, 5000)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"folds": 1}, ValueError, "folds"),
        ({"folds": 121}, ValueError, r"folds: expected 2 to 120"),
        ({"folds": 2.0}, TypeError, "folds"),
        ({"shared_targets": "drop"}, ValueError, "shared_targets"),
        ({"neighborhood": 0}, ValueError, "neighborhood"),
        ({"neighborhood": 500}, ValueError, "neighborhood"),
        ({"max_rows": 0}, ValueError, "max_rows"),
        ({"confidence": 2}, ValueError, "confidence"),
        ({"source_chain": "units"}, ValueError, "chain"),
    ],
)
def test_bad_parameters_are_named(
    options: dict[str, Any],
    error: type[Exception],
    message: str,
    rng: np.random.Generator,
) -> None:
    with pytest.raises(error, match=message):
        csls_verdict(*hubs(rng), **{**PLAIN, **options})


def test_bad_dictionaries_are_named(rng: np.random.Generator) -> None:
    x, y, _ = hubs(rng)
    with pytest.raises(errors.DictionaryError, match="no pair"):
        csls_verdict(x, y, ([], []), **PLAIN)
    same = (np.arange(10), np.zeros(10, int))
    with pytest.raises(errors.DictionaryError, match="leaves no pair to fit on"):
        csls_verdict(x, y, same, shared_targets="set-aside", **PLAIN)
    with pytest.raises(errors.ShapeError, match="source"):
        csls_verdict(x[0], y, same, **PLAIN)
