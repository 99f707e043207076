"""A model made smaller: the plan, the files, the certificate, all or nothing."""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from isomorph import _checks
from isomorph._folders import appearing_folder, require_free
from isomorph._progress import Progress
from isomorph.errors import FormatError
from isomorph.vocab._changes import Change
from isomorph.vocab.checkpoints import _configs, _folder
from isomorph.vocab.checkpoints._checkpoint import Checkpoint
from isomorph.vocab.corpora import as_corpus
from isomorph.vocab.planning import TrimPlan, plan
from isomorph.vocab.planning._options import listed
from isomorph.vocab.tokenizers import Tokenizer
from isomorph.vocab.trimming import _card, _undo, _verification
from isomorph.vocab.trimming._certificate import CERTIFICATE
from isomorph.vocab.trimming._certifying import certify
from isomorph.vocab.trimming._inputs import Forms
from isomorph.vocab.trimming._paths import is_trim_alone, is_trim_unchanged, require_apart
from isomorph.vocab.trimming._result import Trimmed, expected, footprint
from isomorph.vocab.trimming._rows import NewRows, new_rows

CHANGES = f"{_folder.OWN}/changes.json"
#: What the plan calls the types of tables that it counts bytes of.
_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I8": "int8",
    "U8": "int8",
    "F8_E4M3": "int8",
    "F8_E5M2": "int8",
}
#: Vocabularies in forms that the tokenizer's files do not need, and that would be stale.
_STALE_VOCABULARIES = ("*.model", "*.spm", "*.tiktoken", "bpe.codes", "tekken.json", "vocab-*.json")


def trim(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str] | None,
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
    held_out: Any = None,
    ignore_merges: bool | None = None,
    tables: Mapping[str, str | None] | None = None,
    leave_out: Sequence[str] = (),
    revision: str | None = None,
    dry_run: bool = False,
    overwrite: bool = False,
    command: str | None = None,
    memory: int | str | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> Trimmed:
    """Make a model smaller by the tokens that some text does not need, and verify the result.

    From a corpus alone, every line keeps its tokens: with the new ids, which are the old ones
    renumbered, the model computes the same. Whatever is numbered by id follows: the tokenizer and
    the files beside it, embeddings, heads and biases, the ids in configurations.

    Parameters
    ----------
    model : path or str
        A folder as ``transformers`` or ``sentence-transformers`` save it, with safetensors; or the
        id of a model on the hub (``pip install 'isomorph[hub]'``). It is only read.
    out : path or None
        The folder of the new model, which appears whole or not at all; None with `dry_run`.
    corpus, languages, scripts, keep, size, max_extra_tokens, min_count, weights, characters
        Which tokens to keep: see :func:`isomorph.vocab.plan`.
    field, errors
        How files of the corpus are read: see there.
    multiple_of : int, default 64
        The number of rows is rounded up to it: with further tokens where there are any, else with
        rows of padding, and never above the rows that there were.
    held_out : files, Corpus, or mapping of str to either, optional
        Other text, by language if it is a mapping, read as the corpus is: the certificate says what
        the trim does to it.
    ignore_merges : bool, optional
        Of byte-pair encoding, see :meth:`isomorph.vocab.Tokenizer.load`: True keeps fewer tokens,
        and has the tokenizer loaded by a generic class.
    tables : mapping of str to str or None, optional
        Roles of tensors whose names do not tell them: ``"input"``, ``"output"``, ``"bias"``,
        ``"scale"``, ``"adapter"``; None for what is no table.
    leave_out : sequence of str, optional
        Patterns of files that the new model is not to have, as ``"*.onnx"``.
    revision : str, optional
        Of a model on the hub.
    dry_run : bool, default False
        Plan, and say what would change; write nothing.
    overwrite : bool, default False
        Replace `out` if an earlier trim wrote it, and nothing was added or changed since.
    command : str, optional
        What the model card says of how the trim was made. The call, in short, if not given.
    memory : int or str, optional
        Bytes to hold at once while tensors are written; about 32 MB.
    threads : int, optional
        See :mod:`isomorph.runtime`.
    progress : bool or callable, optional
        True, or a callable that is told (done, total) of each stage.

    Returns
    -------
    Trimmed
        ``print(trimmed)`` is the table of sizes; ``.certificate``, ``.changes``, ``.plan``.

    Raises
    ------
    FormatError
        A model, tokenizer or corpus that is damaged, or not of a kind that is trimmed: the message
        says what to do instead.
    CertificateError
        What was written is not what it should be: nothing stays of it.
    ValueError
        Options that contradict each other; `out` inside `model` or the reverse.
    FileExistsError
        `out` has something in it; with `overwrite`, a file that no trim wrote, or not so.
    OSError
        What cannot be read or written, a full disk among others.

    Notes
    -----
    Written into a folder beside `out`, read again, compared, and renamed. The new folder has, in
    ``isomorph/``: ``certificate.json``; ``changes.json``, every field that changed; and the undo
    file with the packed originals of the small files, for :func:`untrim`. Time: the corpus is
    tokenised three times, the weights are read twice and written once. Peak memory: the
    vocabulary, and a few blocks of `memory`; never a whole table.

    See Also
    --------
    untrim : The way back. isomorph.vocab.plan : The plan alone.

    References
    ----------
    Ushio, Zhou, Camacho-Collados, "Efficient Multilingual Language Model Compression through
    Vocabulary Trimming", Findings of EMNLP 2023.
    """
    multiple_of = _checks.integer("multiple_of", multiple_of, 1)
    if out is None and not dry_run:
        raise ValueError("out: expected a folder to write, or dry_run=True")
    checkpoint = Checkpoint.open(model, tables=tables, leave_out=leave_out, revision=revision)
    root = checkpoint.folder.root
    replaceable = is_trim_alone if overwrite else None
    by_language = isinstance(held_out, Mapping)
    # Other text is looked up now, and read last.
    other = as_corpus(
        None if by_language else held_out,
        held_out if by_language else None,
        field=field,
        errors=errors,
    )
    if out is not None:
        require_apart(Path(out), root)
        require_free(Path(out), is_trim_unchanged if overwrite else None)
    tokenizer = Tokenizer.load(checkpoint.folder.transformer, ignore_merges=ignore_merges)
    _require_agreement(tokenizer, checkpoint.folder.transformer)
    checkpoint.require_ids(tokenizer.size, str(checkpoint.folder.transformer))
    main = next(table for table in checkpoint.tables if table.role == "input")
    chosen = any(given is not None for given in (corpus, languages, scripts))
    forms = Forms.of(checkpoint.folder, tokenizer)
    planned = plan(
        tokenizer,
        corpus=forms.corpus(as_corpus(corpus, languages, field=field, errors=errors)),
        scripts=scripts,
        keep=_listed(tokenizer, keep, checkpoint, forms, chosen=chosen),
        size=size,
        max_extra_tokens=max_extra_tokens,
        min_count=min_count,
        weights=weights,
        multiple_of=multiple_of,
        characters=characters,
        field=field,
        errors=errors,
        width=main.shape[-1],
        dtype=_DTYPES.get(main.dtype, "float32"),
        tables=sum(table.role in ("input", "output") for table in checkpoint.tables),
        threads=threads,
        progress=progress,
    )
    lacking = len(tokenizer.lacking)
    rows = new_rows(planned.remap, checkpoint.required, checkpoint.rows, multiple_of, lacking)
    tensors = checkpoint.gather(rows.index)
    edited = checkpoint.edited(rows.size, rows.renumber)
    stale = _stale_vocabularies(checkpoint, planned)
    changes = (
        *(replace(c, file=checkpoint.folder.relative(c.file)) for c in planned.trimmed.changes),
        *(Change(name, "", "a file", "left out: stale, of the old vocabulary") for name in stale),
        *checkpoint.changes(tensors, edited),
    )
    notes = (
        *(forms.notes if planned.corpus else ()),
        *_behind(tokenizer, checkpoint.rows),
        *_notes(checkpoint, rows, edited, changes),
    )
    before = footprint(checkpoint, tokenizer)
    if out is None or dry_run:
        after = expected(before, checkpoint, rows)
        return Trimmed(None, planned, None, changes, before, after, notes)
    noted: list[str] = []
    with appearing_folder(Path(out), replaceable=replaceable, note=noted.append) as draft:
        side = [*planned.trimmed.files, *planned.trimmed.removed]
        checkpoint.write(
            draft,
            tensors,
            edited,
            skip={*map(checkpoint.folder.relative, side), *stale},
            memory=memory,
            progress=progress,
            threads=threads,
        )
        planned.trimmed.save(draft / checkpoint.folder.module)
        (draft / _folder.OWN).mkdir()
        _write_json(draft / CHANGES, [change.as_dict() for change in changes])
        _undo.save(draft, checkpoint, rows, tokenizer)
        certificate = certify(
            checkpoint, draft, planned, rows, tables=tables, held_out=other, threads=threads
        )
        certificate.save(draft / CERTIFICATE)
        written = Checkpoint.open(draft, tables=tables)
        of_tokenizer = {*map(checkpoint.folder.relative, planned.trimmed.files)}
        noted += _verification.survivors(checkpoint, written, rows.size, of_tokenizer)
        after = footprint(written, planned.trimmed.tokenizer)
        _card.append(draft, certificate, before, after, command or _call(root, planned))
    return Trimmed(Path(out), planned, certificate, changes, before, after, (*notes, *noted))


def _require_agreement(tokenizer: Tokenizer, folder: Path) -> None:
    """Refuse a tokenizer that is read in two ways.

    Raises
    ------
    FormatError
        What no corpus can be counted by.
    """
    for said in tokenizer.disagreements:
        raise FormatError(
            f"{folder}: {said}: transformers goes by the former, other libraries by the latter, "
            "and text has other tokens; make them the same (transformers: "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder))"
        )


def _behind(tokenizer: Tokenizer, rows: int) -> tuple[str, ...]:
    """Say which tokens are named that the tokenizer has not."""
    if not (lacking := tokenizer.lacking):
        return ()
    shown = ", ".join(map(repr, lacking[:4])) + (", ..." if len(lacking) > 4 else "")
    held = min(len(lacking), rows - tokenizer.size)
    what = f"{held:,} rows behind the tokens are" if held else "no rows behind the tokens are"
    return (
        f"the tokenizer lacks {shown}, which its files name; libraries add such tokens: "
        f"{what} kept for them",
    )


def _listed(
    tokenizer: Tokenizer,
    keep: Any,
    checkpoint: Checkpoint,
    forms: Forms,
    *,
    chosen: bool,
) -> Any:
    """Give ids that the user lists, that configurations name, and of prompts and markers."""
    if keep is None and not chosen:
        return None  # Nothing says what to keep: the plan refuses that.
    held = [old for old in checkpoint.required.tolist() if old < tokenizer.size]
    held = [old for old in held if tokenizer.tokens[old] is not None]
    said = tokenizer.encode([*forms.prompts, *forms.words])
    prompted = (int(old) for line in said for old in line)
    words = set(forms.words)
    whole = (old for old, token in enumerate(tokenizer.tokens) if token in words)
    return sorted({*held, *prompted, *whole, *listed(tokenizer, keep).tolist()})


def _stale_vocabularies(checkpoint: Checkpoint, planned: TrimPlan) -> tuple[str, ...]:
    """Name other forms of the vocabulary, which the tokenizer did not rewrite."""
    side = {*planned.trimmed.files, *planned.trimmed.removed}
    return tuple(
        name
        for name in checkpoint.folder.others
        if checkpoint.folder.is_of_transformer(name)
        and not (
            (checkpoint.folder.root / name).parent == checkpoint.folder.transformer
            and Path(name).name in side
        )
        and any(fnmatch.fnmatch(Path(name).name, pattern) for pattern in _STALE_VOCABULARIES)
    )


def _notes(
    checkpoint: Checkpoint,
    rows: NewRows,
    edited: Mapping[str, _configs.Edited],
    changes: Sequence[Change],
) -> tuple[str, ...]:
    """Say what is not as one may expect."""
    found = [
        str(change)
        for change in changes
        if (change.field == "" and str(change.new).startswith("left out"))
        or change.field == "tokenizer_class"
    ]
    found += [
        f"{name}: a pickle, which is not looked into: copied; if it has an entry for each token, "
        "leave it out (leave_out)"
        for name in checkpoint.folder.pickles
    ]
    found += [f"{name}: {note}" for name, edit in edited.items() for note in edit.notes]
    if rows.reserved:
        found.append(f"{rows.reserved:,} ids have a row and no token: kept")
    if rows.padding:
        empty = int((rows.index < 0).sum())
        kinds = [f"{rows.padding - empty} of the model's own"] if rows.padding > empty else []
        kinds += [f"{empty} of zeros"] if empty else []
        found.append(f"rows of padding: {', '.join(kinds)}")
    return tuple(found)


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _call(root: Path, planned: TrimPlan) -> str:
    """Give the call of a trim that no command made, in short."""
    options = [
        f"{name}={value!r}"
        for name, value in planned.options.items()
        if value is not None and name in ("scripts", "size", "max_extra_tokens", "min_count")
    ]
    corpus = [] if planned.corpus is None else [f"corpus={str(planned.corpus)!r}"]
    return f"isomorph.vocab.trim({', '.join([repr(root.name), '...', *corpus, *options])})"
