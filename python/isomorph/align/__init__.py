"""Maps between two spaces: fit one, look at it, apply it, invert it, keep it in a file."""

from isomorph.align._alignment import Alignment
from isomorph.align._maps import LinearMap
from isomorph.align._procrustes import procrustes

__all__ = ["Alignment", "LinearMap", "procrustes"]
