"""Functions of single numbers on CUDA devices: NumPy's, where numba-cuda has those of `math` alone; min and max.

For the latter numba-cuda has instructions that leave NaN out: what is not a number would become one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
from numba.extending import overload, register_jitable

from ..elements import NUMPY_NAMES, is_real

#: from here on all numbers are whole
WHOLE = 2.0**52


def _named(*names: str) -> dict[Any, Callable]:
    """NumPy's functions, and those of `math`, by their names there."""
    return {getattr(np, NUMPY_NAMES.get(name, name)): getattr(math, name) for name in names}


#: functions of one number
ONE = _named(
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "exp", "expm1",
    "log", "log2", "log10", "log1p", "sqrt", "fabs", "radians", "degrees", "isnan", "isinf",
    "isfinite",
) | {
    np.absolute: lambda x: abs(x),
    np.deg2rad: math.radians,
    np.exp2: lambda x: 2.0**x,
    np.negative: lambda x: -x,
    np.rad2deg: math.degrees,
    np.reciprocal: lambda x: 1.0 / x,
    np.ceil: lambda x: float(math.ceil(x)) if abs(x) < WHOLE else x,
    np.floor: lambda x: float(math.floor(x)) if abs(x) < WHOLE else x,
    np.rint: lambda x: float(round(x)) if abs(x) < WHOLE else x,
    np.trunc: lambda x: float(math.trunc(x)) if abs(x) < WHOLE else x,
    np.sign: lambda x: x if x != x else float((x > 0) - (x < 0)),
    np.square: lambda x: x * x,
}  # fmt: skip
#: and of two
TWO = _named("atan2", "hypot", "copysign", "fmod") | {
    np.fmax: lambda x, y: max(x, y) if x == x else y,
    np.fmin: lambda x, y: min(x, y) if x == x else y,
    np.maximum: lambda x, y: x if x >= y or x != x else y,
    np.minimum: lambda x, y: x if x <= y or x != x else y,
    max: lambda x, y: y if y > x else x,
    min: lambda x, y: y if y < x else x,
    np.power: lambda x, y: x**y,
    np.remainder: lambda x, y: x % y,
}


def _teach(function: Any, arguments: int, formula: Callable) -> None:
    """Teach numba-cuda a function of so many numbers."""
    if isinstance(formula, FunctionType):
        formula = register_jitable(formula)

    def one(x):
        return (lambda x: formula(x)) if is_real(x) else None

    def two(x, y):
        return (lambda x, y: formula(x, y)) if is_real(x) and is_real(y) else None

    overload(function, target="cuda")(one if arguments == 1 else two)


for _count, _formulas in ((1, ONE), (2, TWO)):
    for _function, _formula in _formulas.items():
        _teach(_function, _count, _formula)


@overload(max, target="cuda")
def _largest_of_several(x, y, z, *others):
    if all(map(is_real, (x, y, z, *others))):
        return lambda x, y, z, *others: max(max(x, y), z, *others)
    return None


@overload(min, target="cuda")
def _least_of_several(x, y, z, *others):
    if all(map(is_real, (x, y, z, *others))):
        return lambda x, y, z, *others: min(min(x, y), z, *others)
    return None


@overload(np.where, target="cuda")
def _where(condition, x, y):
    if is_real(condition) and is_real(x) and is_real(y):
        return lambda condition, x, y: x if condition else y
    return None
