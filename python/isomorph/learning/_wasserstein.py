"""Wasserstein-Procrustes: transport and rotation in turns, and two starts for them."""

from __future__ import annotations

import math
from typing import Any

from isomorph import _arrays, transforms
from isomorph._backends import Run
from isomorph.align import LinearMap, procrustes
from isomorph.align._double import Double
from isomorph.errors import DictionaryError
from isomorph.learning._gromov import gromov_wasserstein
from isomorph.learning._matching import matched, minus_products, products
from isomorph.learning._spaces import first_rows
from isomorph.transport import Transport

#: Steps of the relaxation; the weight of its entropy, in mean absolute deviations of the gradient.
_RELAXED_STEPS, _RELAXED_REG = 50, 0.1
#: The weight of the entropy beside cosines, when transport and rotation take turns.
_REG = 0.1
#: The most turns, and the root mean square over directions of the move that is none.
_TURNS, _STILL = 50, 5e-3


def transported(
    init: str, rows: tuple[Any, Any], vectors: tuple[Any, Any], *, vocabulary: int, threads: int
) -> LinearMap:
    """Give the map of a start by transport: ``"gromov"`` or ``"wasserstein"``."""
    begin = gromov_wasserstein if init == "gromov" else relaxed
    by = begin(rows, vectors, vocabulary=vocabulary, threads=threads)
    return in_turns(by, vectors, vocabulary=vocabulary, threads=threads)


def relaxed(
    rows: tuple[Any, Any], vectors: tuple[Any, Any], *, vocabulary: int, threads: int
) -> LinearMap:
    r"""Match the first m words of both sides as far as one convex problem does it.

    With K and K' the cosines within a side, the latter scaled to the norm of the former:

    .. math:: \min_P |K P - P K'|_F^2, \qquad P \ge 0,\; P \mathbf 1 = P^T \mathbf 1 = \mathbf 1

    by Frank and Wolfe's method (Grave, Joulin and Berthet, AISTATS 2019): from the even plan, a
    step of 2 / (2 + t) to the plan that the gradient :math:`K^2 P + P K'^2 - 2 K P K'` prefers,
    with an entropy. K is of rank d, so the gradient is a product of m x 2d matrices.

    `rows` are as given: of centred ones the even plan is a saddle, where the gradient is zero. The
    map is between the `vectors`. O(m^2 d) for each of 50 steps, and their transports; memory: five
    m x m matrices.
    """
    count = min(vocabulary, *(int(side.shape[0]) for side in rows))
    unit = transforms.Chain.parse("unit")
    x, y = (
        unit.fit_apply(first_rows(side, count), check_finite=False, threads=threads)[1]
        for side in rows
    )
    arguments = _arrays.Arguments(x=x, y=y)
    double = Double(arguments, arguments.ready(check_finite=False), Run(threads))
    xp, convert = double.xp, double.ready.convert
    norms = [float(xp.linalg.matrix_norm(double.moments(side, 1.0, side, 1.0))) for side in (x, y)]
    if min(norms) == 0.0:
        raise DictionaryError("seed_pairs: vectors of zeros are all alike; give a dictionary")
    y = y * math.sqrt(norms[0] / norms[1])
    of_x, of_y = (convert(double.moments(side, 1.0, side, 1.0)) for side in (x, y))
    plan = xp.full((count, count), 1.0 / count, dtype=x.dtype, **double.device)
    moved: Transport | None = None
    for step in range(_RELAXED_STEPS):
        from_x = products(double.transposed(plan), x, threads)
        from_y = products(plan, y, threads)
        both = convert(double.moments(x, 1.0, from_y, 1.0))
        left = xp.concat([x, products(from_y, of_y, threads)], axis=1)
        between = products(y, double.transposed(both), threads)
        unlike = products(from_x, of_x, threads) - 2.0 * between
        right = xp.concat([unlike, y], axis=1)
        gradient = products(left, double.transposed(right), threads)
        spread = float(xp.mean(xp.abs(gradient - xp.mean(gradient)), dtype=xp.float64))
        if spread == 0.0:
            break
        moved = matched(gradient, _RELAXED_REG * spread, moved, threads)
        plan = plan + (2.0 / (3.0 + step)) * (count * moved.plan() - plan)
    source, target = (first_rows(side, count) for side in vectors)
    sent = products(plan, target, threads)
    return procrustes(source, sent, check_finite=False, threads=threads)


def in_turns(
    by: LinearMap, vectors: tuple[Any, Any], *, vocabulary: int, threads: int
) -> LinearMap:
    r"""Improve a map: transport the first m words, turn them to where they went, and again.

    .. math:: \max_{Q, P}\; \langle X Q, P Y \rangle + \mathrm{reg}\, H(P), \qquad Q^T Q = I

    over the orthogonal Q and the plans P of equal masses in turns, until Q stands still. The
    objective never falls. O(m^2 d) a turn, and a transport that begins where the last one ended;
    memory: two m x m matrices.
    """
    count = min(vocabulary, *(int(side.shape[0]) for side in vectors))
    source, target = (first_rows(side, count) for side in vectors)
    xp = _arrays.Arguments(x=source).array_namespace()
    moved: Transport | None = None
    for _ in range(_TURNS):
        turned = by.apply(source, check_finite=False, threads=threads)
        moved = matched(minus_products(turned, target, threads), _REG, moved, threads)
        before = by
        sent = moved.apply(target, check_finite=False)
        by = procrustes(source, sent, check_finite=False, threads=threads)
        move = xp.mean(xp.sum((by.matrix - before.matrix) ** 2, axis=0))
        if math.sqrt(float(move)) < _STILL:
            break
    return by
