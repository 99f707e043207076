"""Chat templates: the tokens that they name, and the text that they put between the turns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from isomorph.vocab.tokenizers._vocabulary import Vocabulary

__all__ = ["literals", "template_tokens"]

#: What may be a token in the text of a chat template.
_IN_TEMPLATE = re.compile(
    r"<[^<>\s]{1,64}>|<<[^<>\s]{1,64}>>|\[/?[A-Z_]{2,32}\]|<\|[^|<>]{1,64}\|>"
)

_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)


def template_tokens(templates: Any, vocabulary: Vocabulary) -> set[int]:
    """Give the ids of tokens that chat templates spell out, of a string or of named ones."""
    return {
        vocabulary.ids[spelled]
        for template in _texts(templates)
        for spelled in _IN_TEMPLATE.findall(template)
        if spelled in vocabulary.ids
    }


def literals(templates: Any) -> list[str]:
    """Give the text of templates outside of instructions, and the strings within these.

    Some of the strings are names of fields; to keep a token too many does no harm.
    """
    found: dict[str, None] = {}
    for template in _texts(templates):
        for text in _JINJA.split(template):
            found.setdefault(text)
        for instruction in _JINJA.findall(template):
            if not instruction.startswith("{#"):
                for single, double in _QUOTED.findall(instruction):
                    found.setdefault((single or double).replace("\\n", "\n"))
    return [text for text in found if text]


def _texts(templates: Any) -> Iterator[str]:
    waiting = [templates]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            # Templates with names: an object each, or one of names and templates.
            waiting.extend([value["template"]] if "template" in value else value.values())
        elif isinstance(value, str):
            yield value
