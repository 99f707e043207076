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

#: Who speaks: a template takes it from the messages, as ``message['role']``.
_ROLES = ("user", "assistant", "system", "tool", "developer", "model", "function", "ipython")
#: A role stands after a token or a sign, after a blank, or on a line of its own.
_PLACES = ("{}", " {}", "\n{}\n", "{}:")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}

_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
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
    """Give the text of templates outside of instructions, the strings within these, and the roles.

    Some of the strings are names of fields; to keep a token too many does no harm.
    """
    found: dict[str, None] = {}
    for template in _texts(templates):
        for text in _JINJA.split(template):
            found.setdefault(text)
        for instruction in _JINJA.findall(template):
            if not instruction.startswith("{#"):
                for single, double in _QUOTED.findall(instruction):
                    found.setdefault(_ESCAPED.sub(_unescaped, single or double))
    if found:
        for role in _ROLES:
            for spelled in (role, role.capitalize(), role.upper()):
                found.update(dict.fromkeys(place.format(spelled) for place in _PLACES))
    return [text for text in found if text]


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[1])


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
