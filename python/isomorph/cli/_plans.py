"""What `isomorph transport` writes: potentials, matches, plans, projections, pictures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isomorph.cli._masses import Side
from isomorph.cli._outputs import output_folder

if TYPE_CHECKING:
    from isomorph.transport import Transport

METRICS, POTENTIALS, MATCHES = "metrics.json", "potentials.npz", "matches.tsv"


def require_writable(options: argparse.Namespace) -> None:
    """Refuse, before anything is computed, names of files that cannot be written."""
    from isomorph import _files

    if options.project is not None:
        try:
            _files.format_to_write(str(options.project), None)
        except ValueError:
            raise ValueError(
                "--project: expected a name that ends with .npy, .safetensors, .vec or .txt, got "
                f"{str(options.project)!r}"
            ) from None
    for option in ("plot", "plot_convergence"):
        path = getattr(options, option)
        if path is None:
            continue
        from isomorph.plot._style import axes_of

        known = sorted(axes_of(None).figure.canvas.get_supported_filetypes())
        if path.suffix.removeprefix(".") not in known:
            raise ValueError(
                f"--{option.replace('_', '-')}: expected a name that ends in one of "
                f"{', '.join(known)}, got {str(path)!r}"
            )


def write(
    options: argparse.Namespace,
    solved: Transport,
    sides: tuple[Side, Side],
    top: Any,
    figures: dict[str, Any],
) -> list[Path]:
    """Write everything that is asked for, and say what."""
    import numpy as np

    from isomorph._atomic import appearing

    written = []
    if options.output is not None:
        with output_folder(options.output) as folder:
            np.savez(folder / POTENTIALS, f=solved.f, g=solved.g, reg=solved.reg)
            (folder / MATCHES).write_text(
                "".join("\t".join(row) + "\n" for row in matches(solved, sides, top)),
                encoding="utf-8",
                newline="\n",
            )
            text = json.dumps(figures, ensure_ascii=False, indent=2)
            (folder / METRICS).write_text(text + "\n", encoding="utf-8")
        written += [options.output / name for name in (POTENTIALS, MATCHES, METRICS)]
    if options.plan is not None:
        with appearing(options.plan) as stream:
            np.save(stream, solved.plan())
        written.append(options.plan)
    if options.project is not None:
        written.append(_project(options.project, solved, sides))
    written += _draw(options, solved, sides)
    return written


def _project(path: Path, solved: Transport, sides: tuple[Side, Side]) -> Path:
    from isomorph import io

    x, y = sides
    moved = solved.apply(y.vectors)
    if x.words is None and path.suffix == ".npy":
        import numpy as np

        from isomorph._atomic import appearing

        with appearing(path) as stream:
            np.save(stream, moved)
    else:
        words = [x.label(row) for row in range(len(moved))]
        io.save(io.Embeddings(words, moved), path)
    return path


def _draw(options: argparse.Namespace, solved: Transport, sides: tuple[Side, Side]) -> list[Path]:
    from isomorph import plot
    from isomorph._atomic import appearing

    drawn = []
    names = {"rows": sides[0].words, "columns": sides[1].words}
    for path, what in ((options.plot, "plan"), (options.plot_convergence, "convergence")):
        if path is None:
            continue
        kind = path.suffix.removeprefix(".")
        drawing = plot.plan(solved, **names) if what == "plan" else plot.convergence(solved)
        figure = drawing.figure
        with appearing(path) as stream:
            figure.savefig(stream, format=kind, dpi=150)
        drawn.append(path)
    return drawn


def matches(solved: Transport, sides: tuple[Side, Side], top: Any) -> list[list[str]]:
    """Give the lines of matches.tsv: row, column, share of the row's mass, mass."""
    masses = solved._problem.a
    lines = [["x", "y", "share", "mass"]]
    for row, (entries, columns) in enumerate(zip(top.scores, top.indices, strict=True)):
        mass = float(masses[row])
        for entry, column in zip(entries.tolist(), columns.tolist(), strict=True):
            if entry > 0:
                share = f"{entry / mass:.6g}"
                lines.append([sides[0].label(row), sides[1].label(column), share, f"{entry:.6g}"])
    return lines
