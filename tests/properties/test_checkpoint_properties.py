"""Laws of checkpoints that are rewritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isomorph import _core
from isomorph.vocab import Remap, open_table
from isomorph.vocab.checkpoints._tensors import Rows, Tensors, rewrite

DTYPES = ["u1", "i2", "f2", "f4", "i8", "?"]
#: One folder serves all examples: each writes its files anew.
in_one_folder = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@in_one_folder
@given(st.data())
def test_rows_of_any_axis_are_those_that_numpy_takes(tmp_path: Path, data: st.DataObject) -> None:
    source, target = tmp_path / "source.safetensors", tmp_path / "target.safetensors"
    tensors, plan, expected = {}, {}, {}
    for name in data.draw(st.lists(st.sampled_from("abcd"), min_size=1, unique=True)):
        shape = data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=3))
        dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
        raw = np.arange(np.prod(shape, dtype=int) * dtype.itemsize, dtype=np.uint8) % 2
        tensors[name] = expected[name] = rows = raw.view(dtype).reshape(shape)
        if data.draw(st.booleans()):
            axis = data.draw(st.integers(-len(shape), len(shape) - 1))
            index = np.array(
                data.draw(st.lists(st.integers(-1, shape[axis] - 1), max_size=8)), np.int64
            )
            plan[name] = Rows(index, axis=axis)
            padded = np.concatenate([rows, np.zeros_like(rows, shape=_one(rows, axis))], axis)
            expected[name] = np.take(padded, index, axis=axis)
    _core.write_safetensors(str(source), tensors, {})
    rewrite(source, target, plan, threads=data.draw(st.integers(1, 3)))
    found = Tensors.open(target)
    assert found.tensors.keys() == expected.keys()
    for name, wanted in expected.items():
        table = found.table(name)
        assert table.shape == wanted.shape
        assert table[:].tobytes() == wanted.tobytes()


def _one(rows: np.ndarray, axis: int) -> tuple[int, ...]:
    shape = list(rows.shape)
    shape[axis] = 1
    return tuple(shape)


@in_one_folder
@given(st.integers(0, 30), st.data())
def test_trimming_twice_is_trimming_by_both(tmp_path: Path, size: int, data: st.DataObject) -> None:
    def remap(old: int) -> Remap:
        order = data.draw(st.permutations(range(old)))
        return Remap.from_kept(order[: data.draw(st.integers(0, old))], old)

    first = remap(size)
    second = remap(len(first))
    rows = np.arange(size * 3, dtype=np.int16).reshape(size, 3)
    paths = [tmp_path / f"{name}.safetensors" for name in ("old", "once", "twice", "both")]
    _core.write_safetensors(str(paths[0]), {"rows": rows}, {"format": "pt"})
    for source, target, step in (
        (paths[0], paths[1], first),
        (paths[1], paths[2], second),
        (paths[0], paths[3], first.then(second)),
    ):
        rewrite(source, target, {"rows": Rows(step.new_to_old)})
    assert paths[2].read_bytes() == paths[3].read_bytes()
    both = first.then(second).gather(open_table(paths[0]))
    assert np.array_equal(both, open_table(paths[2])[:])
