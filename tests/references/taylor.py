"""Exact second derivatives at any precision: second-order Taylor numbers over mpmath's reals.

`derivatives(fun, x, args)` evaluates a plain Python function, unchanged, on numbers that carry value,
gradient and Hessian; its global `math` is swapped for one that knows them. Slow and obvious.
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
        p, v = real(exponent), self.value
        return self.chain(v**p, p * v ** (p - 1), p * (p - 1) * v ** (p - 2))

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

    def __lt__(self, other):
        return self.value < (other.value if isinstance(other, Taylor) else real(other))

    def __gt__(self, other):
        return self.value > (other.value if isinstance(other, Taylor) else real(other))


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


# What stands for `math`: value, first and second derivative. pi and e are float64's, as in compiled code.
MATH = types.SimpleNamespace(
    sqrt=_elementary(mp.sqrt, lambda v: 1 / (2 * mp.sqrt(v)), lambda v: -1 / (4 * mp.sqrt(v) ** 3)),
    exp=_elementary(mp.exp, mp.exp, mp.exp),
    log=_elementary(mp.log, lambda v: 1 / v, lambda v: -1 / v**2),
    log1p=_elementary(mp.log1p, lambda v: 1 / (1 + v), lambda v: -1 / (1 + v) ** 2),
    sin=_elementary(mp.sin, mp.cos, lambda v: -mp.sin(v)),
    cos=_elementary(mp.cos, lambda v: -mp.sin(v), lambda v: -mp.cos(v)),
    tanh=_elementary(mp.tanh, lambda v: mp.sech(v) ** 2, lambda v: -2 * mp.tanh(v) * mp.sech(v) ** 2),
    pi=mp.mpf(float(np.pi)),
    e=mp.mpf(float(np.e)),
)


def over_mpmath(fun):
    """The same code, with `MATH` in place of the module `math`."""
    swapped = {**fun.__globals__, "math": MATH}
    return types.FunctionType(fun.__code__, swapped, fun.__name__, fun.__defaults__, fun.__closure__)


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
        variables = []
        for i in range(n):
            unit = np.array([one if j == i else zero for j in range(n)], dtype=object)
            variables.append(Taylor(real(x[i]), unit, np.full((n, n), zero, dtype=object)))
        f = over_mpmath(fun)(variables, *(exact(a) for a in args))
        return f.value, f.gradient, f.hessian
