"""Our own functions of lanes for a thread of a CUDA device, where a lane is a number."""

from __future__ import annotations

import builtins
import types
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

from .. import simd
from ..function._digest import globals_in
from .cuda import cuda


def _where(mask, a, b):
    return a if mask else b


def _splat(number, like):
    return number


def _itself(x):
    return x


#: what they call; a number takes the place of a power of two just below it, as in programs
_FOR_THREADS: dict[Hashable, Callable] = {
    simd.where: _where,
    simd.splat: _splat,
    simd.floor_power_of_two: _itself,
}


@cache
def for_thread(function: Callable) -> Callable:
    """A device function of numbers; those of ours that it calls become such functions, too."""
    code: Any = function.__code__
    namespace: dict[str, Any] = {"__builtins__": builtins, "__name__": __name__}
    for name in globals_in(code) & function.__globals__.keys():
        value = function.__globals__[name]
        if isinstance(value, Hashable):
            value = _FOR_THREADS.get(value, value)
        ours = isinstance(value, types.FunctionType) and value.__module__.startswith("fastcurv.")
        namespace[name] = for_thread(value) if ours else value
    return cuda.jit(device=True)(types.FunctionType(code, namespace, function.__name__, function.__defaults__))
