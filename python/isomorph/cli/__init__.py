"""The command line: ``isomorph COMMAND ...`` or ``python -m isomorph COMMAND ...``.

Exit codes: 0 done; 1 an error that has a name (a file, a dictionary, an option out of range);
2 a command line that cannot be understood; 130 interrupted from the keyboard. Data goes to
standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

from isomorph.cli import (
    align,
    apply,
    bench,
    bridge,
    convert,
    demo,
    evaluate,
    fasttext,
    info,
    learn,
    muse,
    run,
    transfer,
    translate,
    transport,
    trim,
    untrim,
    vecmap,
)
from isomorph.cli._spelling import as_options
from isomorph.cli._terminal import Terminal, prepare_streams

__all__ = ["build_parser", "main"]

OK, FAILED, USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

#: Options whose values the library checks, under the same names.
_CHECKED_BY_THE_LIBRARY = (
    "device",
    "folds",
    "limit",
    "match_norm",
    "max_extra_tokens",
    "max_iter",
    "memory",
    "min_count",
    "min_retention",
    "multiple_of",
    "neighborhood",
    "reg",
    "seed",
    "size",
    "threads",
)

_COMMANDS = (
    demo,
    align,
    learn,
    translate,
    evaluate,
    bridge,
    apply,
    trim,
    untrim,
    transfer,
    transport,
    convert,
    run,
    info,
    bench,
    vecmap,
    muse,
    fasttext,
)

_DESCRIPTION = """\
Align two embedding spaces, translate words across them, and measure honestly how well it works.
Trim a model to the tokens that your text needs, and prove that nothing else changed.

Start with 'isomorph demo': it needs no files and takes seconds.
"""

_EPILOG = """\
examples:
  isomorph demo
  isomorph align en.vec fr.vec --train en-fr.train.txt --test en-fr.test.txt -o en-fr
  isomorph translate en-fr en.vec fr.vec cat dog
  isomorph COMMAND --help

Commands read .vec text (also .gz), .npy with a word list beside it, safetensors, and the files of
fastText (.bin), word2vec (.bin), gensim (.kv), MUSE (.pth) and faiss (.faiss); 'bridge' and
'apply' read Parquet and Arrow, too. Where a command takes words, 'sample:en', 'sample:fr' and
'sample:fi' name the vectors of the embedded sample, and 'sample:en-fr.train' and the like its
dictionaries, so that it can be tried at once.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="isomorph",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument(
        "--show-versions",
        action="store_true",
        help="print what a bug report needs (versions, instruction set, threads) and exit",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for command in _COMMANDS:
        sub = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.DESCRIPTION,
            epilog=command.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; raises nothing that a user can cause."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    prepare_streams()
    try:
        with _termination_unwinds():
            status = _run(arguments)
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us (`head`, a pager) has seen enough; that is no error.
        _discard_output()
        return OK
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            print("isomorph: interrupted", file=sys.stderr)
        return INTERRUPTED
    return status


def _run(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    try:
        return _dispatch(arguments)
    except BrokenPipeError:
        raise
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else USAGE
    except Exception as error:
        if debug:
            raise
        print(f"isomorph: {describe(error)}", file=sys.stderr)
        return FAILED


def _dispatch(arguments: list[str]) -> int:
    parser = build_parser()
    options = parser.parse_args(arguments)
    options.command_line = arguments
    if options.version or options.show_versions:
        import isomorph

        print(
            isomorph.runtime.show_versions()
            if options.show_versions
            else f"isomorph {isomorph.__version__}"
        )
        return OK
    if options.command is None:
        parser.print_help(sys.stderr)
        return USAGE
    from isomorph import runtime

    terminal = Terminal(quiet=options.quiet, as_json=options.json)
    limit = runtime.threads(options.threads) if options.threads else contextlib.nullcontext()
    with limit, runtime.device(getattr(options, "device", "cpu")):
        status: int = options.run(options, terminal)
    return status


def describe(error: Exception) -> str:
    """Say what went wrong in a line that a user can act on."""
    from isomorph.errors import InternalError, IsomorphError

    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"error: {os.fsdecode(error.filename)}: {as_options(error.strerror).lower()}"
    if isinstance(error, MemoryError) and not str(error):
        return "error: out of memory; --limit reads fewer words"
    expected = (IsomorphError, OSError, ValueError, MemoryError, ImportError)
    if isinstance(error, expected) and not isinstance(error, InternalError):
        name, colon, rest = as_options(str(error)).partition(": ")
        option = f"--{name.replace('_', '-')}" if name in _CHECKED_BY_THE_LIBRARY else name
        return f"error: {option}{colon}{rest}"
    return (
        f"internal error: {type(error).__name__}: {error}\n"
        "This is a fault of isomorph. Please report it with the output of "
        "'isomorph --show-versions' and of the same command with --debug."
    )


@contextlib.contextmanager
def _termination_unwinds() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that half-written outputs are removed."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    replaceable = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if not replaceable:
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _discard_output() -> None:
    """Point standard output at nothing, so that the interpreter's last flush cannot fail."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
