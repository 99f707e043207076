"""Forked and spawned children: a pool of the parent's has no threads in a forked child."""

from __future__ import annotations

import sys

import pytest

from support.process import output_of

#: A call that runs in our pool; its result is checked.
WORK = """
import numpy as np
import isomorph as iso

def work(seed=0):
    rows = np.random.default_rng(seed).standard_normal((300, 16)).astype(np.float32)
    return iso.topk(rows, rows, k=3, threads=2)

def same(a, b):
    return a.scores.tobytes() == b.scores.tobytes() and a.indices.tobytes() == b.indices.tobytes()
"""

posix = pytest.mark.skipif(sys.platform == "win32", reason="fork is not there")


@posix
def test_a_forked_child_can_work_after_its_parent_did():
    code = """
import os
expected = work()
child = os.fork()
if child == 0:
    os._exit(0 if same(work(), expected) else 3)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
assert same(work(), expected)
print("done")
"""
    assert output_of(WORK + code) == "done"


@posix
def test_children_of_children_can_work():
    code = """
import os
expected = work()
def descend(depth):
    assert same(work(), expected)
    if depth == 0:
        return 0
    child = os.fork()
    if child == 0:
        os._exit(descend(depth - 1))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert descend(3) == 0
print("done")
"""
    assert output_of(WORK + code) == "done"


@posix
def test_a_child_forked_while_another_thread_works_can_work():
    code = """
import os, threading, time
expected = work()
busy = threading.Event()
def keep_busy():
    while not busy.is_set():
        work(1)
thread = threading.Thread(target=keep_busy)
thread.start()
for _ in range(10):
    time.sleep(0.01)
    child = os.fork()
    if child == 0:
        os._exit(0 if same(work(), expected) else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
busy.set()
thread.join()
print("done")
"""
    assert output_of(WORK + code) == "done"


@pytest.mark.parametrize("method", [pytest.param("fork", marks=posix), "spawn"])
def test_multiprocessing(method, tmp_path):
    (tmp_path / "job.py").write_text(WORK, encoding="utf8")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import multiprocessing
from job import same, work

if __name__ == "__main__":
    expected = [work(seed) for seed in range(4)]
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        found = pool.map(work, range(4))
    assert all(same(a, b) for a, b in zip(expected, found, strict=True))
    print("done")
"""
    # A spawned child imports the main module, so it must be a file.
    main = tmp_path / "main.py"
    main.write_text(code, encoding="utf8")
    runner = f"import runpy; runpy.run_path({str(main)!r}, run_name='__main__')"
    assert output_of(runner, PYTHONPATH=_python_path(tmp_path)) == "done"


def _python_path(folder) -> str:
    import os

    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


def test_python_threads_get_the_same_answers():
    code = """
from concurrent.futures import ThreadPoolExecutor
expected = [work(seed) for seed in range(8)]
with ThreadPoolExecutor(4) as pool:
    found = list(pool.map(work, range(8)))
assert all(same(a, b) for a, b in zip(expected, found, strict=True))
print("done")
"""
    assert output_of(WORK + code) == "done"
