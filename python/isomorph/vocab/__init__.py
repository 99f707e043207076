"""Vocabularies: which words or tokens to keep, and the remap of all that is numbered by id."""

from typing import TYPE_CHECKING, Any

from isomorph.vocab.pruning import prune, script_counts
from isomorph.vocab.remap import Remap

if TYPE_CHECKING:
    from isomorph.vocab._changes import Change
    from isomorph.vocab.checkpoints._tables import Table, open_table
    from isomorph.vocab.corpora import Corpus
    from isomorph.vocab.datasets import RemappedFile, remap_file
    from isomorph.vocab.initialization import (
        Factors,
        HullMembership,
        clp,
        factorize,
        focus,
        from_ngrams,
        from_words,
        gaussian,
        in_convex_hull,
        match_norm,
        mean,
        multivariate_gaussian,
        ofa,
        omp,
        overlap,
        subword_mean,
        token_groups,
        transtokenization,
        wechsel,
    )
    from isomorph.vocab.mixing import TokenMixing
    from isomorph.vocab.planning import TrimPlan, coverage, plan
    from isomorph.vocab.tokenizers import Tokenizer, TrimmedTokenizer, Usage
    from isomorph.vocab.transfers import LeaveOut, Transferred, leave_out, transfer
    from isomorph.vocab.trimming import Certificate, Footprint, Trimmed, Untrimmed, trim, untrim

#: Names that are loaded when first asked for, and their modules.
_ELSEWHERE = {
    "Certificate": "trimming",
    "Change": "_changes",
    "Corpus": "corpora",
    "Factors": "initialization",
    "Footprint": "trimming",
    "HullMembership": "initialization",
    "LeaveOut": "transfers",
    "RemappedFile": "datasets",
    "Table": "checkpoints._tables",
    "TokenMixing": "mixing",
    "Tokenizer": "tokenizers",
    "Transferred": "transfers",
    "TrimPlan": "planning",
    "Trimmed": "trimming",
    "TrimmedTokenizer": "tokenizers",
    "Untrimmed": "trimming",
    "Usage": "tokenizers",
    "clp": "initialization",
    "coverage": "planning",
    "factorize": "initialization",
    "focus": "initialization",
    "from_ngrams": "initialization",
    "from_words": "initialization",
    "gaussian": "initialization",
    "in_convex_hull": "initialization",
    "leave_out": "transfers",
    "match_norm": "initialization",
    "mean": "initialization",
    "multivariate_gaussian": "initialization",
    "ofa": "initialization",
    "omp": "initialization",
    "open_table": "checkpoints._tables",
    "overlap": "initialization",
    "plan": "planning",
    "remap_file": "datasets",
    "subword_mean": "initialization",
    "token_groups": "initialization",
    "transfer": "transfers",
    "transtokenization": "initialization",
    "trim": "trimming",
    "untrim": "trimming",
    "wechsel": "initialization",
}

__all__ = [
    "Certificate",
    "Change",
    "Corpus",
    "Factors",
    "Footprint",
    "HullMembership",
    "LeaveOut",
    "Remap",
    "RemappedFile",
    "Table",
    "TokenMixing",
    "Tokenizer",
    "Transferred",
    "TrimPlan",
    "Trimmed",
    "TrimmedTokenizer",
    "Untrimmed",
    "Usage",
    "clp",
    "coverage",
    "factorize",
    "focus",
    "from_ngrams",
    "from_words",
    "gaussian",
    "in_convex_hull",
    "leave_out",
    "match_norm",
    "mean",
    "multivariate_gaussian",
    "ofa",
    "omp",
    "open_table",
    "overlap",
    "plan",
    "prune",
    "remap_file",
    "script_counts",
    "subword_mean",
    "token_groups",
    "transfer",
    "transtokenization",
    "trim",
    "untrim",
    "wechsel",
]


def __getattr__(name: str) -> Any:
    """Load what not every program uses when it is first asked for."""
    import importlib

    if name == "corpora":
        return importlib.import_module("isomorph.vocab.corpora")
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f"isomorph.vocab.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
