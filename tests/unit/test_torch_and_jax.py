"""What tests/contracts/test_torch_and_jax.py cannot say of every function at once."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import isomorph as iso
from isomorph._backends.cpu import CpuBackend
from isomorph.errors import DTypeError
from support.contracts import content
from support.process import output_of

with_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs torch")
with_jax = pytest.mark.skipif(find_spec("jax") is None, reason="needs jax")


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def jax():
    return pytest.importorskip("jax")


@pytest.fixture
def x(rng):
    return rng.standard_normal((60, 7))


@pytest.fixture
def y(rng):
    return rng.standard_normal((60, 7))


def test_the_core_reads_the_memory_of_a_tensor(torch, x, y, monkeypatch):
    seen = []

    def topk(self, queries, corpus, *rest, of=CpuBackend.topk):
        seen.append((queries.ctypes.data, corpus.ctypes.data))
        return of(self, queries, corpus, *rest)

    monkeypatch.setattr(CpuBackend, "topk", topk)
    queries, corpus = torch.from_numpy(x), torch.from_numpy(y)
    found = iso.topk(queries, corpus, 3)
    assert seen == [(queries.data_ptr(), corpus.data_ptr())]
    assert content(found) == content(iso.topk(x, y, 3))


def test_an_answer_may_be_written_to(torch):
    """Also where the array behind it must not be: torch would write through."""
    from isomorph._neighbour_libraries import NEIGHBOURS

    array = np.arange(4.0)
    array.flags.writeable = False
    tensor = NEIGHBOURS["torch"].tensor(array)
    tensor += 1
    assert array.tolist() == [0.0, 1.0, 2.0, 3.0]
    writable = np.arange(4.0)
    tensor = NEIGHBOURS["torch"].tensor(writable)
    tensor += 1
    assert writable.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_arrays_of_jax_are_never_written_to(jax):
    remap = iso.vocab.Remap.from_kept([2, 0], 3)
    ids = jax.numpy.asarray([2, 0, 2])
    assert np.asarray(remap.ids(ids)).tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match=r"read-only|writ"):
        remap.ids(ids, in_place=True)
    assert ids.tolist() == [2, 0, 2]


def test_ids_are_renumbered_in_the_memory_of_a_tensor(torch):
    remap = iso.vocab.Remap.from_kept([2, 0], 3)
    ids = torch.tensor([[2, 0], [0, 2]])
    fresh = remap.ids(ids)
    assert isinstance(fresh, torch.Tensor)
    assert fresh.tolist() == [[0, 1], [1, 0]]
    assert ids.tolist() == [[2, 0], [0, 2]]
    same = remap.ids(ids, in_place=True)
    assert same.data_ptr() == ids.data_ptr()
    assert ids.tolist() == [[0, 1], [1, 0]]


def test_an_index_of_a_tensor_is_searched_by_tensors_and_arrays(torch, x, y):
    corpus = torch.from_numpy(y)
    index = iso.Index(corpus)
    assert index.vectors.ctypes.data == corpus.data_ptr()
    expected = content(iso.topk(x, y, 3))
    found = iso.topk(torch.from_numpy(x), index, 3)
    assert isinstance(found.indices, torch.Tensor)
    assert content(found) == expected
    assert isinstance(iso.topk(x, index, 3).indices, np.ndarray)


def test_a_map_of_tensors_does_all_that_a_map_does(torch, x, y, tmp_path):
    expected = iso.procrustes(x, y, translate=True)
    found = iso.procrustes(torch.from_numpy(x), torch.from_numpy(y), translate=True)
    for made, wanted in (
        (found, expected),
        (found.inverse(), expected.inverse()),
        (found.then(found), expected.then(expected)),
        (iso.Alignment(None, found, None).direct(), iso.Alignment(None, expected, None).direct()),
    ):
        assert content(made) == content(wanted)
    assert isinstance(found.inverse().matrix, torch.Tensor)
    found.save(tmp_path / "map.safetensors")
    loaded = iso.LinearMap.load(tmp_path / "map.safetensors")
    assert sorted(content(loaded)) == sorted(content(expected))
    with pytest.raises(DTypeError, match=r"numpy on cpu.*torch on cpu|torch on cpu.*numpy on cpu"):
        found.apply(x)


def test_a_map_of_gradients_is_not_made(torch):
    with pytest.raises(DTypeError, match=r"matrix: .*\.detach\(\)"):
        iso.LinearMap(torch.eye(3, requires_grad=True))


def test_tensors_are_found_wherever_they_stand(torch, x, y):
    left, right = torch.from_numpy(x), torch.from_numpy(y)
    spaces = iso.generalized_procrustes({"a": left, "b": right})
    assert content(spaces) == content(iso.generalized_procrustes({"a": x, "b": y}))
    assert isinstance(spaces["a"].matrix, torch.Tensor)
    first, second = iso.fit_maps([(left, right), (right, left)])
    assert content(second) == content(iso.fit_maps([(x, y), (y, x)])[1])
    assert isinstance(first.matrix, torch.Tensor)
    costs = [torch.rand(3, 4), torch.rand(5, 2)]
    solved = iso.sinkhorn(None, None, costs, 0.5)
    assert content(solved) == content(iso.sinkhorn(None, None, [c.numpy() for c in costs], 0.5))
    with pytest.raises(DTypeError, match=r"\[1\].*meta"):
        iso.sinkhorn(None, None, [costs[0], costs[1].to("meta")], 0.5)


def test_a_solution_of_tensors_tells_in_tensors(torch, x, y):
    cost = torch.from_numpy(np.abs(x @ y.T))
    found, expected = (iso.sinkhorn(None, None, one, 0.5) for one in (cost, cost.numpy()))
    for name in ("plan", "top", "gradient_cost", "gradient_masses"):
        made = getattr(found, name)()
        assert content(made) == content(getattr(expected, name)()), name
        first = made if name in ("plan", "gradient_cost") else next(iter(made))
        assert isinstance(first, torch.Tensor), name
    assert all(isinstance(one, torch.Tensor) for one in found.marginals)
    for name in ("value", "gap", "entropic_value", "dual_value"):
        assert getattr(found, name) == getattr(expected, name), name
    apart = iso.sinkhorn_divergence(torch.from_numpy(x), torch.from_numpy(y), 0.5)
    wanted = iso.sinkhorn_divergence(x, y, 0.5).gradient_points()
    assert content(apart.gradient_points()) == content(wanted)


def moments(x, y, **options):
    made = iso.linalg.Moments(7, 7)
    made.update(x, y, **options)
    return made


def test_moments_of_tensors_are_those_of_arrays(torch, x, y, tmp_path):
    left, right = torch.from_numpy(x), torch.from_numpy(y)
    groups = np.arange(60) % 3
    found, expected = moments(left, right, group=groups), moments(x, y, group=groups)
    fits = {
        "ols": lambda made: made.ols(),
        "procrustes": lambda made: made.procrustes(translate=True),
        "ridge": lambda made: made.ridge(0.5),
        "cca": lambda made: made.cca(),
        "whitening": lambda made: made.whitening("y"),
        "cka": lambda made: made.cka(),
        "jackknife": lambda made: made.jackknife(lambda part: part.ols().matrix[0]),
        "merged": lambda made: made.copy().merge(made).procrustes(),
        "group": lambda made: made.group(1).scatter(),
        "folds": lambda made: [fold.ols() for part in made.folds() for fold in part[1:]],
    }
    for name, fit in fits.items():
        assert content(fit(found)) == content(fit(expected)), name
    for made in (found.ols().matrix, found.copy().group(2).scatter().xx):
        assert isinstance(made, torch.Tensor)
    found.save(tmp_path / "sums")
    assert isinstance(iso.linalg.Moments.load(tmp_path / "sums").scatter().xx, np.ndarray)


def test_a_statistic_is_asked_of_moments_of_tensors(torch, x, y):
    left, right = torch.from_numpy(x), torch.from_numpy(y)
    found = moments(left, right, group=torch.arange(60) % 6)
    expected = moments(x, y, group=np.arange(60) % 6)

    def of_tensors(part):
        return part.ols().matrix.neg()[0]

    def of_arrays(part):
        return -part.ols().matrix[0]

    made = found.jackknife(of_tensors)
    assert content(made) == content(expected.jackknife(of_arrays))
    made = found.bootstrap(of_tensors)
    assert content(made) == content(expected.bootstrap(of_arrays))
    assert isinstance(made.estimate, np.ndarray)


def test_rows_of_a_tensor_are_gathered_in_any_type(torch):
    rows = torch.arange(6.0).reshape(3, 2).bfloat16()
    made = iso.vocab.Remap.from_kept([2, 0], 3).gather(rows)
    assert made.dtype == torch.bfloat16
    assert made.tolist() == [[4.0, 5.0], [0.0, 1.0]]


def test_moments_stay_in_one_library(torch, x, y):
    left, right = torch.from_numpy(x), torch.from_numpy(y)
    of_tensors, of_arrays = moments(left, right), moments(x, y)
    both = "numpy on cpu.*torch on cpu|torch on cpu.*numpy on cpu"
    with pytest.raises(DTypeError, match=both):
        of_tensors.update(x, y)
    with pytest.raises(DTypeError, match=both):
        of_arrays.update(left, right)
    with pytest.raises(DTypeError, match=both):
        of_arrays.merge(of_tensors)
    assert of_tensors.rows == of_arrays.rows == 60
    assert isinstance(of_arrays.scatter().xx, np.ndarray)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda torch: torch.eye(3).to_sparse(), r"queries: .*sparse_coo.*to_dense\(\)"),
        (lambda torch: torch.eye(3).to("meta"), "queries: .*CPU or a CUDA device, got .*meta"),
        (lambda torch: torch.eye(3).to(torch.float8_e4m3fn), "queries: .*float8_e4m3fn"),
        (lambda torch: torch.eye(3).int(), "queries: expected floating point values.*got int32"),
        (lambda torch: torch.eye(3).cfloat(), "queries: expected real values, got complex64"),
        (lambda torch: torch.nn.Linear(3, 3).weight, r"queries: .*queries\.detach\(\)"),
    ],
    ids=["sparse", "meta", "float8", "integers", "complex", "parameter"],
)
def test_what_cannot_be_read_is_refused_by_name(torch, make, words):
    with pytest.raises(DTypeError, match=words):
        iso.topk(make(torch), make(torch), 1)


@pytest.fixture
def gpu(torch, monkeypatch):
    """Let torch's tensors seem to be on a GPU, and array-api-strict be CuPy there."""
    from isomorph import _neighbour_libraries as neighbours

    strict = pytest.importorskip("array_api_strict")
    kind = type(strict.asarray(0.0))
    cupy = SimpleNamespace(from_dlpack=lambda tensor: strict.asarray(np.from_dlpack(tensor)))
    monkeypatch.setattr(neighbours, "_cupy", lambda *_: cupy)
    monkeypatch.setattr(neighbours.Torch, "device", lambda *_: "cuda:0")
    monkeypatch.setattr(neighbours.Torch, "is_foreign", lambda _, array: isinstance(array, kind))


def test_tensors_on_a_gpu_are_lent_to_cupy(gpu, torch, x, y):
    """As far as that can be seen without a GPU."""
    left, right = torch.from_numpy(x), torch.from_numpy(y)
    found, expected = iso.csls(left, right, 3), iso.csls(x, y, 3)
    assert isinstance(found.scores, torch.Tensor)
    assert content(found) == content(expected)
    mapped = iso.procrustes(left, right)(left)
    assert isinstance(mapped, torch.Tensor)
    np.testing.assert_allclose(mapped, iso.procrustes(x, y)(x), atol=1e-12)
    narrow = iso.transforms.unit(left.bfloat16())
    np.testing.assert_allclose(narrow, iso.transforms.unit(left.bfloat16().float().numpy()), 1e-6)
    with pytest.raises(DTypeError, match=r"torch on cuda:0.*numpy on cpu"):
        iso.csls(left, y, 3)


def test_without_cupy_a_tensor_on_a_gpu_says_what_to_install(torch, monkeypatch):
    from isomorph import _neighbour_libraries as neighbours

    monkeypatch.setattr(neighbours.Torch, "device", lambda *_: "cuda:0")
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(DTypeError, match=r"queries: .*torch on cuda:0.*isomorph\[cuda12\]"):
        iso.topk(torch.eye(3), torch.eye(3), 1)


def test_what_jax_traces_is_refused_by_name(jax):
    with pytest.raises(DTypeError, match=r"x: .*got a tracer.*pure_callback"):
        jax.jit(iso.transforms.unit)(jax.numpy.eye(3))
    shape = jax.ShapeDtypeStruct((3, 3), "float32")
    called = jax.jit(lambda x: jax.pure_callback(iso.transforms.unit, shape, x))
    assert called(2 * jax.numpy.eye(3)).tolist() == np.eye(3).tolist()


@with_jax
def test_jax_without_64_bits_gets_32():
    """As jax does with all that it is given; quietly."""
    code = """
        import warnings
        warnings.simplefilter("error")
        import jax, numpy as np, isomorph as iso
        cost = jax.random.uniform(jax.random.key(0), (4, 5))
        found = iso.sinkhorn(None, None, cost, 0.5)
        expected = iso.sinkhorn(None, None, np.asarray(cost), 0.5)
        print(found.f.dtype, found.top(2).indices.dtype, expected.f.dtype)
        print(np.array_equal(found.f, expected.f.astype(np.float32)))
    """
    assert output_of(code).split() == ["float32", "int32", "float64", "True"]


@with_torch
def test_torch_may_be_imported_after_the_first_call():
    code = """
        import sys, numpy as np, isomorph as iso
        x = np.eye(3)
        iso.topk(x, x, 1)
        assert "torch" not in sys.modules
        import torch
        print(type(iso.topk(torch.eye(3), torch.eye(3), 1).indices).__name__)
    """
    assert output_of(code).split() == ["Tensor"]


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_a_module_of_that_name_that_is_no_library_does_no_harm(library, monkeypatch):
    """Such as a folder beside the script, or a library whose import has not ended."""
    if library not in sys.modules:
        monkeypatch.setitem(sys.modules, library, ModuleType(library))
    assert iso.topk(np.eye(3), np.eye(3), 1).indices.tolist() == [[0], [1], [2]]
