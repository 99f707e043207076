"""A tokenizer.json with fewer tokens: every id that it holds, renumbered."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph.vocab._changes import Change
from isomorph.vocab.tokenizers._documents import Fields, require_id
from isomorph.vocab.tokenizers._vocabulary import Vocabulary, pair_of, processors

__all__ = ["named_ids", "places_of_ids", "rewrite"]


def named_ids(file: str, document: dict[str, Any], vocabulary: Vocabulary) -> set[int]:
    """Give the ids that the post-processor and the padding name, checked.

    Raises
    ------
    FormatError
        An id that no token has.
    """
    found: set[int] = set()
    for fields, field, value in _places(file, document):
        number = require_id(fields, field, value, vocabulary.size)
        if vocabulary.tokens[number] is None:
            raise fields.wrong(field, "the id of a token", number)
        found.add(number)
    return found


def places_of_ids(file: str, document: dict[str, Any]) -> dict[str, int]:
    """Give the ids that the post-processor and the padding name, by their places."""
    return {
        f"{file}: {fields.path(field)}": value for fields, field, value in _places(file, document)
    }


def _places(file: str, document: dict[str, Any]) -> Iterator[tuple[Fields, str, Any]]:
    top = Fields(file, document)
    for step in processors(top):
        yield from _ids_in(step)
    if top.value.get("padding") is not None:
        padding = top.inside("padding")
        if padding.value.get("pad_id") is not None:
            yield padding, "pad_id", padding.value["pad_id"]


def _ids_in(step: Fields) -> list[tuple[Fields, str, Any]]:
    """List the ids of a post-processor: where each is, and what it is."""
    kind = step.value["type"]
    found: list[tuple[Fields, str, Any]] = []
    if kind in ("BertProcessing", "RobertaProcessing"):
        for side in ("sep", "cls"):
            pair = step.value.get(side)
            if not isinstance(pair, list) or len(pair) != 2:
                raise step.wrong(side, "a token and its id", pair)
            found.append((step, f"{side}[1]", pair[1]))
    elif kind == "TemplateProcessing":
        for name in _template(step).value:
            token = _template(step).inside(name)
            found.extend(
                (token, f"ids[{n}]", number) for n, number in enumerate(token.entries("ids"))
            )
    return found


def _template(step: Fields) -> Fields:
    return step.inside("special_tokens")


def rewrite(
    file: str,
    document: dict[str, Any],
    vocabulary: Vocabulary,
    kept: NDArray[np.int64],
    *,
    ignore_merges: bool,
) -> tuple[dict[str, Any], list[Change]]:
    """Give the document of the kept ids (ascending), and what is other in it.

    The document given stays as it is; what does not change is shared with it.
    """
    new = np.full(vocabulary.size, -1, dtype=np.int64)
    new[kept] = np.arange(len(kept))
    changes: list[Change] = []
    made = dict(document)
    made["model"] = _model(file, document["model"], vocabulary, new, changes)
    if ignore_merges and not vocabulary.ignore_merges:
        changes.append(Change(file, "model.ignore_merges", False, True))
        made["model"]["ignore_merges"] = True
    made["added_tokens"] = _added(file, document, made["model"], new, changes)
    if not document.get("added_tokens") and "added_tokens" not in document:
        del made["added_tokens"]
    for part in ("post_processor", "padding"):
        if document.get(part) is not None:
            made[part] = copy.deepcopy(document[part])
    top = Fields(file, made)
    for step in processors(top):
        for fields, field, value in _ids_in(step):
            _set(fields, field, value, int(new[value]), changes)
    if made.get("padding") is not None and (pad := made["padding"].get("pad_id")) is not None:
        _set(top.inside("padding"), "pad_id", pad, int(new[pad]), changes)
    return made, changes


def _set(fields: Fields, field: str, old: int, new: int, changes: list[Change]) -> None:
    name, _, place = field.partition("[")
    if place:
        fields.value[name][int(place[:-1])] = new
    else:
        fields.value[name] = new
    if old != new:
        changes.append(Change(fields.file, fields.path(field), old, new))


def _model(
    file: str,
    model: dict[str, Any],
    vocabulary: Vocabulary,
    new: NDArray[np.int64],
    changes: list[Change],
) -> dict[str, Any]:
    made = dict(model)
    renumbered = new.tolist()
    before = len(vocabulary.ids)
    if vocabulary.kind == "unigram":
        made["vocab"] = [
            entry for entry, number in zip(model["vocab"], renumbered, strict=False) if number >= 0
        ]
        if vocabulary.unknown is not None:
            made["unk_id"] = renumbered[vocabulary.unknown]
            if made["unk_id"] != vocabulary.unknown:
                changes.append(Change(file, "model.unk_id", vocabulary.unknown, made["unk_id"]))
    else:
        # In the order of the ids, whatever the order in the file was.
        found = sorted(
            (renumbered[number], token)
            for token, number in vocabulary.ids.items()
            if renumbered[number] >= 0
        )
        made["vocab"] = {token: number for number, token in found}
    if len(made["vocab"]) != before:
        after = len(made["vocab"])
        changes.append(Change(file, "model.vocab", f"{before} entries", f"{after} entries"))
    if vocabulary.kind == "bpe" and len(vocabulary.merges):
        stays: NDArray[np.bool_] = np.all(new[vocabulary.merges] >= 0, axis=1)
        made["merges"] = [
            entry for entry, kept in zip(model["merges"], stays.tolist(), strict=True) if kept
        ]
        if (after := len(made["merges"])) != len(stays):
            changes.append(
                Change(file, "model.merges", f"{len(stays)} entries", f"{after} entries")
            )
    return made


def _added(
    file: str,
    document: dict[str, Any],
    model: dict[str, Any],
    new: NDArray[np.int64],
    changes: list[Change],
) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    highest = -1
    inside = {entry[0] for entry in model["vocab"]} if isinstance(model["vocab"], list) else None
    size = len(model["vocab"])
    for position, entry in enumerate(document.get("added_tokens") or []):
        number = int(new[entry["id"]])
        where = f"added_tokens[{position}].id"
        if number < 0:
            changes.append(Change(file, where, entry["id"], None))
            continue
        if number != entry["id"]:
            changes.append(Change(file, where, entry["id"], number))
        known = model["vocab"] if inside is None else inside
        if entry["content"] not in known and number != max(size, highest + 1):
            # The library would count on from the largest id; said in the model, it is so.
            model["vocab"][entry["content"]] = number
        highest = max(highest, number)
        made.append({**entry, "id": number})
    return made


def merge_pairs(model: dict[str, Any]) -> list[tuple[str, str]]:
    """Give the merges of a model as pairs, whichever way they are written."""
    pairs = (pair_of(entry) for entry in model.get("merges") or [])
    return [pair for pair in pairs if pair is not None]
