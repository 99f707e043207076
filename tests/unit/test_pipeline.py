"""The main job as one call."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import isomorph as iso
from isomorph import data, io, pipeline
from isomorph.errors import DictionaryError


@pytest.fixture(scope="module")
def sample() -> data.Sample:
    return data.load_sample("en-fr")


@pytest.fixture(scope="module")
def report(sample: data.Sample) -> pipeline.AlignmentReport:
    return pipeline.align_vocabularies(*sample)


def test_the_sample_is_what_its_notice_says() -> None:
    for pair in data.PAIRS:
        source, target, train, test = data.load_sample(pair)
        assert source.vectors.shape == target.vectors.shape == (4000, 300)
        assert source.vectors.dtype == np.float32
        fitted, held_out = (io.load_dictionary(path, source, target) for path in (train, test))
        assert not set(fitted.source) & set(held_out.source)
        assert not set(fitted.target) & set(held_out.target)
        assert held_out.coverage.sources_found >= 116


@pytest.mark.parametrize("call", [data.load_sample, data.load_language, data.dictionary_paths])
def test_unknown_samples_are_refused(call) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        call("xx")


def test_the_notice_travels_with_the_sample() -> None:
    from importlib.resources import files

    text = files("isomorph.data").joinpath("NOTICE.md").read_text("utf-8")
    for needed in ("Antti Ajanki", "UNICODE LICENSE V3", "CC0 1.0"):
        assert needed in text


def test_csls_finds_more_than_nn_on_the_sample(report: pipeline.AlignmentReport) -> None:
    # The 253 pairs leave 50 of 300 directions open; the figures move by up to 3 points with how
    # they are filled, the order of the methods does not.
    assert report.translation["nn"].precision[1] == pytest.approx(0.548, abs=0.035)
    assert report.translation["csls"].precision[1] == pytest.approx(0.745, abs=0.035)
    assert report.verdict.decision == "helps"


def test_the_report_agrees_with_the_separate_steps(
    sample: data.Sample, report: pipeline.AlignmentReport
) -> None:
    source, target, _, test = sample
    alignment = report.alignment
    x = alignment.apply_source(source.vectors)
    y = alignment.apply_target(target.vectors)
    again = iso.metrics.word_translation(x, y, io.load_dictionary(test, source, target))
    assert again.precision == report.translation["csls"].precision
    assert again.mrr == report.translation["csls"].mrr


@pytest.mark.parametrize("method", ["nn", "csls"])
def test_sample_words_agree_with_translate(
    sample: data.Sample, report: pipeline.AlignmentReport, method: str
) -> None:
    words = [shown.word for shown in report.samples]
    found = iso.translate(report.alignment, sample.source, sample.target, words, k=5, method=method)
    for shown, (word, targets, scores) in zip(report.samples, found, strict=True):
        assert shown.word == word
        assert getattr(shown, method) == tuple(zip(targets, scores, strict=True))


def test_stages_are_told_and_timed(sample: data.Sample) -> None:
    told: list[str] = []
    done = pipeline.align_vocabularies(*sample, verdict=False, stage=told.append)
    assert list(done.seconds) == list(dict.fromkeys(told))
    assert done.verdict is None
    assert all(seconds >= 0 for seconds in done.seconds.values())
    assert done.peak_memory is None or done.peak_memory > 10_000_000


def test_the_test_dictionary_is_not_opened_before_the_verdict(
    sample: data.Sample, tmp_path
) -> None:
    told: list[str] = []
    with pytest.raises(OSError, match="nosuch"):
        pipeline.align_vocabularies(
            sample.source, sample.target, sample.train, tmp_path / "nosuch", stage=told.append
        )
    assert "verdict on CSLS" in told


def test_different_dimensions_have_no_before(sample: data.Sample) -> None:
    narrow = io.Embeddings(sample.target.words, sample.target.vectors[:, :200].copy())
    done = pipeline.align_vocabularies(
        sample.source, narrow, sample.train, sample.test, verdict=False
    )
    assert done.columns == (300, 200)
    assert "before" not in done.hubness
    assert all(shown.before == () for shown in done.samples)
    assert done.translation["csls"].precision[1] > 0.3


def test_rows_instead_of_files(sample: data.Sample) -> None:
    pairs = io.load_dictionary(sample.train, sample.source, sample.target)
    plain = iso.Pairs(pairs.source, pairs.target)
    done = pipeline.align_vocabularies(sample.source, sample.target, plain, verdict=False)
    assert done.train is None
    assert done.settings["training_pairs"] == len(pairs)


def test_no_pairs_are_refused(sample: data.Sample) -> None:
    none = iso.Pairs(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    with pytest.raises(DictionaryError, match="at least one"):
        pipeline.align_vocabularies(sample.source, sample.target, none)


@pytest.mark.parametrize("method", ["ridge", "cca", "auto"])
def test_any_method_that_there_is(sample: data.Sample, method: str) -> None:
    report = pipeline.align_vocabularies(*sample, method=method, samples=2, hubness_rows=50)
    fitted = report.alignment.map
    assert method in fitted.method
    assert report.settings["method"] == fitted.method
    assert (report.singular_values is None) == (not fitted.orthogonal)
    assert report.verdict is not None
    if method == "auto":
        assert fitted.selection.queries == report.verdict.words
        assert fitted.selection.candidates == 4000
        assert "choosing the method" in report.seconds
    else:
        assert fitted.selection is None


def test_an_unknown_method_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="method: expected one of procrustes"):
        pipeline.align_vocabularies("no.vec", "no.vec", "no.txt", method="magic")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_peak_memory_is_the_process_own() -> None:
    """Not that of the process that started it."""
    held = np.ones(50_000_000)
    command = [sys.executable, "-c", "from isomorph import pipeline; print(pipeline.peak_memory())"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(told) < held.nbytes < pipeline.peak_memory()
