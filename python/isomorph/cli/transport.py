"""``isomorph transport``: the mass of one set of points moved to another at the least cost."""

from __future__ import annotations

import argparse
import math
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isomorph._text import table
from isomorph.cli import _inputs
from isomorph.cli._masses import Side, read_cost, read_masses, read_side
from isomorph.cli._plans import matches, require_writable, write
from isomorph.cli._terminal import Line, Terminal, Watch

if TYPE_CHECKING:
    from isomorph.transport import Transport

NAME = "transport"
HELP = "match two sets of vectors, or the two sides of a cost matrix, by optimal transport"
DESCRIPTION = """\
Move the mass of the rows of X to the rows of Y at the least cost, smoothed by an entropy: a soft
matching in which every row gives and takes just as much as it has. Without --mass-x and --mass-y
all rows of a side have the same mass.

--reg is the weight of the entropy, in the units of the cost: each row spreads over rows that cost
it a few reg more than the best one. A hundredth to a tenth of the median cost is usual;
--reg-of-median says it so. Smaller ones are sharper, and take more passes.

OUT gets potentials.npz (f, g, reg: all that the plan is made of), matches.tsv (where each row sends
most) and metrics.json. Costs of vectors are made as they are needed: no matrix is held.
"""
EPILOG = """\
examples:
  isomorph transport en.mapped.vec fr.mapped.vec -o moved
  isomorph transport x.npy y.npy --metric sqeuclidean --reg 0.1 --project x.in-y.npy
  isomorph transport en.vec fr.vec --mass-x en.counts.tsv --plot plan.svg --plot-convergence c.svg
  isomorph transport --cost cost.npy --reg-of-median 0.05 --plan plan.npy
  isomorph transport sample:en sample:fr --limit 500 -k 3

Masses: an .npy file, a number a line, or lines of a word and its number, as counts (words without a
line have none); each side is divided by its sum. An infinite cost forbids a pair.
"""

USAGE = 2
#: Rows of each side whose costs stand for all where the median is wanted.
_SAMPLED = 2000
#: Matches that the terminal shows.
_SHOWN = 8


def above_zero(text: str) -> float:
    """Read a number above 0, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("x", metavar="X", nargs="?", help="vectors of the rows that give")
    parser.add_argument("y", metavar="Y", nargs="?", help="vectors of the rows that take")
    group = parser.add_argument_group("the problem")
    group.add_argument(
        "--cost", metavar="FILE", help="a matrix of costs (.npy), instead of X and Y"
    )
    group.add_argument(
        "--metric",
        choices=("cosine", "dot", "sqeuclidean"),
        default="cosine",
        help="what it costs: 1 - cosine (default), minus the product, the squared distance",
    )
    group.add_argument("--mass-x", metavar="FILE", help="masses of the rows of X, or of the matrix")
    group.add_argument(
        "--mass-y", metavar="FILE", help="masses of the rows of Y, or of the columns"
    )
    reg = group.add_mutually_exclusive_group()
    reg.add_argument("--reg", type=above_zero, metavar="REG", help="in the units of the cost")
    reg.add_argument(
        "--reg-of-median",
        type=above_zero,
        default=0.01,
        metavar="PART",
        help="REG as a part of the median cost, of at most 2,000 rows a side (default: 0.01)",
    )
    group.add_argument(
        "--limit", type=_inputs.positive, metavar="N", help="read the first N rows of each file"
    )
    group.add_argument("--x-column", metavar="NAME", help="column or tensor of X")
    group.add_argument("--y-column", metavar="NAME", help="column or tensor of Y")
    group = parser.add_argument_group("how to solve it")
    group.add_argument(
        "--method",
        choices=("auto", "scaling", "stabilized", "log"),
        default="auto",
        help="form of a pass, for --cost; the answer is the same (default: auto)",
    )
    group.add_argument(
        "--tol", type=above_zero, metavar="TOL", help="error of the marginals (default: 1e-6)"
    )
    group.add_argument(
        "--max-iter",
        type=_inputs.positive,
        default=10_000,
        metavar="N",
        help="passes at most (default: 10,000)",
    )
    group = parser.add_argument_group("what to write")
    group.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="folder for the potentials and matches"
    )
    group.add_argument(
        "-k", type=_inputs.positive, default=1, metavar="K", help="matches a row (default: 1)"
    )
    group.add_argument("--plan", type=Path, metavar="FILE", help="the whole plan, as .npy")
    group.add_argument(
        "--max-plan",
        default="1GB",
        metavar="BYTES",
        help="refuse a --plan that would be larger (default: 1GB)",
    )
    group.add_argument(
        "--project",
        type=Path,
        metavar="FILE",
        help="rows of X as means of the rows of Y that they send to: .vec, .npy or .safetensors",
    )
    group.add_argument("--plot", type=Path, metavar="FILE", help="picture of the plan (.svg, .png)")
    group.add_argument(
        "--plot-convergence", type=Path, metavar="FILE", help="picture of the errors by pass"
    )
    _inputs.add_device(parser)
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Solve, then write what is asked for."""
    if (wrong := _contradiction(options)) is not None:
        terminal.problem(f"error: {wrong}")
        return USAGE
    require_writable(options)
    began = time.perf_counter()
    with terminal.watching() as watch:
        watch.stage("reading")
        sides, cost = _read(options, watch)
        _require_plan_fits(options, sides, cost)
        watch.stage("solving")
        solved = _solve(options, sides, cost, watch, terminal)
        watch.stage("writing")
        top = solved.top(min(options.k, len(solved.g)))
        seconds = time.perf_counter() - began
        figures = _figures(options, solved, sides, seconds)
        written = write(options, solved, sides, top, figures)
    if terminal.as_json:
        terminal.data(figures)
        return 0
    terminal.lines(_lines(options, solved, sides, top, seconds))
    for path in written:
        terminal.note(f"wrote {path}")
    return 0


def _contradiction(options: argparse.Namespace) -> str | None:
    """Say what cannot be meant."""
    if (options.cost is None) == (options.x is None):
        return "expected X and Y, or --cost, and not both"
    if options.cost is None and options.y is None:
        return "Y: expected the vectors of the other side, too"
    if options.cost is not None and options.project is not None:
        return "--project: expected X and Y; a matrix of costs has no vectors"
    if options.cost is None and options.method != "auto":
        return "--method: expected --cost beside it; costs of vectors are made in every pass"
    return None


def _read(options: argparse.Namespace, watch: Watch) -> tuple[tuple[Side, Side], Any]:
    if options.cost is not None:
        cost = read_cost(options.cost)
        if options.limit is not None:
            cost = cost[: options.limit, : options.limit]
        return (Side("rows", None), Side("columns", None)), cost
    x, y = (
        read_side(path, column=column, limit=options.limit, report=watch.progress)
        for path, column in ((options.x, options.x_column), (options.y, options.y_column))
    )
    return (x, y), None


def _sizes(sides: tuple[Side, Side], cost: Any) -> tuple[int, int]:
    if cost is not None:
        return int(cost.shape[0]), int(cost.shape[1])
    return len(sides[0].vectors), len(sides[1].vectors)


def _require_plan_fits(options: argparse.Namespace, sides: tuple[Side, Side], cost: Any) -> None:
    """Refuse, before anything is computed, a plan that nobody can have meant."""
    if options.plan is None:
        return
    from isomorph import _memory
    from isomorph.errors import MemoryBudgetError
    from isomorph.report.wording import file_size

    n, m = _sizes(sides, cost)
    kind = cost.dtype if cost is not None else sides[0].vectors.dtype
    needed = n * m * max(4, kind.itemsize)
    most = _memory.parse(options.max_plan)
    if most is not None and needed > most:
        raise MemoryBudgetError(
            f"--plan: {n:,} x {m:,} entries would take {file_size(needed)}, more than --max-plan "
            f"{options.max_plan}; matches.tsv and --project need no plan, or raise --max-plan"
        )


def _solve(
    options: argparse.Namespace,
    sides: tuple[Side, Side],
    cost: Any,
    watch: Watch,
    terminal: Terminal,
) -> Transport:
    import isomorph as iso
    from isomorph.errors import ConvergenceWarning

    sizes = _sizes(sides, cost)
    a, b = (
        None if path is None else read_masses(path, side, rows)
        for path, side, rows in zip((options.mass_x, options.mass_y), sides, sizes, strict=True)
    )
    reg = options.reg or options.reg_of_median * _median(sides, cost, options.metric)
    chosen = {"tol": options.tol, "max_iter": options.max_iter, "progress": watch.progress}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        if cost is not None:
            solved: Transport = iso.sinkhorn(a, b, cost, reg, method=options.method, **chosen)
        else:
            x, y = (side.vectors for side in sides)
            solved = iso.sinkhorn_points(x, y, reg, a=a, b=b, cost=options.metric, **chosen)
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            terminal.problem(
                f"not converged: error {solved.error:.2g} after {solved.iterations:,} passes, "
                f"expected {solved.tol:.2g}; take a larger --reg, --tol or --max-iter"
            )
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return solved


def _median(sides: tuple[Side, Side], cost: Any, metric: str) -> float:
    """Give the median cost of rows that are evenly spread over both sides."""
    import numpy as np

    def some(rows: Any) -> Any:
        return np.unique(np.linspace(0, rows - 1, min(rows, _SAMPLED)).astype(np.int64))

    if cost is not None:
        found = np.asarray(cost[some(cost.shape[0])][:, some(cost.shape[1])], np.float64)
    else:
        x, y = (np.asarray(side.vectors[some(len(side.vectors))], np.float64) for side in sides)
        if metric == "cosine":
            x, y = (
                rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
                for rows in (x, y)
            )
        found = x @ y.T
        if metric == "sqeuclidean":
            found = (x * x).sum(1)[:, None] + (y * y).sum(1) - 2 * found
        else:
            found = (1.0 if metric == "cosine" else 0.0) - found
    median = float(np.median(found[np.isfinite(found)])) if np.isfinite(found).any() else 0.0
    if not median > 0:
        raise ValueError(
            f"--reg-of-median: the median cost is {median:.3g}; expected one above 0, give --reg"
        )
    return median


def _figures(
    options: argparse.Namespace, solved: Transport, sides: tuple[Side, Side], seconds: float
) -> dict[str, Any]:
    from isomorph.report.facts import plain

    read = {
        "x": options.x, "y": options.y, "cost": options.cost,
        "masses of x": options.mass_x, "masses of y": options.mass_y,
    }  # fmt: skip
    figures: dict[str, Any] = plain(
        {
            "format": "isomorph transport 1",
            "rows": len(solved.f),
            "columns": len(solved.g),
            "metric": options.metric if options.cost is None else None,
            "reg": solved.reg,
            "value": solved.value,
            "entropic value": solved.entropic_value,
            "gap": solved.gap,
            "error": solved.error,
            "tol": solved.tol,
            "converged": solved.converged,
            "passes": solved.iterations,
            "method": solved.method,
            "words": [side.words is not None for side in sides],
            "seconds": seconds,
            "provenance": _inputs.provenance(
                options.command_line, {role: path for role, path in read.items() if path}
            ),
        }
    )
    return figures


def _certified(gap: float) -> str:
    if math.isinf(gap):
        return "no: what is left over meets forbidden pairs; a smaller tol leaves less"
    return f"the best comes to at most {max(gap, 0.0):.2g} less, with entropy"


def _lines(
    options: argparse.Namespace,
    solved: Transport,
    sides: tuple[Side, Side],
    top: Any,
    seconds: float,
) -> list[Line]:
    from isomorph.report.wording import duration

    said = "converged" if solved.converged else "not converged"
    rows = [
        ["rows", f"{len(solved.f):,} ({sides[0].name}) to {len(solved.g):,} ({sides[1].name})"],
        ["reg", f"{solved.reg:.4g}"],
        ["cost", f"{solved.value:.6g} a unit of mass"],
        ["certified", _certified(solved.gap)],
        ["marginals", f"error {solved.error:.2g}: {said} in {solved.iterations:,} passes"],
    ]
    lines: list[Line] = [("", ""), *((line, "") for line in table(rows)), ("", "")]
    found = matches(solved, sides, top)
    step = max(1, (len(found) - 1) // (_SHOWN * options.k)) * options.k
    shown = [["row", "sends to", "of its mass"]]
    for first in range(1, len(found), step):
        for name, column, share, _ in found[first : first + options.k]:
            shown.append([name, column, f"{100 * float(share):.1f} %"])
        if len(shown) > _SHOWN * options.k:
            break
    head, *others = table(shown, right=(2,))
    lines += [(head, "bold"), *((line, "") for line in others), ("", "")]
    lines.append((duration(seconds), "dim"))
    return lines
