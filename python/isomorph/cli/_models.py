"""Options of the commands that change a model."""

from __future__ import annotations

import argparse


def named(text: str) -> tuple[str, str]:
    """Read NAME=VALUE, for argparse."""
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def add_model(parser: argparse.ArgumentParser, roles: str) -> argparse._ArgumentGroup:
    """Add what the model's files are; `roles` those that a tensor may have."""
    group = parser.add_argument_group("the model")
    group.add_argument(
        "--table",
        type=named,
        action="append",
        metavar="NAME=ROLE",
        help="what a tensor is that has as many rows as there are tokens, where its name does not "
        f"say: {roles}, none",
    )
    group.add_argument(
        "--leave-out",
        action="append",
        default=[],
        metavar="PATTERN",
        help="files that OUT is not to have, as '*.onnx'; may be given often",
    )
    group.add_argument("--revision", metavar="NAME", help="revision of a model on the hub")
    return group
