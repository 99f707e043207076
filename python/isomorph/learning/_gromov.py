"""A start without a dictionary: distances within one side are like those within the other."""

from __future__ import annotations

from typing import Any

from isomorph import _arrays, transforms
from isomorph._backends import Run
from isomorph.align import LinearMap, procrustes
from isomorph.align._double import Double
from isomorph.learning._matching import matched, minus_products
from isomorph.learning._seeds import sorted_similarities
from isomorph.learning._spaces import first_rows
from isomorph.transport import Transport

#: Weights of the entropy, one after the other, for distances with the mean 1: at first a word may
#: go to most of the others, at the end to a few.
_REGS = (0.02, 0.01, 0.005, 0.002, 0.001, 0.0005)
#: Steps at each.
_STEPS = 3
#: What unlike spectra cost, in units of reg.
_SPECTRA = 3.0
#: The mean distance at least: vectors that are all alike have no scale.
_LEAST = 1e-6


def gromov_wasserstein(
    rows: tuple[Any, Any], vectors: tuple[Any, Any], *, vocabulary: int, threads: int
) -> LinearMap:
    r"""Match the first m words of both sides, and turn the source to what they are matched with.

    Entropic Gromov-Wasserstein transport (Alvarez-Melis and Jaakkola, EMNLP 2018) with equal
    masses; D and D' are cosine distances within a side, divided by their means:

    .. math:: \min_P \sum_{ijkl} (D_{ik} - D'_{jl})^2 P_{ij} P_{kl}
        + \mathrm{reg} \sum_{ij} P_{ij} \log P_{ij}

    A step transports by :math:`-2 D P D'`, which is :math:`-2 X (X^T P Y) Y^T` but for constants of
    rows and of columns, where D is one minus products: a d x d matrix and one product. It starts
    at the even plan, which says little; what it costs to match unlike sorted similarities is added
    in proportion to reg, decides at first and is next to nothing at the end.

    `rows` are as given, because the mean of a space, which centring takes off, says how central a
    word is; the map is between the `vectors`. O(m^3) for the spectra and O(m^2 d) for each of 18
    steps and for some ten passes a step; memory: five m x m matrices.
    """
    count = min(vocabulary, *(int(side.shape[0]) for side in rows))
    unit = transforms.Chain.parse("unit")
    x, y = (
        unit.fit_apply(first_rows(side, count), check_finite=False, threads=threads)[1]
        for side in rows
    )
    unlike = _unlike_spectra(vectors, count, threads)
    arguments = _arrays.Arguments(x=x, y=y)
    double = Double(arguments, arguments.ready(check_finite=False), Run(threads))
    scale = 2.0 / count
    for side in (x, y):
        mean = double.xp.mean(double.xp.astype(side, double.xp.float64), axis=0)
        scale /= max(1.0 - float(mean @ mean), _LEAST)
    moved: Transport | None = None
    for reg in _REGS:
        for _ in range(_STEPS):
            if moved is None:
                even = double.xp.mean(y, axis=0)
                sent = double.xp.broadcast_to(even[None, :], y.shape)
            else:
                sent = moved.apply(y, check_finite=False)
            pull = double.ready.convert(double.moments(x, 1.0, sent, scale))
            turned = LinearMap(pull, method="gromov").apply(x, check_finite=False, threads=threads)
            cost = minus_products(turned, y, threads) + _SPECTRA * reg * unlike
            moved = matched(cost, reg, moved, threads)
    assert moved is not None
    source, target = (first_rows(side, count) for side in vectors)
    sent = moved.apply(target, check_finite=False)
    return procrustes(source, sent, check_finite=False, threads=threads)


def _unlike_spectra(vectors: tuple[Any, Any], count: int, threads: int) -> Any:
    """Give minus the cosines of the words' sorted similarities to their own side."""
    chain = transforms.Chain.parse("unit centre unit")
    sides = [
        chain.fit_apply(
            sorted_similarities(first_rows(side, count), threads),
            check_finite=False,
            threads=threads,
        )[1]
        for side in vectors
    ]
    return minus_products(sides[0], sides[1], threads)
