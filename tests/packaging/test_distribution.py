"""What an installed isomorph carries, and that the sources say the same everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import isomorph as iso
from isomorph import _core
from support.process import environment

NEEDED = (
    "isomorph/__init__.py",
    "isomorph/_core.pyi",
    "isomorph/py.typed",
    "isomorph/data/NOTICE.md",
    "isomorph/data/en.npz",
    "isomorph/data/en.words.txt",
    "isomorph/data/fi-fr.test.tsv",
)
LICENCES = ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY-NOTICES.txt")


@pytest.fixture(scope="module")
def project(repository) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf8"))


def installed() -> metadata.Distribution:
    """Return the installed distribution; skip where the package runs from its sources."""
    try:
        distribution = metadata.distribution("isomorph")
    except metadata.PackageNotFoundError:
        pytest.skip("isomorph is not installed, it runs from its sources")
    if not any(str(file).startswith("isomorph/") for file in distribution.files or ()):
        pytest.skip("isomorph is installed in editable mode")
    return distribution


def assert_complete(names: list[str]) -> None:
    assert not set(NEEDED) - set(names)
    for licence in LICENCES:
        assert any(name.endswith(f"dist-info/licenses/{licence}") for name in names), licence
    # The software bill of materials that maturin makes of Cargo.lock.
    assert any("dist-info/sboms/" in name for name in names)
    assert not [name for name in names if name.endswith((".rs", ".pyc")) or "tests/" in name]


def test_the_installed_distribution_is_complete():
    files = [str(file) for file in installed().files or ()]
    assert_complete([name for name in files if not name.endswith(".pyc")])


def test_the_version_is_the_same_everywhere(repository, project):
    cargo = tomllib.loads((repository / "Cargo.toml").read_text(encoding="utf8"))
    assert "version" in project["project"]["dynamic"]
    assert iso.__version__ == cargo["workspace"]["package"]["version"]
    assert f"\n## {iso.__version__}" in (repository / "CHANGELOG.md").read_text(encoding="utf8")
    assert installed().version == iso.__version__


def test_the_lock_file_is_committed_and_holds_the_version(repository):
    lock = tomllib.loads((repository / "Cargo.lock").read_text(encoding="utf8"))
    ours = {p["name"]: p["version"] for p in lock["package"] if p["name"].startswith("isomorph")}
    assert set(ours.values()) == {iso.__version__}
    assert "isomorph-bindings" in ours


def test_importing_needs_only_what_is_declared(project):
    declared = {re.split(r"[<>=\[ ]", line)[0] for line in project["project"]["dependencies"]}
    assert declared == {"numpy", "array-api-compat", "rich"}


def test_no_build_is_for_one_machine(repository):
    """No flag asks for more than the baseline of the platform: kernels are chosen at run time."""
    for name in (".cargo/config.toml", ".cargo/config", "Cargo.toml", "pyproject.toml"):
        file = repository / name
        if file.is_file():
            text = file.read_text(encoding="utf8")
            assert "target-cpu" not in text
            assert "target-feature" not in text


def test_the_module_uses_the_stable_abi_and_needs_no_libpython():
    module = Path(_core.__file__)
    if sys.platform != "win32":
        assert module.name == "_core.abi3.so"
    # A build without maturin links libpython, and is for development.
    if sys.platform == "linux" and installed():
        assert b"libpython3" not in module.read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_wheel_is_built_from_the_source_distribution(repository, tmp_path):
    """As `pip install` does with a release: sdist, wheel from it, both complete."""
    maturin = [sys.executable, "-m", "maturin"]
    subprocess.run(
        [*maturin, "sdist", "--out", tmp_path], cwd=repository, check=True, env=environment()
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        names = [name.partition("/")[2] for name in source.getnames()]
    for needed in ("Cargo.lock", "Cargo.toml", "pyproject.toml", "README.md", *LICENCES):
        assert needed in names
    assert "rust/bindings/src/lib.rs" in names
    assert "python/isomorph/data/en.npz" in names
    built = tmp_path / "built"
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", built, archive]
    subprocess.run(pip, check=True, env=environment())
    (wheel,) = built.glob("*.whl")
    assert "-cp311-abi3-" in wheel.name
    with zipfile.ZipFile(wheel) as content:
        assert_complete(content.namelist())
