"""``isomorph fasttext``: what fastText's scripts print and write, and what they cannot do."""

from __future__ import annotations

import re

import numpy as np
import pytest

from isomorph import io


def vectors(files):
    return ["--src_emb", files.source, "--tgt_emb", files.target]


def test_align_prints_and_writes_as_the_script(run, files, tmp_path) -> None:
    out = tmp_path / "xx.aligned"
    done = run(
        "fasttext", "align", *vectors(files), "--dico_train", files.train,
        "--dico_test", files.test, "--output", out, "--niter", 12, "--maxneg", 80,
    )  # fmt: skip
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert lines[:6] == [
        f"Loading vectors from {files.target}",
        "80 word vectors loaded",
        f"Loading vectors from {files.source}",
        "80 word vectors loaded",
        "Coverage of source vocab: 0.9677",
        "Found pairs for training: 50 - Total pairs in file: 50 - Coverage of pairs: 1.0000",
    ]
    # One of the 31 words of the dictionary is unknown, which counts as an error.
    assert lines[6] == "[init -- Procrustes] NN: 0.9677"
    assert [line for line in lines if re.fullmatch(r"\[it=\d+\] f = -?\d+\.\d{4}", line)] == [
        line for line in lines if "f =" in line
    ]
    told = [line.split("]")[0] for line in lines if "NN =" in line]
    assert told == ["[it=10", "[it=12", "[final"]
    assert lines[-1] == f"Saving all aligned vectors at {out}"
    text = out.read_text("utf-8").splitlines()
    assert text[0] == "80 8"
    assert all(re.fullmatch(r"s\d+( -?\d\.\d{4}){8}", line) for line in text[1:])
    matrix = (tmp_path / "xx.aligned-mat").read_text().splitlines()
    assert matrix[0] == "8 8"
    assert all(re.fullmatch(r"-?\d\.\d{4}( -?\d\.\d{4}){7}", line) for line in matrix[1:])
    # What the script cannot do: read the matrix that it wrote.
    figures = {}
    for name, given in (
        ("file", ["--src_emb", out, "--tgt_emb", files.target]),
        ("matrix", [*vectors(files), "--src_mat", f"{out}-mat"]),
    ):
        done = run("fasttext", "eval", *given, "--dico_test", files.test)
        assert done.status == 0, done.err
        figures[name] = done.out.splitlines()[-1]
    assert figures["file"] == figures["matrix"] == "NN = 0.9677 - CSLS = 0.9677 - Coverage = 0.9677"


def test_a_matrix_without_a_header_multiplies_from_the_right(run, files, tmp_path) -> None:
    x, z = io.load(files.source).vectors, io.load(files.target).vectors
    np.savetxt(tmp_path / "m.txt", np.linalg.lstsq(x, z, rcond=None)[0])
    done = run(
        "fasttext", "eval", *vectors(files), "--src_mat", tmp_path / "m.txt", "--dico_test",
        files.test, "--nomatch",
    )  # fmt: skip
    assert done.out.splitlines()[1] == "running without exact string matches"
    assert done.out.splitlines()[-1].startswith("NN = 0.9677 -")


def test_a_matrix_of_another_size_is_refused(run, files, tmp_path) -> None:
    np.savetxt(tmp_path / "m.txt", np.eye(7))
    done = run(
        "fasttext", "eval", *vectors(files), "--src_mat", tmp_path / "m.txt", "--dico_test",
        files.test,
    )  # fmt: skip
    assert done.status == 1
    assert "8 dimensions" in done.err


def test_repeated_words(run, files, tmp_path) -> None:
    """The first row stands; only with --faithful are the others rows of their own."""
    path = tmp_path / "twice.vec"
    words, rows = io.load(files.source)
    repeated = io.Embeddings([*words, words[0]], np.concatenate([rows, rows[:1]]))
    io.save(repeated, path)
    for given, count in ([], 80), (["--faithful"], 81):
        done = run(
            "fasttext", "eval", "--src_emb", path, "--tgt_emb", files.target, "--dico_test",
            files.test, *given,
        )  # fmt: skip
        assert f"{count} word vectors loaded" in done.out.splitlines()[4]


def test_sgd_has_a_seed(run, files, tmp_path) -> None:
    def matrix(*options: object) -> str:
        done = run(
            "fasttext", "align", *vectors(files), "--dico_train", files.train, "--dico_test",
            files.test, "--output", tmp_path / "o", "--niter", 3, "--sgd", *options,
        )  # fmt: skip
        assert done.status == 0, done.err
        return (tmp_path / "o-mat").read_text()

    assert matrix("--batchsize", 10) == matrix("--batchsize", 10)
    assert matrix("--batchsize", 10) != matrix("--batchsize", 10, "--seed", 1)
    assert matrix() == matrix("--seed", 1)


def test_unsupervised(run, files, tmp_path) -> None:
    done = run(
        "fasttext", "unsup-align", "--model_src", files.source, "--model_tgt", files.target,
        "--lexicon", files.test, "--output_src", tmp_path / "x", "--output_tgt", tmp_path / "z",
        "--niter", 40, "--bsz", 40, "--nepoch", 2,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert done.out.startswith("\n*** Wasserstein Procrustes ***\n\nLoading vectors from ")
    assert len(re.findall(r"^epoch: \d  obj: \d+\.\d{3}$", done.out, re.MULTILINE)) == 2
    assert re.search(r"\nPrecision@1: [01]\.\d{3}\n\n$", done.out)
    x, z = (io.load(tmp_path / name).vectors for name in "xz")
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-3)
    assert x.shape == z.shape


@pytest.mark.parametrize("name", ["align", "eval", "unsup-align"])
def test_help_teaches(run, name) -> None:
    done = run("fasttext", name, "--help")
    assert done.status == 0
    assert "--faithful" in done.out
    assert "script" in done.out
