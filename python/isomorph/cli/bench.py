"""``isomorph bench``: ratios to other libraries and to the machine's limits, measured here."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from isomorph.cli._terminal import Terminal

NAME = "bench"
HELP = "measure this machine: isomorph, other libraries, and the hardware's limit"
DESCRIPTION = """\
Measure isomorph beside the other libraries that are installed, on the same input in the same run,
and print ratios. All options are those of the benchmark itself: isomorph bench --help.
"""
EPILOG = ""

_MISSING = "this installation of isomorph has no benchmarks"


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing: the benchmark reads its own command line."""


def run(_options: argparse.Namespace, _terminal: Terminal) -> int:
    """Run the benchmark without options."""
    return main([])


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark with its own options."""
    try:
        benchmark = importlib.import_module("isomorph.benchmark")
    except ImportError as error:
        if error.name != "isomorph.benchmark":
            raise
        raise ImportError(_MISSING) from error
    if not hasattr(benchmark, "main"):
        raise ImportError(_MISSING)
    return int(benchmark.main(list(arguments)) or 0)
