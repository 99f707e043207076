"""``isomorph trim``: a model with the tokens that some text needs, and a certificate."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from isomorph.cli import _inputs
from isomorph.cli._models import add_model, named
from isomorph.cli._spelling import as_options
from isomorph.cli._terminal import Terminal

NAME = "trim"
HELP = "make a model smaller by the tokens that your text does not need"
DESCRIPTION = """\
Make MODEL smaller: keep the tokens that the corpus uses, and drop the rows of all others. Whatever
is numbered by token id follows: tokenizer, embeddings, heads, configurations.

From a corpus alone, every line of it keeps its tokens, and the model computes the same for it.
--size, --max-extra-tokens, --min-count and --scripts keep fewer tokens; then some lines get other,
more tokens, and the table says how many more. Without a corpus only scripts can be told apart.

What was written is read again and verified: the certificate is in OUT/isomorph/certificate.json,
every changed field in changes.json, and 'isomorph untrim' gives back the original ids. MODEL is
only read; OUT appears whole or not at all.
"""
EPILOG = """\
MODEL is a folder as transformers or sentence-transformers save it, with safetensors, or, with
pip install 'isomorph[hub]', the id of a model on the hub. Corpus files are text, .gz of it, or JSON
lines; tokenizers need pip install 'isomorph[vocab]'.

examples:
  isomorph trim model --corpus mails.txt logs/*.gz --dry-run
  isomorph trim model --corpus mails.txt -o small
  isomorph trim model --corpus mails.txt -o small --max-extra-tokens 5% --held-out other.txt
  isomorph trim model --language fr=fr.txt --language fi=fi.txt --size 60000 --min-count 2 -o small
  isomorph trim model --scripts Latin,Greek -o small
"""


def percentage(text: str) -> float:
    """Read 5% or 0.05, for argparse."""
    from isomorph.vocab.planning._options import bound

    try:
        found = bound(text)
    except ValueError:
        found = None
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a part such as 5% or 0.05, got {text!r}")
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", metavar="MODEL", help="folder of the model, or a hub id")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="folder to write")
    group = parser.add_argument_group("which tokens to keep")
    group.add_argument(
        "--corpus", nargs="+", action="extend", metavar="FILE", help="text that the model is for"
    )
    group.add_argument(
        "--language",
        type=named,
        action="append",
        metavar="NAME=FILE",
        help="the same by language, which then counts as much as any other; may be given often",
    )
    group.add_argument(
        "--scripts", type=_inputs.names, metavar="LIST", help="only tokens in these scripts"
    )
    group.add_argument("--keep", metavar="FILE", help="tokens to keep in any case, one a line")
    group.add_argument(
        "--size",
        type=_inputs.positive,
        metavar="N",
        help="at most N tokens, rounded up to --multiple-of: the most frequent",
    )
    group.add_argument(
        "--max-extra-tokens",
        type=percentage,
        metavar="P%",
        help="the fewest tokens with which the corpus has at most so many more, as 5%%",
    )
    group.add_argument(
        "--min-count",
        type=_inputs.positive,
        default=1,
        metavar="N",
        help="only tokens that come out at least N times (default: 1)",
    )
    group.add_argument(
        "--multiple-of",
        type=_inputs.positive,
        default=64,
        metavar="N",
        help="round the size up to a multiple of N (default: 64)",
    )
    group.add_argument(
        "--characters",
        choices=("scripts", "corpus"),
        default="scripts",
        help="keep the single characters of whole scripts, or of the corpus alone (default: "
        "scripts); of Chinese characters there are thousands",
    )
    group.add_argument(
        "--ignore-merges",
        action="store_true",
        default=None,
        help="of byte-pair encoding: keep no more of what words are merged from than other words "
        "need; the tokenizer then names the class PreTrainedTokenizerFast, and converters to other "
        "formats may not know the setting (default: only where the files name that class already)",
    )
    group = parser.add_argument_group("how the text is read")
    group.add_argument("--field", metavar="NAME", help="field of JSON lines (default: text)")
    group.add_argument(
        "--replace-errors",
        action="store_true",
        help="read text that is not UTF-8, with U+FFFD for what is not (default: an error)",
    )
    group.add_argument(
        "--held-out",
        nargs="+",
        action="extend",
        metavar="FILE",
        help="other text, to report what the trim does to it",
    )
    add_model(parser, "input, output, bias, scale, adapter")
    group = parser.add_argument_group("what to write")
    group.add_argument(
        "--dry-run", action="store_true", help="say what would change; write nothing"
    )
    group.add_argument(
        "--overwrite", action="store_true", help="replace OUT, if an earlier trim wrote all of it"
    )
    group.add_argument("--changes", action="store_true", help="print every field that changed")
    _inputs.add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Trim."""
    from isomorph import vocab

    if options.output is None and not options.dry_run:
        raise ValueError("-o OUT: expected a folder to write, or --dry-run")
    if not (options.corpus or options.language or options.scripts or options.keep):
        raise ValueError(
            "expected --corpus, --language, --scripts or --keep: a size alone does not say which "
            "tokens matter"
        )
    languages: dict[str, list[str]] = {}
    for name, file in options.language or ():
        languages.setdefault(name, []).append(file)
    roles = {name: None if role == "none" else role for name, role in options.table or ()}
    with terminal.watching() as watch:
        watch.stage("trimming")
        trimmed = vocab.trim(
            options.model,
            options.output,
            corpus=options.corpus,
            languages=languages or None,
            scripts=options.scripts,
            keep=options.keep,
            size=options.size,
            max_extra_tokens=options.max_extra_tokens,
            min_count=options.min_count,
            multiple_of=options.multiple_of,
            characters=options.characters,
            field=options.field,
            errors="replace" if options.replace_errors else "strict",
            held_out=options.held_out,
            ignore_merges=options.ignore_merges,
            tables=roles,
            leave_out=options.leave_out,
            revision=options.revision,
            dry_run=options.dry_run,
            overwrite=options.overwrite,
            command=shlex.join(["isomorph", *options.command_line]),
            progress=watch.progress,
        )
    if terminal.as_json:
        terminal.data(trimmed.as_dict())
        return 0
    lines = [as_options(str(trimmed.plan)), "", *trimmed.table()]
    if options.changes or options.dry_run:
        lines += ["", "changes:", *(f"  {change}" for change in trimmed.changes)]
    if trimmed.certificate is not None:
        lines += ["", str(trimmed.certificate)]
    terminal.lines([(line, "") for text in lines for line in text.split("\n")])
    if options.size is not None and trimmed.plan.size > options.size:
        terminal.note(
            f"{options.size:,} asked, {trimmed.plan.size:,} with --multiple-of "
            f"{options.multiple_of}"
        )
    for note in trimmed.notes:
        terminal.note(as_options(note))
    if trimmed.path is not None:
        terminal.note(
            f"wrote {trimmed.path}; changed fields: {len(trimmed.changes):,}, listed in "
            f"{trimmed.path / 'isomorph' / 'changes.json'}, and by --changes"
        )
    else:
        terminal.note("nothing was written")
    return 0
