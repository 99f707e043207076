"""Laws of remaps and of pruning."""

from __future__ import annotations

import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from isomorph.vocab import Remap, prune


@st.composite
def remaps(draw: st.DrawFn, old_size: int | None = None) -> Remap:
    size = draw(st.integers(0, 40)) if old_size is None else old_size
    order = draw(st.permutations(range(size)))
    kept = order[: draw(st.integers(0, size))]
    return Remap.from_kept(kept, size, dropped=draw(st.integers(-1, len(kept) - 1)))


@given(remaps())
def test_the_two_tables_undo_each_other(remap: Remap) -> None:
    assert np.array_equal(remap.old_to_new[remap.new_to_old], np.arange(len(remap)))
    gone = np.setdiff1d(np.arange(remap.old_size), remap.new_to_old)
    assert (remap.old_to_new[gone] == remap.dropped).all()


@given(remaps(), st.data())
def test_gather_is_the_rows_and_ids_follow_them(remap: Remap, data: st.DataObject) -> None:
    table = np.arange(remap.old_size * 3, dtype=np.int16).reshape(-1, 3)
    rows = remap.gather(table)
    assert np.array_equal(remap.scatter(rows, table), table)
    tokens = data.draw(st.lists(st.sampled_from(range(max(remap.old_size, 1))), max_size=8))
    tokens = tokens if remap.old_size else []
    for old, new in zip(tokens, remap.ids(tokens).tolist(), strict=True):
        if old in remap.new_to_old:
            assert np.array_equal(rows[new], table[old])


@given(remaps(), st.data())
def test_composing_is_gathering_twice(first: Remap, data: st.DataObject) -> None:
    second = data.draw(remaps(old_size=len(first)))
    third = data.draw(remaps(old_size=len(second)))
    table = np.arange(first.old_size)
    both = first.then(second)
    assert np.array_equal(both.gather(table), second.gather(first.gather(table)))
    assert both.then(third) == first.then(second.then(third))


@given(remaps(), st.data())
def test_rows_of_any_type_are_those_that_numpy_takes(remap: Remap, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(["?", "i1", "f2", "<i4", ">f4", "c8", "c16", "S3"]))
    shape = (remap.old_size, *data.draw(st.lists(st.integers(0, 5), max_size=2)))
    order = data.draw(st.permutations(range(len(shape))))
    raw = np.arange(np.prod(shape, dtype=int) * np.dtype(dtype).itemsize, dtype=np.uint8) % 2
    rows = raw.view(dtype).reshape([shape[axis] for axis in order]).transpose(np.argsort(order))
    expected = rows[remap.new_to_old]
    assert remap.gather(rows).tobytes() == expected.tobytes()
    out = np.empty(expected.shape, dtype, order=data.draw(st.sampled_from("CF")))
    assert remap.gather(rows, out=out) is out
    assert out.tobytes() == expected.tobytes()


@given(remaps(), st.data())
def test_ids_are_those_of_the_table_and_the_policy(remap: Remap, data: st.DataObject) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(["i1", "i2", "i4", "i8"])))
    ids = np.array(data.draw(st.lists(st.integers(-128, 127), max_size=30)), dtype)
    ignored = data.draw(st.sets(st.sampled_from([-100, -1, 100]), max_size=3))
    unknown = data.draw(st.sampled_from(["dropped", "keep"]))

    def expected(old: int) -> int:
        if 0 <= old < remap.old_size:
            return int(remap.old_to_new[old])
        return old if old in ignored or unknown == "keep" else remap.dropped

    wanted = [expected(old) for old in ids.tolist()]
    new = remap.ids(ids, unknown=unknown, ignore=ignored)
    assert new.dtype == dtype
    assert new.tolist() == wanted
    assert remap.ids(ids, unknown=unknown, ignore=ignored, dtype=">i8").tolist() == wanted
    assert remap.ids(ids, unknown=unknown, ignore=ignored, in_place=True) is ids
    assert ids.tolist() == wanted


@given(remaps(), st.data())
def test_renumbering_twice_is_renumbering_by_both(first: Remap, data: st.DataObject) -> None:
    second = data.draw(remaps(old_size=len(first)))
    kept = [old for old in range(first.old_size) if old in first.new_to_old]
    ids = data.draw(st.lists(st.sampled_from(kept), max_size=8)) if kept else []
    assert np.array_equal(second.ids(first.ids(ids)), first.then(second).ids(ids))


@given(st.permutations(range(20)))
def test_the_inverse_of_a_permutation(order: list[int]) -> None:
    remap = Remap.from_kept(order, 20)
    identity = Remap.from_kept(range(20), 20)
    assert remap.then(remap.inverse()) == identity
    assert remap.inverse().inverse() == remap


@given(st.lists(st.text(max_size=6), max_size=30), st.integers(0, 30))
def test_filters_commute_and_top_comes_last(words: list[str], top: int) -> None:
    both = prune(words, scripts=["Latin", "Greek"], drop_ascii=True)
    ascii_gone = prune(words, drop_ascii=True)
    then_scripts = prune(ascii_gone.gather(words), scripts=["Latin", "Greek"])
    assert both == ascii_gone.then(then_scripts)
    cut = prune(words, scripts=["Latin", "Greek"], drop_ascii=True, top=top)
    assert np.array_equal(cut.new_to_old, both.new_to_old[:top])


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=30))
def test_latin_agrees_with_the_names_of_letters(words: list[str]) -> None:
    """For letters, the Unicode name says the script too: an independent witness."""
    kept = set(prune(words, scripts="Latin", keep_without_script=False).gather(words))
    for word in words:
        letters = [c for c in word if unicodedata.category(c) in ("Lu", "Ll", "Lt")]
        if all(c in letters for c in word) and word:
            latin = all(
                unicodedata.name(c, "").startswith(("LATIN ", "FULLWIDTH LATIN ")) for c in letters
            )
            if latin:
                assert word in kept
