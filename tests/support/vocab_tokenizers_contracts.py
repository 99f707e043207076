"""The public functions of tokenizers: they take text, ids and files, no arrays of vectors."""

_TOKENIZER = "takes text, ids or files; tests/unit/test_tokenizers_*.py"

TOKENIZERS = {
    "Change.as_dict": "takes nothing",
    "Tokenizer.closure": _TOKENIZER,
    "Tokenizer.encode": _TOKENIZER,
    "Tokenizer.keep": _TOKENIZER,
    "Tokenizer.load": _TOKENIZER,
    "Tokenizer.named": _TOKENIZER,
    "Tokenizer.starts_word": _TOKENIZER,
    "Tokenizer.text": _TOKENIZER,
    "Tokenizer.usage": _TOKENIZER,
    "TrimmedTokenizer.save": _TOKENIZER,
}
