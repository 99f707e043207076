"""Libraries that only some work needs."""

from __future__ import annotations

import json

import pytest

from isomorph._extras import require


def test_a_library_that_is_there() -> None:
    assert require("json", extra="vocab", purpose="This test") is json


def test_a_library_that_is_not_there_is_named_with_its_extra() -> None:
    with pytest.raises(ImportError, match=r"Trimming needs no_such_module: pip install"):
        require("no_such_module", extra="vocab", purpose="Trimming")


def test_a_library_that_lacks_one_of_its_own_says_so_itself(tmp_path, monkeypatch) -> None:
    (tmp_path / "lacking.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_module'"):
        require("lacking", extra="vocab", purpose="Trimming")
