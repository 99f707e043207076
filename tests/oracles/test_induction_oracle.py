"""Induction against its definition: a draw for all n x m pairs, then the largest of each row."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import stats

import isomorph as iso
from isomorph import _core
from isomorph._backends.array_induction import draws as array_draws

FORWARD, BACKWARD = 0, 1


def philox(counter: tuple[Any, ...], key: tuple[int, int]) -> tuple[Any, ...]:
    """Philox4x32-10 on uint64 arrays, written from the paper (Salmon et al., 2011)."""
    word, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    a, b, c, d = (np.asarray(part, dtype=np.uint64) for part in counter)
    k, m = key
    for _ in range(10):
        left, right = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b = (right >> shift) ^ b ^ np.uint64(k), right & word
        c, d = (left >> shift) ^ d ^ np.uint64(m), left & word
        k, m = (k + 0x9E3779B9) % 2**32, (m + 0xBB67AE85) % 2**32
    return a, b, c, d


def uniform(seed: int, step: int, stream: int, n: int, m: int) -> np.ndarray:
    """All n x m draws of one direction, rows the source's."""
    rows, columns = np.arange(n)[:, None], np.arange(m)[None, :]
    counter = np.broadcast_arrays(columns, rows, np.full((1, 1), step), np.full((1, 1), stream))
    low, high, *_ = philox(tuple(counter), (seed % 2**32, seed >> 32))
    return (low + (high % np.uint64(2**21)) * np.uint64(2**32)).astype(np.float64) / 2.0**53


def scores_of_all(x: np.ndarray, y: np.ndarray, neighborhood: int) -> tuple[Any, Any, Any]:
    """The canonical scores of all pairs, and both radii."""
    if neighborhood:
        radii = iso.csls_radii(x, y, neighborhood=neighborhood)
    else:
        radii = np.zeros(len(x), x.dtype), np.zeros(len(y), y.dtype)
    found = iso.csls(x, y, len(y), source_radii=radii[0], target_radii=radii[1])
    scores = np.empty((len(x), len(y)), x.dtype)
    np.put_along_axis(scores, found.indices, found.scores, axis=1)
    return scores, *radii


def oracle(
    x: np.ndarray, y: np.ndarray, neighborhood: int, keep: float, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """The n x m scores after dropout, of the forward and of the backward direction."""
    scores, r_source, r_target = scores_of_all(x, y, neighborhood)
    shape = scores.shape
    forward = np.where(uniform(seed, step, FORWARD, *shape) < keep, scores, 0 - r_source[:, None])
    backward = np.where(uniform(seed, step, BACKWARD, *shape) < keep, scores, 0 - r_target[None, :])
    return forward, backward


def spaces(rng: np.random.Generator, kind: str, n: int = 160, m: int = 130, d: int = 12) -> Any:
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    if kind == "negative":
        x[::2], y = x[::2] - 2.0, y + 2.0
    elif kind == "ties":
        x, y = rng.integers(-1, 2, (n, d)), rng.integers(-1, 2, (m, d))
    return x.astype(np.float32), y.astype(np.float32)


def test_the_published_vectors_come_out() -> None:
    """Random123's `kat_vectors`, philox4x32-10."""
    digits = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    for counter, key, expected in (
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (digits, (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ):
        assert " ".join(f"{int(word):08x}" for word in philox(counter, key)) == expected


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1])
@pytest.mark.parametrize("step", [0, 5, 2**32 - 1])
@pytest.mark.parametrize("stream", [FORWARD, BACKWARD])
def test_three_programs_draw_the_same_bits(seed: int, step: int, stream: int) -> None:
    expected = uniform(seed, step, stream, 31, 47)
    ours = _core.dropout_draws(seed, step, bool(stream), np.arange(31), np.arange(47))
    assert ours.tobytes() == expected.tobytes()
    rows, columns = np.arange(31)[:, None], np.arange(47)[None, :]
    assert (array_draws(seed, step, stream, rows, columns) / 2.0**53 == expected).all()


def test_rows_at_the_end_of_the_range_have_draws_too() -> None:
    last = 2**32 - 3
    ours = _core.dropout_draws(3, 1, False, [0, last], [last, 1])
    wanted = array_draws(3, 1, 0, np.array([[0], [last]]), np.array([[last, 1]])) / 2.0**53
    assert (ours == wanted).all()


class TestQuality:
    """What simple tests can tell of the draws, used as they are: on a grid of counters."""

    SIDE = 500

    def grid(self, seed: int = 0, step: int = 0, backward: bool = False) -> np.ndarray:
        side = np.arange(self.SIDE)
        return _core.dropout_draws(seed, step, backward, side, side)

    @pytest.mark.parametrize("seed", [0, 1, 12345])
    def test_uniform(self, seed: int) -> None:
        values = self.grid(seed).ravel()
        assert stats.kstest(values, "uniform").pvalue > 1e-4
        counts = np.bincount((values * 256).astype(int), minlength=256)
        assert stats.chisquare(counts).pvalue > 1e-4

    def test_every_bit_is_set_half_of_the_time(self) -> None:
        whole = (self.grid() * 2.0**53).astype(np.uint64).ravel()
        for bit in range(53):
            share = ((whole >> np.uint64(bit)) & np.uint64(1)).mean()
            assert abs(share - 0.5) < 4.5 * 0.5 / whole.size**0.5, bit

    def test_what_lies_side_by_side_is_independent(self) -> None:
        base = self.grid()
        others = {
            "the next column": (base[:, :-1], base[:, 1:]),
            "the next row": (base[:-1], base[1:]),
            "the mirror image": (base, base.T),
            "the next step": (base, self.grid(step=1)),
            "the next seed": (base, self.grid(seed=1)),
            "the high half of the seed": (base, self.grid(seed=2**32)),
            "the other direction": (base, self.grid(backward=True)),
        }
        for name, (left, right) in others.items():
            off = left != right
            left, right = left[off], right[off]
            correlation = np.corrcoef(left, right)[0, 1]
            assert abs(correlation) < 4.5 / left.size**0.5, name
            table, *_ = np.histogram2d(left, right, bins=16, range=((0, 1), (0, 1)))
            assert stats.chisquare(table.ravel()).pvalue > 1e-4, name

    def test_rows_and_columns_keep_their_share(self) -> None:
        kept = self.grid(9) < 0.1
        deviation = (0.1 * 0.9 / self.SIDE) ** 0.5
        for axis in (0, 1):
            standard = (kept.mean(axis=axis) - 0.1) / deviation
            # The variance of means of independent draws, too.
            assert abs(standard).max() < 5
            assert abs(standard.var() - 1) < 5 * (2 / self.SIDE) ** 0.5

    def test_how_long_until_one_is_kept(self) -> None:
        first = np.argmax(self.grid(4) < 0.1, axis=1)
        counts = np.bincount(np.minimum(first, 20), minlength=21)
        shares = np.append(0.1 * 0.9 ** np.arange(20), 0.9**20)
        assert stats.chisquare(counts, self.SIDE * shares).pvalue > 1e-4


@pytest.mark.parametrize("kind", ["normal", "negative", "ties"])
@pytest.mark.parametrize("keep", [1.0, 0.999, 0.5, 0.1, 0.01, 1e-5])
@pytest.mark.parametrize("neighborhood", [0, 1, 7])
def test_candidates_give_what_all_draws_give(
    kind: str, keep: float, neighborhood: int, rng: np.random.Generator
) -> None:
    x, y = spaces(rng, kind)
    forward, backward = oracle(x, y, neighborhood, keep, 11, 2)
    pairs = iso.induce_dictionary(x, y, neighborhood=neighborhood, keep=keep, seed=11, step=2)
    n, m = forward.shape
    there, back = forward.argmax(axis=1), backward.argmax(axis=0)
    np.testing.assert_array_equal(pairs.source, np.concatenate([np.arange(n), back]))
    np.testing.assert_array_equal(pairs.target, np.concatenate([there, np.arange(m)]))
    best = np.concatenate([forward.max(axis=1), backward.max(axis=0)])
    np.testing.assert_array_equal(pairs.scores, best if neighborhood else best / 2)


def test_every_row_of_a_block_may_be_left_without_candidates(threads: int) -> None:
    rng = np.random.default_rng(1)
    x, y = spaces(rng, "normal", n=700, m=600, d=5)
    forward, backward = oracle(x, y, 3, 0.005, 1, 0)
    pairs = iso.induce_dictionary(x, y, neighborhood=3, keep=0.005, seed=1)
    np.testing.assert_array_equal(pairs.target[:700], forward.argmax(axis=1))
    np.testing.assert_array_equal(pairs.source[700:], backward.argmax(axis=0))


def muse_side(scores: np.ndarray, *, rank: int, threshold: float, smallest: int, most: int) -> Any:
    """The pairs (row, column) of one direction, as MUSE's description has it, ranks as ours."""
    candidates = []
    for row, values in enumerate(scores):
        column = int(np.argmax(values))
        gap = values[column] - np.delete(values, column).max()
        if row < rank and column < rank:
            candidates.append((-gap, row, column))
    candidates.sort()
    return {
        (row, column)
        for place, (gap, row, column) in enumerate(candidates)
        if place < most and (place < smallest or -gap > threshold)
    }


@pytest.mark.parametrize(
    ("rank", "threshold", "smallest", "most"),
    [*itertools.product((40, 999), (-1.0, 0.02, 0.2), (0, 12), (9, 999))],
)
def test_ranks_thresholds_and_sizes_are_those_of_muse(
    rank: int, threshold: float, smallest: int, most: int, rng: np.random.Generator
) -> None:
    x, y = spaces(rng, "normal")
    scores, *_ = scores_of_all(x, y, 5)
    kwargs = {"rank": rank, "threshold": threshold, "smallest": smallest, "most": most}
    forward = muse_side(scores, **kwargs)
    backward = {(i, j) for j, i in muse_side(scores.T, **kwargs)}
    for direction, wanted in (
        ("forward", forward),
        ("backward", backward),
        ("union", forward | backward),
        ("intersection", forward & backward),
    ):
        pairs = iso.induce_dictionary(
            x,
            y,
            direction=direction,
            neighborhood=5,
            max_rank=rank,
            threshold=threshold,
            min_size=smallest,
            max_size=most,
            unique=True,
        )
        found = list(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True))
        assert len(found) == len(set(found))
        assert set(found) == wanted, direction


def vecmap_step(x: np.ndarray, y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """A step without dropout as VecMap describes it: own radius left out, half of the other's."""
    similarity = x @ y.T
    r_target = np.sort(similarity, axis=0)[-k:].mean(axis=0)
    r_source = np.sort(similarity, axis=1)[:, -k:].mean(axis=1)
    there = (similarity - r_target[None, :] / 2).argmax(axis=1)
    back = (similarity - r_source[:, None] / 2).argmax(axis=0)
    return there, back


def test_a_step_without_dropout_is_vecmaps(rng: np.random.Generator) -> None:
    x, y = (rng.standard_normal((400, 30)) for _ in range(2))
    x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
    there, back = vecmap_step(x, y, 10)
    pairs = iso.induce_dictionary(x, y)
    np.testing.assert_array_equal(pairs.source, np.concatenate([np.arange(400), back]))
    np.testing.assert_array_equal(pairs.target, np.concatenate([there, np.arange(400)]))


@pytest.mark.parametrize("pair", ["fr", "ru"])
def test_real_vectors(pair: str, shared_data: Any) -> None:
    x, y = (
        np.load(shared_data / "vectors" / f"{language}.float16.npy")[:2000].astype(np.float32)
        for language in ("en", pair)
    )
    y = y[:1500]
    for keep in (1.0, 0.1):
        forward, backward = oracle(x, y, 10, keep, 5, 1)
        pairs = iso.induce_dictionary(x, y, keep=keep, seed=5, step=1)
        np.testing.assert_array_equal(pairs.target[:2000], forward.argmax(axis=1))
        np.testing.assert_array_equal(pairs.source[2000:], backward.argmax(axis=0))


def large(rng: np.random.Generator, kind: str) -> Any:
    """Sides that are large enough for one pass."""
    x, y = spaces(rng, "ties" if kind == "ties" else "normal", n=1300, m=1500, d=33)
    if kind == "opposite":
        x, y = x[:, :5] - 2, y[:, :5] + 2
    elif kind == "hubs":
        y[::3] = y[0]
        x[::7] = 0
    elif kind == "clusters":
        x, y = x + 5 * x[:, :1], y + 5 * y[:, :1]
    return x, y


@pytest.mark.parametrize("kind", ["normal", "ties", "opposite", "hubs", "clusters"])
@pytest.mark.parametrize("keep", [1.0, 0.7, 0.1, 0.01, 1e-4])
def test_one_pass_gives_what_all_draws_give(
    kind: str, keep: float, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOMORPH_FILTER", "integer")
    x, y = large(rng, kind)
    for neighborhood in (1, 10) if kind == "normal" else (10,):
        forward, backward = oracle(x, y, neighborhood, keep, 2**40 + 1, 3)
        how: dict[str, Any] = {"neighborhood": neighborhood, "keep": keep}
        how |= {"seed": 2**40 + 1, "step": 3}
        pairs = iso.induce_dictionary(x, y, **how)
        n = len(x)
        np.testing.assert_array_equal(pairs.target[:n], forward.argmax(axis=1))
        np.testing.assert_array_equal(pairs.source[n:], backward.argmax(axis=0))
        best = np.concatenate([forward.max(axis=1), backward.max(axis=0)])
        np.testing.assert_array_equal(pairs.scores, best)
        one_way = iso.induce_dictionary(x, y, direction="forward", **how)
        np.testing.assert_array_equal(one_way.target, pairs.target[:n])
        two = np.sort(forward, axis=1)[:, -2:]
        sure = np.flatnonzero(two[:, 1] - two[:, 0] > 0.01)
        confident = iso.induce_dictionary(x, y, direction="forward", threshold=0.01, **how)
        np.testing.assert_array_equal(confident.source, sure)


def test_one_pass_leaves_out_what_is_not_finite(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    x, y = large(rng, "normal")
    x[[0, 700]], y[[0, 1, 1000]] = np.nan, np.inf
    answers = []
    for name in ("integer", "float"):
        monkeypatch.setenv("ISOMORPH_FILTER", name)
        answers.append(iso.induce_dictionary(x, y, keep=0.1, check_finite=False))
    for one, other in zip(*answers, strict=True):
        assert one.tobytes() == other.tobytes()
    assert len(answers[0]) == 1298 + 1497
