"""The public functions of plans: they take tokenizers and text, no arrays of vectors."""

_CORPUS = "takes files and lines; tests/unit/test_corpora.py"
_PLAN = "takes a tokenizer and text; tests/unit/test_planning.py"

PLANNING = {
    "Corpus.blocks": _CORPUS,
    "Corpus.from_files": _CORPUS,
    "Corpus.from_lines": _CORPUS,
    "Corpus.from_words": _CORPUS,
    "Corpus.lines": _CORPUS,
    "TrimPlan.as_dict": _PLAN,
    "TrimPlan.to_json": _PLAN,
    "vocab.coverage": _PLAN,
    "vocab.plan": _PLAN,
}
