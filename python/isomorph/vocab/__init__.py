"""Vocabularies: which words or tokens to keep, and the remap of all that is numbered by id."""

from typing import TYPE_CHECKING, Any

from isomorph.vocab.pruning import prune, script_counts
from isomorph.vocab.remap import Remap

if TYPE_CHECKING:
    from isomorph.vocab._changes import Change
    from isomorph.vocab.corpora import Corpus
    from isomorph.vocab.initialization import overlap
    from isomorph.vocab.mixing import TokenMixing
    from isomorph.vocab.planning import TrimPlan, coverage, plan
    from isomorph.vocab.tokenizers import Tokenizer, TrimmedTokenizer, Usage
    from isomorph.vocab.trimming import Certificate, Footprint, Trimmed, Untrimmed, trim, untrim

#: Names that are loaded when first asked for, and their modules.
_ELSEWHERE = {
    "Certificate": "trimming",
    "Change": "_changes",
    "Corpus": "corpora",
    "Footprint": "trimming",
    "TokenMixing": "mixing",
    "Tokenizer": "tokenizers",
    "TrimPlan": "planning",
    "Trimmed": "trimming",
    "TrimmedTokenizer": "tokenizers",
    "Untrimmed": "trimming",
    "Usage": "tokenizers",
    "coverage": "planning",
    "overlap": "initialization",
    "plan": "planning",
    "trim": "trimming",
    "untrim": "trimming",
}

__all__ = [
    "Certificate",
    "Change",
    "Corpus",
    "Footprint",
    "Remap",
    "TokenMixing",
    "Tokenizer",
    "TrimPlan",
    "Trimmed",
    "TrimmedTokenizer",
    "Untrimmed",
    "Usage",
    "coverage",
    "overlap",
    "plan",
    "prune",
    "script_counts",
    "trim",
    "untrim",
]


def __getattr__(name: str) -> Any:
    """Load what not every program uses when it is first asked for."""
    import importlib

    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f"isomorph.vocab.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
