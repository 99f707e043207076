"""Searches by tiles of products: what each row may select, and a bound on all that it left out.

A tile is a product of two blocks of rows, in float32 or less. It only filters. For a pair of rows
its key is ``factor * product + bias`` of the column; each row keeps the columns of its C largest
keys, and the largest key that it did not keep. Keys have errors below a proved bound, so a row
whose k-th best *canonical* score is above all that this bound allows the others is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from isomorph._backends.array_neighbors import _blocks
from isomorph._backends.cuda_device import Device
from isomorph.errors import MemoryBudgetError

#: What entries of a row are rounded to, relatively, before they are multiplied (rounded towards
#: zero, perhaps), and what each of d sums may lose (tensor cores cut what they add).
ENTERING = {"float64": 2.0**-53, "float32": 2.0**-24, "tf32": 2.0**-10, "bf16": 2.0**-7}
SUMMING = {"float64": 2.0**-53, "float32": 2.0**-24, "tf32": 2.0**-22, "bf16": 2.0**-22}
#: Candidates that a row keeps besides the k that it wants.
EXTRA = {"float64": 8, "float32": 16, "tf32": 64, "bf16": 256}
#: Rows of the two sides in the largest tile: more does not make products faster.
LARGEST_TILE = (8192, 16384)
#: Entries of the smallest tile that is worth trying.
SMALLEST_TILE = 1024
#: Arrays as large as a tile that are alive together: the product, its keys, their blocks.
TILES = 4


def product_error(d: int, precision: str) -> float:
    """Bound the error of a computed product of two rows of length d, as a part of their norms.

    With entries rounded by u each, and sums of d products, in any order, by s each: 2 u + u^2 and
    d s / (1 - d s); then the rounding to the type that is multiplied in, and that of the canonical
    score itself (its product, norms and quotient in float64).

    References
    ----------
    Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., sections 3.1 and 3.5.
    """
    kind = "float64" if precision == "float64" else "float32"
    u = ENTERING[kind] + (ENTERING[precision] if precision != kind else 0.0)
    lost = (d + 2) * SUMMING[precision]
    if lost >= 0.5:
        return float("inf")
    return 2 * u + u * u + (1 + u) ** 2 * lost / (1 - lost) + (d + 16) * 2.0**-51


@dataclass(frozen=True, slots=True)
class Side:
    """Rows made ready.

    `values` are what is multiplied, of Euclidean `norms` (float64); `rows` what canonical scores
    are made of, of `lengths` (float64); `sound` tells which are finite. Others have values of 0.
    """

    values: Any
    norms: Any
    rows: Any
    lengths: Any
    sound: Any


@dataclass(frozen=True, slots=True)
class Question:
    """What rows of one side select from the other.

    The key of a pair, plus `error` of the row (float64), is at least the canonical score, through
    `ceiling`: it gives, of such values and row numbers, upper bounds of scores, float64. `scores`
    gives the canonical ones of row numbers and candidates (-1: none); `plain` the answer of row
    numbers, by the definition.
    """

    left: Side
    right: Side
    k: int
    factor: float
    bias: Any
    error: Any
    ceiling: Callable[[Any, Any], Any]
    scores: Callable[[Any, Any], Any]
    plain: Callable[[Any], tuple[Any, Any]]
    #: Numbers of the left rows, where each leaves out the right row of its number.
    itself: Any = None


class Selection:
    """The columns of the largest keys of each row, and a bound on the keys of all others."""

    def __init__(
        self, xp: Any, device: Device, question: Question, capacity: int, across: bool
    ) -> None:
        self.xp, self.device, self.question, self.across = xp, device, question, across
        self.capacity = min(capacity, int(question.right.values.shape[0]))
        self.room = max(2 * self.capacity, 32)
        rows, like = int(question.left.values.shape[0]), question.left.values
        shape = (rows, self.capacity)
        self.keys = xp.full(shape, -float("inf"), dtype=like.dtype, device=like.device)
        self.columns = xp.full(shape, -1, dtype=xp.int64, device=like.device)
        self.bound = xp.full((rows,), -float("inf"), dtype=like.dtype, device=like.device)

    def bytes_a_row(self) -> int:
        """Bytes that a row of a tile takes besides the tile: both lists, their order and union."""
        return 3 * (self.capacity + self.room) * (int(self.keys.dtype.itemsize) + 12)

    def update(self, tile: Any, i: slice, j: slice) -> Callable[[], None]:
        """Take in a tile of rows i and columns j; nothing changes before the answer is called."""
        xp = self.xp
        if self.across:
            i, j = j, i
        bias, bound = self.question.bias[j], self.bound[i]
        first = bool(xp.any(bound == -float("inf")))
        floor = self._raised(tile, bias, bound) if first else bound
        keys, columns, counts = self._collect(tile, bias, floor)
        if not first and bool(xp.any(counts > self.room)):
            floor = self._raised(tile, bias, bound)
            keys, columns, counts = self._collect(tile, bias, floor)
        lost = counts > self.room
        keys = xp.concat([self.keys[i, :], keys], axis=1)
        columns = xp.astype(columns, xp.int64)
        columns = xp.where(columns >= 0, columns + j.start, columns)
        columns = xp.concat([self.columns[i, :], columns], axis=1)
        order = xp.argsort(-keys, axis=1, stable=True)
        kept = order[:, : self.capacity]
        dropped = xp.take_along_axis(keys, order[:, self.capacity : self.capacity + 1], axis=1)
        keys = xp.take_along_axis(keys, kept, axis=1)
        columns = xp.take_along_axis(columns, kept, axis=1)
        bound = xp.maximum(floor, dropped[:, 0])
        bound = xp.where(lost, xp.full_like(bound, float("inf")), bound)

        def commit() -> None:
            self.keys[i, :], self.columns[i, :], self.bound[i] = keys, columns, bound

        return commit

    def _collect(self, tile: Any, bias: Any, floor: Any) -> tuple[Any, Any, Any]:
        factor = self.question.factor
        return self.device.collect(tile, self.across, factor, bias, floor, self.room)

    def _raised(self, tile: Any, bias: Any, bound: Any) -> Any:
        """Raise the bounds to what a tile has at least as many keys of as are kept.

        The largest keys of groups of columns are keys; of four groups a place, the C-th largest is
        passed by some 1.15 C keys of a tile in random order.
        """
        xp = self.xp
        if self.across:
            tile = xp.permute_dims(tile, (1, 0))
        rows, columns = tile.shape
        size = columns // (4 * self.capacity)
        if size == 0:
            return bound
        groups = columns // size
        keys = self.question.factor * tile[:, : groups * size] + bias[None, : groups * size]
        largest = xp.max(xp.reshape(keys, (rows, groups, size)), axis=2)
        return xp.maximum(xp.sort(largest, axis=1)[:, groups - self.capacity], bound)


class Walk:
    """All tiles of two sides, each seen once by every selection, within the device's memory."""

    def __init__(
        self, xp: Any, device: Device, selections: list[Selection], precision: str
    ) -> None:
        self.xp, self.device, self.selections, self.precision = xp, device, selections, precision
        question = selections[0].question
        self.left, self.right, self.itself = question.left, question.right, question.itself
        self.most = LARGEST_TILE[0] * LARGEST_TILE[1]

    def run(self, report: Callable[[int, int], object]) -> None:
        """Visit all tiles.

        Raises
        ------
        MemoryBudgetError
            Where not even the smallest tile fits the memory of the device.
        """
        n, m = (int(side.values.shape[0]) for side in (self.left, self.right))
        height, width = self._tile_of(n, m)
        for i in _blocks(n, height):
            for j in _blocks(m, width):
                self._visit(i, j)
            report(i.stop, n)

    def _tile_of(self, n: int, m: int) -> tuple[int, int]:
        height, width = min(n, LARGEST_TILE[0]), min(m, LARGEST_TILE[1])
        free = self.device.free_bytes()
        # Half is for rounding in the pool of memory, and for what scores take.
        while self._bytes(height, width) > free // 2 and height * width > SMALLEST_TILE:
            if height > width:
                height = -(-height // 2)
            else:
                width = -(-width // 2)
        return height, width

    def _bytes(self, height: int, width: int) -> int:
        lists = sum(
            (width if selection.across else height) * selection.bytes_a_row()
            for selection in self.selections
        )
        return TILES * height * width * int(self.left.values.dtype.itemsize) + lists

    def _visit(self, i: slice, j: slice) -> None:
        pending = [(i, j)]
        while pending:
            i, j = pending.pop()
            entries = (i.stop - i.start) * (j.stop - j.start)
            # What did not fit before is not tried again.
            if entries <= self.most:
                if self._fits(i, j):
                    continue
                # Outside of the handler: its exception holds the arrays of the tile.
                self.device.release()
                if entries <= SMALLEST_TILE:
                    raise self._too_large(i, j)
                self.most = entries // 2
            pending.extend(_halves(i, j))

    def _fits(self, i: slice, j: slice) -> bool:
        try:
            tile = self.device.matmul(
                self.left.values[i, :], self.right.values[j, :], self.precision
            )
            self._leave_out(tile, i, j)
            commits = [selection.update(tile, i, j) for selection in self.selections]
        except self.device.out_of_memory:
            return False
        for commit in commits:
            commit()
        return True

    def _leave_out(self, tile: Any, i: slice, j: slice) -> None:
        if self.itself is None:
            return
        own = self.itself[i]
        rows = self.xp.nonzero((own >= j.start) & (own < j.stop))[0]
        tile[rows, own[rows] - j.start] = -float("inf")

    def _too_large(self, i: slice, j: slice) -> MemoryBudgetError:
        height, width = i.stop - i.start, j.stop - j.start
        return MemoryBudgetError(
            f"memory of the device: expected at least {self._bytes(height, width):,} bytes for a "
            f"tile of {height:,} x {width:,} rows, got {self.device.free_bytes():,} free; free "
            "arrays that are no longer needed, or search fewer rows at a time"
        )


def _halves(i: slice, j: slice) -> list[tuple[slice, slice]]:
    if i.stop - i.start > j.stop - j.start:
        middle = (i.start + i.stop) // 2
        return [(slice(middle, i.stop), j), (slice(i.start, middle), j)]
    middle = (j.start + j.stop) // 2
    return [(i, slice(middle, j.stop)), (i, slice(j.start, middle))]
