"""Every page runs as it is written: Python, the output shown below it, and the command line.

The Python blocks of a page share one namespace and run in an empty folder, as a reader would run
them. A `text` block below a block is what that prints; `...` stands for anything. Of a `sh` block
the `isomorph` commands run; the setup commands of the README are what `.ci/run` does.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.process import environment

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("**/*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)")

#: Pages that are about a library, and that library.
NEEDS = {"dask": "dask"}

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 2)
        for found in BLOCK.finditer(text)
    ]


def assert_printed(printed: str, expected: str, place: str) -> None:
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    same = doctest.OutputChecker().check_output(expected, printed, options)
    assert same, f"{place}: the page shows\n{expected}\nbut this was printed\n{printed}"


def run_python(block: Block, page: Path, namespace: dict) -> str:
    # Line numbers of errors are those of the page.
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, namespace)
    return printed.getvalue()


def run_commands(block: Block) -> str:
    printed = ""
    for line in block.text.splitlines():
        words = shlex.split(line)
        if not words or words[0] != "isomorph":
            continue
        done = subprocess.run(
            [sys.executable, "-m", *words],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        printed += done.stdout
    return printed


@by_page
def test_the_page_runs(page, tmp_path, monkeypatch):
    if page.stem in NEEDS:
        pytest.importorskip(NEEDS[page.stem])
    monkeypatch.chdir(tmp_path)
    namespace: dict = {"__name__": "page"}
    printed = ""
    for block in blocks(page):
        place = f"{page.name}:{block.line}"
        if block.language == "python":
            printed = run_python(block, page, namespace)
        elif block.language == "sh":
            printed = run_commands(block)
        elif block.language == "text":
            assert_printed(printed, block.text, place)
        else:
            pytest.fail(f"{place}: a block of {block.language}, which no test runs")


@by_page
def test_links_within_the_repository_lead_somewhere(page):
    for target, _ in LINK.findall(page.read_text(encoding="utf8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@by_page
def test_no_page_names_a_machine(page):
    text = page.read_text(encoding="utf8")
    assert not re.search(r"(?<![\w.])/(home|root|work|Users)/", text)


@pytest.mark.parametrize("what", ["table", "reference"])
def test_what_is_made_is_up_to_date(what):
    made = subprocess.run(
        [sys.executable, REPOSITORY / "docs" / "make.py", what, "--check"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 0, f"run: python docs/make.py {what}\n{made.stderr}"


def test_the_readme_has_its_two_commands():
    text = (REPOSITORY / "README.md").read_text(encoding="utf8")
    for name in ("demo", "test"):
        command = re.search(rf"<!-- command: {name} -->\n```sh\n(.*?)\n```", text)
        assert command, name
        assert command[1].startswith("python3 -m venv")
    assert text.count("<!-- command:") == 2
