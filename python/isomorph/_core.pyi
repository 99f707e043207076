"""The compiled module. Private: what it takes has been checked by the public functions."""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, Self, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "TensorFile",
    "accumulate_moments",
    "apply_affine",
    "assign_codes",
    "available_threads",
    "build_info",
    "check_index",
    "column_means",
    "column_norms",
    "count_below",
    "csls",
    "csls_both",
    "csls_from_rows",
    "csls_radii",
    "distance_moments",
    "dropout_draws",
    "eigh",
    "fail_for_tests",
    "first_nonfinite_row",
    "fma_peak",
    "gather_rows",
    "induce",
    "log_sums",
    "maxsim",
    "merge_moments",
    "mix_rows",
    "multiply",
    "npy_header",
    "pair_cosines",
    "places",
    "polar",
    "prepare_index",
    "print_numbers",
    "procrustes",
    "procrustes_from_moments",
    "procrustes_of_rows",
    "pursue",
    "read_npy",
    "read_rows",
    "read_safetensors",
    "read_text",
    "read_words",
    "renumber_ids",
    "safetensors_header",
    "scan_costs",
    "score_maxima",
    "script_counts",
    "script_mask",
    "sinkhorn",
    "sinkhorn_many",
    "sinkhorn_points",
    "sparsemax",
    "sum_values",
    "svd",
    "svdvals",
    "text_header",
    "topk",
    "transform_rows",
    "transport_plan",
    "transport_sums",
    "unique_rows",
    "write_npy",
    "write_safetensors",
    "write_text",
]

_Array: TypeAlias = NDArray[Any]
_Sparse: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
_Path: TypeAlias = str | PathLike[str]
_Progress: TypeAlias = Callable[[int, int], object] | None
_Parts: TypeAlias = dict[str, _Array]
_Index: TypeAlias = tuple[str, tuple[int, int], _Parts, tuple[float, float]] | None
_Selection: TypeAlias = tuple[_Array, _Array]
_Choice: TypeAlias = tuple[_Array, _Array, _Array, _Array]
_Moments: TypeAlias = tuple[_Array, _Array, _Array, _Array]

@final
class TensorFile:
    def __new__(cls, path: _Path, header: bytes) -> Self: ...
    def copy(self, source: _Path, offset: int, count: int, progress: _Progress = None) -> None: ...
    def gather(
        self,
        source: _Path,
        parts: tuple[int, int, int, int],
        index: _Array,
        padding: bytes,
        threads: int,
        progress: _Progress = None,
    ) -> None: ...
    def write(self, array: NDArray[np.uint8]) -> None: ...
    def finish(self) -> None: ...
    def commit(self) -> None: ...
    def abandon(self) -> None: ...

def accumulate_moments(
    parts: _Moments,
    split: int,
    x: _Array,
    y: _Array,
    weights: _Array | None,
    order: _Array | None,
    exponents: tuple[int, int],
    threads: int,
    progress: _Progress = None,
) -> None: ...
def apply_affine(
    x: _Array,
    matrix: _Array,
    source_mean: _Array | None,
    target_mean: _Array | None,
    scale: _Array,
    out: _Array,
    threads: int,
    progress: _Progress = None,
) -> None: ...
def assign_codes(
    scores: _Array,
    maxima: _Array,
    masses: NDArray[np.float64],
    reg: float,
    iterations: int,
    rule: str,
    tol: float | None,
    codes: _Array,
    columns: NDArray[np.int64] | None,
    threads: int,
    progress: _Progress = None,
) -> float | None: ...
def available_threads() -> int: ...
def build_info() -> dict[str, Any]: ...
def check_index(index: _Index) -> None: ...
def column_means(x: _Array, threads: int) -> _Array: ...
def column_norms(x: _Array, threads: int) -> _Array: ...
def count_below(
    source: _Array,
    target: _Array,
    offsets: _Array,
    values: _Array,
    threads: int,
    progress: _Progress,
) -> _Array: ...
def distance_moments(
    source: _Array, target: _Array, threads: int, progress: _Progress
) -> tuple[tuple[_Array, _Array], tuple[_Array, _Array]]: ...
def log_sums(
    source: _Array, target: _Array, beta: float, threads: int, progress: _Progress
) -> _Array: ...
def pair_cosines(source: _Array, target: _Array, indices: _Array, threads: int) -> _Array: ...
def csls(
    source: _Array,
    target: _Array,
    k: int,
    source_radii: _Array,
    target_radii: _Array,
    threads: int,
    progress: _Progress,
    left_index: _Index = None,
    right_index: _Index = None,
) -> tuple[_Array, _Array]: ...
def csls_both(
    source: _Array,
    target: _Array,
    k: int,
    source_radii: _Array,
    target_radii: _Array,
    threads: int,
    progress: _Progress,
    left_index: _Index = None,
    right_index: _Index = None,
) -> tuple[tuple[_Array, _Array], tuple[_Array, _Array]]: ...
def csls_from_rows(
    source: _Array,
    target: _Array,
    k: int,
    neighborhood: int,
    both: bool,
    threads: int,
    progress: _Progress,
    left_index: _Index = None,
    right_index: _Index = None,
) -> tuple[
    tuple[_Array, _Array],
    tuple[_Array, _Array] | None,
    tuple[_Array, _Array],
    tuple[float, float] | None,
]: ...
def csls_radii(
    source: _Array,
    target: _Array,
    neighborhood: int,
    threads: int,
    progress: _Progress,
    left_index: _Index = None,
    right_index: _Index = None,
) -> tuple[_Array, _Array]: ...
def dropout_draws(
    seed: int, step: int, backward: bool, rows: _Array, columns: _Array
) -> NDArray[np.float64]: ...
def eigh(
    a: _Array, check_symmetric: bool, threads: int, progress: _Progress = None
) -> tuple[_Array, _Array]: ...
def fail_for_tests(how: str, threads: int = 1, progress: _Progress = None) -> None: ...
def first_nonfinite_row(array: _Array, threads: int) -> int | None: ...
def fma_peak(threads: int, steps: int) -> float: ...
def gather_rows(
    data: _Array,
    parts: tuple[int, int, int, int],
    index: _Array,
    out: _Array,
    threads: int,
) -> None: ...
def induce(
    source: _Array,
    target: _Array,
    neighborhood: int,
    directions: str,
    keep: float,
    seed: int,
    step: int,
    second: bool,
    threads: int,
    progress: _Progress,
) -> tuple[_Choice | None, _Choice | None]: ...
def npy_header(path: _Path) -> tuple[int, int, str]: ...
def maxsim(
    queries: _Array,
    query_offsets: _Array,
    documents: _Array,
    kind: str,
    scales: _Array | None,
    document_offsets: _Array,
    k: int | None,
    check_finite: bool,
    threads: int,
    progress: _Progress,
) -> Any: ...
def merge_moments(
    parts: _Moments, other: _Moments, split: int, times: float, threads: int
) -> None: ...
def mix_rows(
    indptr: NDArray[np.int64],
    indices: _Array,
    weights: _Array,
    rows: _Array,
    kind: str,
    out: _Array,
    threads: int,
    progress: _Progress = None,
) -> None: ...
def multiply(left: _Array, right: _Array, threads: int) -> NDArray[np.float64]: ...
def places(
    queries: _Array,
    corpus: _Array,
    offsets: _Array,
    items: _Array,
    metric: str,
    exclude_self: bool,
    threads: int,
    progress: _Progress,
) -> tuple[_Array, _Array] | None: ...
def polar(a: _Array, threads: int, progress: _Progress = None) -> tuple[_Array, _Array]: ...
def prepare_index(
    vectors: _Array, metric: str, threads: int, progress: _Progress
) -> tuple[_Parts, tuple[float, float]]: ...
def print_numbers(values: _Array, general: bool, digits: int) -> bytes: ...
def procrustes(
    source: _Array,
    target: _Array,
    weights: _Array | None,
    *,
    scale: bool,
    translate: bool,
    rotation_only: bool,
    threads: int,
    progress: _Progress = None,
) -> dict[str, _Array]: ...
def procrustes_from_moments(
    cross: _Array,
    second: _Array | None,
    totals: tuple[float, float],
    exponents: tuple[int, int],
    *,
    scale: bool,
    rotation_only: bool,
    threads: int,
) -> dict[str, _Array]: ...
def procrustes_of_rows(
    x: _Array, z: _Array, source: _Array, target: _Array, threads: int
) -> _Array: ...
def pursue(
    targets: _Array,
    atoms: _Array,
    k: int,
    tolerance: float,
    threads: int,
    progress: _Progress,
) -> tuple[_Sparse, NDArray[np.float64]]: ...
def read_npy(path: _Path, *, limit: int | None, progress: _Progress) -> _Array: ...
def read_safetensors(
    path: _Path, progress: _Progress = None, names: list[str] | None = None
) -> tuple[dict[str, _Array], dict[str, str]]: ...
def read_text(
    path: _Path,
    *,
    limit: int | None,
    header: bool | None,
    duplicates: str,
    errors: str,
    threads: int,
    progress: _Progress,
) -> tuple[list[str], _Array, int]: ...
def read_words(path: _Path, errors: str) -> list[str]: ...
def safetensors_header(
    path: _Path,
) -> tuple[list[tuple[str, str, list[int]]], dict[str, str]]: ...
def read_rows(
    path: _Path,
    parts: tuple[int, int, int, int],
    index: _Array,
    out: _Array,
    threads: int,
    progress: _Progress = None,
) -> None: ...
def renumber_ids(
    tokens: _Array,
    table: _Array,
    out: _Array | None,
    *,
    refused: NDArray[np.bool_] | None,
    ignored: list[int],
    signed: bool,
    become_: int | None,
    kept: tuple[int, int] | None,
    threads: int,
) -> int | None: ...
def score_maxima(scores: _Array, threads: int) -> tuple[_Array, _Array]: ...
def scan_costs(
    costs: list[_Array], threads: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]: ...
def script_counts(words: list[str]) -> list[tuple[str, int]]: ...
def script_mask(
    words: list[str], names: list[str], without_script: bool, threads: int
) -> NDArray[np.bool_]: ...
def sinkhorn(
    cost: _Array,
    a: _Array,
    b: _Array,
    reg: float,
    start: _Array,
    form: str,
    acceleration: str,
    annealing: bool | None,
    max_iter: int,
    tol: float,
    threads: int,
    progress: _Progress,
) -> dict[str, Any]: ...
def sinkhorn_many(
    costs: list[_Array],
    a: _Array,
    b: _Array,
    regs: _Array,
    commons: _Array,
    starts: _Array,
    tol: float,
    max_iter: int,
    patience: int,
    threads: int,
    progress: _Progress,
) -> tuple[_Array, _Array, _Array, _Array, _Array, NDArray[np.int64], NDArray[np.bool_]]: ...
def sinkhorn_points(
    x: _Array,
    y: _Array,
    scale: float,
    a: _Array,
    b: _Array,
    reg: float,
    start: _Array,
    acceleration: str,
    annealing: bool | None,
    max_iter: int,
    tol: float,
    threads: int,
    progress: _Progress,
) -> dict[str, Any]: ...
def sparsemax(targets: _Array, atoms: _Array, threads: int, progress: _Progress) -> _Sparse: ...
def sum_values(values: _Array, threads: int) -> float: ...
def svd(a: _Array, threads: int, progress: _Progress = None) -> tuple[_Array, _Array, _Array]: ...
def svdvals(a: _Array, threads: int, progress: _Progress = None) -> _Array: ...
def text_header(path: _Path, header: bool | None) -> tuple[int | None, int, bool]: ...
def topk(
    queries: _Array,
    corpus: _Array,
    k: int,
    metric: str,
    exclude_self: bool,
    threads: int,
    progress: _Progress,
    left_index: _Index = None,
    right_index: _Index = None,
) -> tuple[_Array, _Array]: ...
def transform_rows(
    x: _Array, operation: str, values: _Array | None, out: _Array, threads: int
) -> None: ...
def transport_plan(
    cost: _Array,
    f: _Array,
    g: _Array,
    reg: float,
    start: int,
    out: _Array,
    threads: int,
) -> None: ...
def transport_sums(
    cost: _Array, f: _Array, g: _Array, reg: float, threads: int
) -> tuple[_Array, _Array, float]: ...
def unique_rows(path: _Path, words: list[str], duplicates: str) -> list[int] | None: ...
def write_npy(
    path: _Path, array: _Array, *, words_path: _Path, words: list[str], progress: _Progress
) -> None: ...
def write_safetensors(
    path: _Path, tensors: Mapping[str, _Array], metadata: Mapping[str, str]
) -> None: ...
def write_text(
    path: _Path,
    words: list[str],
    vectors: _Array,
    *,
    gzip: bool,
    threads: int,
    progress: _Progress,
) -> None: ...
