"""The special tokens of two tokenizers, and the files of the new one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isomorph.errors import FormatError
from isomorph.vocab.checkpoints._folder import read_json
from isomorph.vocab.mixing import TokenMixing
from isomorph.vocab.tokenizers import Tokenizer
from isomorph.vocab.tokenizers._loading import GENERIC_CLASS
from isomorph.vocab.tokenizers._side_files import CONFIG, JSON_FILES, MODELS, TEXT_FILES

SPECIAL_MAP = "special_tokens_map.json"
#: Everything that a tokenizer's folder may have of it.
FILES = ("tokenizer.json", *JSON_FILES, *TEXT_FILES, *MODELS)
#: What special tokens are for, and how they are usually spelled.
_USUAL = {
    "unk_token": ("[UNK]", "<unk>", "<|unk|>"),
    "pad_token": ("[PAD]", "<pad>", "<|pad|>"),
    "cls_token": ("[CLS]", "<s>", "<cls>"),
    "sep_token": ("[SEP]", "</s>", "<sep>"),
    "mask_token": ("[MASK]", "<mask>", "<|mask|>"),
    "bos_token": ("<s>", "[BOS]", "<bos>", "<|begin_of_text|>", "<|endoftext|>"),
    "eos_token": ("</s>", "[EOS]", "<eos>", "<|end_of_text|>", "<|endoftext|>"),
}
#: Of a token that is for several things, what counts first.
_ORDER = tuple(f"{role}_token" for role in ("eos", "bos", "sep", "cls", "pad", "mask", "unk"))


class NewTokenizer:
    """The tokenizer that a model is moved to: a folder, or one file.

    Attributes
    ----------
    tokenizer : Tokenizer
        What it says.
    files : dict of str to Path
        Its files.
    roles : dict of str to str
        Its special tokens: ``{"pad_token": "<pad>"}``.
    """

    def __init__(self, path: Path, old_roles: dict[str, str]) -> None:
        self.tokenizer = Tokenizer.load(path)
        single = path.is_file()
        folder = path.parent if single else path
        self.files = (
            {_name_of(path): path}
            if single
            else {name: folder / name for name in FILES if (folder / name).is_file()}
        )
        said = {} if single else roles_of(folder)
        known = set(self.tokenizer.tokens)
        self.roles = {role: token for role, token in said.items() if token in known}
        for role, old in old_roles.items():
            if role in self.roles:
                continue
            guess = next((one for one in (old, *_USUAL.get(role, ())) if one in known), None)
            if guess is not None:
                self.roles[role] = guess

    def write(self, folder: Path, old_config: dict[str, Any]) -> None:
        """Write its files, and a configuration where it has none."""
        for name, path in self.files.items():
            (folder / name).write_bytes(path.read_bytes())
        if CONFIG in self.files or "tokenizer.json" not in self.files:
            return
        config: dict[str, Any] = {"tokenizer_class": GENERIC_CLASS}
        for name in ("model_max_length", "padding_side", "model_input_names"):
            if name in old_config:
                config[name] = old_config[name]
        config |= self.roles
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        (folder / CONFIG).write_text(text, encoding="utf-8")


def roles_of(folder: Path) -> dict[str, str]:
    """Read which special token is for what."""
    found: dict[str, str] = {}
    for name in (SPECIAL_MAP, CONFIG):
        if not (folder / name).is_file():
            continue
        for role, value in read_json(folder / name).items():
            if role not in _USUAL or role in found:
                continue
            content = value.get("content") if isinstance(value, dict) else value
            if isinstance(content, str):
                found[role] = content
    return found


def aliases(
    old: Tokenizer, old_roles: dict[str, str], new: Tokenizer, new_roles: dict[str, str]
) -> dict[str, str]:
    """Give the old special token of each new one, where they are spelled otherwise.

    A new token that is for several things has the row of the first of them in `_ORDER`.
    """
    ours, theirs = set(old.tokens), set(new.tokens)
    found: dict[str, str] = {}
    for role in _ORDER:
        token, before = new_roles.get(role), old_roles.get(role)
        if token in theirs and before in ours and token is not None and before is not None:
            found.setdefault(token, before)
    return {token: before for token, before in found.items() if token != before}


def role_ids(
    old: Tokenizer,
    old_roles: Mapping[str, str],
    new: Tokenizer,
    new_roles: Mapping[str, str],
    given: Mapping[str, str],
) -> dict[str, tuple[int | None, int]]:
    """Give the ids of special tokens, before and after, by the field that names them.

    Old tokens that `given` aliases speak of are left out: the user says what becomes of them.
    """
    ours, theirs = _numbers(old), _numbers(new)
    spoken = set(given.values())
    return {
        f"{role}_id": (ours.get(old_roles.get(role, "")), theirs[token])
        for role, token in new_roles.items()
        if token in theirs and old_roles.get(role) not in spoken
    }


def copies(base: TokenMixing) -> dict[int, list[int]]:
    """Give the new ids that are copies of each old row, ascending."""
    rows = np.flatnonzero(base.counts == 1)
    found: dict[int, list[int]] = {}
    for row, source in zip(rows.tolist(), base.indices[base.indptr[rows]].tolist(), strict=True):
        found.setdefault(source, []).append(row)
    return found


def new_ids(
    old: Tokenizer,
    new: Tokenizer,
    base: TokenMixing,
    roles: Mapping[str, tuple[int | None, int]],
) -> dict[int, int]:
    """Give the new id of each old one that has one: a copy of its row alone.

    Of several, that of the same spelling, then that of the first role in `_ORDER`, then the first.
    """
    exact = _numbers(new)
    by_role = [roles.get(f"{role}_id", (None, -1)) for role in _ORDER]
    found: dict[int, int] = {}
    for source, rows in copies(base).items():
        same = exact.get(old.tokens[source] or "")
        tries = [same, *(after for before, after in by_role if before == source)]
        found[source] = next((one for one in tries if one in rows and one is not None), rows[0])
    return found


def _numbers(tokenizer: Tokenizer) -> dict[str, int]:
    return {token: i for i, token in enumerate(tokenizer.tokens) if token is not None}


def _name_of(path: Path) -> str:
    """Give the name by which a single file is found in a model's folder."""
    if path.suffix == ".json":
        return "tokenizer.json"
    if path.suffix == ".model":
        return path.name if path.name in MODELS else "tokenizer.model"
    raise FormatError(f"{path}: expected a tokenizer.json or a SentencePiece .model")
