"""Checkpoints of models: their tensors and configs, rewritten for other rows."""
