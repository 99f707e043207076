"""Tokenizers: what their files say, what a corpus uses of them, and the same with fewer tokens."""

from isomorph.vocab.tokenizers._tokenizer import Tokenizer
from isomorph.vocab.tokenizers._trimmed import TrimmedTokenizer
from isomorph.vocab.tokenizers._usage import Usage

__all__ = ["Tokenizer", "TrimmedTokenizer", "Usage"]
