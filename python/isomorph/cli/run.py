"""``isomorph run``: an unchanged Python script, its calls to other libraries served by isomorph."""

from __future__ import annotations

import argparse
import builtins
import importlib.util
import io
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from isomorph.cli import _inputs
from isomorph.cli._terminal import Terminal

NAME = "run"
HELP = "run an unchanged Python script, its SciPy, POT and faiss calls served by isomorph"
DESCRIPTION = """\
Run a Python script as 'python SCRIPT ARGS' does, or with -m a module as 'python -m' does, with the
calls that isomorph covers served by isomorph: Procrustes of SciPy, Sinkhorn of POT, exact search of
faiss. A call with arguments that are not covered goes to the original. Standard output and the exit
code are the script's own; a table on standard error says at the end which calls were served, which
were passed on and why, and how long they took. Processes that the script starts are not served.
"""
EPILOG = """\
examples:
  isomorph run --patch scipy,ot,faiss align.py --source en.vec --target fr.vec
  isomorph run --patch ot --quiet transport.py
  isomorph run --patch faiss -m package.search --top 10
"""

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--patch",
        type=_packages,
        default="scipy,ot,faiss",
        metavar="LIST",
        help="whose calls to serve, of scipy, ot, faiss (default: all)",
    )
    parser.add_argument(
        "-m", dest="as_module", action="store_true", help="SCRIPT is the name of a module"
    )
    parser.add_argument("script", metavar="SCRIPT", help="the Python file to run")
    parser.add_argument(
        "arguments",
        nargs=argparse.REMAINDER,
        metavar="ARGS",
        help="its own arguments, options too: everything after SCRIPT",
    )
    _inputs.add_common(parser)


def _packages(text: str) -> tuple[str, ...]:
    from isomorph.compat.patching import patch

    try:
        return patch(*_inputs.names(text)).packages
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).partition(": ")[2]) from None


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the script; the exit code is its own."""
    from isomorph import patch

    patched = patch(*options.patch)
    folder = str(Path.cwd() if options.as_module else Path(options.script).resolve().parent)
    with patched as calls, _as_main(folder) as main:
        if options.as_module:
            spec = _found(options.script)
            path = name = str(spec.origin)
            main.__dict__.update(
                __spec__=spec, __package__=spec.parent, __loader__=spec.loader,
                __cached__=spec.cached,
            )  # fmt: skip
        else:
            # As python names it in __file__ and in tracebacks.
            path = os.path.abspath(options.script)  # noqa: PTH100 - links stay
            name = options.script
        # As python reads it: with the encoding that the file declares, and any bytes in strings.
        with io.open_code(str(Path(path).resolve())) as file:
            code = file.read()
        main.__dict__["__file__"] = path
        sys.argv = [name, *options.arguments]
        before = set(threading.enumerate())
        status = _execute(code, path, main)
        # As python does, which waits for them at its end.
        for thread in threading.enumerate():
            if not thread.daemon and thread not in before:
                thread.join()
    sys.stdout.flush()
    if terminal.as_json:
        print(_json(calls.calls), file=sys.stderr)
    else:
        terminal.note(calls.table())
    return status


def _found(name: str) -> ModuleSpec:
    """Find a module, of a package its ``__main__``, as python -m does."""
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            name += ".__main__"
            spec = importlib.util.find_spec(name)
    except (ImportError, ValueError) as error:
        raise ValueError(f"-m {name}: {error}") from None
    if spec is None:
        raise ValueError(f"-m {name}: no module of this name")
    if not spec.has_location or not str(spec.origin).endswith(".py"):
        raise ValueError(f"-m {name}: expected a module in a .py file, got {spec.origin}")
    return spec


def _execute(source: bytes, name: str, main: ModuleType) -> int:
    """Run the code of a script in its module, and give the exit code that python would."""
    try:
        code: CodeType = compile(source, name, "exec", dont_inherit=True)
        exec(code, main.__dict__)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        _print_traceback(name)
        return INTERRUPTED
    except BaseException:
        _print_traceback(name)
        return 1
    return 0


def _print_traceback(name: str) -> None:
    """Print the traceback of the exception, from the script on."""
    kind, error, frames = sys.exc_info()
    while frames is not None and frames.tb_frame.f_code.co_filename != name:
        frames = frames.tb_next
    sys.stdout.flush()
    if error is not None:
        error.__traceback__ = frames
    traceback.print_exception(kind, error, frames)


@contextmanager
def _as_main(folder: str) -> Iterator[ModuleType]:
    """Make the interpreter look as it does to a script, and put everything back."""
    main = ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __cached__=None, __spec__=None, __annotations__={})
    kept = sys.argv, list(sys.path), sys.modules["__main__"]
    if sys.path and not sys.flags.safe_path:
        # What python put first is the folder of the program, or of the module that was run.
        sys.path[0] = folder
    sys.modules["__main__"] = main
    try:
        yield main
    finally:
        sys.argv, sys.path[:], sys.modules["__main__"] = kept


def _json(calls: dict[str, Any]) -> str:
    import dataclasses
    import json

    # `asdict` makes a Counter of pairs of a Counter before Python 3.12.
    return json.dumps(
        {
            name: {**dataclasses.asdict(dataclasses.replace(one, passed={})), "passed": one.passed}
            for name, one in sorted(calls.items())
        }
    )
