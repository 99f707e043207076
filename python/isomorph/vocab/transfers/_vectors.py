"""Vectors of tokens, from a file of token vectors or of word vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph.errors import FormatError
from isomorph.vocab.initialization import from_words
from isomorph.vocab.initialization._vocabularies import vocabulary

#: A list that has so many of the tokens that are spelled with a mark is one of tokens.
_TOKENS = 0.5


def of_tokens(embeddings: Any, tokenizer: Any, name: str) -> NDArray[np.float32]:
    """Give a vector for each token of a tokenizer; zero where there is none.

    Rows that are named as tokens are spelled are taken as they are, and of a list of words those
    that are named as the text of a token that begins a word. Other tokens of a list of words get
    the mean of the words that the tokenizer cuts them out of, alone and after a space.

    Raises
    ------
    FormatError
        No token gets a vector.
    """
    index = embeddings.index
    vectors = np.ascontiguousarray(embeddings.vectors, np.float32)
    known = vocabulary(name, tokenizer)
    found = np.zeros((len(known), vectors.shape[1]), np.float32)
    spelled = {i: index[t] for i, t in enumerate(known.tokens) if t is not None and t in index}
    marked = [
        number
        for number, (token, form) in enumerate(zip(known.tokens, known.forms, strict=True))
        if form is not None and token != form[1]
    ]
    of_words = sum(number in spelled for number in marked) < _TOKENS * len(marked)
    if of_words:
        words = list(embeddings.words)
        alone, after = tokenizer.encode(words), tokenizer.encode([f" {word}" for word in words])
        encodings = [np.concatenate(pair) for pair in zip(alone, after, strict=True)]
        mixing = from_words(encodings, known)
        if mixing.counts.any():
            found = mixing.apply(vectors, fallback=np.zeros(vectors.shape[1], np.float32))
        # Special tokens come out of no word that they stand for.
        found[tokenizer.special] = 0
        for number, form in enumerate(known.forms):
            if form is not None and form[0] and form[1] in index:
                spelled.setdefault(number, index[form[1]])
    places = np.array(list(spelled.items()), dtype=np.int64).reshape(-1, 2)
    found[places[:, 0]] = vectors[places[:, 1]]
    if not found.any():
        raise FormatError(f"{name}: expected vectors of tokens or of words, no token has one")
    return found
