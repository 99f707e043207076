"""The source of our own CUDA kernels, which CuPy compiles where they are first used.

Threads share nothing but the counters that they add to, so that any grid gives the same, and so
does one thread: as C++ the tests compile and run them without a GPU, against models in NumPy.
"""

from __future__ import annotations

_TYPES = {"float32": "float", "float64": "double"}

#: Takes what is above a row's floor; a factor of 1 or 2 makes its keys those of array code.
_COLLECT = """
extern "C" __global__ void collect(
    const real* tile, long long height, long long width, int across, real factor, const real* bias,
    const real* floor, int room, real* keys, int* columns, int* counts)
{
    const long long step = (long long)gridDim.x * blockDim.x;
    long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    for (; at < height * width; at += step) {
        const long long row = across ? at % width : at / width;
        const long long column = across ? at / width : at % width;
        const real key = factor * tile[at] + bias[column];
        if (key > floor[row]) {
            const int place = atomicAdd(counts + row, 1);
            if (place < room) {
                keys[row * room + place] = key;
                columns[row * room + place] = (int)column;
            }
        }
    }
}
"""

#: One thread a pair; products may not be fused with sums, whose order is the canonical one.
_PAIR_SUMS = """
extern "C" __global__ void pair_sums(
    const real* x, const long long* rows, const real* y, const long long* columns, long long pairs,
    long long width, long long d, int squared, double* sums)
{
    const long long step = (long long)gridDim.x * blockDim.x;
    long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    for (; at < pairs; at += step) {
        double lane[8] = {0, 0, 0, 0, 0, 0, 0, 0};
        if (columns[at] >= 0) {
            const real* a = x + rows[at / width] * d;
            const real* b = y + columns[at] * d;
            for (long long chunk = 0; chunk < d; chunk += 8) {
                #pragma unroll
                for (int p = 0; p < 8; ++p) {
                    if (chunk + p < d) {
                        double u = a[chunk + p], v = b[chunk + p];
                        if (squared) {
                            u = __dsub_rn(u, v);
                            v = u;
                        }
                        lane[p] = __dadd_rn(lane[p], __dmul_rn(u, v));
                    }
                }
            }
        }
        double four[4];
        for (int p = 0; p < 4; ++p) four[p] = __dadd_rn(lane[p], lane[p + 4]);
        sums[at] = __dadd_rn(__dadd_rn(four[0], four[2]), __dadd_rn(four[1], four[3]));
    }
}
"""


def source(dtype: str) -> str:
    """Give the source of all kernels for rows of float32 or float64."""
    return f"typedef {_TYPES[dtype]} real;\n{_COLLECT}{_PAIR_SUMS}"
