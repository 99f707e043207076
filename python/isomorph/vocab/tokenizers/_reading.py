"""Which files of a folder make the tokenizer."""

from __future__ import annotations

from pathlib import Path

from isomorph.errors import FormatError
from isomorph.vocab.tokenizers._documents import id_of
from isomorph.vocab.tokenizers._side_files import CONFIG, SideFiles, require_one_model
from isomorph.vocab.tokenizers._source import JsonSource, SentencePieceSource, Source

__all__ = ["load"]

#: Families whose slow tokenizers put tokens of their own before the pieces, or after them.
_NUMBERED_OTHERWISE = frozenset(
    {
        *("Barthez", "Bartpho", "Camembert", "DebertaV2", "M2M100", "MBart", "MBart50", "MT5"),
        *("Marian", "Nllb", "PLBart", "Pegasus", "Speech2Text", "T5", "XGLM", "XLMProphetNet"),
        "XLMRoberta",
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
    config = source.side.documents.get(CONFIG, {})
    named = str(config.get("tokenizer_class", "")).removesuffix("Fast").removesuffix("Tokenizer")
    why = ""
    if named in _NUMBERED_OTHERWISE:
        why = f"{CONFIG} names {named}Tokenizer, which numbers the pieces otherwise"
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
