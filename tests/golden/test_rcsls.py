"""RCSLS on real vectors: the figures that the published program prints, and better ones."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph import io

#: Options, and for each language: the objective after 10 iterations, then accuracy at the start, at
#: the end, and of the file that was written, by nearest neighbours and by CSLS.
PRINTED = {
    "plain": (
        {"learning_rate": 1.0},
        {
            "fr": (-0.1196, 0.6300, 0.6580, 0.6580, 0.6820),
            "fi": (-0.0854, 0.3860, 0.4553, 0.4553, 0.4740),
        },
    ),
    "spectral": (
        {"learning_rate": 1.0, "spectral": True},
        {
            "fr": (-0.1171, 0.6300, 0.6553, 0.6553, 0.6827),
            "fi": (-0.0832, 0.3860, 0.4520, 0.4520, 0.4700),
        },
    ),
    "diverging": (
        {"learning_rate": 25.0},
        {
            "fr": (0.0308, 0.6300, 0.4313, 0.4313, 0.5727),
            "fi": (-0.0428, 0.3860, 0.3373, 0.3380, 0.4120),
        },
    ),
    "centred": (
        {"learning_rate": 1.0},
        {
            "fr": (-0.1430, 0.6533, 0.6633, 0.6333, 0.6620),
            "fi": (-0.0985, 0.4233, 0.4540, 0.4547, 0.4840),
        },
    ),
}
ROWS, TOLERANCE = 20_000, 0.003


def normalised(rows, *, centre=False):
    rows = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-8)
    return normalised(rows - rows.mean(axis=0)) if centre else rows


@pytest.fixture(scope="module", params=["fr", "fi"])
def languages(request, shared_data):
    sides = [
        io.load(shared_data / "vectors" / f"{language}.float16.npy", limit=ROWS)
        for language in ("en", request.param)
    ]
    sides = [io.Embeddings(side.words, side.vectors.astype(np.float64)) for side in sides]
    train, test = (
        io.load_dictionary(
            shared_data / "dictionaries" / f"muse.en-{request.param}.{part}.tsv", *sides
        )
        for part in ("train", "test")
    )
    return request.param, *(side.vectors for side in sides), train, test


def accuracy(x, z, test, method, **how):
    found = iso.metrics.word_translation(
        x, z, test, method=method, convention="fasttext", at=(1,), resamples=10, **how
    )
    return found.precision[1]


def rcsls(x, z, train, **options):
    return iso.fit_map(
        x[train.source], z[train.target], method="rcsls", source_space=x, target_space=z, **options
    )


@pytest.fixture(scope="module", params=PRINTED)
def reached(request, languages):
    language, source, target, train, test = languages
    options, figures = PRINTED[request.param]
    x, z = (normalised(side, centre=request.param == "centred") for side in (source, target))
    made = rcsls(x, z, train, parity=True, **options)
    return figures[language], made, (x, z, normalised(target)), train, test


@pytest.mark.slow
def test_the_objective_that_is_printed(reached):
    (objective, *_), made, *_ = reached
    assert len(made.metrics["objectives"]) == 11
    assert made.metrics["objective"] == pytest.approx(objective, abs=5.1e-5)


@pytest.mark.slow
def test_the_accuracies_that_are_printed(reached):
    (_, start, end, *_), made, (x, z, _), train, test = reached
    first = iso.procrustes(x[train.source], z[train.target])
    assert accuracy(first(x), z, test, "nn") == pytest.approx(start, abs=TOLERANCE)
    assert accuracy(made(x), z, test, "nn") == pytest.approx(end, abs=TOLERANCE)


@pytest.mark.slow
def test_the_accuracies_of_the_file_that_is_written(reached):
    """Four decimals, and never centred again: neither is the target then."""
    (*_, nn, csls), made, (x, _, target), _, test = reached
    written = normalised(np.round(normalised(made(x)), 4))
    radii = iso.csls_radii(written, target)
    assert accuracy(written, target, test, "nn") == pytest.approx(nn, abs=TOLERANCE)
    found = accuracy(written, target, test, "csls", source_radii=radii[0], target_radii=radii[1])
    assert found == pytest.approx(csls, abs=TOLERANCE)
