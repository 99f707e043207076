"""SentencePiece models: the same ids as the program itself, before the trim and after."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isomorph.errors import FormatError
from isomorph.vocab import Tokenizer
from isomorph.vocab.tokenizers._protobuf import fields, tagged
from isomorph.vocab.tokenizers._sentencepiece import SentencePieceModel, Type
from support import made_tokenizers

pytest.importorskip("tokenizers")
sentencepiece = pytest.importorskip("sentencepiece")

MODELS = {
    "unigram": {"model_type": "unigram"},
    "unigram-bytes": {
        "model_type": "unigram",
        "byte_fallback": True,
        "user_defined_symbols": ["<sep>", "<sep2>", "ing"],
    },
    "bpe": {"model_type": "bpe", "pad_id": 3},
    "bpe-bytes": {
        "model_type": "bpe",
        "byte_fallback": True,
        "user_defined_symbols": ["<sep>", "▁▁"],
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
    },
    "bare": {"model_type": "unigram", "add_dummy_prefix": False, "bos_id": -1, "eos_id": -1},
}
LINES = [
    *made_tokenizers.text(60, seed=2),
    "",
    "   ",
    "  two  spaces  inside ",
    "a<s>b</s> <unk> ▁ <0x41>"[:22],
    "\t tab and \r\n line",
    "\uff46\uff55ll ﬁne ① ㍿ Å e\u0301 ｶﾞ ක\u0dcf\u0dca",
    "日本語 🦆 \U0001f9ff \u200b x",
    "walking<sep2>in <sep>the   rain",
    "x" * 300,
]


@pytest.fixture(scope="module")
def trained():
    made: dict[str, bytes] = {}

    def train(name: str) -> bytes:
        if name not in made:
            stream = io.BytesIO()
            options = {"vocab_size": 700, **MODELS[name]}
            with open(os.devnull, "w") as null, contextlib.redirect_stderr(null):  # noqa: PTH123
                sentencepiece.SentencePieceTrainer.train(
                    sentence_iterator=iter(made_tokenizers.text(400, seed=1)),
                    model_writer=stream,
                    minloglevel=2,
                    num_threads=1,
                    **options,
                )
            made[name] = stream.getvalue()
        return made[name]

    return train


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def peer(path: Path):
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


@pytest.mark.parametrize("name", MODELS)
def test_lines_have_the_ids_that_sentencepiece_gives_before_and_after(trained, name, tmp_path):
    path = written(tmp_path / "spiece.model", trained(name))
    tokenizer = Tokenizer.load(tmp_path)
    assert (tokenizer.format, tokenizer.kind) == ("sentencepiece", MODELS[name]["model_type"])
    theirs = peer(path)
    assert tokenizer.tokens == tuple(map(theirs.id_to_piece, range(theirs.vocab_size())))
    before = tokenizer.encode(LINES)
    assert [ids.tolist() for ids in before] == [theirs.encode(line) for line in LINES]
    usage = tokenizer.usage(LINES)
    trimmed = tokenizer.keep(usage.used, usage)
    assert trimmed.remap.new_size < tokenizer.size
    trimmed.save(tmp_path / "out")
    new = peer(tmp_path / "out" / "spiece.model")
    renumbered = [trimmed.remap.ids(ids).tolist() for ids in before]
    assert [new.encode(line) for line in LINES] == renumbered
    assert [ids.tolist() for ids in trimmed.tokenizer.encode(LINES)] == renumbered
    assert new.vocab_size() == trimmed.remap.new_size
    for old, now in ((theirs, new),):
        for which in ("unk_id", "bos_id", "eos_id", "pad_id"):
            before_id, after_id = getattr(old, which)(), getattr(now, which)()
            assert after_id == (trimmed.remap.old_to_new[before_id] if before_id >= 0 else -1)
    again = trimmed.tokenizer.usage(LINES)
    second = trimmed.tokenizer.keep(again.used, again)
    assert not second.changes
    assert second.tokenizer._source.content == trimmed.tokenizer._source.content


@pytest.mark.parametrize("name", ["unigram", "bpe"])
def test_any_line_has_the_ids_that_sentencepiece_gives(trained, name, tmp_path_factory):
    path = written(tmp_path_factory.mktemp(name) / "any.model", trained(name))
    tokenizer, theirs = Tokenizer.load(path), peer(path)
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    pieces = st.sampled_from((*made_tokenizers.words("fi")[:200], " ", "e\u0301", "ﬁ"))

    @settings(max_examples=30)
    @given(st.lists(pieces | st.text(characters, max_size=4), max_size=12).map("".join))
    def agree(line):
        assert tokenizer.encode([line], threads=1)[0].tolist() == theirs.encode(line)

    agree()


def test_what_is_not_known_stays_byte_for_byte(trained, tmp_path):
    content = trained("unigram")
    unknown = tagged(200, b"what nobody knows") + tagged(201, 7)
    samples = tagged(4, tagged(1, tagged(1, b"the") + tagged(2, b"never")))
    tokenizer = Tokenizer.load(written(tmp_path / "a.model", content + unknown + samples))
    old = {field.number: field.raw for field in fields(content)}
    trimmed = tokenizer.keep(tokenizer.usage(["the cat"]).used)
    made = trimmed.tokenizer._source.content
    new = {field.number: field.raw for field in fields(made)}
    assert new[200] + new[201] == unknown
    assert new[3] == old[3]
    assert 4 not in new
    model = SentencePieceModel.parse("made", made)
    assert {piece.raw for piece in model.pieces} <= {
        field.raw for field in fields(content) if field.number == 1
    }
    changed = {change.field for change in trimmed.changes}
    assert changed == {"pieces", "trainer_spec.vocab_size", "self_test_data"}
    peer(written(tmp_path / "b.model", made))


def piece(text: bytes, kind: int | None = None, score: bytes | None = None) -> bytes:
    body = tagged(1, text)
    body += b"" if score is None else b"\x15" + score
    return tagged(1, body + (b"" if kind is None else tagged(3, kind)))


UNK = piece(b"<unk>", Type.UNKNOWN)
HOSTILE = {
    "nothing": (b"", "one without pieces"),
    "no unknown": (piece(b"a"), "one of the type UNKNOWN, got none"),
    "two unknown": (UNK + piece(b"?", 2), "one of the type UNKNOWN, got 2"),
    "twice": (UNK + piece(b"a") + piece(b"a"), r"pieces\[2\].piece: expected each piece once"),
    "empty": (UNK + piece(b""), r"pieces\[1\].piece: expected a piece"),
    "not UTF-8": (UNK + piece(b"\xff"), r"pieces\[1\].piece: expected UTF-8"),
    "type": (UNK + piece(b"a", 9), r"pieces\[1\].type: expected 1 to 6"),
    "nan": (UNK + piece(b"a", score=b"\0\0\xc0\x7f"), r"pieces\[1\].score: expected a finite"),
    "score": (UNK + tagged(1, tagged(1, b"a") + tagged(2, 3)), r"pieces\[1\].score: expected a fl"),
    "word": (UNK + tagged(2, tagged(3, 3)), "trainer_spec.model_type: expected 1"),
    "unk_id": (UNK + tagged(2, tagged(40, 5)), "trainer_spec.unk_id: expected an id below 1"),
    "bytes": (UNK + tagged(2, tagged(35, 1)), "trainer_spec.byte_fallback: expected 256"),
    "suffix": (UNK + tagged(2, tagged(24, 1)), "treat_whitespace_as_suffix"),
    "wire": (UNK + b"\x0b", "expected a wire type"),
    "number": (UNK + b"\x00\x00", "expected a field"),
    "long": (UNK + b"\x0a\xff\xff\xff\xff\x0f", "bytes, 0 are left"),
    "cut": (UNK + b"\x0a\x80", "the file ends within a number"),
    "endless": (UNK + b"\x0a" + b"\x80" * 11, "more than ten bytes"),
    "piece": (UNK + tagged(1, 4), r"pieces\[1\]: expected a message"),
    "text": (b'{"model": 1}', "expected a SentencePiece model"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_model_is_refused_by_name(case, tmp_path):
    content, message = HOSTILE[case]
    with pytest.raises(FormatError, match=message) as caught:
        Tokenizer.load(written(tmp_path / "x.model", content))
    assert "x.model" in str(caught.value)


def test_a_model_cut_anywhere_or_changed_anywhere_is_read_or_refused(trained, tmp_path, rng):
    content = trained("bpe")
    path = tmp_path / "x.model"
    changed = [content[:cut] for cut in rng.integers(0, len(content), 15).tolist()]
    for at, byte in rng.integers(0, (len(content), 256), (12, 2)).tolist():
        changed.append(content[:at] + bytes([byte]) + content[at + 1 :])
    for hostile in changed:
        try:
            tokenizer = Tokenizer.load(written(path, hostile))
            trimmed = tokenizer.keep(tokenizer.usage(["The cat é ﬁ"], threads=1).used)
            trimmed.tokenizer.encode(["the"], threads=1)
        except FormatError as error:
            assert "x.model" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "charsmap",
    [b"\x01", b"\0\0\0\0", b"\x08\0\0\0\0\0\0\0", b"\x08\0\0\0" + b"a\xff\xff\x7f" * 2 + b"a"],
)
def test_a_hostile_character_map_is_refused_by_name(trained, tmp_path, charsmap):
    content = trained("bpe") + tagged(3, tagged(2, charsmap))
    tokenizer = Tokenizer.load(written(tmp_path / "x.model", content))
    with contextlib.suppress(FormatError):
        np.concatenate(tokenizer.encode(["a b"], threads=1))
    if len(charsmap) < 9:
        with pytest.raises(FormatError, match="precompiled_charsmap"):
            tokenizer.encode(["a b"], threads=1)


def test_a_folder_whose_ids_are_not_the_pieces_places_is_refused(trained, tmp_path):
    written(tmp_path / "spiece.model", trained("unigram"))
    config = tmp_path / "tokenizer_config.json"
    for text in (
        '{"tokenizer_class": "XLMRobertaTokenizer"}',
        '{"added_tokens_decoder": {"900": {"content": "<x>"}}}',
    ):
        config.write_text(text)
        with pytest.raises(FormatError, match=r"make a tokenizer.json first"):
            Tokenizer.load(tmp_path)
    config.write_text('{"tokenizer_class": "LlamaTokenizer", "added_tokens_decoder": {"1": {}}}')
    assert Tokenizer.load(tmp_path).size == 700
    # The class may be named in the model's configuration, or only the family may.
    config.write_text("{}")
    model = tmp_path / "config.json"
    for text, said in (
        ('{"model_type": "xlm-roberta"}', "a model of the type xlm-roberta"),
        ('{"tokenizer_class": "CamembertTokenizer"}', "config.json names CamembertTokenizer"),
        ('{"model_type": "something-new"}', "a model of the type something-new"),
        ("[]", "config.json: expected an object"),
    ):
        model.write_text(text)
        with pytest.raises(FormatError, match=said):
            Tokenizer.load(tmp_path)
    model.write_text('{"model_type": "mistral"}')
    assert Tokenizer.load(tmp_path).size == 700
    config.write_text('{"tokenizer_class": "NobodyKnowsTokenizer"}')
    with pytest.raises(FormatError, match="names NobodyKnowsTokenizer, which is not known"):
        Tokenizer.load(tmp_path)
    config.write_text("{}")
    written(tmp_path / "tokenizer.model", trained("bpe"))
    with pytest.raises(FormatError, match="expected one SentencePiece model, found"):
        Tokenizer.load(tmp_path)


def test_a_model_beside_a_tokenizer_json_follows_with_its_offset(trained, tmp_path):
    import json

    model = SentencePieceModel.parse("m", trained("unigram"))
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(one.text, one.score) for one in model.pieces[3:]]
    pieces += [("en_XX", 0.0), ("<mask>", 0.0)]
    document = {
        "added_tokens": [
            {"id": n, "content": pieces[n][0], "special": True, "normalized": False,
             "single_word": False, "lstrip": False, "rstrip": False}
            for n in (0, 1, 2, 3, len(pieces) - 2, len(pieces) - 1)
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [list(pair) for pair in pieces]},
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    written(tmp_path / "sentencepiece.bpe.model", trained("unigram"))
    tokenizer = Tokenizer.load(tmp_path)
    usage = tokenizer.usage(LINES[:30])
    trimmed = tokenizer.keep(usage.used, usage)
    assert trimmed.removed == ()
    trimmed.save(tmp_path / "out")
    new = peer(tmp_path / "out" / "sentencepiece.bpe.model")
    for number in range(4, trimmed.remap.new_size - 2):
        assert new.id_to_piece(number - 1) == trimmed.tokenizer.tokens[number]
    written(tmp_path / "sentencepiece.bpe.model", trained("bpe"))
    assert Tokenizer.load(tmp_path).keep(usage.used).removed == ("sentencepiece.bpe.model",)
