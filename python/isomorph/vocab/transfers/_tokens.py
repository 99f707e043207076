"""The special tokens of two tokenizers, and the files of the new one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from isomorph.errors import FormatError
from isomorph.vocab.checkpoints._folder import read_json
from isomorph.vocab.mixing import TokenMixing
from isomorph.vocab.tokenizers import Tokenizer
from isomorph.vocab.tokenizers._side_files import (
    CONFIG,
    GENERIC_CLASS,
    JSON_FILES,
    MODELS,
    TEXT_FILES,
)

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
    """Give the old special token of each new one, where they are spelled otherwise."""
    ours, theirs = set(old.tokens), set(new.tokens)
    return {
        token: old_roles[role]
        for role, token in new_roles.items()
        if role in old_roles
        and token != old_roles[role]
        and token in theirs
        and old_roles[role] in ours
    }


def new_ids(old: Tokenizer, new: Tokenizer, base: TokenMixing) -> dict[int, int]:
    """Give the new id of each old one that has one: a copy of its row alone, the first."""
    rows = np.flatnonzero(base.counts == 1)
    sources = base.indices[base.indptr[rows]]
    found: dict[int, int] = {}
    exact = {token: number for number, token in enumerate(new.tokens) if token is not None}
    for row, source in zip(rows.tolist(), sources.tolist(), strict=True):
        found.setdefault(source, row)
    for number, token in enumerate(old.tokens):
        if token in exact and base.counts[exact[token]] == 1:
            row = exact[token]
            if int(base.indices[base.indptr[row]]) == number:
                found[number] = row
    return found


def _name_of(path: Path) -> str:
    """Give the name by which a single file is found in a model's folder."""
    if path.suffix == ".json":
        return "tokenizer.json"
    if path.suffix == ".model":
        return path.name if path.name in MODELS else "tokenizer.model"
    raise FormatError(f"{path}: expected a tokenizer.json or a SentencePiece .model")
