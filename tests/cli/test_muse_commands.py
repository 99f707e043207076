"""``isomorph muse``: MUSE's options, the lines of its log, and the files that it cannot write."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from isomorph import io

STAMP = r"INFO - \d\d/\d\d/\d\d \d\d:\d\d:\d\d - \d+:\d\d:\d\d - "


@pytest.fixture
def muse(run, files, tmp_path):
    """Run a command of MUSE on the small vocabularies; `files` are in lower case but for none."""

    def command(name: str, *options: object, source=files.source, target=files.target):
        return run(
            "muse", name, "--src_lang", "xx", "--tgt_lang", "yy", "--src_emb", source,
            "--tgt_emb", target, "--emb_dim", 8, "--exp_path", tmp_path / "dumped",
            "--exp_name", "debug", "--exp_id", "run", "--dico_eval", files.test, *options,
        )  # fmt: skip

    return command


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "dumped" / "debug" / "run"


def lines(done) -> list[str]:
    assert all(re.match(STAMP, line) for line in done.out.splitlines())
    return [re.sub(STAMP, "", line) for line in done.out.splitlines()]


@pytest.mark.parametrize("export", ["txt", "pth", ""])
def test_supervised_writes_what_it_learned(muse, files, folder, export) -> None:
    """MUSE stops with an error before it writes anything."""
    done = muse("supervised", "--dico_train", files.train, "--export", export)
    assert done.status == 0, done.err
    said = lines(done)
    assert said[3] == (
        "Found 30 pairs of words in the dictionary (30 unique). 1 other pairs contained at least "
        "one unknown word (1 in lang1, 1 in lang2)"
    )
    for name in ("nn", "csls_knn_10"):
        for k in (1, 5, 10):
            assert f"30 source words - {name} - Precision at k = {k}: 100.000000" in said
    assert "Mean cosine (csls_knn_10 method, S2T build, 10000 max size): 1.00000" in said
    assert [line for line in said if line.startswith("Starting")] == [
        f"Starting iteration {n}..." for n in range(1, 6)
    ]
    assert (folder / "train.log").read_text("utf-8") == done.out
    x, z = (io.load(path).vectors for path in (files.source, files.target))
    by = io.load_matrix(folder / "best_mapping.pth")
    np.testing.assert_allclose(x @ by.T, z, atol=1e-4)
    vectors = sorted(path.name for path in folder.iterdir() if "vectors" in path.name)
    assert vectors == ([f"vectors-xx.{export}", f"vectors-yy.{export}"] if export else [])
    if export == "txt":
        text = (folder / "vectors-xx.txt").read_text("utf-8").splitlines()
        assert text[0] == "80 8"
        assert re.fullmatch(r"s0( -?\d\.\d{5}){8}", text[1])
        np.testing.assert_allclose(io.load(folder / "vectors-xx.txt").vectors, z, atol=1e-4)


def test_evaluate_reads_what_was_written(muse, files, folder) -> None:
    muse("supervised", "--dico_train", files.train)
    sides = {
        name: folder / f"vectors-{language}.txt"
        for name, language in (("source", "xx"), ("target", "yy"))
    }
    done = muse("evaluate", **sides)
    assert done.status == 0, done.err
    said = lines(done)
    assert "30 source words - csls_knn_10 - Precision at k = 1: 100.000000" in said
    assert said[-2:] == [
        "Mean cosine (nn method, S2T build, 10000 max size): 1.00000",
        "Mean cosine (csls_knn_10 method, S2T build, 10000 max size): 1.00000",
    ]
    assert "Precision at k = 1: 100.0" not in muse("evaluate").out


def test_case_and_repeated_words(muse, files, tmp_path, folder) -> None:
    """Lower case to train, as it is to export; the first row of a word counts."""
    words, rows = io.load(files.source)
    path = tmp_path / "upper.vec"
    mixed = [words[0].upper(), words[0], *words[1:]]
    io.save(io.Embeddings(mixed, np.concatenate([rows[:1], -rows[:1], rows[1:]])), path)
    done = muse("supervised", "--dico_train", files.train, source=path)
    assert "Loaded 80 pre-trained word embeddings." in lines(done)
    assert list(io.load(folder / "vectors-xx.txt").words) == mixed


def test_dictionaries_must_be_in_lower_case_if_faithful(muse, files, tmp_path) -> None:
    upper = tmp_path / "upper.txt"
    upper.write_text(Path(files.train).read_text("utf-8").upper() + "alone\n", encoding="utf-8")
    assert muse("supervised", "--dico_train", upper, "--export", "").status == 0
    done = muse("supervised", "--dico_train", upper, "--faithful", "--export", "")
    assert done.status == 1
    assert "lower case" in done.err


@pytest.mark.parametrize("build", ["S2T", "T2S", "S2T|T2S", "S2T&T2S"])
@pytest.mark.parametrize("method", ["nn", "csls_knn_3"])
def test_refinement_options(muse, files, build, method) -> None:
    done = muse(
        "supervised", "--dico_train", files.train, "--dico_build", build, "--dico_method", method,
        "--dico_max_rank", 70, "--dico_max_size", 40, "--dico_min_size", 30,
        "--dico_threshold", 0.01, "--n_refinement", 2, "--export", "",
        "--normalize_embeddings", "renorm,center", "--faithful",
    )  # fmt: skip
    assert done.status == 0, done.err
    sizes = [int(line.split()[4]) for line in lines(done) if line.startswith("New train")]
    assert sizes[0] == 50
    assert all(0 < size <= (80 if "|" in build else 40) for size in sizes[1:])


def test_faithful_selects_on_the_evaluation_dictionary(muse, files, tmp_path, folder) -> None:
    """So that the best map is the first with the best figure, whatever the mean cosine says."""
    done = muse("supervised", "--dico_train", files.train, "--faithful", "--n_refinement", 1)
    best = [line for line in lines(done) if "precision_at_1-csls_knn_10" in line]
    assert best == ["* Best value for precision_at_1-csls_knn_10: 100.00000"]


def test_unsupervised_says_what_it_does_not_do(muse, folder, rng, tmp_path) -> None:
    vectors = (rng.standard_normal((300, 8)) ** 3).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0].astype(np.float32)
    words = [f"s{i}" for i in range(300)], [f"tä{i}" for i in range(300)]
    paths = tmp_path / "a.vec", tmp_path / "b.vec"
    for path, side, rows in zip(paths, words, (vectors, vectors @ turn), strict=True):
        io.save(io.Embeddings(side, rows), path)
    sides = dict(zip(("source", "target"), paths, strict=True))
    done = muse("unsupervised", "--init", "spectra", "--dis_layers", 3, "--n_epochs", 7, **sides)
    assert done.status == 0, done.err
    assert "--dis_layers, --n_epochs: no effect" in done.err
    assert "30 source words - nn - Precision at k = 1: 100.000000" in lines(done)
    again = muse("unsupervised", "--adversarial", "False", "--n_refinement", 1, **sides)
    assert f"Reloading the best model from {folder / 'best_mapping.pth'} ..." in lines(again)
    assert "30 source words - nn - Precision at k = 1: 100.000000" in lines(again)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--dico_method", "invsm_beta_30"], "not offered"),
        (["--dico_method", "other"], "dico_method"),
        (["--dico_build", "S2S"], "dico_build"),
        (["--normalize_embeddings", "whiten"], "normalize_embeddings"),
        (["--export", "npy"], "export"),
        (["--emb_dim", 7], "--emb_dim 7"),
        (["--dico_train", "nowhere.txt"], "no such dictionary"),
        (["--dico_eval", "default"], "xx-yy.5000-6500.txt"),
        (["--src_emb", "nowhere.vec"], "--src_emb nowhere.vec"),
    ],
    ids=str,
)
def test_errors_have_names(muse, files, options, fault) -> None:
    done = muse("supervised", "--dico_train", files.train, *options)
    assert done.status == 1
    assert fault in done.err


def test_truth_values(muse, files) -> None:
    assert muse("supervised", "--dico_train", files.train, "--cuda", "maybe").status == 2
    for text in ("on", "TRUE", "1", "off", "False", "0"):
        assert muse("evaluate", "--cuda", text).status == 0


@pytest.mark.parametrize("name", ["supervised", "unsupervised", "evaluate"])
def test_help_teaches(run, name) -> None:
    done = run("muse", name, "--help")
    assert done.status == 0
    assert "--faithful" in done.out
    assert "MUSE's" in done.out
