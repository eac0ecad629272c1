"""The identity of a user's function: a digest of its code and of everything that the code reads.

Covered: byte code, constants, defaults, closure values, the globals it reads, attributes it reads of the user's own
modules and, recursively, the functions among them. Values are those when the digest was taken: arrays that change in
place later are not noticed, and what is compiled later is given copies; names bound anew are noticed.
"""

from __future__ import annotations

import dis
import hashlib
import operator
import sys
import types
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np
from numba.core.dispatcher import Dispatcher

#: modules that compiled code knows by itself: named in the digest, with their version, and not looked into
LIBRARIES = frozenset({"builtins", "cmath", "math", "numba", "numpy", "operator", "random", "scipy"})
_ABSENT = object()


@dataclass(frozen=True)
class Digest:
    """`hex` identifies the function in every process if `lasting`, else (unknown objects in it) in this one."""

    hex: str
    lasting: bool
    _reads: tuple[Callable[[], Any], ...]
    _values: tuple[Any, ...]
    _copies: dict[int, np.ndarray]

    def frozen(self, value: Any) -> Any:
        """A value that the function reads with the arrays in it as they were when the digest was taken."""
        if isinstance(value, np.ndarray):
            return self._copies.get(id(value), value)
        if type(value) is tuple:
            return tuple(map(self.frozen, value))
        if isinstance(value, tuple) and _is_plain(type(value)):
            return type(value)._make(map(self.frozen, value))  # pyright: ignore[reportAttributeAccessIssue]
        return value

    def is_current(self) -> bool:
        """Whether the function is there, and every name that it reads is still bound to the same object."""
        try:
            return all(map(operator.is_, map(operator.call, self._reads), self._values))
        except ReferenceError:  # a digest keeps no function
            return False


def digest(function) -> Digest:
    """The digest of a Python function or Numba dispatcher."""
    walk = _Walk()
    walk.feed(function)
    return Digest(walk.hash.hexdigest(), walk.lasting, tuple(walk.reads), tuple(walk.values), walk.copies)


def names_in(code: types.CodeType) -> set[str]:
    """Names of globals and attributes in a code object and those nested in it."""
    nested = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*(names_in(constant) for constant in nested))


def globals_in(code: types.CodeType) -> set[str]:
    """Names of globals in a code object and those nested in it: an attribute may be called as one of them is."""
    nested = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    steps = dis.get_instructions(code)
    own = {step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*(globals_in(constant) for constant in nested))


def is_library(thing) -> bool:
    """Whether a module is one of `LIBRARIES`, or anything else is what one of them has under its name."""
    if isinstance(thing, types.ModuleType):
        return thing.__name__.partition(".")[0] in LIBRARIES
    return _library_name(thing) is not None


def _library_name(thing) -> str | None:
    """Where a library has it. What it says of itself does not tell: `functools.wraps` copies that, objects inherit."""
    module = getattr(thing, "__module__", None)
    if not isinstance(module, str) or module.partition(".")[0] not in LIBRARIES:
        return None
    for kind in ("__qualname__", "__name__"):
        name = getattr(thing, kind, None)
        if isinstance(name, str) and _attribute(sys.modules.get(module), name) is thing:
            return f"{module}.{name}"
    return None


def _contents(cell: types.CellType):
    """What a cell of a closure holds, if anything: it may be given something later."""
    try:
        return cell.cell_contents
    except ValueError:
        return _ABSENT


def _attribute(owner, dotted: str):
    return reduce(lambda found, name: getattr(found, name, _ABSENT), dotted.split("."), owner)


class _Plain(NamedTuple):
    """What all classes of named tuples have."""


def _is_plain(kind: type) -> bool:
    """Whether a class of named tuples has nothing but its fields."""
    return kind.__bases__ == (tuple,) and vars(kind).keys() <= {*vars(_Plain), *getattr(kind, "_fields", ())}


def _python_function(dispatcher: Dispatcher) -> types.FunctionType:
    """What a dispatcher compiles: it is compiled anew, for x of several types."""
    if dispatcher.locals:
        raise TypeError(
            f"{dispatcher.py_func.__qualname__} was made by numba.njit with locals={dispatcher.locals}, types that "
            f"hold for one type of x only; convert in its code, as in s = np.float32(s), and leave locals out"
        )
    return dispatcher.py_func


def _is_numbers(thing) -> bool:
    """Whether it is one of NumPy's own arrays or numbers, and its bytes are all there is to it."""
    if not isinstance(thing, (np.ndarray, np.generic)) or isinstance(thing, np.ma.MaskedArray):
        return False
    return is_library(type(thing)) and not np.asarray(thing).dtype.hasobject


def _copy(array: np.ndarray) -> np.ndarray:
    """A copy of the same type to Numba: of the same layout, and read-only where the array is."""
    copy = array.copy(order="K")
    copy.flags.writeable = array.flags.writeable
    return copy


class _Walk:
    def __init__(self):
        self.hash = hashlib.blake2b(digest_size=20)
        self.lasting = True
        self.reads: list[Callable[[], Any]] = []
        self.values: list[Any] = []
        self.copies: dict[int, np.ndarray] = {}
        self._seen: dict[int, int] = {}
        self._modules: set[tuple[int, tuple[str, ...]]] = set()

    def feed(self, thing) -> None:
        """Hash one object, by kind."""
        if isinstance(thing, Dispatcher):
            thing = _python_function(thing)
        if isinstance(thing, types.FunctionType):
            self._function(thing)
        elif isinstance(thing, types.CodeType):
            self._code(thing)
        elif isinstance(thing, types.ModuleType):
            self._module(thing)
        elif thing is None or thing is Ellipsis or type(thing) in (bool, int, float, complex, str, bytes):
            self._text(f"{type(thing).__name__} {thing!r}")
        elif _is_numbers(thing):
            array = np.asarray(thing)
            self._text(f"{type(thing).__name__} {array.dtype!r} {array.shape}")
            self.hash.update(np.ascontiguousarray(array).tobytes())
            if isinstance(thing, np.ndarray):
                self.copies[id(thing)] = _copy(thing)
        elif type(thing) in (tuple, list) or (isinstance(thing, tuple) and _is_plain(type(thing))):
            self._text(f"{type(thing).__qualname__} {getattr(thing, '_fields', '')} {len(thing)}")
            for item in thing:
                self.feed(item)
        elif type(thing) is frozenset:
            self._text(f"frozenset {len(thing)}")
            for item in sorted(thing, key=repr):
                self.feed(item)
        elif name := _library_name(thing):
            self._text(name)
        else:
            self._unknown(thing)

    def _function(self, function: types.FunctionType) -> None:
        if name := _library_name(function):
            return self._text(name)
        if id(function) in self._seen:  # recursion: named by its place in the walk
            return self._text(f"again {self._seen[id(function)]}")
        self._seen[id(function)] = len(self._seen)
        code, own = function.__code__, weakref.proxy(function)
        self._watch(own, "__code__")
        self._watch(own, "__defaults__")
        self._read(partial(getattr, own, "__kwdefaults__", _ABSENT))
        self.feed(tuple(sorted((function.__kwdefaults__ or {}).items())))
        names = tuple(sorted(names_in(code)))
        for cell in function.__closure__ or ():
            self._watch(cell, "cell_contents")
            self._attributes(_contents(cell), names)
        for name in sorted(globals_in(code)):
            self._watch(function.__globals__, name)
            self._attributes(function.__globals__.get(name), names)
        return None

    def _attributes(self, module, names: tuple[str, ...]) -> None:
        """The attributes of a user's module that the code may read: those it has under the names in the code."""
        if isinstance(module, types.ModuleType) and not is_library(module) and (id(module), names) not in self._modules:
            self._modules.add((id(module), names))
            for name in names:
                self._watch(vars(module), name)
                self._attributes(vars(module).get(name), names)

    def _watch(self, owner, name: str) -> None:
        if isinstance(owner, types.CellType):
            value = self._read(partial(_contents, owner))
        elif isinstance(owner, dict):
            value = self._read(partial(owner.get, name, _ABSENT))
        else:
            value = self._read(partial(getattr, owner, name, _ABSENT))
        if value is not _ABSENT:
            self._text(name)
            self.feed(value)

    def _read(self, read: Callable[[], Any]) -> Any:
        self.reads.append(read)
        self.values.append(read())
        return self.values[-1]

    def _code(self, code: types.CodeType) -> None:
        self.hash.update(code.co_code + code.co_exceptiontable)
        self._text(f"{code.co_names} {code.co_varnames} {code.co_freevars} {code.co_cellvars}")
        self._text(f"{code.co_argcount} {code.co_kwonlyargcount} {code.co_flags}")
        for constant in code.co_consts:
            self.feed(constant)

    def _module(self, module: types.ModuleType) -> None:
        root = sys.modules.get(module.__name__.partition(".")[0])
        self._text(f"module {module.__name__} {getattr(root, '__version__', '')}")

    def _unknown(self, thing) -> None:
        """An object we cannot look into: identified by its address, for as long as the watch keeps it alive."""
        self.lasting = False
        self._text(f"{type(thing).__qualname__} at {id(thing)}")

    def _text(self, text: str) -> None:
        self.hash.update(text.encode())
        self.hash.update(b"\0")
