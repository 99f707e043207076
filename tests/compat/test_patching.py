"""Calls of unchanged code are served, whoever holds the function; then all is as it was."""

from __future__ import annotations

import sys
import textwrap
import threading
import types

import numpy as np
import pytest

import isomorph as iso
from isomorph.compat import _covered, patching
from support.process import output_of

pytest.importorskip("scipy")
import scipy.linalg

#: Not by a name of this module: that would be replaced, too.
HELD = (scipy.linalg.orthogonal_procrustes,)
NAME = "scipy.linalg.orthogonal_procrustes"


def pairs():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 30, 4))


@pytest.fixture
def holder():
    """A module that has imported the function, as `from scipy.linalg import ...` does."""
    module = types.ModuleType("holder")
    module.turn = HELD[0]
    sys.modules["holder"] = module
    yield module
    del sys.modules["holder"]


def test_whoever_holds_the_function_is_served_and_restored(holder):
    with iso.patch("scipy") as calls:
        assert holder.turn is scipy.linalg.orthogonal_procrustes is not HELD[0]
        holder.late = scipy.linalg.orthogonal_procrustes
        holder.turn(*pairs())
        scipy.linalg.orthogonal_procrustes(*pairs())
    assert calls.calls[NAME].served == 2
    assert holder.turn is holder.late is scipy.linalg.orthogonal_procrustes is HELD[0]


def test_who_kept_a_replacement_calls_the_original():
    with iso.patch("scipy") as calls:
        kept = scipy.linalg.orthogonal_procrustes
    assert (kept(*pairs())[0] == HELD[0](*pairs())[0]).all()
    assert not calls.calls


def test_a_replacement_has_the_name_and_signature_of_the_original():
    import inspect

    with iso.patch("scipy"):
        replaced = scipy.linalg.orthogonal_procrustes
        assert replaced.__name__ == HELD[0].__name__
        assert inspect.signature(replaced) == inspect.signature(HELD[0])
        assert replaced.__doc__ == HELD[0].__doc__


def test_contexts_nest_and_end_in_any_order():
    outer, inner = iso.patch("scipy"), iso.patch("scipy", "faiss")
    outer.__enter__()
    inner.__enter__()
    scipy.linalg.orthogonal_procrustes(*pairs())
    outer.__exit__(None, None, None)
    assert scipy.linalg.orthogonal_procrustes is not HELD[0]
    scipy.linalg.orthogonal_procrustes(*pairs())
    inner.__exit__(None, None, None)
    assert scipy.linalg.orthogonal_procrustes is HELD[0]
    assert outer.calls[NAME].served == 1
    assert inner.calls[NAME].served == 2
    assert not any(isinstance(one, patching._Finder) for one in sys.meta_path)


def test_an_exception_restores():
    with pytest.raises(ZeroDivisionError), iso.patch("scipy"):
        raise ZeroDivisionError
    assert scipy.linalg.orthogonal_procrustes is HELD[0]


def test_it_decorates():
    @iso.patch("scipy")
    def work(depth):
        assert scipy.linalg.orthogonal_procrustes is not HELD[0]
        return depth if depth == 2 else work(depth + 1)

    assert work(0) == 2
    assert scipy.linalg.orthogonal_procrustes is HELD[0]


def test_errors_are_those_of_the_original():
    with iso.patch("scipy") as calls, pytest.raises(ValueError, match="differ"):
        scipy.linalg.orthogonal_procrustes(np.eye(2), np.eye(3))
    with iso.patch("scipy"), pytest.raises(TypeError, match="nonsense"):
        scipy.linalg.orthogonal_procrustes(np.eye(2), np.eye(2), nonsense=1)
    ((reason, count),) = calls.calls[NAME].passed.items()
    assert reason.startswith("ValueError")
    assert count == 1


def test_a_fault_of_ours_does_not_reach_the_caller(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("broken\nin detail")

    monkeypatch.setattr(iso.compat.scipy.orthogonal_procrustes, "serve", broken)
    with iso.patch("scipy") as calls:
        found = scipy.linalg.orthogonal_procrustes(*pairs())
    assert (found[0] == HELD[0](*pairs())[0]).all()
    assert dict(calls.calls[NAME].passed) == {"RuntimeError: broken": 1}


def test_calls_of_all_threads_are_served_and_counted():
    def work():
        for _ in range(20):
            scipy.linalg.orthogonal_procrustes(*pairs())

    with iso.patch("scipy") as calls:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert calls.calls[NAME].served == 80


def test_the_table_says_what_was_passed_on_and_why():
    with iso.patch("scipy") as calls:
        scipy.linalg.orthogonal_procrustes(*pairs())
        scipy.linalg.orthogonal_procrustes(1j * np.eye(3), np.eye(3))
        scipy.linalg.orthogonal_procrustes(1j * np.eye(3), np.eye(3))
    head, line = calls.table().splitlines()
    assert head.split() == ["call", "served", "seconds", "passed", "on", "seconds", "why"]
    assert line.split()[:2] == [NAME, "1"]
    assert line.endswith("2     0.00  A is of complex128 (2 x)")
    assert iso.patch("ot").table() == "no covered call to ot was made"


@pytest.mark.parametrize("packages", [(), ("numpy",), ("scipy", "cupy")])
def test_other_packages_are_refused(packages):
    with pytest.raises(ValueError, match="packages: expected some of ot, scipy, faiss, got"):
        iso.patch(*packages)


@pytest.mark.parametrize(
    "imports",
    [
        "import scipy.linalg; f = scipy.linalg.orthogonal_procrustes",
        "from scipy.linalg import orthogonal_procrustes as f",
        "import scipy; f = scipy.linalg.orthogonal_procrustes",
        "import scipy.spatial; from scipy.linalg import orthogonal_procrustes as f",
    ],
)
def test_modules_imported_inside_are_served(imports):
    code = f"""
        import sys, numpy as np, isomorph
        assert "scipy" not in sys.modules
        with isomorph.patch("scipy") as calls:
            {imports}
            f(np.eye(3), np.eye(3))
        print({{name: one.served for name, one in calls.calls.items()}})
        f(np.eye(3), np.eye(3))
        import scipy.linalg
        print(type(scipy.linalg.__loader__).__name__, type(scipy.linalg.__spec__.loader).__name__)
        print(scipy.linalg.orthogonal_procrustes.__code__.co_filename.endswith("patching.py"))
    """
    assert output_of(textwrap.dedent(code)).splitlines() == [
        "{'scipy.linalg.orthogonal_procrustes': 1}",
        "SourceFileLoader SourceFileLoader",
        "False",
    ]


def test_inner_calls_of_an_original_are_its_own():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 8))
    with iso.patch("scipy") as calls:
        scipy.spatial.procrustes(a, b)
    # SciPy's function was asked for the whole, and what it calls is no call of the script.
    assert list(calls.calls) == ["scipy.spatial.procrustes"]


def test_every_covered_call_has_a_drop_in_with_the_parameters_of_the_original():
    import importlib
    import inspect

    for covered in _covered.COVERED:
        pytest.importorskip(covered.package)
        importlib.import_module(covered.module)
        found = patching._find(covered)
        module, _, name = covered.drop_in.partition(":")
        ours = inspect.signature(getattr(importlib.import_module(module), name)).parameters
        if found is None:
            # A method that this version inherits.
            assert covered.attribute.startswith("IndexFlat")
            continue
        original = inspect.signature(found[2]).parameters
        assert set(ours) - {"index"} <= set(original), covered.name
