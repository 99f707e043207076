"""The command that moves the mass of one set of points to another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import isomorph as iso
from isomorph import io


@pytest.fixture
def turned(tmp_path: Path, rng: np.random.Generator) -> tuple[Path, Path]:
    """Write two vocabularies whose rows are the same vectors but for noise, in another order."""
    vectors = rng.standard_normal((30, 12)).astype(np.float32)
    order = rng.permutation(30)
    noisy = vectors + 0.05 * rng.standard_normal((30, 12)).astype(np.float32)
    io.save(io.Embeddings([f"s{i}" for i in range(30)], vectors), tmp_path / "x.vec")
    io.save(io.Embeddings([f"tä {i}" for i in order], noisy[order]), tmp_path / "y.safetensors")
    return tmp_path / "x.vec", tmp_path / "y.safetensors"


def lines(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


def test_points_match_what_they_are(run, turned, tmp_path):
    out = tmp_path / "out"
    done = run("transport", *turned, "-o", out, "-k", 2, "--project", tmp_path / "moved.vec")
    assert done.status == 0, done.err
    assert "30 (x) to 30 (y)" in done.out
    assert "converged" in done.out
    assert "sends to" in done.out
    header, *rows = lines(out / "matches.tsv")
    assert header == ["x", "y", "share", "mass"]
    first = {}
    for x, y, share, mass in rows:
        first.setdefault(x, y)
        assert float(mass) == pytest.approx(float(share) / 30, rel=1e-4)
    assert first == {f"s{i}": f"tä {i}" for i in range(30)}
    kept = np.load(out / "potentials.npz")
    x, y = (io.load(path) for path in turned)
    solved = iso.sinkhorn_points(x.vectors, y.vectors, float(kept["reg"]))
    np.testing.assert_allclose(kept["f"], solved.f)
    np.testing.assert_allclose(kept["g"], solved.g)
    moved = io.load(tmp_path / "moved.vec")
    assert list(moved.words) == list(x.words)
    np.testing.assert_allclose(moved.vectors, solved.apply(y.vectors), rtol=1e-5)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["converged"] is True
    assert [file["role"] for file in metrics["provenance"]["files"]] == ["x", "y"]


def test_a_matrix_of_costs(run, tmp_path, rng):
    cost = rng.random((7, 9))
    cost[0, 2:] = np.inf
    np.save(tmp_path / "cost.npy", cost)
    (tmp_path / "a.txt").write_text("1\n" * 6 + "2\n")
    options = ("--reg", 0.1, "--mass-x", tmp_path / "a.txt", "--plan", tmp_path / "plan.npy")
    done = run("transport", "--cost", tmp_path / "cost.npy", *options, "--json")
    assert done.status == 0, done.err
    masses = np.array([1, 1, 1, 1, 1, 1, 2]) / 8
    expected = iso.sinkhorn(masses, None, cost, 0.1)
    np.testing.assert_allclose(np.load(tmp_path / "plan.npy"), expected.plan())
    found = json.loads(done.out)
    assert found["value"] == pytest.approx(expected.value)
    assert found["metric"] is None


def test_counts_of_words_are_masses(run, turned, tmp_path):
    counts = tmp_path / "counts.tsv"
    counts.write_text("s3\t3\ns1\t1\nunknown\t7\n\n", encoding="utf-8")
    plan = tmp_path / "plan.npy"
    done = run("transport", *turned, "--mass-x", counts, "--plan", plan, "--reg", 1)
    assert done.status == 0, done.err
    expected = np.zeros(30)
    expected[[1, 3]] = 0.25, 0.75
    np.testing.assert_allclose(np.load(plan).sum(1), expected, atol=1e-6)


def test_vectors_without_words_are_numbered(run, tmp_path, rng):
    for name in "xy":
        np.save(tmp_path / f"{name}.npy", rng.random((5, 2)))
    projected = tmp_path / "p.npy"
    sides = (tmp_path / "x.npy", tmp_path / "y.npy")
    options = ("--metric", "sqeuclidean", "-o", tmp_path / "out", "--project", projected)
    done = run("transport", *sides, *options)
    assert done.status == 0, done.err
    assert [row[0] for row in lines(tmp_path / "out" / "matches.tsv")[1:]] == list("01234")
    assert np.load(projected).shape == (5, 2)


def test_pictures(run, turned, tmp_path):
    pytest.importorskip("matplotlib")
    pictures = {"--plot": tmp_path / "plan.svg", "--plot-convergence": tmp_path / "curve.png"}
    options = [word for pair in pictures.items() for word in pair]
    done = run("transport", *turned, *options)
    assert done.status == 0, done.err
    assert "<svg" in pictures["--plot"].read_text(encoding="utf-8")
    assert pictures["--plot-convergence"].read_bytes().startswith(b"\x89PNG")
    for path in pictures.values():
        assert f"wrote {path}" in done.err


def test_what_does_not_converge_is_said(run, tmp_path, rng):
    np.save(tmp_path / "cost.npy", rng.random((40, 40)))
    done = run("transport", "--cost", tmp_path / "cost.npy", "--reg", 0.001, "--max-iter", 2)
    assert done.status == 0
    assert "isomorph: not converged: error" in done.err
    assert "not converged in 2 passes" in done.out


def test_what_is_asked_twice_or_not_at_all_is_a_usage_error(run, turned, tmp_path):
    for arguments, message in (
        ((), "expected X and Y, or --cost"),
        ((*turned, "--cost", "c.npy"), "expected X and Y, or --cost"),
        ((turned[0],), "Y: expected the vectors of the other side"),
        ((*turned, "--method", "log"), "--method: expected --cost"),
        (("--cost", "c.npy", "--project", "p.npy"), "--project: expected X and Y"),
        ((*turned, "--reg", 0), "expected a number above 0"),
        ((*turned, "--reg", 1, "--reg-of-median", 1), "not allowed with"),
    ):
        done = run("transport", *arguments)
        assert (done.status, done.out) == (2, "")
        assert message in done.err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.txt", "1\n2\n", "m.txt: expected 30 numbers, one a row of x, got 2"),
        ("m.tsv", "s1\t1\ns2\tmany\n", "m.tsv: line 2: expected a number at the end, got 'many'"),
        ("m.tsv", "s1\t1\ns2\t-1\n", "m.tsv: expected masses of 0 or more, got -1.0 for s2"),
        ("m.tsv", "nobody\t1\n", "m.tsv: no row of x has a mass above 0"),
    ],
)
def test_masses_that_make_no_sense_are_refused(run, turned, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    done = run("transport", *turned, "--mass-x", tmp_path / name, "-o", tmp_path / "out")
    assert done.status == 1
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_other_refusals(run, turned, tmp_path):
    np.save(tmp_path / "flat.npy", np.zeros(3))
    np.save(tmp_path / "zero.npy", np.zeros((3, 3)))
    (tmp_path / "no.npy").write_text("no array")
    (tmp_path / "latin.txt").write_bytes("t\xe4 1\t3\n".encode("latin-1"))
    for arguments, message in (
        ((*turned, "--plan", "p.npy", "--max-plan", "3kB"), "--plan: 30 x 30 entries would take"),
        (("nosuch.vec", turned[1]), "nosuch.vec: no such file"),
        (("--cost", tmp_path / "flat.npy"), "flat.npy: expected a matrix of costs, got (3,)"),
        (("--cost", tmp_path / "no.npy"), "no.npy: expected a matrix of costs in an .npy file"),
        (("--cost", tmp_path / "zero.npy"), "--reg-of-median: the median cost is 0"),
        ((*turned, "--reg", 1e-12), "--reg: expected at least"),
        ((*turned, "--project", "p.xlsx"), "--project: expected a name that ends with .npy"),
        ((*turned, "--plot", "p.xlsx"), "--plot: expected a name that ends in one of"),
        ((*turned, "--mass-y", tmp_path / "latin.txt"), "latin.txt: expected UTF-8"),
        ((*turned, "--mass-y", tmp_path / "no.npy"), "no.npy: expected masses in an .npy file"),
    ):
        done = run("transport", *arguments)
        assert (done.status, done.out) == (1, ""), done.err
        assert message in done.err
        assert "Traceback" not in done.err


def test_the_sample_and_a_limit(run):
    done = run("transport", "sample:en", "sample:fr", "--limit", 50, "--json")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert (found["rows"], found["columns"], found["words"]) == (50, 50, [True, True])
