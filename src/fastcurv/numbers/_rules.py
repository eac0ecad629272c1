"""One table of elementary functions: the value of each, and its first and second derivatives.

A rule is a plain function of a namespace `m` and arguments that know ``+ - * /`` and comparisons. `m` has the functions
of `math`, ``where(condition, a, b)``, ``single(x)`` (x to 24 bits), ``digamma`` and ``trigamma``; so a rule serves any
number: machine code that is being written, floats, mpmath's reals, symbols.

Formulas are chosen to keep a few ulp wherever the function is defined: derivatives are not made from values that have
lost digits (asin' by 1/sqrt((1 - x)(1 + x)), tanh' by 1/cosh²).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

LOG_2, LOG_10 = math.log(2.0), math.log(10.0)
TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)

#: name -> rule(m, x) -> (f, f', f'')
UNARY: dict[str, Callable[[Any, Any], tuple]] = {}
#: name -> rule(m, x, y) -> (f, f_x, f_y, f_xx, f_xy, f_yy)
BINARY: dict[str, Callable[[Any, Any, Any], tuple]] = {}


def _unary(rule: Callable) -> Callable:
    UNARY[rule.__name__.rstrip("_")] = rule
    return rule


def _binary(rule: Callable) -> Callable:
    BINARY[rule.__name__] = rule
    return rule


@_unary
def sin(m, x):
    s, c = m.sin(x), m.cos(x)
    return s, c, -s


@_unary
def cos(m, x):
    s, c = m.sin(x), m.cos(x)
    return c, -s, -c


@_unary
def tan(m, x):
    t = m.tan(x)
    slope = 1.0 + t * t
    return t, slope, 2.0 * t * slope


@_unary
def asin(m, x):
    square = (1.0 - x) * (1.0 + x)
    slope = 1.0 / m.sqrt(square)
    return m.asin(x), slope, x * slope / square


@_unary
def acos(m, x):
    _, slope, bend = asin(m, x)
    return m.acos(x), -slope, -bend


@_unary
def atan(m, x):
    slope = 1.0 / (1.0 + x * x)
    return m.atan(x), slope, -2.0 * slope / (x + 1.0 / x)  # x slope, also where x² overflows


@_unary
def sinh(m, x):
    s, c = m.sinh(x), m.cosh(x)
    return s, c, s


@_unary
def cosh(m, x):
    s, c = m.sinh(x), m.cosh(x)
    return c, s, c


@_unary
def tanh(m, x):
    t, c = m.tanh(x), m.cosh(x)
    slope = 1.0 / c / c
    return t, slope, -2.0 * t * slope


@_unary
def asinh(m, x):
    slope = 1.0 / m.hypot(1.0, x)
    return m.asinh(x), slope, -slope * slope * slope * x


@_unary
def acosh(m, x):
    square = (x - 1.0) * (x + 1.0)
    slope = 1.0 / m.sqrt(square)
    return m.acosh(x), slope, -x * slope / square


@_unary
def atanh(m, x):
    slope = 1.0 / ((1.0 - x) * (1.0 + x))
    return m.atanh(x), slope, 2.0 * x * slope * slope


@_unary
def exp(m, x):
    e = m.exp(x)
    return e, e, e


@_unary
def exp2(m, x):
    e = m.pow(2.0, x)
    return e, LOG_2 * e, LOG_2 * LOG_2 * e


@_unary
def expm1(m, x):
    e = m.exp(x)
    return m.expm1(x), e, e


@_unary
def log(m, x):
    slope = 1.0 / x
    return m.log(x), slope, -slope * slope


@_unary
def log2(m, x):
    slope = 1.0 / x
    return m.log2(x), slope / LOG_2, -slope * slope / LOG_2


@_unary
def log10(m, x):
    slope = 1.0 / x
    return m.log10(x), slope / LOG_10, -slope * slope / LOG_10


@_unary
def log1p(m, x):
    slope = 1.0 / (1.0 + x)
    return m.log1p(x), slope, -slope * slope


@_unary
def sqrt(m, x):
    root = m.sqrt(x)
    slope = 0.5 / root
    return root, slope, -0.5 * slope / x


@_unary
def cbrt(m, x):
    root = m.copysign(m.pow(abs(x), 1.0 / 3.0), x)
    root = m.where((x == 0.0) | (abs(x) == math.inf), x, root - (root - x / (root * root)) / 3.0)  # one Newton step
    slope = 1.0 / (3.0 * root * root)
    return root, slope, -2.0 * slope / (3.0 * x)


@_unary
def erf(m, x):
    slope = TWO_OVER_SQRT_PI * gaussian(m, x)
    return m.erf(x), slope, -2.0 * x * slope


@_unary
def erfc(m, x):
    slope = -TWO_OVER_SQRT_PI * gaussian(m, x)
    return m.erfc(x), slope, -2.0 * x * slope


def gaussian(m, x):
    """exp(-x²), whose argument would otherwise carry the rounding of x² (451 ulp at x = 26)."""
    h = m.single(m.where(abs(x) < 30.0, x, 30.0))  # beyond, it is 0
    return m.where(abs(x) < 30.0, m.exp(-h * h) * m.exp((h - x) * (h + x)), 0.0 * (1.0 / x))


@_unary
def gamma(m, x):
    g, psi = m.gamma(x), m.digamma(x)
    return g, g * psi, g * (psi * psi + m.trigamma(x))


@_unary
def lgamma(m, x):
    return m.lgamma(x), m.digamma(x), m.trigamma(x)


@_unary
def abs_(m, x):
    sign = m.where(x > 0.0, 1.0, m.where(x < 0.0, -1.0, 0.0))
    return abs(x), sign, 0.0


@_binary
def atan2(m, y, x):
    r = m.hypot(x, y)
    u, v = x / r, y / r
    uv = 2.0 * (u / r) * (v / r)
    return m.atan2(y, x), u / r, -v / r, -uv, ((v - u) / r) * ((v + u) / r), uv


@_binary
def hypot(m, x, y):
    r = m.hypot(x, y)
    u, v = x / r, y / r
    return r, u, v, v * v / r, -u * v / r, u * u / r


@_binary
def pow(m, x, y):
    f, slope, bend = power(m, x, y)
    logarithm = m.log(x)
    at_zero = (x == 0.0) & (y >= 0.0)
    f_y = m.where(at_zero, 0.0, f * logarithm)
    f_xy = m.where(at_zero & (y > 1.0), 0.0, m.pow(x, y - 1.0) * (1.0 + y * logarithm))
    return f, slope, f_y, bend, f_xy, m.where(at_zero, 0.0, f_y * logarithm)


def power(m, x, c):
    """x^c and its derivatives in x; factors of zero win over infinities, as d(x^0)/dx = 0 at x = 0."""
    f, below, two_below = m.pow(x, c), m.pow(x, c - 1.0), m.pow(x, c - 2.0)
    constant = c == 0.0
    return f, m.where(constant, 0.0, c * below), m.where(constant | (c == 1.0), 0.0, c * (c - 1.0) * two_below)


#: integer powers beyond are taken by `pow`: each multiplication adds half an ulp
MOST_FACTORS = 16


def integer_power(m, x, n: int):
    """x^n and its derivatives for an n that is known, by multiplication."""
    if abs(n) > MOST_FACTORS:
        return power(m, x, 0.0 * x + float(n))
    if n >= 0:
        f, slope, bend = (_product(x, n - k) for k in range(3))
        return f, n * slope, n * (n - 1) * bend
    inverse = 1.0 / x
    f = 1.0 / _product(x, -n)
    slope = n * f * inverse
    return f, slope, (n - 1) * slope * inverse


def _product(x, n: int):
    """x^n; anything for n < 0, where it is multiplied by 0."""
    if n < 1:
        return 1.0
    half = _product(x, n // 2)
    square = half * half if n > 1 else 1.0
    return square * x if n % 2 else square


@_binary
def fmod(m, x, y):
    return m.fmod(x, y), 1.0, -m.trunc(x / y), 0.0, 0.0, 0.0


@_binary
def mod(m, x, y):
    return m.mod(x, y), 1.0, -m.floor(x / y), 0.0, 0.0, 0.0


@_binary
def copysign(m, x, y):
    _, sign, _ = abs_(m, x)
    return m.copysign(x, y), sign * m.copysign(1.0, y), 0.0, 0.0, 0.0, 0.0
