"""The folder of a model: where the transformer lies, and which files are what."""

from __future__ import annotations

import errno
import fnmatch
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isomorph._extras import require
from isomorph.errors import FormatError

#: What isomorph keeps of a trim: the certificate, the changes, the undo file.
OWN = "isomorph"
CARD = "README.md"

_REFUSED = {
    ".onnx": "ONNX",
    ".onnx_data": "ONNX",
    ".gguf": "GGUF",
    ".ggml": "GGML",
}
_INSTEAD = {
    "ONNX": "trim the safetensors model, then export it again (optimum-cli export onnx)",
    "GGUF": "trim the model that it was converted from, then convert that again "
    "(convert_hf_to_gguf.py of llama.cpp)",
    "GGML": "trim the model that it was converted from, then convert that again",
}
#: Weights in other forms, and states of a training: they hold rows of the old vocabulary.
_STALE = (
    "*.bin.index.json",
    "*.ckpt",
    "*.ckpt.*",
    "*.h5",
    "*.msgpack",
    "*.mlmodel",
    "*.ot",
    "*_states.pt",
    "adapter_model*.bin",
    "consolidated*",
    "ggml*.bin",
    "model*.bin",
    "model*.pt",
    "model*.pth",
    "optimizer*",
    "pytorch_model*",
    "random_states*",
    "rng_state*",
    "scaler.*",
    "scheduler.*",
    "training_args.bin",
    "*.safetensors",
    "*.safetensors.index.json",
    "*.tflite",
    "openvino_model*",
)
#: Pickles of other names are copied: heads that know no tokens, as far as anyone can tell.
_PICKLES = (".bin", ".pkl", ".pt", ".pth")
_POINTER = b"version https://git-lfs"
#: Folders that are no part of the model.
_SKIPPED = (".git", ".cache", "__pycache__")
_HUB_PATTERNS = (
    "*.json", "*.safetensors", "*.model", "*.txt", "*.md", "*.jinja", "*.py", "LICENSE*",
)  # fmt: skip
#: Weights of the other modules of sentence-transformers, and of BGE-M3's heads, may be pickled.
_HUB_MODULES = ("[1-9]_*/*.bin", "*_linear.pt")
_HUB_LEFT_OUT = ("onnx/*", "openvino/*", "*.onnx", "*.gguf")


@dataclass(frozen=True)
class ModelFolder:
    """The files of a model.

    Attributes
    ----------
    root : Path
        The whole folder.
    module : str
        The sub-folder of the transformer, ``""`` for the root itself.
    modules : tuple of str
        The sub-folders of other modules, which know no tokens.
    others : tuple of str
        Files that are neither weights nor left out, relative to the root.
    left_out : tuple of (str, str)
        Files that a rewritten model does not have, and why.
    kinds : tuple of str
        The class of each of `modules`.
    """

    root: Path
    module: str
    modules: tuple[str, ...]
    others: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    kinds: tuple[str, ...] = ()

    @property
    def transformer(self) -> Path:
        """The folder with config.json, weights and tokenizer."""
        return self.root / self.module if self.module else self.root

    def is_of_transformer(self, name: str) -> bool:
        """Whether a file, by its name from the root, is in none of the other modules."""
        return not _is_in(name, self.modules)

    @property
    def pickles(self) -> tuple[str, ...]:
        """Pickles beside the transformer that are copied, though nobody looked into them."""
        return tuple(
            name for name in self.others if self.is_of_transformer(name) and name.endswith(_PICKLES)
        )

    def relative(self, file: str) -> str:
        """Give the name, from the root, of a file of the transformer."""
        return f"{self.module}/{file}" if self.module else file


def locate(path: str | os.PathLike[str], *, revision: str | None = None) -> Path:
    """Return the folder of a model, or fetch that of a hub id.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        Neither a folder nor an id.
    FormatError
        A file of another format.
    ImportError
        An id, and no library to fetch it with.
    """
    place = Path(path)
    if place.is_dir():
        return place
    kind = _REFUSED.get(place.suffix.lower())
    if kind is not None:
        raise FormatError(f"{place}: {kind} is not trimmed: {_INSTEAD[kind]}")
    if place.exists():
        raise NotADirectoryError(
            errno.ENOTDIR, "expected the folder of a model, got a file", str(place)
        )
    name = os.fspath(path)
    parts = name.split("/")
    if len(parts) != 2 or not all(parts) or name.startswith((".", "~")) or "\\" in name:
        raise FileNotFoundError(
            errno.ENOENT, "expected the folder of a model, or a hub id such as org/name", name
        )
    hub = require("huggingface_hub", extra="hub", purpose=f"{name}: a model of the hub")
    try:
        found = hub.snapshot_download(
            name,
            revision=revision,
            allow_patterns=[*_HUB_PATTERNS, *_HUB_MODULES],
            ignore_patterns=list(_HUB_LEFT_OUT),
        )
    except Exception as error:
        # Whatever the network or the hub says, in a line that names the model.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OSError(
            errno.ENOENT, f"is no folder, and was not fetched from the hub: {reason}", name
        ) from error
    return Path(found)


def survey(root: Path, weights: Sequence[str] = (), leave_out: Sequence[str] = ()) -> ModelFolder:
    """Say what the files of a model's folder are.

    Parameters
    ----------
    root : Path
        The folder.
    weights : sequence of str
        Files of the transformer that are rewritten, by their names in its folder.
    leave_out : sequence of str
        Patterns of files that the user does not want in the result.

    Raises
    ------
    FormatError
        ONNX or GGUF that `leave_out` does not name; several transformers, or one of words.
    """
    module, others_of = _module(root)
    modules = tuple(path for path, _ in others_of)
    others: list[str] = []
    left_out: list[tuple[str, str]] = []
    for file in _files(root):
        name = file.relative_to(root).as_posix()
        inside = file.parent == (root / module)
        if inside and file.name in weights:
            continue
        if any(fnmatch.fnmatch(name, pattern) for pattern in leave_out):
            left_out.append((name, "asked for"))
            continue
        kind = _REFUSED.get(file.suffix.lower())
        if kind is not None:
            raise FormatError(
                f"{file}: {kind} beside the model would not fit it any more: {_INSTEAD[kind]}; "
                f"leave_out=['*{file.suffix}'] makes a model without it"
            )
        top = name.partition("/")[0]
        if top == OWN:
            left_out.append((name, "of the trim before this one"))
        elif not _is_in(name, modules) and any(
            fnmatch.fnmatch(file.name, pattern) for pattern in _STALE
        ):
            left_out.append((name, "stale: weights or a state of training, of the old vocabulary"))
        else:
            others.append(name)
    return ModelFolder(
        root, module, modules, tuple(others), tuple(left_out), tuple(kind for _, kind in others_of)
    )


def refuse_without_weights(folder: Path) -> None:
    """Say what to do with a model that has no safetensors.

    Raises
    ------
    FormatError
        Always, but when there is a safetensors file.
    """
    names = sorted(file.name for file in folder.iterdir())
    if any(name.endswith((".safetensors", ".safetensors.index.json")) for name in names):
        return
    for file in _files(folder):
        kind = _REFUSED.get(file.suffix.lower())
        if kind is not None:
            raise FormatError(f"{file}: {kind} is not trimmed: {_INSTEAD[kind]}")
    pickled = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    if pickled:
        raise FormatError(
            f"{folder / pickled[0]}: expected safetensors, got a pickle, which runs code when "
            "it is read: load the model with transformers and save it with "
            "model.save_pretrained(FOLDER, safe_serialization=True)"
        )
    raise FormatError(
        f"{folder}: expected the folder of a model, with model.safetensors or "
        "model.safetensors.index.json, found neither"
    )


def refuse_pointers(folder: Path) -> None:
    """Say what to do where Git LFS has left pointers in place of weights.

    Raises
    ------
    FormatError
        Naming the first such file.
    """
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            if stream.read(len(_POINTER)) == _POINTER:
                raise FormatError(
                    f"{file}: expected safetensors, got a pointer of Git LFS: run git lfs pull"
                )


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    FormatError
        Not UTF-8, not JSON, or not an object.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError(f"{file}: byte {error.start}: not valid UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file}: expected JSON: {error}") from None
    if not isinstance(value, dict):
        raise FormatError(f"{file}: expected a JSON object, got {type(value).__name__}")
    return value


def _files(root: Path) -> list[Path]:
    """List the files of a folder, those of linked folders too.

    Raises
    ------
    FormatError
        A link to a folder that it lies in.
    """
    found = []
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        home = Path(folder).resolve()
        for link in (Path(folder, name) for name in folders):
            if link.is_symlink() and home.is_relative_to(link.resolve()):
                raise FormatError(f"{link}: a link to a folder that it lies in: remove it")
        found += [Path(folder, name) for name in sorted(files)]
    return [file for file in found if file.is_file()]


def _is_in(name: str, modules: Sequence[str]) -> bool:
    return any(name.startswith(f"{module}/") for module in modules)


def _module(root: Path) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the sub-folder of the transformer, and those of other modules with their classes."""
    file = root / "modules.json"
    if not file.is_file():
        return "", ()
    try:
        modules = json.loads(file.read_text(encoding="utf-8"))
        entries = [(str(m["type"]).rpartition(".")[2], str(m["path"])) for m in modules]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FormatError(
            f"{file}: expected a list of modules with type and path: {error!r}"
        ) from None
    for kind, _ in entries:
        if kind in _OWN_VOCABULARY:
            raise FormatError(
                f"{file}: a module of {kind} has a vocabulary of its own; expected one Transformer "
                "or StaticEmbedding, and others that know no tokens"
            )
    found = [path for kind, path in entries if kind in _TRANSFORMERS]
    if len(found) != 1:
        raise FormatError(
            f"{file}: expected one module of {' or '.join(_TRANSFORMERS)}, got "
            f"{', '.join(kind for kind, _ in entries) or 'none'}"
        )
    module = Path(found[0]).as_posix().strip("/")
    module = "" if module == "." else module
    inside = os.path.realpath(root / module)
    if os.path.commonpath([inside, os.path.realpath(root)]) != os.path.realpath(root):
        raise FormatError(f"{file}: expected a path inside the folder, got {found[0]!r}")
    others = ((Path(p).as_posix().strip("/"), kind) for kind, p in entries if p != found[0])
    return module, tuple(other for other in others if other[0] not in ("", ".", module))


_OWN_VOCABULARY = (
    "Asym",
    "BoW",
    "IDF",
    "Router",
    "SparseStaticEmbedding",
    "WordEmbeddings",
    "WordWeights",
)
_TRANSFORMERS = ("Transformer", "MLMTransformer", "StaticEmbedding")
