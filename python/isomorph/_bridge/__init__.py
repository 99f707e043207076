"""Moving vectors from the space of one embedding model into that of another."""

from isomorph._bridge._fit import bridge
from isomorph._bridge._result import Bridge

__all__ = ["Bridge", "bridge"]
