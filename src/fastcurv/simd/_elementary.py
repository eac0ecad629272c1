"""exp, log, sin and cos of float64 in registers of AVX-512, written into the code that needs them.

A call of a vector library empties all registers, and gathers from tables in memory; here tables are registers. After
Tang, "Table-driven implementation of the exponential function in IEEE floating-point arithmetic" (ACM Trans. Math.
Softw. 15, 1989), "Table-driven implementation of the logarithm function in IEEE floating-point arithmetic" (16, 1990),
and Cody & Waite, Software Manual for the Elementary Functions (1980). Errors are up to 1.01 units in the last place, of
sin and cos up to 2.5 (40,000 random numbers in each of seven ranges, against mpmath).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Context
from typing import Any

from llvmlite import ir

from ._operations import call_llvm

LANES = 8
_NUMBERS = ir.VectorType(ir.DoubleType(), LANES)
_BITS = ir.VectorType(ir.IntType(64), LANES)
_EVERY_LANE, _AS_SET = ir.Constant(ir.IntType(8), -1), ir.Constant(ir.IntType(32), 4)  # masks; rounding

#: log 2 in two parts, of which the first has 32 bits after the point: its products with small integers are exact
LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
#: 2^(k/8)
POWERS = [2.0 ** (k / 8) for k in range(8)]
#: a sum with it is rounded to eighths, which its last bits count
TO_EIGHTHS = 1.5 * 2.0**49
#: from here on exp is infinite, and 0 of the negative
BEYOND = 1000.0
#: (exp(r) - 1) / r for |r| <= log(2) / 16, and (log(1 + r) - r) / r² for -1/32 <= r <= 1/16: mpmath.chebyfit, errors
#: 1.1e-16 and 3.5e-16, of which r and r² times as much is left; the highest power comes first
EXP_SERIES = (
    0.0001984217493849779, 0.0013889703480254652, 0.008333333324839985, 0.041666666590226054, 0.16666666666666866,
    0.500000000000018, 1.0,
)  # fmt: skip
LOG_SERIES = (
    -0.088437987998088, 0.11081912861679763, -0.12501839998216407, 0.1428579138027727, -0.16666665870721806,
    0.1999999995328674, -0.2500000000009317, 0.33333333333340287, -0.49999999999999994,
)  # fmt: skip
#: pi in three parts of one sign, so that -0 is kept
PI = math.pi, 1.224646799147353e-16, 2.165713347843828e-32
#: a sum with it is rounded to an integer, and the last bit tells whether that is odd
TO_INTEGERS = 1.5 * 2.0**52
#: up to here x - n pi is known to full precision
MOST_TURNED = 2.0**30
#: (sin(r) - r) / r³ for |r| <= pi / 2, by powers of r²: mpmath.chebyfit, error 3.4e-19, of which r³ times is left
SINE_SERIES = (
    2.731428986122616e-15, -7.643969031052769e-13, 1.6058977272815506e-10, -2.5052107616384595e-08,
    2.755731921915843e-06, -0.00019841269841254955, 0.008333333333333316, -0.16666666666666666,
)  # fmt: skip


def _middle(k: int) -> float:
    """Of the numbers from 0.75 to 1.5 whose first four bits after the leading one are k; 1 next to 1, for log(1) = 0.

    So the logarithms of what is close to 1 are sums of one sign, or of a series alone.
    """
    if k in (0, 15):
        return 1.0
    return 1 + (k + 0.5) / 16 if k < 8 else 0.5 + (k + 0.5) / 32


#: 1 / m, and -log of it in two parts, the first with 32 bits after the point as log 2
RECIPROCALS = [1 / _middle(k) for k in range(16)]
_EXACT = [-Context(prec=40).create_decimal(c).ln(Context(prec=40)) for c in RECIPROCALS]
LOGARITHMS = [round(float(x) * 2**32) / 2**32 for x in _EXACT]
REMAINDERS = [float(x - Context(prec=60).create_decimal(high)) for x, high in zip(_EXACT, LOGARITHMS, strict=True)]


def exp(builder: Any, x: Any) -> Any:
    """2^n exp(r) with x = n log 2 + r, n in eighths."""
    upper, lower = _constant(BEYOND), _constant(-BEYOND)
    x = builder.select(builder.fcmp_ordered(">", x, upper), upper, x)
    x = builder.select(builder.fcmp_ordered("<", x, lower), lower, x)
    shifted = _fma(builder, x, _constant(1 / sum(LN2)), _constant(TO_EIGHTHS))
    n = builder.fsub(shifted, _constant(TO_EIGHTHS))
    r = _fma(builder, builder.fneg(n), _constant(LN2[0]), x)
    r = _fma(builder, builder.fneg(n), _constant(LN2[1]), r)
    power = _pick(builder, POWERS, builder.bitcast(shifted, _BITS))
    found = _fma(builder, builder.fmul(power, r), _horner(builder, EXP_SERIES, r), power)
    return call_llvm(
        builder, "llvm.x86.avx512.mask.scalef.pd.512", _NUMBERS, [found, n, found, _EVERY_LANE, _AS_SET]
    )  # by 2 to the floor of n: eighths are in the power


def log(builder: Any, x: Any) -> Any:
    """e log 2 - log c + log(1 + r) with x = 2^e m, 0.75 <= m < 1.5, and r = m c - 1, c about 1 / m."""
    from_three_quarters, nan_if_negative = 3, 3 << 2
    how = ir.Constant(ir.IntType(32), from_three_quarters | nan_if_negative)
    m = call_llvm(builder, "llvm.x86.avx512.mask.getmant.pd.512", _NUMBERS, [x, how, x, _EVERY_LANE, _AS_SET])
    e = call_llvm(builder, "llvm.x86.avx512.mask.getexp.pd.512", _NUMBERS, [x, x, _EVERY_LANE, _AS_SET])
    e = builder.select(builder.fcmp_ordered("<", m, _constant(1.0)), builder.fadd(e, _constant(1.0)), e)
    place = builder.lshr(builder.bitcast(m, _BITS), ir.Constant(_BITS, [48] * LANES))
    r = _fma(builder, m, _pick(builder, RECIPROCALS, place), _constant(-1.0))
    high = _fma(builder, e, _constant(LN2[0]), _pick(builder, LOGARITHMS, place))
    low = _fma(builder, e, _constant(LN2[1]), _pick(builder, REMAINDERS, place))
    square = builder.fmul(r, r)
    even, odd = (_horner(builder, LOG_SERIES[k::2], square) for k in (0, 1))  # neither waits so long for the other
    low = _fma(builder, square, _fma(builder, odd, r, even), low)
    return builder.fadd(high, builder.fadd(r, low))


def sin(builder: Any, x: Any) -> Any:
    """(-1)^n sin(x - n pi)."""
    shifted = _fma(builder, x, _constant(1 / math.pi), _constant(TO_INTEGERS))
    return _turned_sine(builder, x, builder.fsub(shifted, _constant(TO_INTEGERS)), shifted)


def cos(builder: Any, x: Any) -> Any:
    """(-1)^m sin((m + 1/2) pi - x)."""
    shifted = builder.fadd(_fma(builder, x, _constant(1 / math.pi), _constant(-0.5)), _constant(TO_INTEGERS))
    turns = builder.fsub(builder.fsub(_constant(TO_INTEGERS), shifted), _constant(0.5))
    return _turned_sine(builder, builder.fneg(x), turns, shifted)


def _turned_sine(builder: Any, x: Any, n: Any, parity: Any) -> Any:
    """sin(r), r = x - n pi, of the other sign where the last bit of `parity` is set, for |x| up to MOST_TURNED.

    The first difference is exact.
    """
    r = x
    for part in PI:
        r = _fma(builder, builder.fneg(n), _constant(part), r)
    square = builder.fmul(r, r)
    fourth = builder.fmul(square, square)
    even, odd = (_horner(builder, SINE_SERIES[k::2], fourth) for k in (1, 0))  # neither waits so long for the other
    sine = _fma(builder, builder.fmul(r, square), _fma(builder, odd, square, even), r)
    turned = builder.xor(
        builder.bitcast(r, _BITS), builder.shl(builder.bitcast(parity, _BITS), ir.Constant(_BITS, [63] * LANES))
    )
    one, size = _constant(1.0), call_llvm(builder, "llvm.fabs.v8f64", _NUMBERS, [sine])
    size = builder.select(builder.fcmp_ordered(">", size, one), one, size)  # 1 - sin² is no negative number
    return call_llvm(builder, "llvm.copysign.v8f64", _NUMBERS, [size, builder.bitcast(turned, _NUMBERS)])  # also of 0


def is_turned_far(builder: Any, x: Any) -> Any:
    """In which lanes sin and cos are left to others: |x| > MOST_TURNED."""
    return builder.fcmp_ordered(">", call_llvm(builder, "llvm.fabs.v8f64", _NUMBERS, [x]), _constant(MOST_TURNED))


def _constant(number: float) -> ir.Constant:
    return ir.Constant(_NUMBERS, [number] * LANES)


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return call_llvm(builder, "llvm.fma.v8f64", _NUMBERS, [a, b, c])


def _horner(builder: Any, coefficients: Sequence[float], x: Any) -> Any:
    found: Any = _constant(coefficients[0])
    for c in coefficients[1:]:
        found = _fma(builder, found, x, _constant(c))
    return found


def _pick(builder: Any, table: list[float], place: Any) -> Any:
    """The entries of a table of one register or two at places, of which only the last bits count."""
    parts = [ir.Constant(_NUMBERS, table[k : k + LANES]) for k in range(0, len(table), LANES)]
    if len(parts) == 1:
        return call_llvm(builder, "llvm.x86.avx512.permvar.df.512", _NUMBERS, [parts[0], place])
    return call_llvm(builder, "llvm.x86.avx512.vpermi2var.pd.512", _NUMBERS, [parts[0], place, parts[1]])
