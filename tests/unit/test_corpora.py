"""Corpora: lines of files and of memory, by language, in blocks, with errors that say where."""

from __future__ import annotations

import gzip
import json
import operator
import os
from types import SimpleNamespace

import pytest

from isomorph.errors import DTypeError, FormatError
from isomorph.vocab import Corpus, corpora

TEXT = "one line\n\n  \nund noch eine: ä\r\nthe last, without an end"
LINES = ["one line", "und noch eine: ä", "the last, without an end"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_text_without_a_name_beside_named_text_is_called_corpus():
    named = {"fr": Corpus.from_lines(["un"])}
    both = corpora.as_corpus(Corpus.from_lines(["one"]), named)
    assert both.languages == ("(corpus)", "fr")
    assert corpora.as_corpus(Corpus.from_lines(["one"])).languages == ("",)


def test_a_sentence_is_no_file():
    with pytest.raises(FileNotFoundError, match=r"Corpus\.from_lines"):
        Corpus.from_files(["A sentence given as a text."])


def test_text_and_gz_and_json_lines_are_the_same_lines(folder):
    (folder / "a.txt").write_bytes(TEXT.encode())
    (folder / "bom.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    # Packed or not is seen in the bytes, not in the name.
    (folder / "packed").write_bytes(gzip.compress(TEXT.encode()))
    entries = [{"id": n, "text": line} for n, line in enumerate(LINES)]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, entries)) + "\n")
    (folder / "b.ndjson.gz").write_bytes(gzip.compress((folder / "a.jsonl").read_bytes()))
    for name in ("a.txt", "bom.txt", "packed", "a.jsonl", "b.ndjson.gz"):
        assert list(corpora.lines(folder / name)) == LINES, name


def test_a_record_is_one_line_whatever_line_feeds_are_in_it(folder):
    # Tokens may span line feeds: cut into lines, a document would not be what the model is given.
    texts = [TEXT, "", " \n", "one\r\n\n\ntwo\n"]
    records = [json.dumps({"body": text, "text": None}) for text in texts]
    (folder / "whole.jsonl").write_text("\n".join(records))
    assert list(corpora.lines("whole.jsonl", field="body")) == [texts[0], texts[3]]
    assert list(Corpus.from_lines(texts).lines()) == [texts[0], texts[3]]
    assert list(Corpus.from_lines(["as of a file\r\n"]).lines()) == ["as of a file"]


def test_a_pipe_is_refused_by_name(folder):
    os.mkfifo(folder / "pipe")
    for path in ("pipe", "pip*"):
        with pytest.raises(FormatError, match="pipe: is a pipe; a corpus is read several times"):
            Corpus.from_files(path)
    with pytest.raises(FormatError, match="/dev/null: is no regular file"):
        Corpus.from_files("/dev/null")


def test_only_line_feeds_end_lines(folder):
    (folder / "a.txt").write_text("one\u2028still\x0b\x85one\rtwo\n", newline="")
    assert list(corpora.lines("a.txt")) == ["one\u2028still\x0b\x85one\rtwo"]
    (folder / "blank.txt").write_text("\u00a0\n\u3000 \nx\n")
    assert list(corpora.lines("blank.txt")) == ["x"]


def test_patterns_and_labels(folder):
    for name in ("b.txt", "a.txt", "c.md"):
        (folder / name).write_text(f"of {name}\n")
    (folder / "deep").mkdir()
    (folder / "deep" / "d.txt").write_text("deep\n")
    assert list(corpora.lines("*.txt")) == ["of a.txt", "of b.txt"]
    assert list(corpora.lines(["b.txt", "*.txt"])) == ["of b.txt", "of a.txt"]
    assert list(corpora.lines("**/*.txt")) == ["of a.txt", "of b.txt", "deep"]
    labelled = Corpus.from_files([("fr", "a.txt"), ("en", "b.txt"), ("fr", "c.md"), "deep/d.txt"])
    assert labelled.languages == ("fr", "en", "")
    assert list(labelled.lines("fr")) == ["of a.txt", "of c.md"]
    # The name of a file may look like a pattern.
    (folder / "a[1].txt").write_text("odd\n")
    assert list(corpora.lines("a[1].txt")) == ["odd"]


def test_blocks_are_bounded_and_whole(folder):
    (folder / "a.txt").write_text("".join(f"line {n}\n" for n in range(1000)))
    corpus = Corpus.from_files("a.txt", language="en") + Corpus.from_lines(["x", "y"])
    blocks = list(corpus.blocks(characters=100))
    assert all(sum(map(len, block)) < 100 + 8 for _, block in blocks)
    assert [line for _, block in blocks for line in block] == list(corpus.lines())
    assert {label for label, _ in blocks} == {"en", ""}
    # As often as it is needed.
    assert list(corpus.blocks(characters=100)) == blocks
    assert str(corpus) == "a.txt, 2 lines in memory"


def test_words_are_a_corpus():
    assert list(Corpus.from_words(["a", "b"]).lines()) == ["a", "b"]
    embeddings = SimpleNamespace(words=("c", "d"))
    assert corpora.as_corpus(embeddings, {"fi": embeddings}).languages == ("(corpus)", "fi")


@pytest.mark.parametrize("start", [0, 70000])
def test_bytes_that_are_no_utf8_are_named(folder, start):
    good = ("x" * 99 + "\n") * (start // 100)
    (folder / "a.txt").write_bytes(good.encode() + "é\n".encode() + b"caf\xe9\nx\n")
    line, byte = start // 100 + 2, len(good) + 3 + 3
    with pytest.raises(FormatError, match=rf"a.txt: line {line}, byte {byte}: expected UTF-8, got"):
        list(corpora.lines("a.txt"))
    assert list(corpora.lines("a.txt", errors="replace"))[-2] == "caf\ufffd"
    with pytest.raises(ValueError, match="errors: expected one of strict, replace"):
        corpora.lines("a.txt", errors="ignore")


def test_the_byte_of_an_error_counts_the_mark_at_the_beginning(folder):
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbfab\xff\n")
    with pytest.raises(FormatError, match="line 1, byte 5: expected UTF-8, got the byte 0xff"):
        list(corpora.lines("a.txt"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", "ab\n".encode("utf-16"), "begins as UTF-16 does: convert it"),
        ("a.txt", b"\x28\xb5\x2f\xfd" + b"x" * 20, "packed by zstd; unpack"),
        ("a.txt", b"\xfd7zXZ\x00" + b"x" * 20, "packed by xz"),
        ("a.txt", b"BZh91AY", "packed by bzip2"),
        ("a.zip", b"PK\x03\x04", "a zip archive"),
        ("a.parquet", b"PAR1", "a Parquet file"),
        ("a.gz", gzip.compress(b"line\n" * 9999)[:-30], "damaged gzip data"),
        ("a.gz", b"\x1f\x8b\x08\x00" + b"junk" * 9, "damaged gzip data"),
        ("a.gz", gzip.compress(b"l\n") + b"junk", "damaged gzip data"),
        ("a.gz", gzip.compress(os.urandom(999).hex().encode() + b"\n" * 9)[:40] + b"\0" * 500,
         "damaged gzip data"),
        ("a.txt", b"x" * ((16 << 20) + 1), "line 1: expected at most 16 MiB"),
        ("a.gz", gzip.compress(b"x" * (100 << 20), 1), "line 1: expected at most 16 MiB"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "line 2: expected one JSON object"),
        ("a.jsonl", b'["text"]\n', "line 1: expected a JSON object with the field 'text', got lis"),
        ("a.jsonl", b'{"body": "a", "id": 1}\n', "expected the field 'text', got 'body', 'id'"),
        ("a.jsonl", b"{}\n", "expected the field 'text', got none"),
        ("a.jsonl", b'{"text": 5}\n', "field 'text': expected a string, got int"),
        ("a.jsonl", b"[" * 100000, "line 1: expected one JSON object"),
    ],
)  # fmt: skip
def test_files_that_are_not_what_they_say(folder, name, content, said):
    (folder / name).write_bytes(content)
    with pytest.raises(FormatError, match=f"{name}: .*{said}"):
        list(corpora.lines(name))


def test_a_lone_surrogate_of_json_is_replaced(folder):
    (folder / "a.jsonl").write_text('{"text": "a\\ud800b"}\n')
    assert list(corpora.lines("a.jsonl")) == ["a?b"]


def test_text_that_is_not_there(folder):
    with pytest.raises(FileNotFoundError, match=r"No such file.*none\.txt"):
        corpora.lines("none.txt")
    with pytest.raises(FileNotFoundError, match=r"no file matches the pattern.*none\*"):
        corpora.lines("none*")
    with pytest.raises(FormatError, match="is a folder; name its files"):
        corpora.lines(folder)
    (folder / "empty.txt").write_bytes(b"")
    (folder / "blank.txt").write_bytes(b"\n \n")
    with pytest.raises(FormatError, match=r"expected text, got only blank lines in .*blank.txt"):
        list(Corpus.from_files(["empty.txt", "blank.txt"]).blocks())
    languages = corpora.as_corpus(None, {"en": Corpus.from_lines(["a"]), "fr": "empty.txt"})
    with pytest.raises(FormatError, match="language 'fr': expected text, got only blank lines"):
        list(languages.blocks())
    with pytest.raises(FormatError, match="expected files or lines, got none"):
        list(Corpus(()).blocks())


def test_things_that_are_no_corpus():
    with pytest.raises(DTypeError, match="lines: expected a list of lines, got a single string"):
        Corpus.from_lines("a line")
    with pytest.raises(DTypeError, match="lines: expected str, got int at position 1"):
        Corpus.from_lines(["a", 1])
    with pytest.raises(DTypeError, match="expected paths of files, got int"):
        Corpus.from_files([1])
    with pytest.raises(DTypeError, match="language: expected a name as str"):
        Corpus.from_lines(["a"], language=1)
    with pytest.raises(DTypeError, match="text by language is given as languages="):
        corpora.as_corpus({"fr": ["a"]})
    with pytest.raises(ValueError, match="a language is known by its text"):
        corpora.as_corpus(None, "fr")
    with pytest.raises(TypeError):
        operator.add(Corpus.from_lines(["a"]), ["b"])


def test_files_that_are_read_otherwise_are_not_joined(folder):
    (folder / "a.txt").write_bytes(b"a\xff\n")
    strict, lax = (Corpus.from_files("a.txt", errors=errors) for errors in ("strict", "replace"))
    with pytest.raises(ValueError, match="must read their files alike"):
        strict + lax
    assert list((Corpus.from_lines(["x"]) + lax).lines()) == ["x", "a\ufffd"]
