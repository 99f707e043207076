"""Several spaces with a map of each into one: what generalised Procrustes gives."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from isomorph import _arrays, runtime
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph.align import LinearMap, procrustes
from isomorph.align._methods import renamed
from isomorph.errors import DictionaryError, DTypeError, ShapeError, UnknownWordError
from isomorph.many_spaces import _files, _inputs
from isomorph.metrics._host import take_rows


@dataclass(frozen=True, eq=False)
class CommonSpace:
    """A hub: maps of several spaces, by name, into one space.

    ``hub[name]`` is the map of a space, ``hub[name](rows)`` brings rows of it into the hub, and
    :meth:`between` leads from one space to another.

    Attributes
    ----------
    maps : mapping of str to LinearMap
        All with the same number of columns on their far side.
    objective : tuple of float
        The loss at the start and after each round, as part of what it would be were nothing alike:
        0 where all coincide, about 1 where nothing does. Empty where nothing was iterated.
    converged : bool
        Whether the rounds ended because the loss had come to rest.
    residuals : mapping of (str, str) to float
        The root of the same part for each pair of spaces that share rows (for a pivot, and for
        spaces that were added: that of :func:`isomorph.procrustes`).
    provenance : dict
        Where the hub comes from; ``"identity"`` names the space whose coordinates it has.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.random.default_rng(0).standard_normal((30, 3))
    >>> hub = iso.generalized_procrustes({"en": x, "fr": x[:, ::-1]})
    >>> hub = hub.add("fi", {"fr": (x[:, [1, 0, 2]], x[:, ::-1])})
    >>> hub
    CommonSpace(en, fr, fi -> 3, residuals up to 0)
    >>> np.allclose(hub.between("fi", "en")(x[:, [1, 0, 2]]), x)
    True
    """

    maps: Mapping[str, LinearMap]
    objective: tuple[float, ...] = field(default=(), kw_only=True)
    converged: bool = field(default=True, kw_only=True)
    residuals: Mapping[tuple[str, str], float] = field(default_factory=dict, kw_only=True)
    provenance: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        maps = dict(self.maps)
        if not maps:
            raise ValueError("maps: expected at least one, got none")
        for name, each in maps.items():
            if not isinstance(name, str) or not isinstance(each, LinearMap):
                raise DTypeError(
                    f"maps: expected LinearMaps by name, got {type(each).__name__} under {name!r}"
                )
            if each.stack is not None or each.target_dim != next(iter(maps.values())).target_dim:
                raise ShapeError(f"maps.{name}: expected a map into the same space, got {each!r}")
        put = object.__setattr__
        put(self, "maps", maps)
        put(self, "residuals", dict(self.residuals))
        put(self, "provenance", dict(self.provenance))

    @property
    def names(self) -> tuple[str, ...]:
        """The spaces, in the order in which they came."""
        return tuple(self.maps)

    @property
    def dimension(self) -> int:
        """Columns of the hub."""
        return next(iter(self.maps.values())).target_dim

    def __getitem__(self, name: str) -> LinearMap:
        if name not in self.maps:
            raise UnknownWordError(f"name: expected one of {', '.join(self.maps)}, got {name!r}")
        return self.maps[name]

    def __len__(self) -> int:
        return len(self.maps)

    def __iter__(self) -> Iterator[str]:
        return iter(self.maps)

    def between(self, source: str, target: str) -> LinearMap:
        """Give the map from one space to another, through the hub.

        It is orthogonal where both spaces have as many columns as the hub. A space of fewer columns
        lies in a part of the hub; what of another space is outside that part is lost on the way.

        Raises
        ------
        UnknownWordError
            No space of that name.
        ValueError
            A target whose scale is 0.
        """
        return self[source].then(self[target].inverse())

    @served
    def add(
        self,
        name: str,
        known: Mapping[str, tuple[Any, Any]],
        *,
        scale: bool = False,
        translate: bool = False,
        allow_reflection: bool = True,
        check_finite: bool = True,
        threads: int | None = None,
        progress: Progress = None,
    ) -> CommonSpace:
        r"""Give a hub with one more space; the maps of the others stay as they are.

        The new map is :func:`isomorph.procrustes` from rows of the new space to what the hub makes
        of their partners: what :func:`generalized_procrustes` would give, were the others fixed.

        Parameters
        ----------
        name : str
            What to call the space.
        known : mapping of str to (array of shape (n, d), array of shape (n, d_i))
            For one or more spaces of the hub: rows of the new space, and row by row their partners
            in that space.
        scale, translate, allow_reflection, check_finite, threads, progress
            As for :func:`isomorph.procrustes`.

        Returns
        -------
        CommonSpace
            A new one; this one does not change.

        Raises
        ------
        ValueError
            A name that the hub has already, or pairs with a space that it does not have.
        DictionaryError
            No pairs.
        ShapeError, DTypeError, NonFiniteError
            As for :func:`isomorph.procrustes`.

        Notes
        -----
        O(n d h) for n pairs in all, and their rows twice in memory.
        """
        if not isinstance(name, str) or name in self.maps:
            raise ValueError(f"name: expected one that the hub does not have, got {name!r}")
        if not isinstance(known, Mapping) or not known:
            raise DictionaryError("known: expected rows for at least one space of the hub")
        new, old = [], []
        for other, sides in known.items():
            if other not in self.maps:
                raise ValueError(f"known: expected some of {', '.join(self.maps)}, got {other!r}")
            if not isinstance(sides, tuple | list) or len(sides) != 2:
                raise DTypeError(f"known.{other}: expected (rows of the new space, their partners)")
            said = {"source": f"known.{other}.0", "target": f"known.{other}.1"}
            with renamed({**said, "x": said["target"]}):
                arguments = _arrays.Arguments(source=sides[0], target=sides[1])
                arguments.require_not_empty()
                rows, partners = (shape[0] for shape in arguments.shapes.values())
                if rows != partners:
                    raise ShapeError(f"target: expected {rows} rows, row by row, got {partners}")
                left, right = arguments.ready(check_finite=check_finite).arrays
                old.append(self.maps[other].apply(right, check_finite=False, threads=threads))
            new.append(left)
        xp = arguments.array_namespace()
        with renamed({"source": "known"}):
            fitted = procrustes(
                *(side[0] if len(side) == 1 else xp.concat(side) for side in (new, old)),
                scale=scale,
                translate=translate,
                allow_reflection=allow_reflection,
                check_finite=False,
                threads=threads,
                progress=progress,
            )
        found = {(name, other): fitted.metrics["residual"] for other in known}
        if len(known) > 1:
            found = {(name, " ".join(known)): fitted.metrics["residual"]}
        return replace(
            self, maps={**self.maps, name: fitted}, residuals={**self.residuals, **found}
        )

    @served
    def consensus(
        self,
        spaces: Mapping[str, Any],
        *,
        concepts: Mapping[str, Any] | None = None,
        check_finite: bool = True,
        threads: int | None = None,
    ) -> Any:
        r"""Give the mean of each concept over the spaces that hold it, in the hub.

        Parameters
        ----------
        spaces : mapping of str to array of shape (n_i, d_i)
            Rows of spaces of the hub.
        concepts : mapping of str to integers of shape (n_i,), optional
            As for :func:`generalized_procrustes`; without it, row r is the same concept in all.
        check_finite, threads
            As for :meth:`LinearMap.apply`.

        Returns
        -------
        array of shape (m, h)
            A row for each concept that a space holds, ascending.

        Notes
        -----
        A concept's rows in one space count as their mean. Memory: some copies of the result.
        """
        names, arguments = _inputs.vectors_of(spaces)
        if unknown := [name for name in names if name not in self.maps]:
            raise ValueError(f"spaces: expected some of {', '.join(self.maps)}, got {unknown[0]!r}")
        counts = [shape[0] for shape in arguments.shapes.values()]
        if concepts is None:
            _inputs.from_rows(counts, names)
            labels = [np.arange(count) for count in counts]
        else:
            labels = _inputs.concept_labels(concepts, counts, names)
        every = np.unique(np.concatenate(labels))
        every = every[every >= 0]
        if not len(every):
            raise DictionaryError("concepts: expected at least one, got none")
        xp = arguments.array_namespace()
        total: Any = 0.0
        held_by = np.zeros(len(every))
        number = runtime.resolve_threads(threads)
        for name, given, of_rows in zip(
            names, arguments.ready(check_finite=check_finite).arrays, labels, strict=True
        ):
            rows, held = _inputs.once_each(given, of_rows)
            mapped = self.maps[name].apply(rows, check_finite=False, threads=number)
            # Where each concept is among the held ones; what is not held counts nothing.
            place = np.minimum(np.searchsorted(held, every), max(len(held) - 1, 0))
            here = np.isin(every, held)
            if not len(held):
                continue
            mask = xp.asarray(here[:, None], **arguments.device_of(given))
            taken = xp.astype(take_rows(mapped, place), xp.float64)
            total = total + xp.where(mask, taken, xp.zeros_like(taken))
            held_by += here
        counted = xp.asarray(held_by[:, None], **arguments.device_of(given))
        return xp.astype(total / counted, mapped.dtype)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all maps to one safetensors file; it appears whole or not at all.

        The file has a format version; :meth:`load` gives the same bytes back.
        """
        _files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CommonSpace:
        """Read what :meth:`save` wrote, as NumPy arrays.

        Raises
        ------
        FormatError
            The file holds something else, or was written by a newer version.
        """
        return _files.load(cls, path)

    def __repr__(self) -> str:
        worst = f", residuals up to {max(self.residuals.values()):.4g}" if self.residuals else ""
        return f"CommonSpace({_listed(self.names)} -> {self.dimension}{worst})"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{len(names)} spaces"
