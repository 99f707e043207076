"""What every test may use: backends, thread counts, the development data, hypothesis profiles."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import numpy as np
import pytest

import isomorph as iso

REPOSITORY = Path(__file__).resolve().parent.parent

# In CI the same examples come every time: a failure there is the change's own.
hypothesis.settings.register_profile("dev", max_examples=25, deadline=None)
hypothesis.settings.register_profile(
    "ci", max_examples=60, deadline=None, derandomize=True, print_blob=True
)
hypothesis.settings.register_profile("thorough", max_examples=2000, deadline=None)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev")
)

# A shell starts what runs in the background with SIGINT ignored, and all that this starts inherits
# it: the processes that tests interrupt would never hear of it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _why_no_gpu() -> str | None:
    """Say what tests on a GPU lack here."""
    if find_spec("cupy") is None:
        return "needs CuPy"
    import cupy

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"needs a GPU: {error}"
    return None if count else "needs a GPU"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever reads the development data, and skip what needs models without them."""
    lacking = [name for name in ("torch", "transformers") if find_spec(name) is None]
    no_gpu = _why_no_gpu()
    for item in items:
        if no_gpu and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason=no_gpu))
        if lacking and item.get_closest_marker("models"):
            item.add_marker(pytest.mark.skip(reason=f"needs {' and '.join(lacking)}"))
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.shared_data)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of development data beside the checkout; skip where there is none."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not (folder / "vectors").is_dir():
        pytest.skip("the development data is not beside this checkout")
    return folder


@pytest.fixture(params=["cpu", "array"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test on the Rust core and on the array-namespace code."""
    with iso.runtime.use_backend(request.param):
        yield request.param


@pytest.fixture(params=[1, 2, 3, 7])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Run the test on several numbers of threads."""
    with iso.runtime.threads(request.param):
        yield request.param


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Return a generator seeded by the name of the test: the same numbers on every run."""
    return np.random.default_rng(list(request.node.name.encode()))
