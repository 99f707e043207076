"""Outputs appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from isomorph.cli._outputs import output_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_and_raise(folder: Path, error: type[BaseException]) -> None:
    with output_folder(folder) as draft:
        (draft / "one").write_text("half")
        raise error


def test_a_new_folder_appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a" / "out"
    with output_folder(target) as draft:
        (draft / "one").write_text("1")
        assert not target.exists()
    assert names(target) == ["one"]
    assert names(tmp_path / "a") == ["out"]


def test_a_failure_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_and_raise(tmp_path / "a" / "out", KeyboardInterrupt)
    assert names(tmp_path) == []


def test_a_failure_keeps_the_earlier_output(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "one").write_text("earlier")
    with pytest.raises(RuntimeError):
        write_and_raise(tmp_path / "out", RuntimeError)
    assert (tmp_path / "out" / "one").read_text() == "earlier"
    assert names(tmp_path) == ["out"]


def test_files_are_replaced_and_others_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "one").write_text("earlier")
    (tmp_path / "out" / "own").write_text("the user's")
    with output_folder(tmp_path / "out") as draft:
        (draft / "one").write_text("later")
    assert (tmp_path / "out" / "one").read_text() == "later"
    assert (tmp_path / "out" / "own").read_text() == "the user's"
    assert names(tmp_path) == ["out"]


def test_a_file_in_the_way_is_named_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("precious")
    with pytest.raises(NotADirectoryError, match="out"), output_folder(tmp_path / "out"):
        pytest.fail("the work began")
    assert (tmp_path / "out").read_text() == "precious"


def test_a_relative_folder_is_taken_from_here(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with output_folder(Path("out")) as draft:
        (draft / "one").write_text("1")
        monkeypatch.chdir(draft)
    assert names(tmp_path / "out") == ["one"]


def test_an_error_names_the_folder_that_was_asked_for(tmp_path: Path, monkeypatch) -> None:
    def refuse(path: Path, **options: bool) -> None:
        # The parents are there already; of the draft, nothing may be made.
        if not options:
            raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PermissionError) as raised, output_folder(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert raised.value.filename == str(tmp_path / "out")
