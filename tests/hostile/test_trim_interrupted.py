"""Disks that are full and processes that are killed: nothing half-written, nothing lost."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("tokenizers")

from isomorph.vocab import trim
from support import small_models as small
from support.process import environment


def _python(code: str, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("limit", [2_000, 20_000])
def test_a_full_disk(tmp_path, model, corpus, limit):
    """A limit on the size of files stands for the full disk: for weights, then for a tokenizer."""
    before = small.state(tmp_path)
    process = _python(f"""
import resource, signal
from isomorph.vocab import trim
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    trim({str(model)!r}, {str(tmp_path / "out")!r}, corpus={str(corpus)!r})
except OSError as error:
    print(type(error).__name__, error.errno, error.filename)
""")
    out, err = process.communicate(timeout=120)
    assert out.startswith(b"OSError 27"), err
    # Where the file was to be, not the draft, which is gone.
    assert str(tmp_path / "out" / "") in out.decode()
    assert b".partial" not in out
    assert small.state(tmp_path) == before


@pytest.mark.skipif(not Path("/proc/mounts").exists(), reason="a disk of a few pages is Linux's")
@pytest.mark.parametrize("kilobytes", [4, 24, 60])
def test_a_disk_that_is_really_full(tmp_path, model, corpus, kilobytes):
    place = tmp_path / "disk"
    place.mkdir()
    options = f"size={kilobytes}k"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk")
    try:
        with pytest.raises(OSError, match="space") as caught:
            trim(model, place / "out", corpus=corpus)
        assert caught.value.errno == errno.ENOSPC
        assert ".partial" not in str(caught.value)
        assert not list(place.iterdir())
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_trim_that_is_stopped(tmp_path, model, corpus, how):
    out = tmp_path / "out"
    original = small.state(model)
    process = _python(f"""
import signal, time
from isomorph.vocab import trim
from isomorph.vocab.trimming import _undo
signal.signal(signal.SIGINT, signal.default_int_handler)
def wait(*arguments):
    print("ready", flush=True)
    time.sleep(60)
_undo.save = wait
trim({str(model)!r}, {str(out)!r}, corpus={str(corpus)!r})
""")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(how)
    started = time.perf_counter()
    process.communicate(timeout=60)
    assert time.perf_counter() - started < 20
    assert not out.exists()
    assert small.state(model) == original
    drafts = [file.name for file in tmp_path.iterdir() if file.name.endswith(".partial")]
    assert len(drafts) == (how == signal.SIGKILL)
    # What a process left that was killed, the next one finds and removes.
    done = trim(model, out, corpus=corpus)
    assert any("had left it" in note for note in done.notes) == (how == signal.SIGKILL)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["corpus.txt", "model", "out"]


def test_what_another_process_writes_is_left_alone(tmp_path, model, corpus):
    from isomorph._folders import appearing_folder

    with appearing_folder(tmp_path / "out") as draft:
        (draft / "file.txt").write_text("x")
        notes: list[str] = []
        with appearing_folder(tmp_path / "out", note=notes.append) as other:
            (other / "first.txt").write_text("y")
        assert "left alone" in notes[0]
        (tmp_path / "out" / "first.txt").unlink()
    assert (tmp_path / "out" / "file.txt").read_text() == "x"


def test_a_replacement_that_was_killed_half_way_is_put_back(tmp_path):
    from isomorph._folders import appearing_folder

    lost = tmp_path / ".out.0123456789ab.replaced"
    lost.mkdir()
    (lost / "old.txt").write_text("x")
    notes: list[str] = []
    with (
        pytest.raises(FileExistsError),
        appearing_folder(tmp_path / "out", note=notes.append),
    ):
        raise AssertionError
    assert (tmp_path / "out" / "old.txt").read_text() == "x"
    assert "put back" in notes[0]
