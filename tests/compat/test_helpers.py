"""Helpers of VecMap and MUSE that scripts import, against plain NumPy."""

from __future__ import annotations

from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest

from isomorph.compat import cupy_utils, embeddings, muse, vecmap
from isomorph.errors import FormatError


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def sides(rng):
    x = unit(rng.normal(size=(40, 6)))
    return x, unit(x[:30] + 0.6 * rng.normal(size=(30, 6)))


def params(**options):
    defaults = {
        "dico_method": "csls_knn_3", "dico_build": "S2T", "dico_threshold": 0, "dico_max_rank": 0,
        "dico_min_size": 0, "dico_max_size": 0,
    }  # fmt: skip
    return SimpleNamespace(**{**defaults, **options})


def scores_of(x, z, method):
    products = x.astype(float) @ z.T.astype(float)
    if method == "nn":
        return products
    if method.startswith("invsm"):
        powers = np.exp(20 * products)
        return powers / powers.sum(axis=0)
    left, right = (np.sort(side, axis=1)[:, -3:].mean(axis=1) for side in (products, products.T))
    return 2 * products - left[:, None] - right


def test_the_names_of_cupy_utils():
    assert not cupy_utils.supports_cupy()
    assert cupy_utils.get_cupy() is None
    assert cupy_utils.get_array_module(np.ones(1)) is np
    assert cupy_utils.asnumpy([1]).tolist() == [1]


def test_files_there_and_back(rng):
    words, matrix = ["a", "b", "a"], rng.normal(size=(3, 4)).astype(np.float32)
    text = StringIO()
    embeddings.write(words, matrix, text)
    assert text.getvalue().splitlines()[1] == "a " + " ".join(f"{v:.6g}" for v in matrix[0])
    for options, rows in (
        ({}, [0, 1, 2]), ({"threshold": 2}, [0, 1]), ({"vocabulary": {"a"}}, [0, 2])
    ):  # fmt: skip
        text.seek(0)
        found, read = embeddings.read(text, dtype="float32", **options)
        assert (found, read.dtype) == ([words[row] for row in rows], np.float32)
        np.testing.assert_allclose(read, matrix[rows], rtol=1e-5)


@pytest.mark.parametrize("text", ["", "a 1 2\n", "2 2\na 1 2\n", "1 2\na 1\n", "1 2\na 1 x\n"])
def test_files_that_are_cut_or_wrong(text):
    with pytest.raises(FormatError, match="line"):
        embeddings.read(StringIO(text))


def test_steps_in_place(rng):
    x = rng.normal(size=(9, 4))
    x[2] = 0
    expected = x / np.where(x.any(axis=1), np.linalg.norm(x, axis=1), 1)[:, None]
    expected -= expected.mean(axis=0)
    expected /= np.linalg.norm(expected, axis=0)
    expected -= expected.mean(axis=1, keepdims=True)
    embeddings.normalize(x, ["unit", "none", "center", "unitdim", "centeremb"])
    np.testing.assert_allclose(x, expected, atol=1e-14)


def test_means_and_whitening(rng):
    m = rng.normal(size=(7, 5))
    np.testing.assert_allclose(vecmap.topk_mean(m, 2), np.sort(m)[:, -2:].mean(axis=1))
    assert vecmap.topk_mean(m, 0).tolist() == [0] * 7
    with pytest.raises(ValueError, match="k: expected at most 5"):
        vecmap.topk_mean(m, 6)
    white = m @ vecmap.whitening_transformation(m)
    np.testing.assert_allclose(white.T @ white, np.eye(5), atol=1e-13)
    m[:, 4] = m[:, 3]
    assert np.isfinite(vecmap.whitening_transformation(m)).all()


def test_radii(sides):
    x, z = sides
    expected = np.sort(z @ x.T, axis=1)[:, -5:].mean(axis=1)
    np.testing.assert_allclose(muse.get_nn_avg_dist(x, z, 5), expected, rtol=1e-6)


@pytest.mark.parametrize("method", ["nn", "csls_knn_3", "invsm_beta_20"])
@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"dico_max_rank": 20},
        {"dico_max_size": 7},
        {"dico_threshold": 0.05, "dico_min_size": 3},
    ],
)
def test_candidates(sides, method, bounds):
    x, z = sides
    scores = scores_of(x, z, method)
    most = bounds.get("dico_max_rank", 0)
    if most and method != "invsm_beta_20":
        scores = scores[:most]
    top = np.sort(scores, axis=1)[:, -2:]
    gaps, best = top[:, 1] - top[:, 0], scores.argmax(axis=1)
    expected = [(row, best[row]) for row in np.argsort(-gaps)]
    if most:
        expected = [pair for pair in expected if max(pair) <= most]
    expected = expected[: bounds.get("dico_max_size") or None]
    least = bounds.get("dico_threshold", 0)
    expected = [
        pair
        for place, pair in enumerate(expected)
        if gaps[pair[0]] > least or not least or place < bounds["dico_min_size"]
    ]
    found = muse.get_candidates(x, z, params(dico_method=method, **bounds))
    assert found.tolist() == [list(pair) for pair in expected]


def test_dictionaries_of_both_directions(sides):
    x, z = sides
    there = {tuple(pair) for pair in muse.get_candidates(x, z, params()).tolist()}
    back = {tuple(pair[::-1]) for pair in muse.get_candidates(z, x, params()).tolist()}
    for build, expected in (
        ("S2T", there), ("T2S", back), ("S2T|T2S", there | back), ("S2T&T2S", there & back)
    ):  # fmt: skip
        found = muse.build_dictionary(x, z, params(dico_build=build))
        assert len(found) == len(expected)
        assert {tuple(pair) for pair in found.tolist()} == expected
    given = np.array([[1, 1]]), np.array([[1, 2]])
    with pytest.warns(UserWarning, match="empty intersection"):
        assert muse.build_dictionary(x, z, params(dico_build="S2T&T2S"), *given) is None
    with pytest.raises(ValueError, match="dico_build: expected S2T"):
        muse.build_dictionary(x, z, params(dico_build="both"))


def test_accuracy(sides, tmp_path, capsys):
    x, z = sides
    ids = [{f"{name}{row}": row for row in range(len(side))} for name, side in (("x", x), ("z", z))]
    path = tmp_path / "pairs.txt"
    path.write_text("".join(f"x{row} z{row}\n" for row in range(25)) + "x1 unknown\n")
    found = muse.get_word_translation_accuracy(
        "en", ids[0], x, "fr", ids[1], z, "csls_knn_3", str(path)
    )
    order = np.argsort(-scores_of(x, z, "csls_knn_3")[:25], axis=1)
    right = order == np.arange(25)[:, None]
    for (name, value), k in zip(found, (1, 5, 10), strict=True):
        assert name == f"precision_at_{k}"
        assert value == pytest.approx(100 * right[:, :k].any(axis=1).mean())
    assert "25 source words - csls_knn_3 - Precision at k = 1: " in capsys.readouterr().out
