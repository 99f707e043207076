"""``isomorph fasttext``: the alignment scripts of fastText, with their options and output."""

from __future__ import annotations

import argparse

from isomorph.cli._drop_in import Script, add_scripts, run, say
from isomorph.cli._terminal import Terminal

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "NAME", "add_arguments", "run"]

NAME = "fasttext"
HELP = "the commands of fastText's alignment scripts (RCSLS)"
DESCRIPTION = """\
The scripts of fastText's folder 'alignment' with the same options, the same lines on standard
output and the same files. Put 'isomorph fasttext align' where 'python align.py' stands.
"""
EPILOG = """\
examples:
  isomorph fasttext align --src_emb en.vec --tgt_emb fr.vec --dico_train en-fr.0-5000.txt \\
      --dico_test en-fr.5000-6500.txt --output en-fr.vec --lr 1 --niter 10
  isomorph fasttext eval --src_emb en.vec --tgt_emb fr.vec --src_mat en-fr.vec-mat \\
      --dico_test en-fr.5000-6500.txt
  isomorph fasttext COMMAND --help
"""

_READING = """
Dictionaries may have tabs or several spaces between the words. Of a word that comes several times
the first row stands; the others are left out, with --faithful they stay, as in the script.
"""
_ALIGN = (
    """\
Fit the map of SRC into the space of TGT that CSLS retrieval is best with (RCSLS), by the steps of
fastText's align.py: where the objective rises the learning rate is halved, and the step that made
it rise is not taken back, as there (--lr 25 diverges here, too). 'isomorph align --method rcsls'
has a search for its step instead.

OUTPUT receives all rows of SRC, mapped, of unit length, and OUTPUT-mat the matrix; four decimals.
Batches of --sgd come from --seed; the script draws them unseeded. Memory does not grow with pairs
times --maxneg.
"""
    + _READING
)
_EVAL = (
    """\
Measure word translation by nearest neighbours and by CSLS, as fastText's eval.py: a source word of
the dictionary that the vectors lack counts as an error.

A matrix that 'align' wrote (its first line is "n d") maps a vector x to R x, which the script does
not: it cannot read the first line, and multiplies the other way round. A matrix without that line,
such as Babylon's, maps x to x M, as in the script.
"""
    + _READING
)
_UNSUP = (
    """\
Align without a dictionary by transport and rotation in turns, on batches that grow (Wasserstein-
Procrustes), as fastText's unsup_align.py. LEXICON only measures.

The convex start is that of 'isomorph learn --init wasserstein', some seconds instead of many
minutes; its figure is not printed. Batches are drawn among the words that there are: the script
stops with an error for fewer than --nmax words. 'isomorph learn' judges itself, and succeeds more
often.
"""
    + _READING
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the scripts."""
    add_scripts(
        parser,
        (
            Script("align", "fit a map by RCSLS (align.py)", _ALIGN, _align_arguments, _align),
            Script("eval", "measure word translation (eval.py)", _EVAL, _eval_arguments, _eval),
            Script(
                "unsup-align",
                "align without a dictionary (unsup_align.py)",
                _UNSUP,
                _unsup_arguments,
                _unsup,
            ),
        ),
    )


def _add(parser: argparse.ArgumentParser, name: str, default: object, text: str) -> None:
    shown = f"{text} (default: {default})" if default not in ("", None) else text
    kind = str if default is None else type(default)
    parser.add_argument(f"--{name}", type=kind, default=default, help=shown)


def _add_vectors(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--src_emb", required=True, help="vectors of the source words")
    parser.add_argument("--tgt_emb", required=True, help="vectors of the target words")
    parser.add_argument(
        "--center", action="store_true", help="subtract the mean, and take unit lengths again"
    )


def _align_arguments(parser: argparse.ArgumentParser) -> None:
    _add_vectors(parser)
    parser.add_argument("--dico_train", required=True, help="dictionary to fit on")
    parser.add_argument("--dico_test", required=True, help="dictionary to measure on")
    _add(parser, "output", "", "file for the mapped vectors; none: nothing is written")
    _add(parser, "knn", 10, "neighbours in the criterion")
    _add(parser, "maxneg", 200_000, "neighbours are sought among so many first rows")
    _add(parser, "maxsup", -1, "so many first pairs are learned from; -1: all")
    _add(parser, "maxload", 200_000, "rows that are read of each file")
    parser.add_argument(
        "--model",
        default="none",
        help="spectral: keep singular values at most 1; anything else: no constraint",
    )
    _add(parser, "reg", 0.0, "penalty of the matrix")
    _add(parser, "lr", 1.0, "learning rate")
    _add(parser, "niter", 10, "iterations; one more step is taken")
    parser.add_argument("--sgd", action="store_true", help="a batch of the pairs for each step")
    _add(parser, "batchsize", 10_000, "pairs in it, at most all")
    _add(parser, "seed", 0, "seed of the batches (not an option of the script)")


def _align(options: argparse.Namespace, _terminal: Terminal) -> int:
    from isomorph.compat import fasttext

    fasttext.align(
        options.src_emb,
        options.tgt_emb,
        options.dico_train,
        options.dico_test,
        output=options.output,
        center=options.center,
        knn=options.knn,
        maxneg=options.maxneg,
        maxsup=options.maxsup,
        maxload=options.maxload,
        model=options.model,
        reg=options.reg,
        lr=options.lr,
        niter=options.niter,
        sgd=options.sgd,
        batchsize=options.batchsize,
        seed=options.seed,
        faithful=options.faithful,
        say=say,
    )
    return 0


def _eval_arguments(parser: argparse.ArgumentParser) -> None:
    _add_vectors(parser)
    _add(parser, "src_mat", "", "matrix for the source vectors; none: as they are")
    _add(parser, "tgt_mat", "", "matrix for the target vectors; none: as they are")
    parser.add_argument("--dico_test", required=True, help="dictionary to measure on")
    _add(parser, "maxload", 200_000, "rows that are read of each file")
    parser.add_argument(
        "--nomatch", action="store_true", help="changes nothing but a line, as in the script"
    )


def _eval(options: argparse.Namespace, _terminal: Terminal) -> int:
    from isomorph.compat import fasttext

    fasttext.evaluate(
        options.src_emb,
        options.tgt_emb,
        options.dico_test,
        center=options.center,
        src_mat=options.src_mat,
        tgt_mat=options.tgt_mat,
        maxload=options.maxload,
        nomatch=options.nomatch,
        faithful=options.faithful,
        say=say,
    )
    return 0


def _unsup_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model_src", required=True, help="vectors of the source words")
    parser.add_argument("--model_tgt", required=True, help="vectors of the target words")
    parser.add_argument("--lexicon", required=True, help="dictionary to measure on")
    _add(parser, "output_src", "", "file for the source vectors")
    _add(parser, "output_tgt", "", "file for the target vectors, mapped to the source's space")
    _add(parser, "seed", 1111, "seed of the batches")
    _add(parser, "nepoch", 5, "epochs: each has batches of twice the size and a quarter as many")
    _add(parser, "niter", 5_000, "batches of the first epoch")
    _add(parser, "bsz", 500, "rows in these")
    _add(parser, "lr", 500.0, "learning rate")
    _add(parser, "nmax", 20_000, "batches are drawn from so many first rows")
    _add(parser, "reg", 0.05, "weight of the entropy")


def _unsup(options: argparse.Namespace, _terminal: Terminal) -> int:
    from isomorph.compat import fasttext

    fasttext.unsupervised_align(
        options.model_src,
        options.model_tgt,
        options.lexicon,
        output_src=options.output_src,
        output_tgt=options.output_tgt,
        seed=options.seed,
        nepoch=options.nepoch,
        niter=options.niter,
        bsz=options.bsz,
        lr=options.lr,
        nmax=options.nmax,
        reg=options.reg,
        faithful=options.faithful,
        say=say,
    )
    return 0
