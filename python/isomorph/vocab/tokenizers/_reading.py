"""Which files of a folder make the tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isomorph.errors import FormatError
from isomorph.vocab.tokenizers._documents import id_of
from isomorph.vocab.tokenizers._side_files import CONFIG, SideFiles, require_one_model
from isomorph.vocab.tokenizers._source import JsonSource, SentencePieceSource, Source

__all__ = ["load"]

#: Families whose ids are the places of the pieces, by their tokenizer's class. Others put tokens of
#: their own before the pieces (XLM-RoBERTa, CamemBERT, NLLB ...) or after them (T5, DeBERTa ...).
_PLACES = frozenset(
    {
        *("Albert", "Baichuan", "BertGeneration", "BigBird", "CodeLlama", "FNet", "GPTSw3"),
        *("Gemma", "InternLM", "InternLM2", "Llama", "Reformer", "RemBert", "XLNet"),
    }
)
#: The same by the model's type, where no class is named.
_PLACES_OF_TYPES = frozenset(
    {
        *("albert", "baichuan", "bert-generation", "big_bird", "fnet", "gemma", "gemma2", "gemma3"),
        *("gemma3_text", "internlm", "internlm2", "llama", "mistral", "mixtral", "reformer"),
        *("rembert", "xlnet"),
    }
)


def load(path: Path) -> Source:
    """Read a folder or one of its files."""
    if path.is_dir():
        named = path / "tokenizer.json"
        path = named if named.is_file() else require_one_model(path)
        side = SideFiles.read(path.parent, but=path.name)
    else:
        side = SideFiles()
    if path.suffix == ".json":
        return JsonSource.read(path, side)
    source = SentencePieceSource.read(path, side)
    _require_own_ids(source)
    return source


def _require_own_ids(source: SentencePieceSource) -> None:
    """Raise where a model's ids are not the pieces' places: what is trimmed would be other rows."""
    config = source.side.config
    why = _otherwise(config, source.side.model)
    size = source.vocabulary.size
    decoder = config.get("added_tokens_decoder")
    added = source.side.documents.get("added_tokens.json", {})
    numbers = [*(decoder if isinstance(decoder, dict) else ()), *added.values()]
    if any((id_of(number) or 0) >= size for number in numbers):
        why = f"tokens are added beyond its {size} pieces"
    if why:
        raise FormatError(
            f"{source.path}: {why}: the model alone does not say which id a token has; make a "
            "tokenizer.json first (transformers: AutoTokenizer.from_pretrained(folder)"
            ".save_pretrained(folder))"
        )


def _otherwise(config: dict[str, Any], model: dict[str, Any]) -> str:
    """Say why the ids may not be the pieces' places; nothing where they are.

    A folder that names neither a class nor a type of model is a SentencePiece model's own.
    """
    named = config.get("tokenizer_class") or model.get("tokenizer_class")
    if named is not None:
        family = str(named).removesuffix("Fast").removesuffix("Tokenizer")
        known = family in _PLACES
        said = f"{CONFIG if config.get('tokenizer_class') else 'config.json'} names {named}"
    elif (named := model.get("model_type")) is not None:
        known = named in _PLACES_OF_TYPES
        said = f"{CONFIG} names no tokenizer_class, and config.json a model of the type {named}"
    else:
        return ""
    return "" if known else f"{said}, which is not known to number tokens as the pieces are"
