"""What a target token is made of, for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isomorph import _checks
from isomorph.errors import UnknownWordError

if TYPE_CHECKING:
    from isomorph.vocab.mixing import TokenMixing


@dataclass(frozen=True)
class Explanation:
    """A row of a mixing: what it is made of.

    Attributes
    ----------
    token : str or None
        The target token.
    row : int
        Its id.
    origin : str
        Where the row comes from.
    sources : tuple of (int, str or None, float)
        Source id, token and weight, the largest weight by magnitude first.
    total : int
        How many sources there are, those that were not asked for included.
    """

    token: str | None
    row: int
    origin: str
    sources: tuple[tuple[int, str | None, float], ...]
    total: int

    def __str__(self) -> str:
        from isomorph._text import table

        cells = [
            (f"  {weight:.4f}", _shown(token), str(source))
            for source, token, weight in self.sources
        ]
        name = "" if self.token is None else f"{_shown(self.token)} "
        lines = [f"{name}({self.row}, {self.origin})", *table(cells, right=(0, 2))]
        if (more := self.total - len(self.sources)) > 0:
            lines.append(f"  and {more} more")
        return "\n".join(lines)


def explain(mixing: TokenMixing, token: str | int, top: int | None) -> Explanation:
    """See :meth:`isomorph.vocab.TokenMixing.explain`."""
    row = _row(mixing, token)
    ids, weights = mixing.row(row)
    shown = len(ids) if top is None else _checks.integer("top", top, 1)
    order = np.argsort(-np.abs(weights), kind="stable")[:shown]
    names = mixing.source_tokens
    sources = tuple(
        (source, None if names is None else names[source], weight)
        for source, weight in zip(ids[order].tolist(), weights[order].tolist(), strict=True)
    )
    tokens = mixing.target_tokens
    origin = mixing.origin_names[int(mixing.origins[row])]
    return Explanation(None if tokens is None else tokens[row], row, origin, sources, len(ids))


def _row(mixing: TokenMixing, token: str | int) -> int:
    if not isinstance(token, str):
        return _checks.integer("token", token, 0, mixing.shape[0] - 1)
    if mixing.target_tokens is None:
        raise ValueError("token: the target tokens are not known here, so expected an id")
    try:
        return mixing.target_tokens.index(token)
    except ValueError:
        from isomorph.translation import near_words

        near = near_words(token, [one for one in mixing.target_tokens if one is not None])
        hint = f" (near: {', '.join(near)})" if near else ""
        raise UnknownWordError(f"token: not among the target tokens: {token!r}{hint}") from None


def _shown(token: str | None) -> str:
    """Make a token visible in one line."""
    if token is None:
        return ""
    return token if token.isprintable() and token.strip() == token != "" else repr(token)
