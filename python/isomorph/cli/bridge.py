"""``isomorph bridge``: a map between two embedding models, and what it will keep."""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isomorph._text import table
from isomorph.cli import _inputs
from isomorph.cli._terminal import Line, Terminal

if TYPE_CHECKING:
    from isomorph import Bridge

USAGE = 2

NAME = "bridge"
HELP = "move a vector store to another embedding model, knowing what it will keep"
DESCRIPTION = """\
Fit a map from the vectors OLD of one embedding model to the vectors NEW of another, of the same
texts, and predict what a store keeps that is mapped so: the share of the new model's own
neighbours (recall at k), and how high a query's own text is ranked (MRR), each with an interval.

Rows are matched by id where both files have ids, else by their number. OLD may be the whole store
and NEW a few thousand rows of it: then the prediction is for a store as large as OLD.

A bridge that keeps less than --min-retention is refused: nothing is written, exit code 1. Otherwise
OUT receives map.safetensors, for 'isomorph apply', and metrics.json.
"""
EPILOG = """\
examples:
  isomorph bridge old.npy new.npy --min-retention 0.5 -o bridge
  isomorph bridge store.parquet sample.parquet --queries questions.npy --judge-by mrr -o bridge
  isomorph bridge old.npy new.npy --min-retention 0.5 -o bridge --apply store.npy moved.npy

Files are .npy (with a word list beside it, if rows have ids), safetensors, .vec text, and, with
'pip install isomorph[parquet]', Parquet and Arrow with a column of lists.
"""

_STYLES = {"keeps": "bold green", "uncertain": "bold yellow", "loses": "bold red"}


def share(text: str) -> float:
    """Read a number from 0 to 1, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("old", metavar="OLD", help="vectors of the old model")
    parser.add_argument("new", metavar="NEW", help="vectors of the new model, of the same texts")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="folder for map.safetensors and metrics.json (default: write nothing)",
    )
    parser.add_argument(
        "--apply",
        nargs=2,
        metavar=("STORE", "MOVED"),
        help="map this file, too, once the bridge is accepted",
    )
    group = parser.add_argument_group("what is in the files")
    group.add_argument("--queries", metavar="FILE", help="queries by the new model")
    group.add_argument(
        "--queries-column",
        metavar="NAME",
        help="column or tensor of --queries (default: the only one)",
    )
    group.add_argument(
        "--old-column",
        metavar="NAME",
        help="column or tensor of OLD and STORE (default: the only one)",
    )
    group.add_argument(
        "--new-column", metavar="NAME", help="column or tensor of NEW (default: the only one)"
    )
    group.add_argument("--ids", metavar="NAME", help="column of the ids (default: id)")
    group = parser.add_argument_group("what is asked")
    group.add_argument(
        "--min-retention",
        type=share,
        default=0.9,
        metavar="SHARE",
        help="refuse a bridge that is predicted to keep less (default: 0.9; 0: refuse none)",
    )
    group.add_argument(
        "--judge-by",
        choices=("recall", "mrr"),
        default="recall",
        help="which of the two must be kept (default: recall)",
    )
    group.add_argument(
        "-k", type=_inputs.positive, default=10, metavar="K", help="neighbours (default: 10)"
    )
    group.add_argument(
        "--store-size",
        type=_inputs.positive,
        metavar="N",
        help="rows of the store to predict for (default: those of OLD)",
    )
    group = parser.add_argument_group("how to fit")
    group.add_argument(
        "--direction",
        choices=("store", "query"),
        default="store",
        help="map the store's vectors, or new queries into the old space (default: store)",
    )
    group.add_argument(
        "--method",
        choices=("auto", "ridge", "procrustes"),
        default="auto",
        help="kind of map (default: what does best in folds)",
    )
    group.add_argument("--normalize", action="store_true", help="scale mapped vectors to length 1")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of folds (default: 0)")
    _inputs.add_device(parser)
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Fit, predict, and write if what is kept is enough."""
    import isomorph as iso
    from isomorph._applying import _kinds, _pairs
    from isomorph.cli._outputs import output_folder
    from isomorph.errors import RetentionError

    if (wrong := _contradiction(options)) is not None:
        terminal.problem(f"error: {wrong}")
        return USAGE
    if options.apply is not None:
        # What cannot be written is refused before anything is computed.
        _kinds.require_same_family(*options.apply)
    files = {"OLD": options.old, "NEW": options.new}
    with terminal.watching() as watch:
        watch.stage("reading")
        columns = {"OLD": options.old_column, "NEW": options.new_column}
        tables = [_is_table(name, path) for name, path in files.items()]
        if options.ids is not None and not any(tables):
            raise ValueError("--ids: neither OLD nor NEW is a table, which has columns")
        old, new = (
            _kinds.open_source(path, columns[name], options.ids if has_columns else None, 0)
            for (name, path), has_columns in zip(files.items(), tables, strict=True)
        )
        store = None if options.apply is None else _store(options, old.columns)
        pairs = _pairs.paired(old, new)
        queries = None
        if options.queries is not None:
            queries = _pairs.whole(
                _kinds.open_source(options.queries, options.queries_column, None, new.columns)
            )
        watch.stage("fitting")
        try:
            found = _telling(terminal, iso.bridge)(
                pairs.old,
                pairs.new,
                queries=queries,
                k=options.k,
                min_retention=options.min_retention,
                judge_by=options.judge_by,
                store_size=options.store_size or max(pairs.store, options.k + 1),
                direction=options.direction,
                method=options.method,
                normalize=options.normalize,
                seed=options.seed,
                progress=watch.progress,
            )
        except RetentionError as error:
            if isinstance(error.bridge, iso.Bridge):
                _show(error.bridge, pairs.matched, terminal)
            raise
    if options.output is not None:
        read = {"old": options.old, "new": options.new, "queries": options.queries}
        facts = _inputs.provenance(
            options.command_line, {role: path for role, path in read.items() if path is not None}
        )
        found = replace(found, map=replace(found.map, provenance=facts))
        with output_folder(options.output) as folder:
            found.save(folder / _inputs.MAP)
            report = {**found.as_dict(), "matched_by": pairs.matched, **facts}
            (folder / "metrics.json").write_text(
                json.dumps(report, indent=2) + "\n", encoding="utf-8"
            )
    _show(found, pairs.matched, terminal)
    if store is not None:
        with terminal.watching() as watch:
            watch.stage("mapping")
            done = iso.apply_file(
                found, *options.apply, column=store[0], ids=store[1], progress=watch.progress
            )
        terminal.note(f"wrote {done.rows:,} rows of {done.columns} ({done.dtype}) to {done.path}")
    return 0


def _telling(terminal: Terminal, call: Callable[..., Bridge]) -> Callable[..., Bridge]:
    """Give the call with its doubts about the pairs told as a command tells them."""

    def told(*arguments: Any, **options: Any) -> Bridge:
        from isomorph.errors import PairingWarning

        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always", PairingWarning)
            try:
                return call(*arguments, **options)
            finally:
                for doubt in doubts:
                    terminal.problem(str(doubt.message))

    return told


def _contradiction(options: argparse.Namespace) -> str | None:
    """Say which options exclude each other."""
    if options.apply is not None and options.direction == "query":
        return (
            "--apply: expected --direction store: with --direction query the store stays as it is, "
            "and each query is mapped"
        )
    if options.queries_column is not None and options.queries is None:
        return "--queries-column: expected --queries FILE, too"
    return None


def _is_table(argument: str, path: str) -> bool:
    """Say whether a file has columns with names."""
    from isomorph._applying import _kinds

    return _kinds.kind_of(argument, path) in _kinds.FAMILIES


def _store(options: argparse.Namespace, columns: int) -> tuple[str | None, str | None]:
    """Look at the store that will be mapped, and give its columns of vectors and of ids."""
    from isomorph._applying import _kinds
    from isomorph.errors import ShapeError

    path = options.apply[0]
    table = _is_table("STORE", path)
    named = table or _kinds.kind_of("STORE", path) == "safetensors"
    column, ids = options.old_column if named else None, options.ids if table else None
    source = _kinds.open_source(path, column, ids, columns)
    if source.columns != columns:
        raise ShapeError(
            f"{path}: expected vectors of {columns} columns as in OLD, got {source.columns}"
        )
    return column, ids


def _show(bridge: Bridge, matched: str, terminal: Terminal) -> None:
    """Print what was found."""
    if terminal.as_json:
        terminal.data({**bridge.as_dict(), "matched_by": matched})
        return
    terminal.lines(lines(bridge, matched))


def lines(bridge: Bridge, matched: str) -> list[Line]:
    """Lay out what was found, 60 columns wide."""
    from isomorph.report.wording import interval, percent

    level = f"{100 * bridge.interval.confidence:g} % interval"
    first, *figures = table(
        [
            ["kept", "%", level],
            [f"recall@{bridge.k}", percent(bridge.recall, 1), interval(bridge.recall_interval)],
            ["MRR", percent(bridge.mrr, 1), interval(bridge.mrr_interval)],
        ],
        right=(1, 2),
    )
    facts = table(_facts(bridge, matched))
    verdict = {
        "keeps": "The bridge keeps what is asked for.",
        "uncertain": "The bridge may or may not keep what is asked for.",
        "loses": "The bridge loses too much.",
    }[bridge.verdict]
    return [
        ("", ""),
        (first, "bold"),
        *((line, "") for line in figures),
        ("", ""),
        *((line, "") for line in facts),
        ("", ""),
        (verdict, _STYLES[bridge.verdict]),
    ]


def _facts(bridge: Bridge, matched: str) -> list[list[str]]:
    from isomorph.report.wording import interval, percent

    tried: Mapping[str, Any] = bridge.candidates
    others = ", ".join(f"{name} {percent(score, 1)}" for name, score in tried.items())
    what = "old vectors" if bridge.direction == "store" else "new queries"
    return [
        ["store", f"{bridge.store_size:,} rows"],
        ["pairs", f"{bridge.pairs:,}, matched by {matched}"],
        ["map", f"{what}, {bridge.map.source_dim} -> {bridge.map.target_dim}, {bridge.method}"],
        ["recall in folds", f"{others}; shuffled pairs {percent(bridge.control, 1)}"],
        [
            "wrong pairs",
            f"{percent(bridge.wrong_pairs, 1)} {interval(bridge.wrong_pairs_interval)} %",
        ],
        ["asked for", f"{percent(bridge.min_retention, 1)} % of {bridge.judged_by}"],
    ]
