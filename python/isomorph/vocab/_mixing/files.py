"""Mixings in safetensors files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _core, _formats
from isomorph.align import _files as maps

if TYPE_CHECKING:
    from isomorph.vocab.mixing import TokenMixing

KIND = "isomorph.TokenMixing"
VERSION = 1
_ARRAYS = ("indptr", "indices", "weights", "origins")
_SIDES = ("target_tokens", "source_tokens")


def save(mixing: TokenMixing, path: str | os.PathLike[str]) -> None:
    """Write a mixing."""
    tensors: dict[str, Any] = {name: np.array(getattr(mixing, name)) for name in _ARRAYS}
    for side in _SIDES:
        if (tokens := getattr(mixing, side)) is not None:
            tensors |= _packed(side, tokens)
    about = {
        "shape": mixing.shape,
        "method": mixing.method,
        "settings": dict(mixing.settings),
        "origin_names": mixing.origin_names,
    }
    try:
        described = maps.as_json(about)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"settings: they are saved as JSON, which cannot hold this: {error}"
        ) from None
    metadata = _formats.described(KIND, VERSION) | {"mixing": described}
    _core.write_safetensors(os.fspath(path), tensors, metadata)


def load(cls: type[TokenMixing], path: str | os.PathLike[str]) -> TokenMixing:
    """Read a mixing."""
    tensors, metadata = _core.read_safetensors(os.fspath(path))
    _formats.require(path, metadata, KIND, newest=VERSION)
    about = maps._json(path, metadata, "mixing")
    with maps._NamingErrors(path):
        targets, sources = about["shape"]
        return cls(
            tensors["indptr"],
            tensors["indices"],
            tensors["weights"],
            (targets, sources),
            origins=tensors["origins"],
            origin_names=tuple(about["origin_names"]),
            method=about["method"],
            settings=dict(about["settings"]),
            **{side: _unpacked(side, tensors) for side in _SIDES},  # type: ignore[arg-type]
        )


def _packed(side: str, tokens: tuple[str | None, ...]) -> dict[str, NDArray[Any]]:
    """Write tokens as their bytes, one after the other, and how many each has; -1: no token."""
    # An undecodable byte of a token stays what it was.
    coded = [None if token is None else token.encode("utf-8", "surrogatepass") for token in tokens]
    lengths = np.array([-1 if one is None else len(one) for one in coded], dtype=np.int64)
    text = b"".join(one for one in coded if one is not None)
    return {side: np.frombuffer(text, dtype=np.uint8), f"{side}.lengths": lengths}


def _unpacked(side: str, tensors: dict[str, Any]) -> list[str | None] | None:
    if side not in tensors:
        return None
    text, lengths = tensors[side], tensors[f"{side}.lengths"]
    if text.dtype != np.uint8 or lengths.dtype != np.int64 or not text.ndim == lengths.ndim == 1:
        raise ValueError(f"{side}: expected bytes, and int64 lengths")
    # Lengths that overflow a sum would be larger than the text one by one.
    if ((lengths < -1) | (lengths > len(text))).any():
        raise ValueError(f"{side}: expected lengths of -1 to {len(text)}")
    if (total := sum(np.maximum(lengths, 0).tolist())) != len(text):
        raise ValueError(f"{side}: expected {total} bytes, got {len(text)}")
    data, place, tokens = text.tobytes(), 0, list[str | None]()
    for length in lengths.tolist():
        if length < 0:
            tokens.append(None)
            continue
        tokens.append(data[place : place + length].decode("utf-8", "surrogatepass"))
        place += length
    return tokens
