"""Exact operations on vectors: Python's operators, ``abs``, ``min``, ``max``, roundings, and what has no name there."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, signature
from numba.core.typing.templates import infer_global as numba_infer_global
from numba.extending import overload

from ..backends._native import intrinsic
from ..elements import is_real
from ._types import Vector, broadcast, is_real_vector
from ._width import has_avx512

infer_global: Any = numba_infer_global


#: of typing templates: those for one target are tried before Numba's own, which are for any
FIRST = {"target": "cpu"}


def _common(*kinds: types.Type) -> Vector | None:
    """The one vector type among the arguments of an operation, masks taken as 0 and 1; None if there is none."""
    vectors = {kind for kind in kinds if isinstance(kind, Vector)}
    found, *others = {kind for kind in vectors if not kind.is_mask} or vectors or (None,)
    fits = found and not others and all(is_real(kind) or kind in (found, found.mask) for kind in kinds)
    return found if fits else None


def register(function: Callable, arguments: int, result: Callable, generate: Callable) -> None:
    """Teach Numba a Python function of vectors: its type, and its code generate(context, builder, kind, values).

    Scalars among the arguments become vectors. `result` gives the type from that of the arguments, or None.
    """

    @infer_global(function)
    class Template(AbstractTemplate):  # pyright: ignore[reportUnusedClass]
        metadata = FIRST

        def generic(self, args, kws):
            kind = _common(*args) if len(args) == arguments and not kws else None
            found = kind and result(kind)
            return signature(found, *([kind] * arguments)) if found else None

    def lower(context, builder, sig, values):
        return generate(context, builder, sig.args[0], values)

    lower_builtin(function, *([Vector] * arguments))(lower)


def same(kind: Vector) -> Vector | None:
    """The type of a function of vectors whose values are such vectors."""
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


def _with_nan(sign: str) -> Callable:
    """NumPy's minimum and maximum: NaN where either is."""

    def generate(context, builder, kind, values):
        first, second = values
        found = _least(sign)(context, builder, kind, values)
        return builder.select(builder.fcmp_unordered("uno", first, second), builder.fadd(first, second), found)

    return generate


_ARITHMETIC = {
    "fadd": (operator.add, operator.iadd, np.add),
    "fsub": (operator.sub, operator.isub, np.subtract),
    "fmul": (operator.mul, operator.imul, np.multiply),
    "fdiv": (operator.truediv, operator.itruediv, np.divide),
    "frem": (math.fmod, np.fmod),
}
_COMPARISONS = {
    "<": (operator.lt, np.less), "<=": (operator.le, np.less_equal), ">": (operator.gt, np.greater),
    ">=": (operator.ge, np.greater_equal), "==": (operator.eq, np.equal), "!=": (operator.ne, np.not_equal),
}  # fmt: skip
_ROUNDED_ONCE = {
    "sqrt": (math.sqrt, np.sqrt),
    "fabs": (abs, math.fabs, np.abs, np.fabs),
    "floor": (math.floor, np.floor),
    "ceil": (math.ceil, np.ceil),
    "trunc": (math.trunc, np.trunc),
    "rint": (np.rint,),
}

for _name, _functions in _ARITHMETIC.items():
    for _function in _functions:
        register(_function, 2, same, _by_builder(_name))
for _name, _functions in _COMPARISONS.items():
    for _function in _functions:
        register(_function, 2, _compared, _comparison(_name))
for _function, _name in {operator.and_: "and_", operator.or_: "or_", operator.xor: "xor"}.items():
    register(_function, 2, _mask_only, _by_builder(_name))
for _name, _functions in _ROUNDED_ONCE.items():
    for _function in _functions:
        register(_function, 1, same, _by_intrinsic(_name))
for _function in (math.copysign, np.copysign):
    register(_function, 2, same, _by_intrinsic("copysign"))
for _function in (operator.neg, np.negative):
    register(_function, 1, same, _by_builder("fneg"))
for _function in (operator.pos, np.positive, float):
    register(_function, 1, same, lambda context, builder, kind, values: values[0])
register(np.square, 1, same, lambda context, builder, kind, values: builder.fmul(values[0], values[0]))
register(operator.invert, 1, _mask_only, _by_builder("not_"))
register(min, 2, same, _least("<"))
register(max, 2, same, _least(">"))
register(np.minimum, 2, same, _with_nan("<"))
register(np.maximum, 2, same, _with_nan(">"))


@overload(min)
def _min_of_several(a, b, c, *others):
    if any(map(is_real_vector, (a, b, c, *others))):
        return lambda a, b, c, *others: min(min(a, b), c, *others)
    return None


@overload(max)
def _max_of_several(a, b, c, *others):
    if any(map(is_real_vector, (a, b, c, *others))):
        return lambda a, b, c, *others: max(max(a, b), c, *others)
    return None


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
    """Lane by lane a where the mask is set, else b; one of them may be a scalar. Of numbers: a or b."""
    kind = types.float64 if mask == types.boolean and is_real(a) and is_real(b) else _common(a, b)
    if kind is None or mask != getattr(kind, "mask", types.boolean):
        return None

    def codegen(context, builder, sig, values):
        chosen = builder.select(*values)
        return chosen if has_avx512() or not is_real_vector(kind) else _settled(builder, chosen)

    return kind(mask, kind, kind), codegen


def _settled(builder, chosen):
    """A vector that was chosen, as one like any other.

    LLVM 22 makes a masked store where it is what is there already, or another, and without AVX-512 all that is loaded
    from there waits for it (Zen 3: QL took 1.2 times as long). The fence itself is no instruction.
    """
    bits = 64 if chosen.type.element == ir.DoubleType() else 32
    return call_llvm(builder, f"llvm.arithmetic.fence.v{chosen.type.count}f{bits}", chosen.type, [chosen])


@overload(np.where)
def _numpy_where(condition, a, b):
    kind = _common(condition, a, b)
    is_ours = isinstance(condition, Vector) and condition.is_mask and kind is not None and not kind.is_mask
    return (lambda condition, a, b: where(condition, a, b)) if is_ours else None


@intrinsic
def splat(typing_context, x, like):
    """A vector of the type of `like` with x in every lane."""
    if not (is_real_vector(like) and is_real(x)):
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


def _by_halves(name: str, kind: types.Type):
    """A reduction whose order does not matter, half by half: each waits for few before it."""
    if not isinstance(kind, Vector) or kind.is_mask:
        return None

    def codegen(context, builder, sig, values):
        (found,) = values
        count = kind.lanes
        while count > 1:
            half = -(-count // 2)  # of an odd number, both have the lane in the middle
            halves = [shuffled(builder, found, found, list(range(at, at + half))) for at in (0, count - half)]
            part, count = Vector(kind.element, half), half
            found = call_llvm(builder, f"llvm.{name}.{part.suffix}", part.llvm, halves)
        return builder.extract_element(found, ir.Constant(ir.IntType(32), 0))

    return kind.element(kind), codegen


@intrinsic
def reduce_min(typing_context, v):
    """The least lane; lanes that are NaN are passed over."""
    return _by_halves("minnum", v)


@intrinsic
def reduce_max(typing_context, v):
    """The greatest lane; lanes that are NaN are passed over."""
    return _by_halves("maxnum", v)


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
    error = fused(builder.fneg(x), y, constant(1.0))
    y = fused(y, error, y)
    if steps == 2:  # 1 / (1 - error) = (1 + error) (1 + error²) ...: the square need not wait for the first step
        y = fused(y, builder.fmul(error, error), y)
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
