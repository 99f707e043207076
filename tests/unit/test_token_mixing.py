"""Mixings: what they hold, how they are applied, composed, explained and saved."""

from __future__ import annotations

import json

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core
from isomorph.errors import (
    DTypeError,
    FormatError,
    NonFiniteError,
    ShapeError,
    UnknownWordError,
)
from isomorph.vocab import TokenMixing
from isomorph.vocab._mixing import algebra


def random(rng, targets=50, sources=40, share=0.1, dtype="float64", **about):
    """A mixing and the dense matrix that it is."""
    dense = np.where(rng.random((targets, sources)) < share, rng.normal(size=(targets, sources)), 0)
    dense[::7] = 0
    dense[np.arange(1, targets, 7), rng.integers(sources, size=len(dense[1::7]))] = 1
    dense = dense.astype(dtype)
    rows, columns = np.nonzero(dense)
    order = rng.permutation(len(rows))
    entries = rows[order], columns[order], dense[rows, columns][order]
    return TokenMixing.from_entries(*entries, dense.shape, **about), dense.astype("float64")


def test_it_is_the_matrix_that_it_was_made_of(rng):
    mixing, dense = random(rng)
    assert mixing.shape == dense.shape
    assert len(mixing) == len(dense)
    np.testing.assert_array_equal(mixing.fallback_rows, np.flatnonzero(~dense.any(axis=1)))
    np.testing.assert_allclose(mixing.row_sums(), dense.sum(axis=1), atol=1e-12)
    for row in range(len(dense)):
        ids, weights = mixing.row(row)
        np.testing.assert_array_equal(ids, np.flatnonzero(dense[row]))
        np.testing.assert_array_equal(weights, dense[row][ids])
    assert not mixing.weights.flags.writeable


def test_rows_are_sorted_and_an_entry_twice_is_refused():
    mixing = TokenMixing([0, 2, 4], [3, 1, 0, 2], [1.0, 2.0, 3.0, 4.0], (2, 5))
    assert mixing.indices.tolist() == [1, 3, 0, 2]
    assert mixing.weights.tolist() == [2.0, 1.0, 3.0, 4.0]
    with pytest.raises(ValueError, match="row 1 has source 4 twice; TokenMixing"):
        TokenMixing([0, 1, 3], [4, 4, 4], [1.0, 0.5, 0.5], (2, 5))
    assert TokenMixing.from_entries([1, 1], [4, 4], [0.5, 0.25], (2, 5)).weights.tolist() == [0.75]


def test_the_smallest_ones():
    nothing = TokenMixing([0], [], [], (0, 0))
    assert nothing.row_sums().shape == (0,)
    empty = TokenMixing([0, 0, 0], [], [], (2, 3))
    assert empty.fallback_rows.tolist() == [0, 1]
    rows = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(empty.apply(rows, fallback=rows[2]), [rows[2], rows[2]])
    assert TokenMixing.from_entries([], [], [], (2, 3)) == empty


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 3, 64, 100])
def test_apply_is_the_product(rng, backend, dtype, width):
    mixing, dense = random(rng, dtype=dtype)
    rows = rng.normal(size=(40, width)).astype(dtype)
    fallback = rng.normal(size=(len(mixing.fallback_rows), width)).astype(dtype)
    found = mixing.apply(rows, fallback=fallback)
    expected = dense @ rows
    expected[mixing.fallback_rows] = fallback
    assert found.dtype == dtype
    eps = np.finfo(dtype).eps
    bound = 40 * eps * (np.abs(dense) @ np.abs(rows.astype("float64")))
    assert (np.abs(found - expected) <= bound).all()
    np.testing.assert_array_equal(mixing(rows, fallback=fallback), found)


def test_a_bias_is_a_table_of_one_column(rng, backend):
    mixing, _ = random(rng)
    bias = rng.normal(size=40)
    fallback = rng.normal(size=len(mixing.fallback_rows))
    found = mixing.apply(bias, fallback=fallback)
    table = mixing.apply(bias[:, None], fallback=fallback[:, None])
    np.testing.assert_array_equal(found, table[:, 0])
    one = mixing.apply(bias, fallback=np.array([2.5]))
    assert (one[mixing.fallback_rows] == 2.5).all()
    bias[7] = np.nan
    with pytest.raises(NonFiniteError, match="rows: row 7"):
        mixing.apply(bias, fallback=fallback)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_copies_are_bit_exact(rng, backend, dtype):
    """Minus zero, subnormal and the largest values included, in a type of any width."""
    tiny, largest = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    rows = rng.normal(size=(6, 70)).astype(dtype)
    rows[0, :4] = [-0.0, tiny, largest, -largest]
    copies = np.array([0, 3, 0, 5])
    mixing = TokenMixing([0, 1, 2, 3, 4], copies, np.ones(4, "float32"), (4, 6))
    assert mixing.summary() == {"copied": 4}
    found = mixing.apply(rows, dtype=dtype)
    assert found.dtype == dtype
    assert found.tobytes() == rows[copies].tobytes()


def test_bfloat16_is_widened_and_written(rng):
    bfloat16 = np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    rows = rng.normal(size=(6, 5)).astype(bfloat16)
    mixing = TokenMixing([0, 1, 3], [2, 0, 5], np.array([1, 0.5, 0.5], "float32"), (2, 6))
    wide = mixing.apply(rows)
    np.testing.assert_array_equal(wide, mixing.apply(rows.astype("float32")))
    narrow = mixing.apply(rows, dtype=bfloat16)
    assert narrow.tobytes() == wide.astype(bfloat16).tobytes()
    assert narrow[0].tobytes() == rows[2].tobytes()


def test_out_takes_the_result_whatever_its_layout(rng, backend):
    mixing, _ = random(rng)
    rows, fallback = rng.normal(size=(40, 6)).astype("float32"), np.zeros(6, "float32")
    expected = mixing.apply(rows, fallback=fallback)
    wide = np.zeros((100, 12), "float32")
    for out in (
        np.empty_like(expected),
        np.asfortranarray(np.empty_like(expected)),
        wide[::2, ::2],
        expected.astype("float64"),
        expected.astype("float16"),
        expected.astype(">f4"),
    ):
        assert mixing.apply(rows, fallback=fallback, out=out) is out
        np.testing.assert_array_equal(out, expected.astype(out.dtype))
    assert not wide[1::2].any()
    with pytest.raises(ShapeError, match=r"out: expected shape \(50, 6\), got \(40, 6\)"):
        mixing.apply(rows, fallback=fallback, out=np.empty((40, 6), "float32"))
    with pytest.raises(DTypeError, match="out: expected float64"):
        mixing.apply(rows, fallback=fallback, dtype="float64", out=np.empty((50, 6), "float32"))
    expected.flags.writeable = False
    with pytest.raises(ValueError, match="out: the array is read-only"):
        mixing.apply(rows, fallback=fallback, out=expected)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_out_may_be_the_rows_themselves(rng, backend, dtype):
    rows = rng.normal(size=(6, 5)).astype(dtype)
    turn = TokenMixing(range(7), [1, 2, 3, 4, 5, 0], np.ones(6, "float32"), (6, 6))
    expected = np.roll(rows, -1, axis=0)
    np.testing.assert_array_equal(turn.apply(rows, out=rows), expected)


def test_rows_without_a_source_need_a_fallback(rng, backend):
    mixing = TokenMixing([0, 0, 1, 1], [1], [1.0], (3, 2))
    rows = np.ones((2, 4))
    with pytest.raises(ValueError, match=r"fallback: 2 of 3 target tokens have no source \(the fi"):
        mixing.apply(rows)
    for shape in ((3, 4), (2, 3), (2,), (1, 1)):
        with pytest.raises(ShapeError, match=r"fallback: expected shape \(4,\) or \(1, 4\) or"):
            mixing.apply(rows, fallback=np.ones(shape))
    with pytest.raises(NonFiniteError, match="fallback: row 1 has"):
        mixing.apply(rows, fallback=np.array([[1.0] * 4, [np.nan] * 4]))
    found = mixing.apply(rows, fallback=np.arange(8.0).reshape(2, 4))
    assert found[[0, 2]].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    complete = TokenMixing([0, 1], [1], [1.0], (1, 2))
    np.testing.assert_array_equal(complete.apply(rows, fallback=np.ones((0, 4))), rows[:1])


def test_padded_rows_must_be_taken_off(rng):
    mixing, _ = random(rng)
    with pytest.raises(ShapeError, match=r"expected 40 rows, one a source .*take rows\[:40\]"):
        mixing.apply(np.ones((64, 3)))


def test_a_sum_beyond_the_narrow_type_is_refused(backend):
    mixing = TokenMixing([0, 1, 3], [0, 0, 1], [1.0, 40000.0, 40000.0], (2, 2))
    rows = np.ones((2, 3), "float16")
    with pytest.raises(ValueError, match="row 1 of the result is beyond the range of float16"):
        mixing.apply(rows, dtype="float16")


def test_take_fill_and_compose_are_those_of_matrices(rng):
    a, first = random(rng, 30, 40)
    b, second = random(rng, 30, 40)
    dense = lambda mixing: mixing.apply(  # noqa: E731
        np.eye(mixing.shape[1]), fallback=np.zeros(mixing.shape[1])
    )
    picked = [7, 3, 3, 0]
    np.testing.assert_array_equal(dense(a.take(picked)), first[picked])
    np.testing.assert_array_equal(a.take(picked).origins, a.origins[picked])
    with pytest.raises(ValueError, match="targets: expected 0 to 29"):
        a.take([30])
    filled = np.where(first.any(axis=1)[:, None], first, second)
    np.testing.assert_array_equal(dense(a.fill(b)), filled)
    with pytest.raises(ShapeError, match="other: expected shape"):
        a.fill(random(rng, 30, 41)[0])
    c, third = random(rng, 5000, 30, share=0.05)
    with pytest.raises(ValueError, match=r'stand on tokens that have no source .*lost="drop"'):
        c.compose(a)
    product = c.compose(a, lost="drop")
    np.testing.assert_allclose(dense(product), third @ first, atol=1e-12)
    assert a.then(c, lost="drop") == product
    complete = TokenMixing(range(31), [0] * 30, np.ones(30), (30, 40))
    assert c.compose(complete).fallback_rows.tolist() == c.fallback_rows.tolist()
    with pytest.raises(ShapeError, match="other: expected 40 target tokens"):
        a.compose(b)


def test_copies_after_a_mixing_are_its_rows(rng):
    a, _ = random(rng, 30, 40)
    copies = TokenMixing(range(6), [1, 2, 8, 2, 15], np.ones(5), (5, 30))
    product = copies.compose(a, lost="drop")
    for row, source in enumerate([1, 2, 8, 2, 15]):
        for one, other in zip(product.row(row), a.row(source), strict=True):
            np.testing.assert_array_equal(one, other)


def test_fill_joins_the_origins_by_name():
    a = TokenMixing([0, 1, 1], [0], [1.0], (2, 3), method="overlap", settings={"rule": "case"})
    b = TokenMixing(
        [0, 1, 2], [1, 2], [1.0, 0.5], (2, 3), method="mine", settings={"k": 1},
        origins=[2, 1], origin_names=("nothing", "near", "far"),
    )  # fmt: skip
    both = a.fill(b)
    assert both.summary() == {"copied": 1, "near": 1}
    assert (both.method, both.settings) == (
        "overlap + mine",
        {"overlap": {"rule": "case"}, "mine": {"k": 1}},
    )


def test_explain_says_what_a_token_is_made_of():
    mixing = TokenMixing(
        [0, 3, 4, 4],
        [0, 1, 2, 1],
        [0.25, -0.5, 0.25, 1.0],
        (3, 3),
        target_tokens=["▁chien", "▁chat", "\n"],
        source_tokens=["▁dog", None, " "],
    )
    made = mixing.explain("▁chien", top=2)
    assert made.sources == ((1, None, -0.5), (0, "▁dog", 0.25))
    assert str(made).splitlines() == [
        "▁chien (0, mixed)",
        "  -0.5000        1",
        "   0.2500  ▁dog  0",
        "  and 1 more",
    ]
    assert "' '" in str(mixing.explain(0))
    assert str(mixing.explain(2)) == "'\\n' (2, fallback)"
    with pytest.raises(UnknownWordError, match=r"'▁Chat' \(near: ▁chat"):
        mixing.explain("▁Chat")
    with pytest.raises(ValueError, match="token: expected 0 to 2"):
        mixing.explain(3)
    with pytest.raises(ValueError, match="target tokens are not known"):
        mixing.take([0]).fill(TokenMixing([0, 0], [], [], (1, 3))).compose(
            TokenMixing(range(4), [0, 1, 2], np.ones(3), (3, 3))
        ).__class__([0, 1], [0], [1.0], (1, 1)).explain("▁chien")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_file_gives_the_same_back(rng, tmp_path, dtype):
    tokens = [f"t{n}" for n in range(48)] + [None, "a\nb\udce4"]
    mixing, _ = random(
        rng, dtype=dtype, method="mine", settings={"k": 3, "rule": "case"}, target_tokens=tokens
    )
    mixing.save(tmp_path / "mixing.safetensors")
    found = TokenMixing.load(tmp_path / "mixing.safetensors")
    assert found == mixing
    assert found.indices.dtype == np.int32
    assert found.target_tokens == tuple(tokens)


def broken(mixing, path, **changed):
    """A file of the mixing with tensors or metadata changed; None: left out."""
    mixing.save(path)
    tensors, metadata = _core.read_safetensors(str(path))
    about = json.loads(metadata["mixing"])
    for name, value in changed.items():
        place = next(
            place for place in (tensors, metadata, about) if name.replace("__", ".") in place
        )
        if value is None:
            del place[name.replace("__", ".")]
        else:
            place[name.replace("__", ".")] = value
    metadata["mixing"] = json.dumps(about)
    _core.write_safetensors(str(path), tensors, metadata)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"indptr": np.array([0, 2])}, "indptr: expected 4 offsets"),
        ({"indptr": np.array([0, 2, 1, 3])}, "offsets that never decrease"),
        ({"indptr": np.array([1, 2, 2, 3])}, "indptr: expected 0 first"),
        ({"indptr": np.array([0.0, 2, 2, 3])}, "indptr: expected integers"),
        ({"indptr": np.array([0, 1, 2, 2**62])}, "expected 4611686018427387904 entries"),
        ({"indices": np.array([0, 1, 9])}, "indices: expected 0 to 3"),
        ({"indices": np.array([0, -1, 1])}, "indices: expected 0 to 3"),
        ({"indices": np.array([1, 1, 0])}, "row 0 has source 1 twice"),
        ({"indices": None}, "'indices' is missing"),
        ({"weights": np.array([1, 2, 3])}, "weights: expected float32 or float64"),
        ({"weights": np.array([1.0, np.nan, 3.0])}, "weights: entry 1 is a NaN"),
        ({"origins": np.array([0, 0, 2])}, "origins: expected 0 where a row has no entry"),
        ({"origins": np.array([2, 0, 9])}, "origins: expected 0 to 2"),
        ({"origins": np.array([2, 0])}, "origins: expected 3 numbers"),
        ({"shape": [3, "4"]}, "shape: expected an integer"),
        ({"shape": [3]}, "not enough values"),
        ({"shape": [2**40, 4]}, "shape: expected 0 to"),
        ({"settings": 3}, "not iterable"),
        ({"origin_names": ["a", "a", "b"]}, "origin_names: expected names that are all"),
        ({"target_tokens": np.zeros(3, "uint8")}, "target_tokens: expected 6 bytes, got 3"),
        ({"target_tokens__lengths": np.array([6, -2, 0])}, "expected lengths of -1 to 6"),
        ({"target_tokens__lengths": np.array([2**62, 2**62, 0])}, "expected lengths of -1"),
        ({"target_tokens__lengths": np.array([3, 3])}, "target_tokens: expected 3 tokens"),
        ({"target_tokens": np.full(6, 0xFF, "uint8")}, "codec can't decode"),
        ({"format": "isomorph.remap"}, "expected a file of isomorph.TokenMixing"),
        ({"format_version": "2"}, "expected format version 1"),
    ],
)
def test_hostile_content_is_a_named_error(tmp_path, changed, message):
    path = tmp_path / "mixing.safetensors"
    mixing = TokenMixing(
        [0, 2, 2, 3], [0, 1, 2], [0.5, 0.5, 0.25], (3, 4), target_tokens=["ab", "cd", "ef"]
    )
    broken(mixing, path, **changed)
    with pytest.raises(FormatError, match=message) as raised:
        TokenMixing.load(path)
    assert str(path) in str(raised.value)


def test_settings_that_are_no_json_are_refused(tmp_path):
    mixing = TokenMixing([0], [], [], (0, 0), settings={"what": object()})
    with pytest.raises(TypeError, match="settings: they are saved as JSON"):
        mixing.save(tmp_path / "mixing.safetensors")


def test_wrong_arguments_are_named():
    for arguments, error, message in (
        (([0, 1], [0], [1], (1, 1)), DTypeError, "weights: expected float32 or float64"),
        (([0, 1], [0.0], [1.0], (1, 1)), DTypeError, "indices: expected integers"),
        (([0, 1], [[0]], [1.0], (1, 1)), ShapeError, "indices: expected one dimension"),
        (([0, 2], [0], [1.0], (1, 1)), ShapeError, "expected 2 entries"),
        (([0, 1], [0], [1.0], 3), ShapeError, "shape: expected"),
    ):
        with pytest.raises(error, match=message):
            TokenMixing(*arguments)
    with pytest.raises(ShapeError, match="target_tokens: expected 1 tokens"):
        TokenMixing([0, 1], [0], [1.0], (1, 1), target_tokens=[])
    with pytest.raises(DTypeError, match="source_tokens: expected a list of tokens"):
        TokenMixing([0, 1], [0], [1.0], (1, 1), source_tokens="a")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_kernel_gives_the_bytes_of_the_plain_sums(rng, dtype):
    """In the order of the entries, each product and each sum rounded, on any threads."""
    mixing, _ = random(rng, 300, 40, 0.3, "float32" if dtype == "float16" else dtype)
    fallback = np.zeros(37, dtype)
    for rows in (
        rng.normal(size=(40, 37)).astype(dtype),
        rng.normal(size=(37, 40)).astype(dtype).T,
    ):
        with iso.runtime.use_backend("array"):
            expected = mixing.apply(rows, fallback=fallback)
        for threads in (1, 3):
            found = mixing.apply(rows, fallback=fallback, threads=threads)
            assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("descending", [False, True])
def test_composing_with_single_sources_gives_the_bytes_of_a_product(rng, dtype, descending):
    """What is only renamed is neither sorted nor added; it is the same, in order or not."""
    mixing, dense = random(rng, 300, 40, 0.3, dtype)
    sources = np.sort(rng.permutation(60)[:40])[:: -1 if descending else 1]
    weights = rng.normal(size=40)
    single = TokenMixing(np.arange(41), sources, weights, (40, 60))
    found = mixing.compose(single)
    counts = single.counts[mixing.indices]
    assert (algebra._renamed(mixing, single, counts, weights.dtype) is None) == descending
    indptr, indices, products = algebra._multiplied(mixing, single, counts, weights.dtype)
    np.testing.assert_array_equal(found.indptr, indptr)
    np.testing.assert_array_equal(found.indices, indices)
    assert found.weights.tobytes() == products.tobytes()
    expected = np.zeros((300, 60))
    expected[:, sources] = dense * weights
    entries = np.repeat(np.arange(300), found.counts), found.indices
    np.testing.assert_array_equal(found.weights, expected[entries])
