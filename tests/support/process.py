"""Python in a process of its own: environment variables and signals show their effect there."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

#: Variables that decide how isomorph runs: a test starts from none of them.
OURS = ("ISOMORPH_NUM_THREADS", "ISOMORPH_ISA", "RAYON_NUM_THREADS")


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without our variables, with `changes`."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return kept | changes


def run_python(code: str, *, timeout: float = 60, **changes: str) -> subprocess.CompletedProcess:
    """Run `code` in a fresh interpreter; keywords are environment variables.

    A process that hangs is killed and fails the test by `TimeoutExpired`.
    """
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(code)],
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def output_of(code: str, *, timeout: float = 60, **changes: str) -> str:
    """Run `code`, which must succeed, and return what it printed."""
    done = run_python(code, timeout=timeout, **changes)
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()
