"""Ids renumbered by a table: which types come out, what is not in the table, what is an error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from isomorph import _checks, _core
from isomorph.errors import DTypeError, RemapError, ShapeError
from isomorph.vocab._ids import as_ids

if TYPE_CHECKING:
    from isomorph.vocab.remap import Remap

Unknown: TypeAlias = Literal["raise", "dropped", "keep"]
_UNKNOWN = ("raise", "dropped", "keep")


@dataclass(frozen=True, slots=True)
class Policy:
    """What happens to ids that have no new one of their own."""

    unknown: Unknown = "raise"
    ignore: tuple[int, ...] = ()
    strict: bool = False
    #: Why an id that was not kept is an error, if it is one.
    why: str = "strict=True asks for an error"

    @classmethod
    def of(cls, remap: Remap, unknown: Any, ignore: int | Iterable[int], strict: bool) -> Policy:
        """Check what a caller says."""
        _checks.one_of("unknown", unknown, _UNKNOWN)
        given = ignore if isinstance(ignore, Iterable) else (ignore,)
        values = tuple(_checks.integer("ignore", value, -(2**63), 2**63 - 1) for value in given)
        for value in values:
            if 0 <= value < remap.old_size:
                raise RemapError(
                    f"ignore: expected values that are no ids, such as -100, got {value}: it is an "
                    f"id of the old vocabulary, which has {remap.old_size}"
                )
        return cls(unknown, values, bool(strict))


class Renumberer:
    """A remap and a policy, for arrays of one type to those of another."""

    def __init__(
        self, remap: Remap, policy: Policy, old: np.dtype[Any], new: np.dtype[Any]
    ) -> None:
        self._remap, self._policy = remap, policy
        self.old, self.new = old.newbyteorder("="), new.newbyteorder("=")
        self._range = np.iinfo(self.new)
        self._table, unfit = remap._table(self.new)
        lost = remap._lost() if policy.strict else None
        self._refused = lost if unfit is None else unfit if lost is None else lost | unfit
        if policy.unknown == "dropped" and not self._fits(remap.dropped):
            raise RemapError(
                f"unknown: 'dropped' gives {remap.dropped}, which {self.new} does not hold; pass "
                "dtype=, or a remap whose `dropped` is a new id"
            )
        for value in policy.ignore:
            if not self._fits(value) and _holds(np.iinfo(self.old), value):
                raise RemapError(f"ignore: {value} does not fit {self.new}; pass another dtype=")

    def __call__(
        self, ids: NDArray[Any], out: NDArray[Any] | None, threads: int
    ) -> tuple[int, int] | None:
        """Renumber C-contiguous ids into `out`, or in place; both of native byte order.

        Returns
        -------
        tuple of int, or None
            The place and value of the first id that may not be there; then nothing was written.
        """
        dropped = self._remap.dropped
        mask = 2 ** (8 * self.new.itemsize) - 1
        place = _core.renumber_ids(
            _bits(ids),
            self._table,
            None if out is None else _bits(out),
            refused=self._refused,
            ignored=list(self._policy.ignore),
            signed=self.old.kind == "i",
            become_=dropped & mask if self._policy.unknown == "dropped" else None,
            kept=(int(self._range.min), int(self._range.max))
            if self._policy.unknown == "keep"
            else None,
            threads=threads,
        )
        return None if place is None else (place, int(ids.reshape(-1)[place]))

    def complaint(self, value: int, where: str) -> str:
        """Say of a refused value where it is, why it may not be there, and what to do."""
        size = self._remap.old_size
        if value < 0:
            what = f"a negative id, {value}, at {where}"
        elif value < size:
            what = f"id {value} at {where}"
        else:
            what = f"expected ids below {size}, the size of the old vocabulary, got {value} at "
            what += where
        return f"{what}: it {self._reason(value)}"

    def _reason(self, value: int) -> str:
        if 0 <= value < self._remap.old_size:
            new = int(self._remap.old_to_new[value])
            if self._fits(new):
                return f"was not kept, and {self._policy.why}"
            advice = ", or give the remap a new id as `dropped`" if new < 0 else ""
            return f"becomes {new}, which {self.new} does not hold; pass another dtype={advice}"
        if self._policy.unknown == "keep":
            return f"does not fit {self.new}; pass another dtype="
        return (
            "is no id; pass ignore= for values that mean something else, such as the label -100, "
            "or unknown='dropped' or 'keep'"
        )

    def count_dropped(self, old: NDArray[Any], new: NDArray[Any]) -> int:
        """Count the ids that became `dropped`, of which some may have been kept as that."""
        dropped = self._remap.dropped
        if not self._fits(dropped):
            return 0
        found = int(np.count_nonzero(new == dropped))
        if dropped >= 0:
            own: int | None = int(self._remap.new_to_old[dropped])
        else:
            stays = -1 in self._policy.ignore or self._policy.unknown == "keep"
            own = -1 if stays and _holds(np.iinfo(self.old), -1) else None
        if found and own is not None and _holds(np.iinfo(self.old), own):
            found -= int(np.count_nonzero(old == own))
        return found

    def _fits(self, value: int) -> bool:
        return _holds(self._range, value)


def renumber(
    remap: Remap,
    tokens: Any,
    *,
    out: NDArray[Any] | None,
    in_place: bool,
    policy: Policy,
    dtype: DTypeLike | None,
    threads: int,
) -> NDArray[Any]:
    """Give new ids for old ones; see :meth:`isomorph.vocab.Remap.ids`."""
    ids = as_ids("tokens", tokens)
    if in_place:
        if not isinstance(tokens, np.ndarray):
            raise DTypeError(
                f"in_place: expected a NumPy array to change, got {type(tokens).__name__}"
            )
        if out is not None:
            raise ValueError("in_place: expected no out= beside it")
        out = tokens
    new = output_type(out.dtype if isinstance(out, np.ndarray) else ids.dtype, dtype)
    if out is not None:
        _require_out(out, ids, new, "in_place" if in_place else "out")
    native = np.require(ids, ids.dtype.newbyteorder("="), ["C", "A"])
    work = Renumberer(remap, policy, native.dtype, new)
    if out is not None and _same_memory(native, out):
        made, target = out, None
    elif out is not None and _is_direct(out):
        made = target = out
    else:
        made = target = np.empty(ids.shape, work.new)
    if (refused := work(native, target, threads)) is not None:
        place, value = refused
        where = tuple(int(i) for i in np.unravel_index(place, ids.shape))
        entry = place if ids.ndim == 1 else where or "()"
        raise RemapError(f"tokens: {work.complaint(value, f'entry {entry}')}")
    if out is None:
        return made.astype(new, copy=False)
    if made is not out:
        out[...] = made
    return out


def output_type(own: np.dtype[Any], wanted: DTypeLike | None) -> np.dtype[Any]:
    """Give the type of the new ids."""
    dtype = own if wanted is None else np.dtype(wanted)
    if dtype.kind not in "iu":
        raise DTypeError(f"dtype: expected a type of integers, got {dtype}")
    return dtype


def _require_out(out: Any, ids: NDArray[Any], new: np.dtype[Any], name: str) -> None:
    if not isinstance(out, np.ndarray) or out.dtype.kind not in "iu" or out.dtype != new:
        got = out.dtype if isinstance(out, np.ndarray) else type(out).__name__
        raise DTypeError(f"{name}: expected an array of {new}, got {got}")
    if out.shape != ids.shape:
        raise ShapeError(f"{name}: expected the shape of tokens, {ids.shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError(f"{name}: expected an array that can be written, got a read-only one")
    if not _same_memory(ids, out) and np.may_share_memory(ids, out):
        raise ValueError(f"{name}: expected tokens itself or memory of its own, it overlaps tokens")


def _same_memory(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (
        one.ctypes.data == other.ctypes.data
        and one.dtype == other.dtype
        and one.shape == other.shape
        and one.strides == other.strides
    )


def _is_direct(array: NDArray[Any]) -> bool:
    return array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative


def _holds(range_: np.iinfo[Any], value: int) -> bool:
    return int(range_.min) <= value <= int(range_.max)


def _bits(ids: NDArray[Any]) -> NDArray[Any]:
    """Give the same memory as unsigned integers."""
    return np.asarray(ids).reshape(-1).view(f"u{ids.itemsize}")
