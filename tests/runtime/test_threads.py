"""The number of threads: which of its sources wins, and what is refused."""

from __future__ import annotations

import pytest

import isomorph as iso
from support.process import output_of, run_python

RESOLVE = "import isomorph as iso; print(iso.runtime.resolve_threads())"


def test_the_argument_beats_the_context():
    with iso.runtime.threads(2):
        assert iso.runtime.resolve_threads(5) == 5
        assert iso.runtime.resolve_threads() == 2


def test_contexts_nest_and_end():
    before = iso.runtime.resolve_threads()
    with iso.runtime.threads(2):
        with iso.runtime.threads(3):
            assert iso.runtime.resolve_threads() == 3
        assert iso.runtime.resolve_threads() == 2
    assert iso.runtime.resolve_threads() == before


def test_a_context_ends_with_an_exception():
    before = iso.runtime.resolve_threads()
    with pytest.raises(KeyError), iso.runtime.threads(before + 1):
        raise KeyError
    assert iso.runtime.resolve_threads() == before


def test_the_context_beats_the_environment(monkeypatch):
    monkeypatch.setenv("ISOMORPH_NUM_THREADS", "5")
    assert iso.runtime.resolve_threads() == 5
    with iso.runtime.threads(2):
        assert iso.runtime.resolve_threads() == 2


def test_the_environment_is_read_in_order():
    assert output_of(RESOLVE, ISOMORPH_NUM_THREADS="3", RAYON_NUM_THREADS="5") == "3"
    assert output_of(RESOLVE, RAYON_NUM_THREADS="5") == "5"
    assert output_of(RESOLVE, ISOMORPH_NUM_THREADS="", RAYON_NUM_THREADS="5") == "5"
    assert output_of(RESOLVE, ISOMORPH_NUM_THREADS=" 4 ") == "4"


def test_without_any_wish_the_cores_of_the_process_are_used():
    assert int(output_of(RESOLVE)) == iso._core.available_threads() >= 1
    assert output_of(RESOLVE, RAYON_NUM_THREADS="0") == output_of(RESOLVE)


@pytest.mark.parametrize("variable", ["ISOMORPH_NUM_THREADS", "RAYON_NUM_THREADS"])
@pytest.mark.parametrize("value", ["-1", "many", "2.5", "100000"])
def test_a_bad_variable_is_named(monkeypatch, variable, value):
    monkeypatch.delenv("ISOMORPH_NUM_THREADS", raising=False)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=rf"{variable}: expected an integer .* got '{value}'"):
        iso.runtime.resolve_threads()


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "two", 100_000])
def test_a_bad_argument_is_named(value):
    message = "threads: expected an integer"
    with pytest.raises(ValueError, match=message):
        iso.runtime.resolve_threads(value)
    with pytest.raises(ValueError, match=message), iso.runtime.threads(value):
        pass


def test_a_bad_instruction_set_is_named_at_import():
    done = run_python("import isomorph", ISOMORPH_ISA="mmx")
    assert done.returncode == 1
    assert "ValueError: ISOMORPH_ISA: expected an instruction set of this CPU" in done.stderr
    assert "'mmx'" in done.stderr or '"mmx"' in done.stderr


def test_an_instruction_set_can_be_forced():
    code = "import isomorph as iso; print(iso.runtime.build_info()['isa'])"
    for isa in iso.runtime.build_info()["available_isas"]:
        assert output_of(code, ISOMORPH_ISA=isa) == isa


def test_an_unknown_backend_is_refused():
    message = "name: expected 'cpu', 'array' or None"
    with pytest.raises(ValueError, match=message), iso.runtime.use_backend("gpu"):
        pass


def test_versions_name_what_a_report_needs():
    text = iso.runtime.show_versions()
    for part in ("isomorph", "instruction set", "threads", "Python", "NumPy", "platform"):
        assert part in text
