"""Dask arrays: the bytes of one machine for any chunking, one tree for sums, errors by name."""

from __future__ import annotations

import os
import pickle
import signal
import time

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import DTypeError, NonFiniteError, RemapError, ShapeError
from isomorph.vocab import Remap, TokenMixing
from support.contract_table import NEIGHBORS
from support.contracts import content

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

SERVED = ("topk", "csls", "csls_both", "csls_radii", "mutual_nearest")
CONTRACTS = [contract for contract in NEIGHBORS if contract.name in SERVED]


@pytest.fixture(autouse=True)
def _synchronous():
    """Errors come with the lines where they arose; clusters are asked for by name."""
    with dask.config.set(scheduler="synchronous"):
        yield


def chunked(array: np.ndarray, rng: np.random.Generator, most: int = 9):
    """Cut every axis at random."""
    chunks = []
    for length in array.shape:
        cuts = np.sort(rng.integers(0, length + 1, rng.integers(0, most)))
        chunks.append(tuple(np.diff([0, *cuts, length]).tolist()))
    return da.from_array(array, chunks=tuple(chunks))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.id)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_contracts_on_random_chunks(contract, seed, dtype, backend):
    arrays = contract.arrays(dtype, seed)
    rng = np.random.default_rng(seed)
    lazy = contract.call(**{name: chunked(array, rng) for name, array in arrays.items()})
    (found,) = dask.compute(lazy)
    whole = contract.call(**arrays)
    without = [part for part in content(found) if not part[0].startswith("result.proved")]
    assert without == [p for p in content(whole) if not p[0].startswith("result.proved")]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.id)
def test_contracts_refuse_as_on_numpy(contract):
    arrays = contract.arrays()
    lazy = {name: da.from_array(array) for name, array in arrays.items()}
    for options, error, message in contract.refused:
        if options.get("memory", 1) == 1 and "memory" in options:
            continue  # What is too small is known when a block is searched.
        with pytest.raises(error, match=message):
            contract.call(**lazy, **options)
    first, *others = arrays
    for name in others:
        with pytest.raises((DTypeError, ShapeError)):
            contract.call(**(lazy | {name: arrays[name]}))
    unknown = lazy[first][da.from_array(np.ones(len(arrays[first]), bool))]
    with pytest.raises(ShapeError, match=f"^{first}: expected blocks of known length"):
        contract.call(**(lazy | {first: unknown}))


def test_ties_go_to_the_lower_index_across_blocks(rng):
    x = rng.integers(-1, 2, (60, 3)).astype(np.float32)
    whole = iso.topk(x, x, 7, exclude_self=True)
    for seed in range(5):
        lazy = chunked(x, np.random.default_rng(seed))
        found = dask.compute(iso.topk(lazy, lazy[::1], 7, exclude_self=True))[0]
        assert content(found) == content(whole)


def test_a_bad_row_is_named_by_its_place_in_the_whole(rng):
    x = rng.standard_normal((50, 4)).astype(np.float32)
    bad = x.copy()
    bad[33, 2] = np.nan
    lazy, broken = (da.from_array(array, chunks=(20, 4)) for array in (x, bad))
    with pytest.raises(NonFiniteError, match=r"^corpus: row 33 has"):
        dask.compute(iso.topk(lazy, broken, 2))
    with pytest.raises(NonFiniteError, match=r"^x: row 33 has"):
        iso.LinearMap(np.eye(4)).apply(broken).compute()
    with pytest.raises(NonFiniteError, match=r"^y: row 33 has"):
        iso.linalg.Moments(4, 4).update(lazy, broken)
    radii = da.from_array(bad[:, 2], chunks=20)
    with pytest.raises(NonFiniteError, match=r"^target_radii: entry 33 is"):
        dask.compute(iso.csls(lazy, lazy, source_radii=lazy[:, 0], target_radii=radii))
    found = dask.compute(iso.topk(broken, lazy, 2, check_finite=False))[0]
    assert content(found) == content(iso.topk(bad, x, 2, check_finite=False))
    x[45] = 1e30
    huge = da.from_array(x, chunks=(20, 4))
    with pytest.raises(ValueError, match="score of row 45 of queries overflows") as whole:
        iso.topk(x, x, 1, metric="dot")
    with pytest.raises(ValueError, match="score of row 45 of queries") as cut:
        dask.compute(iso.topk(huge, huge, 1, metric="dot"))
    assert str(cut.value) == str(whole.value)


def test_options_that_cannot_be_served_are_refused(rng):
    x = da.from_array(rng.standard_normal((9, 4)))
    with pytest.raises(DTypeError, match=r"^progress: expected None or a bool with Dask arrays"):
        iso.topk(x, x, 1, progress=print)
    with pytest.raises(DTypeError, match=r"^out: "):
        iso.LinearMap(np.eye(4)).apply(x, out=np.empty((9, 4)))
    with pytest.raises(DTypeError, match=r"^corpus: expected an array of the same library"):
        iso.topk(x, x.compute(), 1)


@pytest.mark.parametrize("stack", [None, 3])
def test_a_map_gives_the_bytes_of_one_machine(rng, stack):
    shape = (6, 5) if stack is None else (stack, 6, 5)
    linear = iso.LinearMap(rng.standard_normal(shape).astype(np.float32), scale=2.0)
    rows = [rng.standard_normal((3, 40, 6)).astype(np.float16)]
    rows += [rows[0][0]] if stack is None else []
    for x in rows:
        lazy = linear(chunked(x, rng))
        assert (lazy.shape, lazy.dtype) == ((*x.shape[:-1], 5), np.float32)
        assert lazy.compute().tobytes() == linear(x).tobytes()
    with pytest.raises(ShapeError, match=r"^x: expected shape"):
        linear(da.from_array(rng.standard_normal((3, 40, 7))))


def test_remaps_and_mixings_give_the_bytes_of_one_machine(rng):
    remap = Remap.from_kept([40, 2, 4, 0], 50, dropped=3)
    table = rng.standard_normal((50, 6)).astype(np.float16)
    assert remap.gather(chunked(table, rng)).compute().tobytes() == remap.gather(table).tobytes()
    with pytest.raises(ShapeError, match="expected 50 rows"):
        remap.gather(da.ones((49, 6)))
    tokens = rng.integers(0, 50, (20, 30)).astype(np.int32)
    lazy = remap.ids(chunked(tokens, rng), dtype=np.uint8)
    assert lazy.dtype == np.uint8
    assert lazy.compute().tobytes() == remap.ids(tokens, dtype=np.uint8).tobytes()
    with pytest.raises(DTypeError, match="tokens: expected"):
        remap.ids(da.ones(5))
    tokens[13, 7] = 50
    with pytest.raises(RemapError, match="50") as error:
        remap.ids(da.from_array(tokens, chunks=(10, 5))).compute()
    assert "in the block of tokens that starts at (10, 5)" in error.value.__notes__
    mixing = TokenMixing([0, 2, 2, 3], [7, 1, 49], [0.3, 0.7, 1.0], (3, 50))
    other = rng.standard_normal((1, 6)).astype(np.float32)
    whole = mixing.apply(table, fallback=other)
    found = mixing.apply(chunked(table, rng), fallback=da.from_array(other))
    assert (found.shape, found.dtype) == (whole.shape, whole.dtype)
    assert found.compute().tobytes() == whole.tobytes()
    bias = mixing.apply(chunked(table[:, 0], rng), fallback=da.from_array(other[:, 0]))
    assert bias.compute().tobytes() == np.ascontiguousarray(whole[:, 0]).tobytes()


def moments_of(x, y, chunks, **options):
    moments = iso.linalg.Moments(x.shape[1], y.shape[1], norms=True)
    rows = [da.from_array(array, chunks=cut) for array, cut in zip((x, y), chunks, strict=True)]
    moments.update(*rows, **options)
    return moments


def sums(moments):
    parts = {label: sums.parts for label, sums in moments._groups.items()}
    return content(parts), moments.rows, moments.dtype, moments._exponents


@pytest.mark.parametrize("scale", [1.0, 1e200])
def test_moments_have_one_tree_for_any_chunks(rng, scale):
    n = 5 * 4096 + 17
    x, y = rng.standard_normal((n, 7)) + 3, rng.standard_normal((n, 4))
    x[:9000] *= scale
    weights, group = rng.random(n), rng.integers(0, 3, n)
    cuts = [n, 4096, 8192, 1000, (4096, n - 4096), (12288, n - 12288), (0, 5, n - 5)]
    made = []
    for cut in cuts:
        given = {"weights": weights, "group": group}
        if cut == 1000:
            given = {name: da.from_array(array, chunks=777) for name, array in given.items()}
        made.append(moments_of(x, y, ((cut, 3), (2500, -1)), **given))
    assert all(sums(one) == sums(made[0]) for one in made)
    whole = iso.linalg.Moments(7, 4, norms=True)
    whole.update(x, y, weights=weights, group=group)
    a, b = made[0].scatter(), whole.scatter()
    for name in ("xx", "xy", "yy"):
        # Within a few eps of the sums of absolute products, by Cauchy and Schwarz.
        left, right = name
        size = np.sqrt(np.diag(getattr(b, 2 * left))[:, None] * np.diag(getattr(b, 2 * right)))
        bound = n / 512 * np.finfo(float).eps * size
        assert (abs(getattr(a, name) - getattr(b, name)) <= bound).all()
    assert made[0].groups == whole.groups
    made[0].merge(whole)
    assert made[0].rows == 2 * n


def test_moments_take_nothing_where_something_is_wrong(rng):
    x = da.from_array(rng.standard_normal((9000, 3)), chunks=(4096, 3))
    moments = iso.linalg.Moments(3, 3)
    moments.update(x, x, group=5)
    before = sums(moments)
    for options, error in (
        ({"weights": np.ones(5)}, ShapeError),
        ({"weights": np.full(9000, -1.0)}, ValueError),
        ({"group": np.ones(9000)}, DTypeError),
        ({"group": da.ones(9000)}, DTypeError),
        ({"group": np.arange(3)}, ShapeError),
    ):
        with pytest.raises(error, match=next(iter(options))):
            moments.update(x, x, **options)
    with pytest.raises(ShapeError, match=r"^y: expected 9000 rows"):
        moments.update(x, x[:5])
    assert sums(moments) == before
    moments.update(x[:0], x[:0])
    assert sums(moments) == before


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_cluster_gives_the_same_and_reports_progress(rng):
    distributed = pytest.importorskip("distributed")
    x, y = (rng.standard_normal((n, 8)) for n in (9000, 9000))
    alone, told = moments_of(x, y, ((4096, -1), (4096, -1))), []
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, processes=False, dashboard_address=None
    )
    with (
        dask.config.set(scheduler=None),
        cluster,
        distributed.Client(cluster),
    ):
        made = moments_of(x, y, ((2048, -1), (4096, 3)), progress=lambda *done: told.append(done))
        lazy = da.from_array(x[:500], chunks=(90, -1)), da.from_array(y[:600], chunks=(250, -1))
        found = dask.compute(iso.mutual_nearest(*lazy))[0]
    assert sums(made) == sums(alone)
    assert told[-1] == (3, 3)
    assert content(found) == content(iso.mutual_nearest(x[:500], y[:600]))


def test_a_plan_is_printed_first(rng, capsys):
    x = da.from_array(rng.standard_normal((40, 4)), chunks=(10, 4))
    iso.csls(x, x, progress=True, threads=1)
    told = capsys.readouterr().err
    assert told.startswith(
        "40 x 40 x 4: 32 searches of two chunks, about 0 s on 1 worker of 1 thread"
    )
    iso.topk(x, x[:20], progress=True, threads=2)
    assert capsys.readouterr().err.startswith("40 x 20 x 4: 8 searches")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_mapped_files(rng, tmp_path, dtype):
    x = rng.standard_normal((95, 6)).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    lazy = iso.io.dask_array(tmp_path / "x.npy", rows=20)
    assert lazy.chunks == ((20, 20, 20, 20, 15), (6,))
    assert lazy.compute().tobytes() == x.tobytes()
    assert content(dask.compute(iso.topk(lazy, lazy, 3))[0]) == content(iso.topk(x, x, 3))
    block = lazy.to_delayed()[1, 0].compute()
    sent = pickle.dumps(block, protocol=5)
    assert len(sent) < 400
    assert pickle.loads(sent).tobytes() == x[20:40].tobytes()
    part = pickle.loads(pickle.dumps(block[3:5] * 2))
    assert part.tobytes() == (x[23:25] * 2).tobytes()
    assert dask.sizeof.sizeof(block) == 1000
    with pytest.raises(ValueError, match="rows: expected"):
        iso.io.dask_array(tmp_path / "x.npy", rows=0)
    with pytest.raises(FileNotFoundError):
        iso.io.dask_array(tmp_path / "y.npy")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_lost_worker_changes_nothing(rng, tmp_path):
    distributed = pytest.importorskip("distributed")
    x = rng.standard_normal((30_000, 64)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    with (
        dask.config.set(scheduler=None),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit="2GB", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        lazy = iso.io.dask_array(tmp_path / "x.npy", rows=3_000)
        found = iso.csls(lazy, lazy, 2)
        waiting = client.compute([found.scores, found.indices])
        done = 0
        while done < 30:  # Some of 200 searches and their merging.
            done = sum(len(keys) for keys in client.has_what().values())
            assert not all(one.done() for one in waiting)
            time.sleep(0.01)
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        assert not all(one.done() for one in waiting)
        scores, indices = client.gather(waiting)
    whole = iso.csls(x, x, 2)
    assert scores.tobytes() == whole.scores.tobytes()
    assert indices.tobytes() == whole.indices.tobytes()
