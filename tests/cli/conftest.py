"""A small pair of vocabularies that align perfectly, as files, and the command line to run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from isomorph import io
from isomorph.cli import main
from support.process import environment

WORDS, COLUMNS = 80, 8


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Files:
    """Paths of two vocabularies and dictionaries between them."""

    source: str
    target: str
    train: str
    test: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run the command line in this process."""

    def command(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return command


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start the command line in a process of its own."""

    def command(*arguments: object, **changes: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "isomorph", *map(str, arguments)],
            env=environment(**changes),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return command


@pytest.fixture
def files(tmp_path: Path, rng: np.random.Generator) -> Files:
    """Write two vocabularies of which one is the other, turned."""
    folder = tmp_path / "input"
    folder.mkdir()
    vectors = rng.standard_normal((WORDS, COLUMNS)).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((COLUMNS, COLUMNS)))[0].astype(np.float32)
    source = [f"s{i}" for i in range(WORDS)]
    target = [f"tä{i}" for i in range(WORDS)]
    io.save(io.Embeddings(source, vectors), folder / "xx.vec")
    io.save(io.Embeddings(target, vectors @ turn), folder / "yy.vec")
    lines = [f"{s}\t{t}\n" for s, t in zip(source, target, strict=True)]
    for name, part in (("train", lines[:50]), ("test", [*lines[50:], "missing\tmissing\n"])):
        (folder / f"{name}.txt").write_text("".join(part), encoding="utf-8")
    names = ("xx.vec", "yy.vec", "train.txt", "test.txt")
    return Files(*(os.fspath(folder / name) for name in names))


@pytest.fixture
def aligned(files: Files, tmp_path: Path, run: Callable[..., Outcome]) -> Path:
    """Return the folder that ``isomorph align`` wrote for `files`."""
    folder = tmp_path / "aligned"
    done = run(
        "align", files.source, files.target, "--train", files.train, "--test", files.test,
        "-o", folder,
    )  # fmt: skip
    assert done.status == 0, done.err
    return folder
