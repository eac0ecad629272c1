"""What functions may do with numbers: Python's operators and builtins, `math.*` and the `np.*` that match.

Comparisons, ``int()``, rounding and tests act on the value; results that do not change with x are real numbers.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, signature
from numba.core.typing.templates import infer_global as numba_infer_global
from numba.extending import overload, overload_attribute

from ..elements import NUMPY_NAMES, is_real
from . import _algebra as algebra
from ._expressions import DERIVATIVE, ZERO, Emitter, Expression, Row
from ._rules import BINARY, UNARY, integer_power, power
from ._types import Number, Parts, constant, packed, parts

infer_global: Any = numba_infer_global


#: what is registered below: functions of numbers that are differentiated entry by entry
OPERATIONS: set[Any] = set()


def _register(function: Any, arguments: int, result: Callable, combine: Callable) -> None:
    """Teach Numba a function of numbers, or of numbers and real ones.

    ``result(kinds, joined)`` gives its type, or None; ``combine(m, *parts)`` the parts of it, or an expression.
    """

    OPERATIONS.add(function)

    @infer_global(function)
    class Template(AbstractTemplate):  # pyright: ignore[reportUnusedClass]
        def generic(self, args, kws):
            joined = _joined(args) if len(args) == arguments and not kws else None
            found = joined and result(args, joined)
            return signature(found, *args) if found else None

    def lower(context, builder, sig, values):
        like = next(kind for kind in sig.args if isinstance(kind, Number))
        m = like.emitter(context, builder)
        operands = [parts(m, kind, value, like.rows) for kind, value in zip(sig.args, values, strict=True)]
        return _finished(m, sig.return_type, combine(m, *operands))

    for kinds in _kinds(arguments):
        lower_builtin(function, *kinds)(lower)


def _joined(kinds: tuple) -> Number | None:
    """The type that holds all arguments, of which one at least is a number."""
    numbers = [kind for kind in kinds if isinstance(kind, Number)]
    found = numbers[0] if numbers else None
    for kind in kinds:
        found = found and found.joined(kind)
    return found


def _kinds(arguments: int) -> list[tuple]:
    real = (types.Integer, types.Float, types.Boolean)
    if arguments == 1:
        return [(Number,)]
    return [(Number, Number), *((Number, kind) for kind in real), *((kind, Number) for kind in real)]


def _finished(m: Emitter, kind: types.Type, found: Any) -> Any:
    """The LLVM value of what an operation gave."""
    if not isinstance(kind, Number):
        return found.value
    if not isinstance(found.value, Expression):
        found.value = Expression(m, m.constant(found.value))
    return packed(m, kind, found)


def _linear(kinds: tuple, joined: Number) -> Number:
    return joined


def _product(kinds: tuple, joined: Number) -> Number:
    """Linear in a product with a real number."""
    return joined.curved if all(isinstance(kind, Number) for kind in kinds) else joined


def _quotient(kinds: tuple, joined: Number) -> Number:
    return joined.curved if isinstance(kinds[1], Number) else joined


def _curved(kinds: tuple, joined: Number) -> Number:
    return joined.curved


def _truth(kinds: tuple, joined: Number) -> types.Type:
    return types.boolean


def _real(kinds: tuple, joined: Number) -> types.Type:
    return joined.real


def _exact(*derivatives: Any) -> tuple:
    """Derivatives of a rule, where constants 0 need no code."""
    return tuple(ZERO if isinstance(x, float | int) and x == 0 else x for x in derivatives)


def _by_unary(name: str) -> Callable:
    def combine(m, a):
        f, *derivatives = UNARY[name](m, a.value)
        return algebra.chain(a, f, *_exact(*derivatives))

    return combine


def _by_binary(name: str) -> Callable:
    def combine(m, a, b):
        f, *derivatives = BINARY[name](m, a.value, b.value)
        return algebra.chain_two(a, b, f, *_exact(*derivatives))

    return combine


def _scaled(factor: float) -> Callable:
    return lambda m, a: a.each(lambda part: part * factor)


_ARITHMETIC = {
    (operator.add, operator.iadd, np.add): (_linear, algebra.add),
    (operator.sub, operator.isub, np.subtract): (_linear, algebra.subtract),
    (operator.mul, operator.imul, np.multiply): (_product, algebra.multiply),
    (operator.truediv, operator.itruediv, np.divide): (_quotient, algebra.divide),
}
for _functions, (_result, _combine) in _ARITHMETIC.items():
    for _function in _functions:
        _register(_function, 2, _result, lambda m, a, b, combine=_combine: combine(a, b))

_COMPARISONS = {
    (operator.lt, np.less): "<", (operator.le, np.less_equal): "<=", (operator.gt, np.greater): ">",
    (operator.ge, np.greater_equal): ">=", (operator.eq, np.equal): "==", (operator.ne, np.not_equal): "!=",
}  # fmt: skip
for _functions, _sign in _COMPARISONS.items():
    for _function in _functions:
        _register(_function, 2, _truth, lambda m, a, b, sign=_sign: a.value.compare(sign, b.value))

for _function in (operator.neg, np.negative):
    _register(_function, 1, _linear, lambda m, a: a.each(operator.neg))
for _function in (operator.pos, np.positive, float):
    _register(_function, 1, _linear, lambda m, a: a)
for _function in (abs, math.fabs, np.abs, np.fabs):
    _register(_function, 1, _linear, _by_unary("abs"))
for _function in (math.radians, np.radians, np.deg2rad):
    _register(_function, 1, _linear, _scaled(math.pi / 180))
for _function in (math.degrees, np.degrees, np.rad2deg):
    _register(_function, 1, _linear, _scaled(180 / math.pi))
_register(np.square, 1, _curved, lambda m, a: algebra.multiply(a, a))
_register(np.reciprocal, 1, _curved, lambda m, a: algebra.divide(constant(1.0, len(a.cross)), a))


def _named(name: str) -> list[Any]:
    """The functions of `math` and NumPy of a rule, as far as Numba knows them for floats."""
    found = [None if name == "cbrt" else getattr(math, name, None), getattr(np, NUMPY_NAMES.get(name, name), None)]
    return [function for function in found if function is not None]


for _name in UNARY.keys() - {"abs"}:
    for _function in _named(_name):
        _register(_function, 1, _curved, _by_unary(_name))
for _name in ("atan2", "hypot", "logaddexp", "logaddexp2"):
    for _function in _named(_name):
        _register(_function, 2, _curved, _by_binary(_name))
for _functions, _name in {
    (np.fmod,): "fmod",
    (operator.mod, operator.imod, np.mod, np.remainder): "mod",
    (math.copysign, np.copysign): "copysign",
}.items():
    for _function in _functions:
        _register(_function, 2, _linear, _by_binary(_name))

_register(math.ldexp, 2, lambda kinds, joined: _linear(kinds, joined) if isinstance(kinds[1], types.Integer) else None,
          lambda m, a, b: algebra.multiply(a, constant(m.pow(2.0, b.value), len(a.cross))))  # fmt: skip


def _select(m: Emitter, condition: Expression, a: Parts, b: Parts) -> Parts:
    """All parts of a where the condition holds, else those of b."""

    def either(x, y):
        return ZERO if x is ZERO and y is ZERO else m.where(condition, 0.0 if x is ZERO else x, 0.0 if y is ZERO else y)

    return a.each(either, b)


def _least(m: Emitter, a: Parts, b: Parts) -> Parts:
    """Python's min: the first unless the second is certainly less."""
    return _select(m, b.value < a.value, b, a)


def _greatest(m: Emitter, a: Parts, b: Parts) -> Parts:
    return _select(m, b.value > a.value, b, a)


def _with_nan(least: Callable) -> Callable:
    """NumPy's minimum and maximum: NaN where either is."""

    def combine(m, a, b):
        return _select(m, b.value != b.value, b, _select(m, a.value != a.value, a, least(m, a, b)))

    return combine


_register(min, 2, _linear, _least)
_register(max, 2, _linear, _greatest)
_register(np.minimum, 2, _linear, _with_nan(_least))
_register(np.maximum, 2, _linear, _with_nan(_greatest))
_register(np.fmin, 2, _linear, lambda m, a, b: _select(m, a.value != a.value, b, _least(m, a, b)))
_register(np.fmax, 2, _linear, lambda m, a, b: _select(m, a.value != a.value, b, _greatest(m, a, b)))


# they pass over what they do not choose, whose derivatives may be infinite: as functions of one number, 0 times these
OPERATIONS -= {min, max, np.minimum, np.maximum, np.fmin, np.fmax}


@overload(min)
def _min_of_several(a, b, c, *others):
    if any(isinstance(kind, Number) for kind in (a, b, c, *others)):
        return lambda a, b, c, *others: min(min(a, b), c, *others)
    return None


@overload(max)
def _max_of_several(a, b, c, *others):
    if any(isinstance(kind, Number) for kind in (a, b, c, *others)):
        return lambda a, b, c, *others: max(max(a, b), c, *others)
    return None


# powers


def _power(m: Emitter, a: Parts, b: Parts) -> Parts:
    if b.columns is ZERO:
        return algebra.chain(a, *power(m, a.value, b.value))
    return _by_binary("pow")(m, a, b)


for _function in (operator.pow, operator.ipow, math.pow, np.power):
    _register(_function, 2, _curved, _power)


def _known_power(context, builder, sig, values):
    """A power whose exponent is written in the code."""
    kind = sig.args[0]
    m = kind.emitter(context, builder)
    exponent = getattr(sig.args[1], "literal_value", None)
    exponent = sig.args[1].value if exponent is None else exponent
    a = parts(m, kind, values[0], kind.rows)
    if float(exponent).is_integer():
        found = algebra.chain(a, *_exact_power(m, a.value, int(exponent)))
    elif exponent == 0.5:
        found = algebra.chain(a, *UNARY["sqrt"](m, a.value))
    else:
        found = _power(m, a, constant(Expression(m, m.constant(float(exponent))), kind.rows))
    return _finished(m, sig.return_type, found)


def _exact_power(m: Emitter, x: Expression, n: int) -> tuple:
    f, *derivatives = integer_power(m, x, n)
    return f, *_exact(*derivatives)


class _LiteralPower(AbstractTemplate):
    """x**2 keeps its exponent as a literal: a power that is known is 30 times faster."""

    prefer_literal = True

    def generic(self, args, kws):
        if (
            len(args) == 2
            and isinstance(args[0], Number)
            and isinstance(args[1], (types.IntegerLiteral, types.Omitted))
        ):
            return signature(args[0].curved, *args)
        return None


for _function in (operator.pow, operator.ipow):
    infer_global(_function)(_LiteralPower)
    for _literal in (types.IntegerLiteral, types.Omitted):
        lower_builtin(_function, Number, _literal)(_known_power)


# functions of one number: names for compiled code alone, where what is registered for each takes its place; a body is
# needed to have a name, and is never run


def variable(x):
    """The value of a number as a variable: a jet of one, that changes with itself."""
    raise NotImplementedError("for compiled code")


def compose(x, y):
    """The number y(x), of a number x and a jet y of its value as a variable."""
    raise NotImplementedError("for compiled code")


def _as_variable(m: Emitter, x: Parts) -> Parts:
    one = Row([Expression(m, m.constant(1.0), DERIVATIVE)])
    return Parts(x.value, one, one, [ZERO])


_register(variable, 1, lambda kinds, joined: Number(1, 1, linear=True, jet=True, single=joined.single), _as_variable)


def compose_and_add(z, x, y):
    """z + y(x), with fewer instructions."""
    raise NotImplementedError("for compiled code")


@infer_global(compose)
class _Compose(AbstractTemplate):
    def generic(self, args, kws):
        x, y = args
        return signature(x.alike(x.linear and y.linear), *args)


@infer_global(compose_and_add)
class _ComposeAndAdd(AbstractTemplate):
    def generic(self, args, kws):
        z, x, y = args
        return signature(x.alike(z.linear and x.linear and y.linear), *args)


@lower_builtin(compose, Number, Number)
@lower_builtin(compose_and_add, Number, Number, Number)
def _compose(context, builder, sig, values):
    *_, kind, jet = sig.args
    m = kind.emitter(context, builder)
    x, y = parts(m, kind, values[-2], kind.rows), parts(m, jet, values[-1], 1)
    outer = y.value, y.rows.entries[0], ZERO if jet.linear else y.cross[0].entries[0]
    if len(values) == 2:
        return packed(m, sig.return_type, algebra.chain(x, *outer))
    z = parts(m, sig.args[0], values[0], kind.rows)
    return packed(m, sig.return_type, algebra.add_chain(z, x, *outer))


# what acts on the value alone


@overload_attribute(Number, "real")
def _real_part(x):
    return lambda x: x


def value_of(x):
    """The value of a number."""
    return x


_register(value_of, 1, _real, lambda m, a: a.value)


def _of_value(function: Callable) -> None:
    """A function whose result is taken from the value."""

    @overload(function)
    def on_number(x):  # pyright: ignore[reportUnusedFunction]
        return (lambda x: function(value_of(x))) if isinstance(x, Number) else None


for _function in (
    int, bool, math.floor, math.ceil, math.trunc, math.isnan, math.isinf, math.isfinite, operator.truth,
    np.floor, np.ceil, np.trunc, np.rint, np.sign, np.isnan, np.isinf, np.isfinite, np.signbit,
):  # fmt: skip
    _of_value(_function)


@overload(round)
def _round(x, digits=None):
    if not isinstance(x, Number):
        return None
    if isinstance(digits, types.NoneType | types.Omitted) or digits is None:
        return lambda x, digits=None: round(value_of(x))
    return lambda x, digits=None: round(value_of(x), digits)


@overload(operator.floordiv)
def _floor_division(x, y):
    if isinstance(x, Number) and isinstance(y, Number):
        return lambda x, y: value_of(x) // value_of(y)
    if isinstance(x, Number) and is_real(y):
        return lambda x, y: value_of(x) // y
    if isinstance(y, Number) and is_real(x):
        return lambda x, y: x // value_of(y)
    return None
