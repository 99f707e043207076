"""A method by its name, for jobs that fit it several times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isomorph._progress import Progress
from isomorph.align._fit_map import fit_map
from isomorph.align._maps import LinearMap
from isomorph.align._methods import METHODS


@dataclass(frozen=True, slots=True)
class Fit:
    """A method with what it takes of the options at hand."""

    method: str
    options: dict[str, Any]
    threads: int | None

    def __call__(self, x: Any, y: Any) -> LinearMap:
        """Fit pairs of rows."""
        taken = METHODS[self.method].options
        own = {name: value for name, value in self.options.items() if name in taken}
        return fit_map(x, y, method=self.method, threads=self.threads, **own)

    def chosen(self, x: Any, y: Any, progress: Progress) -> tuple[LinearMap, Fit]:
        """Fit what an automatic choice takes, and give that method."""
        made = fit_map(x, y, method="auto", threads=self.threads, progress=progress, **self.options)
        selection = made.selection
        assert selection is not None
        one = next(one for one in selection.tried if one.label == selection.chosen)
        return made, Fit(one.method, {**self.options, **one.options}, self.threads)
