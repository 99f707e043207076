"""Where NumPy arrays are computed with: the CPU, or a GPU, for which another library stands in.

The stand-in is array-api-strict: it has a memory of its own, and what is not moved, or not brought
back, is an error there. No kernel of a GPU is tested by it.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

import isomorph as iso
from isomorph import cli, runtime
from isomorph.errors import DeviceError
from support.contracts import array_parts, assert_agree, content
from support.every import both_types, every_contract
from support.process import run_python


@pytest.fixture
def stand_in(monkeypatch):
    """Let array-api-strict be what CuPy is where there is a GPU; give the arrays that it got."""
    strict = pytest.importorskip("array_api_strict")
    kind = type(strict.asarray(0.0))
    moved = []

    def asarray(array):
        moved.append(array)
        return strict.asarray(array, copy=True)

    def asnumpy(array, of=kind.__array__):
        return np.array(of(array))

    def unasked(array, *options, **more):
        raise TypeError("CuPy converts nothing to NumPy unless told")

    # As CuPy has it.
    monkeypatch.setattr(kind, "__array__", unasked)
    monkeypatch.setattr(kind, "get", asnumpy, raising=False)
    cupy = SimpleNamespace(asarray=asarray, asnumpy=asnumpy, ndarray=kind)
    monkeypatch.setattr(runtime, "_cupy", lambda: (cupy, ""))
    return moved


@every_contract()
@both_types
def test_every_function_gives_numpy_arrays_from_the_device(contract, dtype, stand_in):
    arrays = contract.arrays(dtype)
    before = content(arrays)
    with iso.runtime.device("cuda") as where:
        found = contract.call(**arrays)
    assert where == "cuda"
    assert all(isinstance(array, np.ndarray | np.generic) for _, array in array_parts(found))
    assert_agree(contract, dtype, found, contract.call(**arrays))
    assert content(arrays) == before
    if contract.takes_array_api and contract.name != "Moments.update":
        assert stand_in


def test_what_the_core_alone_does_stays_on_the_cpu(rng, stand_in):
    x, y = rng.standard_normal((2, 40, 8))
    index = iso.Index(y)
    expected = iso.topk(x, y, 3)
    with iso.runtime.device("cuda"):
        assert content(iso.topk(x, y, 3, memory="16MB")) == content(expected)
        assert content(iso.topk(x, index, 3)) == content(expected)
        assert len(iso.Index(y)) == 40
        moments = iso.linalg.Moments(8, 8)
        moments.update(x, y)
        assert isinstance(moments.ols().matrix, np.ndarray)
        turned = iso.LinearMap(np.eye(8))
        stand_in.clear()
        out = np.empty_like(x)
        turned.apply(x, out=out)
        assert np.array_equal(out, x)
    assert not stand_in


def test_a_solution_is_asked_on_the_device(rng, stand_in):
    cost = rng.random((9, 7))
    expected = iso.sinkhorn(None, None, cost, 0.5)
    with iso.runtime.device("cuda"):
        found = iso.sinkhorn(None, None, cost, 0.5)
        np.testing.assert_allclose(found.plan(), expected.plan(), rtol=1e-9)
        assert isinstance(found.plan(), np.ndarray)
        assert isinstance(found.apply(rng.standard_normal((7, 2))), np.ndarray)
    assert found.gap == pytest.approx(expected.gap, abs=1e-9)


def test_contexts_nest_and_end(stand_in):
    x = np.eye(3)
    with iso.runtime.device("cuda"):
        with iso.runtime.device("cpu") as inner:
            iso.topk(x, x, 1)
        assert inner == "cpu"
        assert not stand_in
        iso.topk(x, x, 1)
        assert len(stand_in) == 2
    iso.topk(x, x, 1)
    assert len(stand_in) == 2


def test_errors_name_the_argument_as_ever(stand_in):
    x = np.eye(3)
    bad = x.copy()
    bad[1, 2] = np.nan
    with iso.runtime.device("cuda"):
        with pytest.raises(iso.errors.NonFiniteError, match="corpus: row 1"):
            iso.topk(x, bad, 1)
        with pytest.raises(TypeError, match=r"topk\(\) got an unexpected keyword argument 'n'"):
            iso.topk(x, x, n=1)
        with pytest.raises(iso.errors.DTypeError, match="corpus: a masked array"):
            iso.topk(x, np.ma.masked_array(x), 1)
    assert iso.topk(x, x, 1).indices.tolist() == [[0], [1], [2]]


def test_a_device_is_one_of_three():
    with pytest.raises(ValueError, match="device: expected one of auto, cpu, cuda, got 'gpu'"):
        iso.runtime.resolve_device("gpu")


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("raise ModuleNotFoundError(name='cupy')", r"pip install 'isomorph\[cuda12\]'.*cuda13"),
        (
            "import warnings; warnings.warn('CUDA path'); raise ImportError('no libcudart')",
            "cannot be imported here: no libcudart",
        ),
        ("is_available = lambda: False", "needs a GPU, and CuPy finds none"),
    ],
    ids=["absent", "broken", "no GPU"],
)
def test_without_a_gpu_auto_is_the_cpu_without_noise(module, words, tmp_path, monkeypatch):
    (tmp_path / "cupy.py").write_text(module)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{next(iter(iso.__path__)).rpartition('/')[0]}")
    done = run_python("""
        import isomorph as iso
        print(iso.runtime.resolve_device(), iso.runtime.resolve_device("auto"))
        with iso.runtime.device("auto") as where:
            print(where)
    """)
    assert (done.stdout.split(), done.stderr) == (["cpu"] * 3, "")
    done = run_python("import isomorph as iso; iso.runtime.resolve_device('cuda')")
    assert "DeviceError: device: " in done.stderr
    assert re.search(words, done.stderr)


def test_a_missing_device_is_an_error_of_the_command(monkeypatch, capsys):
    def nothing():
        return None, "'cuda' needs CuPy"

    monkeypatch.setattr(runtime, "_cupy", nothing)
    command = ["translate", "sample:en", "sample:fr", "--help"]
    assert cli.main(command) == 0
    assert "--device {auto,cpu,cuda}" in capsys.readouterr().out
    command = ["translate", "map", "sample:en", "sample:fr", "cat", "--device", "cuda"]
    assert cli.main(command) == 1
    assert capsys.readouterr().err == "isomorph: error: --device: 'cuda' needs CuPy\n"
    assert isinstance(DeviceError("words"), RuntimeError)


def test_a_command_computes_on_the_device(stand_in, rng, tmp_path, capsys):
    words = [f"w{i}" for i in range(30)]
    x = rng.standard_normal((30, 6))
    for name, rows in (("x", x), ("y", x[:, ::-1])):
        iso.io.save(iso.io.Embeddings(words, rows.astype("float32")), tmp_path / f"{name}.vec")
    (tmp_path / "pairs.txt").write_text("".join(f"{w} {w}\n" for w in words))
    command = ["align", *(str(tmp_path / f"{name}.vec") for name in "xy")]
    command += ["--train", str(tmp_path / "pairs.txt"), "--quiet", "-o"]
    for device in ("cpu", "cuda"):
        assert cli.main([*command, str(tmp_path / device), "--device", device]) == 0
        assert bool(stand_in) == (device == "cuda")
    found, expected = (
        iso.Alignment.load(next((tmp_path / name).glob("*.safetensors"))).map.matrix
        for name in ("cuda", "cpu")
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_pictures_of_a_plan_are_drawn_from_the_device(stand_in, rng, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    words = [f"w{i}" for i in range(20)]
    for name in "xy":
        vectors = rng.standard_normal((20, 4), dtype=np.float32)
        iso.io.save(iso.io.Embeddings(words, vectors), tmp_path / f"{name}.vec")
    command = ["transport", *(str(tmp_path / f"{name}.vec") for name in "xy"), "--quiet"]
    command += ["-o", str(tmp_path / "out"), "--plot", str(tmp_path / "plan.png")]
    assert cli.main([*command, "--device", "cuda"]) == 0
    assert stand_in
    assert (tmp_path / "plan.png").stat().st_size > 1000
