"""Files of a tokenizer, trimmed: every id and every name in them, and in those beside it."""

from __future__ import annotations

import json

import pytest

from isomorph.vocab import Tokenizer
from support import made_tokenizers
from support.made_tokenizers import require_same

pytest.importorskip("tokenizers")


def test_every_id_of_the_file_is_renumbered(tmp_path):
    document = json.loads(made_tokenizers.document("wordpiece"))
    size = len(document["model"]["vocab"])
    document["added_tokens"].append({
        "id": size, "content": "<mask>", "single_word": False, "lstrip": True, "rstrip": False,
        "normalized": False, "special": True,
    })  # fmt: skip
    document["post_processor"] = {
        "type": "Sequence",
        "processors": [
            {
                "type": "ByteLevel",
                "add_prefix_space": True,
                "trim_offsets": True,
                "use_regex": True,
            },
            {
                "type": "TemplateProcessing",
                "single": [
                    {"SpecialToken": {"id": "<mask>", "type_id": 0}},
                    {"Sequence": {"id": "A", "type_id": 0}},
                ],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
                "special_tokens": {"<mask>": {"id": "<mask>", "ids": [size], "tokens": ["<mask>"]}},
            },
        ],
    }
    document["padding"]["pad_id"] = size
    document["truncation"] = {
        "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    config = {
        "added_tokens_decoder": {"0": {"content": "<unk>"}, str(size): {"content": "<mask>"}},
        "mask_token_id": size,
        "other_token_ids": [size, 0],
        "tokenizer_class": "BertTokenizer",
        "model_max_length": 512,
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<mask>": size}), encoding="utf-8")
    (tmp_path / "special_tokens_map.json").write_text('{"mask_token": "<mask>"}', encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("something else\n", encoding="utf-8")
    tokenizer = Tokenizer.load(tmp_path)
    lines = ["the cat and the dog and so on"]
    assert tokenizer.encode(lines, special=True)[0][0] == size
    usage = tokenizer.usage(lines)
    trimmed = tokenizer.keep(usage.used, usage)
    new = trimmed.remap.new_size - 1
    require_same(tokenizer, trimmed, lines)
    out = tmp_path / "out"
    written = trimmed.save(out)
    assert trimmed.removed == ("vocab.txt",)
    assert (
        {path.name for path in written}
        == set(trimmed.files)
        == {path.name for path in out.iterdir()}
    )
    made = json.loads((out / "tokenizer.json").read_bytes())
    assert made["added_tokens"][-1]["id"] == new
    template = made["post_processor"]["processors"][1]
    assert template["special_tokens"]["<mask>"]["ids"] == [new]
    assert made["padding"]["pad_id"] == new
    assert made["truncation"] == document["truncation"]
    made = json.loads((out / "tokenizer_config.json").read_bytes())
    assert set(made["added_tokens_decoder"]) == {"0", str(new)}
    assert (made["mask_token_id"], made["other_token_ids"]) == (new, [new, 0])
    assert json.loads((out / "added_tokens.json").read_bytes()) == {"<mask>": new}
    changed = {(change.file, change.field) for change in trimmed.changes}
    assert {
        ("tokenizer.json", "model.vocab"),
        ("tokenizer.json", f"added_tokens[{len(document['added_tokens']) - 1}].id"),
        ("tokenizer.json", "post_processor.processors[1].special_tokens.<mask>.ids[0]"),
        ("tokenizer.json", "padding.pad_id"),
        ("tokenizer_config.json", f"added_tokens_decoder[{size}]"),
        ("tokenizer_config.json", "mask_token_id"),
        ("added_tokens.json", ""),
        ("vocab.txt", ""),
    } <= changed


def test_side_files_of_byte_level_follow(tmp_path):
    folder = made_tokenizers.folder(tmp_path / "in", "byte-level")
    model = json.loads((folder / "tokenizer.json").read_bytes())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    text = "#version: 0.2\n" + "\n".join(merges) + "\n"
    (folder / "merges.txt").write_text(text, encoding="utf-8")
    tokenizer = Tokenizer.load(folder)
    usage = tokenizer.usage(made_tokenizers.text(20, seed=9))
    trimmed = tokenizer.keep(usage.used, usage)
    out = tmp_path / "out"
    trimmed.save(out)
    made = json.loads((out / "tokenizer.json").read_bytes())["model"]
    assert json.loads((out / "vocab.json").read_bytes()) == made["vocab"]
    lines = (out / "merges.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#version: 0.2"
    assert [line.split(" ") for line in lines[1:]] == made["merges"]
    assert made["ignore_merges"] is True


def test_what_a_chat_template_says_is_kept(tmp_path):
    folder = made_tokenizers.folder(tmp_path, "byte-level")
    template = (
        "{# the dog #}{% for message in messages %}[INST] {{ message['content'] }} and then"
        "{{ 'because\\n' }}{% endfor %}<s>"
    )
    config = {"chat_template": [{"name": "default", "template": template}]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = Tokenizer.load(folder)
    usage = tokenizer.usage(["x"])
    trimmed = tokenizer.keep(usage.used, usage)
    said = ["[INST] ", " and then", "because\n", "content"]
    require_same(tokenizer, trimmed, said)
    (folder / "tokenizer_config.json").unlink()
    (folder / "chat_template.jinja").write_text(template)
    second = Tokenizer.load(folder).keep(usage.used, usage)
    assert second.remap == trimmed.remap
    assert "chat_template.jinja" in second.files
    (folder / "chat_template.jinja").unlink()
    assert Tokenizer.load(folder).keep(usage.used, usage).remap.new_size < trimmed.remap.new_size


def test_vocabularies_of_other_formats_are_left_out_and_listed(tmp_path):
    folder = made_tokenizers.folder(tmp_path, "byte-level")
    for name in ("qwen.tiktoken", "encoder.json", "source.spm"):
        (folder / name).write_bytes(b"whatever")
    trimmed = Tokenizer.load(folder).keep([7])
    assert trimmed.removed == ("encoder.json", "qwen.tiktoken", "source.spm")


def test_tokens_that_side_files_name_are_special(tmp_path):
    folder = made_tokenizers.folder(tmp_path, "wordlevel")
    tokens = Tokenizer.load(folder).tokens
    config = {"sep_token": {"content": tokens[10]}, "image_token_id": 11, "cls_token": None}
    config |= {"extra_special_tokens": {"audio": tokens[12]}, "other_token_ids": [13, -1, 10**9]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    names = {"additional_special_tokens": [tokens[14], {"content": tokens[15]}, "nowhere"]}
    (folder / "special_tokens_map.json").write_text(json.dumps(names), encoding="utf-8")
    assert Tokenizer.load(folder).special.tolist() == [0, 1, 2, 3, *range(10, 16)]


def test_tokens_that_only_side_files_name_come_behind_the_others(tmp_path):
    folder = made_tokenizers.folder(tmp_path, "wordlevel")
    size = Tokenizer.load(folder).size
    decoder = {str(size): {"content": "<new>"}, "0": {"content": "<unk>"}}
    config = {"pad_token": "<new>", "sep_token": "<unk>", "added_tokens_decoder": decoder}
    config |= {"pad_token_id": size, "additional_special_tokens": ["<also>"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "added_tokens.json").write_text(json.dumps({"<new>": size, "<also>": size + 1}))
    tokenizer = Tokenizer.load(folder)
    assert tokenizer.lacking == ("<new>", "<also>")
    usage = tokenizer.usage(["the cat"])
    trimmed = tokenizer.keep(usage.used, usage)
    new = trimmed.remap.new_size
    trimmed.save(tmp_path / "out")
    made = json.loads((tmp_path / "out" / "tokenizer_config.json").read_bytes())
    assert set(made["added_tokens_decoder"]) == {str(new), "0"}
    assert made["pad_token_id"] == new
    added = json.loads((tmp_path / "out" / "added_tokens.json").read_bytes())
    assert added == {"<new>": new, "<also>": new + 1}
    again = Tokenizer.load(tmp_path / "out")
    assert again.lacking == tokenizer.lacking
    assert again.named() == tokenizer.named()
    assert tokenizer.named()["tokenizer_config.json: sep_token[0]"] == "<unk>"
    assert tokenizer.named()["tokenizer_config.json: pad_token[0]"] is None


def test_every_place_that_names_a_token_names_it_afterwards(tmp_path):
    folder = made_tokenizers.folder(tmp_path, "unigram")
    (folder / "special_tokens_map.json").write_text('{"pad_token": {"content": "<pad>"}}')
    tokenizer = Tokenizer.load(folder)
    named = tokenizer.named()
    assert named["tokenizer.json: padding.pad_id"] == "<pad>"
    assert named["tokenizer.json: post_processor.special_tokens.</s>.ids[0]"] == "</s>"
    assert named["special_tokens_map.json: pad_token[0]"] == "<pad>"
    usage = tokenizer.usage(["the"])
    assert tokenizer.keep(usage.used, usage).tokenizer.named() == named
