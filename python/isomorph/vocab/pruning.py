"""Which words of a list to keep: by script, without ASCII words, the first n."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from isomorph import _checks, _core, runtime
from isomorph.errors import DTypeError
from isomorph.vocab.remap import Remap

if TYPE_CHECKING:
    from isomorph.io import Embeddings

__all__ = ["prune", "script_counts"]


def prune(
    embeddings: Embeddings | Sequence[str],
    *,
    scripts: str | Iterable[str] | None = None,
    drop_ascii: bool = False,
    top: int | None = None,
    keep_without_script: bool = True,
    threads: int | None = None,
) -> Remap:
    """Choose the words to keep; the answer is a remap for the words and their rows.

    A word is kept if it passes every filter that is asked for; the order stays. `top` counts last:
    the first n of what the filters leave, so that the result has n words if there are as many.
    (The load limit of VecMap and MUSE counts before: ``io.load(path, limit=n)``.)

    Parameters
    ----------
    embeddings : Embeddings or sequence of str
        The words, most frequent first if `top` is to mean anything.
    scripts : str or iterable of str, optional
        Keep words written in these scripts alone. Unicode names (``"Latin"``) or ISO 15924 codes
        (``"Latn"``), in any case; ``"Jpan"``, ``"Kore"``, ``"Hans"``, ``"Hant"``, ``"Hrkt"`` stand
        for the scripts that they combine. A word is judged by its characters that belong to a
        script (the Unicode ``Script`` property); digits, punctuation, symbols and combining marks
        (Common, Inherited) do not count, so ``"d'été-2"`` is Latin, while ``"USB-кабель"`` is
        neither Latin nor Cyrillic alone.
    drop_ascii : bool, default False
        Drop words made only of ASCII characters, digits and punctuation included: what the
        published Sinhala work does to a vocabulary full of English.
    top : int, optional
        Keep at most so many.
    keep_without_script : bool, default True
        With `scripts`: what happens to words without any character of a script, such as numbers
        and punctuation.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    Remap
        ``remap.apply(embeddings)`` gives the pruned embeddings, ``remap.gather(rows)`` does so for
        any array of one row a word.

    Raises
    ------
    ValueError
        An unknown script, `top` below 0.
    DTypeError
        A single string, or entries that are not strings.

    Notes
    -----
    O(number of characters): about 0.1 s for 250,000 words. The words are copied once.
    A lone surrogate (an undecodable byte) belongs to no script.

    Examples
    --------
    >>> import isomorph as iso
    >>> words = ["cat", "කපුටා", "2026", "ගස"]
    >>> iso.vocab.prune(words, scripts="Sinhala").gather(words)
    ['කපුටා', '2026', 'ගස']
    >>> iso.vocab.prune(words, drop_ascii=True, top=1).gather(words)
    ['කපුටා']
    """
    words = _words(embeddings)
    keep = np.ones(len(words), dtype=np.bool_)
    if scripts is not None:
        names = [scripts] if isinstance(scripts, str) else list(scripts)
        workers = runtime.resolve_threads(threads)
        keep &= _core.script_mask(words, names, bool(keep_without_script), workers)
    if drop_ascii:
        keep &= np.fromiter((not word.isascii() for word in words), np.bool_, len(words))
    kept = np.nonzero(keep)[0]
    if top is not None:
        kept = kept[: _checks.integer("top", top, 0)]
    return Remap.from_kept(kept, len(words))


def script_counts(embeddings: Embeddings | Sequence[str]) -> dict[str, int]:
    """Count the words of each script, or mixture of scripts, the most frequent first.

    Parameters
    ----------
    embeddings : Embeddings or sequence of str
        The words.

    Returns
    -------
    dict
        Unicode script names (joined by ``+`` where a word mixes several, in alphabetical order;
        ``""`` for words without a character of any script) to numbers of words.

    Examples
    --------
    >>> import isomorph as iso
    >>> iso.vocab.script_counts(["cat", "dog", "кот", "2026", "USB-кабель"])
    {'Latin': 2, '': 1, 'Cyrillic': 1, 'Cyrillic+Latin': 1}
    """
    return dict(_core.script_counts(_words(embeddings)))


def _words(embeddings: Embeddings | Sequence[str]) -> list[str]:
    words = getattr(embeddings, "words", embeddings)
    if isinstance(words, str | bytes):
        raise DTypeError("embeddings: expected a list of words, got a single string")
    words = list(words)
    for position, word in enumerate(words):
        if not isinstance(word, str):
            raise DTypeError(
                f"embeddings: expected words as str, got {type(word).__name__} at {position}"
            )
    return words
