"""How the rows of a new vocabulary begin: by a mixing, or drawn where there is none."""

from isomorph.vocab.initialization.overlap import overlap

__all__ = ["overlap"]
