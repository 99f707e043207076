"""What the commands that stand in for other programs share: scripts of a program, and options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from isomorph.cli._inputs import positive
from isomorph.cli._terminal import Terminal


@dataclass(frozen=True)
class Script:
    """One script of a program, as a command below the program's."""

    name: str
    help: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Terminal], int]


def add_scripts(parser: argparse.ArgumentParser, scripts: Iterable[Script]) -> None:
    """Add the scripts of a program below its command."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for script in scripts:
        sub = commands.add_parser(
            script.name,
            help=script.help,
            description=script.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        script.add_arguments(sub)
        group = sub.add_argument_group("options of isomorph")
        group.add_argument(
            "--faithful",
            action="store_true",
            help="take over what would be a defect, too (see above)",
        )
        group.add_argument(
            "--threads", type=positive, metavar="N", help="use N threads (default: all allowed)"
        )
        group.add_argument("--debug", action="store_true", help="show the traceback of an error")
        # `parser` lets a mode set the defaults of its other options and read them once more.
        sub.set_defaults(script=script.run, parser=sub, quiet=False, json=False)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the script that was asked for."""
    status: int = options.script(options, terminal)
    return status


def say(text: str) -> None:
    """Print a line at once, as the scripts do, for whoever watches them through a pipe."""
    print(text, flush=True)


def boolean(text: str) -> bool:
    """Read a truth value as MUSE spells them, for argparse."""
    if text.lower() in ("on", "true", "1"):
        return True
    if text.lower() in ("off", "false", "0"):
        return False
    raise argparse.ArgumentTypeError(f"expected on, true, 1, off, false or 0, got {text!r}")
