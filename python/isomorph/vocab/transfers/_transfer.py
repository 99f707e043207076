"""A model moved to another tokenizer: rows of the new tokens mixed of those of the old ones."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isomorph import _checks, _text
from isomorph._folders import appearing_folder, require_free
from isomorph._progress import Progress
from isomorph.errors import FormatError, ShapeError
from isomorph.vocab._changes import Change
from isomorph.vocab.checkpoints import _card, _checkpoint, _folder
from isomorph.vocab.checkpoints._checkpoint import Checkpoint
from isomorph.vocab.checkpoints._configs import Edited, field_of
from isomorph.vocab.initialization import overlap
from isomorph.vocab.initialization._vocabularies import vocabulary
from isomorph.vocab.mixing import TokenMixing
from isomorph.vocab.tokenizers import Tokenizer
from isomorph.vocab.tokenizers._side_files import CONFIG
from isomorph.vocab.transfers import _norms, _recipes, _tokens, _vectors
from isomorph.vocab.transfers._kinds import KINDS, kinds
from isomorph.vocab.transfers._leave_out import leave_out
from isomorph.vocab.transfers._results import LeaveOut
from isomorph.vocab.transfers._rows import made_tensors, require_mixable, table_rows
from isomorph.vocab.transfers._written import (
    FORMAT,
    MIXING,
    REPORT,
    TITLE,
    is_transfer_alone,
    is_transfer_unchanged,
    section,
)
from isomorph.vocab.trimming import _verification
from isomorph.vocab.trimming._paths import require_apart

__all__ = ["Transferred", "transfer"]


@dataclass(frozen=True)
class Transferred:
    """A transfer that was made.

    Attributes
    ----------
    path : Path
        The new model.
    method : str
        The method, with its settings.
    mixing : TokenMixing
        What each row of the new tables is made of; also in ``isomorph/mixing.safetensors``.
    origins : mapping of str to int array
        For each origin of rows, how many tokens of each kind have it.
    leave_out : LeaveOut or None
        The scores by which the method was chosen, if it was.
    changes : tuple of Change
        Every field of a configuration, and every tensor's shape, that is other than before.
    notes : tuple of str
        What to know.
    match_norm : str or None
        By which old rows the new ones were scaled.
    """

    path: Path
    method: str
    mixing: TokenMixing = field(repr=False)
    origins: Mapping[str, Any] = field(repr=False)
    leave_out: LeaveOut | None = field(repr=False)
    changes: tuple[Change, ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    match_norm: str | None = None

    def table(self) -> list[str]:
        """Say where the rows come from, by kind of token."""
        rows = [["rows", "all", *KINDS, "special"]]
        for name, counts in self.origins.items():
            rows.append([name, f"{int(counts.sum()):,}", *(f"{n:,}" for n in counts.tolist())])
        return _text.table(rows, right=tuple(range(1, len(KINDS) + 3)))

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        return {
            "path": str(self.path),
            "method": self.method,
            "match_norm": self.match_norm,
            "origins": {
                name: dict(zip((*KINDS, "special"), counts.tolist(), strict=True))
                for name, counts in self.origins.items()
            },
            "leave_out": None if self.leave_out is None else self.leave_out.as_dict(),
            "changes": [change.as_dict() for change in self.changes],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        scores = [] if self.leave_out is None else [*str(self.leave_out).split("\n"), ""]
        norms = "" if self.match_norm is None else f", norms of {self.match_norm} old rows"
        if self.match_norm == "kind":
            norms = ", norms of old rows of the kind"
        return "\n".join([*scores, f"method: {self.method}{norms}", "", *self.table()])


def transfer(
    model: str | os.PathLike[str],
    tokenizer: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    method: str = "auto",
    rule: str = "marks",
    aliases: Mapping[str, str] | None = None,
    vectors: Any = None,
    source_vectors: Any = None,
    mixing: TokenMixing | str | os.PathLike[str] | None = None,
    match_norm: str | None = None,
    multiple_of: int = 1,
    tables: Mapping[str, str | None] | None = None,
    leave_out_files: tuple[str, ...] = (),
    revision: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    command: str | None = None,
    memory: int | str | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> Transferred:
    """Move a model to another tokenizer, without training.

    Rows of tokens that both vocabularies have are copied; those of the others are mixed of old
    rows by a method, the same mixing for input embeddings, output head and biases. Everything else
    of the model stays as it is, but for the ids in its configurations.

    Parameters
    ----------
    model : path or str
        A folder as ``transformers`` or ``sentence-transformers`` save it, with safetensors; or the
        id of a model on the hub (``pip install 'isomorph[hub]'``). It is only read.
    tokenizer : path
        The new tokenizer: a folder, a ``tokenizer.json``, or a SentencePiece ``.model``.
    out : path
        The folder of the new model, which appears whole or not at all.
    method : str, default "auto"
        A method and its settings, as ``"subword_mean"`` or ``"omp k=16"``: mean, gaussian,
        subword_mean; with `vectors` focus, omp, clp; with both vectors wechsel. "auto" takes that
        of the largest :func:`leave_out` score.
    rule : str, default "marks"
        Which tokens the vocabularies share: see :func:`isomorph.vocab.overlap`.
    aliases : mapping of str to str, optional
        New token to old token, above all special ones. Those with the same part (padding, unknown,
        beginning, end, separator, class, mask) are found by the configurations, and by usual names.
    vectors, source_vectors : array, Embeddings or path, optional
        Vectors of the new and of the old tokens: an array with a row a token, or
        :class:`isomorph.io.Embeddings` (or the file of them) of tokens or of words.
    mixing : TokenMixing or path, optional
        Instead of `method`: a mixing of the new tokens by the old ones that any method made, as
        :func:`~isomorph.vocab.transtokenization` or :func:`~isomorph.vocab.ofa`, or the file of
        one. All its rows are taken, those of shared tokens, too; tokens that it has nothing for are
        copied where they are shared, and the mean of all rows otherwise.
    match_norm : {"all", "kind"}, optional
        Scale the rows that are no copies, of embeddings and of heads, to the mean norm of the old
        rows: of all, or of those of the token's kind (see :func:`leave_out`; a kind with fewer than
        two old tokens counts as all). Means of many rows are shorter than each.
    multiple_of : int, default 1
        Round the number of rows up, with rows that are the mean.
    tables : mapping of str to str or None, optional
        Roles of tensors whose names do not tell them, as in :func:`isomorph.vocab.trim`.
    leave_out_files : tuple of str
        Patterns of files that the new model is not to have, as ``"*.onnx"``.
    revision : str, optional
        Of a model on the hub.
    seed : int, default 0
        Of the leave-out score.
    overwrite : bool, default False
        Replace `out` if an earlier transfer wrote it, and all that is in it.
    command : str, optional
        What the model card says of how the transfer was made. The call, in short, if not given.
    memory : int or str, optional
        Bytes to hold at once while tensors are written, beside one table.
    threads : int, optional
        See :mod:`isomorph.runtime`.
    progress : bool or callable, optional
        True, or a callable that is told (done, total) of each stage.

    Returns
    -------
    Transferred
        ``print`` shows where rows come from; ``.mixing``, ``.leave_out``, ``.changes``.

    Raises
    ------
    FormatError
        A model, tokenizer or file of vectors that is damaged, or of a kind that is not moved; a
        model that counts positions from the id of padding, when that id is another.
    ShapeError
        Vectors that are not one a token; a mixing of another number of tokens.
    ValueError
        An unknown method, one without its vectors, or one beside `mixing`; a mixing of other
        tokens; `out` inside `model`.
    FileExistsError
        `out` has something in it; with `overwrite`, a file that no transfer wrote.

    Notes
    -----
    Peak memory: the table that is being written, in float32, and a few blocks of `memory`. The new
    folder has, in ``isomorph/``, the mixing and ``transfer.json``: the scores, and every change;
    its model card has a section more. `match_norm` is no part of the mixing, for it depends on the
    table.

    See Also
    --------
    leave_out : What "auto" goes by.
    """
    multiple_of = _checks.integer("multiple_of", multiple_of, 1)
    recipe = None if method == "auto" else _recipes.Recipe.parse(method, "auto")
    if mixing is not None and recipe is not None:
        raise ValueError(f"method, mixing: expected one of them, got {method!r} and a mixing")
    given = TokenMixing.load(mixing) if isinstance(mixing, str | os.PathLike) else mixing
    if given is not None and not isinstance(given, TokenMixing):
        raise TypeError(f"mixing: expected a TokenMixing or its file, got {type(given).__name__}")
    if match_norm is not None:
        _checks.one_of("match_norm", match_norm, _norms.CHOICES)
    replaceable = is_transfer_alone if overwrite else None
    checkpoint = Checkpoint.open(model, tables=tables, leave_out=leave_out_files, revision=revision)
    require_apart(Path(out), checkpoint.folder.root)
    require_free(Path(out), is_transfer_unchanged if overwrite else None)
    require_mixable(checkpoint)
    home = checkpoint.folder.transformer
    old = Tokenizer.load(home)
    checkpoint.require_ids(old.size, str(home))
    old_roles = _tokens.roles_of(home)
    moved = _tokens.NewTokenizer(Path(tokenizer), old_roles)
    new = moved.tokenizer
    alike = _tokens.aliases(old, old_roles, new, moved.roles) | dict(aliases or {})
    base = overlap(old, new, rule=rule, aliases=alike)
    if not base.counts.any():
        raise FormatError(
            f"{tokenizer}: has no token that the tokenizer of {home} has: nothing can be mixed; "
            "rule='loose' compares tokens without marks and case"
        )
    roles = _tokens.role_ids(old, old_roles, new, moved.roles, aliases or {})
    renumber = _tokens.new_ids(old, new, base, roles).get
    rows = -(-new.size // multiple_of) * multiple_of
    edited = checkpoint.edited(rows, renumber, roles)
    _require_padding(checkpoint, edited)
    main = next(table for table in checkpoint.tables if table.role == "input")
    materials = _recipes.Materials(
        vocabulary("source", old),
        vocabulary("target", new),
        tokenizer=old,
        vectors=_given("vectors", vectors, new),
        source_vectors=_given("source_vectors", source_vectors, old),
        threads=threads,
    )
    scores = None
    if given is not None:
        _require_same_tokens(given, old, new)
        recipe = _recipes.Recipe("mean")  # of what nothing is known of
    elif recipe is None:
        scores = leave_out(
            np.asarray(table_rows(checkpoint, main, old.size)),
            old,
            new,
            base=base,
            vectors=materials.vectors,
            source_vectors=materials.source_vectors,
            seed=seed,
            threads=threads,
            progress=progress,
        )
        recipe = _recipes.Recipe.parse(scores.best)
    made = recipe.mixing(materials, base) if given is None else given.fill(base)
    norms = None
    if match_norm is not None:
        norms = _norms.MatchedNorms.by(match_norm, materials.source, materials.target, made)
    tensors = made_tensors(checkpoint, made, recipe, rows, threads, norms)
    skip = {checkpoint.folder.relative(name) for name in _tokens.FILES}
    written = {checkpoint.folder.relative(name) for name in (*moved.files, CONFIG)}
    stale = sorted(name for name in skip - written if name in checkpoint.folder.others)
    changes = (
        *checkpoint.changes(tensors, edited),
        *(Change(name, "", "a file", "left out: of the old tokenizer") for name in stale),
    )
    notes = [f"{name}: {note}" for name, edit in edited.items() for note in edit.notes]
    notes += [
        f"{change.file}: {change.field}: the new tokenizer has no such token: null"
        for change in changes
        if change.new is None and isinstance(change.old, int)
    ]
    notes += [f"{name}: of the old tokenizer, left out" for name in stale]
    notes += _several(checkpoint, base, new, renumber, roles)
    config = home / CONFIG
    old_config = _folder.read_json(config) if config.is_file() else {}
    with appearing_folder(Path(out), replaceable=replaceable, note=notes.append) as draft:
        checkpoint.write(
            draft, tensors, edited, skip=skip, memory=memory, progress=progress, threads=threads
        )
        moved.write(draft / checkpoint.folder.module, old_config)
        (draft / _folder.OWN).mkdir()
        made.save(draft / MIXING)
        found = Transferred(
            Path(out),
            recipe.label if given is None else given.method or "mixing",
            made,
            _origins(made, new, recipe),
            scores,
            changes,
            tuple(notes),
            match_norm,
        )
        call = f"isomorph.vocab.transfer({checkpoint.folder.root.name!r}, {tokenizer!r}, ...)"
        _card.append(draft, TITLE, section(found, old.size, new.size, command or call))
        files = (file for file in draft.rglob("*") if file.is_file())
        listed = sorted({file.relative_to(draft).as_posix() for file in files} - {_folder.CARD})
        hashes = _verification.hashes(draft, listed)
        report = {"format": FORMAT, **found.as_dict(), "files": hashes}
        text = json.dumps(report, ensure_ascii=False, indent=2) + "\n"
        (draft / REPORT).write_text(text, encoding="utf-8")
    return found


def _given(name: str, vectors: Any, tokenizer: Tokenizer) -> Any:
    """Give a vector for each token, from whatever came."""
    if isinstance(vectors, str | os.PathLike):
        from isomorph import io

        return _vectors.of_tokens(io.load(vectors), tokenizer, os.fspath(vectors))
    if hasattr(vectors, "words"):
        return _vectors.of_tokens(vectors, tokenizer, name)
    return _recipes.require_vectors(name, vectors, tokenizer.size)


def _require_same_tokens(mixing: TokenMixing, old: Tokenizer, new: Tokenizer) -> None:
    """Require a mixing of these tokens, as far as it says of which it is."""
    if mixing.shape != (new.size, old.size):
        raise ShapeError(
            f"mixing: expected {new.size} target tokens by {old.size} source tokens, as the "
            f"tokenizers have, got {mixing.shape[0]} by {mixing.shape[1]}"
        )
    for name, told, tokens in (
        ("target", mixing.target_tokens, new.tokens),
        ("source", mixing.source_tokens, old.tokens),
    ):
        for row, (one, other) in enumerate(zip(told or (), tokens, strict=False)):
            if one != other:
                raise ValueError(
                    f"mixing: its {name} token {row} is {one!r}, that of the tokenizer {other!r}"
                )


def _require_padding(checkpoint: Checkpoint, edited: Mapping[str, Edited]) -> None:
    """Refuse to move the padding of a model whose positions begin after its id."""
    old = checkpoint.config.get("pad_token_id")
    kind = checkpoint.config.get("model_type")
    place = checkpoint.folder.relative("config.json")
    new = edited[place].value.get("pad_token_id") if place in edited else old
    if kind in _checkpoint._POSITIONS_BY_PADDING and isinstance(old, int) and new != old:
        raise FormatError(
            f"{checkpoint.folder.transformer}: {kind} counts positions from the id of padding, "
            f"{old}; the new tokenizer has it at {new}: train it with the padding token "
            "at the same id"
        )


def _several(
    checkpoint: Checkpoint,
    base: TokenMixing,
    new: Tokenizer,
    renumber: Any,
    roles: Mapping[str, Any],
) -> list[str]:
    """Say which ids were chosen of several, in fields that do not say what the token is for."""
    copies = _tokens.copies(base)
    return [
        f"{file}: {field.name}: {field.id} has several new tokens "
        f"({', '.join(repr(new.tokens[row]) for row in copies[field.id][:5])}): took "
        f"{new.tokens[renumber(field.id)]!r}"
        for file, fields in checkpoint.id_fields.items()
        for field in fields
        if len(copies.get(field.id, ())) > 1 and field_of(field.name) not in roles
    ]


def _origins(mixing: TokenMixing, new: Tokenizer, recipe: _recipes.Recipe) -> dict[str, Any]:
    """Count the rows of each origin, by kind of token; the last column is what has no text."""
    each = kinds(vocabulary("target", new)).astype(np.int64)
    each[each < 0] = len(KINDS)
    fallback = recipe.name if recipe.name in ("mean", "gaussian") else "mean"
    found = {}
    for number, name in enumerate(mixing.origin_names):
        own = each[mixing.origins == number]
        if len(own):
            counts = np.bincount(own, minlength=len(KINDS) + 1)
            found[fallback if name == "fallback" else name] = counts
    return found
