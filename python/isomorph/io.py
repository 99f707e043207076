"""Files of word vectors and of word pairs.

Three formats are read and written, told apart by their suffix:

* **text** (``.vec``, ``.txt``, ``.vec.gz`` and whatever is not one of the next): word2vec's and
  fastText's text, with or without a header line of two integers.
* **npy** (``.npy``): a matrix, with its words in a text file beside it, one a line. The words of
  ``en.npy`` and of ``en.float16.npy`` are in ``en.words.txt``.
* **safetensors** (``.safetensors``): a tensor ``vectors`` and a tensor ``words`` (UTF-8 bytes, each
  word followed by a line feed), and the metadata ``format`` and ``format_version``.

Files of other programs are read:

* ``.bin``: a model of fastText (each word's vector is the mean of its row and its n-grams', as
  fastText gives it; not quantised), or word2vec's binary format;
* ``.pth``, ``.pt``: what MUSE exports, ``{"dico": ..., "vectors": ...}``, by any PyTorch;
* ``.npz``: the arrays ``words`` and ``vectors``;
* ``.kv``, ``.wordvectors``, ``.keyedvectors``: ``KeyedVectors.save`` of gensim, with the ``.npy``
  file beside it, if there is one;
* ``.faiss``, ``.index``: a flat index of faiss, with its words in a list beside it
  (``en.faiss.words.txt``), or given.

Nothing in a file is executed. What a header claims is checked against the size of the file before
memory is allocated for it. Files are written beside their destination and renamed: they appear
whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from isomorph import _checks, _core, _extras, _files, _foreign, _matrices, _torch_files, runtime
from isomorph._embeddings import Embeddings
from isomorph._files import Format, PathLike
from isomorph._progress import Progress, reporting
from isomorph._results import Coverage, Pairs
from isomorph.errors import DictionaryError, FormatError

__all__ = [
    "Embeddings",
    "dask_array",
    "inspect",
    "load",
    "load_dictionary",
    "load_matrix",
    "save",
    "save_matrix",
]


def dask_array(path: PathLike, *, rows: int = 50_000) -> Any:
    """Map a ``.npy`` file as a Dask array whose chunks are read by whoever needs them.

    Parameters
    ----------
    path : path
        The file, which every worker finds under this name: on one machine, or on shared storage.
    rows : int, default 50,000
        Rows of a chunk.

    Returns
    -------
    dask.array.Array
        In the type of the file.

    Raises
    ------
    ImportError
        Dask is not installed.
    FormatError
        A file that is none, or is cut short.

    Notes
    -----
    A chunk is a mapped part of the file and travels between processes as its name, so that workers
    send each other no rows and a chunk counts as no memory. The functions of this package read
    float32 and float64 in place; float16 is widened, and then travels as values. The file must not
    change while the array is in use.
    """
    _extras.require("dask.array", extra="dask", purpose="io.dask_array")
    from isomorph._distributed import _mapped

    return _mapped.dask_array(path, rows)


def load(
    path: PathLike,
    *,
    limit: int | None = None,
    duplicates: str = "first",
    words: PathLike | Sequence[str] | None = None,
    header: bool | None = None,
    errors: str = "strict",
    threads: int | None = None,
    progress: Progress = None,
) -> Embeddings:
    r"""Read word vectors.

    Text is read in parallel. Only the ASCII space and the tab separate fields, in any number; so
    no-break spaces and other Unicode white space stay in the words. With d the dimension, the
    last d fields of a line are its numbers, and all before them is the word, which may contain
    spaces; but a word whose last part is a number is reported as a line with too many numbers.
    Blank lines are skipped. Each number is rounded correctly to float64 and that to float32, as
    ``np.float32(float(text))`` is. Numbers are decimal; ``nan`` and ``inf`` are refused.

    Parameters
    ----------
    path : path
        See :mod:`isomorph.io` for the formats. Text may be compressed with gzip, whatever its
        suffix.
    limit : int, optional
        Read only the first rows of the file: so many, repeated words among them.
    duplicates : {"first", "last", "keep", "error"}, default "first"
        Which row of a repeated word stays, in its own place. MUSE and fastText keep the first,
        VecMap uses the last. ``"keep"``: every row stays, as in the files of these programs.
    words : path or sequence of str, optional
        The words of an ``.npy`` file or a flat index, if they are not in the file beside it.
    header : bool, optional
        Whether the first line of text is a header. By default it is if it has two fields and both
        are made of ASCII digits. (So only vectors of dimension 1 can be in doubt.)
    errors : {"strict", "replace"}, default "strict"
        What to do with words that are not UTF-8: refuse, or put U+FFFD for the invalid bytes.
    threads : int, optional
        See :mod:`isomorph.runtime`. The result does not depend on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)``.

    Returns
    -------
    Embeddings
        Vectors are float32; float64 if an ``.npy`` or ``.safetensors`` file has them so. float16
        and bfloat16 are widened.

    Raises
    ------
    FormatError
        Whatever is wrong with the file, with its name and the line, row or byte.
    OSError
        `FileNotFoundError` and the like, as from `open`.

    Notes
    -----
    Peak memory is the result and less than a megabyte a thread. Text without a header, or
    compressed text, takes up to twice the result, and so does an ``.npy`` file in Fortran order.

    Examples
    --------
    >>> import isomorph as iso
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp(), "en.vec")
    >>> _ = path.write_text("2 3\ncat 0.1 0.2 0.3\ndog 0.2 0.1 0.3\n")
    >>> iso.io.load(path)
    Embeddings(2 words x 3, float32: 'cat', 'dog')
    """
    name = os.fspath(path)
    limit = _limit(limit)
    _checks.one_of("duplicates", duplicates, ("first", "last", "keep", "error"))
    _checks.one_of("errors", errors, ("strict", "replace"))
    kind = _foreign.kind_of(name) or _files.format_of(name)
    if words is not None and kind not in ("npy", *_foreign.WITHOUT_WORDS):
        raise ValueError(f"words: a {kind} file has its words inside; expected None")
    workers = runtime.resolve_threads(threads)
    with reporting(progress, f"read {Path(name).name}") as report:
        if kind == "text":
            options: dict[str, Any] = {
                "limit": limit,
                "header": header,
                "errors": errors,
                "threads": workers,
            }
            if duplicates == "keep":
                return Embeddings(*_files.read_every_row(name, options, report))
            found, vectors, _ = _core.read_text(
                name, duplicates=duplicates, progress=report, **options
            )
            return Embeddings(found, vectors)
        origin = name
        if kind == "npy":
            found, origin, vectors = _files.read_npy(name, words, limit, errors, report)
        elif kind != "safetensors":
            found, vectors = _foreign.read(name, kind, limit, words, errors)
        else:
            found, vectors = _files.read_safetensors(name, ["vectors", "words"], report)
            if limit is not None:
                found, vectors = found[:limit], vectors[:limit].copy()
    _files.check_finite(name, found, vectors, workers)
    embeddings = Embeddings(found, vectors)
    if duplicates == "keep":
        return embeddings
    kept = _core.unique_rows(origin, found, duplicates)
    return embeddings if kept is None else embeddings.take(kept)


def save(
    embeddings: Embeddings,
    path: PathLike,
    *,
    format: Format | None = None,  # noqa: A002  (the clearest name there is)
    dtype: DTypeLike | None = None,
    numbers: str | None = None,
    metadata: Mapping[str, str] | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> None:
    """Write word vectors; the file appears whole or not at all.

    Parameters
    ----------
    embeddings : Embeddings
        Or anything that unpacks as ``words, vectors``. Values must be finite.
    path : path
        Its suffix says the format: ``.vec``, ``.txt`` (both also with ``.gz``), ``.npy``,
        ``.safetensors``. An ``.npy`` file gets its words beside it: ``en.npy`` and
        ``en.float16.npy`` both ``en.words.txt``.
    format : {"text", "npy", "safetensors"}, optional
        For other suffixes.
    dtype : {"float16", "float32", "float64"}, optional
        The type of the values in the file. By default that in the name of an ``.npy`` file
        (``en.float16.npy``), else that of the vectors. Text is always float32, written with the
        fewest digits that give the same float32 back, or as `numbers` says.
    numbers : str, optional
        How numbers are printed in text, as C's ``printf`` says it, with at most six digits:
        ``"%.6g"`` is what VecMap writes, ``"%.5f"`` MUSE, ``"%.4f"`` fastText's alignment. These
        are rounded from the vectors as they are given, float64 too.
    metadata : mapping of str to str, optional
        More entries for the metadata of a ``.safetensors`` file.
    threads : int, optional
        See :mod:`isomorph.runtime`. The file does not depend on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)``.

    Raises
    ------
    FormatError
        A word that the format cannot hold (with a line feed; empty, in text), or a value that is
        not finite in the file's type.
    OSError
        As from `open`; a full disk.
    """
    words, vectors = Embeddings(*embeddings)
    name = os.fspath(path)
    kind = _files.format_to_write(name, format)
    if metadata is not None and kind != "safetensors":
        raise ValueError(f"metadata: a {kind} file has none; expected None")
    words = list(words)
    if numbers is not None:
        _files.write_printed(name, kind, words, vectors, numbers, dtype, threads)
        return
    values = _files.values_to_write(name, kind, words, vectors, dtype)
    with reporting(progress, f"write {Path(name).name}") as report:
        if kind == "text":
            _core.write_text(
                name,
                words,
                values,
                gzip=name.endswith(".gz"),
                threads=runtime.resolve_threads(threads),
                progress=report,
            )
        elif kind == "npy":
            beside = _files.words_path(name)
            _core.write_npy(name, values, words_path=beside, words=words, progress=report)
        else:
            _files.write_safetensors(name, words, values, metadata or {})


def load_dictionary(
    path: PathLike,
    source: Embeddings | Mapping[str, int] | Sequence[str],
    target: Embeddings | Mapping[str, int] | Sequence[str],
    *,
    lowercase: bool = False,
    oov: str = "drop",
    reverse: bool = False,
    errors: str = "strict",
) -> Pairs:
    """Read word pairs, as rows of two vocabularies.

    A line has a source word and a target word. With a tab in it, tabs separate, and the entries
    may contain spaces; without, spaces do. Only ASCII spaces and tabs count, in any number, also
    at the ends. A source may have several translations, one a line. Blank lines are skipped; a
    pair that stands twice is kept twice.

    Parameters
    ----------
    path : path
        Text in UTF-8, plain or compressed with gzip.
    source, target : Embeddings, mapping of word to row, or sequence of words
        The vocabularies. Of a repeated word the first row counts.
    lowercase : bool, default False
        Look the dictionary's words up in lower case. (The vocabularies stay as they are.)
    oov : {"drop", "error"}, default "drop"
        What to do with pairs of which a word is not in its vocabulary.
    reverse : bool, default False
        The file has the target word first.
    errors : {"strict", "replace"}, default "strict"
        What to do with bytes that are not UTF-8.

    Returns
    -------
    Pairs
        Rows in the order of the file, int64, and the ``coverage``: how many pairs and how many
        distinct source words of the dictionary were found.

    Raises
    ------
    FormatError
        A line with another number of entries than two, with file and line; no pair at all.
    DictionaryError
        No pair is in the vocabularies; with ``oov="error"``, any pair is not.
    OSError
        As from `open`.
    """
    _checks.one_of("oov", oov, ("drop", "error"))
    _checks.one_of("errors", errors, ("strict", "replace"))
    name = os.fspath(path)
    source_rows, target_rows = _index("source", source), _index("target", target)
    rows: list[tuple[int, int]] = []
    found: set[str] = set()
    sources: set[str] = set()
    total = 0
    missing: tuple[int, str, str] | None = None
    for line, left, right in _files.read_pairs(name, errors):
        if reverse:
            left, right = right, left
        if lowercase:
            left, right = left.lower(), right.lower()
        total += 1
        sources.add(left)
        row, other = source_rows.get(left), target_rows.get(right)
        if row is not None and other is not None:
            rows.append((row, other))
            found.add(left)
        elif missing is None:
            missing = line, *(("source", left) if row is None else ("target", right))
    if total == 0:
        raise FormatError(f"{name}: expected pairs of words, one a line, got none")
    if missing is not None and (oov == "error" or not rows):
        line, side, word = missing
        count = total - len(rows)
        advice = "" if rows else "; are the languages, their order and the case of the words right?"
        raise DictionaryError(
            f"{name}: {count:,} of {total:,} pairs have a word that is not in the vocabulary: "
            f"the first is {word!r} on line {line}, which is not in {side}{advice}"
        )
    pairs = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return Pairs(
        np.ascontiguousarray(pairs[:, 0]),
        np.ascontiguousarray(pairs[:, 1]),
        coverage=Coverage(len(found), len(sources), len(rows), total),
    )


def load_matrix(path: PathLike) -> Any:
    r"""Read a matrix, as alignment programs save their maps.

    Text has a row a line, with a header "n d", as fastText's ``-mat`` files, or without, as
    Babylon's and those of :func:`numpy.loadtxt`.

    Parameters
    ----------
    path : path
        By its suffix ``.npy``, ``.pth`` or ``.pt`` (PyTorch's: a tensor, or an array of NumPy, as
        in MUSE's ``best_mapping.pth``; read as data, nothing in it is run), else text.

    Returns
    -------
    ndarray of shape (n, d)
        float64; of an ``.npy`` file in its type, float16 widened. Which way it is to be multiplied
        the file does not say: fastText's and MUSE's are W of :math:`W x`, Babylon's M of
        :math:`x M`.

    Raises
    ------
    FormatError
        Another number of rows or columns than said or begun with; something that is no number, or
        not finite.
    OSError
        As from `open`.

    Examples
    --------
    >>> import isomorph as iso
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp(), "en-fr.vec-mat")
    >>> iso.io.save_matrix([[0.0, 1.0], [-1.0, 0.0]], path)
    >>> path.read_text().split("\n")
    ['2 2', '0.0000 1.0000', '-1.0000 0.0000', '']
    >>> iso.io.load_matrix(path).tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    """
    name = os.fspath(path)
    if name.endswith((".pth", ".pt")):
        matrix = _torch_files.as_array(name, _torch_files.load(name))
    elif name.endswith(".npy"):
        matrix = _core.read_npy(name, limit=None, progress=None)
    else:
        return _matrices.read_text(name)[0]
    if matrix.dtype.kind != "f":
        matrix = matrix.astype(np.float64)
    if not np.isfinite(matrix).all():
        raise FormatError(f"{name}: expected finite numbers")
    return matrix


def save_matrix(matrix: Any, path: PathLike, *, numbers: str = "%.4f") -> None:
    """Write a matrix as text: a header "n d", then a row a line.

    Parameters
    ----------
    matrix : array_like of shape (n, d)
        Real numbers.
    path : path
        The file appears whole or not at all.
    numbers : str, default "%.4f"
        As for :func:`save`; fastText's programs keep four decimals.

    Raises
    ------
    ShapeError, ValueError, OSError
        `matrix` has other than two dimensions; `numbers` is unknown; as from `open`.
    """
    _matrices.write_text(os.fspath(path), np.asarray(matrix, dtype=np.float64), numbers)


def inspect(
    path: PathLike,
    *,
    words: PathLike | Sequence[str] | None = None,
    full: bool = False,
    threads: int | None = None,
) -> dict[str, Any]:
    """Say what is in a file of word vectors, from its header and its first rows.

    Parameters
    ----------
    path : path
        See :func:`load`.
    words : path or sequence of str, optional
        See :func:`load`.
    full : bool, default False
        Read and check the whole file.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    dict
        ``format``, ``rows``, ``dimension``, ``dtype`` (in the file), ``first_words``,
        ``duplicates`` (rows with a word that came before), ``compressed``, ``metadata``. None is
        what cannot be said without `full`: the rows of text without a header, and the duplicates
        of text.

    Raises
    ------
    FormatError, OSError
        As :func:`load`.
    """
    name = os.fspath(path)
    kind = _foreign.kind_of(name) or _files.format_of(name)
    answer: dict[str, Any] = {"path": name, "format": kind, "compressed": False, "metadata": {}}
    shown = 10
    found: Sequence[str]
    repeated: int | None
    if kind == "text":
        rows, dimension, answer["compressed"] = _core.text_header(name, None)
        limit = None if full else shown
        found, _, count = _core.read_text(
            name,
            limit=limit,
            header=None,
            duplicates="first",
            errors="replace",
            threads=runtime.resolve_threads(threads),
            progress=None,
        )
        repeated = None
        if full:
            rows, repeated = count, count - len(found)
        dtype = "text"
    elif kind not in ("npy", "safetensors"):
        found, vectors = _foreign.read(name, kind, None, words, "replace")
        (rows, dimension), dtype = vectors.shape, str(vectors.dtype)
    elif kind == "npy":
        rows, dimension, dtype = _core.npy_header(name)
        found, _ = _files.words_of(name, words, "replace")
    else:
        (rows, dimension), dtype, answer["metadata"] = _files.safetensors_header(name)
        found = _files.read_safetensors(name, ["words"], None)[0]
    if kind != "text":
        repeated = len(found) - len(set(found))
        if full:
            load(name, words=words, threads=threads)
    return answer | {
        "rows": rows,
        "dimension": dimension,
        "dtype": dtype,
        "duplicates": repeated,
        "first_words": list(found[:shown]),
    }


def _index(name: str, vocabulary: Embeddings | Mapping[str, int] | Sequence[str]) -> Any:
    if isinstance(vocabulary, Embeddings):
        return vocabulary.index
    if isinstance(vocabulary, Mapping):
        return vocabulary
    if isinstance(vocabulary, str) or not isinstance(vocabulary, Sequence):
        kind = type(vocabulary).__name__
        raise TypeError(
            f"{name}: expected Embeddings, a mapping or a sequence of words, got {kind}"
        )
    return dict(zip(reversed(vocabulary), range(len(vocabulary) - 1, -1, -1), strict=True))


def _limit(value: int | None) -> int | None:
    return None if value is None else _checks.integer("limit", value, 1)
