"""Maps between two spaces: fit one, look at it, apply it, invert it, keep it in a file."""

from isomorph.align._alignment import Alignment
from isomorph.align._fit_map import fit_map
from isomorph.align._many import fit_maps
from isomorph.align._maps import LinearMap
from isomorph.align._procrustes import procrustes
from isomorph.align._selection import Selection
from isomorph.align._vecmap import MODES as VECMAP_MODES
from isomorph.align._vecmap import VecMapMode, vecmap

__all__ = [
    "VECMAP_MODES",
    "Alignment",
    "LinearMap",
    "Selection",
    "VecMapMode",
    "fit_map",
    "fit_maps",
    "procrustes",
    "vecmap",
]
