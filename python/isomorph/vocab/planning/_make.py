"""Plans: from a corpus, from scripts, from a list, to a size, or within a bound."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks, runtime
from isomorph._progress import Progress, reporting
from isomorph.vocab import corpora
from isomorph.vocab.planning import _budget, _options
from isomorph.vocab.planning._choice import Choice, rounded, smallest
from isomorph.vocab.planning._options import Asked
from isomorph.vocab.planning._result import NO_CORPUS, TrimPlan
from isomorph.vocab.planning._trials import Trials
from isomorph.vocab.planning._units import LIMIT, Units
from isomorph.vocab.planning._wanted import Wanted

if TYPE_CHECKING:
    from isomorph.vocab.tokenizers import Tokenizer, Usage

Ids = NDArray[np.int64]


def plan(
    tokenizer: Tokenizer | str | os.PathLike[str],
    *,
    corpus: Any = None,
    languages: Mapping[str, Any] | None = None,
    scripts: str | Sequence[str] | None = None,
    keep: Any = None,
    size: int | None = None,
    max_extra_tokens: float | str | None = None,
    min_count: int = 1,
    weights: Mapping[str, float] | None = None,
    multiple_of: int = 64,
    characters: str = "scripts",
    field: str | None = None,
    errors: str = "strict",
    width: int | None = None,
    dtype: str = "float32",
    tables: int = 1,
    points: int = 8,
    threads: int | None = None,
    progress: Progress = None,
) -> TrimPlan:
    """Choose the tokens that a smaller vocabulary keeps, and say what other sizes would cost.

    From a corpus alone, every token that its lines use is kept, and what must stand beside them
    for each line to tokenise as before. `size`, `max_extra_tokens`, `min_count` and `scripts` keep
    fewer. Special tokens, bytes, and the single characters of ASCII, of the scripts and of the
    corpus are kept always.

    Parameters
    ----------
    tokenizer : Tokenizer or path
        As :meth:`isomorph.vocab.Tokenizer.load` gives it, or what that reads: a model's folder.
    corpus : path, sequence of paths, Corpus or Embeddings, optional
        Text files, ``.gz``, JSON lines, patterns; see :meth:`isomorph.vocab.Corpus.from_files`. The
        words of embeddings, or a file with one word a line, are a corpus, too.
    languages : mapping of str to the same, optional
        Text of each language: tokens are then counted, and the curve drawn, for each. A `corpus`
        beside them is called ``"(corpus)"``.
    scripts : str or sequence of str, optional
        Keep tokens written in these scripts alone (or in none, as digits): Unicode names or ISO
        15924 codes. With a corpus, of its tokens those. Without one, nothing is known of what
        any text will cost, and languages of one script cannot be told apart.
    keep : sequence of str or int, or path, optional
        Tokens as the vocabulary spells them, or ids, kept whatever the size; or a file with one
        token a line.
    size : int, optional
        At most so many tokens, rounded up to `multiple_of`: the most frequent ones.
    max_extra_tokens : float or str, optional
        The fewest tokens with which every language needs at most so many more: ``0.05`` or
        ``"5%"``, and no unknown token that was none.
    min_count : int, default 1
        Of the corpus, tokens that came out at least so often. (Ushio et al. take 2.)
    weights : mapping of str to float, optional
        How much each language counts in the order of tokens; 1 by default, whatever the amount
        of its text, so that a small language is not crowded out. One of weight 2 loses half the
        part of its tokens that the others do.
    multiple_of : int, default 64
        The size is rounded up to it, with further tokens rather than with empty rows.
    characters : {"scripts", "corpus"}, default "scripts"
        Which single characters are kept besides those of ASCII: all of the scripts and all that the
        corpus has, or the latter alone. Of Chinese characters there are thousands.
    field, errors : str
        How files are read; see :meth:`isomorph.vocab.Corpus.from_files`.
    width : int, optional
        Columns of the embedding table: the budget then has parameters and bytes.
    dtype : {"float64", "float32", "float16", "bfloat16", "int8"}, default "float32"
        The type of its values.
    tables : int, default 1
        Tables with a row a token: 2 where input and output are not tied.
    points : int, default 8
        Sizes on the budget curve besides that of the plan and the whole vocabulary.
    threads : int, optional
        See :mod:`isomorph.runtime`.
    progress : bool or callable, optional
        True, or what is called with characters of text done and in all.

    Returns
    -------
    TrimPlan
        ``print(plan)`` is the table; ``plan.kept``, ``plan.remap``, ``plan.trimmed``.

    Raises
    ------
    ValueError
        Options that contradict each other, an unknown script, token or language, a size below what
        must be kept, a bound that no size meets.
    FormatError
        A corpus that is empty, not UTF-8, or not what its name says; with file, line and byte.
    FileNotFoundError
        A file that is not there.

    Notes
    -----
    The corpus is read once, a few megabytes at a time, and tokenised in parallel. Token counts are
    exact whatever its size. The curve is measured by tokenising the *distinct* words again at each
    size, or distinct lines, for tokenizers that do not split text at blanks; `TrimPlan.measured`
    says which. Distinct words are held in at most 48 MB; beyond, rare ones are sampled without
    bias. O(text + points * distinct words) time.

    Tokens are ordered by ``max_l w_l r_l(t)``, where r_l(t) is the part of the tokens of language l
    that come out no more often than t: of one language, the order of frequency; of several, each
    loses the same part of its tokens, or a part by its weight. A cut keeps the longest prefix of
    this order that, with what makes its tokens reachable, fits the size.

    References
    ----------
    Ushio, Zhou, Camacho-Collados, "Efficient Multilingual Language Model Compression through
    Vocabulary Trimming", Findings of EMNLP 2023.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> from isomorph.vocab import Corpus, Tokenizer, plan
    >>> words = ["[UNK]", "the", "a", "cat", "dog", "chat", "##s", "un", "##e"]
    >>> model = {"type": "WordPiece", "vocab": {word: n for n, word in enumerate(words)}}
    >>> model |= {"unk_token": "[UNK]", "continuing_subword_prefix": "##"}
    >>> model |= {"max_input_chars_per_word": 100}
    >>> _ = Path("tokenizer.json").write_text(
    ...     json.dumps({"model": model, "pre_tokenizer": {"type": "Whitespace"}})
    ... )
    >>> tokenizer = Tokenizer.load("tokenizer.json")
    >>> english = Corpus.from_lines(["the cats", "a dog"])
    >>> trim = plan(tokenizer, corpus=english, multiple_of=1)
    >>> [tokenizer.tokens[n] for n in trim.kept]
    ['[UNK]', 'the', 'a', 'cat', 'dog', '##s', '##e']
    >>> trim.lossless, trim.reasons["used by the corpus"]
    (True, 3)
    """
    if isinstance(tokenizer, str | os.PathLike):
        from isomorph.vocab.tokenizers import Tokenizer

        tokenizer = Tokenizer.load(tokenizer)
    text = corpora.as_corpus(corpus, languages, field=field, errors=errors)
    asked = _options.Asked.of(scripts, size, max_extra_tokens, min_count, multiple_of, characters)
    _options.require_together(asked, text, keep, weights)
    tables_of = _budget.Tables.of(width, dtype, tables)
    count = _checks.integer("points", points, 0, 64)
    workers = runtime.resolve_threads(threads)
    weighed = _options.weights(weights, () if text is None else text.languages)
    listed = _options.listed(tokenizer, keep)
    usages: dict[str, Usage] = {}
    units: dict[str, Units] = {}
    if text is not None:
        with reporting(progress, "counting tokens") as report:
            usages, units = _counted(tokenizer, text, workers, report)
    trials = Trials.of(tokenizer, units, usages, workers)
    wanted = Wanted.of(tokenizer, trials, usages, asked, listed, weighed, workers)
    choice = wanted.choice
    kept = _sized(choice, trials, asked, wanted)
    lossless = choice.full is not None and bool(np.isin(choice.full, kept).all())
    budget = _budget.curve(choice, trials, kept, tables_of, count, asked.multiple_of)
    return TrimPlan(
        tokenizer,
        kept,
        wanted.reasons(kept),
        text,
        usages,
        lossless,
        budget,
        _budget.covered(trials, usages, kept, lossless) if usages else None,
        _budget.how(units, trials),
        {
            **asked.as_dict(),
            **({"keep": len(listed)} if keep is not None else {}),
            **({"weights": weighed} if weights is not None else {}),
        },
        _notes(text, asked.scripts, wanted),
    )


def _counted(
    tokenizer: Tokenizer,
    text: corpora.Corpus,
    threads: int,
    report: Callable[[int, int], object] | None,
) -> tuple[dict[str, Usage], dict[str, Units]]:
    """Read the corpus once: tokens of all lines, and its distinct words."""
    usages: dict[str, Usage] = {}
    units: dict[str, Units] = {}
    total = sum(path.stat().st_size for path in text.files)
    done = 0
    for language, block in text.blocks():
        used = tokenizer.usage(block, threads=threads)
        usages[language] = usages[language] + used if language in usages else used
        if language not in units:
            limit = LIMIT // len(text.languages)
            units[language] = Units.of(tokenizer, block, limit=limit)
        units[language].add(block)
        done += sum(map(len, block))
        if report is not None:
            report(done, max(total, done))
    return usages, units


def _sized(choice: Choice, trials: Trials, asked: Asked, wanted: Wanted) -> Ids:
    """Give the ids of the size that was asked for."""
    multiple, part = asked.multiple_of, asked.max_extra_tokens
    every = choice.all()
    largest = rounded(len(every), multiple)
    size = largest
    if asked.size is not None:
        size = min(rounded(asked.size, multiple), largest)
        if size < len(choice.fixed):
            raise ValueError(
                f"size: expected at least what must be kept, {wanted.must()}, got {asked.size}"
            )
    if part is not None:
        before = trials.before()

        def holds(size: int) -> bool:
            return _budget.worst(before, trials.at(choice.cut(size)), part) is None

        if (worst := _budget.worst(before, trials.at(every), part)) is not None:
            raise ValueError(
                f"max_extra_tokens: expected what the tokens that may be kept can meet, got "
                f"{part:g}; with all {len(every):,} of them {worst}: allow more, or a lower "
                "min_count, or more scripts"
            )
        size = smallest(rounded(len(choice.fixed), multiple), largest, multiple, holds)
    return choice.filled(choice.cut(size), size)


def _notes(
    text: corpora.Corpus | None, scripts: tuple[str, ...] | None, wanted: Wanted
) -> tuple[str, ...]:
    notes = []
    if text is None:
        notes.append(NO_CORPUS)
        if scripts is not None:
            notes.append(
                f"scripts are filtered ({', '.join(scripts)}), languages are not: a corpus or a "
                "word list of each tells them apart, as languages={'fr': ['fr.txt']}"
            )
    elif scripts is None and wanted.scripts:
        notes.append(f"scripts of the corpus: {', '.join(wanted.scripts)}")
    return tuple(notes)
