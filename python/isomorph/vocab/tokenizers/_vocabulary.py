"""What a tokenizer.json says of its tokens: read once, validated, and the same for every kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph.vocab.tokenizers._documents import Fields, require_id, require_text

__all__ = ["Added", "Vocabulary", "processors"]

KINDS = {"WordPiece": "wordpiece", "Unigram": "unigram", "BPE": "bpe", "WordLevel": "wordlevel"}

#: Ids far above the number of tokens would make tables by id of any size out of a small file.
_HOLES = 1 << 20


@dataclass(frozen=True)
class Added:
    """A token that is cut out of the text before the model sees it."""

    id: int
    content: str
    special: bool
    in_model: bool
    #: Whether it is cut out wherever it stands, so that the model never sees its text.
    always_cut: bool


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a tokenizer, by id.

    `tokens` has None where no token has the id. `scores` are the Unigram model's. `merges` are
    triples (left, right, product) of ids, of shape (n, 3), and `ranks` say which comes first:
    the lower, and of the same rank the leftmost.
    """

    kind: str
    tokens: tuple[str | None, ...]
    ids: dict[str, int]
    added: tuple[Added, ...]
    unknown: int | None
    scores: NDArray[np.float64] | None
    merges: NDArray[np.int64]
    ranks: NDArray[np.int64]
    prefix: str
    suffix: str
    byte_fallback: bool
    ignore_merges: bool

    @property
    def size(self) -> int:
        """One more than the largest id."""
        return len(self.tokens)

    @property
    def in_model(self) -> NDArray[np.bool_]:
        """Which ids are the model's own, and not of added tokens alone; shape (size,)."""
        mask = np.zeros(self.size, dtype=np.bool_)
        mask[np.fromiter(self.ids.values(), np.int64, len(self.ids))] = True
        return mask


def read(file: str, document: Any) -> Vocabulary:
    """Read and validate a tokenizer.json.

    Raises
    ------
    FormatError
        Naming the file and the field.
    """
    top = Fields(file, document)
    model = top.inside("model")
    kind = _kind(model)
    scores: NDArray[np.float64] | None = None
    if kind == "unigram":
        ids, scores = _pieces(model)
    else:
        ids = _numbered(model)
    unknown = _unknown(model, kind, ids)
    added = _added(top, ids)
    size = 1 + max([*ids.values(), *(token.id for token in added)], default=-1)
    if size > 2 * (len(ids) + len(added)) + _HOLES:
        raise model.wrong("vocab", f"ids without large holes for {len(ids)} tokens", size - 1)
    tokens: list[str | None] = [None] * size
    for token, number in ids.items():
        if tokens[number] is not None:
            raise model.wrong("vocab", f"one token of id {number}", [tokens[number], token])
        tokens[number] = token
    for entry in added:
        tokens[entry.id] = entry.content
    prefix, suffix = "", ""
    if kind in ("wordpiece", "bpe"):
        default = "##" if kind == "wordpiece" else ""
        prefix = default if (given := model.text("continuing_subword_prefix")) is None else given
        suffix = (kind == "bpe" and model.text("end_of_word_suffix")) or ""
    merges, ranks = _merges(model, ids, prefix) if kind == "bpe" else (_no_merges(), _no_ranks())
    return Vocabulary(
        kind,
        tuple(tokens),
        ids,
        added,
        unknown,
        scores,
        merges,
        ranks,
        prefix,
        suffix,
        model.flag("byte_fallback"),
        model.flag("ignore_merges"),
    )


def _kind(model: Fields) -> str:
    name = model.text("type")
    if name is None:  # files of before 2020 do not say
        vocab = model.value.get("vocab")
        if isinstance(vocab, list):
            return "unigram"
        if "merges" in model.value:
            return "bpe"
        return "wordpiece" if "continuing_subword_prefix" in model.value else "wordlevel"
    if name not in KINDS:
        raise model.wrong("type", f"one of {', '.join(KINDS)}", name)
    return KINDS[name]


def _numbered(model: Fields) -> dict[str, int]:
    vocab = model.value.get("vocab")
    if not isinstance(vocab, dict) or not vocab:
        raise model.wrong("vocab", "an object of tokens and ids", vocab)
    limit = 2**32 - 2
    for token, number in vocab.items():
        if type(number) is not int or not 0 <= number < limit:
            require_id(model, f"vocab[{token!r}]", number)
    _require_texts(model, list(vocab))
    return vocab


def _pieces(model: Fields) -> tuple[dict[str, int], NDArray[np.float64]]:
    vocab = model.value.get("vocab")
    if not isinstance(vocab, list) or not vocab:
        raise model.wrong("vocab", "a list of pieces with their scores", vocab)
    for position, entry in enumerate(vocab):
        if not (
            type(entry) is list
            and len(entry) == 2
            and type(entry[0]) is str
            and type(entry[1]) in (float, int)
        ):
            raise model.wrong(f"vocab[{position}]", "a piece with its score", entry)
    pieces = [entry[0] for entry in vocab]
    _require_texts(model, pieces)
    ids = dict(zip(pieces, range(len(pieces)), strict=True))
    if len(ids) != len(pieces):
        twice = next(n for n, piece in enumerate(pieces) if ids[piece] != n)
        raise model.wrong(f"vocab[{ids[pieces[twice]]}]", "each piece once", pieces[twice])
    try:
        scores = np.array([entry[1] for entry in vocab], dtype=np.float64)
    except OverflowError:
        raise model.wrong("vocab", "scores that float64 holds", "a larger integer") from None
    if not np.isfinite(scores).all():
        bad = int(np.argmin(np.isfinite(scores)))
        raise model.wrong(f"vocab[{bad}]", "a finite score", vocab[bad][1])
    return ids, scores


def _require_texts(model: Fields, tokens: list[str]) -> None:
    try:
        "".join(tokens).encode("utf-8")
    except UnicodeEncodeError:
        for position, token in enumerate(tokens):
            require_text(model, f"vocab[{position}]", token)


def _unknown(model: Fields, kind: str, ids: dict[str, int]) -> int | None:
    if kind == "unigram":
        number = model.value.get("unk_id")
        return None if number is None else require_id(model, "unk_id", number, len(ids))
    token = model.text("unk_token")
    # Not every model has its unknown token among the others (GPT-2 names one all the same).
    return None if token is None else ids.get(token)


def _added(top: Fields, ids: dict[str, int]) -> tuple[Added, ...]:
    found: list[Added] = []
    seen: set[str] = set()
    # The library numbers what the model lacks by counting on, whatever the file says.
    highest = -1
    taken = set(ids.values())
    for position, value in enumerate(top.entries("added_tokens")):
        fields = Fields(top.file, value, f"added_tokens[{position}]")
        content = require_text(fields, "content", fields.value.get("content"))
        number = require_id(fields, "id", fields.value.get("id"))
        if not content:
            raise fields.wrong("content", "a token", content)
        if content in seen:
            raise fields.wrong("content", "each added token once", content)
        seen.add(content)
        inside = content in ids
        expected = ids[content] if inside else max(len(ids), highest + 1)
        if number != expected:
            why = "which model.vocab gives it" if inside else "the next that is free"
            raise fields.wrong("id", f"{expected}, {why}, for {content!r}", number)
        if not inside and number in taken:
            raise fields.wrong("id", "an id of which model.vocab has no token", number)
        highest = max(highest, number)
        special = fields.flag("special")
        # Of whole words only, it is not; where the text was normalised, it may come about later.
        always = not fields.flag("single_word") and (
            not inside or (special and not fields.flag("normalized"))
        )
        found.append(Added(number, content, special, inside, always))
    return tuple(found)


def _no_merges() -> NDArray[np.int64]:
    return np.empty((0, 3), dtype=np.int64)


def _no_ranks() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


def _merges(
    model: Fields, ids: dict[str, int], prefix: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rules = np.empty((len(entries := model.entries("merges")), 3), dtype=np.int64)
    cut = len(prefix)
    for position, entry in enumerate(entries):
        pair = pair_of(entry)
        if pair is None:
            raise model.wrong(f"merges[{position}]", "two tokens", entry)
        left, right = pair
        product = left + (right[cut:] if cut and right.startswith(prefix) else right)
        try:
            rules[position] = ids[left], ids[right], ids[product]
        except KeyError:
            lacking = next(part for part in (left, right, product) if part not in ids)
            raise model.wrong(
                f"merges[{position}]", f"tokens of model.vocab, which has no {lacking!r}", entry
            ) from None
    return rules, np.arange(len(entries), dtype=np.int64)


def pair_of(entry: Any) -> tuple[str, str] | None:
    """Give the two sides of a merge, written as one string or as a pair; None if it is neither."""
    if isinstance(entry, str):
        entry = entry.split(" ")
    if isinstance(entry, list) and len(entry) == 2 and all(type(part) is str for part in entry):
        return entry[0], entry[1]
    return None


def processors(top: Fields) -> list[Fields]:
    """Give the steps of the post-processor, sequences taken apart."""
    if top.value.get("post_processor") is None:
        return []
    waiting, found = [top.inside("post_processor")], []
    while waiting:
        step = waiting.pop(0)
        kind = step.text("type")
        if kind == "Sequence":
            inner = step.entries("processors")
            waiting[:0] = [
                Fields(step.file, value, step.path(f"processors[{n}]"))
                for n, value in enumerate(inner)
            ]
        elif kind in ("TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel"):
            found.append(step)
        else:
            raise step.wrong("type", "a post-processor of the tokenizers library", kind)
    return found
