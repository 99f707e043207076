"""Methods by name and settings, as ``"omp k=16"``, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks
from isomorph.errors import DTypeError, ShapeError
from isomorph.vocab.initialization._vocabularies import Vocabulary
from isomorph.vocab.mixing import TokenMixing

#: The settings that each method takes, and how text becomes their values.
_SETTINGS: dict[str, dict[str, Callable[[str], Any]]] = {
    "mean": {},
    "gaussian": {"seed": int},
    "subword_mean": {},
    "focus": {},
    "omp": {"k": int, "tolerance": float},
    "clp": {"k": int, "negative": str},
    "wechsel": {"k": int, "temperature": float},
}
METHODS = tuple(_SETTINGS)
#: What each needs beside the two vocabularies.
_NEEDS = {
    "focus": ("vectors",),
    "omp": ("vectors",),
    "clp": ("vectors",),
    "wechsel": ("vectors", "source_vectors"),
}
#: What "auto" compares, where there is what they need.
CANDIDATES = (
    "mean",
    "gaussian",
    "subword_mean",
    "focus",
    "clp",
    "omp k=8",
    "omp k=64",
    "wechsel k=1",
    "wechsel temperature=0.05",
    "wechsel",
    "wechsel temperature=0.3",
)


@dataclass(frozen=True)
class Recipe:
    """A method and its settings.

    Attributes
    ----------
    name : str
        One of `METHODS`.
    settings : mapping
        Its keywords.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: Any, *others: str) -> Recipe:
        """Read ``"wechsel k=5 temperature=0.05"``; `others` are names that would do, too."""
        if isinstance(text, cls):
            return text
        if not isinstance(text, str) or not text.split():
            names = ", ".join((*others, *METHODS))
            raise ValueError(f"method: expected one of {names}, got {text!r}")
        name, *parts = text.split()
        name = name.replace("-", "_")
        # What the shared tokens leave, the mean fills.
        name = "mean" if name == "overlap" else name
        if name not in METHODS:
            _checks.one_of("method", name, (*others, *METHODS))
            raise ValueError(f"method: {name} takes no settings, got {' '.join(parts)!r}")
        known, settings = _SETTINGS[name], dict[str, Any]()
        for part in parts:
            key, _, value = part.partition("=")
            if key not in known:
                wanted = ", ".join(f"{one}=" for one in known) or "no settings"
                raise ValueError(f"method: {name}: expected {wanted}, got {part!r}")
            try:
                settings[key] = known[key](value)
            except ValueError:
                raise ValueError(
                    f"method: {name}: {key}: expected a number, got {value!r}"
                ) from None
        return cls(name, MappingProxyType(settings))

    @property
    def label(self) -> str:
        """The text that :meth:`parse` reads."""
        return " ".join([self.name, *(f"{key}={value}" for key, value in self.settings.items())])

    def lacks(self, materials: Materials) -> tuple[str, ...]:
        """Name what the method needs and there is not."""
        return tuple(name for name in _NEEDS.get(self.name, ()) if getattr(materials, name) is None)

    def mixing(self, materials: Materials, base: TokenMixing) -> TokenMixing:
        """Make the rows that `base` lacks, as far as the method can.

        Raises
        ------
        ValueError
            Without what the method needs.
        """
        from isomorph.vocab import initialization

        if lacking := self.lacks(materials):
            of = {"vectors": "of the new tokens", "source_vectors": "of the old tokens"}
            said = ", ".join(f"{name} ({of[name]}, or of words)" for name in lacking)
            raise ValueError(f"method: {self.name} needs {said}")
        if self.name in ("mean", "gaussian"):
            return base
        if self.name == "subword_mean":
            return initialization.subword_mean(
                materials.tokenizer or materials.source,
                materials.target,
                pieces=materials.pieces,
                base=base,
            )
        options = {**self.settings, "threads": materials.threads}
        if self.name == "wechsel":
            columns = [materials.vectors.shape[1], materials.source_vectors.shape[1]]  # type: ignore[union-attr]
            if columns[0] != columns[1]:
                raise ShapeError(
                    "vectors, source_vectors: expected vectors of one space, got "
                    f"{columns[0]} and {columns[1]} columns"
                )
            # A setting for many vocabularies: no more neighbours than there are tokens.
            options["k"] = min(options.get("k", 10), len(materials.source))
            return initialization.wechsel(
                materials.source_vectors, materials.vectors, base=base, **options
            )
        made = {
            "focus": initialization.focus,
            "omp": initialization.omp,
            "clp": initialization.clp,
        }[self.name]
        if options.get("k") is not None and self.name == "clp":
            options["k"] = min(options["k"], int((base.counts > 0).sum()))
        return made(materials.vectors, base, **options)

    def fallback(self, rows: Any, targets: NDArray[np.int64]) -> Any:
        """Give the rows of the target tokens that the mixing has nothing for."""
        from isomorph.vocab import initialization

        if self.name == "gaussian":
            return initialization.gaussian(rows, targets, **self.settings)
        # All have the same mean: one row stands for them.
        return initialization.mean(rows, targets[:1])


@dataclass(frozen=True, eq=False)
class Materials:
    """What methods make rows of.

    Attributes
    ----------
    source, target : Vocabulary
        The tokens.
    tokenizer : Tokenizer or None
        The old one, to cut new tokens with.
    vectors, source_vectors : ndarray or None
        A vector for each target token, and for each source token.
    pieces : list or None
        Old ids of each target token, instead of what the tokenizer gives.
    threads : int or None
        See :mod:`isomorph.runtime`.
    """

    source: Vocabulary
    target: Vocabulary
    tokenizer: Any = None
    vectors: NDArray[Any] | None = None
    source_vectors: NDArray[Any] | None = None
    pieces: Sequence[Sequence[int] | None] | None = None
    threads: int | None = None


def require_vectors(name: str, given: Any, count: int) -> NDArray[Any] | None:
    """Require a vector for each token, or None."""
    if given is None:
        return None
    found = np.asarray(given)
    if found.dtype.kind != "f":
        raise DTypeError(f"{name}: expected floating point vectors, got {found.dtype}")
    if found.ndim != 2 or len(found) != count or not found.shape[1]:
        raise ShapeError(f"{name}: expected a vector for each of {count} tokens, got {found.shape}")
    return found


def candidates(methods: Any, materials: Materials) -> list[Recipe]:
    """Read the methods to compare; by default all for which there is what they need."""
    if methods is None:
        found = [Recipe.parse(text) for text in CANDIDATES]
        encodes = hasattr(materials.tokenizer, "encode")
        return [
            recipe
            for recipe in found
            if not recipe.lacks(materials) and (encodes or recipe.name != "subword_mean")
        ]
    if isinstance(methods, str) or not isinstance(methods, Sequence) or not methods:
        raise DTypeError(f"methods: expected a list of methods, got {methods!r}")
    return [Recipe.parse(text) for text in methods]
