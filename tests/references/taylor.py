"""Exact second derivatives at any precision: second-order Taylor numbers over mpmath's reals.

`derivatives(fun, x, args)` evaluates a plain Python function, unchanged, on numbers that carry value,
gradient and Hessian; its global `math` is swapped for one that knows them, in the helpers of its module too.
Slow and obvious.
"""

import types

import mpmath as mp
import numpy as np


class Taylor:
    """value, gradient (n,) and Hessian (n, n) of a function of n variables, entries of type mpf."""

    __array_ufunc__ = None  # a NumPy scalar on the left hands the operation over

    def __init__(self, value, gradient, hessian):
        self.value, self.gradient, self.hessian = value, gradient, hessian

    def chain(self, f, df, d2f):
        """g(self), given g, g' and g'' at the value: the chain rule of second order."""
        g = self.gradient
        return Taylor(f, df * g, df * self.hessian + d2f * np.outer(g, g))

    def __add__(self, other):
        if not isinstance(other, Taylor):
            return Taylor(self.value + real(other), self.gradient, self.hessian)
        return Taylor(self.value + other.value, self.gradient + other.gradient, self.hessian + other.hessian)

    def __mul__(self, other):
        if not isinstance(other, Taylor):
            c = real(other)
            return Taylor(c * self.value, c * self.gradient, c * self.hessian)
        cross = np.outer(self.gradient, other.gradient)
        return Taylor(
            self.value * other.value,
            self.value * other.gradient + other.value * self.gradient,
            self.value * other.hessian + other.value * self.hessian + cross + cross.T,
        )

    def __pow__(self, exponent):
        if isinstance(exponent, Taylor):
            return MATH.exp(exponent * MATH.log(self))
        p, v = real(exponent), self.value
        slope = p * v ** (p - 1) if p != 0 else p
        return self.chain(v**p, slope, p * (p - 1) * v ** (p - 2) if p not in (0, 1) else mp.mpf(0))

    def __rpow__(self, base):
        return MATH.exp(self * MATH.log(base))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-other)

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * (other**-1 if isinstance(other, Taylor) else 1 / real(other))

    def __rtruediv__(self, other):
        return self**-1 * other

    __radd__ = __add__
    __rmul__ = __mul__

    def __abs__(self):
        return -self if self.value < 0 else self

    def __lt__(self, other):
        return self.value < value_of(other)

    def __le__(self, other):
        return self.value <= value_of(other)

    def __gt__(self, other):
        return self.value > value_of(other)

    def __ge__(self, other):
        return self.value >= value_of(other)

    def __eq__(self, other):
        return self.value == value_of(other)

    __hash__ = None


def value_of(x):
    """The value of a Taylor number, or of any other."""
    return x.value if isinstance(x, Taylor) else real(x)


def real(x):
    """A Python or NumPy number as an mpf, exactly."""
    if isinstance(x, mp.mpf):
        return x
    return mp.mpf(int(x)) if isinstance(x, (int, np.integer)) else mp.mpf(float(x))


def _elementary(f, df, d2f):
    def function(x):
        if isinstance(x, Taylor):
            v = x.value
            return x.chain(f(v), df(v), d2f(v))
        return f(real(x))

    return function


def _atan2(y, x):
    near = _atan(y / x) if value_of(x) != 0 else -_atan(x / y)
    return near + (mp.atan2(value_of(y), value_of(x)) - value_of(near))  # the branch is a constant


def _pow(x, exponent):
    return (x if isinstance(x, Taylor) else real(x)) ** exponent


def _hypot(x, y):
    return MATH.sqrt(x * x + y * y)


def _erf_slope(v):
    return 2 / mp.sqrt(mp.pi) * mp.exp(-v * v)


_atan = _elementary(mp.atan, lambda v: 1 / (1 + v * v), lambda v: -2 * v / (1 + v * v) ** 2)

# What stands for `math`: value, first and second derivative. pi and e are float64's, as in compiled code.
MATH = types.SimpleNamespace(
    sqrt=_elementary(mp.sqrt, lambda v: 1 / (2 * mp.sqrt(v)), lambda v: -1 / (4 * mp.sqrt(v) ** 3)),
    exp=_elementary(mp.exp, mp.exp, mp.exp),
    expm1=_elementary(mp.expm1, mp.exp, mp.exp),
    log=_elementary(mp.log, lambda v: 1 / v, lambda v: -1 / v**2),
    log1p=_elementary(mp.log1p, lambda v: 1 / (1 + v), lambda v: -1 / (1 + v) ** 2),
    sin=_elementary(mp.sin, mp.cos, lambda v: -mp.sin(v)),
    cos=_elementary(mp.cos, lambda v: -mp.sin(v), lambda v: -mp.cos(v)),
    tan=_elementary(mp.tan, lambda v: mp.sec(v) ** 2, lambda v: 2 * mp.tan(v) * mp.sec(v) ** 2),
    atan=_atan,
    atan2=_atan2,
    sinh=_elementary(mp.sinh, mp.cosh, mp.sinh),
    cosh=_elementary(mp.cosh, mp.sinh, mp.cosh),
    tanh=_elementary(mp.tanh, lambda v: mp.sech(v) ** 2, lambda v: -2 * mp.tanh(v) * mp.sech(v) ** 2),
    erf=_elementary(mp.erf, _erf_slope, lambda v: -2 * v * _erf_slope(v)),
    lgamma=_elementary(mp.loggamma, mp.digamma, lambda v: mp.psi(1, v)),
    fabs=lambda x: abs(x if isinstance(x, Taylor) else real(x)),
    hypot=_hypot,
    pow=_pow,
    pi=mp.mpf(float(np.pi)),
    e=mp.mpf(float(np.e)),
)


def over_mpmath(fun):
    """The same code, with `MATH` in place of the module `math`, also in the functions of its module."""
    swapped = {**fun.__globals__, "math": MATH}

    def rebound(f):
        return types.FunctionType(f.__code__, swapped, f.__name__, f.__defaults__, f.__closure__)

    for name, value in fun.__globals__.items():
        if isinstance(value, types.FunctionType) and value.__globals__ is fun.__globals__:
            swapped[name] = rebound(value)
    return rebound(fun)


def exact(array):
    """An array (or a number) with every entry as an mpf of the same value."""
    if np.ndim(array) == 0:
        return array if isinstance(array, (int, np.integer)) else real(array)
    out = np.empty(np.shape(array), dtype=object)
    for k, entry in np.ndenumerate(np.asarray(array)):
        out[k] = exact(entry)
    return out


def derivatives(fun, x, args=(), digits=50):
    """Value, gradient and Hessian of fun at x, as mpf's of `digits` digits (object arrays)."""
    with mp.workdps(digits):
        n = len(x)
        zero, one = mp.mpf(0), mp.mpf(1)
        variables = np.empty(n, dtype=object)  # an array: slices, len and work arrays of its dtype
        for i in range(n):
            unit = np.array([one if j == i else zero for j in range(n)], dtype=object)
            variables[i] = Taylor(real(x[i]), unit, np.full((n, n), zero, dtype=object))
        f = over_mpmath(fun)(variables, *(exact(a) for a in args))
        return f.value, f.gradient, f.hessian
