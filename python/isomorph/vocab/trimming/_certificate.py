"""The certificate of a trim: what was verified, in a file beside the model."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isomorph import _formats
from isomorph._atomic import appearing
from isomorph.errors import CertificateError, FormatError
from isomorph.vocab.checkpoints import _folder
from isomorph.vocab.trimming import _verification

_FORMAT = "isomorph.certificate"
_VERSION = 1
#: Where it lies in a model's folder.
CERTIFICATE = f"{_folder.OWN}/certificate.json"
NO_CORPUS = "no corpus: coverage unknown"


@dataclass(frozen=True)
class Certificate:
    """What was verified after a trim, by reading again what had been written.

    Made by :func:`isomorph.vocab.trim`, saved in the model's folder, loaded by :meth:`load`.

    Attributes
    ----------
    claim : str
        ``"lossless on the corpus"``, ``"lossy: ..."`` or ``"no corpus: coverage unknown"``.
    corpus : dict or None
        Lines of the corpus, how many of them have the same tokens as before (under the remap,
        special tokens included), and the files with their SHA-256.
    held_out : dict or None
        What the trim does to other text, which it promises nothing of.
    tables : list of dict
        Each tensor with a row a token: its rows, all of them bit for bit those of the original,
        and the SHA-256 of its bytes.
    others : dict
        How many other tensors there are, all bit-identical.
    configs : dict
        How many ids configurations name, each with the token that it named before; the rows.
    named : dict
        How many places in the tokenizer's files name a token (as special, in a template, as
        padding), and for how many it is the same token as before.
    tokens : dict
        Tokens before and after.
    model, files : dict
        Bytes and SHA-256 of every file of the original, and of the trimmed model but for the model
        card, which names this certificate.
    """

    claim: str
    corpus: dict[str, Any] | None
    held_out: dict[str, Any] | None
    tables: list[dict[str, Any]]
    others: dict[str, int]
    configs: dict[str, int]
    named: dict[str, int]
    tokens: dict[str, int]
    model: dict[str, dict[str, Any]]
    files: dict[str, dict[str, Any]]

    @property
    def lossless(self) -> bool:
        """Whether every line of the corpus has the same tokens as before."""
        return self.corpus is not None and self.corpus["same"] == self.corpus["lines"]

    @property
    def sha256(self) -> str:
        """The hash of the certificate's file."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def statements(self) -> tuple[str, ...]:
        """What was verified, a sentence each."""
        rows = self.tables[0]["rows_kept"] if self.tables else 0
        names = ", ".join(table["name"] for table in self.tables)
        said = [
            NO_CORPUS
            if self.corpus is None
            else f"{self.corpus['same']:,} of {self.corpus['lines']:,} corpus lines have the same "
            "tokens as before",
            f"{rows:,} of {rows:,} kept rows are bit-identical, in {names}",
            f"{self.others['identical']:,} of {self.others['tensors']:,} other tensors are "
            "bit-identical",
            f"configurations agree: {self.configs['rows']:,} rows, {self.configs['ids']:,} "
            f"{'id' if self.configs['ids'] == 1 else 'ids'} with the tokens that they named",
        ]
        if self.named["places"]:
            said.append(
                f"{self.named['same']:,} of {self.named['places']:,} places in the tokenizer's "
                "files name the same token"
            )
        if self.held_out is not None:
            total = self.held_out["total"]
            said.append(
                f"held-out text: {total['lines_changed']:,} of {total['lines']:,} lines have other "
                f"tokens, {100 * total['extra_tokens']:+.2f} % tokens"
            )
        return tuple(said)

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        return {
            **_formats.described(_FORMAT, _VERSION),
            "claim": self.claim,
            "statements": list(self.statements),
            "corpus": self.corpus,
            "held_out": self.held_out,
            "tokens": self.tokens,
            "tables": self.tables,
            "other_tensors": self.others,
            "configs": self.configs,
            "named": self.named,
            "model": self.model,
            "files": self.files,
        }

    def to_json(self) -> str:
        """Give the text of the file."""
        return json.dumps(self.as_dict(), ensure_ascii=False, indent=2) + "\n"

    def __str__(self) -> str:
        return "\n".join([self.claim, *(f"- {said}" for said in self.statements)])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, atomically."""
        with appearing(path) as stream:
            stream.write(self.to_json().encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Certificate:
        """Read the certificate of a trimmed model.

        Parameters
        ----------
        path : path
            The model's folder, or the file.

        Raises
        ------
        FormatError
            No certificate, or of a later version.
        FileNotFoundError
            Nothing there.
        """
        file = Path(path)
        if file.is_dir():
            file = file / CERTIFICATE
        if not file.is_file():
            told = "expected the certificate of a trim: is this a model that isomorph trimmed?"
            raise FileNotFoundError(2, told, str(file))
        found = _folder.read_json(file)
        kinds = {key: str(found.get(key, "")) for key in ("format", "format_version")}
        _formats.require(file, kinds, _FORMAT, newest=_VERSION)
        try:
            certificate = cls(
                **{
                    name: found[{"others": "other_tensors"}.get(name, name)]
                    for name in cls.__dataclass_fields__
                }
            )
            _ = certificate.statements
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
            raise FormatError(f"{file}: expected a certificate, {error!r} is amiss") from None
        return certificate

    def verify(self, folder: str | os.PathLike[str], *, threads: int | None = None) -> None:
        """Check that a model's files are those that this certificate is of.

        Parameters
        ----------
        folder : path
            The trimmed model.
        threads : int, optional
            See :mod:`isomorph.runtime`.

        Raises
        ------
        CertificateError
            A file that is missing, or has other bytes: the model was changed after its trim. Files
            that were added are no fault.
        """
        root = Path(folder)
        if not root.is_dir():
            raise FileNotFoundError(2, "expected the folder of a model", str(root))
        if missing := [name for name in self.files if not (root / name).is_file()]:
            raise CertificateError(f"{root}: {missing[0]} is certified, and is not there")
        now = _verification.hashes(root, self.files, threads=threads)
        for name, was in self.files.items():
            if now[name] != was:
                raise CertificateError(
                    f"{root / name}: its bytes are not those that were certified: expected SHA-256 "
                    f"{was['sha256'][:16]}..., got {now[name]['sha256'][:16]}..."
                )
