"""The operations that a backend implements: the Rust core on NumPy, plain array code elsewhere.

A backend gets arrays that :mod:`isomorph._arrays` has checked: one namespace, one device, one of
float32 and float64, shapes and parameters that fit. Both backends give the same bytes for
selections and agree within stated bounds for sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from isomorph._progress import Progress

if TYPE_CHECKING:
    from isomorph._backends.sides import Exact


@dataclass(frozen=True, slots=True)
class Run:
    """How a call wants to be run."""

    threads: int
    progress: Progress = None
    #: What is prepared of the left and of the right side, in the core's terms.
    indexes: tuple[Any, ...] = (None, None)


@dataclass(frozen=True, slots=True)
class Dropout:
    """Which pairs of rows take part in an induction: each with probability `keep`, on its own."""

    keep: float
    seed: int
    step: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What each row of a side chose.

    int64 indices (-1 for none), their scores, the scores of the second best (-inf where there is
    none, or where it was not asked for), and the row's largest cosine, dropped pairs included (-inf
    where there is none; perhaps None where it was not asked for).
    """

    partners: Any
    scores: Any
    seconds: Any
    largest: Any


@dataclass(frozen=True, slots=True)
class FromRows:
    """What CSLS from nothing but rows gives: scores and indices, and the radii behind them.

    `backward` is None where it was not asked for, `proved` where the work took two passes.
    """

    forward: tuple[Any, Any]
    backward: Any
    radii: tuple[Any, Any]
    proved: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a Procrustes fit of a stack of b problems gives, all float64, the stack first."""

    matrix: Any
    source_mean: Any
    target_mean: Any
    singular_values: Any
    scale: Any
    correlation: Any
    residual: Any
    determinant: Any
    rank: Any


@dataclass(frozen=True, slots=True)
class Solver:
    """How entropic transport is solved.

    `method` is "scaling", "stabilized" or "log"; `acceleration` "auto", "newton", "anderson",
    "overrelaxation" or "none"; `annealing` whether larger values of reg are gone through first,
    None to choose; `tol` the L1 error of the marginals, as a part of the mass.
    """

    method: str
    acceleration: str
    max_iter: int
    tol: float
    annealing: bool | None = None


@dataclass(frozen=True, slots=True)
class Solved:
    """Potentials of entropic transport, float64, in units of the cost; and how good they are."""

    f: Any
    g: Any
    iterations: int
    error: float
    error_l2: float
    converged: bool
    #: Of each pass, the L1 error and the reg that was in force.
    history: tuple[Sequence[float], Sequence[float]] = ((), ())
    #: Of the plan, what `plan_sums` gives; None where it was not made on the way.
    sums: tuple[Any, Any, float] | None = None


@dataclass(frozen=True, slots=True)
class Assigner:
    """How codes are made of scores.

    `rule` is "marginal" or "vlap"; with `tol` the error of the columns is computed, and iterations
    stop where it is that small; `top` asks for the largest entries of each row, and nothing else.
    """

    iterations: int
    rule: str
    tol: float | None
    top: int | None


@dataclass(frozen=True, slots=True)
class Assigned:
    """Codes (n, m), or the largest entries of each row and their columns, each (n, top).

    `error` is the L1 error of the columns' shares; None where it was not asked for.
    """

    codes: Any
    error: float | None


#: Sums of one set of rows z = (x, y), D = d + e: weight (1,), mean (2, D) in high and low parts,
#: second moments about it (D, D), of which the upper triangle counts, and norm-weighted sums
#: (2 D + 3,) or (0,). See :mod:`isomorph._moments`.
MomentParts = tuple[Any, Any, Any, Any]


class Backend(Protocol):
    """What the public functions need."""

    def first_nonfinite_row(self, array: Any) -> int | None:
        """Find the first row with a NaN or an infinity, leading axes flattened."""
        ...

    def topk(
        self, queries: Any, corpus: Any, k: int, metric: str, exclude_self: bool, run: Run
    ) -> tuple[Any, Any]:
        """Give scores and int64 indices, each (n, k)."""
        ...

    def csls_radii(self, source: Any, target: Any, neighborhood: int, run: Run) -> tuple[Any, Any]:
        """Give the mean of the `neighborhood` largest cosines of each row, for both sides."""
        ...

    def csls(
        self, source: Any, target: Any, k: int, source_radii: Any, target_radii: Any, run: Run
    ) -> tuple[Any, Any]:
        """Give scores and indices of the forward direction."""
        ...

    def csls_both(
        self, source: Any, target: Any, k: int, source_radii: Any, target_radii: Any, run: Run
    ) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Give scores and indices of both directions, from one pass."""
        ...

    def induce(
        self,
        source: Any,
        target: Any,
        neighborhood: int,
        directions: str,
        dropout: Dropout,
        *,
        second: bool,
        largest: bool,
        run: Run,
    ) -> tuple[Choice | None, Choice | None]:
        """Give what each row of source and of target chose by CSLS (0: by twice the cosine).

        `directions` is "forward", "backward" or "both". A dropped pair scores minus the own radius.
        """
        ...

    def maxsim(
        self,
        queries: Any,
        query_offsets: Any,
        documents: Any,
        document_offsets: Any,
        k: int | None,
        check_finite: bool,
        run: Run,
    ) -> Any:
        """Give the scores (n, m) of queries and documents; with k, scores and indices (n, k).

        Queries are token rows, `documents` a :class:`isomorph.late_interaction.TokenRows`; offsets
        are NumPy's int64.
        """
        ...

    def log_sums(self, source: Any, target: Any, beta: float, run: Run) -> Any:
        """Give log sum_i exp(beta cos(x_i, y_j)) of each target row, float64."""
        ...

    def distance_moments(
        self, source: Any, target: Any, run: Run
    ) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Give mean and deviation of sqrt(2 - 2 cos) of each row, for both sides, float64."""
        ...

    def count_below(self, source: Any, target: Any, offsets: Any, values: Any, run: Run) -> Any:
        """Count, for each value of target row j, the source rows whose cosine with j is below it.

        Those of row j are ``values[offsets[j]:offsets[j + 1]]``, ascending, cosines in the type of
        the input; `offsets` int64. Gives int64 counts, as many as values.
        """
        ...

    def pair_cosines(self, source: Any, target: Any, indices: Any, run: Run) -> Any:
        """Give the cosines of each source row with the target rows `indices` (n, k); -1: NaN."""

    def csls_from_rows(
        self, source: Any, target: Any, k: int, neighborhood: int, both: bool, run: Run
    ) -> FromRows:
        """Give the radii and CSLS with them, forward or `both` ways."""
        ...

    def places(
        self,
        queries: Any,
        corpus: Any,
        offsets: Any,
        items: Any,
        metric: str,
        exclude_self: bool,
        run: Run,
    ) -> tuple[Any, Any]:
        """Count the corpus rows that score more, and as much, as each wanted row does.

        Query i wants the rows ``items[offsets[i]:offsets[i + 1]]``; all four are NumPy's int64.
        """
        ...

    def svd(self, a: Any, run: Run) -> tuple[Any, Any, Any]:
        """Give thin u (b, n, k), s (b, k) and vt (b, k, d) of a stack (b, n, d)."""
        ...

    def svdvals(self, a: Any, run: Run) -> Any:
        """Give the singular values (b, k) of a stack (b, n, d), descending."""
        ...

    def eigh(self, a: Any, check_symmetric: bool, run: Run) -> tuple[Any, Any]:
        """Give eigenvalues (b, d), ascending, and eigenvectors (b, d, d), in columns."""
        ...

    def polar(self, a: Any, run: Run) -> tuple[Any, Any]:
        """Give r (b, n, d) and h (b, d, d) of a stack (b, n, d)."""
        ...

    def procrustes(
        self,
        source: Any,
        target: Any,
        weights: Any,
        *,
        scale: bool,
        translate: bool,
        allow_reflection: bool,
        run: Run,
    ) -> Fitted:
        """Fit source (b, n, d) to target (b, n, e); weights are float64 (b, n), or None."""
        ...

    def procrustes_of_rows(self, x: Any, z: Any, source: Any, target: Any, run: Run) -> Any:
        """Give the float64 matrix (d, e) of the fit of rows of x to rows of z, NumPy's int64."""
        ...

    def apply_affine(
        self,
        x: Any,
        matrix: Any,
        source_mean: Any,
        target_mean: Any,
        scale: Any,
        out: Any,
        run: Run,
    ) -> Any:
        """Give scale (x - source_mean) matrix + target_mean, (b, n, e), also written to `out`.

        The means (b, d) and (b, e), or None, and scale (b,) are float64.
        """
        ...

    def column_means(self, x: Any, run: Run) -> Any:
        """Give the mean of each column, float64."""
        ...

    def column_norms(self, x: Any, run: Run) -> Any:
        """Give the Euclidean norm of each column, float64."""
        ...

    def transform_rows(self, x: Any, operation: str, values: Any, run: Run) -> Any:
        """Change each row: "unit", "subtract" or "divide" by `values` (float64), "centre row"."""
        ...

    def accumulate_moments(
        self,
        parts: MomentParts,
        split: int,
        x: Any,
        y: Any,
        weights: Any,
        order: Any,
        exponents: tuple[int, int],
        run: Run,
    ) -> MomentParts:
        """Add rows of x (n, d) and y (n, e), d being `split`, to `parts`, which may be written to.

        `order` has the row numbers (NumPy's int64), or is None for all; values count multiplied by
        2 to the power of the exponent of their side.
        """
        ...

    def merge_moments(
        self, parts: MomentParts, other: MomentParts, split: int, times: float, run: Run
    ) -> MomentParts:
        """Add `other`, counted `times` times, to `parts`, which may be written to."""
        ...

    def procrustes_from_moments(
        self,
        cross: Any,
        second: Any,
        totals: tuple[float, float],
        exponents: tuple[int, int],
        *,
        scale: bool,
        allow_reflection: bool,
        run: Run,
    ) -> Fitted:
        """Fit from sum w x'y (d, e), sum w x'x (d, d; None for d <= e), and sums of squares.

        All of values multiplied by 2 to the power of the exponents. The means come as zeros.
        """
        ...

    def multiply(self, left: Any, right: Any, run: Run) -> Any:
        """Give the product of two float64 matrices."""
        ...

    def mix_rows(
        self, indptr: Any, indices: Any, weights: Any, rows: Any, out: Any, run: Run
    ) -> Any:
        """Give the sums (t, d) of weighted rows, also written to `out` if it is given.

        Row t is the sum of ``weights[e] * rows[indices[e]]`` for the entries e from ``indptr[t]``
        to ``indptr[t + 1] - 1``, in that order, and 0 without any; those three are NumPy's: int64,
        int32 or int64, float32 or float64. An entry of weight 1 on its own is a copy.
        """
        ...

    def extent(self, cost: Any) -> tuple[float, float, bool]:
        """Give the least and the largest finite cost, and whether all are numbers."""
        ...

    def sinkhorn(
        self, cost: Any, a: Any, b: Any, reg: float, start: Any, solver: Solver, run: Run
    ) -> Solved:
        """Solve entropic transport from the column potentials `start`; masses are float64."""
        ...

    def transport(
        self,
        cost: Any,
        sides: tuple[Exact, Exact],
        reg: float,
        start: Any,
        solver: Solver,
        run: Run,
    ) -> Solved:
        """Solve entropic transport for what :mod:`isomorph._backends.sides` says of the sums."""
        ...

    def plan_rows(self, cost: Any, f: Any, g: Any, reg: float, rows: slice) -> Any:
        """Give rows of the plan exp((f + g - cost) / reg), float64."""
        ...

    def plan_sums(self, cost: Any, f: Any, g: Any, reg: float) -> tuple[Any, Any, float]:
        """Give that plan's sums by row and by column, and the sum of its entries times the cost."""
        ...

    def score_maxima(self, scores: Any, run: Run) -> tuple[Any, Any]:
        """Give the largest score of each row, NaN where one is NaN or +inf, and of each column."""
        ...

    def assign(
        self,
        scores: Any,
        maxima: Any,
        masses: Any,
        reg: float,
        how: Assigner,
        out: Any,
        run: Run,
    ) -> Assigned:
        """Make codes of scores, with the share `masses` (float64) of each column, 1 in all.

        `maxima` are those of the columns. The codes are also written to `out` if it is given.
        """
        ...
