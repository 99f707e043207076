"""Plots as SVG inside the page: no files, no fonts, no addresses; colours of the page's theme."""

from __future__ import annotations

import html
import io
import re
import warnings
from typing import Any

from isomorph import plot
from isomorph.report._html import Markup


def svg(axes: Any, name: str, description: str) -> Markup:
    """Return the figure of `axes` as inline SVG, described for those who do not see it."""
    import matplotlib as mpl

    stream = io.StringIO()
    # Text stays text, in the page's own font; the salt makes identifiers the same in every run.
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": name}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        axes.figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    drawn = stream.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    # A style sheet in inline SVG would rule the whole page.
    drawn = re.sub(r"<(metadata|style)\b.*?</\1>", "", drawn, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', drawn)
    body = drawn[drawn.index(">") + 1 :]
    body = body.replace("xlink:href=", "href=")
    body = body.replace(plot.INK, "var(--ink)").replace(plot.FAINT, "var(--line)")
    body = re.sub(r'font-family: [^;"]*', "font-family: inherit", body)
    body = re.sub(r'font: ([\d.]+px) [^;"]*', r"font-size: \1; font-family: inherit", body)
    # Identifiers of several figures share one page.
    body = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", body)
    view = box.group(1) if box else "0 0 460.8 259.2"
    head = f'<svg class="plot" viewBox="{view}" role="img" aria-labelledby="{name}-title">'
    title = f'<title id="{name}-title">{html.escape(description, quote=False)}</title>'
    return Markup(f"{head}{title}{body.strip()}")
