"""Kinds of tokens: those that two vocabularies share are not like those that one of them lacks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isomorph.vocab.initialization._vocabularies import Form, Vocabulary

#: In this order.
KINDS = ("words", "capitalised", "continuations", "digits", "punctuation")


def kind(form: Form | None) -> int:
    """Give the number of a token's kind; -1 for one without a text."""
    if form is None or not form[1].strip():
        return -1
    starts, text = form
    if any(character.isdigit() for character in text):
        return 3
    if not any(character.isalpha() for character in text):
        return 4
    if not starts:
        return 2
    return 1 if text.lstrip()[0].isupper() else 0


def kinds(vocabulary: Vocabulary) -> NDArray[np.int8]:
    """Give the kind of each token."""
    found = (kind(form) for form in vocabulary.forms)
    return np.fromiter(found, np.int8, len(vocabulary))
