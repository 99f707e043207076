"""What `transformers` makes of a tokenizer's files: the class that loads them, and what it drops.

A generic class takes tokenizer.json as it is. Classes of model families (of version 5) build their
tokenizer anew from its vocabulary and its merges: ``ignore_merges`` is lost on the way, and with it
every word that needed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["GENERIC_CLASS", "as_generic", "disagreements", "own_class", "takes_lookups"]

#: The class that takes a tokenizer.json as it is,
GENERIC_CLASS = "PreTrainedTokenizerFast"
#: and its name since version 5.
_GENERIC = (GENERIC_CLASS, "TokenizersBackend")
#: Types of models that have their own class whatever class the files name: of these not all
#: (``qwen3``), but more at each version, so that the family counts as a whole.
_OWN_CLASS = ("qwen", "siglip2", "hyperclovax")
#: Classes that set what a word is by flags, and the flags that they take as true where none is
#: said; by the type of model, too.
_BERT = ("Bert", "DistilBert", "Electra", "Funnel", "MPNet", "MobileBert", "ConvBert", "LayoutLM")
_BERT_TYPES = ("bert", "distilbert", "electra", "funnel", "mpnet", "mobilebert", "convbert")
#: How flags are called: in tokenizer_config.json, and in BertNormalizer.
_BERT_FLAGS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
#: What the classes of families call their special tokens, where the files do not.
_ENDED = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
_AROUND = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "mask_token": "<mask>",
}
_SPECIAL = {
    **dict.fromkeys(("GPT2", "GPTNeoX", "CodeGen"), _ENDED),
    **dict.fromkeys(("Roberta", "Bart", "Longformer", "LED", "Blenderbot"), _AROUND),
    # By the type of model, where no class is named.
    **dict.fromkeys(("gpt2", "gpt_neo", "gptj", "opt", "gpt_neox", "codegen", "phi"), _ENDED),
    **dict.fromkeys(("roberta", "bart", "longformer", "led", "blenderbot"), _AROUND),
}


def _named(config: Mapping[str, Any], model: Mapping[str, Any]) -> str | None:
    """Give the class that the files name."""
    name = config.get("tokenizer_class") or model.get("tokenizer_class")
    return name if isinstance(name, str) else None


def _family(config: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Give the family of a class: ``Roberta``; nothing where only the type of model is known."""
    return (_named(config, model) or "").removesuffix("Fast").removesuffix("Tokenizer")


def own_class(model: Mapping[str, Any]) -> str | None:
    """Give the type of a model whose class of tokenizers cannot be chosen, None of others."""
    kind = model.get("model_type")
    return kind if isinstance(kind, str) and kind.startswith(_OWN_CLASS) else None


def takes_lookups(config: Mapping[str, Any], model: Mapping[str, Any]) -> bool:
    """Whether ``ignore_merges`` is sure to be in force where a model's tokenizer is loaded.

    Parameters
    ----------
    config, model : mapping
        What tokenizer_config.json and config.json say; empty where there is none. A tokenizer
        beside neither is the library's own.
    """
    if own_class(model) is not None:
        return False
    name = _named(config, model)
    return name in _GENERIC or (name is None and "model_type" not in model)


def as_generic(config: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """Give tokenizer_config.json with the class that takes tokenizer.json as it is.

    What the family's own class would have set, where it is known, is said.
    """
    family = _family(config, model) or str(model.get("model_type"))
    # The generic class of version 4 adds token_type_ids, of which GPT-2 takes embeddings.
    made = {"model_input_names": ["input_ids", "attention_mask"], **_SPECIAL.get(family, {})}
    return {**made, **config, "tokenizer_class": GENERIC_CLASS}


def disagreements(
    document: Mapping[str, Any], config: Mapping[str, Any], model: Mapping[str, Any]
) -> Iterator[str]:
    """Say where the files contradict each other on what a word is: loaders take either.

    Yields a sentence each.
    """
    name = _named(config, model)
    if name in _GENERIC or (name is None and "model_type" not in model):
        return
    bert = _family(config, model) in _BERT if name else model.get("model_type") in _BERT_TYPES
    if bert or any(flag in config for flag in _BERT_FLAGS):
        said = _effective({flag: config.get(flag) for flag in _BERT_FLAGS})
        for step in _steps(document.get("normalizer"), "BertNormalizer"):
            does = _effective({flag: step.get(field) for flag, field in _BERT_FLAGS.items()})
            for flag, field in _BERT_FLAGS.items():
                if said[flag] != does[flag]:
                    yield (
                        f"tokenizer_config.json means {flag}: {_json(said[flag])}"
                        f"{'' if flag in config else ', as it does not say otherwise'}, and the "
                        f"normalizer of tokenizer.json has {field}: {_json(does[flag])}"
                    )
    for step in _steps(document.get("pre_tokenizer"), "ByteLevel"):
        wanted, there = config.get("add_prefix_space"), step.get("add_prefix_space", True)
        if isinstance(wanted, bool) and wanted != there:
            yield (
                f"tokenizer_config.json says add_prefix_space: {_json(wanted)}, and the "
                f"pre_tokenizer of tokenizer.json has {_json(there)}"
            )


def _effective(flags: Mapping[str, Any]) -> dict[str, bool]:
    """Give what flags come to: what is not said is true, and accents go as the case does."""
    lower = flags["do_lower_case"] is not False
    strip = flags["strip_accents"]
    return {
        "do_lower_case": lower,
        "strip_accents": lower if strip is None else bool(strip),
        "tokenize_chinese_chars": flags["tokenize_chinese_chars"] is not False,
    }


def _steps(step: Any, kind: str) -> Iterator[Mapping[str, Any]]:
    """Give the steps of one type in a normalizer or pre-tokenizer, sequences taken apart."""
    if isinstance(step, list):
        for entry in step:
            yield from _steps(entry, kind)
    elif isinstance(step, dict):
        if step.get("type") == kind:
            yield step
        for inner in ("normalizers", "pretokenizers"):
            yield from _steps(step.get(inner), kind)


def _json(value: bool) -> str:
    return str(value).lower()
