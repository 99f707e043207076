"""Common spaces in safetensors files: the maps of all spaces, and how they came to be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from isomorph.align import _files as maps

if TYPE_CHECKING:
    from isomorph.many_spaces._common_space import CommonSpace

KIND = "isomorph.CommonSpace"


def save(hub: CommonSpace, path: str | os.PathLike[str]) -> None:
    """Write a common space."""
    tensors: dict[str, Any] = {}
    described: dict[str, Any] = {}
    for number, (name, one) in enumerate(hub.maps.items()):
        # Numbers, not names, are what every reader takes as the name of a tensor.
        arrays, described[name] = maps._describe(one)
        described[name]["number"] = number
        tensors |= {f"{number}.{part}": array for part, array in arrays.items()}
    about = {
        "objective": list(hub.objective),
        "converged": hub.converged,
        "residuals": [[*names, value] for names, value in hub.residuals.items()],
        "provenance": hub.provenance,
        # JSON objects have no order of their own.
        "names": list(hub.maps),
    }
    maps._write(path, KIND, tensors, {"maps": described, "hub": about})


def load(cls: type[CommonSpace], path: str | os.PathLike[str]) -> CommonSpace:
    """Read a common space."""
    tensors, metadata = maps._read(path, (KIND,))
    described, about = (maps._json(path, metadata, name) for name in ("maps", "hub"))
    with maps._NamingErrors(path):
        return cls(
            {
                name: maps._build(
                    path,
                    maps._under(tensors, str(int(described[name]["number"]))),
                    described[name],
                )
                for name in about["names"]
            },
            objective=tuple(float(value) for value in about["objective"]),
            converged=bool(about["converged"]),
            residuals={(str(a), str(b)): float(value) for a, b, value in about["residuals"]},
            provenance=about["provenance"],
        )
