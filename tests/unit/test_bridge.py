"""Bridges between embedding models: what they predict, refuse and keep."""

from __future__ import annotations

import json

import numpy as np
import pytest

import isomorph as iso
from isomorph._bridge import _pairing, _retention, _surface
from isomorph.errors import (
    FormatError,
    NonFiniteError,
    PairingError,
    PairingWarning,
    RetentionError,
    ShapeError,
)
from support.bridge_contracts import a_bridge
from support.contracts import content
from support.process import output_of

TEXTS = 600


def two_models(rng: np.random.Generator, noise: float = 0.5, texts: int = TEXTS):
    """Give vectors of the same texts by two models, off the origin."""
    meaning = rng.standard_normal((texts, 12))
    old = meaning @ rng.standard_normal((12, 24)) + 2 + noise * rng.standard_normal((texts, 24))
    new = meaning @ rng.standard_normal((12, 16)) - 1 + noise * rng.standard_normal((texts, 16))
    return old.astype(np.float32), new.astype(np.float32)


def recall_at(queries, mapped, own, k=10):
    wanted = iso.topk(queries, own, k, exclude_self=True).indices
    found = iso.topk(queries, mapped, k, exclude_self=True).indices
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(wanted, found, strict=True)])


def test_a_bridge_predicts_what_is_then_measured(rng) -> None:
    old, new = two_models(rng, texts=2400)
    pairs, rest = slice(0, 600), slice(600, None)
    found = iso.bridge(old[pairs], new[pairs], min_retention=0, store_size=1800)
    measured = recall_at(new[rest], found(old[rest]), new[rest])
    assert 0.2 < measured < 0.9
    assert measured in found.recall_interval
    own = iso.metrics.retrieval_metrics(new[rest], found(old[rest]), list(range(1800))).mrr
    assert own in found.mrr_interval
    fitted, retention, interval, verdict = found
    assert (fitted, retention, interval, verdict) == (
        found.map, found.recall, found.recall_interval, "keeps",
    )  # fmt: skip


def test_a_map_in_the_other_direction_predicts_too(rng) -> None:
    old, new = two_models(rng, texts=2400)
    pairs, rest = slice(0, 600), slice(600, None)
    found = iso.bridge(old[pairs], new[pairs], min_retention=0, store_size=1800, direction="query")
    assert (found.map.source_dim, found.map.target_dim) == (16, 24)
    wanted = iso.topk(new[rest], new[rest], 10, exclude_self=True).indices
    given = iso.topk(found(new[rest]), old[rest], 10, exclude_self=True).indices
    measured = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(wanted, given, strict=True)])
    assert measured in found.recall_interval


def test_queries_and_what_they_look_for(rng) -> None:
    old, new = two_models(rng, texts=2400)
    asked = rng.permutation(600)[:300]
    queries = new[asked] + 0.3 * rng.standard_normal((300, 16)).astype(np.float32)
    found = iso.bridge(
        old[:600], new[:600], queries=queries, relevant=asked, min_retention=0, judge_by="mrr"
    )
    assert found.queries == 300
    assert found.retention == found.mrr
    assert 0.5 < found.mrr <= 1.05
    fresh = new[600:900] + 0.3 * rng.standard_normal((300, 16)).astype(np.float32)
    plain = iso.bridge(old[:600], new[:600], queries=fresh, min_retention=0, store_size=1500)
    store = slice(900, None)
    wanted = iso.topk(fresh, new[store], 10).indices
    given = iso.topk(fresh, plain(old[store]), 10).indices
    measured = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(wanted, given, strict=True)])
    assert measured in plain.recall_interval


@pytest.mark.parametrize("method", ["ridge", "procrustes"])
@pytest.mark.parametrize("store", [1000, 100_000, 10**9])
def test_a_larger_store_keeps_less_and_is_less_sure(rng, method, store) -> None:
    old, new = two_models(rng)
    near = iso.bridge(old, new, min_retention=0, method=method)
    far = iso.bridge(old, new, min_retention=0, method=method, store_size=store)
    width = [b.recall_interval.high - b.recall_interval.low for b in (near, far)]
    assert 0 <= far.recall_interval.low <= far.recall <= far.recall_interval.high <= 1
    assert far.recall < near.recall
    assert store < 5000 or width[1] > width[0]
    assert ("far from what was seen" in far.explanation) == (store > 5000)


def test_too_little_is_refused_with_the_bridge_in_hand(rng) -> None:
    old, new = two_models(rng)
    with pytest.raises(RetentionError, match=r"predicted to keep .* of the new model's") as refusal:
        iso.bridge(old, new)
    assert refusal.value.bridge.verdict == "loses"
    assert refusal.value.bridge.retention < 0.9
    allowed = iso.bridge(old, new, min_retention=0)
    assert content(allowed.map) == content(refusal.value.bridge.map)
    edge = iso.bridge(old, new, min_retention=allowed.retention)
    assert edge.verdict == "uncertain"


@pytest.mark.parametrize("direction", ["store", "query"])
def test_shuffled_pairs_are_refused_whatever_may_be_kept(rng, direction) -> None:
    old, new = two_models(rng)
    with pytest.raises(PairingError, match="do not belong together"):
        iso.bridge(old, new[rng.permutation(TEXTS)], min_retention=0, direction=direction)
    unrelated = rng.standard_normal((TEXTS, 16)).astype(np.float32)
    with pytest.raises(PairingError, match="do not belong together"):
        iso.bridge(old, unrelated, min_retention=0, direction=direction)


def test_chance_passes_hardly_ever(rng) -> None:
    passed = 0
    for _ in range(30):
        old = rng.standard_normal((102, 6)).astype(np.float32)
        new = rng.standard_normal((102, 5)).astype(np.float32)
        try:
            iso.bridge(old, new, k=5, min_retention=0, method="procrustes")
        except PairingError:
            continue
        passed += 1
    assert passed == 0


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
def test_some_wrong_pairs_are_counted_and_pointed_at(rng, share) -> None:
    old, new = two_models(rng, noise=0.2, texts=1500)
    wrong = np.sort(rng.permutation(1500)[: int(share * 1500)])
    new[wrong] = new[np.roll(wrong, 1)]
    with pytest.warns(PairingWarning, match="% of the pairs seem not to belong together"):
        found = iso.bridge(old, new, min_retention=0)
    assert share in found.wrong_pairs_interval
    assert np.isin(found.suspects, wrong).mean() > 0.85
    assert np.isin(wrong, found.suspects).mean() > 0.7


def test_most_wrong_pairs_are_refused(rng) -> None:
    old, new = two_models(rng, noise=0.2, texts=1500)
    new[:1100] = new[rng.permutation(1100)]
    with pytest.raises(PairingError, match="% of the rows do not belong together"):
        iso.bridge(old, new, min_retention=0)


def test_right_pairs_raise_no_doubt(rng) -> None:
    old, new = two_models(rng, noise=0.2)
    found = iso.bridge(old, new, min_retention=0)
    assert found.wrong_pairs == 0
    assert not len(found.suspects)
    assert found.control < 0.2 < found.recall


def test_auto_takes_the_better_method(rng) -> None:
    old, new = two_models(rng)
    found = iso.bridge(old, new, min_retention=0)
    assert set(found.candidates) == {"ridge", "procrustes"}
    assert found.method == max(found.candidates, key=found.candidates.get)
    single = iso.bridge(old, new, min_retention=0, method=found.method)
    assert content(single.map) == content(found.map)
    assert single.recall == found.recall


def test_no_byte_depends_on_threads_and_every_seed_is_its_own(rng) -> None:
    old, new = two_models(rng)
    first = iso.bridge(old, new, min_retention=0, threads=1)
    assert content(first) == content(iso.bridge(old, new, min_retention=0, threads=3))
    other = iso.bridge(old, new, min_retention=0, seed=1)
    assert other.recall != first.recall
    assert abs(other.recall - first.recall) < 0.03


def test_normalized_bridges_give_unit_rows(rng) -> None:
    old, new = two_models(rng)
    found = iso.bridge(old, new, min_retention=0, normalize=True)
    np.testing.assert_allclose(np.linalg.norm(found(old), axis=1), 1, rtol=1e-6)
    out = np.empty((TEXTS, 16), np.float32)
    assert found.apply(old, out=out) is out
    np.testing.assert_array_equal(out, found(old))
    plain = iso.bridge(old, new, min_retention=0)
    assert plain.recall == found.recall


def test_wrong_input_has_a_named_error(rng) -> None:
    old, new = two_models(rng)
    with pytest.raises(ShapeError, match="new: expected 600 rows as in old"):
        iso.bridge(old, new[:-1])
    with pytest.raises(ShapeError, match="queries: expected 16 columns as in new"):
        iso.bridge(old, new, queries=old)
    with pytest.raises(ValueError, match="old: expected at least 202 pairs"):
        iso.bridge(old[:150], new[:150])
    with pytest.raises(ShapeError, match="relevant: expected a row for each of 5 queries"):
        iso.bridge(old, new, queries=new[:5], relevant=[1, 2])
    with pytest.raises(ValueError, match="relevant: expected rows from 0 to 599"):
        iso.bridge(old, new, queries=new[:2], relevant=[1, 600])
    old[7, 3] = np.nan
    with pytest.raises(NonFiniteError, match="old: row 7"):
        iso.bridge(old, new)


def test_the_fewest_pairs_are_enough(rng) -> None:
    old, new = two_models(rng, texts=202)
    with pytest.raises(ValueError, match="at least 202 pairs to predict lists of 10"):
        iso.bridge(old[:201], new[:201])
    for queries in (None, new[:50]):
        found = iso.bridge(old, new, min_retention=0, queries=queries)
        assert found.measured
        assert "202 rows is predicted" in found.explanation
    assert "were not measured" in a_bridge(found.map, measured=()).explanation


@pytest.mark.parametrize("rows", ["zero", "equal", "duplicates"])
def test_degenerate_rows_give_an_answer_or_a_named_error(rng, rows) -> None:
    old, new = two_models(rng)
    if rows == "zero":
        old[:50] = new[:50] = 0
    elif rows == "equal":
        old[:] = old[0]
    else:
        old[300:], new[300:] = old[:300], new[:300]
    try:
        found = iso.bridge(old, new, min_retention=0)
    except PairingError:
        assert rows == "equal"
        return
    assert np.isfinite([found.recall, found.mrr, *found.recall_interval]).all()
    assert np.isfinite(found(old)).all()


def test_fewer_pairs_than_columns_still_predict(rng) -> None:
    meaning = rng.standard_normal((220, 8))
    old = (meaning @ rng.standard_normal((8, 300))).astype(np.float32)
    new = (meaning @ rng.standard_normal((8, 250))).astype(np.float32)
    found = iso.bridge(old, new, min_retention=0)
    assert found.recall > 0.9


def test_a_bridge_keeps_its_bytes_in_a_file_and_another_process(rng, tmp_path) -> None:
    old, new = two_models(rng)
    found = iso.bridge(old, new, min_retention=0, normalize=True)
    path = tmp_path / "bridge.safetensors"
    found.save(path)
    loaded = iso.Bridge.load(path)
    assert loaded.as_dict() == found.as_dict()
    assert loaded.map.metrics == found.map.metrics
    for name in ("matrix", "source_mean", "target_mean"):
        assert getattr(loaded.map, name).tobytes() == getattr(found.map, name).tobytes()
    np.save(tmp_path / "old.npy", old)
    output_of(
        f"""
        import numpy as np, isomorph as iso
        bridge = iso.Bridge.load({str(path)!r})
        np.save({str(tmp_path / "mapped.npy")!r}, bridge(np.load({str(tmp_path / "old.npy")!r})))
        bridge.save({str(tmp_path / "again.safetensors")!r})
        """
    )
    assert np.load(tmp_path / "mapped.npy").tobytes() == found(old).tobytes()
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_a_bridge_says_everything_in_json() -> None:
    bridge = a_bridge(iso.LinearMap(np.eye(3)))
    told = json.loads(json.dumps(bridge.as_dict()))
    assert told["suspects"] == [3, 5]
    assert told["interval"] == {"low": 0.4, "high": 0.6, "confidence": 0.95}
    assert "LinearMap" in repr(bridge)
    assert "500" not in bridge.explanation
    assert "50.0 %" in bridge.explanation


def test_a_file_of_another_kind_is_no_bridge(tmp_path) -> None:
    path = tmp_path / "map.safetensors"
    iso.LinearMap(np.eye(3)).save(path)
    with pytest.raises(FormatError, match=r"expected a file of isomorph\.Bridge"):
        iso.Bridge.load(path)


def test_lists_are_compared_as_sets() -> None:
    wanted = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    given = np.array([[4, 3, 2, 1], [9, 9, 9, 5]])
    np.testing.assert_array_equal(_retention.shared(wanted, given, 4), [1, 0.25])
    np.testing.assert_array_equal(_retention.shared(wanted, given, 2), [0, 0])


def test_folds_leave_each_pair_out_once() -> None:
    folds = _retention.folds_of(103, 5, seed=3)
    left_out = np.concatenate([rows for _, rows in folds])
    assert sorted(left_out) == list(range(103))
    for trained, rows in folds:
        assert not set(trained) & set(rows)
        assert len(trained) + len(rows) == 103


def test_a_surface_is_read_where_it_was_not_measured() -> None:
    """Log odds that are of the form: the prediction is exact."""

    def odds(store, k, pairs):
        u, v = np.log(store / k), np.log(k)
        return 1 - 0.3 * u + 0.01 * u**2 + 0.1 * v - 50 / pairs

    points = []
    for trained in (500, 800, 900):
        for store in (400, 200, 100, 50):
            shares = {k: 1 / (1 + np.exp(-odds(store, k, trained))) for k in (1, 2, 5, 10)}
            overlap = {k: np.full(10**6, share) for k, share in shares.items()}
            blank = np.ones(1)
            points.append(_retention.Point(store, trained, overlap, blank, blank, blank))
    found = _surface.predict_recall(points, 10, 5000, 1000, 0.95)
    assert found.value == pytest.approx(1 / (1 + np.exp(-odds(5000, 10, 1000))), abs=1e-4)
    assert found.value in found.interval


def test_places_tell_of_wrong_pairs(rng) -> None:
    places = np.zeros(10_000)
    places[:2000] = rng.random(2000)
    judged = _pairing.judge(places, 0.95)
    assert judged.related
    assert 0.2 in judged.interval
    assert np.mean(judged.suspects < 2000) == 1
    assert not _pairing.judge(rng.random(10_000), 0.95).related


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("old", "new"), [("e5small384", "minilm384"), ("wordllama256", "e5small384")]
)
def test_real_encoders_keep_what_was_predicted(shared_data, old, new) -> None:
    """Issue 5, line 8, on two of the six ordered pairs."""
    x, y = (
        np.load(shared_data / "paired" / f"{name}.float16.npy").astype(np.float32)
        for name in (old, new)
    )
    order = np.random.default_rng(0).permutation(len(x))
    pairs, rest = order[:2000], order[2000:]
    found = iso.bridge(x[pairs], y[pairs], min_retention=0, store_size=len(rest))
    assert recall_at(y[rest], found(x[rest]), y[rest]) in found.recall_interval
    assert found.recall_interval.high - found.recall_interval.low < 0.06
    own = iso.metrics.retrieval_metrics(y[rest], found(x[rest]), list(range(len(rest)))).mrr
    assert own in found.mrr_interval
    with pytest.raises(PairingError):
        iso.bridge(x[pairs], y[np.roll(pairs, 1)], min_retention=0)
