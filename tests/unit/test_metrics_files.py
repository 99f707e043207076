"""Files under three conventions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph import errors
from isomorph.metrics import Convention, evaluate_files
from isomorph.metrics.files import load_as


def write_vectors(path: Path, rows: list[tuple[str, list[float]]]) -> Path:
    lines = [" ".join([word, *map(str, values)]) for word, values in rows]
    path.write_text(f"{len(rows)} {len(rows[0][1])}\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


AXES = np.eye(4).tolist()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Sources with an upper-case and a repeated word; a dictionary with an unknown one."""
    source = [
        ("Cat", AXES[0]),
        ("dog", AXES[1]),
        ("cat", AXES[1]),
        ("dog", AXES[2]),
        ("a", AXES[3]),
    ]
    target = [("chat", AXES[0]), ("chien", AXES[1]), ("canin", AXES[2]), ("un", AXES[3])]
    dictionary = tmp_path / "test.tsv"
    dictionary.write_text("cat\tchat\ndog\tchien\nbird\toiseau\na\tun\n", encoding="utf-8")
    return (
        write_vectors(tmp_path / "en.vec", source),
        write_vectors(tmp_path / "fr.vec", target),
        dictionary,
    )


def test_the_three_conventions_side_by_side(files: tuple[Path, Path, Path]) -> None:
    options: dict[str, Any] = {"at": (1,), "neighborhood": 1, "resamples": 50}
    result = evaluate_files(*files, **options)
    # VecMap: "cat" is the axis of chien, and the last "dog" that of canin: only "a" is right of 3.
    assert result["vecmap", "nn"].precision[1] == pytest.approx(1 / 3)
    # MUSE: "cat" is the first of Cat and cat, and so the axis of chat; first dog: all 3 right.
    assert result["muse", "nn"].precision[1] == 1.0
    # fastText: first dog, but "cat" as written; 2 right of all 4.
    assert result["fasttext", "nn"].precision[1] == 0.5
    assert result.rows == {"vecmap": (4, 4), "muse": (3, 4), "fasttext": (4, 4)}
    assert [(r.convention, r.method) for r in result] == list(result.results)
    assert str(result).splitlines()[0].startswith("NN (vecmap): P@1 33.33")
    assert result.as_dict()["muse"]["source_rows"] == 3
    assert result.as_dict()["muse"]["nn"]["coverage"] == 0.75


def test_one_convention_and_one_of_your_own(files: tuple[Path, Path, Path]) -> None:
    options: dict[str, Any] = {"at": (1,), "methods": ["nn"], "resamples": 50}
    assert list(evaluate_files(*files, conventions="muse", **options).results) == [("muse", "nn")]
    mine = Convention("mine", duplicates="last", lowercase=True)
    result = evaluate_files(*files, conventions=[mine], **options)["mine", "nn"]
    assert result.precision[1] == pytest.approx(1 / 3)


def test_a_map_is_applied(files: tuple[Path, Path, Path]) -> None:
    turn = np.roll(np.eye(4, dtype=np.float32), 1, axis=1)
    options: dict[str, Any] = {"at": (1,), "methods": ["nn"], "resamples": 50}
    turned = evaluate_files(*files, map=iso.LinearMap(turn), **options)
    assert turned["muse", "nn"].precision[1] == 0.0
    alignment = iso.Alignment(None, iso.LinearMap(turn @ turn.T), None)
    same = evaluate_files(*files, map=alignment, **options)
    assert same["muse", "nn"].precision[1] == 1.0


def test_limits_count_rows_or_distinct_words(tmp_path: Path) -> None:
    rows = [("A", [1.0]), ("a", [2.0]), ("B", [3.0]), ("b", [4.0]), ("c", [5.0]), ("d", [6.0])]
    path = write_vectors(tmp_path / "x.vec", rows)
    lower = Convention("x", lowercase=True, limit=3)
    loaded = load_as(path, lower)
    assert (list(loaded.words), loaded.vectors[:, 0].tolist()) == (["a", "b", "c"], [1, 3, 5])
    assert list(load_as(path, Convention("x", lowercase=True, limit=9)).words) == list("abcd")
    assert list(load_as(path, Convention("x", limit=3)).words) == ["A", "a", "B"]
    last = load_as(path, Convention("x", lowercase=True, duplicates="last"))
    assert last.vectors[:, 0].tolist() == [2, 4, 5, 6]


def test_zero_rows_as_muse_has_them(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "x.vec", [("a", [0.0, 0.0]), ("b", [0.0, 1.0])])
    assert load_as(path, "muse").vectors.tolist() == [[np.float32(0.01), 0.0], [0.0, 1.0]]
    assert load_as(path, "vecmap").vectors.tolist() == [[0.0, 0.0], [0.0, 1.0]]


def test_bad_arguments_are_named(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="conventions"):
        evaluate_files(*files, conventions=[])
    with pytest.raises(ValueError, match="convention: expected one of vecmap"):
        evaluate_files(*files, conventions="mine")
    with pytest.raises(ValueError, match="seed"):
        evaluate_files(*files, seed=-1)
    with pytest.raises(FileNotFoundError):
        evaluate_files(tmp_path / "none.vec", *files[1:])
    stranger = tmp_path / "stranger.tsv"
    stranger.write_text("x\ty\n")
    with pytest.raises(errors.DictionaryError):
        evaluate_files(*files[:2], stranger)
