"""Pickles read as data: no name in them is imported, and nothing of them is called.

PyTorch's and gensim's files are pickles, and a pickle is a program: to unpickle it is to run it.
Here the opcodes that build numbers, strings, lists and dicts are interpreted, and names are labels.
What may be done with a name is a short list: tensors and arrays become descriptions of where their
values are, objects become bags of their attributes. Anything else is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from isomorph.errors import FormatError

#: Integers that a file needs have eight bytes, the number that PyTorch begins its files with ten.
_LONGEST_INTEGER = 16
_MOST_AXES = 8


@dataclass(frozen=True)
class Name:
    """A global: its module and name, as text."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass
class Record:
    """An object of a class that is not loaded: its name, and its attributes."""

    name: Name
    state: dict[str, Any] = field(default_factory=dict)


@dataclass
class Tensor:
    """A part of a storage: offset, size and stride count its elements."""

    storage: Any
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass
class Array:
    """An array of NumPy: shape, type as text, memory order, and the bytes of its values."""

    shape: tuple[int, ...] = ()
    dtype: str = ""
    fortran: bool = False
    data: bytes = b""


@dataclass
class DType:
    """A type of NumPy as text, such as "<f4"."""

    text: str


class _Mark:
    pass


class Reader:
    """Interprets one pickle of a buffer.

    Parameters
    ----------
    path : str
        Named in errors.
    data : bytes
        The file, or the part of it that holds the pickle.
    start : int
        Where it begins.

    Attributes
    ----------
    position : int
        Behind the pickle, once it is read.
    """

    def __init__(self, path: str, data: bytes, start: int = 0) -> None:
        self.path, self.data, self.position = path, data, start
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def read(self) -> Any:
        """Give what the pickle describes."""
        while True:
            at = self.position
            code = self._take(1)
            if code == b".":
                break
            step = _STEPS.get(code)
            if step is None:
                raise self._fault(f"opcode {code!r} at byte {at:,} is not one of data")
            try:
                step(self)
            except FormatError:
                raise
            except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
                raise self._fault(f"damaged at byte {at:,}: {type(error).__name__}") from None
        if len(self.stack) != 1:
            raise self._fault("expected one object at its end")
        return self.stack.pop()

    # What follows moves through the buffer and the stack.

    def _fault(self, text: str) -> FormatError:
        return FormatError(f"{self.path}: not a pickle that is read here: {text}")

    def _take(self, count: int) -> bytes:
        part = self.data[self.position : self.position + count]
        if len(part) != count:
            raise self._fault(f"it ends after {len(self.data):,} bytes, in the middle")
        self.position += count
        return part

    def _skip(self, count: int) -> None:
        self._take(count)

    def _integer(self, code: str) -> int:
        value: int = struct.unpack(code, self._take(struct.calcsize(code)))[0]
        return value

    def _line(self) -> str:
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise self._fault("it ends in the middle of a name")
        line = self.data[self.position : end]
        self.position = end + 1
        return line.decode("utf-8")

    def _pop_mark(self) -> list[Any]:
        for place in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[place], _Mark):
                items = self.stack[place + 1 :]
                del self.stack[place:]
                return items
        raise IndexError("no mark")

    def _long(self, count: int) -> None:
        if count > _LONGEST_INTEGER:
            raise self._fault(f"an integer of {count:,} bytes")
        self.stack.append(int.from_bytes(self._take(count), "little", signed=True))

    def _append(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("not a list")
        self.stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError("not a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # A tuple of tuples can take for ever to hash.
            if not isinstance(key, str | int | float | bytes | None):
                raise TypeError("a key that is no plain value")
            target[key] = value

    def _global(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name that is no text")
        self.stack.append(Name(module, name))

    def _reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        made = _CALLS.get(str(function)) if isinstance(function, Name) else None
        if made is None or not isinstance(arguments, tuple):
            called = function if isinstance(function, Name) else type(function).__name__
            raise self._fault(f"it calls {called}; only data are read, nothing is run")
        try:
            self.stack.append(made(*arguments))
        except (TypeError, ValueError, IndexError):
            raise self._fault(f"arguments of {function} that it does not take") from None

    def _new(self) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        if not isinstance(kind, Name) or not isinstance(arguments, tuple):
            raise TypeError("an object of no class")
        self.stack.append(Record(kind))

    def _build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if isinstance(made, Record):
            for part in state if isinstance(state, tuple) else (state,):
                if isinstance(part, dict):
                    made.state.update({str(name): value for name, value in part.items()})
        elif isinstance(made, Array):
            _, made.shape, dtype, made.fortran, data = state
            made.dtype = dtype.text
            made.data = data if isinstance(data, bytes) else b""
        elif isinstance(made, DType):
            # (version, byte order, ...)
            if state[1] in ("<", ">"):
                made.text = state[1] + made.text.lstrip("<>|=")
        elif not isinstance(made, dict):
            raise TypeError("a state of nothing")


def _empty() -> dict[Any, Any]:
    return {}


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_rest: Any) -> Tensor:
    if max(len(size), len(stride)) > _MOST_AXES:
        raise ValueError("axes")
    return Tensor(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def _from_buffer(data: Any, dtype: DType, shape: Any, order: str) -> Array:
    return Array(tuple(shape), dtype.text, order == "F", bytes(data))


def _object(kind: Name, *_rest: Any) -> Record:
    if not isinstance(kind, Name):
        raise TypeError("no class")
    return Record(kind)


def _encoded(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ValueError(encoding)
    return text.encode("latin1")


#: What may be called, and what stands for it.
_CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _empty,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda data, *_rest: data,
    "_codecs.encode": _encoded,
    "copy_reg._reconstructor": _object,
    "copyreg._reconstructor": _object,
    "numpy.dtype": lambda text, *_rest: DType("" + text),
}
for _module in ("numpy.core", "numpy._core"):
    _CALLS[f"{_module}.multiarray._reconstruct"] = lambda *_rest: Array()
    _CALLS[f"{_module}.multiarray.scalar"] = lambda *_rest: Record(Name("numpy", "scalar"))
    _CALLS[f"{_module}.numeric._frombuffer"] = _from_buffer


def _push(make: Callable[[Reader], Any]) -> Callable[[Reader], None]:
    return lambda r: r.stack.append(make(r))


def _text(code: str) -> Callable[[Reader], None]:
    return _push(lambda r: r._take(r._integer(code)).decode("utf-8", "surrogatepass"))


def _bytes(code: str) -> Callable[[Reader], None]:
    return _push(lambda r: r._take(r._integer(code)))


def _tuple(count: int) -> Callable[[Reader], None]:
    def step(r: Reader) -> None:
        if len(r.stack) < count:
            raise IndexError("an empty stack")
        items = tuple(r.stack[-count:])
        del r.stack[-count:]
        r.stack.append(items)

    return step


def _put(code: str) -> Callable[[Reader], None]:
    return lambda r: r.memo.__setitem__(r._integer(code), r.stack[-1])


def _stack_global(r: Reader) -> None:
    name, module = r.stack.pop(), r.stack.pop()
    r._global(module, name)


_STEPS: dict[bytes, Callable[[Reader], None]] = {
    b"\x80": lambda r: None if r._integer("<B") <= 5 else r._long(_LONGEST_INTEGER + 1),
    b"\x95": lambda r: r._skip(8),
    b"(": _push(lambda _r: _Mark()),
    b"0": lambda r: r.stack.__delitem__(-1),
    b"N": _push(lambda _r: None),
    b"\x88": _push(lambda _r: True),
    b"\x89": _push(lambda _r: False),
    b"J": _push(lambda r: r._integer("<i")),
    b"K": _push(lambda r: r._integer("<B")),
    b"M": _push(lambda r: r._integer("<H")),
    b"\x8a": lambda r: r._long(r._integer("<B")),
    b"G": _push(lambda r: struct.unpack(">d", r._take(8))[0]),
    b"X": _text("<I"),
    b"\x8c": _text("<B"),
    b"\x8d": _text("<Q"),
    b"B": _bytes("<I"),
    b"C": _bytes("<B"),
    b"\x8e": _bytes("<Q"),
    b"\x96": _bytes("<Q"),
    # Strings of Python 2 are bytes.
    b"U": _push(lambda r: r._take(r._integer("<B")).decode("latin1")),
    b"T": _push(lambda r: r._take(r._integer("<I")).decode("latin1")),
    # Sets are lists here: what is in them is not hashed.
    b"\x8f": _push(lambda _r: []),
    b"\x90": lambda r: r._append(r._pop_mark()),
    b"\x91": lambda r: r.stack.append(r._pop_mark()),
    b"]": _push(lambda _r: []),
    b"}": _push(lambda _r: {}),
    b")": _push(lambda _r: ()),
    b"t": lambda r: r.stack.append(tuple(r._pop_mark())),
    b"l": lambda r: r.stack.append(r._pop_mark()),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"a": lambda r: r._append([r.stack.pop()]),
    b"e": lambda r: r._append(r._pop_mark()),
    b"s": lambda r: r._set([r.stack.pop(-2), r.stack.pop()]),
    b"u": lambda r: r._set(r._pop_mark()),
    b"q": _put("<B"),
    b"r": _put("<I"),
    b"\x94": lambda r: r.memo.__setitem__(len(r.memo), r.stack[-1]),
    b"h": _push(lambda r: r.memo[r._integer("<B")]),
    b"j": _push(lambda r: r.memo[r._integer("<I")]),
    b"c": lambda r: r._global(r._line(), r._line()),
    b"\x93": _stack_global,
    b"Q": _push(lambda r: ("persistent", r.stack.pop())),
    b"R": lambda r: r._reduce(),
    b"\x81": lambda r: r._new(),
    b"b": lambda r: r._build(),
}
