"""What a pipeline saves: how both sides are prepared, and the map between them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from isomorph._dlpack import served
from isomorph.align import _files
from isomorph.align._maps import LinearMap
from isomorph.errors import ShapeError
from isomorph.transforms import FittedChain


@dataclass(frozen=True, eq=False)
class Alignment:
    """A map with the transforms that were fitted on the two vocabularies.

    Vectors of the source go through ``source_transform`` and ``map``, vectors of the target through
    ``target_transform`` and ``target_map``: then they are in one space and can be compared.

    Attributes
    ----------
    source_transform, target_transform : FittedChain or None
        None leaves vectors as they are.
    map : LinearMap
        From the transformed source to the common space.
    target_map : LinearMap, optional
        From the transformed target to the common space; None where that is the target's own.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.random.default_rng(0).standard_normal((20, 3))
    >>> chain = iso.transforms.Chain.parse("unit centre unit")
    >>> (source, a), (target, b) = chain.fit_apply(x), chain.fit_apply(x[:, ::-1])
    >>> alignment = iso.align.Alignment(source, iso.procrustes(a, b), target)
    >>> np.allclose(alignment.apply_source(x), alignment.apply_target(x[:, ::-1]))
    True
    """

    source_transform: FittedChain | None
    map: LinearMap
    target_transform: FittedChain | None
    target_map: LinearMap | None = None

    def __post_init__(self) -> None:
        back = self.target_map
        if back is not None and back.target_dim != self.map.target_dim:
            raise ShapeError(
                f"target_map: expected a map to {self.map.target_dim} columns, as map has, got one "
                f"to {back.target_dim}"
            )
        for side, dimension in (
            ("source_transform", self.map.source_dim),
            ("target_transform", self.map.target_dim if back is None else back.source_dim),
        ):
            chain = getattr(self, side)
            if chain is not None and chain.dimension != dimension:
                raise ShapeError(
                    f"{side}: expected a chain of {dimension} columns, as the map has, got one of "
                    f"{chain.dimension}"
                )

    @served
    def apply_source(
        self, x: Any, *, out: Any = None, check_finite: bool = True, threads: int | None = None
    ) -> Any:
        """Bring source vectors (n, d) into the common space; parameters as :meth:`LinearMap.apply`.

        One more copy of `x` is held while it is transformed.
        """
        if self.source_transform is not None:
            x = self.source_transform.apply(x, check_finite=check_finite, threads=threads)
            check_finite = False
        return self.map.apply(x, out=out, check_finite=check_finite, threads=threads)

    @served
    def apply_target(self, y: Any, *, check_finite: bool = True, threads: int | None = None) -> Any:
        """Bring target vectors (m, e) into the common space."""
        if self.target_transform is not None:
            y = self.target_transform.apply(y, check_finite=check_finite, threads=threads)
            check_finite = False
        if self.target_map is None:
            return y
        return self.target_map.apply(y, check_finite=check_finite, threads=threads)

    @served
    def direct(self) -> Alignment:
        """Give the alignment whose common space is that of the transformed target.

        Its ``map`` goes there and on by the inverse of ``target_map``. Cosines stay as they are
        where ``target_map`` is orthogonal (VecMap with ``target_reweight=0`` and the target
        de-whitened by itself); otherwise neighbours may change: the target's own space measures
        otherwise than the common one.

        Raises
        ------
        ValueError
            As :meth:`LinearMap.inverse`.
        """
        if self.target_map is None:
            return self
        map = self.map.then(self.target_map.inverse())  # noqa: A001
        return replace(self, map=map, target_map=None)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything, the fitted means included, to one safetensors file, atomically."""
        _files.save_alignment(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Alignment:
        """Read what :meth:`save` or :meth:`LinearMap.save` wrote, as NumPy arrays.

        Raises
        ------
        FormatError
            The file holds something else, or was written by a newer version.
        """
        return _files.load_alignment(path)

    def __repr__(self) -> str:
        def shown(chain: FittedChain | None) -> str:
            return "none" if chain is None else str(chain.chain)

        back = "" if self.target_map is None else f"; {self.target_map!r}"
        return (
            f"Alignment(source: {shown(self.source_transform)}; {self.map!r}; "
            f"target: {shown(self.target_transform)}{back})"
        )
