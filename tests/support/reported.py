"""Matrices on which factorisation routines are reported to have failed, by their construction.

Where a report only attaches a file, the construction follows what the thread says of its spectrum
and structure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np


def companion(n: int) -> np.ndarray:
    """Companion matrix of the truncated exponential series, monic: entries from 1 to n!."""
    a = np.eye(n, k=-1)
    a[0] = [-math.factorial(n) / math.factorial(n - 1 - j) for j in range(n)]
    return a


def powers_of_one_row(rows: int, cols: int, rng: np.random.Generator) -> np.ndarray:
    """Row i is a row to the power i + 1."""
    row = rng.standard_normal(cols)
    return np.cumprod(np.tile(np.where(row > 0, row, 0.01 * row), (rows, 1)), axis=0)


def dummy_coded(n: int, factors: int, levels: int, rng: np.random.Generator) -> np.ndarray:
    """Indicator columns of factors with equally frequent levels: most singular values coincide."""
    columns = []
    for _ in range(factors):
        level = rng.permutation(np.arange(n) % levels)
        columns.append((level[:, None] == np.arange(1, levels)).astype(float))
    return np.hstack(columns) / math.sqrt(n / levels)


def reported(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Yield matrices on which a singular value decomposition failed, with the report."""
    # Values differed completely once vectors were asked for, from n = 26 on.
    for n in (25, 26, 32, 60):
        yield f"Reference-LAPACK/lapack#316, n = {n}", companion(n)
    # A tall full-rank design with coinciding values: dgesdd did not converge.
    yield "Reference-LAPACK/lapack#672", dummy_coded(1200, 8, 20, rng)
    # Values that drop by many orders; not converged, or wrong; three times the matrix was fine.
    for factor in (1, 3):
        q = [np.linalg.qr(rng.standard_normal((48, 48)))[0] for _ in range(2)]
        drop = 10.0 ** (-np.arange(48.0))
        yield f"scipy/scipy#10032, times {factor}", factor * (q[0] * drop) @ q[1].T
    # All values one but for a few.
    few = rng.standard_normal((120, 3)) / 12
    yield "numpy/numpy#12941", np.eye(120) + few @ few.T
    # Identical rows, cumulated: rank one but for rounding and signs, over many magnitudes.
    yield "pytorch/pytorch#181641", powers_of_one_row(16, 13, rng)
    # A float32 spectrum from 1 to 1e-12: small values came out as zero.
    q = [np.linalg.qr(rng.standard_normal((30, 30)))[0] for _ in range(2)]
    yield "tensorflow/tensorflow#26842", (q[0] * 0.39 ** np.arange(30)) @ q[1].T
    # Orthonormal vectors with wrong values.
    for shape in ((3, 5), (6, 21), (30, 2)):
        yield f"dimforge/nalgebra#1172, ones {shape}", np.ones(shape)
    yield "dimforge/nalgebra#1172, integers", np.array([[1.0, 2, 2], [2, -1, -1], [2, 1, -1]])
    # NaN for singular two by two matrices.
    near = [[1.2314470096270005, -8.927990819795772], [0.0710192233504547, -0.5148893692907976]]
    yield "sloisel/numeric#75", np.array(near)
    yield "sloisel/numeric#75, integers", np.array([[1.0, 2.0], [2.0, 4.0]])
    # Jacobi rotations of zero columns.
    yield "paiml/trueno#153", np.zeros((2, 2))


def reported_symmetric(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Yield matrices on which a symmetric eigenvalue decomposition failed, with the report."""
    # Adjacency matrices with eigenvalues near zero: no end of iterations.
    for n, density in ((20, 0.15), (20, 0.3), (60, 0.05)):
        upper = np.triu(rng.random((n, n)) < density, 1).astype(float)
        yield f"sarah-quinones/faer-rs#82, n = {n}", upper + upper.T
    star = np.zeros((20, 20))
    star[0, 1:] = star[1:, 0] = 1
    yield "sarah-quinones/faer-rs#82, a star", star
    # Six equal eigenvalues coupled by 1e-19 (the tridiagonal form given in the thread).
    same = -0.0003114954583946985
    diagonal = [-0.0003713258198415712, 0.4901233123942331, -0.00023557898323602305]
    diagonal += [-0.00010851207649784496, *[same] * 6]
    coupling = [-0.00011266199942972238, 0.00043251466860733215, -0.00012413614650615042]
    coupling += [-2.065162908528577e-19, 1.489831575676201e-19, -1.470481574344822e-20]
    coupling += [-2.4468077391424153e-20, 4.793334368155311e-20, 4.8633506824568657e-20]
    yield (
        "JuliaLang/LinearAlgebra.jl#832",
        np.diag(diagonal) + np.diag(coupling, 1) + np.diag(coupling, -1),
    )
    # Vectors that are not orthogonal: Wilkinson's matrix, glued.
    for glue in (1e-8, 1e-14, 0.0):
        n, copies = 21, 5
        block = np.diag(np.abs(np.arange(n) - n // 2).astype(float))
        block += np.eye(n, k=1) + np.eye(n, k=-1)
        a = np.kron(np.eye(copies), block)
        for i in range(n, n * copies, n):
            a[i, i - 1] = a[i - 1, i] = glue
        yield f"Reference-LAPACK/lapack#151, glue {glue}", a
