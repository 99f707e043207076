"""Which words are kept."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from isomorph import errors
from isomorph.vocab import prune, script_counts

WORDS = ["the", "කපුටා", "2026", "кот", "été", "USB-кабель", ".", "naïve-2", "東京", "トウキョウ"]


def kept(words: Sequence[str] = WORDS, **options: Any) -> list[str]:
    return list(prune(words, **options).gather(list(words)))


def test_without_a_filter_all_are_kept() -> None:
    assert kept() == WORDS
    assert kept([]) == []


def test_scripts_judge_letters_only() -> None:
    assert kept(scripts="Latin") == ["the", "2026", "été", ".", "naïve-2"]
    assert kept(scripts="latn", keep_without_script=False) == ["the", "été", "naïve-2"]
    assert kept(scripts=["Cyrillic", "Latin"], keep_without_script=False) == [
        "the",
        "кот",
        "été",
        "USB-кабель",
        "naïve-2",
    ]
    assert kept(scripts=("Jpan",), keep_without_script=False) == ["東京", "トウキョウ"]


def test_ascii_words_are_dropped_digits_and_points_too() -> None:
    expected = ["කපුටා", "кот", "été", "USB-кабель", "naïve-2", "東京", "トウキョウ"]
    assert kept(drop_ascii=True) == expected


def test_top_counts_what_the_filters_leave() -> None:
    assert kept(drop_ascii=True, top=2) == ["කපුටා", "кот"]
    assert kept(top=0) == []
    assert kept(top=np.int64(100)) == WORDS


def test_embeddings_are_taken_by_their_words() -> None:
    remap = prune(SimpleNamespace(words=tuple(WORDS)), top=1)  # type: ignore[arg-type]
    assert (remap.new_size, remap.old_size) == (1, len(WORDS))


def test_a_lone_surrogate_is_no_letter() -> None:
    assert kept(["\udc80", "a\udcff"], scripts="Latin") == ["\udc80", "a\udcff"]
    assert kept(["\udc80", "a\udcff"], scripts="Cyrillic") == ["\udc80"]


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r'scripts.*"Klingon"'):
        prune(WORDS, scripts="Klingon")
    with pytest.raises(ValueError, match=r"scripts.*no script"):
        prune(WORDS, scripts=[])
    with pytest.raises(ValueError, match="top"):
        prune(WORDS, top=-1)
    with pytest.raises(ValueError, match="top"):
        prune(WORDS, top=True)
    with pytest.raises(errors.DTypeError, match="top"):
        prune(WORDS, top=1.5)  # type: ignore[arg-type]
    with pytest.raises(errors.DTypeError, match="single string"):
        prune("words")
    with pytest.raises(errors.DTypeError, match="int at 1"):
        prune(["a", 3])  # type: ignore[list-item]


def test_counts_by_script() -> None:
    assert script_counts(WORDS) == {
        "Latin": 3,
        "": 2,
        "Cyrillic": 1,
        "Cyrillic+Latin": 1,
        "Han": 1,
        "Katakana": 1,
        "Sinhala": 1,
    }
