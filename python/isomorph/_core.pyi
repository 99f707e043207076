"""The compiled module. Private: what it takes has been checked by the public functions."""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "available_threads",
    "build_info",
    "fail_for_tests",
    "first_nonfinite_row",
    "polar",
    "read_safetensors",
    "script_counts",
    "script_mask",
    "svd",
    "write_safetensors",
]

_Array: TypeAlias = NDArray[Any]
_Path: TypeAlias = str | PathLike[str]
_Progress: TypeAlias = Callable[[int, int], object] | None

def available_threads() -> int: ...
def build_info() -> dict[str, Any]: ...
def fail_for_tests(how: str, threads: int = 1, progress: _Progress = None) -> None: ...
def first_nonfinite_row(array: _Array, threads: int) -> int | None: ...
def polar(a: _Array, threads: int, progress: _Progress = None) -> tuple[_Array, ...]: ...
def read_safetensors(
    path: _Path, progress: _Progress = None
) -> tuple[dict[str, _Array], dict[str, str]]: ...
def script_counts(words: list[str]) -> list[tuple[str, int]]: ...
def script_mask(
    words: list[str], names: list[str], without_script: bool, threads: int
) -> NDArray[np.bool_]: ...
def svd(a: _Array, threads: int, progress: _Progress = None) -> tuple[_Array, ...]: ...
def write_safetensors(
    path: _Path, tensors: Mapping[str, _Array], metadata: Mapping[str, str]
) -> None: ...
