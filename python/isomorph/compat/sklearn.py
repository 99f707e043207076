"""Estimators for scikit-learn's pipelines and searches; needs scikit-learn, an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph import align
from isomorph._extras import require
from isomorph.neighbors import csls
from isomorph.vocab import Remap

if not TYPE_CHECKING:
    require("sklearn", extra="sklearn", purpose="isomorph.compat.sklearn")

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["CSLSNeighbors", "ProcrustesTransformer", "VocabularyRemapper"]

_FLOATS = [np.float64, np.float32]


class ProcrustesTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The orthonormal map that brings rows nearest to their partners, as a transformer.

    Parameters
    ----------
    center : bool, default False
        Fit about the means of both sides.
    scale : bool, default False
        Fit a scale, too.
    allow_reflection : bool, default True
        Whether the map may mirror.

    Attributes
    ----------
    map_ : isomorph.LinearMap
        What was fitted; it can be saved.
    n_features_in_ : int
        Columns of X.

    See Also
    --------
    isomorph.procrustes : The function, with the mathematics.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.compat.sklearn import ProcrustesTransformer
    >>> old = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    >>> new = old @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> ProcrustesTransformer().fit(old, new).transform([[3.0, 0.0]]).round(6).tolist()
    [[0.0, 3.0]]
    """

    def __init__(
        self, *, center: bool = False, scale: bool = False, allow_reflection: bool = True
    ) -> None:
        self.center = center
        self.scale = scale
        self.allow_reflection = allow_reflection

    def fit(self, X: Any, y: Any) -> ProcrustesTransformer:
        """Fit the map from the rows of `X` (n, d) to those of `y` (n, e), or (n,) for e = 1."""
        X, y = validate_data(self, X, y, dtype=_FLOATS, multi_output=True, y_numeric=True)
        partners = np.asarray(y, dtype=X.dtype).reshape(len(X), -1)
        self.map_ = align.procrustes(
            X,
            partners,
            translate=self.center,
            scale=self.scale,
            allow_reflection=self.allow_reflection,
        )
        self._n_features_out = partners.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        """Map rows (n, d) to (n, e)."""
        check_is_fitted(self)
        return self.map_(validate_data(self, X, dtype=_FLOATS, reset=False))

    def inverse_transform(self, X: Any) -> Any:
        """Map rows (n, e) back to (n, d); exact where e is not below d."""
        check_is_fitted(self)
        return self.map_.inverse()(check_array(X, dtype=_FLOATS))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class CSLSNeighbors(BaseEstimator):
    """Neighbours by cross-domain similarity local scaling, with scikit-learn's ``kneighbors``.

    Parameters
    ----------
    n_neighbors : int, default 5
        How many to find.
    neighborhood : int, default 10
        K of the radii; at most the number of rows of either side is taken.

    Attributes
    ----------
    n_features_in_ : int
        Columns of X.
    n_samples_fit_ : int
        Rows to search.

    See Also
    --------
    isomorph.csls : The function, with the mathematics.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.compat.sklearn import CSLSNeighbors
    >>> search = CSLSNeighbors(n_neighbors=1, neighborhood=1).fit(np.eye(3))
    >>> search.kneighbors(np.eye(3)[[2, 0]], return_distance=False).tolist()
    [[2], [0]]
    """

    def __init__(self, n_neighbors: int = 5, *, neighborhood: int = 10) -> None:
        self.n_neighbors = n_neighbors
        self.neighborhood = neighborhood

    def fit(self, X: Any, y: Any = None) -> CSLSNeighbors:
        """Take the rows to search; `y` is ignored."""
        del y
        self._fit_X = validate_data(self, X, dtype=_FLOATS)
        self.n_samples_fit_ = len(self._fit_X)
        return self

    def kneighbors(
        self, X: Any, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """Find the best rows of those that were fitted for each row of `X`.

        Parameters
        ----------
        X : array_like of shape (n, d)
            Queries: all of their side, since radii are means over it.
        n_neighbors : int, optional
            Instead of that of the estimator.
        return_distance : bool, default True
            Whether to give the distances, too.

        Returns
        -------
        distances : array of shape (n, k)
            The CSLS score with its sign changed, so that less is nearer; ascending.
        indices : array of int64, shape (n, k)
            Rows.
        """
        check_is_fitted(self)
        queries = validate_data(self, X, dtype=_FLOATS, reset=False)
        rows = self._fit_X.astype(queries.dtype, copy=False)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        around = min(self.neighborhood, len(queries), len(rows))
        found = csls(queries, rows, k, neighborhood=around)
        return (-found.scores, found.indices) if return_distance else found.indices


class VocabularyRemapper(SelectorMixin, BaseEstimator):
    """Keeps the tokens that texts use: columns of a matrix of counts, and the new ids of tokens.

    Parameters
    ----------
    min_count : float, default 0
        What a token's total count has to be at least; what never occurs is not kept.
    top : int, optional
        Keep the most frequent ones only; of equals the lower id.

    Attributes
    ----------
    remap_ : isomorph.vocab.Remap
        Old ids to new ones and back; it gathers rows of tables, and can be saved.
    counts_ : array of float64, shape (n_features_in_,)
        Total counts.
    n_features_in_ : int
        Size of the old vocabulary.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.compat.sklearn import VocabularyRemapper
    >>> counts = np.array([[2, 0, 1, 0], [3, 0, 0, 1]])
    >>> small = VocabularyRemapper(top=2).fit(counts)
    >>> small.transform(counts).tolist(), small.remap_.ids([0, 2, 3]).tolist()
    ([[2, 1], [3, 0]], [0, 1, -1])
    """

    def __init__(self, *, min_count: float = 0, top: int | None = None) -> None:
        self.min_count = min_count
        self.top = top

    def fit(self, X: Any, y: Any = None) -> VocabularyRemapper:
        """Count the tokens in the columns of `X` (n, size), dense or sparse; `y` is ignored."""
        del y
        X = validate_data(self, X, accept_sparse=("csr", "csc"))
        self.counts_ = np.asarray(abs(X).sum(axis=0), dtype=np.float64).ravel()
        kept = np.flatnonzero((self.counts_ > 0) & (self.counts_ >= self.min_count))
        if self.top is not None:
            by_count = np.argsort(-self.counts_[kept], kind="stable")
            kept = np.sort(kept[by_count[: self.top]])
        self.remap_ = Remap.from_kept(kept, len(self.counts_))
        return self

    def _get_support_mask(self) -> Any:
        check_is_fitted(self)
        return np.asarray(self.remap_.old_to_new) >= 0

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
