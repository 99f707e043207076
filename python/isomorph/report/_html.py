"""A few lines that write HTML: text is always escaped, markup is always of type ``Markup``."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str) -> Markup:
    """Return an element; ``class_`` and ``aria_label`` become ``class`` and ``aria-label``."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[str], between: str = "") -> Markup:
    """Return the children one after the other, text escaped."""
    return Markup(
        between.join(
            child if isinstance(child, Markup) else html.escape(child, quote=False)
            for child in children
        )
    )


def word(text: str, **attributes: str) -> Markup:
    """Return a word of data: of any script and direction, whatever stands beside it."""
    return tag("bdi", text, **attributes)


def table(
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numeric: Sequence[int] = (),
) -> Markup:
    """Return a table whose first column names the rows; `numeric` columns are set to the right."""

    def cells(row: Sequence[str]) -> Markup:
        return join(
            tag("th", cell, scope="row")
            if number == 0
            else tag("td", cell, **({"class_": "number"} if number in numeric else {}))
            for number, cell in enumerate(row)
        )

    head = join(
        tag("th", cell, scope="col", **({"class_": "number"} if number in numeric else {}))
        for number, cell in enumerate(header)
    )
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", head)),
            tag("tbody", join(tag("tr", cells(row)) for row in rows)),
        ),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def figure(picture: str, caption: str) -> Markup:
    """Return a figure with its caption."""
    return tag("figure", picture, tag("figcaption", caption))
