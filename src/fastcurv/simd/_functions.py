"""The functions of `math` on vectors, those of NumPy that match, and powers.

With AVX-512 exp, log, sin and cos of float64 are our own. Others come from the C library's vector mathematics where it
is there (glibc's libmvec, 2.35 for all of them: errors up to 3 ulp, 6 to 11 times faster than lane by lane), else lane
by lane from scalar functions.
"""

from __future__ import annotations

import ctypes
import math
import operator
import platform
from collections.abc import Callable
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, signature

from ..elements import NUMPY_NAMES
from . import _elementary
from ._operations import FIRST, infer_global, register, same, shuffled
from ._types import Vector, broadcast, is_real_vector
from ._width import has_avx512, has_fma, native_bytes


@cache
def vector_library() -> str | None:
    """The library of vector functions, loaded for code that is compiled or was cached; None where there is none."""
    try:
        library = ctypes.CDLL("libmvec.so.1")
    except OSError:
        return None
    llvm.load_library_permanently("libmvec.so.1")
    return "libmvec, all functions" if hasattr(library, _symbol("erf", 1, types.float64)) else "libmvec"


def _symbol(name: str, arguments: int, element: types.Type) -> str:
    """The name of a function for a full vector register, after the vector function ABI of x86-64 or AArch64."""
    lanes = native_bytes() * 8 // element.bitwidth  # pyright: ignore[reportAttributeAccessIssue]
    instructions = {64: "e", 32: "d" if has_fma() else "c", 16: "b"}[native_bytes()]
    if platform.machine() in ("aarch64", "arm64"):
        instructions = "n"
    return f"_ZGV{instructions}N{lanes}{'v' * arguments}_{name}{'f' if element == types.float32 else ''}"


@cache
def _vector_symbol(name: str, arguments: int, element: types.Type) -> str | None:
    """The symbol of a vector function, if the library has it."""
    if vector_library() is None:
        return None
    symbol = _symbol(name, arguments, element)
    return symbol if hasattr(ctypes.CDLL("libmvec.so.1"), symbol) else None


def _from_library(symbol: str) -> Callable:
    """A function of full registers as code that calls it."""

    def generate(builder, *values):
        kind = ir.FunctionType(values[0].type, [values[0].type] * len(values))
        function = cgutils.get_or_insert_function(builder.module, kind, symbol)
        function.attributes.add("readnone")  # equal calls are one
        function.attributes.add("nounwind")
        return builder.call(function, values)

    return generate


def _by_registers(builder, generate: Callable, kind: Vector, values):
    """A function of full registers applied to vectors of any length, the last filled up with its last lane."""
    size = native_bytes() * 8 // kind.element.bitwidth  # pyright: ignore[reportAttributeAccessIssue]
    found = []
    for first in range(0, kind.lanes, size):
        picks = [min(first + lane, kind.lanes - 1) for lane in range(size)]
        found.append(generate(builder, *(shuffled(builder, value, value, picks) for value in values)))
    while len(found) > 1:  # lanes are a power of two
        found = [
            shuffled(builder, a, b, list(range(2 * a.type.count))) for a, b in zip(found[::2], found[1::2], strict=True)
        ]
    return shuffled(builder, found[0], found[0], list(range(kind.lanes)))


def _lane_by_lane(function: Callable, context, builder, kind: Vector, values):
    """The scalar function that Numba knows, applied to each lane."""
    known = context.typing_context.resolve_value_type(function)
    scalar = known.get_call_type(context.typing_context, (kind.element,) * len(values), {})
    call = context.get_function(known, scalar)
    result = ir.Constant(kind.llvm, ir.Undefined)
    for lane in range(kind.lanes):
        place = ir.Constant(cgutils.int32_t, lane)
        arguments = [builder.extract_element(value, place) for value in values]
        found = context.cast(builder, call(builder, arguments), scalar.return_type, kind.element)
        result = builder.insert_element(result, found, place)
    return result


#: by name; with AVX-512, of float64
_OURS = {"exp": _elementary.exp, "log": _elementary.log}
#: the same, of arguments that are not too large; calls of the library's took two or three times as long in some
#: processes, as the addresses of code happened to be
_PERIODIC = {"sin": _elementary.sin, "cos": _elementary.cos}
#: how many of these are written into a function: the others are called, which LLVM takes less time for
MOST_WRITTEN = 16
_written: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def _call_apart(symbol: str, generate: Callable, builder, x):
    """Call code as a function of the module that leaves half of the registers as they are."""
    function = builder.module.globals.get(symbol)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(x.type, [x.type]), symbol)
        function.linkage, function.calling_convention = "internal", "intel_ocl_bicc"
        for attribute in ("noinline", "nounwind", "readnone"):  # equal calls are one
            function.attributes.add(attribute)
        inner = ir.IRBuilder(function.append_basic_block())
        inner.ret(generate(inner, function.args[0]))
    return builder.call(function, [x], cconv=function.calling_convention)


def _periodic(name: str, function: Callable, context, kind: Vector) -> Callable:
    """A sine or cosine of a full register as code: our own, and for large arguments that of `_others`."""

    def far(builder, x):
        return _others(function, name, context, builder, kind, [x])

    def of_any(builder, x):
        found = cgutils.alloca_once_value(builder, _PERIODIC[name](builder, x))
        is_far = _elementary.is_turned_far(builder, x)
        lanes = ir.IntType(kind.lanes)
        with builder.if_then(builder.icmp_unsigned("!=", builder.bitcast(is_far, lanes), lanes(0)), likely=False):
            other = _call_apart(f"fastcurv_far_{name}", far, builder, x)
            builder.store(builder.select(is_far, other, builder.load(found)), found)
        return builder.load(found)

    def generate(builder, x):
        written = _written.get(builder.function, 0)
        if written >= MOST_WRITTEN:
            return _call_apart(f"fastcurv_{name}", of_any, builder, x)
        _written[builder.function] = written + 1
        return of_any(builder, x)

    return generate


def _vectorised(function: Callable, name: str) -> Callable:
    """The code of a function of vectors: our own, or the library's if that has it."""

    def generate(context, builder, kind, values):
        if kind.element == types.float64 and has_avx512():
            if name in _OURS:
                return _by_registers(builder, _OURS[name], kind, values)
            if name in _PERIODIC:
                full = Vector(kind.element, _elementary.LANES)
                return _by_registers(builder, _periodic(name, function, context, full), kind, values)
        return _others(function, name, context, builder, kind, values)

    return generate


def _others(function: Callable, name: str, context, builder, kind: Vector, values):
    """The library's function, if it has it, else lane by lane."""
    symbol = _vector_symbol(name, len(values), kind.element)
    if symbol is None:
        return _lane_by_lane(function, context, builder, kind, values)
    return _by_registers(builder, _from_library(symbol), kind, values)


_UNARY = (
    "exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
    "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "gamma", "lgamma", "cbrt",
)  # fmt: skip


def _named(name: str) -> list[Any]:
    """The functions of a name in `math` and in NumPy, as far as Numba knows them for floats."""
    found = [None if name == "cbrt" else getattr(math, name, None), getattr(np, NUMPY_NAMES.get(name, name), None)]
    return [function for function in found if function is not None]


for _name in _UNARY:
    for _function in _named(_name):
        register(_function, 1, same, _vectorised(_function, _name))
for _name in ("atan2", "hypot"):
    for _function in _named(_name):
        register(_function, 2, same, _vectorised(_function, _name))
for _function in (
    operator.mod, operator.imod, np.mod, operator.floordiv, operator.ifloordiv, np.logaddexp, np.logaddexp2,
):  # fmt: skip
    register(_function, 2, same, lambda *args, function=_function: _lane_by_lane(function, *args))


def integer_power(builder, x, exponent: int):
    """x**exponent by repeated squaring."""
    if exponent < 0:
        return builder.fdiv(ir.Constant(x.type, [1.0] * x.type.count), integer_power(builder, x, -exponent))
    found = None
    while exponent:
        if exponent & 1:
            found = x if found is None else builder.fmul(found, x)
        exponent >>= 1
        if exponent:
            x = builder.fmul(x, x)
    return ir.Constant(x.type, [1.0] * x.type.count) if found is None else found


class _LiteralPower(AbstractTemplate):
    """x**2 keeps its exponent as a literal: products are 30 times faster than a power of any exponent."""

    prefer_literal = True
    metadata = FIRST

    def generic(self, args, kws):
        if len(args) == 2 and is_real_vector(args[0]) and isinstance(args[1], (types.IntegerLiteral, types.Omitted)):
            return signature(args[0], *args)
        return None


def _known_power(context, builder, sig, values):
    exponent = getattr(sig.args[1], "literal_value", None)
    exponent = sig.args[1].value if exponent is None else exponent  # where the operator is written with a number
    if float(exponent).is_integer() and abs(exponent) <= 64:  # else with as many roundings as any power has
        return integer_power(builder, values[0], int(exponent))
    exponent = broadcast(context, builder, sig.args[0], types.float64, ir.Constant(ir.DoubleType(), float(exponent)))
    return _vectorised(math.pow, "pow")(context, builder, sig.args[0], [values[0], exponent])


for _function in (operator.pow, operator.ipow):
    infer_global(_function)(_LiteralPower)
    for _literal in (types.IntegerLiteral, types.Omitted):
        lower_builtin(_function, Vector, _literal)(_known_power)
# after those for exponents that are known: the first that fits is taken
for _function in (math.pow, np.power, operator.pow, operator.ipow):
    register(_function, 2, same, _vectorised(math.pow, "pow"))
