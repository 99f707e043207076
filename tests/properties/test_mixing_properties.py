"""Laws of mixings, for any of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from isomorph.vocab import TokenMixing, overlap


@st.composite
def mixings(draw, targets=None, sources=None):
    """Whole weights, so that sums are exact in any order."""
    shape = (
        draw(st.integers(0, 6)) if targets is None else targets,
        draw(st.integers(1, 6)) if sources is None else sources,
    )
    places = st.tuples(st.integers(0, shape[0] - 1), st.integers(0, shape[1] - 1))
    entries = draw(st.dictionaries(places, st.integers(-3, 3), max_size=12)) if shape[0] else {}
    rows, columns = [place[0] for place in entries], [place[1] for place in entries]
    weights = np.array(list(entries.values()), dtype=draw(st.sampled_from(["f4", "f8"])))
    return TokenMixing.from_entries(rows, columns, weights, shape)


def dense(mixing):
    found = np.zeros(mixing.shape)
    for row in range(len(mixing)):
        ids, weights = mixing.row(row)
        found[row, ids] = weights
    return found


@given(mixings(sources=4), mixings(targets=4, sources=3), mixings(targets=3))
def test_composing_is_associative_and_the_product(a, b, c):
    left, right = (
        a.compose(b, lost="drop").compose(c, lost="drop"),
        a.compose(b.compose(c, lost="drop"), lost="drop"),
    )
    np.testing.assert_array_equal(dense(left), dense(right))
    np.testing.assert_array_equal(dense(left), dense(a) @ dense(b) @ dense(c))


@given(mixings(targets=5, sources=4), mixings(targets=5, sources=4))
def test_filling_keeps_what_is_there_and_filling_twice_is_filling_once(a, b):
    both = a.fill(b)
    assert both.fill(b).take(range(5)) == both.fill(b)
    np.testing.assert_array_equal(dense(both.fill(b)), dense(both))
    own = a.counts > 0
    np.testing.assert_array_equal(dense(both)[own], dense(a)[own])
    np.testing.assert_array_equal(dense(both)[~own], dense(b)[~own])
    assert sum(both.summary().values()) == 5


@given(mixings(targets=5), st.lists(st.integers(0, 4), max_size=8))
def test_taken_rows_are_the_rows(mixing, rows):
    taken = mixing.take(rows)
    np.testing.assert_array_equal(dense(taken), dense(mixing)[rows])
    np.testing.assert_array_equal(taken.row_sums(), mixing.row_sums()[rows])


@given(mixings())
def test_applying_to_the_identity_gives_the_matrix(mixing):
    sources = mixing.shape[1]
    found = mixing.apply(np.eye(sources), fallback=np.zeros(sources))
    np.testing.assert_array_equal(found, dense(mixing))


tokens = st.lists(st.text("ab1.▁#Ġ", max_size=4), max_size=8)


@given(tokens, tokens, st.sampled_from(["exact", "marks", "symbols", "case", "loose"]))
def test_overlap_copies_and_wider_rules_find_no_less(source, target, rule):
    mixing = overlap(source, target, rule=rule)
    assert (mixing.weights == 1).all()
    assert (mixing.counts <= 1).all()
    if rule != "exact":
        wider = overlap(source, target, rule="loose")
        assert (wider.counts >= mixing.counts).all()
    same = overlap(source, source, rule=rule)
    assert (same.counts == 1).all()
    first = [source.index(token) for token in source]
    assert same.indices.tolist() == first
