"""``isomorph apply``: map the vectors of a file that may be larger than memory."""

from __future__ import annotations

import argparse
from pathlib import Path

from isomorph.cli import _inputs
from isomorph.cli._terminal import Terminal

NAME = "apply"
HELP = "map the vectors of a file of any size: .npy, safetensors, Parquet, Arrow, text"
DESCRIPTION = """\
Apply a map to the vectors of IN, block by block, and write OUT, a file of the same kind: the other
columns, tensors, words and ids are kept as they are. OUT appears whole or not at all.

MAP is what 'bridge', 'align' or 'learn' has written, or a map saved from Python.
"""
EPILOG = """\
examples:
  isomorph apply bridge store.npy moved.npy
  isomorph apply bridge store.parquet moved.parquet --column embedding --dtype float16
  isomorph apply en-fr en.vec en.in-fr.vec
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("map", metavar="MAP", help="map file, or the folder that it is in")
    parser.add_argument("input", metavar="IN", help="vectors to map")
    parser.add_argument("output", metavar="OUT", help="file to write")
    group = parser.add_argument_group("what is in the file")
    group.add_argument(
        "--column", metavar="NAME", help="column or tensor of the vectors (default: the only one)"
    )
    group.add_argument(
        "--ids", metavar="NAME", help="column that names rows in messages (default: id)"
    )
    group = parser.add_argument_group("what to do")
    group.add_argument(
        "--dtype",
        choices=("float16", "float32", "float64"),
        help="type of the values to write (default: as they are in IN)",
    )
    group.add_argument("--inverse", action="store_true", help="apply the map of the way back")
    group.add_argument(
        "--normalize", action="store_true", help="scale the mapped vectors to length 1"
    )
    group.add_argument(
        "--side",
        choices=("source", "target"),
        default="source",
        help="of an alignment: whose transform and map (default: source)",
    )
    group.add_argument(
        "--memory", default="256MB", metavar="BYTES", help="what blocks may take (default: 256MB)"
    )
    _inputs.add_device(parser)
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Apply."""
    import isomorph as iso

    map_file = Path(options.map)
    with terminal.watching() as watch:
        watch.stage("mapping")
        done = iso.apply_file(
            map_file / _inputs.MAP if map_file.is_dir() else map_file,
            options.input,
            options.output,
            column=options.column,
            ids=options.ids,
            dtype=options.dtype,
            inverse=options.inverse,
            normalize=options.normalize,
            side=options.side,
            memory=options.memory,
            progress=watch.progress,
        )
    if terminal.as_json:
        terminal.data(
            {
                "output": done.path,
                "rows": done.rows,
                "columns": done.columns,
                "dtype": done.dtype,
            }
        )
    else:
        terminal.note(f"wrote {done.rows:,} rows of {done.columns} ({done.dtype}) to {done.path}")
    return 0
