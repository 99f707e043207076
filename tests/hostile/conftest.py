"""A small model and a corpus for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import small_models as small


@pytest.fixture
def model(tmp_path: Path) -> Path:
    small.write(tmp_path / "model", "llama")
    return tmp_path / "model"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return small.write_text(tmp_path / "corpus.txt", small.CORPUS)
