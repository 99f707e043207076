"""``isomorph vecmap map``: VecMap's ``map_embeddings.py``."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from isomorph.cli._drop_in import Script
from isomorph.cli._terminal import Terminal

if TYPE_CHECKING:
    from isomorph.compat._vectors import Lexicon
    from isomorph.io import Embeddings

_DESCRIPTION = """\
Map the vectors SRC and TRG into one space, and write both. A mode (--supervised and the like) sets
options; what is given beside it still holds.

Differences from VecMap's map_embeddings.py:
- Of a word that comes several times the last row stands, as there; its other rows are left out.
  With --faithful they are mapped and written, too.
- Whitening by singular values that are zero divides by zero there; here such directions go to zero.
- Self-learning compares cosines where VecMap compares products, the same after a last step 'unit'.
  An entry that is dropped counts as 0 and can win against negative ones, as there. Its random
  numbers are others, so single runs differ; they are the same on every machine.
- At its end a run of self-learning judges itself, and says on standard error if it failed; the
  files are written in any case. --no_verdict leaves that out.
- --batch_size and --cuda change nothing: the search is exact, in little memory, on the processor.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options, as VecMap does."""
    for name, of in (("src_input", "source"), ("trg_input", "target")):
        parser.add_argument(name, metavar=name[:3].upper(), help=f"vectors of the {of} words")
    for name, of in (("src_output", "source"), ("trg_output", "target")):
        parser.add_argument(
            name, metavar=f"{name[:3].upper()}_OUT", help=f"file for the mapped {of} vectors"
        )
    add_reading(parser)
    parser.add_argument("--batch_size", default=10_000, type=int, help="changes nothing")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")

    modes = parser.add_argument_group("modes: recommended settings")
    modes = modes.add_mutually_exclusive_group()
    for name, of in (
        ("supervised", "from a large dictionary"),
        ("semi_supervised", "from a small dictionary"),
    ):
        modes.add_argument(f"--{name}", metavar="DICTIONARY", help=of)
    modes.add_argument("--identical", action="store_true", help="from words that both sides have")
    modes.add_argument("--unsupervised", action="store_true", help="from the vectors alone")
    modes.add_argument("--acl2018", action="store_true", help="the same: Artetxe et al., 2018b")
    modes.add_argument("--aaai2018", metavar="DICTIONARY", help="Artetxe et al., 2018a")
    modes.add_argument("--acl2017", action="store_true", help="numerals: Artetxe et al., 2017")
    modes.add_argument("--acl2017_seed", metavar="DICTIONARY", help="a dictionary: the same")
    modes.add_argument("--emnlp2016", metavar="DICTIONARY", help="Artetxe et al., 2016")

    start = parser.add_argument_group("where to start").add_mutually_exclusive_group()
    start.add_argument(
        "-d",
        "--init_dictionary",
        metavar="DICTIONARY",
        help="pairs, whitespace between (default: standard input)",
    )
    start.add_argument("--init_identical", action="store_true", help="words that both have")
    start.add_argument("--init_numerals", action="store_true", help="of these the numerals")
    start.add_argument("--init_unsupervised", action="store_true", help="from the vectors alone")
    parser.add_argument(
        "--unsupervised_vocab", type=int, default=0, help="rows for that; 0: all (default)"
    )

    mapping = parser.add_argument_group("how to map")
    mapping.add_argument(
        "--normalize",
        choices=["unit", "center", "unitdim", "centeremb", "none"],
        nargs="*",
        default=[],
        help="what to do to the vectors first, in order",
    )
    mapping.add_argument("--whiten", action="store_true", help="whiten both sides")
    for side in ("src", "trg"):
        mapping.add_argument(
            f"--{side}_reweight",
            type=float,
            default=0,
            nargs="?",
            const=1,
            help="exponent of the singular values (alone: 1)",
        )
    for side in ("src", "trg"):
        mapping.add_argument(
            f"--{side}_dewhiten", choices=["src", "trg"], help="whose whitening to take back"
        )
    mapping.add_argument("--dim_reduction", type=int, default=0, help="columns to keep; 0: all")
    kind = mapping.add_mutually_exclusive_group()
    kind.add_argument("-c", "--orthogonal", action="store_true", help="an orthogonal map")
    kind.add_argument("-u", "--unconstrained", action="store_true", help="least squares")

    learning = parser.add_argument_group("self-learning")
    learning.add_argument("--self_learning", action="store_true", help="induce, fit, again")
    learning.add_argument("--vocabulary_cutoff", type=int, default=0, help="rows; 0: all")
    learning.add_argument(
        "--direction", choices=["forward", "backward", "union"], default="union", help="of pairs"
    )
    learning.add_argument(
        "--csls", type=int, nargs="?", default=0, const=10, metavar="K", help="alone: 10"
    )
    learning.add_argument(
        "--threshold", default=1e-6, type=float, help="least improvement (default: 1e-6)"
    )
    learning.add_argument("--validation", metavar="DICTIONARY", help="measured in the log")
    learning.add_argument(
        "--stochastic_initial", default=0.1, type=float, help="probability kept (default: 0.1)"
    )
    learning.add_argument(
        "--stochastic_multiplier", default=2.0, type=float, help="by which it rises (default: 2)"
    )
    learning.add_argument(
        "--stochastic_interval",
        default=50,
        type=int,
        help="iterations without improvement before that (default: 50)",
    )
    learning.add_argument("--log", metavar="FILE", help="a line an iteration, between tabs")
    learning.add_argument("-v", "--verbose", action="store_true", help="the same, to read")
    learning.add_argument(
        "--no_verdict", action="store_true", help="do not judge the run (not VecMap's)"
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add what most of VecMap's programs take."""
    parser.add_argument("--encoding", default="utf-8", help="of all files (default: utf-8)")
    parser.add_argument(
        "--precision",
        choices=["fp16", "fp32", "fp64"],
        default="fp32",
        help="of the vectors (default: fp32)",
    )
    parser.add_argument("--cuda", action="store_true", help="changes nothing")


def vectors(path: str, options: argparse.Namespace, duplicates: str = "last") -> Embeddings:
    """Read vectors in the precision that is asked for; half is computed in single precision."""
    import numpy as np

    from isomorph import io
    from isomorph.compat._vectors import read

    if options.faithful:
        duplicates = "keep"
    words, values = read(path, duplicates=duplicates, encoding=options.encoding)
    if options.precision == "fp16":
        values = values.astype(np.float16).astype(np.float32)
    return io.Embeddings(
        words, values.astype(np.float64) if options.precision == "fp64" else values
    )


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Map."""
    from isomorph import io
    from isomorph.compat import vecmap

    options = _with_mode(options, vecmap.MODES)
    settings = {
        name: getattr(options, name)
        for name in vecmap.MapSettings.__dataclass_fields__
        if name != "start"
    }
    # Before anything is read.
    vecmap.MapSettings(start=None, **settings).require_sense()
    source, target = vectors(options.src_input, options), vectors(options.trg_input, options)
    asked = vecmap.MapSettings(start=_start(options, source, target), **settings)
    validation = None
    if options.validation is not None:
        validation = lexicon(options.validation, options, source, target)
    with contextlib.ExitStack() as stack:
        log = None
        if options.log or options.verbose:
            stream = None
            if options.log:
                stream = stack.enter_context(Path(options.log).open("w", encoding=options.encoding))
            log = _Log(stream, options.verbose, None if validation is None else validation.coverage)
        mapped = vecmap.map_embeddings(
            source, target, asked, validation=validation, log=log, judge=not options.no_verdict
        )
    for path, side, values in (
        (options.src_output, source, mapped.source),
        (options.trg_output, target, mapped.target),
    ):
        write(io.Embeddings(side.words, values), path, options.encoding)
    if mapped.doubt is not None:
        ways_out = "another seed=, or seed_pairs="
        terminal.problem(mapped.doubt.replace(ways_out, "another --seed, or -d"))
    return 0


def _with_mode(options: argparse.Namespace, modes: Any) -> argparse.Namespace:
    """Let a mode set its options, and read the command line once more over them."""
    for name, defaults in modes.items():
        given = getattr(options, name)
        if not given:
            continue
        defaults = {**defaults, **({"init_dictionary": given} if isinstance(given, str) else {})}
        options.parser.set_defaults(**defaults)
        again: argparse.Namespace = options.parser.parse_args(options.command_line[2:])
        again.command_line = options.command_line
        return again
    return options


def _start(options: argparse.Namespace, source: Embeddings, target: Embeddings) -> Any:
    from isomorph.errors import DictionaryError

    for name in ("unsupervised", "identical", "numerals"):
        if getattr(options, f"init_{name}"):
            return name
    found = lexicon(options.init_dictionary, options, source, target)
    for pair in found.missing:
        print(f"WARNING: OOV dictionary entry ({pair[0]} - {pair[1]})", file=sys.stderr)
    if not len(found):
        raise DictionaryError("the dictionary has no pair of which both words have vectors")
    return found.source, found.target


def lexicon(
    path: str | None, options: argparse.Namespace, source: Embeddings, target: Embeddings
) -> Lexicon:
    """Read a dictionary: of a repeated word the last row counts."""
    from isomorph.compat._vectors import Lexicon, readable, rows_of

    with readable(path, options.encoding) as name:
        return Lexicon(name, rows_of(source.words, "last"), rows_of(target.words, "last"))


def write(embeddings: Embeddings, path: str | None, encoding: str) -> None:
    """Write text as VecMap does; to standard output where `path` is None or "-"."""
    from isomorph import _printing, io, runtime

    plain = encoding.lower().replace("_", "-") in ("utf-8", "utf8", "ascii")
    if path not in (None, "-") and plain:
        io.save(embeddings, str(path), format="text", numbers="%.6g")
        return
    from io import BytesIO

    text = BytesIO()
    workers = runtime.resolve_threads(None)
    _printing.write_rows(text, list(embeddings.words), embeddings.vectors, "%.6g", workers)
    written = text.getvalue() if plain else text.getvalue().decode().encode(encoding, "replace")
    if path in (None, "-"):
        sys.stdout.buffer.write(written)
        return
    from isomorph._atomic import appearing

    with appearing(str(path)) as stream:
        stream.write(written)


class _Log:
    """Tells each iteration to a file, between tabs, and to the terminal."""

    def __init__(self, stream: IO[str] | None, verbose: bool, coverage: float | None) -> None:
        self.stream, self.verbose, self.coverage = stream, verbose, coverage

    def __call__(self, entry: dict[str, Any]) -> None:
        measured = ["", "", ""]
        if self.coverage is not None:
            measured = [
                f"{100 * value:.6f}"
                for value in (entry["similarity"], entry["accuracy"], self.coverage)
            ]
        number, objective = entry["number"], f"{100 * entry['objective']:.6f}"
        if self.stream is not None:
            fields = (str(number), objective, *measured, f"{entry['seconds']:.6f}")
            print("\t".join(fields), file=self.stream, flush=True)
        if self.verbose:
            lines = [
                f"ITERATION {number} ({entry['seconds']:.2f}s)",
                f"  objective       {objective} %",
                f"  kept            {100 * entry['keep']:.1f} %",
            ]
            if self.coverage is not None:
                names = ("similarity", "accuracy", "coverage")
                lines += [f"  val. {n:<10} {v} %" for n, v in zip(names, measured, strict=True)]
            print("\n".join(lines), file=sys.stderr, flush=True)


SCRIPT = Script(
    "map", "map two spaces into one (map_embeddings.py)", _DESCRIPTION, add_arguments, run
)
