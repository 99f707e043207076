"""Token ids in the configurations of a model: which there are, and the same renumbered."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

#: Files whose fields are looked at.
CONFIGS = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "adapter_config.json",
)
#: Fields of other modules that say how many tokens there are, by the class of the module.
SIZES = {"SpladePooling": frozenset({"embedding_dimension", "word_embedding_dimension"})}
_ID = re.compile(
    r"(?:^|_)(?:token|pad|padding|bos|eos|unk|mask|sep|cls|im_start|im_end|boi|eoi|eoc)"
    r"_(?:id|idx|index)(?:s|es)?$"
)
#: Fields that are ids all through, whatever lists or tables they are in.
_NESTED = frozenset(
    {
        "bad_words_ids",
        "begin_suppress_tokens",
        "force_words_ids",
        "lang_code_to_id",
        "lang_to_id",
        "language_codes_to_id",
        "stop_words_ids",
        "suppress_tokens",
        "task_to_id",
        "trainable_token_indices",
    }
)
#: Tables of all tokens with their ids: they follow, and keep none.
_VOCABULARIES = frozenset({"vocabulary_map"})
#: Lists of pairs of which one member is an id, or a list of ids.
_PAIRS = {"forced_decoder_ids": 1, "sequence_bias": 0}
_SIZE = frozenset(
    {
        "vocab_size",
        "vocabulary_size",
        "n_vocab",
        "n_words",
        "padded_vocab_size",
        "unpadded_vocab_size",
        "text_vocab_size",
        "decoder_vocab_size",
        "vocab_size_per_layer_input",
    }
)
#: Where the size of the text's vocabulary is looked for, in this order.
_TEXT_CONFIGS = ("text_config", "llm_config", "language_config", "language_model", "decoder")

Renumber = Callable[[int], int | None]


@dataclass(frozen=True, slots=True)
class Field:
    """A field with an id in it.

    Attributes
    ----------
    name : str
        As in ``text_config.eos_token_id[1]``.
    id : int
        The id.
    """

    name: str
    id: int


@dataclass(frozen=True, slots=True)
class Edited:
    """A configuration for other ids.

    Attributes
    ----------
    value : dict
        The configuration.
    changes : tuple of (str, object, object)
        Name of each field that changed, what it was and what it is.
    notes : tuple of str
        What looks like an id or a size of the vocabulary, and was left as it was.
    """

    value: dict[str, Any]
    changes: tuple[tuple[str, Any, Any], ...]
    notes: tuple[str, ...]


def vocabulary_size(config: Mapping[str, Any]) -> int | None:
    """Return the size of the text's vocabulary, None where the configuration does not say it."""
    places: list[Any] = [config, *(config.get(name) for name in _TEXT_CONFIGS)]
    for place in places:
        if not isinstance(place, Mapping):
            continue
        for name in ("padded_vocab_size", "vocab_size", "vocabulary_size", "n_words", "n_vocab"):
            size = place.get(name)
            if isinstance(size, int) and not isinstance(size, bool) and size > 0:
                return size
    return None


def field_of(name: str) -> str:
    """Give the field's own name: ``eos_token_id`` of ``text_config.eos_token_id[1]``."""
    return name.rpartition(".")[2].partition("[")[0]


def ids_of(config: Mapping[str, Any], vocabulary: int) -> tuple[Field, ...]:
    """Return every id of the vocabulary that a configuration has.

    Ids that are not below `vocabulary` (defaults of another model, -1, -100) are none of it.
    """
    found: list[Field] = []

    def record(name: str, number: int) -> int:
        if 0 <= number < vocabulary:
            found.append(Field(name, number))
        return number

    _Walk(vocabulary, None, record).mapping(dict(config), "")
    return tuple(found)


def renumbered(
    config: Mapping[str, Any],
    vocabulary: int,
    size: int,
    renumber: Renumber,
    sizes: Collection[str] = (),
    roles: Mapping[str, tuple[int | None, int]] = MappingProxyType({}),
) -> Edited:
    """Give the configuration of the same model with another vocabulary.

    Parameters
    ----------
    config : mapping
        What JSON says.
    vocabulary, size : int
        Rows of the tables before and after.
    renumber : callable
        Gives the new id of an old one, None of one that is no more: it is taken out of a list, and
        a field that holds nothing else becomes null.
    sizes : collection of str
        Names of fields with the size of the vocabulary, beside the usual ones.
    roles : mapping of str to (int or None, int)
        Fields that say what a token is for, as ``eos_token_id``: the id of that token before, None
        where nothing says it, and after. They are asked before `renumber`, for one old token may
        have been for several things. Another id in such a field is renumbered as any other; where
        it is no more, the field gets the new token unless it is a list.
    """
    changes: list[tuple[str, Any, Any]] = []
    notes: list[str] = []

    def change(name: str, number: int) -> int | None:
        if number < 0:
            return number
        if number >= vocabulary:
            notes.append(f"{name}: {number} is no id of this vocabulary, left")
            return number
        listed = name.endswith("]")
        before, after = roles.get(field_of(name), (None, None))
        if after is not None and before in (None, number) and not (listed and before is None):
            new: int | None = after
        else:
            new = renumber(number)
            if new is None and not listed:
                new = after
        if new != number:
            changes.append((name, number, new))
        return new

    walk = _Walk(vocabulary, size, change, sizes)
    value = walk.mapping(dict(config), "")
    return Edited(value, tuple(walk.sizes + changes), tuple(walk.notes + notes))


class _Walk:
    """One walk over a configuration, which calls `visit` with each id."""

    def __init__(
        self,
        vocabulary: int,
        size: int | None,
        visit: Callable[[str, int], int | None],
        sizes: Collection[str] = (),
    ) -> None:
        self.size_names = _SIZE.union(sizes)
        self.vocabulary, self.size, self.visit = vocabulary, size, visit
        self.sizes: list[tuple[str, Any, Any]] = []
        self.notes: list[str] = []

    def mapping(self, config: dict[str, Any], prefix: str) -> dict[str, Any]:
        """Return a copy of a table of fields; one with a vocabulary of its own stays as it is."""
        own = config.get("vocab_size")
        if prefix and _is_number(own) and own != self.vocabulary:
            self.notes.append(f"{prefix[:-1]}: has a vocabulary of its own ({own}), left")
            return config
        return {key: self.field(key, value, prefix + key) for key, value in config.items()}

    def field(self, key: str, value: Any, name: str) -> Any:
        if key in self.size_names and _is_number(value):
            return self.sized(value, name)
        if key in _PAIRS and isinstance(value, list):
            return [self.pair(entry, _PAIRS[key], f"{name}[{i}]") for i, entry in enumerate(value)]
        if key in _VOCABULARIES and self.size is None:
            return value
        if key in _NESTED or key in _VOCABULARIES or _ID.search(key):
            return self.ids(value, name)
        if isinstance(value, dict):
            return self.mapping(value, f"{name}.")
        if isinstance(value, list):
            return [
                self.mapping(entry, f"{name}[{i}].") if isinstance(entry, dict) else entry
                for i, entry in enumerate(value)
            ]
        return value

    def sized(self, value: int, name: str) -> int:
        if value != self.vocabulary:
            self.notes.append(f"{name}: {value} is not the size of this vocabulary, left")
            return value
        if self.size is None or self.size == value:
            return value
        self.sizes.append((name, value, self.size))
        return self.size

    def pair(self, entry: Any, member: int, name: str) -> Any:
        if not isinstance(entry, list) or len(entry) != 2:
            return entry
        changed = list(entry)
        changed[member] = self.ids(entry[member], f"{name}[{member}]")
        return changed

    def ids(self, value: Any, name: str) -> Any:
        """Renumber ids in anything; what is no longer there leaves its list."""
        if _is_number(value):
            return self.visit(name, value)
        if isinstance(value, list):
            made = [(entry, self.ids(entry, f"{name}[{i}]")) for i, entry in enumerate(value)]
            # A phrase that lost a word is another phrase.
            return [
                new
                for old, new in made
                if (new is not None or old is None)
                and not (isinstance(old, list) and len(new) < len(old))
            ]
        if isinstance(value, dict):
            renamed = (
                (key, entry, self.ids(entry, f"{name}.{key}")) for key, entry in value.items()
            )
            # A token that is gone leaves its table.
            return {key: new for key, old, new in renamed if new is not None or old is None}
        return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
