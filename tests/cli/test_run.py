"""``isomorph run``: a script sees what it sees under python."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from support.process import environment

pytest.importorskip("scipy")

SCRIPT = """
    import sys
    import numpy as np
    from scipy.linalg import orthogonal_procrustes

    def main():
        rng = np.random.default_rng(0)
        turn, scale = orthogonal_procrustes(*rng.normal(size=(2, 50, 5)))
        print(sys.argv, __name__, __file__, sys.path[0], __spec__, __package__)
        print(round(scale, 6), turn.round(6).tolist())

    if __name__ == "__main__":
        main()
"""


@pytest.fixture
def script(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "folder" / "script.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return write


def started(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True, text=True, env=environment(), cwd=cwd, timeout=60, check=False,
    )  # fmt: skip


def both(path: Path, *arguments: str):
    """Run a script by python and by isomorph."""
    options = ("-m", "isomorph", "run", "--patch", "scipy")
    return started(path, *arguments), started(*options, path, *arguments)


def test_the_script_prints_the_same(script) -> None:
    plain, served = both(script(SCRIPT), "first", "--patch", "x", "-v", "--", "--help")
    assert plain.returncode == served.returncode == 0, served.stderr
    assert served.stdout == plain.stdout
    line = served.stderr.splitlines()[1].split()
    assert line[:2] == ["scipy.linalg.orthogonal_procrustes", "1"]


def test_modules_beside_the_script_are_found(script) -> None:
    path = script("import beside; print(beside.__file__)")
    (path.parent / "beside.py").write_text("")
    plain, served = both(path)
    assert served.stdout == plain.stdout != ""


@pytest.mark.parametrize(
    "text",
    [
        "import sys; sys.exit()",
        "import sys; sys.exit(7)",
        "import sys; sys.exit('a word')",
        "raise SystemExit(True)",
        "1 / 0",
        "def f():\n  raise ValueError('deep')\nf()",
        "a = = b",
        "import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()",
    ],
)
def test_its_end_is_the_scripts_own(script, text: str) -> None:
    plain, served = both(script(text))
    assert served.returncode == plain.returncode
    assert served.stdout == plain.stdout
    assert served.stderr == plain.stderr + "no covered call to scipy was made\n"


def test_nothing_is_left_behind(run, script) -> None:
    before = list(sys.argv), list(sys.path), sys.modules["__main__"]
    done = run("run", "--quiet", script("import sys; sys.path.append('x'); raise SystemExit(5)"))
    assert (done.status, done.err) == (5, "")
    assert (sys.argv, sys.path, sys.modules["__main__"]) == before


def test_the_table_as_json(run, script) -> None:
    done = run("run", "--json", "--patch", "scipy,ot", script(SCRIPT))
    assert done.status == 0
    calls = json.loads(done.err)["scipy.linalg.orthogonal_procrustes"]
    assert (calls["served"], calls["passed"]) == (1, {})


def test_classes_of_the_script_are_pickled(script) -> None:
    text = """
        import pickle
        class Word:
            pass
        print(type(pickle.loads(pickle.dumps(Word()))).__qualname__)
    """
    plain, served = both(script(text))
    assert served.stdout == plain.stdout == "Word\n"


def test_a_wrong_package_is_a_wrong_command_line(run, script) -> None:
    done = run("run", "--patch", "scipy,numpy", script("pass"))
    assert done.status == 2
    assert "argument --patch: expected some of ot, scipy, faiss, got 'numpy'" in done.err


def test_a_script_that_is_not_there(run) -> None:
    done = run("run", "absent.py")
    assert done.status == 1
    assert "absent.py: no such file or directory" in done.err


def test_a_call_that_is_passed_on_in_the_json(run, script) -> None:
    text = """
        import numpy as np
        from scipy.linalg import orthogonal_procrustes
        orthogonal_procrustes(np.eye(3) + 0j, np.eye(3))
    """
    done = run("run", "--json", "--patch", "scipy", script(text))
    assert done.status == 0
    calls = json.loads(done.err)["scipy.linalg.orthogonal_procrustes"]
    assert (calls["served"], calls["passed"]) == (0, {"A is of complex128": 1})


def test_a_relative_path_is_made_absolute_as_python_does(script) -> None:
    path = script("print(__file__, __annotations__, __import__('sys').argv)\n1 / 0")
    plain = started(path.name, "x", cwd=path.parent)
    served = started("-m", "isomorph", "run", "--patch", "scipy", path.name, "x", cwd=path.parent)
    assert served.stdout == plain.stdout
    assert served.stderr.startswith(plain.stderr)


MODULE = """
    import sys
    print(sys.argv, __name__, __file__, sys.path[0], __spec__.name, __package__)
    from .beside import VALUE
    print(VALUE)
    1 / 0
"""


@pytest.mark.parametrize("name", ["package.part", "package"])
def test_a_module_as_python_does(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    for file in ("part.py", "__main__.py"):
        (folder / file).write_text(textwrap.dedent(MODULE))
    (folder / "__init__.py").write_text("")
    (folder / "beside.py").write_text("VALUE = 3")
    words = ("-m", name, "first", "-m", "--help")
    plain = started(*words, cwd=tmp_path)
    served = started("-m", "isomorph", "run", "--patch", "scipy", *words, cwd=tmp_path)
    assert plain.stdout.endswith("3\n")
    assert (served.stdout, served.returncode) == (plain.stdout, plain.returncode)
    assert "ZeroDivisionError" in served.stderr
    assert "importlib" not in served.stderr


@pytest.mark.parametrize("name", ["nowhere", "nowhere.part", "sys", ".part"])
def test_a_module_that_is_none(run, name: str) -> None:
    done = run("run", "--patch", "scipy", "-m", name)
    assert done.status == 1
    assert f"-m {name}: " in done.err
