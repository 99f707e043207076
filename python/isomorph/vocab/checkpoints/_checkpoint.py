"""A model's folder, opened without reading its tensors, and written again for other rows."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph._progress import Progress
from isomorph.errors import FormatError
from isomorph.vocab._changes import Change
from isomorph.vocab.checkpoints import _configs, _folder, _roles
from isomorph.vocab.checkpoints._shards import Tensors
from isomorph.vocab.checkpoints._tensors import Drop, Made, Rows, rewrite

#: Models whose positions begin after the id of padding: that id may not move.
# fmt: off
_POSITIONS_BY_PADDING = frozenset((
    "altclip", "bridgetower", "camembert", "clap", "data2vec-text", "esm", "evolla", "fsmt",
    "ibert", "kosmos-2", "kosmos-2.5", "layoutlmv3", "lilt", "longformer", "luke", "m2m_100",
    "markuplm", "mpnet", "nllb-moe", "roberta", "roberta-prelayernorm", "seamless_m4t",
    "seamless_m4t_v2", "speech_to_text", "speecht5", "trocr", "xlm-roberta", "xlm-roberta-xl",
    "xmod",
))
# fmt: on
#: Below this, keeping every id up to that of padding costs nothing, whatever the model.
_FEW = 16


@dataclass(frozen=True)
class Checkpoint:
    """The weights and configurations of a model, in a folder.

    Attributes
    ----------
    folder : ModelFolder
        Where what lies.
    tensors : Tensors
        All tensors, not read.
    tables : tuple of TokenTable
        Those with one entry a token.
    rows : int
        How many entries they have: the size of the vocabulary as the configuration says it, with
        padding.
    configs : dict of str to dict
        The configurations that may hold token ids, by their names from the root.
    kinds : dict of str to str
        The class of the module that a configuration is of, where it is not the transformer.
    """

    folder: _folder.ModelFolder
    tensors: Tensors
    tables: tuple[_roles.TokenTable, ...]
    rows: int
    configs: dict[str, dict[str, Any]]
    kinds: dict[str, str]

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        tables: Mapping[str, str | None] | None = None,
        leave_out: Sequence[str] = (),
        revision: str | None = None,
    ) -> Checkpoint:
        """Open a model and find its tables.

        Parameters
        ----------
        path : path or str
            A folder as ``transformers`` or ``sentence-transformers`` save it, or a hub id.
        tables : mapping of str to str or None, optional
            Roles of tensors that cannot be told by their names: "input", "output", "bias",
            "scale", "adapter", or None for what is no table.
        leave_out : sequence of str
            Patterns of files, relative to the folder, that a rewritten model is not to have.
        revision : str, optional
            Of a hub id.

        Raises
        ------
        FormatError
            A file that is damaged or of another format, tables that cannot be told, configurations
            that do not fit them.
        OSError
            What cannot be read.
        """
        root = _folder.locate(path, revision=revision)
        first = _folder.survey(root, leave_out=("*",))
        _folder.refuse_without_weights(first.transformer)
        _folder.refuse_pointers(first.transformer)
        tensors = Tensors.open(first.transformer)
        weights = [*tensors.headers, *([tensors.index_name] if tensors.index_name else [])]
        folder = _folder.survey(root, weights, leave_out)
        configs = {
            folder.relative(name): _folder.read_json(folder.transformer / name)
            for name in _configs.CONFIGS
            if (folder.transformer / name).is_file()
        }
        names = dict(
            zip((f"{path}/config.json" for path in folder.modules), folder.kinds, strict=True)
        )
        kinds = {name: kind for name, kind in names.items() if name in folder.others}
        configs |= {name: _folder.read_json(root / name) for name in kinds}
        main = configs.get(folder.relative("config.json"), {})
        size = _configs.vocabulary_size(main)
        found = _roles.find_tables(
            str(folder.transformer),
            tensors.tensors.values(),
            size,
            named=tables,
            tied=_is_tied(main),
        )
        _refuse_inputs_by_token(root, configs, kinds, found[0].rows)
        return cls(folder, tensors, found, found[0].rows, configs, kinds)

    @property
    def config(self) -> dict[str, Any]:
        """What config.json says; empty where there is none."""
        return self.configs.get(self.folder.relative("config.json"), {})

    @property
    def weights(self) -> tuple[str, ...]:
        """The files of the tensors, and their index, in the folder of the transformer."""
        index = self.tensors.index_name
        return (*self.tensors.headers, *([index] if index else []))

    @property
    def parameters(self) -> int:
        """Values of all tensors."""
        return sum(tensor.count for tensor in self.tensors.tensors.values())

    @property
    def tensor_bytes(self) -> int:
        """Bytes of all tensors: what loading takes in their own types."""
        return sum(tensor.nbytes for tensor in self.tensors.tensors.values())

    @property
    def table_bytes(self) -> int:
        """Bytes of the tables with one entry a token."""
        return sum(self.tensors.tensors[table.name].nbytes for table in self.tables)

    @cached_property
    def id_fields(self) -> dict[str, tuple[_configs.Field, ...]]:
        """The ids that configurations name, by file."""
        return {name: _configs.ids_of(config, self.rows) for name, config in self.configs.items()}

    @property
    def required(self) -> NDArray[np.int64]:
        """The ids that must stay: those in configurations, and those below padding's.

        Some models count positions from the id of padding, so it stays where it is.
        """
        ids = {field.id for fields in self.id_fields.values() for field in fields}
        padding = self.config.get("pad_token_id")
        if (
            isinstance(padding, int)
            and 0 <= padding < self.rows
            and (padding < _FEW or self.config.get("model_type") in _POSITIONS_BY_PADDING)
        ):
            ids |= set(range(padding + 1))
        for field in (field for fields in self.id_fields.values() for field in fields):
            if _configs.field_of(field.name) == "no_timestamps_token_id":
                # Whisper's times are the ids behind it, whether the tokenizer has them or not.
                ids |= set(range(field.id, self.rows))
        return np.array(sorted(ids), dtype=np.int64)

    def gather(self, index: NDArray[np.int64]) -> dict[str, Rows]:
        """Give the plan that takes the same rows of every table; -1 is a row of zeros."""
        return {table.name: Rows(index, axis=table.axis) for table in self.tables}

    def edited(
        self,
        size: int,
        renumber: _configs.Renumber,
        roles: Mapping[str, tuple[int | None, int]] = MappingProxyType({}),
    ) -> dict[str, _configs.Edited]:
        """Give every configuration, by its name, for `size` rows and other ids."""
        return {
            name: _configs.renumbered(
                config,
                self.rows,
                size,
                renumber,
                _configs.SIZES.get(self.kinds.get(name, ""), ()),
                roles,
            )
            for name, config in self.configs.items()
        }

    def changes(
        self, plan: Mapping[str, Rows | Made | Drop], edited: Mapping[str, _configs.Edited]
    ) -> list[Change]:
        """List every field that a rewrite changes, and every file that it leaves out."""
        found = [
            Change(name, field, old, new)
            for name, edit in edited.items()
            for field, old, new in edit.changes
        ]
        for table in self.tables:
            old, new = list(table.shape), list(table.shape)
            part = plan.get(table.name)
            if isinstance(part, Rows):
                new[table.axis] = len(part.index)
            elif isinstance(part, Made):
                new = list(part.shape)
            if new != old or isinstance(part, Drop):
                name = self.folder.relative(table.file)
                found.append(Change(name, table.name, old, None if isinstance(part, Drop) else new))
        return found + [
            Change(name, "", "a file", f"left out: {why}") for name, why in self.folder.left_out
        ]

    def write(
        self,
        out: Path,
        plan: Mapping[str, Rows | Made | Drop],
        edited: Mapping[str, _configs.Edited],
        *,
        skip: Collection[str] = (),
        memory: int | str | None = None,
        progress: Progress = None,
        threads: int | None = None,
    ) -> None:
        """Write the model with other tables and configurations into a folder that is empty.

        Parameters
        ----------
        out : Path
            The folder.
        plan : mapping
            What becomes of the tensors, see :func:`isomorph.vocab.checkpoints._tensors.rewrite`.
        edited : mapping
            What :meth:`edited` gave.
        skip : collection of str
            Names, from the root, of files that another writes: those of the tokenizer.
        """
        target = out / self.folder.module
        target.mkdir(parents=True, exist_ok=True)
        for name in self.folder.others:
            if name in skip:
                continue
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            if name in edited and edited[name].changes:
                text = json.dumps(edited[name].value, indent=2, ensure_ascii=False) + "\n"
                (out / name).write_text(text, encoding="utf-8")
            else:
                shutil.copyfile(self.folder.root / name, out / name)
        rewrite(
            self.folder.transformer,
            target,
            plan,
            memory=memory,
            progress=progress,
            threads=threads,
        )

    def require_ids(self, size: int, what: str) -> None:
        """Refuse a tokenizer with ids that have no row.

        Raises
        ------
        FormatError
            When `size` is above the rows of the tables.
        """
        if size > self.rows:
            table = self.tables[0]
            raise FormatError(
                f"{what}: has ids up to {size - 1:,}, but {table.name} has {self.rows:,} rows: the "
                "tokenizer is not this model's, or tokens were added and the model was not resized"
            )


def _refuse_inputs_by_token(
    root: Path, configs: Mapping[str, dict[str, Any]], kinds: Mapping[str, str], rows: int
) -> None:
    """Refuse modules with weights for each entry of a vector that has one for each token.

    Raises
    ------
    FormatError
        Such a module, as a sparse autoencoder that follows a pooling over tokens.
    """
    for name, kind in kinds.items():
        for field in ("input_dim", "in_features"):
            if configs[name].get(field) == rows:
                raise FormatError(
                    f"{root / name}: {field} is {rows:,}, as there are tokens: the weights of "
                    f"{kind} have an entry for each, and are not trimmed"
                )


def _is_tied(config: Mapping[str, Any]) -> bool:
    """Whether the configuration ties the head to the embeddings: the default of transformers."""
    said = config.get("tie_word_embeddings")
    if not isinstance(said, bool):
        text = config.get("text_config")
        said = text.get("tie_word_embeddings") if isinstance(text, Mapping) else None
    headed = any(
        part in str(name)
        for name in config.get("architectures") or ()
        for part in ("LM", "Generation", "Pretraining", "PreTraining")
    )
    return headed and said is not False
