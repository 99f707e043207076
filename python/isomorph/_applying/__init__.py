"""Applying a map to files that may be larger than memory."""

from isomorph._applying._apply import Applied, apply_file

__all__ = ["Applied", "apply_file"]
