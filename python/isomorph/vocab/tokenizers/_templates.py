"""Chat templates: the tokens that they name, and the text that they put between the turns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from isomorph.vocab.tokenizers._vocabulary import Vocabulary

__all__ = ["blanks_around", "literals", "template_tokens"]

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
_FIRST, _LAST = re.compile(r"[ \n]+"), re.compile(r"[ \n]+\Z")
_RUN = 2
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
    found = dict.fromkeys(_spelled(templates))
    if found:
        for role in _ROLES:
            for spelled in (role, role.capitalize(), role.upper()):
                found.update(dict.fromkeys(place.format(spelled) for place in _PLACES))
    return [text for text in found if text]


def blanks_around(templates: Any) -> tuple[tuple[str, str], ...]:
    """Give the blanks with which the text of templates ends and begins, as pairs.

    What a message begins with has other tokens behind a blank or a line feed than on a line by
    itself. Longer runs are the indentation of the template, which is not put out.
    """
    before: dict[str, None] = {}
    after: dict[str, None] = {}
    for text in _spelled(templates):
        for run, known in ((_LAST.search(text), before), (_FIRST.match(text), after)):
            if run is not None and len(run[0]) <= _RUN:
                known.setdefault(run[0])
    return tuple(zip_longest(before, after, fillvalue=""))


def _spelled(templates: Any) -> Iterator[str]:
    for template in _texts(templates):
        yield from _JINJA.split(template)
        for instruction in _JINJA.findall(template):
            if not instruction.startswith("{#"):
                for single, double in _QUOTED.findall(instruction):
                    yield _ESCAPED.sub(_unescaped, single or double)


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
