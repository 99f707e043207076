"""``isomorph vecmap``: the commands of VecMap, with their options and output."""

from __future__ import annotations

import argparse

from isomorph.cli import _vecmap_map, _vecmap_tests, _vecmap_tools
from isomorph.cli._drop_in import add_scripts, run

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "NAME", "add_arguments", "run"]

NAME = "vecmap"
HELP = "the commands of VecMap (map, evaluate, normalize, similarity, analogy)"
DESCRIPTION = """\
The programs of VecMap with the same options, the same lines on standard output and the same files.
Put 'isomorph vecmap map' where 'python map_embeddings.py' stands, and 'isomorph vecmap evaluate'
for 'python eval_translation.py'.
"""
EPILOG = """\
examples:
  isomorph vecmap map --supervised en-fr.txt en.vec fr.vec en.mapped.vec fr.mapped.vec
  isomorph vecmap evaluate en.mapped.vec fr.mapped.vec -d en-fr.test.txt --retrieval csls
  isomorph vecmap map --unsupervised en.vec fr.vec en.mapped.vec fr.mapped.vec -v
  isomorph vecmap COMMAND --help
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the programs."""
    add_scripts(parser, (_vecmap_map.SCRIPT, *_vecmap_tools.SCRIPTS, *_vecmap_tests.SCRIPTS))
