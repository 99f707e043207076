"""``isomorph convert``: the same vectors in another file format."""

from __future__ import annotations

import argparse

from isomorph.cli import _inputs
from isomorph.cli._terminal import Terminal

NAME = "convert"
HELP = "write vectors in another format: .vec, .vec.gz, .npy, .safetensors"
DESCRIPTION = """\
Read vectors in one format and write them in another; the endings of the names decide. A .npy file
has its words in a list beside it (OUT.words.txt). OUT appears whole or not at all.

Read, too, are models of fastText and word2vec's binary format (.bin), MUSE's exports (.pth),
gensim's KeyedVectors (.kv), .npz with 'words' and 'vectors', and flat indexes of faiss (.faiss,
with their words in IN.words.txt). Nothing in a file is run.
"""
EPILOG = """\
examples:
  isomorph convert cc.fr.300.vec.gz fr.safetensors --limit 200000
  isomorph convert fr.safetensors fr.vec
  isomorph convert cc.fr.300.bin fr.vec --limit 50000
  isomorph convert sample:fi fi.npy
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("input", metavar="IN", help="vectors to read")
    parser.add_argument("output", metavar="OUT", help="file to write")
    group = parser.add_argument_group("what to keep")
    group.add_argument("--limit", type=_inputs.positive, metavar="N", help="the first N words")
    group.add_argument(
        "--drop-ascii", action="store_true", help="drop the words that are ASCII only"
    )
    group.add_argument(
        "--scripts", type=_inputs.names, metavar="LIST", help="only words in these scripts"
    )
    group.add_argument(
        "--duplicates",
        choices=("first", "last"),
        default="first",
        help="which row of a word that comes several times (default: first)",
    )
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Convert."""
    from isomorph import _files, io

    # A name that says no format is refused before a large file is read.
    _files.format_to_write(options.output, None)
    with terminal.watching() as watch:
        watch.stage("reading")
        embeddings = _inputs.read_vocabulary(
            options.input,
            limit=options.limit,
            drop_ascii=options.drop_ascii,
            scripts=options.scripts,
            duplicates=options.duplicates,
            progress=watch.progress,
        )
        watch.stage("writing")
        io.save(embeddings, options.output, progress=watch.progress)
    rows, columns = embeddings.vectors.shape
    if terminal.as_json:
        terminal.data({"output": options.output, "rows": rows, "columns": columns})
    else:
        terminal.note(f"wrote {rows:,} words in {columns} dimensions to {options.output}")
    return 0
