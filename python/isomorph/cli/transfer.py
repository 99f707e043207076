"""``isomorph transfer``: a model moved to another tokenizer."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from isomorph.cli import _inputs
from isomorph.cli._models import add_model, named
from isomorph.cli._terminal import Terminal

NAME = "transfer"
HELP = "move a model to another tokenizer, without training"
DESCRIPTION = """\
Move MODEL to the tokenizer NEW: rows of tokens that both have are copied, those of the others are
mixed of old rows by a method; the same mixing serves embeddings, heads and biases. Ids in the
configurations follow; everything else of the model stays as it is.

--method auto hides shared tokens, lets every method make them as if they were new, and takes the
method that comes nearest to the true rows; it prints the table. MODEL is only read; OUT appears
whole or not at all, with the mixing in OUT/isomorph/mixing.safetensors.
"""
EPILOG = """\
methods: mean, gaussian, subword_mean; with --vectors also focus, omp, clp; with --source-vectors
too, wechsel. Settings follow the name: --method 'omp k=16', 'wechsel k=5 temperature=0.05'.
Vectors are those of tokens or of words, in any format that isomorph reads; tokenizers need
pip install 'isomorph[vocab]'. Other methods are made in Python, and their file is taken: --mixing.

examples:
  isomorph transfer model --tokenizer new -o moved
  isomorph transfer model --tokenizer new/tokenizer.json --method subword_mean -o moved
  isomorph transfer model --tokenizer new --vectors fr.vec --method focus -o moved
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", metavar="MODEL", help="folder of the model, or a hub id")
    parser.add_argument(
        "--tokenizer",
        required=True,
        metavar="NEW",
        help="the new tokenizer: a folder, a tokenizer.json, or a SentencePiece .model",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="folder to write"
    )
    group = parser.add_argument_group("how rows are made")
    group.add_argument(
        "--method", default="auto", metavar="NAME", help="the method (default: auto)"
    )
    group.add_argument(
        "--rule",
        default="marks",
        metavar="NAME",
        help="when two tokens are one: exact, marks, symbols, case, loose (default: marks)",
    )
    group.add_argument(
        "--alias",
        type=named,
        action="append",
        metavar="NEW=OLD",
        help="a new token that takes the row of an old one; may be given often",
    )
    group.add_argument("--vectors", metavar="FILE", help="vectors of the new tokens, or of words")
    group.add_argument(
        "--source-vectors", metavar="FILE", help="vectors of the old tokens, or of words"
    )
    group.add_argument(
        "--mixing",
        metavar="FILE",
        help="instead of --method: a mixing that TokenMixing.save wrote, of any method of "
        "isomorph.vocab (transtokenization, ofa, ...)",
    )
    group.add_argument(
        "--match-norm",
        choices=("all", "kind"),
        help="scale new rows to the mean norm of the old ones: of all, or of the token's kind",
    )
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the leave-out score (default: 0)"
    )
    group = add_model(parser, "input, output, bias, adapter")
    group.add_argument(
        "--multiple-of",
        type=_inputs.positive,
        default=1,
        metavar="N",
        help="round the number of rows up to a multiple of N (default: 1)",
    )
    group = parser.add_argument_group("what to write")
    group.add_argument(
        "--overwrite",
        action="store_true",
        help="replace OUT, if an earlier transfer wrote all of it",
    )
    group.add_argument(
        "--changes", action="store_true", help="print shapes of tensors and files left out, too"
    )
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Transfer."""
    from tempfile import TemporaryDirectory

    from isomorph import vocab

    roles = {name: None if role == "none" else role for name, role in options.table or ()}
    with TemporaryDirectory() as folder, terminal.watching() as watch:
        near, source_near = (
            None if path is None else _inputs.as_file(path, folder)
            for path in (options.vectors, options.source_vectors)
        )
        watch.stage("transferring")
        moved = vocab.transfer(
            options.model,
            options.tokenizer,
            options.output,
            method=options.method,
            rule=options.rule,
            aliases=dict(options.alias or ()),
            vectors=near,
            source_vectors=source_near,
            mixing=options.mixing,
            match_norm=options.match_norm,
            multiple_of=options.multiple_of,
            tables=roles,
            leave_out_files=tuple(options.leave_out),
            revision=options.revision,
            seed=options.seed,
            overwrite=options.overwrite,
            command=shlex.join(["isomorph", *options.command_line]),
            progress=watch.progress,
        )
    if terminal.as_json:
        terminal.data(moved.as_dict())
        return 0
    lines = str(moved).split("\n")
    shown = [change for change in moved.changes if options.changes or isinstance(change.old, int)]
    if shown:
        lines += ["", "changes:", *(f"  {change}" for change in shown)]
    terminal.lines([(line, "") for line in lines])
    for note in moved.notes:
        terminal.note(note)
    terminal.note(
        f"wrote {moved.path}; {len(moved.changes):,} changes are listed in "
        f"{moved.path / 'isomorph' / 'transfer.json'}"
    )
    return 0
