"""What an automatic choice chooses among, and how each is fitted without one fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph.align._maps import LinearMap
from isomorph.errors import DTypeError

if TYPE_CHECKING:
    from isomorph.align._methods import Problem
    from isomorph.linalg import Moments

#: From the plainest to the freest: an orthogonal map is preferred to others that are no better
#: than chance makes it; of the rest the best is taken, by both retrievals where one cannot tell.
PREFERENCE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("procrustes", {}),
    ("procrustes", {"scale": True}),
    ("robust", {}),
    ("cca", {}),
    ("ridge", {}),
    ("ols", {}),
    ("vecmap", {}),
    ("vecmap", {"source_reweight": 1.0}),
    ("rcsls", {}),
)
UNTRANSLATED = ("vecmap", "rcsls")
SPACES = ("source_space", "target_space")


def _orthonormal(allow_reflection: bool) -> Callable[..., LinearMap]:
    def fit(moments: Moments, problem: Problem, *, scale: bool = False) -> LinearMap:
        return moments.procrustes(
            scale=scale,
            translate=problem.translate,
            allow_reflection=allow_reflection,
            threads=problem.threads,
        )

    return fit


def _ols(moments: Moments, problem: Problem) -> LinearMap:
    return moments.ols(translate=problem.translate, threads=problem.threads)


def _ridge(moments: Moments, problem: Problem, *, alpha: Any = None) -> LinearMap:
    return moments.ridge(alpha, translate=problem.translate, threads=problem.threads)


def _cca(moments: Moments, problem: Problem, *, k: int | None = None) -> LinearMap:
    return moments.cca(k, threads=problem.threads).map


#: What is fitted from moments alone, with these options and no others; for the rest see METHODS.
SUMMED: Mapping[str, tuple[Callable[..., LinearMap], tuple[str, ...]]] = MappingProxyType(
    {
        "procrustes": (_orthonormal(True), ("scale",)),
        "rectangular": (_orthonormal(True), ("scale",)),
        "rotation": (_orthonormal(False), ("scale",)),
        "ols": (_ols, ()),
        "ridge": (_ridge, ("alpha",)),
        "cca": (_cca, ("k",)),
    }
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method with options, to be tried.

    Attributes
    ----------
    method : str
        Of METHODS.
    options : dict
        As given.
    """

    method: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name in the table."""
        return ", ".join([self.method, *(f"{k}={v}" for k, v in self.options.items())])

    @property
    def _leaves_out_folds(self) -> bool:
        """Whether its fit chooses something by leaving out folds."""
        alpha = self.options.get("alpha")
        several = alpha is None or np.ndim(alpha) > 0
        return several and self.options.get("choose_by") != "loo"

    @property
    def summed(self) -> bool:
        """Whether moments are all that its fit needs."""
        return self.method in SUMMED and set(self.options) <= set(SUMMED[self.method][1])

    def fit(self, problem: Problem, moments: Moments | None, group: Any, spaces: Any) -> LinearMap:
        """Fit to the pairs of `problem`; to `moments` of theirs instead, where that is enough.

        `group` has the fold of each pair, for a fit that leaves out folds itself; `spaces` all
        rows of both sides.
        """
        from isomorph.align._methods import METHODS

        if moments is not None and self.summed:
            return SUMMED[self.method][0](moments, problem, **self.options)
        taken = METHODS[self.method].options
        given = {**dict(zip(SPACES, spaces, strict=True)), "group": group}
        own = {name: value for name, value in given.items() if name in taken and value is not None}
        if not self._leaves_out_folds:
            own.pop("group", None)
        return METHODS[self.method].fit(problem, **(own | self.options))


def candidates(
    methods: Any, problem: Problem, spaces: tuple[Any, Any]
) -> tuple[list[Candidate], dict[str, str]]:
    """Give what is to be tried, and what of the methods by default is not, and why."""
    from isomorph.align._methods import METHODS

    if methods is not None:
        return given(methods), {}
    found, left_out = [], {}
    for method, options in PREFERENCE:
        one = Candidate(method, options)
        if options.get("scale") and not problem.translate:
            # Without means a factor changes no cosine.
            continue
        if method in UNTRANSLATED and problem.translate:
            left_out[one.label] = "subtracts no means"
        elif method == "vecmap" and problem.weights is not None:
            left_out[one.label] = "takes no weights"
        elif set(SPACES) <= set(METHODS[method].options) and any(s is None for s in spaces):
            left_out[one.label] = "needs source_space and target_space"
        else:
            found.append(one)
    return found, left_out


def given(methods: Any) -> list[Candidate]:
    """Give methods that were named, each with its options."""
    from isomorph.align._methods import METHODS

    if isinstance(methods, str) or not isinstance(methods, Sequence):
        raise DTypeError(f"methods: expected names, or pairs of name and options, got {methods!r}")
    found: list[Candidate] = []
    for one in methods:
        method, options = (one, {}) if isinstance(one, str) else _pair(one)
        if method not in METHODS or method == "auto":
            known = ", ".join(name for name in METHODS if name != "auto")
            raise ValueError(f"methods: expected some of {known}, got {method!r}")
        if unknown := sorted(set(options) - set(METHODS[method].options)):
            raise ValueError(f"methods: {method!r} takes no option {unknown[0]!r}")
        found.append(Candidate(method, options))
    if not found:
        raise ValueError("methods: expected at least one, got none")
    labels = [one.label for one in found]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ValueError(f"methods: expected each once, got {twice[0]!r} again")
    return found


def _pair(one: Any) -> tuple[str, dict[str, Any]]:
    try:
        method, options = one
        options = dict(options)
    except (TypeError, ValueError):
        raise DTypeError(
            f"methods: expected names, or pairs of name and options, got {one!r}"
        ) from None
    return str(method), options
