"""Late interaction: examples by hand, ragged parts, stored types, refusals."""

from __future__ import annotations

import importlib
import importlib.util

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import DTypeError, NonFiniteError, ShapeError

#: bfloat16 is NumPy's only where ml_dtypes is installed.
STORED = ["float16"]
if importlib.util.find_spec("ml_dtypes"):
    STORED.append(importlib.import_module("ml_dtypes").bfloat16)

EYE = np.eye(4, dtype="float32")


def test_the_best_token_counts_once_for_each_query_token(backend):
    queries = np.array([[1, 0], [0, 2], [1, 1]], "float32")
    documents = np.array([[3, -1], [1, 1], [-5, -5]], "float32")
    scores = iso.maxsim(queries, documents, query_offsets=[0, 2, 3], document_offsets=[0, 2, 3])
    assert scores.tolist() == [[3 + 2, -5 - 10], [2, -10]]


def test_empty_documents_score_least_and_empty_queries_nothing(backend):
    scores = iso.maxsim(EYE, EYE, query_offsets=[0, 0, 4], document_offsets=[0, 0, 4, 4])
    assert scores.tolist() == [[-np.inf, 0, -np.inf], [-np.inf, 4, -np.inf]]
    found = iso.maxsim_topk(EYE, EYE, 3, document_offsets=[0, 0, 4, 4])
    assert found.indices.tolist() == [[1, -1, -1]]
    assert found.scores.tolist() == [[4, -np.inf, -np.inf]]
    assert found.metric == "maxsim"


def test_three_axes_are_parts_of_one_length(rng, backend):
    queries = rng.standard_normal((3, 5, 8)).astype("float32")
    documents = rng.standard_normal((4, 6, 8)).astype("float32")
    scores = iso.maxsim(queries, documents)
    ragged = iso.maxsim(
        queries.reshape(-1, 8),
        documents.reshape(-1, 8),
        query_offsets=np.arange(4) * 5,
        document_offsets=np.arange(5) * 6,
    )
    assert scores.tobytes() == ragged.tobytes()
    exact = np.einsum("qid,mjd->qmij", queries.astype("f8"), documents.astype("f8"))
    np.testing.assert_allclose(scores, exact.max(3).sum(2), rtol=1e-6)


def test_ties_go_to_the_lower_document(backend):
    documents = np.tile(EYE[:1], (5, 1))
    found = iso.maxsim_topk(EYE[:1], documents, 3, document_offsets=np.arange(6))
    assert found.indices.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("queries_type", ["float32", "float64"])
def test_stored_types_score_as_their_values(rng, queries_type, threads):
    queries = rng.standard_normal((9, 21)).astype(queries_type)
    offsets = {"query_offsets": [0, 4, 9], "document_offsets": [0, 3, 60, 70]}
    exact = rng.standard_normal((70, 21))
    for dtype in STORED:
        stored = exact.astype(dtype)
        expected = iso.maxsim(queries, stored.astype("float32"), **offsets)
        assert iso.maxsim(queries, stored, **offsets).tobytes() == expected.tobytes()
        swapped = exact.astype("float16").astype(">f2")
        assert np.isfinite(iso.maxsim(queries, swapped, **offsets)).all()
    integers = np.clip(np.round(exact * 40), -128, 127).astype("int8")
    for scales in (rng.random(3), rng.standard_normal(70).astype("float32")):
        with iso.runtime.use_backend("array"):
            expected = iso.maxsim(queries, integers, document_scales=scales, **offsets)
        found = iso.maxsim(queries, integers, document_scales=scales, **offsets)
        assert found.tobytes() == expected.tobytes()
        rows = scales if len(scales) == 70 else np.repeat(scales, [3, 57, 10])
        wide = iso.maxsim(queries, integers * rows.astype("f8")[:, None], **offsets)
        np.testing.assert_allclose(found, wide, rtol=1e-5, atol=1e-5)


def test_scales_of_three_axes_may_have_two(rng):
    queries = rng.standard_normal((2, 3, 8)).astype("float32")
    integers = rng.integers(-127, 128, (4, 5, 8)).astype("int8")
    scales = rng.random((4, 5))
    found = iso.maxsim(queries, integers, document_scales=scales)
    wide = iso.maxsim(queries.astype("f8"), integers * scales[..., None])
    np.testing.assert_allclose(found, wide, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"document_offsets": [0, 3]},
            ValueError,
            "document_offsets: expected offsets from 0 to 4",
        ),
        ({"document_offsets": [1, 4]}, ValueError, "document_offsets: expected offsets from 0"),
        ({"document_offsets": [0, 3, 2, 4]}, ValueError, "never decrease, got a step down at 1"),
        ({"document_offsets": [0.0, 4.0]}, DTypeError, "document_offsets: expected integers"),
        ({"document_offsets": [0]}, ShapeError, "document_offsets: expected one dimension"),
        ({"document_offsets": [[0, 4]]}, ShapeError, "document_offsets: expected one dimension"),
        ({"query_offsets": [0, 5]}, ValueError, "query_offsets: expected offsets from 0 to 4"),
        ({"document_scales": [1.0]}, DTypeError, "documents: expected int8 with document_scales"),
    ],
)
def test_what_does_not_fit_is_refused(options, error, message, backend):
    with pytest.raises(error, match=message):
        iso.maxsim(EYE, EYE, **options)


@pytest.mark.parametrize(
    ("scales", "error", "message"),
    [
        ([1.0, 2.0, 3.0], ShapeError, "document_scales: expected 2 scales"),
        ([1.0, np.nan], NonFiniteError, "document_scales: entry 1"),
        ([1.0, 1e300], NonFiniteError, "document_scales: entry 1"),
        (["a", "b"], DTypeError, "document_scales: expected real values"),
    ],
)
def test_scales_that_do_not_fit_are_refused(scales, error, message, backend):
    integers = EYE.astype("int8")
    with pytest.raises(error, match=message):
        iso.maxsim(EYE, integers, document_offsets=[0, 1, 4], document_scales=scales)


def test_offsets_beside_three_axes_and_integers_without_scales_are_refused(backend):
    with pytest.raises(ShapeError, match="document_offsets: expected none"):
        iso.maxsim(EYE, EYE[None], document_offsets=[0, 4])
    with pytest.raises(DTypeError, match="documents: expected floating point"):
        iso.maxsim(EYE, EYE.astype("int8"))


def test_rows_that_are_not_finite_are_left_out_when_asked(backend):
    documents = EYE.copy()
    documents[2, 1] = np.nan
    queries = np.concatenate([EYE, np.full((1, 4), np.inf, "float32")])
    scores = iso.maxsim(queries, documents, document_offsets=[0, 2, 3, 4], check_finite=False)
    assert scores.tolist() == [[2, -np.inf, 1]]
    with pytest.raises(NonFiniteError, match="documents: row 2"):
        iso.maxsim(EYE, documents)


def test_a_score_that_overflows_is_refused(backend):
    huge = np.full((2, 4), 1e25, "float32")
    with pytest.raises(ValueError, match="overflows float32"):
        iso.maxsim(huge, huge)
    # Where the products overflow but the scores do not, they are right.
    mixed = np.array([[1e38, 0, 1, 0, -1e38]] * 2, "float32")
    assert iso.maxsim(mixed, np.array([[1e3, 0, 5, 0, 1e3]], "float32")).tolist() == [[10]]
