"""Files that contradict themselves: an error that names the file and the field, never another."""

from __future__ import annotations

import json

import pytest

from isomorph.errors import FormatError
from isomorph.vocab import Tokenizer
from support import made_tokenizers

pytest.importorskip("tokenizers")


def at(document, path):
    for key in path[:-1]:
        document = document[key]
    return document, path[-1]


def put(*path_and_value):
    *path, value = path_and_value

    def change(document):
        inside, last = at(document, path)
        inside[last] = value

    return change


def drop(*path):
    def change(document):
        inside, last = at(document, path)
        del inside[last]

    return change


def add_token(**fields):
    token = {"id": 0, "content": "<x>", "special": True, "normalized": False}
    token |= {"single_word": False, "lstrip": False, "rstrip": False}
    return lambda document: document["added_tokens"].append(token | fields)


TEMPLATE = {"type": "TemplateProcessing", "single": [], "pair": []}
CASES = {
    "no model": ("unigram", drop("model"), "model: expected an object"),
    "model a list": ("unigram", put("model", []), "model: expected an object"),
    "kind": ("bpe", put("model", "type", "Trie"), "model.type: expected one of WordPiece"),
    "type no text": ("bpe", put("model", "type", 3), "model.type: expected a string"),
    "no vocab": ("bpe", drop("model", "vocab"), "model.vocab: expected an object"),
    "vocab empty": ("bpe", put("model", "vocab", {}), "model.vocab: expected an object"),
    "id text": ("bpe", put("model", "vocab", "the", "7"), r"model.vocab\['the'\]: expected an id"),
    "id null": ("bpe", put("model", "vocab", "the", None), r"model.vocab\['the'\]"),
    "id true": ("bpe", put("model", "vocab", "the", True), r"model.vocab\['the'\]"),
    "id negative": ("bpe", put("model", "vocab", "the", -1), r"model.vocab\['the'\]"),
    "id huge": ("bpe", put("model", "vocab", "the", 2**31), "without large holes"),
    "id huger": ("bpe", put("model", "vocab", "the", 10**30), r"model.vocab\['the'\]"),
    "id twice": ("bpe", put("model", "vocab", "qqq", 7), "one token of id 7"),
    "surrogate": ("bpe", put("model", "vocab", "\ud800", 600), "half of a surrogate pair"),
    "merge unknown": ("bpe", put("model", "merges", 3, ["q", "☃"]), r"merges\[3\].*has no '☃'"),
    "merge of two unknown": ("bpe", put("model", "merges", 3, ["z", "qqz"]), r"merges\[3\]"),
    "merge of one": ("bpe", put("model", "merges", 3, ["a"]), r"merges\[3\]: expected two"),
    "merge of three": ("bpe", put("model", "merges", 3, "a b c"), r"merges\[3\]: expected two"),
    "merge a number": ("bpe", put("model", "merges", 3, 3), r"merges\[3\]: expected two"),
    "merges an object": ("bpe", put("model", "merges", {}), "model.merges: expected a list"),
    "flag": ("bpe", put("model", "byte_fallback", "no"), "byte_fallback: expected true or false"),
    "prefix": ("bpe", put("model", "continuing_subword_prefix", 3), "prefix: expected a string"),
    "vocab object": ("unigram", put("model", "vocab", {"a": 0}), "model.vocab: expected a list"),
    "piece": ("unigram", put("model", "vocab", 5, ["a"]), r"model.vocab\[5\]: expected a piece"),
    "piece text": ("unigram", put("model", "vocab", 5, "a"), r"model.vocab\[5\]"),
    "piece twice": ("unigram", put("model", "vocab", 5, ["<s>", -1]), "each piece once"),
    "score text": ("unigram", put("model", "vocab", 5, ["a", "b"]), r"model.vocab\[5\]"),
    "score nan": ("unigram", put("model", "vocab", 5, ["ab☃", float("nan")]), "a finite score"),
    "score huge": ("unigram", put("model", "vocab", 5, ["ab☃", 10**400]), "float64|digits"),
    "unk_id": ("unigram", put("model", "unk_id", 10**6), "model.unk_id: expected an id below"),
    "unk_id text": ("unigram", put("model", "unk_id", "0"), "model.unk_id: expected an id below"),
    "unk_token": ("bpe", put("model", "unk_token", 0), "model.unk_token: expected a string"),
    "added object": ("bpe", put("added_tokens", {}), "added_tokens: expected a list"),
    "added text": ("bpe", put("added_tokens", 0, "<s>"), r"added_tokens\[0\]: expected an object"),
    "added no id": ("bpe", drop("added_tokens", 0, "id"), r"added_tokens\[0\].id: expected an id"),
    "added no text": ("bpe", drop("added_tokens", 0, "content"), r"added_tokens\[0\].content"),
    "added empty": ("bpe", add_token(content=""), r"added_tokens\[4\].content: expected a token"),
    "added twice": ("bpe", add_token(content="<s>"), "each added token once"),
    "added elsewhere": ("bpe", add_token(id=5), r"added_tokens\[4\].id: expected 600"),
    "added renamed": ("bpe", put("added_tokens", 1, "id", 2), r"added_tokens\[1\].id: expected 1"),
    "added hole": ("bpe", add_token(id=700), r"added_tokens\[4\].id: expected 600"),
    "special text": ("bpe", add_token(id=600, special="yes"), r"\[4\].special: expected true or"),
    "processor": ("bpe", put("post_processor", {"type": "Mine"}), "post_processor.type: exp"),
    "processor text": ("bpe", put("post_processor", "x"), "post_processor: expected an object"),
    "cls": (
        "bpe",
        put("post_processor", "cls", 1, 900),
        r"post_processor.cls\[1\]: expected",
    ),
    "sep": ("bpe", put("post_processor", "sep", "</s>"), "post_processor.sep: expected a token"),
    "template id": (
        "unigram",
        put("post_processor", "special_tokens", "</s>", "ids", [600]),
        r"post_processor.special_tokens.</s>.ids\[0\]: expected an id below 600",
    ),
    "template": ("unigram", put("post_processor", TEMPLATE), "special_tokens: expected an object"),
    "sequence": (
        "bpe",
        put("post_processor", {"type": "Sequence", "processors": [{"type": "Mine"}]}),
        r"post_processor.processors\[0\].type: expected",
    ),
    "pad": ("bpe", put("padding", "pad_id", 600), "padding.pad_id: expected an id below 600"),
    "padding": ("bpe", put("padding", 3), "padding: expected an object"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_file_is_refused_by_file_and_field(case, tmp_path):
    kind, change, message = CASES[case]
    document = json.loads(made_tokenizers.document("byte-level" if kind == "bpe" else kind))
    change(document)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(FormatError, match=message) as caught:
        Tokenizer.load(tmp_path)
    assert str(caught.value).startswith(str(path))


CONTENTS = {
    "nothing": (b"", "line 1: expected JSON"),
    "not JSON": (b"{'model': 1}", "line 1: expected JSON"),
    "cut": (b'{\n"model": {"vocab": {', "line 2: expected JSON"),
    "a list": (b"[]", "expected an object, got"),
    "not UTF-8": (b'{"model": "\xff"}', "expected UTF-8, got byte 0xff at byte 11"),
    "UTF-16": ('{"model": 1}'.encode("utf-16"), "expected UTF-8"),
    "deep": (b"[" * 200_000, "nested too deep"),
    "digits": (b'{"model": ' + b"9" * 5000 + b"}", "expected"),
    "twice": (b'{"model": {"vocab": {"a": 0, "b": 1, "a": 2}}}', "the key 'a' comes twice"),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_a_file_that_is_no_json_is_refused_by_name(case, tmp_path):
    content, message = CONTENTS[case]
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        Tokenizer.load(path)
    assert str(caught.value).startswith(str(path))


SIDE = {
    "tokenizer_config.json": [
        ("[]", "expected an object"),
        ('{"added_tokens_decoder": []}', "added_tokens_decoder: expected an object"),
        ('{"added_tokens_decoder": {"x": {}}}', "added_tokens_decoder.*expected an id below"),
        ('{"added_tokens_decoder": {"9999": {}}}', "added_tokens_decoder.*expected an id below"),
        ('{"added_tokens_decoder": {"\\u00b2": {}}}', "added_tokens_decoder.*expected an id below"),
        ('{"added_tokens_decoder": {"%s": {}}}' % ("9" * 5000), "expected an id below"),
        ('{"pad_token_id": -2}', "pad_token_id: expected an id below"),
        ('{"pad_token_id": 9999}', "pad_token_id: expected an id below"),
        ('{"pad_token_id": 0.5}', "pad_token_id: expected an id below"),
        ("{", "expected JSON"),
    ],
    "vocab.json": [("[1]", "expected an object"), ("\xff", "expected UTF-8")],
    "vocab.txt": [("\xff", "expected UTF-8")],
    "merges.txt": [("\xff", "expected UTF-8")],
    "chat_template.jinja": [("\xff", "expected UTF-8")],
    "spiece.model": [("x", "expected a SentencePiece model")],
}


@pytest.mark.parametrize("name", SIDE)
def test_a_hostile_file_beside_is_refused_by_name(name, tmp_path):
    made_tokenizers.folder(tmp_path, "byte-level")
    for content, message in SIDE[name]:
        (tmp_path / name).write_bytes(content.encode("latin-1"))
        with pytest.raises(FormatError, match=message) as caught:
            Tokenizer.load(tmp_path).keep([7])
        assert name in str(caught.value)


def test_what_only_the_library_refuses_is_refused_by_name(tmp_path):
    document = json.loads(made_tokenizers.document("byte-level"))
    document["pre_tokenizer"] = {"type": "Nobody's"}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    tokenizer = Tokenizer.load(path)
    with pytest.raises(FormatError, match=r"tokenizer.json: the tokenizers library cannot use it"):
        tokenizer.encode(["a"])


def test_a_folder_without_a_tokenizer_or_nothing_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a tokenizer.json or a SentencePiece"):
        Tokenizer.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        Tokenizer.load(tmp_path / "none.json")
    (tmp_path / "tokenizer.json").mkdir()
    with pytest.raises((FormatError, FileNotFoundError)):
        Tokenizer.load(tmp_path)


def test_any_change_of_a_byte_is_read_or_refused_by_name(tmp_path, rng):
    path = tmp_path / "tokenizer.json"
    for kind in ("unigram", "byte-level"):
        content = made_tokenizers.document(kind).encode()
        for where, byte in rng.integers(0, (len(content), 128), (30, 2)).tolist():
            path.write_bytes(content[:where] + bytes([byte]) + content[where + 1 :])
            try:
                tokenizer = Tokenizer.load(path)
                usage = tokenizer.usage(["The cat"], threads=1)
                tokenizer.keep(usage.used, usage).tokenizer.encode(["the"], threads=1)
            except FormatError as error:
                assert "tokenizer.json" in str(error)  # noqa: PT017
