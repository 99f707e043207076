"""Maps and alignments in safetensors files: tensors, and what says what they are as metadata."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph import _core, _formats
from isomorph.errors import FormatError, IsomorphError
from isomorph.transforms import FittedChain

if TYPE_CHECKING:
    from isomorph._bridge import Bridge
    from isomorph.align._alignment import Alignment
    from isomorph.align._maps import LinearMap

MAP, ALIGNMENT, BRIDGE = "isomorph.LinearMap", "isomorph.Alignment", "isomorph.Bridge"
#: Raised when a reader of today would misread the file: 2 has a map of the target, too.
VERSION = 2

_TENSORS = ("matrix", "source_mean", "target_mean", "scale", "singular_values")
_SIDES = ("source_transform", "target_transform")


def save_map(map: LinearMap, path: str | os.PathLike[str]) -> None:  # noqa: A002
    """Write a map."""
    tensors, description = _describe(map)
    _write(path, MAP, tensors, {"map": description})


def load_map(path: str | os.PathLike[str]) -> LinearMap:
    """Read a map."""
    tensors, metadata = _read(path, (MAP,))
    return _build(path, tensors, _json(path, metadata, "map"))


def save_alignment(alignment: Alignment, path: str | os.PathLike[str]) -> None:
    """Write an alignment, the fitted means of its chains included."""
    map_tensors, description = _describe(alignment.map)
    tensors = {f"map.{name}": array for name, array in map_tensors.items()}
    metadata: dict[str, Any] = {"map": description}
    if alignment.target_map is not None:
        map_tensors, metadata["target_map"] = _describe(alignment.target_map)
        tensors |= {f"target_map.{name}": array for name, array in map_tensors.items()}
    for side in _SIDES:
        chain: FittedChain | None = getattr(alignment, side)
        if chain is None:
            continue
        steps, arrays = chain.to_arrays()
        metadata[side] = {"steps": steps, "dimension": chain.dimension}
        tensors |= {f"{side}.{step}": _host(array) for step, array in arrays.items()}
    _write(path, ALIGNMENT, tensors, metadata)


def load_alignment(path: str | os.PathLike[str]) -> Alignment:
    """Read an alignment; a file with a bare map is one without transforms."""
    from isomorph.align._alignment import Alignment

    tensors, metadata = _read(path, (ALIGNMENT, MAP))
    description = _json(path, metadata, "map")
    if metadata["format"] == MAP:
        return Alignment(None, _build(path, tensors, description), None)
    map = _build(path, _under(tensors, "map"), description)  # noqa: A001
    chains: list[FittedChain | None] = []
    for side in _SIDES:
        if side not in metadata:
            chains.append(None)
            continue
        chain = _json(path, metadata, side)
        with _NamingErrors(path):
            chains.append(
                FittedChain.from_arrays(
                    chain["steps"], _under(tensors, side), int(chain["dimension"])
                )
            )
    back = None
    if "target_map" in metadata:
        described = _json(path, metadata, "target_map")
        back = _build(path, _under(tensors, "target_map"), described)
    with _NamingErrors(path):
        return Alignment(chains[0], map, chains[1], back)


def save_bridge(bridge: Bridge, path: str | os.PathLike[str]) -> None:
    """Write a bridge: its map, and what was found."""
    tensors, description = _describe(bridge.map)
    _write(path, BRIDGE, tensors, {"map": description, "bridge": bridge.as_dict()})


def load_bridge(path: str | os.PathLike[str]) -> Bridge:
    """Read a bridge."""
    from isomorph._bridge import Bridge

    tensors, metadata = _read(path, (BRIDGE,))
    map = _build(path, tensors, _json(path, metadata, "map"))  # noqa: A001
    with _NamingErrors(path):
        return Bridge._from_dict(map, _json(path, metadata, "bridge"))


def load_any(path: str | os.PathLike[str]) -> LinearMap | Alignment | Bridge:
    """Read whatever map a file has."""
    metadata = _core.safetensors_header(os.fspath(path))[1]
    _formats.require(path, metadata, MAP, ALIGNMENT, BRIDGE, newest=VERSION)
    if metadata["format"] == BRIDGE:
        return load_bridge(path)
    return load_alignment(path) if metadata["format"] == ALIGNMENT else load_map(path)


def _describe(map: LinearMap) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: A002
    arrays = {name: getattr(map, name) for name in _TENSORS}
    if map.stack is None:
        arrays["scale"] = np.array([map.scale])
    tensors = {name: _host(array) for name, array in arrays.items() if array is not None}
    description = {
        "method": map.method,
        "orthogonal": map.orthogonal,
        "metrics": map.metrics,
        "provenance": map.provenance,
    }
    return tensors, description


def _build(
    path: str | os.PathLike[str], tensors: dict[str, Any], description: dict[str, Any]
) -> LinearMap:
    from isomorph.align._maps import LinearMap

    with _NamingErrors(path):
        matrix, scale = tensors["matrix"], tensors["scale"]
        return LinearMap(
            matrix,
            tensors.get("source_mean"),
            tensors.get("target_mean"),
            float(scale[0]) if matrix.ndim == 2 else scale,
            orthogonal=bool(description["orthogonal"]),
            method=str(description["method"]),
            metrics=description["metrics"],
            provenance=description["provenance"],
            singular_values=tensors.get("singular_values"),
        )


class _NamingErrors:
    """What is missing or does not fit in a file is the file's fault, and named so."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, FormatError) and str(error).startswith(self.path):
            return
        if isinstance(error, KeyError):
            raise FormatError(f"{self.path}: {error.args[0]!r} is missing") from error
        if isinstance(error, IsomorphError | ValueError | TypeError | IndexError):
            raise FormatError(f"{self.path}: {error}") from error


def _under(tensors: dict[str, Any], prefix: str) -> dict[str, Any]:
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def _host(array: Any) -> Any:
    """Give an array as a C-contiguous NumPy array: a file is written from the host."""
    if not isinstance(array, np.ndarray):
        import array_api_compat

        try:
            array = np.asarray(array_api_compat.to_device(array, "cpu"))
        except (TypeError, ValueError):
            array = np.from_dlpack(array)
    return np.ascontiguousarray(array)


def _write(
    path: str | os.PathLike[str], kind: str, tensors: dict[str, Any], described: dict[str, Any]
) -> None:
    # What an older isomorph can read, it may.
    version = VERSION if "target_map" in described else 1
    metadata = _formats.described(kind, version)
    for name, value in described.items():
        try:
            metadata[name] = as_json(value)
        except TypeError as error:
            raise TypeError(
                f"{name}: metrics and provenance are saved as JSON, which cannot hold this: {error}"
            ) from None
    _core.write_safetensors(os.fspath(path), tensors, metadata)


def as_json(value: Any) -> str:
    """Write plain values, and NumPy's, as JSON."""
    return json.dumps(value, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    """NumPy numbers and arrays as JSON holds them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r}")


def _read(
    path: str | os.PathLike[str], kinds: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, str]]:
    tensors, metadata = _core.read_safetensors(os.fspath(path))
    _formats.require(path, metadata, *kinds, newest=VERSION)
    return tensors, metadata


def _json(path: str | os.PathLike[str], metadata: dict[str, str], name: str) -> dict[str, Any]:
    try:
        value = json.loads(metadata[name])
    except (KeyError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise FormatError(f"{os.fspath(path)}: expected JSON under {name!r} of the metadata")
    return value
