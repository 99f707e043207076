"""The class: rows in, groups of them, merging, files."""

from __future__ import annotations

import os
from typing import Any

from isomorph import _arrays, _checks, runtime
from isomorph._backends import Run
from isomorph._distributed import distributed
from isomorph._dlpack import Home, served_class
from isomorph._moments import _cka, _files, _fits, _inputs, _resampling, _ridge, _sums
from isomorph._moments._scatter import Scatter
from isomorph._moments._sums import Sums
from isomorph._progress import Progress, reporting
from isomorph.errors import NonFiniteError, ShapeError


# These hand moments to the user, that give arrays of the user's library.
@served_class("folds", "jackknife", "bootstrap")
class Moments:
    r"""Sums over pairs of rows (x, y) from which every linear fit is d x d work.

    With z = (x, y), weights w and :math:`\bar z = \sum w z / W`, :math:`W = \sum w`, kept are

    .. math:: W,\ \bar z,\quad \sum_i w_i (z_i - \bar z)^T (z_i - \bar z)

    that is X'X, X'Y and Y'Y about the means, and, with ``norms=True``, the norm-weighted sums of
    :math:`|x|^2 x, |y|^2 x, |x|^2 y, |y|^2 y, |x|^4, |x|^2|y|^2, |y|^4`, about the means, too. Rows
    come in any number of :meth:`update` calls and need never be in memory together; two sets
    :meth:`merge`. Rows may belong to groups (folds, languages, documents), of which each keeps its
    own sums, to be left out, resampled or looked at alone.

    Parameters
    ----------
    x_dim, y_dim : int
        d and e, columns of x and of y.
    norms : bool, default False
        Keep what the unbiased :meth:`cka` needs.

    Attributes
    ----------
    rows : int
        Rows that came, with weight 0 or not.
    weight : float
        W.
    dtype : str
        The type that maps are given in: float64 if any update was, else float32.
    groups : tuple of int
        Labels that have rows, ascending.

    Notes
    -----
    **Precision.** Values are widened to float64 and everything is added in float64 about the mean
    of the rows so far, itself kept in two numbers: a common offset costs no digits, and only
    positive terms are added (Chan, Golub and LeVeque). For each entry, with n rows,
    :math:`|error| \le c\,\epsilon \sum_i w_i |z_{ij}||z_{ik}|` of the *centred* values, c growing
    with n/512 + 512 at worst and with its root in practice. float64 data whose largest magnitude is
    outside :math:`2^{\pm 200}` is kept multiplied by a power of two.

    **Determinism.** Rows are cut into blocks of 4,096 from the start of each update, and all that
    is shared between cores is cut by the shape alone: the bytes are the same for any number of
    threads. Each update is summed on its own and merged at its end, so rows in one update or in
    several agree to rounding, not in every byte; the same updates in the same order give the same
    bytes.

    **Cost.** n D (D + 1) operations, D = d + e: the half of one symmetric product, which holds
    X'X, X'Y and Y'Y. Memory: D^2 numbers of float64 for each group, as many again for each group of
    the update at hand, and 65,536 rows where they must be converted. An update that fails or is
    interrupted changes nothing.

    What needs more than these sums is another pass over the rows: robust and leave-one-out fits,
    and every accuracy of retrieval.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", The
    American Statistician 37 (1983); P. Pebay, "Formulas for robust, one-pass parallel computation
    of covariances and arbitrary-order statistical moments", SAND2008-6212, for the higher orders.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((1000, 3))
    >>> y = x @ np.array([[0.0, 1.0], [-2.0, 0.0], [0.5, 0.5]]) + 7
    >>> moments = iso.linalg.Moments(3, 2)
    >>> for start in range(0, 1000, 250):
    ...     moments.update(x[start : start + 250], y[start : start + 250], group=start // 250)
    >>> moments
    Moments(3 x 2, 1,000 rows, 4 groups)
    >>> moments.ols(translate=True).matrix.round(6) + 0.0
    array([[ 0. ,  1. ],
           [-2. ,  0. ],
           [ 0.5,  0.5]])
    >>> round(moments.cka(), 6) == round(moments.merge(moments).cka(), 6)
    True
    """

    def __init__(self, x_dim: int, y_dim: int, *, norms: bool = False) -> None:
        self.x_dim, self.y_dim = (
            _checks.integer(name, value, 1, 1 << 16, of="columns")
            for name, value in (("x_dim", x_dim), ("y_dim", y_dim))
        )
        self.norms = bool(norms)
        self.dtype = "float32"
        self._groups: dict[int, Sums] = {}
        self._exponents: _sums.Exponents = (None, None)
        self._kept: dict[Any, Any] = {}
        self._home = Home()

    @distributed("_moments.update")
    def update(
        self,
        x: Any,
        y: Any,
        *,
        weights: Any = None,
        group: Any = None,
        check_finite: bool = True,
        threads: int | None = None,
        progress: Progress = None,
    ) -> None:
        """Add rows.

        Parameters
        ----------
        x : array of shape (n, d)
            Any n, 0 included. float16 and bfloat16 are widened to float32, slice by slice.
        y : array of shape (n, e)
            Row i belongs to row i of `x`; of the same library and device. Mixed types promote.
        weights : array of shape (n,), optional
            How much each pair counts, 0 or between 1e-30 and 1e30: a weight of 2 is the pair given
            twice. Default: all 1.
        group : int, or integers of shape (n,), optional
            To which group all rows, or each of them, belong. Default: group 0.
        check_finite : bool, default True
            Look for NaN and infinities before the work. They are refused in any case.
        threads : int, optional
            See :mod:`isomorph.runtime`. No byte of the sums depends on it.
        progress : bool or callable, optional
            True for a bar on standard error, or a callable of ``(done, total)`` blocks of rows.

        Raises
        ------
        ShapeError
            Other numbers of columns than `x_dim` and `y_dim`, or of rows than in `x`.
        DTypeError
            Not arrays of real floating point values; groups that are not integers.
        NonFiniteError
            NaN or infinity.
        ValueError
            Weights out of range.

        Notes
        -----
        O(n D^2), D = d + e. Whatever is raised, the moments are as they were.
        """
        arguments = _arrays.Arguments(x=x, y=y)
        self._check_shapes(arguments)
        n = arguments.shapes["x"][0]
        run = Run(runtime.resolve_threads(threads), progress)
        checked = _inputs.weights_of(arguments, weights)
        labels = _inputs.labels_of(group, n)
        self._require_beside(arguments)
        added, exponents = self._sum(arguments, checked, labels, bool(check_finite), run)
        dtype = arguments.dtype()
        both = "float64" if "float64" in (self.dtype, dtype) else dtype
        self._add(added, exponents, both if n else self.dtype, run)

    def merge(self, other: Moments) -> Moments:
        """Add the rows of `other`, group by group, and give `self`.

        Raises
        ------
        TypeError
            `other` is no Moments.
        ShapeError
            Other dimensions, or norm-weighted sums in one of the two only.

        Notes
        -----
        Any order of merging gives the same sums to rounding. O(G D^2).
        """
        if not isinstance(other, Moments):
            raise TypeError(f"other: expected Moments, got {type(other).__name__}")
        mine, theirs = ((m.x_dim, m.y_dim, m.norms) for m in (self, other))
        if mine != theirs:
            raise ShapeError(
                f"other: expected moments of (x_dim, y_dim, norms) = {mine}, got {theirs}"
            )
        for sums in list(other._groups.values())[:1]:
            self._require_beside(_arrays.Arguments(other=sums.parts[2]))
        wider = other._groups and other.dtype == "float64"
        dtype = "float64" if wider else self.dtype
        self._add(other._groups, other._exponents, dtype, Run(runtime.resolve_threads()))
        return self

    def copy(self) -> Moments:
        """Give moments of their own with the same sums."""
        return self._like(self._groups)

    def group(self, label: int) -> Moments:
        """Give the moments of one group alone.

        Raises
        ------
        KeyError
            No group of that label has rows.
        """
        return self._like({label: self._groups[label]})

    @property
    def rows(self) -> int:
        """Rows that came."""
        return sum(sums.rows for sums in self._groups.values())

    @property
    def weight(self) -> float:
        """Sum of their weights."""
        return sum((sums.weight for sums in self._groups.values()), 0.0)

    @property
    def groups(self) -> tuple[int, ...]:
        """Labels that have rows, ascending."""
        return tuple(sorted(self._groups))

    def scatter(self, *, translate: bool = True, threads: int | None = None) -> Scatter:
        r"""Give the sums as matrices.

        Parameters
        ----------
        translate : bool, default True
            About the means: :math:`\sum w (x - \bar x)^T (y - \bar y)`; False: as they are,
            :math:`\sum w x^T y`.
        threads : int, optional
            See :mod:`isomorph.runtime`.

        Returns
        -------
        Scatter
            ``xx`` (d, d), ``xy`` (d, e), ``yy`` (e, e), ``x_mean``, ``y_mean``, ``weight``.

        Raises
        ------
        ValueError
            No row with a weight.
        """
        run = Run(runtime.resolve_threads(threads))
        key = ("scatter", bool(translate), runtime.requested_backend())
        if key not in self._kept:
            self._kept[key] = Scatter.of(self, bool(translate), run)
        found: Scatter = self._kept[key]
        return found

    procrustes = _fits.procrustes
    ols = _fits.ols
    whitening = _fits.whitening
    cca = _fits.cca
    ridge = _ridge.ridge
    ridge_path = _ridge.ridge_path
    cka = _cka.cka
    folds = _resampling.folds
    jackknife = _resampling.jackknife
    bootstrap = _resampling.bootstrap

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all sums to one safetensors file; it appears whole or not at all.

        The file has a format version; :meth:`load` gives moments with the same bytes.
        """
        _files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Moments:
        """Read what :meth:`save` wrote, as NumPy arrays.

        Raises
        ------
        FormatError
            The file holds something else, or was written by a newer version.
        """
        return _files.load(cls, path)

    def __repr__(self) -> str:
        groups = f", {len(self._groups)} groups" if len(self._groups) > 1 else ""
        return f"Moments({self.x_dim} x {self.y_dim}, {self.rows:,} rows{groups})"

    # What the functions beside this class use.

    def _like(self, groups: dict[int, Sums]) -> Moments:
        """Give moments of the same kind with copies of these sums."""
        made = Moments(self.x_dim, self.y_dim, norms=self.norms)
        made.dtype, made._exponents, made._home = self.dtype, self._exponents, self._home
        made._groups = {label: sums.copy() for label, sums in groups.items()}
        return made

    def _total(self, run: Run) -> Sums:
        """Give the sums of all groups, merged in the order of labels; not to be written to."""
        labels = self.groups
        if not labels or self.weight == 0:
            raise ValueError("moments: expected at least one row with a positive weight, got none")
        if len(labels) == 1:
            return self._groups[labels[0]]
        if "total" not in self._kept:
            total = self._groups[labels[0]].copy()
            for label in labels[1:]:
                total.merge(self._groups[label], self.x_dim, run)
            self._kept["total"] = total
        found: Sums = self._kept["total"]
        return found

    def _held(self) -> list[Any]:
        """Give the arrays that tell whose all are."""
        return [sums.parts[2] for sums in self._groups.values()]

    def _check_shapes(self, arguments: _arrays.Arguments) -> None:
        """Raise unless x and y are pairs of rows that belong to these moments."""
        for name, columns in (("x", self.x_dim), ("y", self.y_dim)):
            if arguments.shapes[name][1] != columns:
                raise ShapeError(
                    f"{name}: expected {columns} columns, got shape {arguments.shapes[name]}"
                )
        n = arguments.shapes["x"][0]
        if arguments.shapes["y"][0] != n:
            raise ShapeError(f"y: expected {n} rows as in x, got shape {arguments.shapes['y']}")

    def _require_beside(self, arguments: _arrays.Arguments) -> None:
        for sums in list(self._groups.values())[:1]:
            (name, array), *_ = arguments.arrays.items()
            _arrays.Arguments(ndim=(1, 2), moments=sums.parts[2], **{name: array})

    def _sum(
        self,
        arguments: _arrays.Arguments,
        weights: Any,
        labels: Any,
        check_finite: bool,
        run: Run,
    ) -> tuple[dict[int, Sums], _sums.Exponents]:
        """Give the sums of the rows by themselves, by group, and the powers they are scaled by."""
        n, dtype = arguments.shapes["x"][0], arguments.dtype()
        exponents = self._exponents
        added: dict[int, Sums] = {}
        blocks, done = -(-n // 4096), 0
        with reporting(run.progress, "moments") as report:
            for start in range(0, n, _inputs.SLICE):
                stop = min(start + _inputs.SLICE, n)
                ready = _inputs.sliced(arguments, start, stop, check_finite)
                part = None if weights is None else weights[start:stop]
                rows_x, rows_y = ready.arrays
                wider: _sums.Exponents = (0, 0)
                if dtype == "float64":
                    xp = arguments.array_namespace()
                    wider = _inputs.exponents_of(xp, (rows_x, rows_y), part)
                wider = _sums.common(exponents, wider)
                change, exponents = _sums.steps(exponents, wider), wider
                added = {key: s.rescaled(self.x_dim, change) for key, s in added.items()}
                powers = exponents[0] or 0, exponents[1] or 0
                for label, order in _inputs.orders(labels, start, stop):
                    if label not in added:
                        added[label] = Sums.empty(
                            self.x_dim, self.y_dim, self.norms, arguments.arrays["x"]
                        )
                    told = _inputs.onwards(report, done, blocks) if order is None else None
                    quiet = Run(run.threads, told)
                    sums = added[label]
                    try:
                        sums.parts = ready.backend.accumulate_moments(
                            sums.parts, self.x_dim, rows_x, rows_y, part, order, powers, quiet
                        )
                    except NonFiniteError:
                        _inputs.refuse_nonfinite(ready, start)
                        raise
                    sums.rows += stop - start if order is None else len(order)
                done += -(-(stop - start) // 4096)
                if report is not None:
                    report(done, blocks)
        return added, exponents

    def _add(
        self, added: dict[int, Sums], exponents: _sums.Exponents, dtype: str, run: Run
    ) -> None:
        """Merge sums, scaled by their own powers: all of them or, where that is interrupted, none.

        Sums of neither side are written to; those of labels that one side has are shared.
        """
        common = _sums.common(self._exponents, exponents)
        quiet = Run(run.threads)
        step = _sums.steps(self._exponents, common)
        merged = {label: sums.rescaled(self.x_dim, step) for label, sums in self._groups.items()}
        for label, sums in added.items():
            fitting = sums.rescaled(self.x_dim, _sums.steps(exponents, common))
            if label in merged:
                merged[label] = merged[label].copy()
                merged[label].merge(fitting, self.x_dim, quiet)
            else:
                merged[label] = fitting
        self._groups, self._exponents, self.dtype, self._kept = merged, common, dtype, {}
