"""The types that stand for real numbers in a user's function, and those that stand for x."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core.errors import TypingError


class Element(types.Type):
    """What takes the place of a real number: one that carries derivatives, or lanes."""

    @property
    def curved(self) -> Any:
        """The type of any function of such elements, and what arrays of them hold."""
        return self

    def shown(self, context: Any, builder: Any, value: Any) -> Any:
        """The number that is shown where one is printed, in code that is being written."""
        raise TypingError("it prints what are several numbers at once")


class LazyVector(types.IterableType):
    """An x, or a slice of it, whose entries are made as they are read; it becomes an array where taken as a whole."""


def is_real(kind: types.Type) -> bool:
    """Whether a value of this type is a real number."""
    return isinstance(kind, (types.Integer, types.Float, types.Boolean))


def is_lazy(kind: types.Type) -> bool:
    """Whether this is an x whose entries are made as they are read."""
    return isinstance(kind, LazyVector)


def holds_elements(kind: types.Type) -> bool:
    """Whether this is an array of elements."""
    return isinstance(kind, types.Array) and isinstance(kind.dtype, Element) and kind.ndim <= 2


def is_array(kind: types.Type) -> bool:
    """Whether this is an array of elements or of real numbers, or x."""
    real = isinstance(kind, types.Array) and is_real(kind.dtype) and kind.ndim <= 2
    return real or holds_elements(kind) or is_lazy(kind)


def is_single(kind: types.Type) -> bool:
    """Whether this goes with every entry of an array."""
    return isinstance(kind, Element) or is_real(kind)


def is_ours(*kinds: types.Type) -> bool:
    """Whether these are arrays, one at least, and single numbers; and one of all is, or holds, elements."""
    carries = any(holds_elements(kind) or is_lazy(kind) or isinstance(kind, Element) for kind in kinds)
    return carries and any(map(is_array, kinds)) and all(is_array(kind) or is_single(kind) for kind in kinds)


def dimensions(kind: types.Type) -> int:
    """Of an array; 0 of a single number."""
    return kind.ndim if isinstance(kind, types.Array) else int(is_lazy(kind))


#: names in NumPy where they differ from those of `math`
NUMPY_NAMES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "atan2": "arctan2",
}  # fmt: skip
