"""The published packages beside ours: their own functions on the same arrays.

``pip install deepfocus mergekit wechsel`` brings them (``--no-deps`` and what their imports then
miss is enough: no model is loaded, nothing is downloaded). Tokens are numbers here, so that
what is measured is arithmetic and not the reading of vocabularies.
"""

from __future__ import annotations

import importlib
import os
import warnings
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


def package(name: str) -> Any:
    """Import a peer, or skip."""
    # Bars would be printed for each call.
    os.environ.setdefault("TQDM_DISABLE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(name.split(".")[0], exc_type=ImportError)
        try:
            return importlib.import_module(name)
        except ImportError as error:
            pytest.skip(f"{name}: {error}")


class Numbers:
    """A tokenizer whose tokens are its ids."""

    def __init__(self, size: int) -> None:
        self.tokens = [str(number) for number in range(size)]
        self.vocab = {token: number for number, token in enumerate(self.tokens)}
        self.special_tokens_map: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.tokens)

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        if isinstance(ids, int | np.integer):
            return self.tokens[ids]
        return [self.tokens[number] for number in ids]


@dataclass
class Focus:
    """deepfocus: the step that makes the new rows.

    Attributes
    ----------
    vectors : array
        Auxiliary vectors of the shared tokens, then of the new ones.
    rows : array
        Rows of the shared tokens.
    """

    vectors: Any
    rows: Any

    def __call__(self) -> Any:
        torch, own = package("torch"), package("deepfocus.focus")
        rows, shared = torch.from_numpy(self.rows), len(self.rows)
        tokens = [
            SimpleNamespace(auxiliary_embedding=vector, target=SimpleNamespace(id=number))
            for number, vector in enumerate(self.vectors)
        ]
        for token, row in zip(tokens, rows, strict=False):
            token.source_embedding = row
        made = torch.zeros((len(tokens), rows.shape[1]))
        made[:shared] = rows
        known, new = dict(enumerate(tokens[:shared])), dict(enumerate(tokens[shared:]))
        found: Any = own.focus_additional_token_initialization(known, new, made, device="cpu")
        return found.numpy()


def pursuit(targets: Any, atoms: Any, k: int) -> Any:
    """mergekit-tokensurgeon: supports and coefficients."""
    torch, own = package("torch"), package("mergekit.tokensurgeon.omp")
    with torch.no_grad():
        support, weights = own.batch_omp(torch.from_numpy(targets), torch.from_numpy(atoms), k)
    return support.numpy(), weights.numpy()


def wechsel(source: Any, target: Any, table: Any, k: int, temperature: float) -> Any:
    """The reference package: rows of the target tokens."""
    own = package("wechsel")
    made, _, _ = own.create_target_embeddings(
        source,
        target,
        Numbers(len(source)),
        Numbers(len(target)),
        table,
        neighbors=k,
        temperature=temperature,
        verbose=False,
    )
    return made
