"""Our own functions of lanes as programs: a formula that serves lanes on the CPU serves a thread of a GPU."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import simd
from ..function._digest import globals_in
from ._arrays import BUILTINS, substitute
from ._functions import where
from ._program import Program, Wanted, program
from ._symbols import Symbol, Trace, constant
from ._tracer import Traced

#: what functions of lanes call, for symbols; a number takes the place of a power of two just below it
_FOR_SYMBOLS: dict[Any, Callable] = {
    simd.where: where,
    simd.fma: lambda a, b, c: a * b + c,
    simd.splat: lambda number, like: number,
    simd.reciprocal_sqrt: lambda x: 1.0 / substitute(math).sqrt(x),
    simd.floor_power_of_two: lambda x: x,
}


def straight_line(function: Callable, inputs: int) -> Program:
    """The program of ``function(x)``, a plain function of a list of so many lanes that returns a list of others."""
    run = Trace(np.zeros(0))
    results = on_symbols(function)([Symbol(run, run.graph.leaf("x", i)) for i in range(inputs)])
    outputs = tuple(constant(run, result).node for result in results)
    return program(Traced(run.graph, outputs), Wanted(), (0, 0))


def on_symbols(function: Callable) -> Callable:
    """A function of lanes, and those of ours that it calls, as functions of symbols."""
    code: Any = function.__code__
    namespace: dict[str, Any] = {"__builtins__": BUILTINS, "__name__": __name__}
    for name in globals_in(code) & function.__globals__.keys():
        namespace[name] = _for_symbols(function.__globals__[name])
    cells = tuple(types.CellType(_for_symbols(cell.cell_contents)) for cell in function.__closure__ or ())
    return types.FunctionType(code, namespace, function.__name__, function.__defaults__, cells)


def _for_symbols(value: Any) -> Any:
    if isinstance(value, types.ModuleType):
        return substitute(value)
    try:
        if value in _FOR_SYMBOLS:
            return _FOR_SYMBOLS[value]
    except TypeError:  # not hashable
        return value
    ours = isinstance(value, types.FunctionType) and value.__module__.startswith("fastcurv.")
    return on_symbols(value) if ours else value
