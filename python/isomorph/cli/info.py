"""``isomorph info``: what is in a file of vectors, a map, a mixing or a folder of a model."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isomorph._text import table
from isomorph.cli import _inputs, _model_info
from isomorph.cli._terminal import Terminal

if TYPE_CHECKING:
    from isomorph import Bridge, CommonSpace

NAME = "info"
HELP = "say what is in a file of vectors, in a map, or in a trimmed or transferred model"
DESCRIPTION = """\
Say what is in a file: for vectors their number, dimension, norms, scripts and first words; for a
map its dimensions, how it was made and from what, and what it was measured to do; for a bridge
what it is predicted to keep; for a common space its maps; for a model that was trimmed or
transferred how, and what was verified; for a mixing of tokens where its rows come from.
"""
EPILOG = """\
examples:
  isomorph info en.vec
  isomorph info en-fr/map.safetensors
  isomorph info bridge
  isomorph info sample:fi --json
  isomorph info trimmed-model
  isomorph info moved/isomorph/mixing.safetensors
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "file", metavar="FILE", help="vectors, a map, or a folder with a map or a model"
    )
    parser.add_argument(
        "--limit", type=_inputs.positive, metavar="N", help="look at the first N words only"
    )
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Describe a file."""
    path = Path(options.file)
    is_map = path.is_dir() or (path.suffix == ".safetensors" and _holds_map(path))
    if path.is_dir() and (found := _model_info.describe(path)) is not None:
        facts = found
    else:
        facts = (
            describe_map(options.file) if is_map else describe_vectors(options.file, options.limit)
        )
    if terminal.as_json:
        from isomorph.report.facts import plain

        terminal.data(plain(facts))
    else:
        told = facts.get("metrics", {}).pop("auto", None)
        terminal.lines([(line, "") for line in table(list(_rows(facts)))])
        if isinstance(told, Mapping):
            from isomorph.align import Selection

            lines = str(Selection.from_dict(told)).splitlines()
            terminal.lines([("", ""), *((line, "") for line in lines)])
    return 0


def describe_map(path: str) -> dict[str, Any]:
    """Return what is known about a map, from its file alone."""
    from isomorph import Bridge, CommonSpace, _core
    from isomorph.align import _files
    from isomorph.many_spaces import _files as _spaces
    from isomorph.vocab._mixing import files as mixings

    file = Path(path)
    if file.is_dir():
        file = file / _inputs.MAP
    kind = _core.safetensors_header(str(file))[1].get("format")
    if kind == _files.BRIDGE:
        return _describe_bridge(Bridge.load(file))
    if kind == mixings.KIND:
        return _model_info.describe_mixing(file)
    if kind == _spaces.KIND:
        return _describe_spaces(CommonSpace.load(file))
    alignment = _inputs.load_alignment(path)
    fitted = alignment.map
    chains = (alignment.source_transform, alignment.target_transform)
    source_chain, target_chain = ("none" if chain is None else str(chain.chain) for chain in chains)
    return {
        "kind": "map",
        "method": fitted.method,
        "source dimension": fitted.source_dim,
        "target dimension": fitted.target_dim,
        "orthogonal": fitted.orthogonal,
        "scale": fitted.scale,
        "type": str(fitted.matrix.dtype),
        "source transform": source_chain,
        "target transform": target_chain,
        "metrics": dict(fitted.metrics),
        "provenance": dict(fitted.provenance),
    }


def _describe_bridge(bridge: Bridge) -> dict[str, Any]:
    fitted = bridge.map
    return {
        "kind": "bridge",
        "source dimension": fitted.source_dim,
        "target dimension": fitted.target_dim,
        "type": str(fitted.matrix.dtype),
        **bridge.as_dict(),
        "metrics": dict(fitted.metrics),
        "provenance": dict(fitted.provenance),
    }


def _describe_spaces(hub: CommonSpace) -> dict[str, Any]:
    return {
        "kind": "common space",
        "dimension": hub.dimension,
        "spaces": {name: one.source_dim for name, one in hub.maps.items()},
        "rounds": max(0, len(hub.objective) - 1),
        "converged": hub.converged,
        "residuals": {f"{one}, {other}": value for (one, other), value in hub.residuals.items()},
        "provenance": dict(hub.provenance),
    }


def describe_vectors(path: str, limit: int | None) -> dict[str, Any]:
    """Return what is in a file of vectors."""
    import numpy as np

    from isomorph import io, vocab

    facts: dict[str, Any] = {"kind": "vectors"}
    embeddings = _inputs.read_vocabulary(path, limit=limit)
    if not path.startswith(_inputs.SAMPLE):
        header = io.inspect(path)
        facts |= {name: header[name] for name in ("format", "compressed", "dtype")}
        facts["bytes"] = Path(path).stat().st_size
        if limit is None and header["rows"] is not None:
            facts["repeated words"] = header["rows"] - len(embeddings)
    norms = np.linalg.norm(np.asarray(embeddings.vectors, dtype=np.float64), axis=1)
    quantiles = zip(("least", "median", "largest"), np.quantile(norms, (0, 0.5, 1)), strict=True)
    scripts = vocab.script_counts(embeddings)
    return facts | {
        "words": len(embeddings),
        "dimension": embeddings.vectors.shape[1],
        "norms": {name: float(f"{value:.4g}") for name, value in quantiles},
        "zero vectors": int(np.sum(norms == 0)),
        "scripts": {name or "none": count for name, count in list(scripts.items())[:5]},
        "first words": list(embeddings.words[:10]),
    }


def _holds_map(path: Path) -> bool:
    from isomorph import _core

    _, metadata = _core.safetensors_header(str(path))
    return "embeddings" not in metadata.get("format", "")


def _rows(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        title = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _rows(value, f"{title}: ")
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            for item in value:
                yield from _rows(item, f"{title}: ")
        elif isinstance(value, list) and not value:
            continue
        elif isinstance(value, list):
            yield title, ", ".join(map(str, value))
        elif isinstance(value, float):
            yield title, f"{value:.6g}"
        elif isinstance(value, bool):
            yield title, "yes" if value else "no"
        else:
            yield title, f"{value:,}" if isinstance(value, int) else str(value)
