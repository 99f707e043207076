"""The examples in docstrings run, and print what they show."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import isomorph as iso

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(iso.__path__, "isomorph.")
    if not info.name.endswith(("__main__", "._core"))
)

#: Modules that are there for users of a library, and that library.
NEEDS = {"isomorph.compat.sklearn": "sklearn"} | {
    f"isomorph._distributed._{name}": "dask"
    for name in ("graph", "mapped", "moments", "neighbors", "plan", "rows")
}


@pytest.mark.parametrize("name", ["isomorph", *MODULES])
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    module = importlib.import_module(name)
    outcome = doctest.testmod(module, optionflags=doctest.ELLIPSIS, extraglobs={"iso": iso})
    assert outcome.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [
        test
        for name in MODULES
        if name not in NEEDS
        for test in finder.find(importlib.import_module(name))
        if test.examples
    ]
    assert len(found) > 10
