"""``isomorph bridge`` and ``isomorph apply``: figures, refusals, files."""

from __future__ import annotations

import json

import numpy as np
import pytest

import isomorph as iso
from isomorph import io

N = 400


@pytest.fixture
def models(tmp_path, rng):
    """Write vectors of the same texts by two models."""
    meaning = rng.standard_normal((2 * N, 8))
    for name, columns in (("old", 14), ("new", 10)):
        rows = meaning @ rng.standard_normal((8, columns)) + 1
        rows += 0.05 * rng.standard_normal(rows.shape)
        np.save(tmp_path / f"{name}.npy", rows[:N].astype(np.float32))
        np.save(tmp_path / f"{name}-all.npy", rows.astype(np.float32))
    return tmp_path


def test_a_good_bridge_is_written_and_applied(run, models) -> None:
    out = models / "out"
    done = run(
        "bridge", models / "old.npy", models / "new.npy", "-o", out,
        "--apply", models / "old-all.npy", models / "moved.npy",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "recall@10" in done.out
    assert "The bridge keeps what is asked for." in done.out
    assert max(map(len, done.out.splitlines())) <= 78
    assert sorted(file.name for file in out.iterdir()) == ["map.safetensors", "metrics.json"]
    bridge = iso.Bridge.load(out / "map.safetensors")
    report = json.loads((out / "metrics.json").read_text())
    assert report["recall"] == bridge.recall
    assert report["matched_by"] == "row numbers"
    assert [file["role"] for file in report["files"]] == ["old", "new"]
    moved = np.load(models / "moved.npy")
    np.testing.assert_array_equal(moved, bridge(np.load(models / "old-all.npy")))
    again = run("apply", out, models / "old-all.npy", models / "again.npy", "--memory", "60kB")
    assert again.status == 0, again.err
    assert (models / "again.npy").read_bytes() == (models / "moved.npy").read_bytes()


def test_a_refusal_writes_nothing(run, models, rng) -> None:
    rows = np.load(models / "new.npy")
    np.save(models / "noisy.npy", rows + 3 * rng.standard_normal(rows.shape).astype(np.float32))
    arguments = ("bridge", models / "old.npy", models / "noisy.npy", "-o", models / "out")
    done = run(*arguments, "--apply", models / "old-all.npy", models / "moved.npy")
    assert done.status == 1
    assert "The bridge loses too much." in done.out
    assert "--min-retention: a store of 400 rows is predicted to keep" in done.err
    assert not (models / "out").exists()
    assert not (models / "moved.npy").exists()
    assert run(*arguments, "--min-retention", 0).status == 0


def test_shuffled_pairs_are_refused(run, models) -> None:
    np.save(models / "rolled.npy", np.roll(np.load(models / "new.npy"), 1, axis=0))
    done = run("bridge", models / "old.npy", models / "rolled.npy", "--min-retention", 0)
    assert done.status == 1
    assert "do not belong together" in done.err


def test_json_has_every_figure(run, models) -> None:
    done = run("bridge", models / "old.npy", models / "new.npy", "--json", "-k", 5)
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert told["k"] == 5
    assert told["verdict"] == "keeps"
    assert told["interval"]["low"] <= told["retention"] <= told["interval"]["high"]


def test_rows_are_matched_by_their_ids(run, models, rng) -> None:
    """A store in one order, a sample of it in another, with words as ids."""
    order = rng.permutation(N)
    old, new = (np.load(models / f"{side}-all.npy") for side in ("old", "new"))
    words = np.array([f"doc{i}" for i in range(2 * N)])
    io.save(io.Embeddings(words.tolist(), old), models / "store.npy")
    io.save(io.Embeddings([*words[order], "unknown"], new[[*order, 0]]), models / "sample.vec")
    done = run("bridge", models / "store.npy", models / "sample.vec", "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert (told["pairs"], told["store_size"], told["matched_by"]) == (N, 2 * N, "ids")


def test_tables_are_matched_by_a_column(run, models, rng) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    order = rng.permutation(N)
    for side, ids in (("old", np.arange(N)), ("new", order)):
        rows = np.load(models / f"{side}.npy")[ids]
        flat = pa.array(rows.reshape(-1))
        lists = pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
        table = pa.table({"doc": [str(i) for i in ids] if side == "new" else ids, "v": lists})
        pq.write_table(table, models / f"{side}.parquet")
        if side == "old":
            pq.write_table(table.append_column("w", lists), models / "two.parquet")
    files = models / "old.parquet", models / "new.parquet"
    done = run("bridge", *files, "--ids", "doc", "--json", "--min-retention", 0.5)
    assert done.status == 0, done.err
    assert json.loads(done.out)["matched_by"] == "ids"
    out = models / "out"
    moved = run(
        "bridge", *files, "--ids", "doc", "--min-retention", 0.5, "--old-column", "v", "-o", out,
        "--queries", files[1], "--queries-column", "v",
        "--apply", models / "two.parquet", models / "moved.parquet",
    )  # fmt: skip
    assert moved.status == 0, moved.err
    left = pq.read_table(models / "two.parquet")
    right = pq.read_table(models / "moved.parquet")
    assert right["v"].type.list_size == 10
    assert left["w"].equals(right["w"])
    roles = [file["role"] for file in json.loads((out / "metrics.json").read_text())["files"]]
    assert roles == ["old", "new", "queries"]
    by_number = run("bridge", *files, "--json", "--min-retention", 0)
    assert by_number.status == 1
    assert "do not belong together" in by_number.err


def test_queries_are_read(run, models) -> None:
    done = run(
        "bridge", models / "old.npy", models / "new.npy", "--queries", models / "new-all.npy",
        "--direction", "query", "--judge-by", "mrr", "--json", "--min-retention", 0,
    )  # fmt: skip
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert (told["queries"], told["direction"], told["judged_by"]) == (2 * N, "query", "mrr")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("bridge", "old.npy", "none.npy"), 1, "none.npy: no such file"),
        (("bridge", "old.npy", "new-all.npy"), 1, "expected 400 rows as in"),
        (("bridge", "old.npy", "new.bin"), 1, "NEW: expected a name that ends with"),
        (("bridge", "old.bin", "new.npy"), 1, "OLD: expected a name that ends with"),
        (("bridge", "old.npy", "new.npy", "--ids", "doc"), 1, "--ids: neither OLD nor NEW is"),
        (
            ("bridge", "old.npy", "new.npy", "--queries-column", "v"),
            2,
            "--queries-column: expected --queries",
        ),
        (
            ("bridge", "none", "none", "--direction", "query", "--apply", "old.npy", "x.npy"),
            2,
            "--apply: expected --direction store",
        ),
        (
            ("bridge", "old.npy", "new.npy", "--apply", "new.npy", "x.npy"),
            1,
            "new.npy: expected vectors of 14 columns as in OLD, got 10",
        ),
        (("bridge", "old.npy", "new.npy", "--min-retention", "2"), 2, "from 0 to 1"),
        (("bridge", "old.npy", "new.npy", "--apply", "a.npy", "b.vec"), 1, "expected a .npy"),
        (("apply", "old.npy", "old.npy", "x.npy"), 1, "old.npy"),
        (("apply", "none", "old.npy", "x.npy"), 1, "none: no such file"),
    ],
)
def test_what_is_wrong_is_said(run, models, monkeypatch, arguments, status, message) -> None:
    monkeypatch.chdir(models)
    done = run(*arguments)
    assert done.status == status
    assert message in done.err
    assert "Traceback" not in done.err


def test_apply_refuses_what_does_not_fit(run, models) -> None:
    fitted = models / "map.safetensors"
    iso.LinearMap(np.eye(10)).save(fitted)
    wrong = run("apply", fitted, models / "old.npy", models / "x.npy")
    assert wrong.status == 1
    assert "expected vectors of 10 columns" in wrong.err
    same = run("apply", fitted, models / "new.npy", models / "new.npy")
    assert same.status == 1
    assert "expected another file than source" in same.err
    good = run("apply", fitted, models / "new.npy", models / "x.npy", "--json", "--inverse")
    assert json.loads(good.out) == {
        "output": str(models / "x.npy"), "rows": N, "columns": 10, "dtype": "float32",
    }  # fmt: skip
