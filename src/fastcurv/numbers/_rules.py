"""One table of elementary functions: the value of each, and its first and second derivatives.

A rule is a plain function of a namespace `m` and arguments that know ``+ - * /`` and comparisons. `m` has the functions
of `math`, ``where(condition, a, b)``, ``short(x)`` (x to half of its digits), ``digamma`` and ``trigamma``; so a rule
serves any number: machine code that is being written, floats, mpmath's reals, symbols.

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
    BINARY[rule.__name__.rstrip("_")] = rule
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
    u, shared = inverted(m, x)
    slope = m.where(abs(x) < 1.0, shared, u * u * shared)
    return m.atan(x), slope, -2.0 * slope * u * shared


def inverted(m, x):
    """u = x or 1/x, not above 1, and 1/(1 + u²): u/(1 + u²) is x/(1 + x²), also where x² overflows."""
    u = m.where(abs(x) < 1.0, x, 1.0 / x)
    return u, 1.0 / (1.0 + u * u)


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
    t, (h, e) = m.tanh(x), _decay(m, x)
    root = 2.0 * h / (1.0 + e)
    slope = root * root
    return t, slope, -2.0 * t * slope


def _decay(m, x):
    """exp(-|x|) and its square: sech x is 2 exp(-|x|) / (1 + exp(-2|x|))."""
    h = m.exp(-abs(x))
    return h, h * h


def tanh_by_exp(m, x):
    """tanh x to 4 ulp, by the exponential that its derivatives take: where vectors of tanh cost more than the rest.

    For |x| < 1 the ninth convergent of Gauss's continued fraction x / (1 + x² / (3 + x² / (5 + ...))).
    """
    _, e = _decay(m, x)
    y = x * x
    numerator = x * (34459425.0 + y * (4729725.0 + y * (135135.0 + y * (990.0 + y))))
    denominator = 34459425.0 + y * (16216200.0 + y * (945945.0 + y * (13860.0 + y * 45.0)))
    small = abs(x) < 1.0
    return m.where(small, numerator, m.copysign(1.0 - e, x)) / m.where(small, denominator, 1.0 + e)


@_unary
def asinh(m, x):
    slope = 1.0 / m.hypot(1.0, x)
    u, shared = inverted(m, x)
    return m.asinh(x), slope, -slope * u * shared


@_unary
def acosh(m, x):
    slope = 1.0 / (m.sqrt(x - 1.0) * m.sqrt(x + 1.0))
    return m.acosh(x), slope, -slope / (x - 1.0) / (1.0 + 1.0 / x)


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
    slope = 1.0 / LOG_2 / x
    return m.log2(x), slope, -slope / x


@_unary
def log10(m, x):
    slope = 1.0 / LOG_10 / x
    return m.log10(x), slope, -slope / x


@_unary
def log1p(m, x):
    slope = 1.0 / (1.0 + x)
    return m.log1p(x), slope, -slope * slope


@_unary
def sqrt(m, x):
    root = m.sqrt(x)
    slope = 0.5 / abs(root)  # +inf also at -0.0
    return root, slope, -0.5 * slope / abs(x)


@_unary
def cbrt(m, x):
    root = m.cbrt(x)
    slope = 1.0 / (3.0 * root * root)
    return root, slope, -2.0 * slope / (3.0 * x)


def cube_root(m, x):
    """The cube root by a power and one Newton step: what machine code is made of."""
    root = m.copysign(m.pow(abs(x), 1.0 / 3.0), x)
    return m.where((x == 0.0) | (abs(x) == math.inf), x, root - (root - x / (root * root)) / 3.0)


@_unary
def erf(m, x):
    slope, bend = gaussian(m, x)
    return m.erf(x), slope, bend


@_unary
def erfc(m, x):
    slope, bend = gaussian(m, x)
    return m.erfc(x), -slope, -bend


def gaussian(m, x):
    """2/√π exp(-x²) and its derivative: exp(-h²/2)² exp((h - x)(h + x)), h² exact.

    exp(-x²) would carry the rounding of x² (451 ulp at x = 26), and -2x magnify that of a subnormal exp(-x²).
    """
    near = m.where(abs(x) < 30.0, x, m.copysign(30.0, x))  # beyond, both are 0
    h = m.short(near)
    half = m.exp(-0.5 * h * h)
    rest = TWO_OVER_SQRT_PI * m.exp((h - x) * (h + x)) * half
    return rest * half, -2.0 * near * rest * half


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
    steep = abs(y) > abs(x)
    long, ratio = long_and_ratio(m, steep, x, y)
    larger = 1.0 / (1.0 + ratio * ratio) / long
    smaller = ratio * larger
    f_y, f_x = m.where(steep, smaller, larger), -m.where(steep, larger, smaller)
    uv = 2.0 * f_y * f_x
    f_xy = larger * (1.0 - ratio) * (larger * (1.0 + ratio))
    return m.atan2(y, x), f_y, f_x, uv, m.where(steep, f_xy, -f_xy), -uv


@_binary
def hypot(m, x, y):
    steep = abs(y) > abs(x)
    long, ratio = long_and_ratio(m, steep, x, y)
    r, larger = m.hypot(x, y), m.copysign(1.0 / m.sqrt(1.0 + ratio * ratio), long)
    u, v = m.where(steep, ratio * larger, larger), m.where(steep, larger, ratio * larger)
    return r, u, v, v * (v / r), -u * (v / r), u * (u / r)


def long_and_ratio(m, steep, x, y):
    """The longer one, and the other one divided by it: neither overflows."""
    return m.where(steep, y, x), m.where(steep, x, y) / m.where(steep, y, x)


@_binary
def logaddexp(m, x, y):
    return m.logaddexp(x, y), *_shares(m, x, y, m.exp(-_apart(m, x, y)), 1.0)


@_binary
def logaddexp2(m, x, y):
    return m.logaddexp2(x, y), *_shares(m, x, y, m.pow(2.0, -_apart(m, x, y)), LOG_2)


def _apart(m, x, y):
    """|x - y|, which is 0 also between equal infinities."""
    return m.where(x == y, 0.0, abs(x - y))


def _shares(m, x, y, decay, log_base):
    """Derivatives of log(b^x + b^y) / log b, by b^-|x - y|: the shares of b^x and b^y in the sum, and their product."""
    larger = 1.0 / (1.0 + decay)
    smaller = decay * larger
    bend = log_base * larger * smaller
    return m.where(x > y, larger, smaller), m.where(x > y, smaller, larger), bend, -bend, bend


def log_of_sum(m, x, y):
    """log(e^x + e^y) for any size of both: what machine code is made of."""
    return m.where(x > y, x, y) + m.log1p(m.exp(-_apart(m, x, y)))


def log2_of_sum(m, x, y):
    """The same to base 2."""
    return m.where(x > y, x, y) + m.log1p(m.pow(2.0, -_apart(m, x, y))) / LOG_2


@_binary
def pow_(m, x, y):
    f, below, slope, bend = powers(m, x, y)
    logarithm = m.log(x)
    at_zero = (x == 0.0) & (y >= 0.0)
    f_y = m.where(at_zero, 0.0, f * logarithm)
    f_xy = m.where(at_zero & (y > 1.0), 0.0, below * (1.0 + y * logarithm))
    return f, slope, f_y, bend, f_xy, m.where(at_zero, 0.0, f_y * logarithm)


def power(m, x, c):
    """x^c and its derivatives in x."""
    f, _, slope, bend = powers(m, x, c)
    return f, slope, bend


def powers(m, x, c):
    """x^c, x^(c-1) and the derivatives of x^c; factors of zero win over infinities, as d(x^0)/dx = 0 at x = 0.

    Divided by x where an exponent c - 1 or c - 2 would be rounded, which log x magnifies.
    """
    divide = (abs(x) > 0.0) & (abs(x) < math.inf)
    f = m.pow(x, c)
    below = m.where(divide & (c < 0.5), f / x, m.pow(x, c - 1.0))
    slope = m.where(c == 0.0, 0.0, c * below)
    bend = m.where(divide & (c < 1.0), (c - 1.0) * slope / x, c * (c - 1.0) * m.pow(x, c - 2.0))
    return f, below, slope, m.where((c == 0.0) | (c == 1.0), 0.0, bend)


#: integer powers beyond are taken by `pow`: each multiplication adds half an ulp, and a square doubles what was there;
#: to 10 ulp here
MOST_FACTORS = 20


def integer_power(m, x, n: int):
    """x^n and its derivatives for an n that is known, by multiplication."""
    if abs(n) > MOST_FACTORS:
        return m.pow(x, float(n)), n * m.pow(x, n - 1.0), n * (n - 1.0) * m.pow(x, n - 2.0)
    if n >= 0:
        f, slope, bend = (_product(x, n - k) for k in range(3))
        return f, n * slope, n * (n - 1) * bend
    inverse = 1.0 / x
    f = 1.0 / _product(x, (1 - n) // 2) / _product(x, -n // 2)  # x^-n may overflow where f is not 0 yet
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
    rest = m.copysign(m.mod(abs(x), m.where(y == 0.0, math.nan, abs(y))), x)  # `%` raises for y = 0
    return rest, 1.0, -quotient(m, x, y, rest), 0.0, 0.0, 0.0


@_binary
def mod(m, x, y):
    rest = m.mod(x, y)
    return rest, 1.0, -quotient(m, x, y, rest), 0.0, 0.0, 0.0


def quotient(m, x, y, rest):
    """The integer (x - rest)/y; x/y may round to the next one."""
    return m.floor(x / y - rest / y + 0.5)


@_binary
def copysign(m, x, y):
    _, sign, _ = abs_(m, x)
    return m.copysign(x, y), sign * m.copysign(1.0, y), 0.0, 0.0, 0.0, 0.0
