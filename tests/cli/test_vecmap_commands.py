"""``isomorph vecmap``: VecMap's options, output and files."""

from __future__ import annotations

import io as streams
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import isomorph as iso
from isomorph import io
from isomorph.compat import vecmap
from isomorph.compat._vecmap_retrieval import RETRIEVALS, translations


@pytest.fixture
def outputs(tmp_path):
    return tmp_path / "x.out", tmp_path / "z.out"


def accuracy(run, outputs, files, *options) -> str:
    done = run("vecmap", "evaluate", *outputs, "-d", files.test, *options)
    assert done.status == 0, done.err
    return done.out


@pytest.mark.parametrize(
    "options",
    [
        ["--supervised", "TRAIN"],
        ["--emnlp2016", "TRAIN"],
        ["--aaai2018", "TRAIN"],
        ["--semi_supervised", "TRAIN"],
        ["--acl2017_seed", "TRAIN"],
        ["--init_dictionary", "TRAIN", "-c"],
        ["-d", "TRAIN", "-u", "--normalize", "unit"],
        ["-d", "TRAIN", "--whiten", "--src_reweight", "--trg_reweight", ".5"],
        ["-d", "TRAIN", "--src_reweight", ".5"],
        ["-d", "TRAIN", "-c", "--self_learning", "--direction", "backward", "--precision", "fp64"],
        ["--supervised", "TRAIN", "--precision", "fp16", "--cuda", "--batch_size", "7"],
    ],
    ids=" ".join,
)
def test_modes_and_options_bring_the_spaces_together(run, files, outputs, options) -> None:
    options = [files.train if option == "TRAIN" else option for option in options]
    done = run("vecmap", "map", files.source, files.target, *outputs, *options)
    assert done.status == 0, done.err
    assert done.out == ""
    found = accuracy(run, outputs, files)
    assert found == "Coverage: 96.77%  Accuracy: 100.00%\n"
    for path in outputs:
        lines = path.read_text("utf-8").splitlines()
        assert lines[0] == "80 8"
        assert all(len(line.split(" ")) == 9 for line in lines[1:])


def test_what_is_given_beside_a_mode_holds(run, files, outputs) -> None:
    """Modes set defaults only."""
    run("vecmap", "map", files.source, files.target, *outputs, "--supervised", files.train,
        "--dim_reduction", 3)  # fmt: skip
    assert outputs[0].read_text("utf-8").startswith("80 3\n")
    run("vecmap", "map", files.source, files.target, *outputs, "--supervised", files.train,
        "--normalize", "none")  # fmt: skip
    chain = iso.transforms.Chain.parse("none")
    sides = [chain.fit_apply(io.load(path).vectors)[1] for path in (files.source, files.target)]
    by = iso.align.vecmap(sides[0][:50], sides[1][:50])
    np.testing.assert_allclose(io.load(outputs[0]).vectors, by.apply_source(sides[0]), rtol=2e-5)


def test_unknown_words_are_told(run, files, outputs) -> None:
    done = run("vecmap", "map", files.source, files.target, *outputs, "-d", files.test, "-c")
    assert done.status == 0
    assert "WARNING: OOV dictionary entry (missing - missing)\n" in done.err


def test_the_dictionary_is_standard_input_unless_given(run, files, outputs, monkeypatch) -> None:
    for command in (
        ["map", files.source, files.target, *outputs, "-c"],
        ["evaluate", *outputs],
    ):
        with Path(files.train).open("rb") as stream:
            monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
            assert run("vecmap", *command).status == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--supervised", "a", "--unsupervised"],
        ["-c", "-u"],
        ["-d", "a", "--init_identical"],
        ["--normalize", "other"],
        ["--direction", "sideways"],
    ],
)
def test_what_excludes_each_other_is_refused(run, files, outputs, options) -> None:
    done = run("vecmap", "map", files.source, files.target, *outputs, *options)
    assert done.status == 2
    assert not outputs[0].exists()


def test_dewhitening_without_whitening_is_refused(run, outputs) -> None:
    done = run("vecmap", "map", "no.vec", "no.vec", *outputs, "--src_dewhiten", "src", "-d", "no")
    assert done.status == 1
    assert "De-whitening requires whitening first" in done.err


def test_log_and_validation(run, files, outputs, tmp_path) -> None:
    log = tmp_path / "log.tsv"
    done = run(
        "vecmap", "map", files.source, files.target, *outputs, "--semi_supervised", files.train,
        "--validation", files.test, "--log", log, "-v", "--stochastic_interval", 2,
        "--stochastic_initial", 0.5,
    )  # fmt: skip
    assert done.status == 0, done.err
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) > 3
    for row in rows:
        # Objective, similarity, accuracy, coverage, seconds: the map is right from the first.
        assert all(re.fullmatch(r"\d+\.\d{6}", field) for field in row[1:])
        assert float(row[2]) == pytest.approx(100, abs=1)
        assert row[3:5] == ["100.000000", "96.774194"]
    assert done.err.count("ITERATION") == len(rows)


def test_repeated_words(run, files, outputs, tmp_path) -> None:
    """The last row stands; with --faithful all are written, too."""
    words, rows = io.load(files.source)
    wrong = -rows[:1]
    path = tmp_path / "twice.vec"
    io.save(io.Embeddings([words[0], *words], np.concatenate([wrong, rows])), path)
    for given, count in ([], 80), (["--faithful"], 81):
        done = run("vecmap", "map", path, files.target, *outputs, "-d", files.train, "-c", *given)
        assert done.status == 0, done.err
        assert outputs[0].read_text("utf-8").startswith(f"{count} 8\n")
        # The pair of the repeated word was right: so is the map.
        assert accuracy(run, outputs, files, *given).endswith("100.00%\n")


def test_another_encoding(run, files, outputs, tmp_path) -> None:
    sides = []
    for path in (files.source, files.target, files.train):
        copy = tmp_path / f"latin-{len(sides)}"
        copy.write_text(Path(path).read_text("utf-8"), encoding="latin-1")
        sides.append(copy)
    done = run("vecmap", "map", *sides[:2], *outputs, "-d", sides[2], "-c", "--encoding", "latin-1")
    assert done.status == 0, done.err
    assert "tä0 ".encode("latin-1") in outputs[1].read_bytes()
    assert run("vecmap", "map", *sides[:2], *outputs, "--encoding", "no-such").status == 1


@pytest.mark.parametrize("dot", [False, True])
@pytest.mark.parametrize("retrieval", RETRIEVALS)
@pytest.mark.parametrize("drawn", [None, 40])
def test_retrieval_is_what_it_says(rng, retrieval, dot, drawn) -> None:
    x, z = (rng.standard_normal((size, 6)) for size in (300, 500))
    queries = np.array([5, 2, 299, 17])
    found = translations(
        x, z, queries, retrieval=retrieval, dot=dot, inv_sample=drawn, inv_temperature=3.0, seed=4
    )
    if not dot:
        x, z = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, z))
    scores = x @ z.T
    if retrieval == "csls":
        scores = 2 * scores - np.sort(scores, axis=0)[-10:].mean(axis=0)
    elif retrieval == "invsoftmax":
        rows = slice(None)
        if drawn is not None:
            rows = np.random.RandomState(4).randint(0, len(x), drawn)
        scores = 3 * scores - np.log(np.exp(3 * scores[rows]).sum(axis=0))
    elif retrieval == "invnn":
        rank = (-scores).argsort(axis=0).argsort(axis=0)
        scores = -rank + scores / 100
    assert found.tolist() == scores[queries].argmax(axis=1).tolist()


def test_normalize(run, files, tmp_path, monkeypatch) -> None:
    done = run("vecmap", "normalize", "unit", "center", "-i", files.source, "-o", tmp_path / "n")
    assert done.status == 0, done.err
    x = io.load(files.source).vectors.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x -= x.mean(axis=0)
    expected = [[f"{value:.6g}" for value in row] for row in x.tolist()]
    lines = (tmp_path / "n").read_text("utf-8").splitlines()
    assert [line.split(" ")[1:] for line in lines[1:]] == expected
    sink = SimpleNamespace(buffer=streams.BytesIO(), flush=lambda: None)
    monkeypatch.setattr(sys, "stdout", sink)
    from isomorph.cli import _vecmap_map

    _vecmap_map.write(io.Embeddings(["a"], np.array([[0.25]])), None, "utf-8")
    assert sink.buffer.getvalue() == b"1 1\na 0.25\n"


def test_singular_values_are_not_divided(files) -> None:
    """Without whitening a re-weighted side is as long as the original makes it."""
    source, target = io.load(files.source), io.load(files.target)
    rows = np.arange(50)
    settings = vecmap.MapSettings(start=(rows, rows), src_reweight=1.0, trg_reweight=0.0)
    mapped = vecmap.map_embeddings(source, target, settings)
    x, z = (side.vectors.astype(np.float64) for side in (source, target))
    u, s, vt = np.linalg.svd(x[:50].T @ z[:50])
    np.testing.assert_allclose(np.abs(mapped.source), np.abs(x @ u * s), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.abs(mapped.target), np.abs(z @ vt.T), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["map", "evaluate", "normalize", "similarity", "analogy"])
def test_help_teaches(run, name) -> None:
    done = run("vecmap", name, "--help")
    assert done.status == 0
    assert "--faithful" in done.out
    assert "VecMap's" in done.out


def test_similarity(run, files, tmp_path) -> None:
    rows = io.load(files.source).vectors
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = [float(units[i] @ units[i + 1]) for i in range(20)]
    (tmp_path / "right.txt").write_text(
        "".join(f"S{i}\tS{i + 1}\t{cosine:.9f}\n" for i, cosine in enumerate(cosines))
    )
    (tmp_path / "turned.txt").write_text(
        "".join(f"s{i}\ts{i + 1}\t{-cosine:.9f}\n" for i, cosine in enumerate(cosines))
        + "unknown\ts1\t9\n" * 5
    )
    given = [tmp_path / "right.txt", tmp_path / "turned.txt"]
    done = run("vecmap", "similarity", files.source, "-i", *given, "-l", "--all", "--sim", "right")
    assert done.out.splitlines() == [
        "right\tCoverage: 100.00%\tPearson: 100.00%\tSpearman: 100.00%",
        "turned\tCoverage: 80.00%\tPearson: -100.00%\tSpearman: -100.00%",
        "SIM\tCoverage: 100.00%\tPearson: 100.00%\tSpearman: 100.00%",
        "ALL\tCoverage: 90.00%\tPearson: 0.00%\tSpearman: 0.00%",
    ]
    # Unknown pairs that count, with the right answer, and the second word in another file.
    (tmp_path / "cross.txt").write_text("s1\ttä1\t1\ns2\ttä3\t0.5\nno\tno\t9\n", "utf-8")
    done = run(
        "vecmap", "similarity", files.source, files.target, "-i", tmp_path / "cross.txt",
        "--backoff", 99,
    )  # fmt: skip
    assert done.out.startswith("cross\tCoverage: 66.67%\tPearson: ")
    assert run("vecmap", "similarity", files.source, "-i", files.train).status == 1


def test_correlations_are_those_of_the_textbook() -> None:
    from isomorph.compat._intrinsic import correlations

    x, y = [1.0, 2.0, 2.0, 5.0], [1.0, 3.0, 2.0, 2.0]
    # Ranks with ties: 1, 2.5, 2.5, 4 and 1, 4, 2.5, 2.5.
    assert correlations(x, y) == pytest.approx(
        (np.corrcoef(x, y)[0, 1], np.corrcoef([1, 2.5, 2.5, 4], [1, 4, 2.5, 2.5])[0, 1])
    )
    assert correlations([1, 1], [1, 2]) == (0.0, 0.0)


def test_analogy(run, rng, tmp_path) -> None:
    base, step = rng.standard_normal((6, 20)), rng.standard_normal(20)
    words = [f"{kind}{i}" for i in range(6) for kind in ("man", "woman")]
    rows = np.stack([row for one in base for row in (one, one + step)])
    io.save(io.Embeddings(words, rows.astype(np.float32)), tmp_path / "x.vec")
    (tmp_path / "q.txt").write_text(
        ": family\nMAN0 woman0 man1 woman1\nman2 woman2 man3 woman3\n"
        ": wrong\nman0 woman0 man1 woman2\nman0 woman0 man1 nobody\n"
    )
    done = run("vecmap", "analogy", tmp_path / "x.vec", "-i", tmp_path / "q.txt", "-l", "-v")
    assert done.out.splitlines() == [
        "Coverage: 100.00%  Accuracy: 100.00%  family",
        "Coverage: 50.00%  Accuracy: 0.00%  wrong",
        "Coverage: 75.00%  Accuracy: 66.67%",
    ]
    done = run("vecmap", "analogy", tmp_path / "x.vec", "-i", tmp_path / "q.txt", "-t", 4, "-l")
    assert done.out == "Coverage: 25.00%  Accuracy: 100.00%\n"


@pytest.mark.parametrize("drawn", [0, -3])
def test_fewer_than_one_source_to_draw(rng, drawn) -> None:
    x = rng.standard_normal((4, 3)).astype(np.float32)
    with pytest.raises(ValueError, match=f"inv_sample: expected at least 1.* got {drawn}"):
        translations(x, x, np.arange(4), retrieval="invsoftmax", inv_sample=drawn)
