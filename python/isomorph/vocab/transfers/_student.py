"""Quantiles of Student's t distribution."""

from __future__ import annotations

import math
from statistics import NormalDist

#: From here on the normal distribution is the same to 1e-6.
_MANY = 1e6


def quantile(probability: float, freedom: float) -> float:
    """Give the point below which t lies with `probability`, for any degrees of freedom above 0.

    The distribution function, a regularised incomplete beta function by its continued fraction
    (modified Lentz), is inverted by bisection, to about 1e-12.
    """
    if probability < 0.5:
        return -quantile(1 - probability, freedom)
    if not freedom < _MANY:
        return NormalDist().inv_cdf(probability)
    # With x = v / (v + t^2), I_x(v/2, 1/2) = 2 (1 - probability).
    wanted, low, high = 2 * (1 - probability), 0.0, 1.0
    while math.nextafter(low, high) < high:
        middle = (low + high) / 2
        # Steps in the exponent while x is tiny.
        middle = math.sqrt(low * high) if 0 < low < high / 4 else middle
        if not low < middle < high:
            break
        if _beta(middle, freedom / 2, 0.5) < wanted:
            low = middle
        else:
            high = middle
    return math.sqrt(freedom * (1 - high) / high) if high < 1 else 0.0


def _beta(x: float, a: float, b: float) -> float:
    """Give the regularised incomplete beta function."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    tiny = 1e-300
    value, c, d = 1.0, 1.0, 0.0
    for step in range(400):
        m = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / (1 + term * d or tiny)
        c = 1 + term / c or tiny
        value *= c * d
        if abs(c * d - 1) < 1e-15 and step:
            break
    return front * (value - 1) / a
