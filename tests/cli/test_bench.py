"""``isomorph bench`` measures, records and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isomorph.cli import main


def test_a_case_is_measured_recorded_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "new" / "here"
    options = ["--smoke", "--rounds", "2", "--record", str(record), "--json", "--quiet"]
    assert main(["bench", "--only", "svd 1024 x 16^2 float32", *options]) == 0
    printed = json.loads(capsys.readouterr().out)
    kept = json.loads(record.with_suffix(".json").read_text(encoding="utf8"))
    assert printed == kept
    (case,) = kept["cases"]
    assert case["seconds"] > 0
    assert case["speedups"]["NumPy"] > 0
    page = record.with_suffix(".md").read_text(encoding="utf8")
    assert page.startswith("| case")
    assert "NumPy" in page


def test_an_unknown_case_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "nothing like it"]) == 1
    assert "--only: no case has" in capsys.readouterr().err
