"""Functions of symbols: by their names in `math` and NumPy, and as rules are given them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._errors import TracingError
from ..elements import NUMPY_NAMES
from ..numbers._rules import BINARY, UNARY
from ._symbols import ROUNDINGS, Condition, Symbol, Trace, _Traced, constant, is_whole, operand


def where(condition: Any, a: Any, b: Any) -> Any:
    """a where a condition holds, else b; both may be numbers, conditions or symbols."""
    if not isinstance(condition, Condition):
        return a if condition else b
    trace = condition.trace
    if isinstance(a, (bool, np.bool_, Condition)) and isinstance(b, (bool, np.bool_, Condition)):
        return (condition & a) | (~condition & b)
    yes, no = (operand(trace, x) for x in (a, b))
    if yes is None or no is None:
        raise TracingError(f"a choice between {type(a).__name__} and {type(b).__name__} depends on x")
    return Symbol(trace, trace.graph.where(condition.node, yes, no))


def least(a: Any, b: Any) -> Any:
    """Python's min of two: the first unless the second is certainly less."""
    return where(b < a, b, a)


def greatest(a: Any, b: Any) -> Any:
    """Python's max of two."""
    return where(b > a, b, a)


def least_or_nan(a: Any, b: Any) -> Any:
    """NumPy's minimum: NaN where either is."""
    return where(unordered(a, b), a + b, least(a, b))


def greatest_or_nan(a: Any, b: Any) -> Any:
    """NumPy's maximum."""
    return where(unordered(a, b), a + b, greatest(a, b))


def unordered(a: Any, b: Any) -> Any:
    """Whether one of two is NaN."""
    return (a != a) | (b != b)


def is_nan(a: Any) -> Any:
    return a != a


def is_infinite(a: Any) -> Any:
    return abs(a) == math.inf


def is_finite(a: Any) -> Any:
    return abs(a) < math.inf


def sign(a: Any) -> Any:
    """NumPy's sign: NaN of NaN."""
    return where(a > 0.0, 1.0, where(a < 0.0, -1.0, where(a == 0.0, 0.0, a)))


def _elementary(name: str) -> Callable:
    arity = 1 if name in UNARY or name in ROUNDINGS else 2

    def function(*operands: Any) -> Any:
        if len(operands) != arity:
            raise TracingError(f"{name} of {len(operands)} numbers is not traced")
        first = next(x for x in operands if isinstance(x, _Traced))
        symbols = [constant(first.trace, x) if not isinstance(x, Symbol) else x for x in operands]
        return symbols[0].function(name, *symbols[1:])

    return function


def _power(a: Any, b: Any) -> Any:
    return a**b


def _reciprocal(a: Any) -> Any:
    if is_whole(a):
        raise TracingError("np.reciprocal of an integer is not traced")
    return 1.0 / a


#: functions of symbols by their names in `math`
FUNCTIONS: dict[str, Callable] = {
    **{name: _elementary(name) for name in (*UNARY, *BINARY, *ROUNDINGS)},
    "abs": abs, "fabs": abs, "pow": _power, "isnan": is_nan, "isinf": is_infinite, "isfinite": is_finite,
    "degrees": lambda a: a * (180.0 / math.pi), "radians": lambda a: a * (math.pi / 180.0),
}  # fmt: skip
#: functions of symbols by their names in NumPy, where they are others or differ
NUMPY_FUNCTIONS: dict[str, Callable] = {
    **{NUMPY_NAMES.get(name, name): function for name, function in FUNCTIONS.items()},
    "absolute": abs, "power": _power, "square": lambda a: a * a, "reciprocal": _reciprocal, "sign": sign,
    "minimum": least_or_nan, "maximum": greatest_or_nan, "remainder": FUNCTIONS["mod"], "positive": lambda a: a,
    "deg2rad": FUNCTIONS["radians"], "rad2deg": FUNCTIONS["degrees"], "negative": lambda a: -a,
    "conjugate": lambda a: a,
    "logical_and": lambda a, b: a & b, "logical_or": lambda a, b: a | b, "logical_not": lambda a: ~a,
    "bitwise_and": lambda a, b: a & b, "bitwise_or": lambda a, b: a | b, "invert": lambda a: ~a,
    "less": lambda a, b: a < b, "less_equal": lambda a, b: a <= b, "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b, "equal": lambda a, b: a == b, "not_equal": lambda a, b: a != b,
}  # fmt: skip


class Namespace:
    """What rules are given as `m`, for symbols of one trace."""

    def __init__(self, trace: Trace):
        self._trace = trace

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return where(condition, a, b)

    def __getattr__(self, name: str) -> Callable:
        def function(*operands: Any) -> Symbol:
            first, *others = (x if isinstance(x, Symbol) else constant(self._trace, x) for x in operands)
            return first.function(name, *others)

        return function
