"""``isomorph muse``: the commands of MUSE, with their options, output and files."""

from __future__ import annotations

import argparse

from isomorph.cli._drop_in import Script, add_scripts, boolean, run
from isomorph.cli._terminal import Terminal

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "NAME", "add_arguments", "run"]

NAME = "muse"
HELP = "the commands of MUSE (supervised, unsupervised, evaluate)"
DESCRIPTION = """\
The programs of MUSE with the same options, the same lines of figures and the same files. Put
'isomorph muse supervised' where 'python supervised.py' stands.
"""
EPILOG = """\
examples:
  isomorph muse supervised --src_lang en --tgt_lang fr --src_emb en.vec --tgt_emb fr.vec \\
      --dico_train en-fr.0-5000.txt --dico_eval en-fr.5000-6500.txt --exp_id run
  isomorph muse evaluate --src_lang en --tgt_lang fr --src_emb dumped/debug/run/vectors-en.txt \\
      --tgt_emb dumped/debug/run/vectors-fr.txt --dico_eval en-fr.5000-6500.txt
  isomorph muse COMMAND --help
"""
_COMMON = """
Words are lower-cased and the first of a repeated word stays, as there; so do --max_vocab and the
0.01 that a vector of zeros gets. Dictionaries are lower-cased, too; with --faithful one that is not
in lower case is refused, as there. Truth values are spelled on, true, 1, off, false, 0.
--cuda, --verbose and --seed (of a method that draws nothing) change nothing; --dico_method
invsm_beta_B is not offered.
"""
_SUPERVISED = (
    """\
Fit an orthogonal map on a dictionary and refine it on pairs that it induces, as MUSE's
supervised.py; then write the vectors of both languages, all of them.

MUSE keeps the map that is best on the dictionary it is evaluated on, so that the figure is too
good. Here the map is kept whose induced pairs have the largest mean cosine; --faithful keeps as
MUSE does. With --dico_max_rank R MUSE lets one target more through than R.

The folder EXP_PATH/EXP_NAME/EXP_ID receives train.log, params.pkl, best_mapping.pth (a tensor W,
x becomes W x, that torch.load reads with weights_only) and vectors-LANG.txt or .pth.
"""
    + _COMMON
)
_UNSUPERVISED = (
    """\
Align without a dictionary, and refine, as MUSE's unsupervised.py; the files are those of
'supervised'.

MUSE starts by adversarial training. That is not linear algebra, and fails often; in its place
stands self-learning from one of the starts of isomorph (--init): 'gromov', transport between the
distances within the languages, 'wasserstein', a convex relaxation of it, or 'spectra', that of
VecMap. The options of the discriminator and of its training are read and have no effect. A run that
fails is reported as such on standard error. --adversarial False refines the map that
best_mapping.pth of the folder holds, or else the identity.
"""
    + _COMMON
)
_EVALUATE = (
    """\
Measure word translation between vectors that are in one space (P@1, P@5 and P@10 by nearest
neighbours and by CSLS, mean cosines of induced pairs), as MUSE's evaluate.py. Only source words
that both the dictionary and the vectors have count. Word similarity, sentence retrieval and the
data sets that MUSE downloads for them are left out.
"""
    + _COMMON
)
#: Of the adversarial training: read, without effect.
_ADVERSARIAL = {
    "map_id_init": True,
    "map_beta": 0.001,
    "dis_layers": 2,
    "dis_hid_dim": 2048,
    "dis_dropout": 0.0,
    "dis_input_dropout": 0.1,
    "dis_steps": 5,
    "dis_lambda": 1.0,
    "dis_most_frequent": 75_000,
    "dis_smooth": 0.1,
    "dis_clip_weights": 0.0,
    "n_epochs": 5,
    "epoch_size": 1_000_000,
    "batch_size": 32,
    "map_optimizer": "sgd,lr=0.1",
    "dis_optimizer": "sgd,lr=0.1",
    "lr_decay": 0.98,
    "min_lr": 1e-6,
    "lr_shrink": 0.5,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the programs."""
    add_scripts(
        parser,
        (
            Script(
                "supervised",
                "align with a dictionary (supervised.py)",
                _SUPERVISED,
                _supervised_arguments,
                _supervised,
            ),
            Script(
                "unsupervised",
                "align without a dictionary (unsupervised.py)",
                _UNSUPERVISED,
                _unsupervised_arguments,
                _unsupervised,
            ),
            Script(
                "evaluate",
                "measure aligned vectors (evaluate.py)",
                _EVALUATE,
                _evaluate_arguments,
                _evaluate,
            ),
        ),
    )


def _add(group: argparse._ActionsContainer, name: str, default: object, text: str) -> None:
    kind = boolean if isinstance(default, bool) else type(default)
    shown = f"{text} (default: {default})" if default != "" else text
    group.add_argument(f"--{name}", type=kind, default=default, help=shown)


def _add_common(parser: argparse.ArgumentParser, src_lang: str, tgt_lang: str) -> None:
    _add(parser, "verbose", 2, "changes nothing")
    _add(parser, "exp_path", "", "folder of all experiments (default: dumped)")
    _add(parser, "exp_name", "debug", "folder of the experiment")
    _add(parser, "exp_id", "", "folder of the run (default: ten letters by lot)")
    _add(parser, "cuda", True, "changes nothing")
    _add(parser, "src_lang", src_lang, "name of the source language")
    _add(parser, "tgt_lang", tgt_lang, "name of the target language")
    _add(parser, "dico_eval", "default", "dictionary to measure on; default: see below")
    _add(parser, "src_emb", "", "source vectors (.vec, .pth, .bin)")
    _add(parser, "tgt_emb", "", "target vectors")
    _add(parser, "max_vocab", 200_000, "words of each; 0 or -1: all")
    _add(parser, "emb_dim", 300, "dimensions")
    _add(parser, "normalize_embeddings", "", "a list of center and renorm, with commas")
    parser.epilog = (
        "'default' is data/crosslingual/dictionaries/SRC-TGT.0-5000.txt to train and "
        "SRC-TGT.5000-6500.txt to measure, in the current folder."
    )


def _add_training(parser: argparse.ArgumentParser, build: str, max_rank: int) -> None:
    _add(parser, "seed", -1, "of what is drawn; -1: 0")
    _add(parser, "export", "txt", "txt, pth, or empty for no vectors")
    _add(parser, "n_refinement", 5, "refinements")
    _add(parser, "dico_method", "csls_knn_10", "nn or csls_knn_K")
    _add(parser, "dico_build", build, "S2T, T2S, S2T|T2S or S2T&T2S")
    _add(parser, "dico_threshold", 0.0, "pairs are surer than this; 0: all")
    _add(parser, "dico_max_rank", max_rank, "only words of so many first rows; 0: all")
    _add(parser, "dico_min_size", 0, "at least so many pairs, the surest")
    _add(parser, "dico_max_size", 0, "at most so many; 0: all")


def _supervised_arguments(parser: argparse.ArgumentParser) -> None:
    _add_common(parser, "en", "es")
    _add_training(parser, "S2T&T2S", 10_000)
    _add(parser, "dico_train", "default", "default, identical_char or a file")


def _unsupervised_arguments(parser: argparse.ArgumentParser) -> None:
    _add_common(parser, "en", "es")
    _add_training(parser, "S2T", 15_000)
    _add(parser, "adversarial", True, "False: refine a map that there is")
    parser.add_argument(
        "--init",
        choices=("gromov", "wasserstein", "spectra"),
        default="gromov",
        help="what stands in the place of adversarial training (default: gromov; not MUSE's)",
    )
    group = parser.add_argument_group("options of adversarial training, without effect")
    for name, default in _ADVERSARIAL.items():
        _add(group, name, default, "no effect")


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    _add_common(parser, "", "")


def _supervised(options: argparse.Namespace, terminal: Terminal) -> int:
    from isomorph.cli._muse_runs import Run

    with Run(options, terminal) as run:
        run.read()
        run.train(run.given_pairs(), "precision" if options.faithful else "mean_cosine")
    return 0


def _unsupervised(options: argparse.Namespace, terminal: Terminal) -> int:
    from isomorph.cli._muse_runs import Run

    unused = [name for name, default in _ADVERSARIAL.items() if getattr(options, name) != default]
    if unused:
        listed = ", ".join(f"--{name}" for name in unused)
        terminal.note(f"isomorph: {listed}: no effect, there is no adversarial training here")
    with Run(options, terminal) as run:
        run.read()
        run.train(run.found_pairs(), "mean_cosine")
    return 0


def _evaluate(options: argparse.Namespace, terminal: Terminal) -> int:
    from isomorph.cli._muse_runs import Run

    with Run(options, terminal) as run:
        run.read()
        run.evaluate()
    return 0
