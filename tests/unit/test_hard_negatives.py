"""Hard negatives: against a loop over every row, and the options one by one."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import isomorph as iso
from isomorph.errors import DTypeError, ShapeError


def by_loop(models, positives, k, skip, per_query, filters, exclude_self):
    """Define it once more, with lists; scores are those of a search of everything."""
    absolute, relative, lowest, highest = filters
    answer = []
    for query, own in enumerate(positives):
        listed, vetoed = {}, set()
        left_out = {*own, *([query] if exclude_self else [])}
        for number, (x, y) in enumerate(models):
            scores, rows = (side[0].tolist() for side in iso.topk(x[query : query + 1], y, len(y)))
            score_of = dict(zip(rows, scores, strict=True))
            good = min((score_of[row] for row in own), default=None)
            others = [row for row in rows if row not in left_out]
            for rank, row in enumerate(others, start=1):
                if not skip < rank <= skip + k:
                    continue
                score = score_of[row]
                listed.setdefault(row, {})[number] = (rank, score)
                near = good is not None and (
                    (absolute is not None and score > good - absolute)
                    or (relative is not None and score > good - relative * abs(good))
                )
                low = lowest is not None and score < lowest
                if near or low or (highest is not None and score > highest):
                    vetoed.add(row)
        order = sorted(
            (min((rank, number) for number, (rank, _) in by_model.items()), row)
            for row, by_model in listed.items()
            if row not in vetoed
        )
        answer.append([(row, listed[row]) for _, row in order][:per_query])
    return answer


margins = st.one_of(st.none(), st.floats(0, 0.5))


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 8),
    st.integers(0, 3),
    st.one_of(st.none(), st.integers(1, 6)),
    st.tuples(margins, margins, st.one_of(st.none(), st.floats(-1, 1)), margins),
    st.booleans(),
)
def test_it_is_what_a_loop_finds(seed, k, skip, per_query, filters, exclude_self):
    rng = np.random.default_rng(seed)
    m = int(rng.integers(8, 30))
    n = m if exclude_self else int(rng.integers(1, 8))
    models = []
    for d in (3, 5):
        x, y = (rng.standard_normal((rows, d)).astype("float32") for rows in (n, m))
        y[rng.integers(m, size=m // 3)] = y[0]
        models.append((x, y))
    positives = [rng.choice(m, rng.integers(0, 4), replace=False).tolist() for _ in range(n)]
    names = ("absolute_margin", "relative_margin", "min_score", "max_score")
    found = iso.hard_negatives(
        *models[0],
        positives,
        k,
        models=models[1:],
        skip=skip,
        per_query=per_query,
        exclude_self=exclude_self,
        **dict(zip(names, filters, strict=True)),
    )
    expected = by_loop(models, positives, k, skip, per_query, filters, exclude_self)
    assert len(found) == n
    for query, rows in enumerate(expected):
        assert found[query].tolist() == [row for row, _ in rows]
        start = found.offsets[query]
        for at, (_, by_model) in enumerate(rows, start=start):
            for number in range(2):
                rank, score = by_model.get(number, (0, -np.inf))
                assert found.ranks[at, number] == rank
                assert found.scores[at, number] == score
            best = min((rank, number) for number, (rank, _) in by_model.items())
            assert (found.best_rank[at], found.best_model[at]) == best


@pytest.fixture
def sides(rng):
    corpus = rng.standard_normal((20, 6)).astype("float32")
    return corpus[:4] + 0.1, corpus


def test_positives_never_appear_whatever_their_form(sides):
    dense = np.zeros((4, 20), bool)
    dense[np.arange(4), np.arange(4)] = True
    first = iso.hard_negatives(*sides, np.arange(4), 5)
    assert all(query not in rows for query, rows in enumerate(first))
    assert first.offsets.tolist() == [0, 5, 10, 15, 20]
    for positives in ([[0], [1], [2], [3]], dense, [{0: 2.0}, {1: 1}, {2: 1}, {3: 1}]):
        again = iso.hard_negatives(*sides, positives, 5)
        assert again.indices.tobytes() == first.indices.tobytes()


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_a_margin_of_nothing_takes_only_what_beats_the_positive(sides, metric):
    """The positive's score is the canonical one: its own duplicates are not above it."""
    x, y = sides
    y = np.concatenate([y, y[:4]])
    found = iso.hard_negatives(x, y, np.arange(4), 23, metric=metric, absolute_margin=0.0)
    scores, rows = iso.topk(x, y, 24, metric=metric)
    for query in range(4):
        own = scores[query][rows[query] == query][0]
        below = [r for r, s in zip(rows[query], scores[query], strict=True) if s <= own]
        assert found[query].tolist() == [r for r in below if r != query]
        assert 20 + query in found[query]


def test_one_models_doubt_is_enough():
    x = np.array([[1, 0]], "float32")
    near = np.array([[1, 0.1], [1, 0.2], [1, 3]], "float32")
    nearer = np.array([[1, 0.1], [1, 0.0], [1, 3]], "float32")
    pool = iso.hard_negatives(x, near, [0], 2, models=[(x, nearer)], relative_margin=0.001)
    assert pool[0].tolist() == [2]
    assert iso.hard_negatives(x, near, [0], 2, relative_margin=0.001)[0].tolist() == [1, 2]


def test_indexing_and_iterating(sides):
    found = iso.hard_negatives(*sides, [0, 1, 2, 3], 3)
    assert [rows.tolist() for rows in found] == [found[i].tolist() for i in range(4)]
    assert found[-1].tolist() == found[3].tolist()
    with pytest.raises(IndexError):
        found[4]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"positives": [0, 1]}, ShapeError, "positives: expected 4 entries"),
        ({"positives": [0, 1, 2, 20]}, ValueError, "positives: query 3: expected items from 0"),
        ({"k": 0}, ValueError, "k: expected 1 to 20"),
        ({"skip": -1}, ValueError, "skip: expected an integer of 0 or more"),
        ({"skip": 0.5}, DTypeError, "skip: expected an integer"),
        ({"per_query": 0}, ValueError, "per_query: expected 1 to 20"),
        (
            {"absolute_margin": -0.1},
            ValueError,
            "absolute_margin: expected a finite number of",
        ),
        (
            {"relative_margin": np.nan},
            ValueError,
            "relative_margin: expected a finite number of",
        ),
        ({"max_score": "high"}, DTypeError, "max_score: expected a number"),
        ({"min_score": np.inf}, ValueError, "min_score: expected a finite number"),
        ({"metric": "manhattan"}, ValueError, "metric: expected one of"),
        ({"exclude_self": True}, ShapeError, "queries: exclude_self"),
        ({"models": 5}, DTypeError, "models: expected a sequence"),
        ({"models": [np.eye(3)]}, DTypeError, r"models\[0\]: expected \(queries, corpus\)"),
        (
            {"models": [(np.ones((4, 3)), np.ones((9, 3)))]},
            ShapeError,
            r"models\[0\] corpus: expected 20 rows",
        ),
        (
            {"models": [(np.ones((4, 3)), np.ones((20, 2)))]},
            ShapeError,
            r"models\[0\] corpus: expected 3 columns",
        ),
    ],
)
def test_what_does_not_fit_is_refused(sides, options, error, message):
    arguments = {"positives": [0, 1, 2, 3], "k": 3} | options
    with pytest.raises(error, match=message):
        iso.hard_negatives(*sides, arguments.pop("positives"), arguments.pop("k"), **arguments)
