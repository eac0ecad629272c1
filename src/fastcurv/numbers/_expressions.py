"""Machine code as expressions: ``a * b + 1.0`` writes the instructions that compute it.

The rules of `_rules` and the algebra of `_algebra` are applied to such expressions. A scalar meets a vector as a vector
of equal lanes; `ZERO` is a derivative that is known to vanish, and whatever is multiplied by it is never written.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from . import _rules as rules
from . import _special

DOUBLE = ir.DoubleType()
#: kinds of expressions; SEEDED: derivatives whose seeds are constants once LLVM has unrolled loops over coordinates
VALUE, DERIVATIVE, SEEDED = range(3)
#: the same operations as in a user's function are contracted; of derivatives the sign of zero does not matter, for
#: nothing is divided by them
FLAGS = ("contract",), ("contract", "nsz"), ("contract", "nsz")


class Zero:
    """An exact zero."""

    def __add__(self, other):
        return other

    def __sub__(self, other):
        return -other

    def __mul__(self, other):
        return self

    def __neg__(self):
        return self

    __radd__ = __add__
    __rmul__ = __truediv__ = __mul__

    def __rsub__(self, other):
        return other


ZERO = Zero()


class Row:
    """Derivatives along several directions, each a number of its own where they are too few for a vector."""

    def __init__(self, entries: Iterable[Any]):
        self.entries = list(entries)

    def __add__(self, other):
        return self if other is ZERO else entrywise(operator.add, self, other)

    def __sub__(self, other):
        return self if other is ZERO else entrywise(operator.sub, self, other)

    def __mul__(self, other):
        return ZERO if other is ZERO else entrywise(operator.mul, self, other)

    def __neg__(self):
        return entrywise(operator.neg, self)

    __rmul__ = __mul__


def entrywise(function: Callable, *operands: Any) -> Any:
    """function(*operands), for each entry of those that are rows."""
    rows = [operand for operand in operands if isinstance(operand, Row)]
    if not rows:
        return function(*operands)
    size = len(rows[0].entries)
    return Row(map(function, *(x.entries if isinstance(x, Row) else [x] * size for x in operands)))


class Expression:
    """A number, a vector or a truth value in code that is being written by `m`."""

    def __init__(self, m: Emitter, value: Any, kind: int = VALUE):
        self.m, self.value, self.kind = m, value, kind

    def _with(self, other: Any, instruction: str, *, swap: bool = False) -> Any:
        if isinstance(other, Row):
            return NotImplemented
        a, b = self.m.alike(self, other)
        if swap:
            a, b = b, a
        kind = max(self.kind, getattr(other, "kind", VALUE))  # what is made from derivatives is one
        return Expression(self.m, getattr(self.m.builder, instruction)(a, b, flags=FLAGS[kind]), kind)

    def __add__(self, other):
        return self if other is ZERO else self._with(other, "fadd")

    def __sub__(self, other):
        return self if other is ZERO else self._with(other, "fsub")

    def __rsub__(self, other):
        return -self if other is ZERO else self._with(other, "fsub", swap=True)

    def __mul__(self, other):
        if other is ZERO:
            return ZERO
        product = self._with(other, "fmul")
        for factor in (self, other) if product is not NotImplemented else ():
            if isinstance(factor, Expression) and factor.kind == SEEDED:
                product = self.m.unless_zero(factor, product)
        return product

    def __truediv__(self, other):
        return self._with(other, "fdiv")

    def __rtruediv__(self, other):
        return ZERO if other is ZERO else self._with(other, "fdiv", swap=True)

    def __neg__(self):
        zero = self.m.constant(-0.0, self.value.type)  # the language that CUDA's compiler takes has no fneg
        return Expression(self.m, self.m.builder.fsub(zero, self.value, flags=FLAGS[self.kind]), self.kind)  # pyright: ignore

    def __abs__(self):
        return self.m.intrinsic("fabs", self)

    __radd__, __rmul__ = __add__, __mul__

    def compare(self, sign: str, other: Any) -> Expression:
        """A comparison that is false, or for "!=" true, where one side is NaN."""
        compare = self.m.builder.fcmp_unordered if sign == "!=" else self.m.builder.fcmp_ordered
        return Expression(self.m, compare(sign, *self.m.alike(self, other)))

    def __lt__(self, other):
        return self.compare("<", other)

    def __gt__(self, other):
        return self.compare(">", other)

    def __le__(self, other):
        return self.compare("<=", other)

    def __ge__(self, other):
        return self.compare(">=", other)

    def __eq__(self, other):
        return self.compare("==", other)

    def __ne__(self, other):
        return self.compare("!=", other)

    def lane(self, number: int) -> Expression:
        """A lane of a vector."""
        lane = self.m.builder.extract_element(self.value, ir.Constant(cgutils.int32_t, number))
        return Expression(self.m, lane, self.kind)

    def lanes_in_memory(self) -> list[Expression]:
        """All lanes of a vector that is stored for them: what spreads one from there reads it, from a register it takes
        an instruction or two more. The address is hidden from LLVM, which would take lanes from the register again.
        """
        builder, kind = self.m.builder, self.value.type
        place, number = cgutils.alloca_once(builder, kind), kind.element.as_pointer()
        same = builder.asm(
            ir.FunctionType(number, [number]), "", "=r,0", [builder.bitcast(place, number)], side_effect=False
        )
        builder.store(self.value, place)
        lanes = (builder.gep(same, [ir.Constant(cgutils.intp_t, lane)]) for lane in range(kind.count))
        return [Expression(self.m, builder.load(lane), self.kind) for lane in lanes]

    def __and__(self, other):
        return Expression(self.m, self.m.builder.and_(self.value, other.value))

    def __or__(self, other):
        return Expression(self.m, self.m.builder.or_(self.value, other.value))

    __hash__ = object.__hash__


class Emitter:
    """The namespace of functions that rules are given, for code that a builder writes: `m.sin(x)` and the like."""

    def __init__(self, context: Any, builder: ir.IRBuilder, real: ir.Type = DOUBLE):
        self.context, self.builder = context, builder
        #: the type of plain numbers, and of the lanes of vectors
        self.real = real

    @property
    def is_single(self) -> bool:
        """Whether numbers are of single precision."""
        return self.real != DOUBLE

    @property
    def bytes(self) -> int:
        """Those of a plain number."""
        return 4 if self.is_single else 8

    @property
    def number(self) -> types.Float:
        """Numba's type of plain numbers."""
        return types.float32 if self.is_single else types.float64

    @property
    def is_for_cuda(self) -> bool:
        """Whether code is written for a CUDA device."""
        return self.builder.module.triple.startswith("nvptx")

    def constant(self, number: float, like: ir.Type | None = None) -> Any:
        """A number as a value of an LLVM type; what is too large for it becomes infinite."""
        like = self.real if like is None else like
        return ir.Constant(like, [number] * like.count if isinstance(like, ir.VectorType) else number)

    def alike(self, *operands: Any) -> list[Any]:
        """Expressions and floats as LLVM values of one type: vectors if one of them is."""
        kinds = [x.value.type for x in operands if isinstance(x, Expression)]
        kind = next((kind for kind in kinds if isinstance(kind, ir.VectorType)), self.real)
        return [
            self.spread(x.value, kind) if isinstance(x, Expression) else self.constant(float(x), kind) for x in operands
        ]

    def spread(self, value: Any, kind: ir.Type) -> Any:
        """A scalar as a vector of equal lanes; what is of the type already, as it is."""
        if value.type == kind:
            return value
        undefined, first = ir.Constant(kind, ir.Undefined), ir.Constant(cgutils.int32_t, 0)
        mask = ir.Constant(ir.VectorType(cgutils.int32_t, kind.count), None)  # pyright: ignore
        return self.builder.shuffle_vector(self.builder.insert_element(undefined, value, first), undefined, mask)

    def suffix(self, kind: ir.Type) -> str:
        """What the names of LLVM's intrinsics for numbers or vectors end with."""
        bits = "f32" if self.is_single else "f64"
        return f"v{kind.count}{bits}" if isinstance(kind, ir.VectorType) else bits

    def unless_zero(self, factor: Expression, product: Expression) -> Expression:
        """A product; 0 where LLVM finds out that a factor is a constant 0, which times infinity were NaN."""
        builder, kind = self.builder, factor.value.type
        signature = ir.FunctionType(cgutils.bool_t, [kind])
        is_known = cgutils.get_or_insert_function(builder.module, signature, f"llvm.is.constant.{self.suffix(kind)}")
        vanishes: Any = builder.fcmp_ordered("==", factor.value, self.constant(0.0, kind))
        if isinstance(kind, ir.VectorType):
            lanes = ir.IntType(kind.count)
            vanishes = builder.icmp_unsigned("==", builder.bitcast(vanishes, lanes), ir.Constant(lanes, -1))
        vanishes = builder.and_(builder.call(is_known, [factor.value]), vanishes)
        zero = self.constant(0.0, product.value.type)
        return Expression(self, builder.select(vanishes, zero, product.value), product.kind)

    def intrinsic(self, name: str, *operands: Any) -> Expression:
        """An LLVM intrinsic."""
        values = self.alike(*operands)
        kind = values[0].type
        signature = ir.FunctionType(kind, [kind] * len(values))
        # CUDA's compiler knows few of LLVM's, and has a library of its own for the others
        symbol = f"__nv_{name}{'f' * self.is_single}" if self.is_for_cuda else f"llvm.{name}.{self.suffix(kind)}"
        function = cgutils.get_or_insert_function(self.builder.module, signature, symbol)
        return Expression(self, self.builder.call(function, values))

    def where(self, condition: Expression | bool, a: Any, b: Any) -> Expression:
        """a where the condition, which may be of plain numbers, holds, else b."""
        if isinstance(condition, bool):
            chosen = a if condition else b
            return chosen if isinstance(chosen, Expression) else Expression(self, self.constant(chosen))
        return Expression(self, self.builder.select(condition.value, *self.alike(a, b)))

    def short(self, x: Expression) -> Expression:
        """x to half of its digits, whose square is exact: double precision to single, that to 12 bits."""
        builder, kind = self.builder, x.value.type
        if self.is_single:
            bits = builder.and_(builder.bitcast(x.value, cgutils.int32_t), ir.Constant(cgutils.int32_t, -(1 << 12)))
            return Expression(self, builder.bitcast(bits, kind))
        narrow = ir.VectorType(ir.FloatType(), kind.count) if isinstance(kind, ir.VectorType) else ir.FloatType()
        return Expression(self, builder.fpext(builder.fptrunc(x.value, narrow), kind))

    def floor(self, x):
        return self.intrinsic("floor", x)

    def trunc(self, x):
        return self.intrinsic("trunc", x)

    def sqrt(self, x):
        return self.intrinsic("sqrt", x)

    def copysign(self, x, y):
        return self.intrinsic("copysign", x, y)

    def pow(self, x, y):
        return self.intrinsic("pow", x, y)

    def cbrt(self, x):
        return rules.cube_root(self, x)

    def logaddexp(self, x, y):
        return rules.log_of_sum(self, x, y)

    def logaddexp2(self, x, y):
        return rules.log2_of_sum(self, x, y)

    def mod(self, x, y):
        """x % y as Python has it; NaN for y = 0."""
        return self._call(_special.mod, x, self.where(y == 0.0, math.nan, y))

    def digamma(self, x):
        return self._in_double(_special.digamma, x)

    def trigamma(self, x):
        return self._in_double(_special.trigamma, x)

    def __getattr__(self, name: str):
        if name in ("sin", "cos", "exp", "log"):  # LLVM makes one call of a sine and a cosine
            return lambda x: self.intrinsic(name, x)
        function = getattr(math, name)
        return lambda *operands: self._known(function, operands)

    def _known(self, function: Any, operands: tuple) -> Expression:
        """A function that Numba knows for scalars."""
        if self.is_for_cuda:
            return self.intrinsic("tgamma" if function is math.gamma else function.__name__, *operands)
        known = self.context.typing_context.resolve_value_type(function)
        signature = known.get_call_type(self.context.typing_context, (self.number,) * len(operands), {})
        call = self.context.get_function(known, signature)
        return Expression(self, call(self.builder, self.alike(*operands)))

    def _call(self, function: Any, *operands: Any) -> Expression:
        """A Python function, compiled for scalars."""
        signature = self.number(*[self.number] * len(operands))
        return Expression(self, self.context.compile_internal(self.builder, function, signature, self.alike(*operands)))

    def _in_double(self, function: Any, x: Expression) -> Expression:
        """A Python function whose series and recurrences are made for double precision."""
        if not self.is_single:
            return self._call(function, x)
        wide = self.builder.fpext(x.value, DOUBLE)
        found = self.context.compile_internal(self.builder, function, types.float64(types.float64), [wide])
        return Expression(self, self.builder.fptrunc(found, self.real))
