"""Trims of whole models: a folder in, a smaller one out, with a certificate and a way back."""

from isomorph.vocab.trimming._certificate import Certificate
from isomorph.vocab.trimming._result import Footprint, Trimmed
from isomorph.vocab.trimming._trim import trim
from isomorph.vocab.trimming._untrim import Untrimmed, untrim

__all__ = ["Certificate", "Footprint", "Trimmed", "Untrimmed", "trim", "untrim"]
