"""What holds for every command: exit codes, streams, help, interruptions."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

import isomorph as iso
from isomorph.cli import build_parser, main
from support.process import environment

COMMANDS = (
    "demo", "align", "learn", "translate", "evaluate",
    "bridge", "apply", "trim", "untrim", "transfer", "transport", "convert", "run", "info", "bench",
    "vecmap", "muse", "fasttext",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(run, command: str) -> None:
    done = run(command, "--help")
    assert done.status == 0
    assert f"usage: isomorph {command}" in done.out
    assert "examples:" in done.out
    assert f"isomorph {command}" in done.out.split("examples:")[1]


def test_the_first_help_names_every_command(run) -> None:
    done = run("--help")
    assert done.status == 0
    for command in COMMANDS:
        assert f"\n    {command}" in done.out


def test_examples_in_the_help_are_command_lines_that_parse() -> None:
    parser = build_parser()
    choices = parser._subparsers._group_actions[0].choices
    texts = [parser.epilog, *(sub.epilog for sub in choices.values())]
    lines = [
        line.strip().split("   ")[0].split(" < ")[0]
        for text in texts
        for line in re.sub(r"\\\n\s*", " ", text).splitlines()
        if line.startswith("  isomorph") and "COMMAND" not in line
    ]
    import shlex

    assert len(lines) > 12
    for line in lines:
        options = parser.parse_args(shlex.split(line)[1:])
        assert options.command in COMMANDS


def test_version(run) -> None:
    assert run("--version").out == f"isomorph {iso.__version__}\n"
    assert "NumPy" in run("--show-versions").out


def test_no_command_is_a_usage_error(run) -> None:
    done = run()
    assert (done.status, done.out) == (2, "")
    assert "commands:" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("nosuch",),
        ("align", "a.vec", "b.vec"),
        ("align", "a", "b", "--train", "d", "-o", "o", "--threads", "0"),
        ("align", "a", "b", "--train", "d", "-o", "o", "--test", "t", "--holdout", "5"),
        ("align", "a", "b", "--train", "d", "-o", "o", "--holdout", "1"),
        ("demo", "--pair", "en-xx"),
        ("translate", "m", "a", "b", "w", "-k", "none"),
    ],
)
def test_usage_errors_exit_2_and_leave_stdout_alone(run, arguments) -> None:
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert "usage:" in done.err


def test_a_missing_file_is_named(run, files, tmp_path) -> None:
    out = tmp_path / "out"
    done = run("align", "nosuch.vec", files.target, "--train", files.train, "-o", out)
    assert (done.status, done.out) == (1, "")
    assert "nosuch.vec" in done.err
    assert "Traceback" not in done.err
    assert not out.exists()


def test_a_dictionary_without_a_known_word(run, files, tmp_path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text("chat cat\n")
    out = tmp_path / "deep" / "er" / "out"
    done = run("align", files.source, files.target, "--train", bad, "-o", out)
    assert done.status == 1
    assert "bad.txt" in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "deep").exists()


def test_a_broken_file_names_its_line(run, files, tmp_path) -> None:
    broken = tmp_path / "broken.vec"
    broken.write_text("a 1 2 3\nb 1 2\n")
    done = run("info", broken)
    assert done.status == 1
    assert "broken.vec" in done.err
    assert "line 2" in done.err


def test_debug_shows_where(files, tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        main(["info", "nosuch.vec", "--debug"])


def test_a_fault_of_ours_is_reported_without_a_traceback(run, monkeypatch) -> None:
    def fail(*_arguments):
        raise AttributeError("gone")

    monkeypatch.setattr("isomorph.cli.info.run", fail)
    done = run("info", "x.vec")
    assert done.status == 1
    assert "internal error: AttributeError: gone" in done.err
    assert "Traceback" not in done.err


def test_the_threads_option_rules_the_run(run, monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(
        "isomorph.cli.info.run", lambda *_: seen.append(iso.runtime.resolve_threads()) or 0
    )
    assert run("info", "x.vec", "--threads", 3).status == 0
    assert seen == [3]


def test_a_closed_pipe_is_no_error(start) -> None:
    process = start("info", "sample:en", "--json", PYTHONUNBUFFERED="1")
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_help_into_a_closed_pipe_is_no_error(start) -> None:
    process = start("align", "--help")
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_any_locale_can_print_any_word(start, locale: str) -> None:
    process = start("info", "sample:fr", LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert b"first words" in out
    assert "à".encode() in out or b"\\xe0" in out


def test_json_in_ascii_still_says_the_word(start) -> None:
    process = start("info", "sample:fr", "--json", PYTHONIOENCODING="ascii")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "à" in json.loads(out)["first words"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interruption_leaves_nothing_behind(tmp_path, sent, status: int) -> None:
    code = f"""
import sys, time
from isomorph import pipeline
from isomorph.cli import main
def wait(*a, **k):
    print("started", flush=True)
    time.sleep(60)
pipeline.align_vocabularies = wait
sys.exit(main(["demo", "-o", {str(tmp_path / "new" / "out")!r}]))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"started\n"
    begin = time.monotonic()
    process.send_signal(sent)
    _, err = process.communicate(timeout=30)
    assert process.returncode == status, err
    assert time.monotonic() - begin < 5
    assert b"Traceback" not in err
    assert list(tmp_path.iterdir()) == []
