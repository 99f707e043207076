"""Moments in safetensors files: the sums of each group as tensors, the rest as metadata."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph import _core, _formats
from isomorph._moments._sums import Sums
from isomorph.errors import FormatError

if TYPE_CHECKING:
    from isomorph._moments._streaming import Moments

KIND = "isomorph.Moments"
#: Raised when a reader of today would misread the file.
VERSION = 1

_PARTS = ("weight", "mean", "second", "norms")


def save(moments: Moments, path: str | os.PathLike[str]) -> None:
    """Write all sums."""
    from isomorph.align._files import _host

    tensors = {
        f"{label}.{name}": _host(part)
        for label, sums in moments._groups.items()
        for name, part in zip(_PARTS, sums.parts, strict=True)
    }
    described = {
        "x_dim": moments.x_dim,
        "y_dim": moments.y_dim,
        "norms": moments.norms,
        "dtype": moments.dtype,
        "exponents": moments._exponents,
        "rows": {str(label): sums.rows for label, sums in moments._groups.items()},
    }
    metadata = _formats.described(KIND, VERSION) | {"moments": json.dumps(described)}
    _core.write_safetensors(os.fspath(path), tensors, metadata)


def load(cls: type[Moments], path: str | os.PathLike[str]) -> Moments:
    """Read what :func:`save` wrote."""
    name = os.fspath(path)
    tensors, metadata = _core.read_safetensors(name)
    _formats.require(name, metadata, KIND, newest=VERSION)
    try:
        described = json.loads(metadata["moments"])
        made = cls(described["x_dim"], described["y_dim"], norms=described["norms"])
        made.dtype = {"float32": "float32", "float64": "float64"}[described["dtype"]]
        x, y = (None if p is None else int(p) for p in described["exponents"])
        made._exponents = x, y
        for label, rows in described["rows"].items():
            parts = (_part(made, tensors, label, part) for part in _PARTS)
            sums = Sums((next(parts), next(parts), next(parts), next(parts)), int(rows))
            if sums.rows < 0 or not sums.weight >= 0:
                raise ValueError(f"group {label}: {sums.rows} rows of weight {sums.weight}")
            made._groups[int(label)] = sums
    except (KeyError, ValueError, TypeError) as error:
        raise FormatError(f"{name}: {error}") from error
    return made


def _part(moments: Moments, tensors: dict[str, Any], label: str, part: str) -> Any:
    width = moments.x_dim + moments.y_dim
    shape = {
        "weight": (1,),
        "mean": (2, width),
        "second": (width, width),
        "norms": (2 * width + 3 if moments.norms else 0,),
    }[part]
    array = tensors[f"{label}.{part}"]
    if array.shape != shape or array.dtype != "float64":
        raise ValueError(
            f"{label}.{part}: expected float64 of shape {shape}, got {array.dtype} of {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{label}.{part}: a NaN or an infinity")
    return array
