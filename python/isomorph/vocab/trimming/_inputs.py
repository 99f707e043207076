"""What a model is given for a line: behind a prompt, in lower case, in a chat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isomorph.vocab.checkpoints import _folder
from isomorph.vocab.corpora import Corpus
from isomorph.vocab.tokenizers import Tokenizer

_PROMPTS = "config_sentence_transformers.json"
_CASE = "sentence_bert_config.json"
_COLBERT = "artifact.metadata"
_MARKERS = ("query_token", "doc_token", "query_token_id", "doc_token_id")


@dataclass(frozen=True)
class Forms:
    """The forms in which a line becomes the model's input, beside the line itself.

    Attributes
    ----------
    prompts : tuple of str
        What is put before a line.
    lower : bool
        Whether the model reads everything in lower case.
    words : tuple of str
        What is looked up by itself, as a token or as text: the markers of queries and documents of
        models with a vector for each token, and what these skip.
    around : tuple of (str, str)
        Blanks that a chat template puts before and after a message.
    """

    prompts: tuple[str, ...] = ()
    lower: bool = False
    words: tuple[str, ...] = ()
    around: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, folder: _folder.ModelFolder, tokenizer: Tokenizer) -> Forms:
        """Read them from the files of sentence-transformers, where there are such.

        Raises
        ------
        FormatError
            A file that is no JSON object.
        """
        settings = _read(folder.root / _PROMPTS)
        said = settings.get("prompts")
        prompts = _texts(list(said.values()) if isinstance(said, dict) else [])
        lower = _read(folder.transformer / _CASE).get("do_lower_case") is True
        words = [settings.get(name) for name in ("query_prefix", "document_prefix")]
        words.append(settings.get("skiplist_words"))
        colbert = _read(folder.root / _COLBERT)
        words += [value for name, value in colbert.items() if name.endswith(_MARKERS)]
        return cls(prompts, lower, _texts(words), tokenizer.blanks_around)

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what is counted and certified beside the lines."""
        found = []
        if self.prompts:
            each = f"each of {len(self.prompts):,} prompts" if self.prompts[1:] else "the prompt"
            found.append(f"{_PROMPTS}: every line is counted a second time behind {each}")
        if self.around:
            found.append(
                "chat template: every line is counted with the blanks around a message, too"
            )
        if self.lower:
            found.append(f"{_CASE}: do_lower_case: every line is counted in lower case, too")
        return tuple(found)

    def __call__(self, line: str) -> Iterator[str]:
        """Give the line, and what the model makes of it."""
        made = [line, *(prompt + line for prompt in self.prompts)]
        made += [before + line.strip() + after for before, after in self.around]
        if self.lower:
            made += [text.lower() for text in made]
        yield from dict.fromkeys(made)

    def corpus(self, corpus: Corpus | None) -> Corpus | None:
        """Give a corpus with every line in all its forms."""
        if corpus is None or not (self.prompts or self.lower or self.around):
            return corpus
        return _InForms(corpus.parts, corpus.field, corpus.errors, self)


@dataclass(frozen=True)
class _InForms(Corpus):
    forms: Forms = Forms()

    def _read(self, part: Path | tuple[str, ...]) -> Iterator[str]:
        for line in super()._read(part):
            yield from self.forms(line)


def _texts(values: list[Any]) -> tuple[str, ...]:
    """Give the strings of a list, and of lists in it, each once."""
    flat = (entry for value in values for entry in (value if isinstance(value, list) else [value]))
    return tuple(dict.fromkeys(text for text in flat if isinstance(text, str) and text))


def _read(file: Path) -> dict[str, Any]:
    return _folder.read_json(file) if file.is_file() else {}
