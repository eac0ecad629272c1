"""Operations on vectors: Python's operators, ``abs``, ``min``, ``max``, ``math.*``, and what has no name there."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, signature
from numba.core.typing.templates import infer_global as numba_infer_global

from ..backends._native import intrinsic
from ._types import Vector, broadcast, is_real_vector, is_scalar
from ._width import has_avx512

infer_global: Any = numba_infer_global


def _common(*kinds: types.Type) -> Vector | None:
    """The one vector type among the arguments of an operation; None if there is none, or several."""
    vectors = {kind for kind in kinds if isinstance(kind, Vector)}
    if len(vectors) == 1 and all(is_scalar(kind) for kind in kinds if not isinstance(kind, Vector)):
        return vectors.pop()
    return None


def _register(function: Callable, arguments: int, result: Callable, generate: Callable) -> None:
    """Teach Numba a Python function of vectors: its type, and its code generate(context, builder, kind, values).

    Scalars among the arguments become vectors. `result` gives the type from that of the arguments, or None.
    """

    @infer_global(function)
    class Template(AbstractTemplate):  # pyright: ignore[reportUnusedClass]
        def generic(self, args, kws):
            kind = _common(*args) if len(args) == arguments and not kws else None
            found = kind and result(kind)
            return signature(found, *([kind] * arguments)) if found else None

    def lower(context, builder, sig, values):
        return generate(context, builder, sig.args[0], values)

    lower_builtin(function, *([Vector] * arguments))(lower)


def _same(kind: Vector) -> Vector | None:
    return None if kind.is_mask else kind


def _mask_only(kind: Vector) -> Vector | None:
    return kind if kind.is_mask else None


def _compared(kind: Vector) -> Vector | None:
    return None if kind.is_mask else kind.mask


def call_llvm(builder, name: str, result: ir.Type, arguments):
    """Call an LLVM intrinsic by its full name."""
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(result, [value.type for value in arguments]), name
    )
    return builder.call(function, arguments)


def _by_intrinsic(name: str) -> Callable:
    def generate(context, builder, kind, values):
        return call_llvm(builder, f"llvm.{name}.{kind.suffix}", kind.llvm, values)

    return generate


def _by_builder(method: str) -> Callable:
    return lambda context, builder, kind, values: getattr(builder, method)(*values)


def _comparison(sign: str) -> Callable:
    compare = "fcmp_unordered" if sign == "!=" else "fcmp_ordered"
    return lambda context, builder, kind, values: getattr(builder, compare)(sign, *values)


def _least(sign: str) -> Callable:
    """Python's min and max: the first argument unless the second is certainly less, or greater."""

    def generate(context, builder, kind, values):
        first, second = values
        return builder.select(builder.fcmp_ordered(sign, second, first), second, first)

    return generate


def _lane_by_lane(function: Callable) -> Callable:
    """The scalar function that Numba knows, applied to each lane."""

    def generate(context, builder, kind, values):
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

    return generate


_ARITHMETIC = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul", operator.truediv: "fdiv"}
_IN_PLACE = {operator.iadd: "fadd", operator.isub: "fsub", operator.imul: "fmul", operator.itruediv: "fdiv"}
_COMPARISONS = {
    operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=", operator.eq: "==", operator.ne: "!=",
}  # fmt: skip
_EXACT = {
    math.sqrt: "sqrt",
    math.fabs: "fabs",
    math.floor: "floor",
    math.ceil: "ceil",
    math.trunc: "trunc",
    abs: "fabs",
}
_UNARY = (
    math.exp, math.expm1, math.log, math.log1p, math.log2, math.log10, math.sin, math.cos, math.tan, math.asin,
    math.acos, math.atan, math.sinh, math.cosh, math.tanh, math.asinh, math.acosh, math.atanh, math.erf, math.erfc,
    math.gamma, math.lgamma,
)  # fmt: skip
_BINARY = (math.atan2, math.hypot, math.pow, operator.pow, operator.mod, operator.floordiv)

for _function, _name in {**_ARITHMETIC, **_IN_PLACE}.items():
    _register(_function, 2, _same, _by_builder(_name))
for _function, _name in _COMPARISONS.items():
    _register(_function, 2, _compared, _comparison(_name))
for _function, _name in {operator.and_: "and_", operator.or_: "or_", operator.xor: "xor"}.items():
    _register(_function, 2, _mask_only, _by_builder(_name))
for _function, _name in _EXACT.items():
    _register(_function, 1, _same, _by_intrinsic(_name))
for _function in _UNARY:
    _register(_function, 1, _same, _lane_by_lane(_function))
for _function in _BINARY:
    _register(_function, 2, _same, _lane_by_lane(_function))
_register(math.fmod, 2, _same, _by_builder("frem"))
_register(math.copysign, 2, _same, _by_intrinsic("copysign"))
_register(operator.neg, 1, _same, _by_builder("fneg"))
_register(operator.pos, 1, _same, lambda context, builder, kind, values: values[0])
_register(operator.invert, 1, _mask_only, _by_builder("not_"))
_register(min, 2, _same, _least("<"))
_register(max, 2, _same, _least(">"))


@intrinsic
def fma(typing_context, a, b, c):
    """a * b + c, rounded once where the processor can."""
    kind = _common(a, b, c)
    if kind is None or kind.is_mask:
        return None

    def codegen(context, builder, sig, values):
        return call_llvm(builder, f"llvm.fmuladd.{kind.suffix}", kind.llvm, values)

    return kind(kind, kind, kind), codegen


@intrinsic
def where(typing_context, mask, a, b):
    """Lane by lane a where the mask is set, else b; one of them may be a scalar."""
    kind = _common(a, b)
    if kind is None or mask != kind.mask:
        return None

    def codegen(context, builder, sig, values):
        return builder.select(*values)

    return kind(mask, kind, kind), codegen


@intrinsic
def splat(typing_context, x, like):
    """A vector of the type of `like` with x in every lane."""
    if not (is_real_vector(like) and is_scalar(x)):
        return None

    def codegen(context, builder, sig, values):
        return broadcast(context, builder, like, x, values[0])

    return like(x, like), codegen


def _reduction(name: str, kind: types.Type, of_masks: bool):
    if not isinstance(kind, Vector) or kind.is_mask != of_masks:
        return None

    def codegen(context, builder, sig, values):
        start = [ir.Constant(kind.llvm.element, -0.0)] if name == "fadd" else []
        return call_llvm(builder, f"llvm.vector.reduce.{name}.{kind.suffix}", kind.llvm.element, [*start, *values])

    return kind.element(kind), codegen


@intrinsic
def any_lane(typing_context, mask):
    """Whether any lane of a mask is set."""
    return _reduction("or", mask, True)


@intrinsic
def all_lanes(typing_context, mask):
    """Whether all lanes of a mask are set."""
    return _reduction("and", mask, True)


@intrinsic
def reduce_min(typing_context, v):
    """The least lane; lanes that are NaN are passed over."""
    return _reduction("fmin", v, False)


@intrinsic
def reduce_max(typing_context, v):
    """The greatest lane; lanes that are NaN are passed over."""
    return _reduction("fmax", v, False)


@intrinsic
def reduce_sum(typing_context, v):
    """The sum of the lanes, from the first to the last."""
    return _reduction("fadd", v, False)


@intrinsic
def shuffle(typing_context, a, b, lanes):
    """Lanes of a (numbered from 0) and b (numbered on), picked by a tuple of numbers known at compile time."""
    picks = [getattr(kind, "literal_value", None) for kind in getattr(lanes, "types", ())]
    order = [pick for pick in picks if pick is not None]
    if a != b or not isinstance(a, Vector) or not order or len(order) < len(picks):
        return None
    result = Vector(a.element, len(order))

    def codegen(context, builder, sig, values):
        return shuffled(builder, values[0], values[1], order)

    return result(a, b, lanes), codegen


def _bits(kind: Vector) -> tuple[ir.VectorType, int]:
    """The integer vector of the same size, and the mask of the exponent's bits."""
    if kind.element == types.float64:
        return ir.VectorType(ir.IntType(64), kind.lanes), 0x7FF << 52
    return ir.VectorType(ir.IntType(32), kind.lanes), 0xFF << 23


@intrinsic
def floor_power_of_two(typing_context, v):
    """The largest power of two up to |v|, of normal numbers."""
    if not is_real_vector(v):
        return None

    def codegen(context, builder, sig, values):
        integers, exponent = _bits(v)
        masked = builder.and_(builder.bitcast(values[0], integers), ir.Constant(integers, [exponent] * v.lanes))
        return builder.bitcast(masked, v.llvm)

    return v(v), codegen


def shuffled(builder, a, b, picks: list[int]):
    """`shuffle` in code that a builder writes."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(cgutils.int32_t, len(picks)), picks))


def _approximation(builder, name: str, kind: Vector, value):
    """AVX-512's 1/x or 1/sqrt(x) to 14 bits, register by register; the same bits for any number of lanes."""
    letter, size = ("d", 8) if kind.element == types.float64 else ("s", 16)
    register = ir.VectorType(kind.llvm.element, size)
    everywhere = ir.Constant(ir.IntType(size), -1)
    found = None
    for first in range(0, kind.lanes, size):
        part = shuffled(builder, value, value, [min(first + lane, kind.lanes - 1) for lane in range(size)])
        part = call_llvm(builder, f"llvm.x86.avx512.{name}.p{letter}.512", register, [part, part, everywhere])
        found = part if found is None else _joined(builder, found, part)
    return shuffled(builder, found, found, list(range(kind.lanes)))


def _joined(builder, a, b):
    """The lanes of b after those of a, which has as many or more."""
    together = a.type.count + b.type.count
    widened = shuffled(builder, b, b, [min(lane, b.type.count - 1) for lane in range(a.type.count)])
    return shuffled(builder, a, widened, list(range(together)))


def _newton(generate: Callable) -> Callable:
    """The typing of `reciprocal` and `reciprocal_sqrt`; every Newton step doubles the 14 bits."""

    def typed(typing_context, v):
        if not is_real_vector(v):
            return None

        def codegen(context, builder, sig, values):
            def fused(a, b, c):
                return call_llvm(builder, f"llvm.fmuladd.{v.suffix}", v.llvm, [a, b, c])

            def constant(number):
                return ir.Constant(v.llvm, [number] * v.lanes)

            return generate(builder, v, values[0], fused, constant, 2 if v.element == types.float64 else 1)

        return v(v), codegen

    return typed


def _reciprocal(builder, kind, x, fused, constant, steps):
    if not has_avx512():
        return builder.fdiv(constant(1.0), x)
    y = _approximation(builder, "rcp14", kind, x)
    minus_x = builder.fneg(x)
    for _ in range(steps):
        y = fused(y, fused(minus_x, y, constant(1.0)), y)
    return y


def _reciprocal_sqrt(builder, kind, x, fused, constant, steps):
    if not has_avx512():
        return builder.fdiv(constant(1.0), call_llvm(builder, f"llvm.sqrt.{kind.suffix}", kind.llvm, [x]))
    y = _approximation(builder, "rsqrt14", kind, x)
    for _ in range(steps):
        half_residual = fused(builder.fneg(builder.fmul(x, y)), builder.fmul(y, constant(0.5)), constant(0.5))
        y = fused(y, half_residual, y)
    return y


@intrinsic
def reciprocal(typing_context, v):
    """1 / v to about one unit in the last place, where v and 1 / v are normal numbers; elsewhere it may be NaN."""
    return _newton(_reciprocal)(typing_context, v)


@intrinsic
def reciprocal_sqrt(typing_context, v):
    """1 / sqrt(v) to about one unit in the last place, where v is a normal number; elsewhere it may be NaN."""
    return _newton(_reciprocal_sqrt)(typing_context, v)
