"""Many spaces in one: generalised Procrustes, a pivot, and spaces that join later."""

from isomorph.many_spaces._common_space import CommonSpace
from isomorph.many_spaces._generalized import generalized_procrustes

__all__ = ["CommonSpace", "generalized_procrustes"]
