"""Arrays of integers among the arguments, such as labels and counts: numbers like others, unless they steer a function.

Compiled, an array of integers is not one of reals: what is written to it is rounded, and copies of it are such arrays
again. Hence it is no `Array`, and can do what gives the same numbers for both; for all else the function is traced once
more with the array as it is, and serves calls with these integers only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._errors import TracingError
from ..elements import NUMPY_NAMES
from ..numbers._rules import UNARY
from ._symbols import is_whole

#: arrays of more or larger integers are indices or names: products of those below are exact in float64
MOST_NUMBERS, LARGEST = 100_000, 2**20
#: ufuncs of integers that give the same numbers as those of reals, in arrays of the type that the entries tell
_UFUNCS = frozenset({
    "add", "subtract", "multiply", "divide", "matmul", "negative", "positive", "absolute",
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal",
    *(NUMPY_NAMES.get(name, name) for name in UNARY if name != "abs"),
})  # fmt: skip


def may_be_symbols(value: np.ndarray) -> bool:
    """Whether the integers of an array may be symbols."""
    if value.dtype != np.int64 or value.size > MOST_NUMBERS:
        return False
    return not value.size or bool(value.min() >= -LARGEST and value.max() <= LARGEST)


class Integers(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of symbols that are integers."""

    dtype = np.dtype(np.int64)

    def __init__(self, symbols: np.ndarray):
        self.symbols = symbols

    @property
    def shape(self) -> tuple[int, ...]:
        return self.symbols.shape

    @property
    def size(self) -> int:
        return self.symbols.size

    @property
    def ndim(self) -> int:
        return self.symbols.ndim

    @property
    def T(self) -> Integers:  # noqa: N802  NumPy's name
        return Integers(self.symbols.T)

    def __len__(self) -> int:
        return len(self.symbols)

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        found = self.symbols[index]
        return Integers(found) if isinstance(found, np.ndarray) else found

    def astype(self, dtype: Any) -> Any:
        """The same as an array of reals."""
        from ._arrays import real

        return real(self.symbols, dtype)

    def sum(self) -> Any:
        return self.symbols.sum()

    def mean(self) -> Any:
        return self.symbols.mean()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        from ._arrays import apply_ufunc

        if method != "__call__" or ufunc.__name__ not in _UFUNCS:
            raise TracingError(f"np.{ufunc.__name__} of an array of integers is not traced")
        return apply_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, kinds: Any, args: tuple, options: dict) -> Any:
        if function in (np.sum, np.mean) and len(args) == 1 and not options:
            return args[0].sum() if function is np.sum else args[0].mean()
        raise TracingError(f"np.{function.__name__} of an array of integers is not traced")

    __hash__ = None


def told(values: np.ndarray) -> np.ndarray | Integers:
    """What ufuncs made of integers and others, as an array of the type that its entries tell."""
    whole = [is_whole(value) for value in values.flat]
    if any(whole) and not all(whole):
        raise TracingError("an array is of integers in some places, and in others not")
    return Integers(values) if any(whole) else values
