"""Which tensors of a model have one row a token: by name, and by shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from isomorph.errors import FormatError
from isomorph.vocab.checkpoints._header import Tensor

Role = Literal["input", "output", "bias", "scale", "adapter"]
ROLES: tuple[Role, ...] = ("input", "output", "bias", "scale", "adapter")

# What libraries put between a module and its weight: adapters, and copies that are trained.
_WRAPPED = r"(?:\.(?:base_layer|original_module|modules_to_save(?:\.\w+)?))?"
_INPUT = (
    r"embed_tokens|embed_tokens_per_layer|word_embeddings?|wte|shared|tok_embeddings|tokens_embed"
    r"|token_embeddings?|embed_in|input_embeds_layer|text_embed_tokens|embed_text_tokens"
)
_OUTPUT = (
    r"lm_head|lm_head\.decoder|text_lm_head|predictions\.decoder|predictions\.lm_head|embed_out"
    r"|vocab_projector|generator_lm_head|lm_loss|pred_layer\.proj|mlm_head\.decoder"
    r"|mlm_head\.predictions\.decoder"
)
#: Names that vocabularies have and other things, too: tables where the shape fits.
_MAYBE_INPUT = r"embeddings?|embed|emb|w"
_MAYBE_OUTPUT = r"decoder|output|output_layer|output_projection|out_proj|proj_out|head|ctc_head|out"

_WEIGHT = r"\.(?:weight|qweight|weight_packed)"


def _ends(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|\.)(?:{pattern})$")


_SURE: tuple[tuple[re.Pattern[str], Role], ...] = (
    (_ends(rf"(?:{_INPUT}){_WRAPPED}{_WEIGHT}"), "input"),
    (_ends(rf"(?:{_OUTPUT}){_WRAPPED}{_WEIGHT}"), "output"),
    (_ends(rf"(?:{_OUTPUT}){_WRAPPED}\.bias"), "bias"),
    (_ends(r"(?:lm_head|predictions|generator_predictions|mlm_head)\.bias"), "bias"),
    (_ends("final_logits_bias"), "bias"),
)
_MAYBE: tuple[tuple[re.Pattern[str], Role], ...] = (
    (re.compile(rf"(?:^|\.)(?:{_MAYBE_INPUT}){_WRAPPED}{_WEIGHT}$|^embeddings?$"), "input"),
    (re.compile(rf"(?:^|\.)(?:{_MAYBE_OUTPUT}){_WRAPPED}{_WEIGHT}$"), "output"),
    (re.compile(rf"(?:^|\.)(?:{_MAYBE_OUTPUT}){_WRAPPED}\.bias$"), "bias"),
)
#: LoRA of embeddings: A is (rank, tokens); of a head: B is (tokens, rank).
_ADAPTER_A = re.compile(rf"(?:^|\.)(?:{_INPUT})\.lora_embedding_A(?:\.\w+)?(?:\.weight)?$")
_ADAPTER_B = re.compile(
    rf"(?:^|\.)(?:{_OUTPUT})\.(?:lora_B|lora_magnitude_vector)(?:\.\w+)?(?:\.weight)?$"
)
_SCALE = re.compile(
    r"(?:weight[._])?(?:scales?|scale_inv|zeros|zero_points?|qzeros|biases|absmax|min|max|SCB)$"
)
#: Gemma 3n has a second table, for its layers, which lacks the ids of images and sound.
_PER_LAYER = re.compile(r"(?:^|\.)embed_tokens_per_layer\.")
#: MobileBERT's head has the columns of its tokens that its narrow embeddings lack.
_COLUMNS = re.compile(r"(?:^|\.)predictions\.dense\.weight$")
#: Parts of a network that may have as many rows as there are tokens by chance,
_INNER = re.compile(
    r"(?:^|\.)(?:layers?|h|blocks?|encoder\.layer|experts|pooler|classifier|score|qa_outputs|dense"
    r"|linear|projector|mapping|transform)(?:\.|$)"
)
#: and those that cannot be a table of tokens.
_NEVER = re.compile(
    r"(?:^|\.)(?:wpe|\w*position\w*|token_type_embeddings|entity_embeddings|vision\w*|visual\w*"
    r"|(?:\w*_)?(?:ln|norm|layernorm|layer_norm|LayerNorm)\w*|rotary_emb|relative_attention_bias)"
    r"(?:\.|$)",
)


@dataclass(frozen=True, slots=True)
class TokenTable:
    """A tensor with one entry a token.

    Attributes
    ----------
    name, file : str
        Its name, and that of the file in which it is.
    dtype : str
        As safetensors names it: F32, BF16, I8, ...
    shape : tuple of int
        Its shape.
    role : {"input", "output", "bias", "scale", "adapter"}
        Embeddings; a head; a bias of a head; what belongs to the rows of a quantised table; LoRA.
    axis : int
        Along which axis the tokens lie.
    tied : bool
        Embeddings that are the head, too, as the configuration says.
    """

    name: str
    file: str
    dtype: str
    shape: tuple[int, ...]
    role: Role
    axis: int = 0
    tied: bool = False

    @property
    def rows(self) -> int:
        """How many tokens it has entries for."""
        return self.shape[self.axis]


def find_tables(
    folder: str,
    tensors: Iterable[Tensor],
    vocabulary: int | None,
    *,
    named: Mapping[str, str | None] | None = None,
    tied: bool = False,
) -> tuple[TokenTable, ...]:
    """Say which tensors have one entry a token.

    Parameters
    ----------
    folder : str
        For messages.
    tensors : iterable of Tensor
        All of the model.
    vocabulary : int or None
        The size that the configuration says; None takes that of the embeddings.
    named : mapping, optional
        Roles of tensors that the user names; None says that a tensor is no table.
    tied : bool
        What the configuration says of the head.

    Raises
    ------
    FormatError
        No table, tables of several sizes, or a tensor that may be one or not.
    """
    everything = tuple(tensors)
    named = dict(named or {})
    _require_named(folder, everything, named)
    rows = vocabulary if vocabulary is not None else _rows_of_inputs(folder, everything, named)
    found = []
    for tensor in everything:
        place = _place(folder, tensor, rows, named, vocabulary is not None)
        if place is not None:
            role, axis = place
            found.append(_table(tensor, role, axis))
    found += _companions(folder, everything, found, rows)
    _refuse_hidden_heads(folder, everything, found, named)
    if not any(table.role == "input" for table in found):
        raise FormatError(
            f"{folder}: expected a tensor of input embeddings with {rows:,} rows, as the "
            "vocabulary has tokens, found none; name it with tables={'NAME': 'input'}"
        )
    heads = any(table.role == "output" for table in found)
    tied = tied and not heads
    return tuple(replace(table, tied=tied and table.role == "input") for table in found)


def _require_named(folder: str, tensors: tuple[Tensor, ...], named: dict[str, str | None]) -> None:
    names = {tensor.name for tensor in tensors}
    for name, role in named.items():
        if name not in names:
            raise ValueError(f"tables: {folder} has no tensor {name!r}")
        if role is not None and role not in ROLES:
            raise ValueError(f"tables: expected one of {', '.join(ROLES)} or None, got {role!r}")


def _place(
    folder: str, tensor: Tensor, rows: int, named: dict[str, str | None], from_config: bool
) -> tuple[Role, int] | None:
    """Return the role of a tensor and the axis of its tokens; None of one that is no table."""
    axis = _axis(tensor.shape, rows)
    if axis is None and _PER_LAYER.search(tensor.name):
        raise FormatError(
            f"{folder}: {tensor.name}, of shape {tensor.shape}, is a table of the first ids of "
            f"{rows:,}: the others stand for images and sound, and are told from text by their "
            "numbers, which a trim would change; a model with two such tables is not trimmed"
        )
    if tensor.name in named:
        role = named[tensor.name]
        # What the user names may have its tokens along any axis.
        axis = tensor.shape.index(rows) if rows in tensor.shape else None
        if role is None:
            return None
        if axis is None:
            raise FormatError(
                f"{folder}: tables: expected {rows:,} entries of {tensor.name}, one a token, got "
                f"shape {tensor.shape}"
            )
        return next(known for known in ROLES if known == role), axis
    if len(tensor.shape) == 2 and tensor.shape[1] == rows:
        if _ADAPTER_A.search(tensor.name):
            return "adapter", 1
        if _COLUMNS.search(tensor.name):
            return "output", 1
    if _ADAPTER_B.search(tensor.name) and axis == 0:
        return "adapter", 0
    for pattern, role in _SURE:
        if pattern.search(tensor.name):
            if axis is None and tensor.name.endswith(("qweight", "weight_packed")):
                raise FormatError(
                    f"{folder}: {tensor.name}, of shape {tensor.shape}, is quantised across "
                    f"tokens, not by its {rows:,} rows: save the model with its embeddings and "
                    "head not quantised"
                )
            if axis is None:
                said = "the configuration says" if from_config else "the embeddings have"
                raise FormatError(
                    f"{folder}: expected {rows:,} rows of {tensor.name}, as {said}, got shape "
                    f"{tensor.shape}; if it is of another vocabulary or none, say so with "
                    f"tables={{{tensor.name!r}: None}}"
                )
            return role, axis
    across = axis is None and rows in tensor.shape
    if axis is None and not across:
        return None
    if _SCALE.search(tensor.name.rpartition(".")[2]):
        return None
    for pattern, role in _MAYBE:
        if axis is not None and pattern.search(tensor.name) and not _is_other(tensor.name):
            return role, axis
    if _is_other(tensor.name) or rows == 1:
        return None
    what = "columns" if across else "rows"
    raise FormatError(
        f"{folder}: {tensor.name} has {rows:,} {what}, as the vocabulary has tokens, but not the "
        f"name of a table: say what it is with tables={{{tensor.name!r}: 'input'}} (or 'output', "
        "'bias'), or None if it is no table"
    )


def _is_other(name: str) -> bool:
    return bool(_INNER.search(name) or _NEVER.search(name))


def may_be_table(name: str) -> bool:
    """Whether a tensor with as many rows as there are tokens may be a table all the same."""
    return not _NEVER.search(name)


def _refuse_hidden_heads(
    folder: str,
    tensors: tuple[Tensor, ...],
    tables: list[TokenTable],
    named: dict[str, str | None],
) -> None:
    """Refuse a model without a head where something of the embeddings' shape may be it.

    Raises
    ------
    FormatError
        As of old Phi models, whose head is the last of their layers.
    """
    if any(table.role == "output" for table in tables):
        return
    shapes = {table.shape for table in tables if table.role == "input"}
    known = {*named, *(table.name for table in tables)}
    for tensor in tensors:
        if tensor.shape in shapes and tensor.name not in known and may_be_table(tensor.name):
            raise FormatError(
                f"{folder}: {tensor.name} has the shape of the embeddings, and may be the head, "
                f"of which there is no other: say so with tables={{{tensor.name!r}: 'output'}}, or "
                "None if it is no table"
            )


def _axis(shape: tuple[int, ...], rows: int) -> int | None:
    """Return the axis of tokens: the first one, or the one after axes of length 1."""
    for axis, length in enumerate(shape):
        if length == rows:
            return axis
        if length != 1:
            return None
    return None


def _companions(
    folder: str, tensors: tuple[Tensor, ...], tables: list[TokenTable], rows: int
) -> list[TokenTable]:
    """Return what belongs to the rows of tables: scales and zero points, biases of heads."""
    modules = {table.name.rpartition(".")[0]: table for table in tables if table.role != "bias"}
    known = {table.name for table in tables}
    found = []
    for tensor in tensors:
        module, _, last = tensor.name.rpartition(".")
        if last != "weight" and module.endswith(".weight"):
            module, last = module.removesuffix(".weight"), f"weight.{last}"
        if tensor.name in known or module not in modules:
            continue
        if last == "bias" and modules[module].role == "output" and tensor.shape == (rows,):
            found.append(_table(tensor, "bias", 0))
        if not _SCALE.search(last):
            continue
        if tensor.count == 1:
            continue
        axis = _axis(tensor.shape, rows)
        if axis is None:
            raise FormatError(
                f"{folder}: {tensor.name}, of shape {tensor.shape}, belongs to "
                f"{modules[module].name}, but has not one entry for each of its {rows:,} rows: "
                "only tables that are quantised by rows can be trimmed; save the model with its "
                "embeddings not quantised"
            )
        found.append(_table(tensor, "scale", axis))
    return found


def _table(tensor: Tensor, role: Role, axis: int) -> TokenTable:
    file = Path(tensor.path).name
    return TokenTable(tensor.name, file, tensor.dtype, tensor.shape, role, axis)


def _rows_of_inputs(folder: str, tensors: tuple[Tensor, ...], named: dict[str, str | None]) -> int:
    """Return the rows that the embeddings have, where no configuration says so."""
    patterns = [p for p, role in (*_SURE, *_MAYBE) if role == "input"]
    sizes = {
        tensor.shape[0]: tensor.name
        for tensor in tensors
        if tensor.shape
        and (
            named.get(tensor.name) == "input"
            or (tensor.name not in named and any(p.search(tensor.name) for p in patterns))
        )
    }
    if len(sizes) == 1:
        return next(iter(sizes))
    what = "; ".join(f"{name} has {rows:,}" for rows, name in sizes.items()) or "none was found"
    raise FormatError(
        f"{folder}: config.json says no vocab_size, and the rows of the embeddings do not tell it "
        f"({what}): add vocab_size to config.json, or name the table with "
        "tables={'NAME': 'input'}"
    )
