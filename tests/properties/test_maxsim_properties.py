"""Late interaction: laws that hold whatever the vectors are."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

import isomorph as iso

sizes = st.integers(1, 40)
seeds = st.integers(0, 2**32 - 1)


def drawn(seed, tokens, rows, d, dtype="float32"):
    """Draw queries, documents with some equal rows, and offsets of both, empty parts among them."""
    rng = np.random.default_rng(seed)
    queries = rng.standard_normal((tokens, d)).astype(dtype)
    documents = rng.standard_normal((rows, d)).astype(dtype) * rng.choice([1, 1e-3, 30])
    documents[rng.integers(rows, size=rows // 3)] = documents[0]
    cut = lambda n: np.sort(np.concatenate([[0], rng.integers(0, n + 1, 5), [n]]))  # noqa: E731
    return queries, documents, cut(tokens), cut(rows)


@given(
    seeds, sizes, st.integers(1, 300), st.integers(1, 70), st.sampled_from(["float32", "float64"])
)
def test_scores_are_within_the_stated_bound_of_float64(seed, tokens, rows, d, dtype):
    queries, documents, q, o = drawn(seed, tokens, rows, d, dtype)
    found = iso.maxsim(queries, documents, query_offsets=q, document_offsets=o)
    wide = np.longdouble if dtype == "float64" else np.float64
    products = queries.astype(wide) @ documents.astype(wide).T
    size = np.abs(queries.astype(wide)) @ np.abs(documents.astype(wide)).T
    unit = np.finfo(dtype).eps / 2
    for i in range(len(q) - 1):
        for j in range(len(o) - 1):
            own = (slice(q[i], q[i + 1]), slice(o[j], o[j + 1]))
            if o[j] == o[j + 1]:
                assert found[i, j] == -np.inf
                continue
            exact = products[own].max(axis=1).sum()
            bound = unit * abs(exact) + 2 * (d + tokens) * 2.0**-53 * size[own].max(axis=1).sum()
            assert abs(found[i, j] - exact) <= bound + 1e-300


@given(seeds, sizes, st.integers(1, 300), st.integers(1, 30))
def test_both_backends_give_the_same_bytes(seed, tokens, rows, d):
    queries, documents, q, o = drawn(seed, tokens, rows, d)
    answers = []
    for backend in ("cpu", "array"):
        with iso.runtime.use_backend(backend):
            answers.append(iso.maxsim(queries, documents, query_offsets=q, document_offsets=o))
    assert answers[0].tobytes() == answers[1].tobytes()


@given(seeds, sizes, st.integers(1, 300), st.integers(1, 30), st.integers(1, 6))
def test_the_best_are_the_first_of_the_sorted_scores(seed, tokens, rows, d, k):
    queries, documents, q, o = drawn(seed, tokens, rows, d)
    options = {"query_offsets": q, "document_offsets": o}
    scores = iso.maxsim(queries, documents, **options)
    found = iso.maxsim_topk(queries, documents, k, **options)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found.scores, np.take_along_axis(scores, order, axis=1))
    np.testing.assert_array_equal(found.indices, np.where(np.isinf(found.scores), -1, order))


@given(seeds, sizes, st.integers(1, 100), st.integers(1, 30))
def test_the_order_of_a_documents_tokens_does_not_matter(seed, tokens, rows, d):
    queries, documents, _, _ = drawn(seed, tokens, rows, d)
    shuffled = np.random.default_rng(seed).permutation(documents)
    assert iso.maxsim(queries, documents).tobytes() == iso.maxsim(queries, shuffled).tobytes()


@given(seeds, sizes, st.integers(2, 200), st.integers(1, 30))
def test_a_document_scores_the_same_in_any_company(seed, tokens, rows, d):
    """Splitting the collection changes nothing: there are no effects of tiles or blocks."""
    queries, documents, q, o = drawn(seed, tokens, rows, d)
    together = iso.maxsim(queries, documents, query_offsets=q, document_offsets=o)
    for j in range(len(o) - 1):
        if o[j] < o[j + 1]:
            alone = iso.maxsim(queries, documents[o[j] : o[j + 1]], query_offsets=q)
            assert alone[:, 0].tobytes() == together[:, j].tobytes()
