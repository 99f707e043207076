"""Added tokens and chats: what is needed of a vocabulary beside the text that is counted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from isomorph.vocab import Tokenizer
from support import made_tokenizers
from support.made_tokenizers import require_same

pytest.importorskip("tokenizers")


@pytest.mark.parametrize(
    "place",
    ["tokenizer_config.json", "chat_template.json", "additional_chat_templates/tools.jinja"],
)
def test_the_roles_of_a_chat_are_kept(tmp_path, place):
    lines = [*made_tokenizers.text(300, seed=1), *["user\n assistant\nsystem\nDeveloper:"] * 300]
    folder = tmp_path / "in"
    (folder / place).parent.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(made_tokenizers.trained("byte-level", lines, 700))
    # As of ChatML: who speaks is said by the messages alone.
    template = (
        "{% for message in messages %}{{'<s>' + message['role'] + '\\n' + message['content'] + "
        "'</s>' + 'it\\'s'}}{% endfor %}"
    )
    written = template if place.endswith(".jinja") else json.dumps({"chat_template": template})
    (folder / place).write_text(written)
    tokenizer = Tokenizer.load(folder)
    assert len(tokenizer.encode(["user"])[0]) == len(tokenizer.encode(["system"])[0]) == 1
    usage = tokenizer.usage(["x"])
    trimmed = tokenizer.keep(usage.used, usage)
    said = ["<s>user\nx</s>it's", "<s>system\nx</s>", "x assistant\n", "Developer:"]
    require_same(tokenizer, trimmed, said)
    trimmed.save(tmp_path / "out")
    assert (tmp_path / "out" / place).is_file()
    require_same(tokenizer, trimmed, said, Tokenizer.load(tmp_path / "out"))
    (folder / place).unlink()
    assert Tokenizer.load(folder).keep(usage.used, usage).remap.new_size < trimmed.remap.new_size


@pytest.mark.parametrize("alone", [True, False])
def test_an_added_token_that_merging_does_not_make_is_not_looked_up(tmp_path, alone):
    document = json.loads(made_tokenizers.document("byte-level"))
    model = document["model"]
    token = next(t for t in model["vocab"] if t.isascii() and t.isalpha() and len(t) > 3)
    merged = (pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"])
    model["merges"] = [pair for pair in merged if "".join(pair) != token]
    document["added_tokens"].append({
        "id": model["vocab"][token], "content": token, "single_word": alone, "lstrip": False,
        "rstrip": False, "normalized": False, "special": not alone,
    })  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    tokenizer = Tokenizer.load(tmp_path)
    lines = [*made_tokenizers.text(20, seed=9), f"1{token}!x {token}_y", token]
    usage = tokenizer.usage(lines)
    trimmed = tokenizer.keep(usage.used, usage)
    require_same(tokenizer, trimmed, lines)
    # Of one that is cut out wherever it stands the model never sees the text.
    assert trimmed.tokenizer._vocabulary.ignore_merges is not alone


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_word_beside_an_added_token_stays_unknown(tmp_path, normalized, threads):
    tokens = ["[UNK]", "[M]", "ab", "a", "##bc", "foo"]
    model = {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 9, "vocab": {token: n for n, token in enumerate(tokens)},
    }  # fmt: skip
    added = {
        "id": 1, "content": "[M]", "single_word": False, "lstrip": False, "rstrip": False,
        "normalized": normalized, "special": not normalized,
    }  # fmt: skip
    document = {"model": model, "added_tokens": [added]}
    document["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    if not normalized:
        document["normalizer"] = {"type": "Lowercase"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    tokenizer = Tokenizer.load(tmp_path)
    lines = ["foo[M]abc"]
    assert tokenizer.encode(lines)[0].tolist() == [5, 1, 0]
    usage = tokenizer.usage(lines, threads=threads)
    assert np.nonzero(usage.needed)[0].tolist() == [2]
    require_same(tokenizer, tokenizer.keep([*usage.used, 3, 4], usage), lines)
