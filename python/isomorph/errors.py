"""Every exception and warning of isomorph.

Each class also derives from the built-in that a caller would expect, so ``except ValueError``
keeps working. A message says what was expected, what came, and what to do.
"""


class IsomorphError(Exception):
    """The base of every error that isomorph raises by a name of its own."""


class ShapeError(IsomorphError, ValueError):
    """An array has the wrong number of dimensions, rows or columns."""


class DTypeError(IsomorphError, TypeError):
    """An argument is not an array, or its values have a type that is not computed with."""


class NonFiniteError(IsomorphError, ValueError):
    """An array has a NaN or an infinity; the message names the argument and the first bad row."""


class FormatError(IsomorphError, ValueError):
    """A file is not what it claims to be; the message names the file and the line or byte."""


class DictionaryError(IsomorphError, ValueError):
    """A dictionary has no pair whose two words are in the vocabularies."""


class UnknownWordError(IsomorphError, LookupError):
    """A word that was asked for is not in the vocabulary; the message names near spellings."""


class RemapError(IsomorphError, ValueError):
    """The ids of a vocabulary remap repeat, are negative, out of range or have no counterpart."""


class CertificateError(IsomorphError, ValueError):
    """What was written is not what was to be: a row, a line of tokens, a configuration, a file."""


class MemoryBudgetError(IsomorphError, MemoryError):
    """The work needs more memory than it was allowed, or than the machine gives."""


class DeviceError(IsomorphError, RuntimeError):
    """The device that was asked for cannot be used; the message says what to install."""


class InternalError(IsomorphError, RuntimeError):
    """A fault of isomorph itself: please report it."""


class ConvergenceWarning(UserWarning):
    """An iteration stopped at its limit, before it met its tolerance."""


class PairingError(IsomorphError, ValueError):
    """Rows that are said to belong together do not: in another order, or of other things."""


class RetentionError(IsomorphError, ValueError):
    """A bridge between two models keeps less than was asked for.

    Attributes
    ----------
    bridge : Bridge
        The bridge all the same.
    """

    def __init__(self, message: str, bridge: object = None) -> None:
        super().__init__(message)
        self.bridge = bridge


class PairingWarning(UserWarning):
    """Some of the rows that are said to belong together seem not to."""
