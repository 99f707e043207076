"""A plain script around SciPy, faiss and POT, as people have them; it knows nothing of isomorph.

Aligns two sets of word vectors by Procrustes, translates by CSLS, and matches the words by
transport.
"""

import argparse

import faiss
import numpy as np
import ot
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes


def made(words):
    """Words of topics, and the same in another space, but for noise."""
    rng = np.random.default_rng(0)
    topics = rng.normal(size=(words // 40 + 1, 300))
    x = topics[rng.integers(len(topics), size=words)]
    x = x + 0.8 * rng.normal(size=x.shape)
    turn = np.linalg.qr(rng.normal(size=(300, 300)))[0]
    y = x @ turn + 0.6 * rng.normal(size=x.shape)
    return x.astype(np.float32), y.astype(np.float32)


def normalise(vectors):
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors -= vectors.mean(axis=0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--words", type=int, default=20_000)
    parser.add_argument("--matched", type=int, help="words to match by transport (all)")
    parser.add_argument("--method", default="sinkhorn_log", help="of ot.sinkhorn")
    options = parser.parse_args()
    x, y = (normalise(side) for side in made(options.words))

    seed = min(5_000, len(x))
    turn, scale = orthogonal_procrustes(x[:seed], y[:seed])
    print(f"scale {scale:.9g}, disparity {procrustes(y[:seed], x[:seed])[2]:.9g}")
    mapped = x @ turn

    forward = faiss.IndexFlatIP(y.shape[1])
    forward.add(y)
    scores, words = forward.search(mapped, 10)
    back, _ = faiss.knn(y, mapped, 10, metric=faiss.METRIC_INNER_PRODUCT)
    csls = 2 * scores - back.mean(axis=1)[words]
    best = words[np.arange(len(words)), csls.argmax(axis=1)]
    right = np.mean(best == np.arange(len(best)))
    print(f"radii {scores.mean():.9g} {back.mean():.9g}, first of itself {right:.9g}")

    n = options.matched or len(x)
    cost = 1 - mapped[:n] @ y[:n].T
    masses = np.full(n, 1 / n)
    plan = ot.sinkhorn(masses, masses, cost, 0.1, method=options.method)
    paid = np.vdot(plan, cost)
    print(f"transport {paid:.9g}, to itself {np.trace(plan):.9g}")


if __name__ == "__main__":
    main()
