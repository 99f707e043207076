"""The CUDA kernels, compiled as C++, run by two blocks of three threads, beside their models."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from isomorph._backends import cuda_kernels
from support.cuda_stand_in import StandIn

COMPILER = shutil.which("c++") or shutil.which("g++")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")

#: What CUDA has and C++ has not; threads run one after the other.
SHIM = """
#define __global__
struct Place { int x; };
static Place blockIdx, threadIdx, blockDim = {3}, gridDim = {2};
static int atomicAdd(int* at, int more) { int old = *at; *at += more; return old; }
static double __dmul_rn(double a, double b) { return a * b; }
static double __dadd_rn(double a, double b) { return a + b; }
static double __dsub_rn(double a, double b) { return a - b; }
#define EVERY_THREAD for (blockIdx.x = 0; blockIdx.x < 2; ++blockIdx.x) \\
    for (threadIdx.x = 0; threadIdx.x < 3; ++threadIdx.x)
"""
DRIVERS = """
extern "C" void run_collect(const real* tile, long long height, long long width, int across,
    real factor, const real* bias, const real* floor, int room, real* keys, int* columns,
    int* counts)
{ EVERY_THREAD collect(tile, height, width, across, factor, bias, floor, room, keys, columns,
    counts); }
extern "C" void run_pair_sums(const real* x, const long long* rows, const real* y,
    const long long* columns, long long pairs, long long width, long long d, int squared,
    double* sums)
{ EVERY_THREAD pair_sums(x, rows, y, columns, pairs, width, d, squared, sums); }
"""


@pytest.fixture(scope="module", params=["float32", "float64"])
def kernels(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    file, library = folder / "kernels.cpp", folder / "kernels.so"
    file.write_text(SHIM + cuda_kernels.source(request.param) + DRIVERS)
    options = ["-O1", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run([COMPILER, *options, "-o", library, file], check=True, capture_output=True)
    return np.dtype(request.param), ctypes.CDLL(str(library))


def pointer(array):
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("room", [3, 40])
def test_collect_is_its_model(rng, kernels, across, room):
    dtype, library = kernels
    tile = rng.standard_normal((11, 29)).astype(dtype)
    tile[4, 5] = -np.inf
    rows, columns = tile.shape[::-1] if across else tile.shape
    bias, floor = (rng.standard_normal(count).astype(dtype) for count in (columns, rows))
    bias[2], floor[1] = -np.inf, -np.inf
    keys = np.full((rows, room), -np.inf, dtype)
    found, counts = np.full((rows, room), -1, np.int32), np.zeros(rows, np.int32)
    real = ctypes.c_float if dtype == np.float32 else ctypes.c_double
    library.run_collect(
        pointer(tile), ctypes.c_longlong(11), ctypes.c_longlong(29), ctypes.c_int(across),
        real(2.0), pointer(bias), pointer(floor), ctypes.c_int(room), pointer(keys),
        pointer(found), pointer(counts),
    )  # fmt: skip
    expected = StandIn().collect(tile, across, 2.0, bias, floor, room)
    np.testing.assert_array_equal(counts, expected[2])
    every = StandIn().collect(tile, across, 2.0, bias, floor, columns)
    for row in range(rows):
        got = {*zip(found[row].tolist(), keys[row].tolist(), strict=True)} - {(-1, -np.inf)}
        # Which of too many find room is chance.
        passed = {*zip(every[1][row].tolist(), every[0][row].tolist(), strict=True)}
        assert len(got) == min(counts[row], room)
        assert got <= passed


@pytest.mark.parametrize("d", [1, 8, 13, 300])
@pytest.mark.parametrize("squared", [False, True])
def test_pair_sums_is_its_model(rng, kernels, d, squared):
    dtype, library = kernels
    x, y = (rng.standard_normal((count, d)).astype(dtype) for count in (9, 14))
    rows = rng.integers(0, 9, 6)
    columns = np.ascontiguousarray(rng.integers(-1, 14, (6, 5)))
    sums = np.empty(columns.shape)
    library.run_pair_sums(
        pointer(x), pointer(rows), pointer(y), pointer(columns), ctypes.c_longlong(30),
        ctypes.c_longlong(5), ctypes.c_longlong(d), ctypes.c_int(squared), pointer(sums),
    )  # fmt: skip
    assert sums.tobytes() == StandIn().pair_sums(x, rows, y, columns, squared).tobytes()
