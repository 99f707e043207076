"""Checkpoints of models: their tensors and configs, rewritten for other rows."""

from isomorph.vocab.checkpoints._checkpoint import Checkpoint
from isomorph.vocab.checkpoints._roles import TokenTable

__all__ = ["Checkpoint", "TokenTable"]
