"""``memory=`` and files: what is read, what is refused, what is told meanwhile."""

from __future__ import annotations

import re

import numpy as np
import pytest

import isomorph as iso
from isomorph import _memory, _planning, _streaming
from isomorph.errors import DTypeError, FormatError, MemoryBudgetError, NonFiniteError
from support.contracts import content

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 40), dtype=np.float32)
Y = RNG.standard_normal((500, 40), dtype=np.float32)
#: Enough for blocks of some ten rows, once these are allowed.
TIGHT = _memory.FIXED + 200_000


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(_memory, "SMALLEST_BLOCK", 8)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, None), (7, 7), (np.int64(9), 9), ("12", 12), ("12 B", 12), ("500MB", 500_000_000),
     ("1.5gb", 1_500_000_000), ("2 GiB", 2 << 30), ("3k", 3000)],
)  # fmt: skip
def test_a_budget_is_bytes_or_says_its_unit(given, expected):
    assert _memory.parse(given) == expected


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 100])
@pytest.mark.parametrize("largest", [1, 3, 8, 200])
def test_rows_are_cut_evenly(rows, largest):
    blocks = _streaming.cut(rows, largest)
    assert [block.start for block in blocks] == [0, *(block.stop for block in blocks[:-1])]
    assert blocks[-1].stop == rows
    sizes = [block.stop - block.start for block in blocks]
    assert max(sizes) <= largest
    assert max(sizes) - min(sizes) <= 1


def test_the_least_that_would_do_is_named_and_does():
    with pytest.raises(MemoryBudgetError, match=r"at least [0-9,]+ bytes for 300 x 500") as caught:
        iso.csls_both(X, Y, 3, memory=1)
    least = int(re.search("at least ([0-9,]+)", str(caught.value))[1].replace(",", ""))
    assert content(iso.csls_both(X, Y, 3, memory=least))[:4] == content(iso.csls_both(X, Y, 3))[:4]
    with pytest.raises(MemoryBudgetError):
        iso.csls_both(X, Y, 3, memory=least - 1)


def test_needs_grow_with_everything():
    least = _memory.Needs(1000, 2000, 64, 4, (False, False), 10, False)
    grown = [
        _memory.Needs(1000, 2000, 96, 4, (False, False), 10, False),
        _memory.Needs(1000, 2000, 64, 8, (False, False), 10, False),
        _memory.Needs(1000, 2000, 64, 4, (True, False), 10, False),
        _memory.Needs(1000, 2000, 64, 4, (False, False), 100, False),
        _memory.Needs(1000, 2000, 64, 4, (False, False), 10, True),
    ]
    assert all(needs.whole() > least.whole() for needs in grown)
    assert least.block(100, 100) < least.block(101, 100) < least.block(101, 101)
    largest = least.largest_block(budget := least.block(500, 500) + 1)
    assert least.block(largest, largest) <= budget < least.block(largest + 1, largest + 1)


FILES = {
    "float32": X,
    "float64": X.astype("float64"),
    "float16": X.astype("float16"),
    "other byte order": X.astype(">f4"),
    "columns first": np.asfortranarray(X),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("memory", [None, TIGHT])
def test_files_are_read_like_arrays(kind, memory, tmp_path, small_blocks):
    stored = FILES[kind]
    path = tmp_path / "x.npy"
    np.save(path, stored)
    expected = content(iso.topk(stored, Y, 4))
    mapped = np.load(path, mmap_mode="r")
    for queries in (path, str(path), mapped):
        assert content(iso.topk(queries, Y, 4, memory=memory)) == expected
    radii = content(iso.csls_radii(stored, Y))
    assert content(iso.csls_radii(path, Y, memory=memory)) == radii
    best = content(iso.csls(Y, stored, 2))
    assert content(iso.csls(Y, path, 2, memory=memory)) == best
    both = content(iso.csls_both(path, path, 2, memory=memory))
    assert both[:8] == content(iso.csls_both(stored, stored, 2))[:8]


def test_a_mapped_file_of_the_computing_type_is_not_copied(tmp_path):
    np.save(tmp_path / "x.npy", X)
    (opened,) = _streaming.open_rows(x=tmp_path / "x.npy")
    assert isinstance(opened, np.memmap)
    from isomorph import _arrays

    (ready,) = _arrays.Arguments(x=opened).ready().arrays
    assert np.shares_memory(ready, opened)


def test_what_is_no_npy_file_is_refused(tmp_path):
    with pytest.raises(DTypeError, match=r"queries: expected an array, got 'words\.vec'"):
        iso.topk("words.vec", Y)
    with pytest.raises(DTypeError, match=r"target: expected an array, got .*, not the path"):
        iso.csls(X, tmp_path)
    with pytest.raises(FileNotFoundError):
        iso.topk(tmp_path / "none.npy", Y)
    text = tmp_path / "text.npy"
    text.write_text("the 0.1 0.2")
    with pytest.raises(FormatError, match=r"text\.npy"):
        iso.topk(text, Y)
    np.save(cut := tmp_path / "cut.npy", X)
    cut.write_bytes(cut.read_bytes()[:-4])
    with pytest.raises(FormatError, match=r"cut\.npy"):
        iso.topk(cut, Y)
    np.save(integers := tmp_path / "integers.npy", np.ones((3, 40), int))
    with pytest.raises((FormatError, DTypeError)):
        iso.topk(integers, Y)
    np.save(objects := tmp_path / "objects.npy", np.array([[{}]]), allow_pickle=True)
    with pytest.raises((FormatError, DTypeError)):
        iso.topk(objects, Y)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_bad_row_is_named_by_its_place_in_the_whole(dtype, monkeypatch, small_blocks):
    monkeypatch.setattr(_streaming, "CHECKED", 400)
    y = Y.astype(dtype)
    y[321, 7] = np.nan
    reports = []
    with pytest.raises(NonFiniteError, match=r"^corpus: row 321 "):
        iso.topk(X, y, memory=TIGHT, progress=lambda *report: reports.append(report))
    # Before the search.
    assert not reports
    same = [content(iso.topk(X, y, 5, memory=m, check_finite=False)) for m in (None, TIGHT)]
    assert same[0] == same[1]
    same = [content(iso.csls(X, y, 5, memory=m, check_finite=False)) for m in (None, TIGHT)]
    assert same[0] == same[1]


def test_a_score_that_overflows_names_its_row(small_blocks):
    x = X.copy()
    x[200] = 3e38
    for memory in (None, TIGHT):
        with pytest.raises(ValueError, match="row 200 of queries overflows float32"):
            iso.topk(x, Y, metric="dot", memory=memory)


def test_an_index_is_searched_in_blocks(small_blocks):
    index = iso.Index(Y)
    assert content(iso.topk(X, index, 4, memory=TIGHT)) == content(iso.topk(X, Y, 4))


def test_given_radii_are_used_and_checked(small_blocks):
    radii = iso.csls_radii(X, Y)
    for given in ({"source_radii": radii[0] + 1}, {"target_radii": radii[1] * 2}):
        expected = content(iso.csls_both(X, Y, **given))
        assert content(iso.csls_both(X, Y, **given, memory=TIGHT)) == expected
    bad = radii[0].copy()
    bad[17] = np.inf
    with pytest.raises(NonFiniteError, match="source_radii: entry 17 is NaN or infinite"):
        iso.csls(X, Y, source_radii=bad, target_radii=radii[1], memory=TIGHT)


def test_other_libraries_have_no_budget():
    array_api_strict = pytest.importorskip("array_api_strict")
    x = array_api_strict.asarray(X)
    with pytest.raises(DTypeError, match="memory: expected None with arrays of other libraries"):
        iso.topk(x, x, memory="1GB")


@pytest.mark.parametrize("function", [iso.topk, iso.csls, iso.csls_radii, iso.csls_both])
def test_progress_is_of_the_whole_job(function, small_blocks):
    reports = []
    function(X, Y, memory=TIGHT, progress=lambda *report: reports.append(report))
    sweeps = 2 if function in (iso.csls, iso.csls_both) else 1
    assert {total for _, total in reports} == {sweeps * len(X) * len(Y)}
    done = [number for number, _ in reports]
    assert done == sorted(done)
    assert done[-1] == reports[-1][1]
    assert len(reports) > 4


@pytest.mark.parametrize("when", [0.1, 0.6])
def test_an_interrupt_says_how_far_it_was(when, small_blocks):
    def stop(done, total):
        if done > when * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"interrupted at \d+% .*nothing was written") as e:
        iso.csls_both(X, Y, memory=TIGHT, progress=stop)
    share = int(re.search(r"(\d+)%", str(e.value))[1])
    assert 100 * when <= share < 100
    assert re.search(r"\([1-9]\d* of \d+ pairs of blocks done\)", str(e.value))


@pytest.mark.parametrize("memory", [None, TIGHT])
@pytest.mark.parametrize("function", [iso.topk, iso.csls, iso.csls_radii, iso.csls_both])
def test_a_large_search_is_announced(function, memory, monkeypatch, capsys, small_blocks):
    monkeypatch.setattr(_planning, "LARGE", 0)
    expected = content(function(X, Y))[:4]
    assert capsys.readouterr().err == ""
    assert content(function(X, Y, memory=memory, progress=True))[:4] == expected
    line = capsys.readouterr().err.splitlines()[0]
    cut = r"\d+ pairs of blocks, " if memory else ""
    assert re.fullmatch(rf"300 x 500 x 40: {cut}about \d+ s at \d+ G multiply-adds/s", line)
    function(X, Y, memory=memory, progress=lambda *_: None)
    assert capsys.readouterr().err == ""


def test_small_searches_are_not_announced(capsys):
    iso.topk(X, Y, progress=True)
    assert "about" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (1440, "24 min"), (7200, "2.0 h")]
)
def test_durations_are_readable(seconds, text):
    assert _planning.duration(seconds) == text
