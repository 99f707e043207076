"""Moments: what they take and refuse, files, interruptions, bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core
from isomorph._moments import _inputs, _sums
from isomorph.errors import DTypeError, FormatError, NonFiniteError, ShapeError


def parts(moments):
    return {
        label: [np.asarray(part).tobytes() for part in sums.parts]
        for label, sums in sorted(moments._groups.items())
    }


@pytest.fixture
def rows(rng):
    return rng.standard_normal((30, 4)), rng.standard_normal((30, 3))


@pytest.fixture
def moments(rows):
    made = iso.linalg.Moments(4, 3, norms=True)
    made.update(*rows, group=np.arange(30) % 3, weights=np.linspace(0, 1, 30))
    return made


def test_the_same_bytes_for_any_number_of_threads(rng):
    x, y = rng.standard_normal((2, 9000, 150)).astype(np.float32)
    group = rng.integers(0, 3, 9000)
    answers = []
    for threads in (1, 2, 5):
        moments = iso.linalg.Moments(150, 150, norms=True)
        moments.update(x, y, group=group, threads=threads)
        fits = [moments.ols(threads=threads), moments.ridge(threads=threads)]
        answers.append((parts(moments), [fit.matrix.tobytes() for fit in fits]))
    assert answers[0] == answers[1] == answers[2]


def test_slices_do_not_show(rng, monkeypatch):
    x, y = rng.standard_normal((2, 9000, 5))
    whole = iso.linalg.Moments(5, 5)
    whole.update(x, y)
    monkeypatch.setattr(_inputs, "SLICE", 4096)
    sliced = iso.linalg.Moments(5, 5)
    sliced.update(x, y)
    assert parts(sliced) == parts(whole)


def test_float16_is_widened_and_float64_remembered(rng):
    x, y = rng.standard_normal((2, 50, 3)).astype(np.float16)
    moments, wide = iso.linalg.Moments(3, 3), iso.linalg.Moments(3, 3)
    moments.update(x, y)
    wide.update(x.astype(np.float32), y.astype(np.float32))
    assert parts(moments) == parts(wide)
    assert moments.ols().matrix.dtype == np.float32
    moments.update(x.astype(np.float64), y)
    assert moments.ols().matrix.dtype == np.float64


def test_no_rows_are_no_rows(moments):
    before = parts(moments)
    moments.update(np.ones((0, 4)), np.ones((0, 3)))
    moments.merge(iso.linalg.Moments(4, 3, norms=True))
    assert parts(moments) == before
    with pytest.raises(ValueError, match="moments: expected at least one row"):
        iso.linalg.Moments(4, 3).ols()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": np.ones((30, 5))}, ShapeError, r"x: expected 4 columns"),
        ({"y": np.ones((29, 3))}, ShapeError, r"y: expected 30 rows as in x"),
        ({"weights": np.ones(29)}, ShapeError, r"weights: expected shape \(30,\)"),
        ({"weights": -np.ones(30)}, ValueError, "weights: expected none negative"),
        ({"weights": np.full(30, 1e-31)}, ValueError, "weights: expected 0, or values from"),
        ({"weights": np.full(30, np.nan)}, NonFiniteError, "weights: a NaN"),
        ({"weights": "many"}, DTypeError, "weights: expected numbers"),
        ({"group": 1.5}, DTypeError, "group: expected integers"),
        ({"group": np.zeros(29, int)}, ShapeError, "group: expected an integer or shape"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(moments, rows, change, error, message):
    before = parts(moments)
    with pytest.raises(error, match=message):
        moments.update(**{"x": rows[0], "y": rows[1], **change})
    assert parts(moments) == before


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("side", ["x", "y"])
def test_the_bad_row_is_named_and_nothing_changes(moments, rows, side, check, monkeypatch):
    monkeypatch.setattr(_inputs, "SLICE", 8)
    before = parts(moments)
    x, y = (part.copy() for part in rows)
    (x if side == "x" else y)[21, 1] = np.inf
    with pytest.raises(NonFiniteError, match=f"{side}: row 21 has"):
        moments.update(x, y, group=np.arange(30) % 3, check_finite=check)
    assert parts(moments) == before


def test_an_interrupted_update_changes_nothing(rng):
    moments = iso.linalg.Moments(60, 60)
    x = rng.standard_normal((1 << 17, 60)).astype(np.float32)
    moments.update(x[:100], x[:100])
    before = parts(moments)

    def stop(done, total):
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        moments.update(x, x, progress=stop)
    assert parts(moments) == before
    assert moments.rows == 100


@pytest.mark.parametrize("dimension", [0, -1, 1 << 17])
def test_dimensions_out_of_range(dimension):
    with pytest.raises(ValueError, match="x_dim: expected 1 to"):
        iso.linalg.Moments(dimension, 3)
    with pytest.raises(DTypeError, match="y_dim: expected an integer"):
        iso.linalg.Moments(3, 2.0)


def test_merging_what_does_not_fit(moments):
    with pytest.raises(TypeError, match="other: expected Moments, got int"):
        moments.merge(3)
    for other in (iso.linalg.Moments(4, 3), iso.linalg.Moments(3, 4, norms=True)):
        with pytest.raises(ShapeError, match="other: expected moments of"):
            moments.merge(other)


def test_a_saved_file_gives_the_same_bytes(moments, tmp_path):
    path = tmp_path / "m.safetensors"
    moments.save(path)
    again = iso.linalg.Moments.load(path)
    assert parts(again) == parts(moments)
    assert (again.rows, again.groups, again.dtype) == (30, (0, 1, 2), "float64")
    assert again.cka(unbiased=False) == moments.cka()
    tiny = iso.linalg.Moments(1, 1)
    tiny.update(np.array([[1e-300]]), np.array([[2e300]]))
    tiny.save(path)
    again = iso.linalg.Moments.load(path)
    assert (again._exponents, parts(again)) == (tiny._exponents, parts(tiny))


def test_files_that_are_something_else(moments, tmp_path):
    path = tmp_path / "m.safetensors"
    iso.LinearMap(np.eye(2)).save(path)
    with pytest.raises(FormatError, match=r"expected a file of isomorph\.Moments"):
        iso.linalg.Moments.load(path)
    moments.save(path)
    tensors, metadata = _core.read_safetensors(path)
    described = json.loads(metadata["moments"])
    for change, message in (
        ({"format_version": "2"}, "written by a newer isomorph"),
        ({"moments": "{}"}, "x_dim"),
        (
            {"moments": json.dumps(described | {"x_dim": 5})},
            "expected float64",
        ),
    ):
        _core.write_safetensors(path, tensors, metadata | change)
        with pytest.raises(FormatError, match=message):
            iso.linalg.Moments.load(path)
    del tensors["1.second"]
    _core.write_safetensors(path, tensors, metadata)
    with pytest.raises(FormatError, match="second"):
        iso.linalg.Moments.load(path)


def test_what_was_taken_out_is_independent(moments, rows):
    one, copy = moments.group(1), moments.copy()
    before = parts(moments)
    one.update(*rows)
    copy.update(*rows)
    copy.merge(moments)
    assert parts(moments) == before
    train, test = next(iter(moments.folds()))
    train.update(*rows)
    test.update(*rows)
    assert parts(moments) == before
    with pytest.raises(KeyError):
        moments.group(7)


def test_values_out_of_range_are_refused(moments):
    for call, message in (
        (lambda: moments.whitening("z"), "side: expected 'x' or 'y'"),
        (lambda: moments.whitening(kind="qr"), "kind: expected 'zca' or 'pca'"),
        (lambda: moments.whitening(k=5), "k: expected 1 to 4"),
        (lambda: moments.cca(4), "k: expected 1 to 3"),
        (lambda: moments.ridge(0.0), "alpha: expected positive numbers"),
        (lambda: moments.ridge(np.nan), "alpha: expected positive numbers"),
        (lambda: moments.ridge_path([]), "alphas: expected positive numbers"),
        (lambda: moments.group(1).ridge(), "alpha: expected one number"),
        (lambda: list(moments.group(1).folds()), "group: expected at least two groups"),
        (lambda: moments.bootstrap(lambda m: m.cka(), resamples=1), "resamples: expected"),
        (lambda: moments.jackknife(lambda m: m.cka(), confidence=1.0), "confidence: expected"),
        (lambda: iso.linalg.Moments(1, 1).cka(), "moments: expected at least one row"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_cka_that_is_not_defined(rows):
    x, y = rows
    moments = iso.linalg.Moments(4, 3)
    moments.update(x, y)
    with pytest.raises(ValueError, match="norms=True"):
        moments.cka(unbiased=True)
    few = iso.linalg.Moments(4, 3, norms=True)
    few.update(x[:3], y[:3])
    with pytest.raises(ValueError, match="more than 3 rows"):
        few.cka(unbiased=True)
    few.update(np.ones((0, 4)), np.ones((0, 3)))
    flat = iso.linalg.Moments(4, 3)
    flat.update(np.ones((5, 4)), y[:5])
    with pytest.raises(ValueError, match="x: expected rows that are not all equal"):
        flat.cka()


def test_another_array_library(rows):
    xp = pytest.importorskip("array_api_strict")
    x, y = rows
    moments = iso.linalg.Moments(4, 3, norms=True)
    moments.update(xp.asarray(x), xp.asarray(y), group=np.arange(30) % 2)
    plain = iso.linalg.Moments(4, 3, norms=True)
    plain.update(x, y, group=np.arange(30) % 2)
    for call in (
        lambda m: m.procrustes(scale=True, translate=True).matrix,
        lambda m: m.ols().matrix,
        lambda m: m.ridge(translate=True).matrix,
        lambda m: m.cca().map.matrix,
        lambda m: m.whitening().matrix,
    ):
        found = call(moments)
        assert type(found) is type(xp.asarray(x))
        np.testing.assert_allclose(np.from_dlpack(found), call(plain), atol=1e-10)
    assert moments.cka(unbiased=True) == pytest.approx(plain.cka(unbiased=True))
    with pytest.raises(DTypeError, match="expected an array of the same library"):
        moments.update(x, y)


def test_a_larger_slice_rescales_what_came_before(rng, monkeypatch):
    x, y = rng.standard_normal((2, 24, 3))
    x[:8] *= 1e-200
    x[16:] *= 1e250
    monkeypatch.setattr(_inputs, "SLICE", 8)
    sliced = iso.linalg.Moments(3, 3, norms=True)
    sliced.update(x, y)
    monkeypatch.undo()
    whole = iso.linalg.Moments(3, 3, norms=True)
    whole.update(x, y)
    assert sliced._exponents == whole._exponents
    assert sliced.cka(unbiased=True) == pytest.approx(whole.cka(unbiased=True), rel=1e-12)
    np.testing.assert_allclose(sliced.procrustes().matrix, whole.procrustes().matrix, atol=1e-12)
    parted = iso.linalg.Moments(3, 3, norms=True)
    for start in (16, 0, 8):
        parted.update(x[start : start + 8], y[start : start + 8])
    assert parted._exponents == whole._exponents
    assert parted.cka() == pytest.approx(whole.cka(), rel=1e-12)


def test_a_group_that_outweighs_the_others_is_left_out_by_merging(rng):
    """Taken from the whole it would leave nothing but rounding."""
    x, y = rng.standard_normal((2, 60, 3))
    x[40:] *= 1e9
    group = np.arange(60) // 20
    moments = iso.linalg.Moments(3, 3)
    moments.update(x, y, group=group)
    few = iso.linalg.Moments(3, 3)
    few.update(x[:40], y[:40])
    alphas = [1.0, 10.0]
    found = moments.ridge_path(alphas).fold_residuals[2]
    for alpha, residual in zip(alphas, found, strict=True):
        left = x[40:] @ few.ridge(alpha).matrix - y[40:]
        assert residual == pytest.approx(np.linalg.norm(left) / np.linalg.norm(y[40:]), rel=1e-9)


def test_equal_rows_in_groups_are_equal_but_for_rounding() -> None:
    rng = np.random.default_rng(5)
    moments = iso.linalg.Moments(3, 2)
    y = rng.standard_normal((300, 2))
    moments.update(np.full((300, 3), 0.1), y, weights=rng.random(300), group=np.arange(300) % 5)
    fitted = moments.ols(translate=True)
    assert fitted.metrics["rank"] == 0
    np.testing.assert_array_equal(fitted.matrix, 0)
    with pytest.raises(ValueError, match="x: expected rows that are not all equal"):
        moments.cka()


def test_an_interrupted_update_leaves_the_moments_as_they_were(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 3)), rng.standard_normal((40, 2))
    moments = iso.linalg.Moments(3, 2)
    moments.update(x, y, group=np.arange(40) % 4)
    before = moments.scatter().xy.tobytes(), moments.rows, moments.groups
    merge = _sums.Sums.merge
    calls = []

    def interrupted(self, *arguments):
        calls.append(self)
        if len(calls) == 3:
            raise KeyboardInterrupt
        merge(self, *arguments)

    monkeypatch.setattr(_sums.Sums, "merge", interrupted)
    with pytest.raises(KeyboardInterrupt):
        moments.update(x, y, group=np.arange(40) % 5)
    monkeypatch.undo()
    moments._kept.clear()
    assert (moments.scatter().xy.tobytes(), moments.rows, moments.groups) == before


@pytest.mark.parametrize("translate", [True, False])
@pytest.mark.parametrize("dims", [(1, 1), (1, 3), (4, 1)])
def test_a_scatter_cannot_be_written_to(dims, translate):
    rng = np.random.default_rng(0)
    moments = iso.linalg.Moments(*dims)
    moments.update(*(rng.standard_normal((9, d)) for d in dims))
    scatter = moments.scatter(translate=translate)
    for part in (scatter.xx, scatter.xy, scatter.yy, scatter.x_mean, scatter.y_mean):
        with pytest.raises(ValueError, match="read-only"):
            part[...] = 0
        assert all(not np.shares_memory(part, kept) for kept in moments._groups[0].parts)


def test_labels_beyond_int64_are_refused():
    moments = iso.linalg.Moments(1, 1)
    with pytest.raises(ValueError, match="group: expected labels up to"):
        moments.update(
            np.ones((2, 1)), np.ones((2, 1)), group=np.array([1, 2**63], dtype=np.uint64)
        )


@pytest.mark.parametrize("damage", ["nan", "weight", "rows"])
def test_a_damaged_file_is_named(tmp_path, damage):
    moments = iso.linalg.Moments(2, 2)
    moments.update(np.ones((3, 2)), np.ones((3, 2)))
    sums = moments._groups[0]
    if damage == "nan":
        sums.parts[2][0, 0] = np.nan
    elif damage == "weight":
        sums.parts[0][0] = -1.0
    else:
        sums.rows = -3
    path = tmp_path / "moments.safetensors"
    moments.save(path)
    with pytest.raises(FormatError, match=r"moments\.safetensors: .*"):
        iso.linalg.Moments.load(path)
