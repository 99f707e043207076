"""Plots of results, drawn with matplotlib (``pip install 'isomorph[report]'``).

Each function draws on the Axes that it is given, or on those of a new figure, and returns them.
Nothing is shown and no global state of matplotlib is touched, so they work in notebooks, scripts
and servers alike: ``isomorph.plot.precision(results).figure.savefig("precision.svg")``.
"""

from isomorph.plot._accuracy import accuracy, learning_curve, precision, verdict
from isomorph.plot._budget import budget
from isomorph.plot._pairs import translations
from isomorph.plot._spaces import hubness, singular_values, spectrum
from isomorph.plot._style import COLORS, FAINT, INK
from isomorph.plot._transport import convergence, plan

__all__ = [
    "COLORS",
    "FAINT",
    "INK",
    "accuracy",
    "budget",
    "convergence",
    "hubness",
    "learning_curve",
    "plan",
    "precision",
    "singular_values",
    "spectrum",
    "translations",
    "verdict",
]
