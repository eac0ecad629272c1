"""Our own functions of lanes for a thread of a CUDA device, where a lane is a number of float64 or float32."""

from __future__ import annotations

import builtins
import types
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

import numpy as np
from numba.core.types import Float, float32, float64

from .. import simd
from .._read_outs import least_power
from ..function._digest import globals_in
from .cuda import cuda


def _where(mask, a, b):
    return a if mask else b


def _double(number, like):
    return float(number)


def _single(number, like):
    return np.float32(number)


def _least_in_single(like):
    return np.float32(2.0**-125)


def _itself(x):
    return x


#: what they call; a number takes the place of a power of two just below it, as in programs
_FOR_THREADS: dict[Hashable, Callable] = {
    simd.where: _where,
    simd.splat: _double,
    simd.floor_power_of_two: _itself,
}
_IN_SINGLE = _FOR_THREADS | {simd.splat: _single, least_power: _least_in_single}


@cache
def for_thread(function: Callable, real: Float = float64) -> Callable:
    """A device function of numbers of a type; those of ours that it calls become such functions, too.

    Its literals are of that type: beside doubles arithmetic would be in double.
    """
    code: Any = function.__code__
    replaced, number = (_IN_SINGLE, np.float32) if real == float32 else (_FOR_THREADS, float)
    code = code.replace(co_consts=tuple(number(c) if isinstance(c, float) else c for c in code.co_consts))
    namespace: dict[str, Any] = {"__builtins__": builtins, "__name__": __name__}
    for name in globals_in(code) & function.__globals__.keys():
        value = function.__globals__[name]
        if isinstance(value, Hashable):
            value = replaced.get(value, value)
        if isinstance(value, float):
            value = number(value)
        ours = isinstance(value, types.FunctionType) and value.__module__.startswith("fastcurv.")
        namespace[name] = for_thread(value, real) if ours else value
    return cuda.jit(device=True)(types.FunctionType(code, namespace, function.__name__, function.__defaults__))
