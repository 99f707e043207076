"""Every initialisation against a dense oracle, and what its rows must be."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isomorph import vocab
from isomorph.errors import DTypeError, ShapeError
from support import transfer_oracle as oracle

both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])


def assert_convex(mixing) -> None:
    assert (mixing.weights > 0).all()
    sums = mixing.row_sums()[mixing.counts > 0]
    np.testing.assert_allclose(sums, 1, rtol=0, atol=16 * np.finfo(mixing.weights.dtype).eps)


def spaces(rng, dtype="float32", sources=40, targets=30, columns=6):
    source = rng.normal(size=(sources, columns)).astype(dtype)
    target = rng.normal(size=(targets, columns)).astype(dtype)
    source[3], source[17], target[5] = 0, 0, 0
    return source, target


@both_types
@pytest.mark.parametrize(("k", "temperature"), [(1, 0.1), (10, 0.1), (40, 2.0)])
def test_wechsel(rng, backend, dtype, k, temperature):
    source, target = spaces(rng, dtype)
    mixing = vocab.wechsel(source, target, k=k, temperature=temperature)
    expected = oracle.wechsel(source, target, k, temperature)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(
        oracle.dense(mixing), expected, rtol=20 * eps / temperature, atol=eps
    )
    assert mixing.fallback_rows.tolist() == [5]
    assert mixing.weights.dtype == dtype
    assert_convex(mixing)


def test_wechsel_leaves_the_base_as_it_is(rng):
    source, target = spaces(rng)
    base = vocab.TokenMixing.from_entries([2, 4], [7, 7], [1.0, 1.0], (30, 40))
    mixing = vocab.wechsel(source, target, base=base, k=3)
    expected = oracle.wechsel(source, target, 3, 0.1)
    expected[[2, 4]] = 0
    expected[[2, 4], 7] = 1
    np.testing.assert_allclose(oracle.dense(mixing), expected, rtol=1e-4, atol=1e-6)
    assert mixing.summary() == {"fallback": 1, "copied": 2, "mixed": 27}
    rows = rng.normal(size=(40, 4)).astype("float16")
    made = mixing.apply(rows, fallback=np.zeros(4), dtype="float16")
    assert made[2].tobytes() == made[4].tobytes() == rows[7].tobytes()
    with pytest.raises(ShapeError, match=r"base: expected shape \(30, 40\)"):
        vocab.wechsel(source, target, base=base.take([0]))
    known = vocab.TokenMixing.from_entries(range(30), [1] * 30, [1.0] * 30, (30, 40))
    assert vocab.wechsel(source, target, base=known).indices.tolist() == [1] * 30


@both_types
@pytest.mark.parametrize("rank", [1, 3, 7])
def test_ofa(rng, backend, dtype, rank):
    source, target = spaces(rng, dtype)
    table = (rng.normal(size=(40, 7)) * 0.7 ** np.arange(7)).astype(dtype)
    mixing, factors = vocab.ofa(source, target, table, rank=rank)
    np.testing.assert_allclose(
        oracle.dense(mixing), oracle.wechsel(source, target, 10, 0.1), rtol=2e-4, atol=1e-6
    )
    coordinates, primitives, error = oracle.factors(table, rank)
    eps = np.finfo(dtype).eps
    # Each factor is determined up to a sign of its columns.
    signs = np.sign((factors.coordinates * coordinates).sum(axis=0))
    np.testing.assert_allclose(factors.coordinates * signs, coordinates, atol=200 * eps)
    np.testing.assert_allclose(signs[:, None] * factors.primitives, primitives, atol=400 * eps)
    assert abs(factors.relative_error - error) < 1e-7
    assert factors.coordinates.dtype == factors.primitives.dtype == dtype


def test_factors_of_tables_of_low_rank(backend):
    table = np.outer(np.arange(5.0), [3.0, 4.0, 0.0]).astype("float32")
    factors = vocab.factorize(table, 3)
    np.testing.assert_allclose(factors.coordinates @ factors.primitives, table, atol=1e-5)
    assert not factors.coordinates[:, 1:].any()
    nothing = vocab.factorize(np.zeros((4, 2)), 1)
    assert nothing.relative_error == 0
    assert not nothing.coordinates.any()
    single = vocab.factorize(np.arange(1.0, 5.0)[:, None], 1)
    np.testing.assert_allclose(single.coordinates @ single.primitives, np.arange(1.0, 5.0)[:, None])


def shared_tokens(rng, targets=30, sources=40):
    rows = np.sort(rng.permutation(targets)[:12])
    ids = rng.permutation(sources)[:12]
    return vocab.TokenMixing.from_entries(rows, ids, np.ones(12, "float32"), (targets, sources))


@both_types
def test_clp(rng, backend, dtype):
    helper = (rng.normal(size=(30, 6)) + 1).astype(dtype)
    base = shared_tokens(rng)
    helper[base.fallback_rows[3]] = 0
    mixing = vocab.clp(helper, base)
    expected = oracle.clp(helper, oracle.dense(base))
    np.testing.assert_allclose(oracle.dense(mixing), expected, rtol=1e-4, atol=1e-6)
    assert mixing.fallback_rows.tolist() == [base.fallback_rows[3]]
    np.testing.assert_allclose(mixing.row_sums()[mixing.counts > 0], 1, atol=1e-5)
    assert mixing.summary() == {"fallback": 1, "copied": 12, "mixed": 17}


def test_clp_of_the_nearest_and_without_negatives(rng, backend):
    helper = rng.normal(size=(30, 6)).astype("float32")
    base = shared_tokens(rng)
    every, nearest = (vocab.clp(helper, base, negative="zero", k=k) for k in (None, 12))
    assert_convex(every)
    np.testing.assert_allclose(oracle.dense(every), oracle.dense(nearest), atol=1e-6)
    few = vocab.clp(helper, base, negative="zero", k=3)
    assert few.counts.max() == 3
    assert_convex(few)
    with pytest.raises(ShapeError, match="base: expected at least one token with a source"):
        vocab.clp(helper, vocab.TokenMixing.from_entries([], [], [], (30, 40)))
    with pytest.raises(ShapeError, match="helper_vectors: expected 30 rows"):
        vocab.clp(helper[:5], base)


SOURCE = ["<unk>", "▁dog", "▁cat", "s", "▁play", "ing", "▁2", "20", "2", "▁", "x"]
TARGET = [
    "<unk>", "▁chien", "▁chat", "s", "▁jou", "er", "▁jouer", "▁jouez", "▁chiens", "ie",
    "▁2", "20", "▁203", "▁c", "q", "ienn",
]  # fmt: skip

words = st.lists(st.integers(1, 10), min_size=1, max_size=4).map(tuple)


@given(
    st.dictionaries(
        st.tuples(words, st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)),
        st.integers(0, 60),
        max_size=8,
    )
)
def test_transtokenization(counts):
    mixing = vocab.transtokenization(
        counts, SOURCE, [t for t in TARGET if t != "▁203"], source_marks="▁", target_marks="▁"
    )
    expected = oracle.transtokenization(counts, SOURCE, [t for t in TARGET if t != "▁203"], 10)
    np.testing.assert_allclose(oracle.dense(mixing), expected, atol=1e-6)
    assert_convex(mixing)


def test_transtokenization_of_words_of_counts_and_of_digits():
    encode = {"the dogs": [1, 3], "play": [4]}
    source = SimpleNamespace(
        tokens=SOURCE, special=[0], encode=lambda lines: [np.array(encode[x]) for x in lines]
    )
    target = SimpleNamespace(
        tokens=TARGET, special=[0], encode=lambda lines: [np.array([8]) for _ in lines]
    )
    options = {"source_marks": "▁", "target_marks": "▁"}
    named = vocab.transtokenization({("the dogs", "chiens"): 12.7}, source, target, **options)
    ids = vocab.transtokenization({((1, 3), (8,)): 12.7}, source, target, **options)
    assert named == ids
    # Without "203" it is the longest beginning, marked alike first: "20" before "▁2".
    assert named.explain("▁203").sources[0][1] == "20"
    assert named.explain("<unk>").sources == ((0, "<unk>", 1.0),)
    table = vocab.TokenMixing.from_entries([8, 1], [1, 2], [12.0, 9.0], (16, 11))
    counted = vocab.transtokenization(table, SOURCE, TARGET, same_tokens=False, smooth=False)
    assert counted.summary() == {"fallback": 15, "aligned": 1}
    base = vocab.TokenMixing.from_entries([8], [0], [1.0], (16, 11))
    assert vocab.transtokenization(table, SOURCE, TARGET, base=base).row(8)[0].tolist() == [0]
    for counts, error, message in (
        ({("a", "b"): 20}, DTypeError, "source: words as strings need a tokenizer"),
        ({((1,), (99,)): 20}, ValueError, "counts: expected 0 to 15"),
        ({((1,), (1,)): -1}, ValueError, "counts: expected finite numbers, none below 0"),
        ({((1,), (1,)): float("nan")}, ValueError, "counts: expected finite numbers"),
        ([], DTypeError, "counts: expected a mapping"),
        (table.take([0]), ShapeError, "counts: expected shape"),
        ({"ab": 20}, DTypeError, "counts: expected pairs"),
    ):
        with pytest.raises(error, match=message):
            vocab.transtokenization(counts, SOURCE, TARGET)


def test_from_words(rng):
    encodings = [rng.integers(0, 9, size=n).tolist() for n in rng.integers(1, 6, size=20)]
    frequencies = rng.random(20)
    mixing = vocab.from_words(encodings, [str(n) for n in range(11)], frequencies=frequencies)
    expected = oracle.from_words(encodings, 11, frequencies)
    np.testing.assert_allclose(oracle.dense(mixing), expected, atol=1e-6)
    assert_convex(mixing)
    assert 10 in mixing.fallback_rows
    with pytest.raises(ShapeError, match="frequencies: expected 20"):
        vocab.from_words(encodings, ["a"] * 11, frequencies=[1.0])
    with pytest.raises(ValueError, match="encodings: expected 0 to 4"):
        vocab.from_words(encodings, ["a"] * 5)


def test_from_ngrams_has_the_buckets_of_fasttext():
    """Known answers of gensim's implementation of fastText's hash."""
    grams = [1082, 269, 781, 905, 1527, 527, 1331, 1366, 56, 840]
    mixing = vocab.from_ngrams(["##über", "übers"], ["und", "über"], buckets=2000, marks="##")
    ids, weights = mixing.row(0)
    assert ids.tolist() == sorted([1, *(2 + gram for gram in grams)])
    np.testing.assert_allclose(weights, 1 / 11, rtol=1e-6)
    assert 1 not in mixing.row(1)[0]
    single = vocab.from_ngrams(["a"], buckets=2000, min_n=1, max_n=3)
    assert single.row(0)[0].tolist() == sorted([750, 1600, 220, 806])


def test_subword_mean():
    old = ["[UNK]", "play", "##ing", "##s", "the", "ing", "2"]
    pieces = {"playing": [1, 2], "the": [4], "ing": [5], "22": [6, 6, 6], "q": [0]}
    encode = lambda lines: [np.array(pieces.get(x.strip(), [0]), np.int64) for x in lines]  # noqa: E731
    source = SimpleNamespace(tokens=old, special=[0], encode=encode)
    target = ["▁playing", "▁the", "ing", "▁22", "q", "▁", None, "<0xE4>"]
    mixing = vocab.subword_mean(source, target, target_marks="▁")
    expected = np.zeros((8, 7))
    expected[0, [1, 2]], expected[1, 4], expected[2, 5], expected[3, 6] = 0.5, 1, 1, 1
    np.testing.assert_allclose(oracle.dense(mixing), expected, atol=1e-6)
    given = vocab.subword_mean(old, ["a", "b"], pieces=[[1, 1, 3], None])
    np.testing.assert_allclose(oracle.dense(given)[0, [1, 3]], [2 / 3, 1 / 3], rtol=1e-6)
    assert given.fallback_rows.tolist() == [1]
    with pytest.raises(DTypeError, match="source: expected a tokenizer that encodes, or pieces="):
        vocab.subword_mean(old, target)
    with pytest.raises(ShapeError, match="pieces: expected 2"):
        vocab.subword_mean(old, ["a", "b"], pieces=[[1]])
    with pytest.raises(ValueError, match="indices: expected 0 to 6"):
        vocab.subword_mean(old, ["a"], pieces=[[7]])


@both_types
def test_mean_and_gaussian_by_group(rng, backend, dtype):
    rows = (rng.normal(size=(9000, 5)) * [1, 2, 3, 0, 1] + [0, 1, 2, 3, 1e3]).astype(dtype)
    source_groups = np.array(["a", "b", "c"])[np.arange(9000) % 3].tolist()
    source_groups[5] = "alone"
    target_groups = ["b", "a", "alone", "unheard of"]
    options = {"source_groups": source_groups, "target_groups": target_groups}
    means = vocab.mean(rows, 4, **options)
    labels, wide = np.array(source_groups), rows.astype("float64")
    parts = [wide[labels == "b"], wide[labels == "a"], wide, wide]
    expected = np.array([part.mean(axis=0) for part in parts])
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(means, expected, rtol=64 * eps, atol=1e-13)
    drawn = vocab.gaussian(rows, [7, 1, 2, 3], seed=5, **options)
    normal = np.stack(
        [
            np.random.Generator(np.random.Philox(key=5, counter=[0, i, 0, 0])).standard_normal(5)
            for i in (7, 1, 2, 3)
        ]
    )
    expected += np.array([part.std(axis=0) for part in parts]) * normal
    np.testing.assert_allclose(drawn, expected, rtol=64 * eps, atol=1e-11)
    assert drawn.dtype == dtype
    np.testing.assert_array_equal(drawn[:, 3], 3)


def test_a_drawn_row_depends_on_its_id_and_the_seed_alone(rng):
    rows = rng.normal(size=(50, 4))
    for draw in (vocab.gaussian, vocab.multivariate_gaussian):
        several, one = draw(rows, [4, 9, 11]), draw(rows, [9])
        np.testing.assert_allclose(several[1], one[0], rtol=1e-12)
        assert (draw(rows, [9], seed=1) != one).all()
        assert draw(rows, 3).shape == (3, 4)
        assert draw(rows, 0).shape == (0, 4)
        for targets in ([-1], -1, [[1]], [0.5]):
            with pytest.raises((ValueError, DTypeError), match="targets: expected"):
                draw(rows, targets)
        with pytest.raises(ValueError, match="seed: expected 0 to"):
            draw(rows, 1, seed=-1)


@both_types
@pytest.mark.parametrize("columns", [1, 2, 5])
def test_the_multivariate_gaussian(rng, backend, dtype, columns):
    turn = rng.normal(size=(columns, columns))
    rows = (rng.normal(size=(60, columns)) @ turn + 3).astype(dtype)
    drawn = vocab.multivariate_gaussian(rows, 40, scale=0.25, seed=2)
    wide = rows.astype("float64")
    root = np.linalg.cholesky(np.atleast_2d(np.cov(wide.T, bias=True)))
    normal = np.stack(
        [
            np.random.Generator(np.random.Philox(key=2, counter=[0, i, 0, 0])).standard_normal(
                columns
            )
            for i in range(40)
        ]
    )
    expected = wide.mean(axis=0) + 0.5 * normal @ root.T
    np.testing.assert_allclose(drawn, expected, rtol=100 * np.finfo(dtype).eps, atol=1e-9)
    np.testing.assert_allclose(
        vocab.multivariate_gaussian(rows, 2, scale=0), vocab.mean(rows, 2), rtol=1e-6
    )


def test_a_covariance_that_is_not_positive_definite_is_shrunk(rng, backend):
    rows = rng.normal(size=(4, 9))
    drawn = vocab.multivariate_gaussian(rows, 20_000, scale=1.0)
    covariance = np.cov(drawn.T, bias=True)
    expected = np.cov(rows.T, bias=True)
    np.testing.assert_allclose(covariance, expected, atol=0.05 * np.trace(expected))
    equal = vocab.multivariate_gaussian(np.ones((5, 3)), 2, scale=1.0)
    np.testing.assert_array_equal(equal, np.ones((2, 3)))


def test_match_norm(rng, backend):
    rows, reference = rng.normal(size=(20, 6)), rng.normal(size=(50, 6)) * 3
    rows[4] = 0
    wanted = np.linalg.norm(reference, axis=1).mean()
    each = vocab.match_norm(rows, reference)
    norms = np.linalg.norm(each, axis=1)
    np.testing.assert_allclose(np.delete(norms, 4), wanted)
    assert not each[4].any()
    together = vocab.match_norm(rows, reference, how="mean")
    np.testing.assert_allclose(np.linalg.norm(together, axis=1).mean(), wanted)
    np.testing.assert_allclose(together / together[0, 0], rows / rows[0, 0])
    huge = vocab.match_norm(rows * 1e200, reference * 1e-200)
    assert np.isfinite(huge).all()


@both_types
def test_membership_in_a_hull(rng, backend, dtype):
    table = rng.normal(size=(60, 5)).astype(dtype)
    shares = rng.dirichlet(np.ones(60), size=4)
    few = np.zeros((3, 60))
    few[:, :4] = rng.dirichlet(np.ones(4), size=3)
    rows = np.concatenate([shares @ table, few @ table, 3 * table[:4], table[7:8]]).astype(dtype)
    found = vocab.in_convex_hull(rows, table)
    expected = np.array([oracle.nearest_in_hull(r.astype("float64"), table) for r in rows])
    assert found.inside.tolist() == [True] * 7 + [False] * 4 + [True]
    assert not found.undecided.any()
    assert (found.distance >= expected - 1e-5).all()
    assert (found.bound <= expected + 1e-5).all()
    np.testing.assert_allclose(found.bound[7:11], expected[7:11], rtol=1e-3)
    # As many rows as corners, none of them the corner of its number.
    turned = vocab.in_convex_hull(np.roll(table, 1, axis=0), table)
    assert turned.inside.all()
    short = vocab.in_convex_hull(rows[:2], table, max_iterations=1)
    assert short.undecided.all()


def test_convex_methods_stay_in_the_hull(rng):
    source, target = spaces(rng)
    rows = rng.normal(size=(40, 8)).astype("float32")
    made = vocab.wechsel(source, target).take(range(5)).apply(rows)
    assert vocab.in_convex_hull(made, rows).inside.all()
    assert vocab.in_convex_hull(vocab.mean(rows, 1), rows).inside.all()


def test_token_groups():
    tokens = ["▁кот", "кот", "▁cat", "▁2", "▁", "▁catж", None, "<0xE4>", "猫"]
    groups = vocab.token_groups(tokens)
    assert groups == [
        ("Cyrillic", "start"), ("Cyrillic", "inside"), ("Latin", "start"), ("", "start"),
        ("", "start"), ("mixed", "start"), ("special",), ("", "inside"), ("Han", "inside"),
    ]  # fmt: skip
    assert vocab.token_groups(tokens, by="word_start")[0] == ("start",)
    assert vocab.token_groups(["2", "."], by="script") == [("",), ("",)]
    with pytest.raises(ValueError, match="by: expected one of script, word_start"):
        vocab.token_groups(tokens, by="length")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [None, 2])
def test_clp_rows_whose_cosines_cancel_have_no_source(dtype, k):
    shared = vocab.overlap(["a", "b"], ["a", "b", "c"])
    step = 1e-7 if dtype is np.float32 else 1e-13
    helper = np.array([[1, 1], [-1, -1 + step], [1, 0.5]], dtype)
    assert vocab.clp(helper, shared, k=k).counts.tolist() == [1, 1, 0]
    helper[1] = [-1, -0.5]
    np.testing.assert_allclose(vocab.clp(helper, shared, k=k).row_sums(), 1, rtol=1e-3)


def test_counts_of_words_may_be_fractions():
    counts = {((0,), (0,)): 0.3, ((1,), (0,)): 0.1, ((0, 1), (1,)): 0.5}
    mixing = vocab.transtokenization(
        counts, ["▁dog", "▁cat"], ["▁chien", "▁chat"], min_count=0, same_tokens=False
    )
    np.testing.assert_allclose(mixing.row(0)[1], [0.75, 0.25])
    np.testing.assert_allclose(mixing.row(1)[1], [0.5, 0.5])


@pytest.mark.parametrize(
    ("counts", "error"),
    [
        ({((0,), (0,)): "many"}, "expected numbers, got 'many'"),
        ({((0,), (0,)): None}, "expected numbers, got None"),
        ({"dog chien": 30}, "expected pairs"),
        ({((0,), (0,)): 30, 7: 30}, "expected pairs"),
        ({(0, 0): 30}, "expected pairs"),
    ],
)
def test_counts_that_are_none(counts, error):
    with pytest.raises(DTypeError, match=f"counts: {error}"):
        vocab.transtokenization(counts, ["▁dog"], ["▁chien"])
