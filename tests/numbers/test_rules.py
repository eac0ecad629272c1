"""The elementary rules against mpmath over their whole domains, at their edges, and as they are compiled."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import in_single
import numpy as np
import pytest
from mpmath import mp

import fastcurv as fc
from fastcurv.numbers import _rules as rules
from fastcurv.numbers import _special
from fastcurv.numbers._rules import BINARY, MOST_FACTORS, UNARY, integer_power, power, tanh_by_exp

INF, NAN = math.inf, math.nan
DIGITS = 60
SMALLEST, SMALLEST_NORMAL = 2.0**-1074, 2.0**-1022
LARGEST = float(np.finfo(float).max)
PSI_ZERO = 1.4616321449683623

#: what functions of `math` that raise should return, where NumPy has no function of that name
LIMITS = {
    "gamma": lambda x: NAN if x == -INF or is_pole(x) else math.copysign(INF, x),
    "lgamma": lambda x: INF,
    "pow": np.power,
    "asin": np.arcsin,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}


class Floats:
    """The namespace of rules over np.float64: every function is total, with the results of IEEE 754 and C99."""

    sqrt, floor, trunc, copysign, mod = np.sqrt, np.floor, np.trunc, np.copysign, np.mod

    def where(self, condition, a, b):
        return a if condition else b

    def short(self, x):
        return np.float64(np.float32(x))

    def cbrt(self, x):
        return rules.cube_root(self, x)

    def logaddexp(self, x, y):
        return rules.log_of_sum(self, x, y)

    def logaddexp2(self, x, y):
        return rules.log2_of_sum(self, x, y)

    def digamma(self, x):
        return np.float64(_special.digamma(x))

    def trigamma(self, x):
        return np.float64(_special.trigamma(x))

    def __getattr__(self, name):
        def total(*operands):
            try:
                return np.float64(getattr(math, name)(*operands))
            except (ValueError, OverflowError):
                limit = LIMITS.get(name) or getattr(np, name)
                return np.float64(limit(*operands))

        return total


def evaluated(rule, *operands):
    with np.errstate(all="ignore"):
        return [float(part) for part in rule(Floats(), *(np.float64(x) for x in operands))]


class Format(NamedTuple):
    """A kind of floating-point numbers: their digits, and exponents of the least normal one and beyond the largest."""

    digits: int
    least: int
    largest: int


DOUBLE, SINGLE = Format(53, -1021, 1024), Format(24, -125, 128)


def ulp(size, kind=DOUBLE):
    """The distance of numbers of this size; that of subnormal numbers at the least."""
    exponent = mp.frexp(size)[1] if size else kind.least
    return mp.ldexp(1, min(max(exponent, kind.least), kind.largest) - kind.digits)


def error(found, exact, size=0, kind=DOUBLE):
    """|found - exact| in ulp of the exact value, or `size` if larger; infinite for a NaN or a zero of wrong sign."""
    wrong_sign = (math.copysign(1.0, found) < 0) != (exact < 0)
    if math.isnan(found) or (found == 0 and exact != 0 and size <= abs(exact) and wrong_sign):
        return INF
    largest = mp.ldexp(1, kind.largest)
    found = mp.mpf(found) if math.isfinite(found) else mp.sign(found) * largest
    exact = min(max(exact, -largest), largest)
    return float(abs(found - exact) / ulp(max(abs(exact), min(size, largest)), kind))


def worst_errors(rule, exact, points, sizes=None, evaluated=evaluated, kind=DOUBLE):
    """[(error, where)] for each part of a rule: the worst one. Parts that `exact` has as None are not looked at."""
    with mp.workdps(DIGITS):
        worst: list[Any] = [(-1.0, None)] * len(exact(*map(mp.mpf, points[0])))
        for operands in points:
            reals = [mp.mpf(x) for x in operands]
            expected = exact(*reals)
            units = sizes(*reals) if sizes else [0] * len(expected)
            for part, (a, b, unit) in enumerate(zip(evaluated(rule, *operands), expected, units, strict=True)):
                if b is not None:
                    worst[part] = max(worst[part], (error(a, b, unit, kind), operands))
    return worst


def assert_within(worst, bounds):
    failed = [(part, *found) for part, found in enumerate(worst) if not found[0] <= bounds[part]]
    assert not failed


# functions of one variable


@dataclass
class Case:
    """(f, f', f'') in mpmath, bounds in ulp, where to look closely, the domain, and units of error where not ulp."""

    exact: Any
    bounds: tuple
    sites: tuple = ()
    low: float = -INF
    high: float = INF
    sizes: Any = None
    poles: bool = False  # at the negative integers


def close_to(site):
    """A point, its neighbours, and points at distances of all magnitudes."""
    found = [site]
    for direction in (-INF, INF):
        x = site
        for _ in range(3):
            x = math.nextafter(x, direction)
            found.append(x)
    distances = [1.3 * 2.0**-k for k in range(1, 60, 4)]
    return found + [site + d for d in distances] + [site - d for d in distances]


def points_of(case):
    rng = np.random.default_rng(1)
    found = list(np.ldexp(rng.uniform(1, 2, 150), rng.integers(-1075, 1024, 150)))
    found += [SMALLEST, SMALLEST_NORMAL, SMALLEST_NORMAL - SMALLEST, LARGEST, 1e154, 1e155]
    found += [-x for x in found]
    for scale in (3.0, 30.0, 800.0):
        found += list(rng.uniform(-scale, scale, 80))
    if math.isfinite(case.low + case.high):
        found += list(rng.uniform(case.low, case.high, 100))
    for site in case.sites:
        found += close_to(site)
    return [(float(x),) for x in found if case.low < x < case.high and x != 0 and not (case.poles and is_pole(x))]


def is_pole(x):
    return x < 0 and x == math.floor(x)


def gaussian(x):
    slope = 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)
    return slope, -2 * x * slope


def gamma(x):
    g, psi = mp.gamma(x), mp.psi(0, x)
    return g, g * psi, g * (psi**2 + mp.psi(1, x))


def psi_size(x):
    """The unit of digamma's errors: of x < 0 it is a difference of terms as large as log|x|."""
    return max(1, abs(mp.psi(0, x)), mp.log(-x) if x < 0 else 0)


def gamma_sizes(x):
    """The errors of a gamma that is subnormal are magnified."""
    g, psi = max(abs(mp.gamma(x)), SMALLEST_NORMAL), psi_size(x)
    return g, g * psi, g * psi**2


def lgamma(x):
    return mp.re(mp.loggamma(x)), mp.psi(0, x), mp.psi(1, x)


INTEGERS = (-170.0, -20.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 10.0, 171.0)
HALVES = (-33.5, -2.5, -1.5, -0.5, 0.5, 1.5, 9.5)
#: functions, as the precision is known when they are called
LN2, LN10 = (lambda: mp.log(2)), (lambda: mp.log(10))

CASES = {
    "sin": Case(lambda x: (mp.sin(x), mp.cos(x), -mp.sin(x)), (2, 2, 2), (math.pi / 2, math.pi, 355.0, 1e5 * math.pi)),
    "cos": Case(lambda x: (mp.cos(x), -mp.sin(x), -mp.cos(x)), (2, 2, 2), (math.pi / 2, math.pi, 355.0, 1e5 * math.pi)),
    "tan": Case(
        lambda x: (mp.tan(x), 1 / mp.cos(x) ** 2, 2 * mp.tan(x) / mp.cos(x) ** 2),
        (2, 4, 6),
        (math.pi / 4, math.pi / 2, math.pi, 355.0, 1e5 * math.pi),
    ),
    "asin": Case(
        lambda x: (mp.asin(x), (1 - x * x) ** -0.5, x * (1 - x * x) ** -1.5), (2, 3, 5), (-1.0, 0.5, 1.0), -1.0, 1.0
    ),
    "acos": Case(
        lambda x: (mp.acos(x), -((1 - x * x) ** -0.5), -x * (1 - x * x) ** -1.5), (2, 3, 5), (-1.0, 0.5, 1.0), -1.0, 1.0
    ),
    "atan": Case(lambda x: (mp.atan(x), 1 / (1 + x * x), -2 * x / (1 + x * x) ** 2), (2, 4, 6), (-1.0, 1.0)),
    "sinh": Case(lambda x: (mp.sinh(x), mp.cosh(x), mp.sinh(x)), (3, 3, 3), (1.0, 22.0, 709.78, 710.4758600739439)),
    "cosh": Case(lambda x: (mp.cosh(x), mp.sinh(x), mp.cosh(x)), (3, 3, 3), (1.0, 22.0, 709.78, 710.4758600739439)),
    "tanh": Case(
        lambda x: (mp.tanh(x), mp.sech(x) ** 2, -2 * mp.tanh(x) * mp.sech(x) ** 2), (3, 6, 8), (0.5, 19.0, 354.5, 372.6)
    ),
    "asinh": Case(lambda x: (mp.asinh(x), (1 + x * x) ** -0.5, -x * (1 + x * x) ** -1.5), (2, 3, 6), (-1.0, 1.0)),
    "acosh": Case(
        lambda x: (mp.acosh(x), (x * x - 1) ** -0.5, -x * (x * x - 1) ** -1.5), (3, 4, 6), (1.0, 2.0), 1.0
    ),
    "atanh": Case(
        lambda x: (mp.atanh(x), 1 / (1 - x * x), 2 * x / (1 - x * x) ** 2), (2, 3, 5), (-1.0, 0.5, 1.0), -1.0, 1.0
    ),
    "exp": Case(lambda x: (mp.exp(x),) * 3, (2, 2, 2), (1.0, 709.782712893384, -708.4, -745.1)),
    "exp2": Case(
        lambda x: (mp.mpf(2) ** x, LN2() * mp.mpf(2) ** x, LN2() ** 2 * mp.mpf(2) ** x), (2, 3, 3),
        (1.0, -1022.0, -1074.0),
        high=1024.0,
    ),
    "expm1": Case(lambda x: (mp.expm1(x), mp.exp(x), mp.exp(x)), (2, 2, 2), (1.0, 709.782712893384, -37.0, -745.1)),
    "log": Case(lambda x: (mp.log(x), 1 / x, -1 / x**2), (2, 1, 3), (1.0, 2.0), 0.0),
    "log2": Case(lambda x: (mp.log(x) / LN2(), 1 / x / LN2(), -1 / x**2 / LN2()), (2, 3, 3), (1.0, 2.0), 0.0),
    "log10": Case(lambda x: (mp.log(x) / LN10(), 1 / x / LN10(), -1 / x**2 / LN10()), (2, 3, 3), (1.0, 10.0), 0.0),
    "log1p": Case(lambda x: (mp.log1p(x), 1 / (1 + x), -1 / (1 + x) ** 2), (2, 2, 4), (-1.0, -0.5, 1.0), -1.0),
    "sqrt": Case(lambda x: (x**0.5, x**-0.5 / 2, -(x**-1.5) / 4), (1, 2, 3), (1.0,), 0.0),
    "cbrt": Case(
        lambda x: (mp.sign(x) * mp.cbrt(abs(x)), mp.cbrt(abs(x)) ** -2 / 3, -2 * mp.cbrt(abs(x)) ** -2 / (9 * x)),
        (2, 4, 6),
        (1.0, 8.0),
    ),
    "erf": Case(lambda x: (mp.erf(x), *gaussian(x)), (2, 6, 7), (0.84375, 1.25, 6.0, 26.5, 26.615, 27.2, 30.0)),
    "erfc": Case(
        lambda x: (mp.erfc(min(max(x, -100), 100)), *(-part for part in gaussian(x))), (8, 6, 7),
        (0.84375, 1.25, 6.0, 26.5, 27.2, 30.0),
    ),
    "gamma": Case(
        gamma, (20, 20, 40), INTEGERS + HALVES + (PSI_ZERO, 171.6243769563027), -185.0, 1e4, gamma_sizes, poles=True
    ),
    "lgamma": Case(
        lgamma, (20, 8, 8), INTEGERS + HALVES + (PSI_ZERO,), -1e6, 1e300,
        lambda x: (max(1, abs(mp.re(mp.loggamma(x)))), psi_size(x), 0), poles=True,
    ),
    "abs": Case(lambda x: (abs(x), mp.sign(x), mp.mpf(0)), (0, 0, 0)),
}  # fmt: skip


def test_every_function_of_one_variable_has_a_case():
    assert CASES.keys() == UNARY.keys()


@pytest.mark.parametrize("name", CASES)
def test_functions_of_one_variable(name):
    case = CASES[name]
    assert_within(worst_errors(UNARY[name], case.exact, points_of(case), case.sizes), case.bounds)


def test_tanh_by_the_exponential():
    """Its own points, and those at which it changes from one formula to the other."""
    points = [*points_of(CASES["tanh"]), *((sign * x,) for sign in (-1.0, 1.0) for x in close_to(1.0))]
    assert_within(worst_errors(lambda m, x: (tanh_by_exp(m, x),), lambda x: (mp.tanh(x),), points), (4,))
    for x, expected in ((0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (NAN, NAN)):
        (found,) = evaluated(lambda m, x: (tanh_by_exp(m, x),), x)
        np.testing.assert_array_equal(found, expected)
        assert math.copysign(1.0, found) == math.copysign(1.0, expected)


def test_digamma_within_5_eps_and_trigamma_within_3():
    x = np.random.default_rng(2).uniform(-40, 20, 1500)
    with mp.workdps(DIGITS):
        for point in map(float, x):
            psi, slope = mp.psi(0, point), mp.psi(1, point)
            assert abs(_special.digamma(point) - psi) <= 5 * 2.0**-52 * psi_size(mp.mpf(point))
            assert abs(_special.trigamma(point) - slope) <= 3 * 2.0**-52 * slope


# functions of two variables


def pairs():
    """Pairs of all magnitudes and signs, alike ones, those on the axes, and the largest and smallest."""
    rng = np.random.default_rng(3)
    found = [tuple(pair) for pair in rng.uniform(-3, 3, (100, 2))]
    for spread in (0, 2, 30, 600):
        exponents = rng.integers(-1073, 1024, 80)
        others = np.clip(exponents + rng.integers(-spread, spread + 1, 80), -1073, 1023)
        x, y = (np.ldexp(rng.uniform(-1, 1, 80), k) for k in (exponents, others))
        found += zip(x, y, strict=True)
    hostile = [1.0, 0.3, 3.0, 1e-5, 1e5, 1e-160, 1e160, 1e-310, SMALLEST, SMALLEST_NORMAL, LARGEST, 1.7e308]
    found += [(x, y * sign) for x in hostile for y in hostile for sign in (-1, 1)]
    found += [(x, math.nextafter(x, INF)) for x in (1.0, 0.3, 1e100, 1e-100)]
    found += [(0.0, y) for y in (1.0, -2.0, 1e200)] + [(x, 0.0) for x in (1.0, -2.0, 1e200)]
    return [(float(x), float(y)) for x, y in found if x or y]


def atan2(y, x):
    square = x * x + y * y
    mixed = (y - x) * (y + x) / square**2
    bend = 2 * x * y / square**2
    return mp.atan2(y, x), x / square, -y / square, -bend, mixed, bend


def atan2_sizes(y, x):
    """Subnormal ratios are magnified by 1/r; the mixed derivative has zeros where |x| = |y|."""
    r = mp.hypot(x, y)
    first, second = SMALLEST_NORMAL * max(1, 1 / r), SMALLEST_NORMAL * max(1, 1 / r**2)
    return 0, first, first, second, max(1 / r**2, second), second


def hypot(x, y):
    r = mp.hypot(x, y)
    return r, x / r, y / r, y * y / r**3, -x * y / r**3, x * x / r**3


def hypot_sizes(x, y):
    bend = SMALLEST_NORMAL * max(1, 1 / mp.hypot(x, y))
    return 0, 0, 0, bend, bend, bend


def exact_differences(points):
    """Pairs, made such that the difference is a number: the rounding of others is what the exponential magnifies."""
    found = [(x, y) for x, y in points if mp.mpf(x) - mp.mpf(y) == x - y]
    near = [(x + d, x) for x in (0.0, 0.75, -2.0, 300.0) for d in (2.0**-40, 0.125, -3.0, 30.0, -36.75, 37.5, 500.0)]
    return found + near


def floor_division(x, y):
    return mp.floor(x / y)


def truncated_division(x, y):
    return mp.sign(x / y) * mp.floor(abs(x / y))


def remainder(division):
    def exact(x, y):
        with mp.workdps(700):
            n = division(x, y)
            return x - n * y, mp.mpf(1), -n, mp.mpf(0), mp.mpf(0), mp.mpf(0)

    return exact


def copysign(x, y):
    sign = mp.mpf(-1 if y < 0 else 1)
    return abs(x) * sign, mp.sign(x) * sign, mp.mpf(0), mp.mpf(0), mp.mpf(0), mp.mpf(0)


def logarithms_of_sums(base):
    """log(b^x + b^y) / log b, and its derivatives: the shares of both, and their product."""

    def exact(x, y):
        b = mp.mpf(base) if base != "e" else mp.e
        d = y - x
        f_x, f_y = 1 / (1 + b**d), 1 / (1 + b**-d)
        bend = mp.log(b) * f_x * f_y
        return max(x, y) + mp.log1p(b ** -abs(d)) / mp.log(b), f_x, f_y, bend, -bend, bend

    return exact


def logarithm_sizes(x, y):
    """The value is a difference where the larger number is negative."""
    return max(abs(max(x, y)), mp.exp(-abs(x - y))), *(SMALLEST_NORMAL,) * 5


BINARY_CASES = {
    "logaddexp": (logarithms_of_sums("e"), logarithm_sizes, (2, 4, 4, 6, 6, 6)),
    "logaddexp2": (logarithms_of_sums(2), logarithm_sizes, (3, 4, 4, 6, 6, 6)),
    "atan2": (atan2, atan2_sizes, (1, 4, 4, 8, 8, 8)),
    "hypot": (hypot, hypot_sizes, (1, 4, 4, 8, 8, 8)),
    "fmod": (remainder(truncated_division), None, (0, 0, 2, 0, 0, 0)),
    "mod": (remainder(floor_division), None, (1, 0, 2, 0, 0, 0)),
    "copysign": (copysign, None, (0,) * 6),
}


@pytest.mark.parametrize("name", BINARY_CASES)
def test_functions_of_two_variables(name):
    exact, sizes, bounds = BINARY_CASES[name]
    if name in ("atan2", "hypot"):  # or 1/r or r overflows
        points = [(x, y) for x, y in pairs() if SMALLEST_NORMAL < max(abs(x), abs(y)) < 1e308]
    elif name.startswith("log"):
        points = exact_differences(pairs())
    else:
        points = [(x, y) for x, y in pairs() if y != 0]
    assert_within(worst_errors(BINARY[name], exact, points, sizes), bounds)


@pytest.mark.parametrize("name", ["fmod", "mod"])
def test_remainders_close_to_multiples(name):
    points = [(float(n) * y, y) for n in (1, 2, 3, 7, 49, 10**6 + 1, -3, -49) for y in (0.1, 0.3, -0.7, 1 / 3, 1e300)]
    points += [(math.nextafter(x, to), y) for x, y in points for to in (-INF, INF)] + [(-1e-20, 3.0), (1e-20, -3.0)]
    exact, sizes, bounds = BINARY_CASES[name]
    assert_within(worst_errors(BINARY[name], exact, points, sizes), bounds)


def pow_exact(x, y):
    """Derivatives in y exist for x > 0 only."""
    f, below, two_below = x**y, x ** (y - 1), x ** (y - 2)
    if x < 0:
        return f, y * below, None, y * (y - 1) * two_below, None, None
    log = mp.log(x)
    return f, y * below, f * log, y * (y - 1) * two_below, below * (1 + y * log), f * log**2


def pow_sizes(x, y):
    """Factors magnify the error of a subnormal power; 1 + y log x has a zero."""
    log, below = abs(mp.log(abs(x))), abs(x) ** (y - 1)
    first, second, mixed = abs(y), abs(y * (y - 1)), 1 + abs(y * log)
    units = [SMALLEST_NORMAL * max(1, factor) for factor in (1, first, log, second, mixed, log**2)]
    units[4] = max(units[4], below * mixed)
    return units


def powers():
    """Bases and exponents whose power is neither far too large nor far too small."""
    rng = np.random.default_rng(4)
    found = [(x, c) for x in rng.uniform(0, 5, 10) for c in EXPONENTS]
    for x in np.ldexp(rng.uniform(1, 2, 150), rng.integers(-1022, 1023, 150)):
        found += [(x, t / math.log(x)) for t in rng.uniform(-750, 712, 2)]
    found += [(x, c) for x in (1e-200, 1e-100, 1e-3, 7.0, 1e100, 1e200) for c in EXPONENTS]
    found += [(1.0 + d, t / math.log1p(d)) for d in (2.0**-50, -1e-12, 1e-8, -1e-4) for t in (-700.0, -1.0, 0.5, 700.0)]
    return [(float(x), float(c)) for x, c in found]


EXPONENTS = (
    -20.0,
    -3.0,
    -2.5,
    -2.0,
    -1.0,
    -0.5,
    -0.3,
    -1e-20,
    1e-300,
    0.1,
    1 / 3,
    0.5,
    0.7,
    1.0,
    1.3,
    1.5,
    2.0,
    2.7,
    3.0,
    21.0,
)


def test_powers():
    assert_within(worst_errors(BINARY["pow"], pow_exact, powers(), pow_sizes), (1, 4, 4, 6, 6, 6))
    negative = [(-x, c) for x, c in powers() if c == int(c) and abs(c) < 2.0**53]
    assert_within(worst_errors(BINARY["pow"], pow_exact, negative, pow_sizes), (1, 4, 0, 6, 0, 0))


@pytest.mark.parametrize("c", EXPONENTS)
def test_constant_exponents(c):
    points = [(x,) for x, _ in powers()[:: len(EXPONENTS) // 4]] + [(SMALLEST_NORMAL,), (1e308,)]

    def exact(x):
        f, slope, _, bend, *_ = pow_exact(x, mp.mpf(c))
        return f, slope, bend

    assert_within(worst_errors(lambda m, x: power(m, x, np.float64(c)), exact, points), (1, 4, 6))


@pytest.mark.parametrize("n", range(-24, 25))
def test_integer_powers(n):
    rng = np.random.default_rng(5)
    reach = 1074 // max(abs(n), 1)
    x = [*rng.uniform(-3, 3, 100), *np.ldexp(rng.uniform(-1, 1, 200), rng.integers(-reach, min(reach + 2, 1023), 200))]
    # a product has half an ulp, at times one, for each factor
    bounds = [2 + (0.7 * abs(n) if abs(n) <= MOST_FACTORS else 0)] * 3

    def exact(x):
        return x**n, n * x ** (n - 1), n * (n - 1) * x ** (n - 2)

    def sizes(x):
        return SMALLEST_NORMAL, SMALLEST_NORMAL * abs(n), SMALLEST_NORMAL * abs(n * (n - 1))

    assert_within(worst_errors(lambda m, x: integer_power(m, x, n), exact, [(float(t),) for t in x], sizes), bounds)


# edges

PI, C = math.pi, 2 / math.sqrt(math.pi)
NOWHERE = (NAN, NAN, NAN)
EDGES = [
    # function, x, (f, f', f''); an infinite or NaN part makes the point INVALID
    ("abs", 0.0, (0.0, 0.0, 0.0)),
    ("abs", -0.0, (0.0, 0.0, 0.0)),
    ("abs", -SMALLEST, (SMALLEST, -1.0, 0.0)),
    ("abs", -INF, (INF, -1.0, 0.0)),
    ("abs", NAN, (NAN, 0.0, 0.0)),
    ("sqrt", 0.0, (0.0, INF, -INF)),
    ("sqrt", -0.0, (-0.0, INF, -INF)),
    ("sqrt", SMALLEST, (2.0**-537, 2.0**536, -INF)),
    ("sqrt", INF, (INF, 0.0, -0.0)),
    ("sqrt", -1.0, NOWHERE),
    ("cbrt", 0.0, (0.0, INF, -INF)),
    ("cbrt", -0.0, (-0.0, INF, INF)),
    ("cbrt", INF, (INF, 0.0, -0.0)),
    ("cbrt", -INF, (-INF, 0.0, 0.0)),
    ("log", 0.0, (-INF, INF, -INF)),
    ("log2", 0.0, (-INF, INF, -INF)),
    ("log10", 0.0, (-INF, INF, -INF)),
    ("log1p", -1.0, (-INF, INF, -INF)),
    ("log", INF, (INF, 0.0, -0.0)),
    ("log2", INF, (INF, 0.0, -0.0)),
    ("log10", INF, (INF, 0.0, -0.0)),
    ("log1p", INF, (INF, 0.0, -0.0)),
    ("log1p", -0.0, (-0.0, 1.0, -1.0)),
    ("log", -1.0, (NAN, -1.0, -1.0)),  # the value tells
    ("sin", -0.0, (-0.0, 1.0, 0.0)),
    ("cos", 0.0, (1.0, -0.0, -1.0)),
    ("tan", -0.0, (-0.0, 1.0, -0.0)),
    ("sin", INF, NOWHERE),
    ("cos", -INF, NOWHERE),
    ("tan", INF, NOWHERE),
    ("asin", 1.0, (PI / 2, INF, INF)),
    ("asin", -1.0, (-PI / 2, INF, -INF)),
    ("acos", 1.0, (0.0, -INF, -INF)),
    ("acos", -1.0, (PI, -INF, INF)),
    ("asin", 1.5, NOWHERE),
    ("acos", -1.5, NOWHERE),
    ("asin", -0.0, (-0.0, 1.0, -0.0)),
    ("atan", 0.0, (0.0, 1.0, -0.0)),
    ("atan", SMALLEST, (SMALLEST, 1.0, -2 * SMALLEST)),
    ("atan", INF, (PI / 2, 0.0, -0.0)),
    ("atan", -INF, (-PI / 2, 0.0, 0.0)),
    ("sinh", -0.0, (-0.0, 1.0, -0.0)),
    ("sinh", -INF, (-INF, INF, -INF)),
    ("cosh", -INF, (INF, -INF, INF)),
    ("tanh", -0.0, (-0.0, 1.0, 0.0)),
    ("tanh", -INF, (-1.0, 0.0, 0.0)),
    ("asinh", -0.0, (-0.0, 1.0, 0.0)),
    ("asinh", -INF, (-INF, 0.0, 0.0)),
    ("acosh", 1.0, (0.0, INF, -INF)),
    ("acosh", INF, (INF, 0.0, -0.0)),
    ("acosh", 0.5, NOWHERE),
    ("acosh", -2.0, NOWHERE),
    ("atanh", 1.0, (INF, INF, INF)),
    ("atanh", -1.0, (-INF, INF, -INF)),
    ("atanh", -0.0, (-0.0, 1.0, -0.0)),
    ("exp", -0.0, (1.0, 1.0, 1.0)),
    ("exp", -INF, (0.0, 0.0, 0.0)),
    ("exp", 1000.0, (INF, INF, INF)),
    ("exp2", 2000.0, (INF, INF, INF)),
    ("exp2", -INF, (0.0, 0.0, 0.0)),
    ("expm1", -INF, (-1.0, 0.0, 0.0)),
    ("expm1", -0.0, (-0.0, 1.0, 1.0)),
    ("erf", -0.0, (-0.0, C, 0.0)),
    ("erf", INF, (1.0, 0.0, -0.0)),
    ("erf", -INF, (-1.0, 0.0, 0.0)),
    ("erfc", INF, (0.0, -0.0, 0.0)),
    ("erfc", -INF, (2.0, -0.0, -0.0)),
    ("gamma", 0.0, (INF, NAN, NAN)),
    ("gamma", -0.0, (-INF, NAN, NAN)),
    ("gamma", SMALLEST, (INF, -INF, INF)),
    ("gamma", -1.0, NOWHERE),
    ("gamma", -1e300, NOWHERE),
    ("gamma", 200.0, (INF, INF, INF)),
    ("gamma", INF, (INF, INF, INF)),
    ("gamma", -INF, NOWHERE),
    ("lgamma", 0.0, (INF, NAN, INF)),
    ("lgamma", -3.0, (INF, NAN, INF)),
    ("lgamma", -1e300, (INF, NAN, INF)),
    ("lgamma", INF, (INF, INF, 0.0)),
    ("lgamma", -INF, (INF, NAN, NAN)),
]  # fmt: skip

BINARY_EDGES = [
    # function, (x, y), (f, f_x, f_y, f_xx, f_xy, f_yy); atan2 has y first
    ("hypot", (0.0, 0.0), (0.0, NAN, NAN, NAN, NAN, NAN)),
    ("hypot", (0.0, -2.0), (2.0, 0.0, -1.0, 0.5, 0.0, 0.0)),
    ("hypot", (3e-320, 0.0), (3e-320, 1.0, 0.0, 0.0, 0.0, INF)),
    ("hypot", (INF, 1.0), (INF, 1.0, 0.0, 0.0, 0.0, 0.0)),
    ("atan2", (0.0, 0.0), (0.0, NAN, NAN, NAN, NAN, NAN)),
    ("atan2", (-0.0, -1.0), (-PI, -1.0, 0.0, 0.0, -1.0, 0.0)),
    ("atan2", (2.0, 0.0), (PI / 2, 0.0, -0.5, 0.0, 0.25, 0.0)),
    ("atan2", (INF, 1.0), (PI / 2, 0.0, 0.0, 0.0, 0.0, 0.0)),
    ("atan2", (1.0, -INF), (PI, 0.0, 0.0, 0.0, 0.0, 0.0)),
    ("pow", (0.0, 0.0), (1.0, 0.0, 0.0, 0.0, NAN, 0.0)),
    ("pow", (0.0, 0.5), (0.0, INF, 0.0, -INF, -INF, 0.0)),
    ("pow", (0.0, 1.0), (0.0, 1.0, 0.0, 0.0, -INF, 0.0)),
    ("pow", (0.0, 1.5), (0.0, 0.0, 0.0, INF, 0.0, 0.0)),
    ("pow", (0.0, 2.0), (0.0, 0.0, 0.0, 2.0, 0.0, 0.0)),
    ("pow", (-0.0, 3.0), (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)),
    ("pow", (0.0, -1.0), (INF, -INF, -INF, INF, INF, INF)),
    ("pow", (-2.0, 3.0), (-8.0, 12.0, NAN, -12.0, NAN, NAN)),
    ("pow", (-2.0, -1.0), (-0.5, -0.25, NAN, -0.25, NAN, NAN)),
    ("pow", (-2.0, 0.5), (NAN,) * 6),
    ("pow", (1e-200, 2.0), (0.0, 2e-200, 0.0, 2.0, 2e-200 * math.log(1e-200) + 1e-200, 0.0)),
    ("pow", (NAN, 0.0), (1.0, 0.0, NAN, 0.0, NAN, NAN)),
    ("fmod", (-5.5, 2.0), (-1.5, 1.0, 2.0, 0.0, 0.0, 0.0)),
    ("fmod", (6.0, 2.0), (0.0, 1.0, -3.0, 0.0, 0.0, 0.0)),
    ("fmod", (1.0, INF), (1.0, 1.0, 0.0, 0.0, 0.0, 0.0)),
    ("fmod", (1.0, 0.0), (NAN, 1.0, NAN, 0.0, 0.0, 0.0)),
    ("mod", (-5.5, 2.0), (0.5, 1.0, 3.0, 0.0, 0.0, 0.0)),
    ("mod", (5.5, -2.0), (-0.5, 1.0, 3.0, 0.0, 0.0, 0.0)),
    ("mod", (-1e-20, 3.0), (3.0, 1.0, 1.0, 0.0, 0.0, 0.0)),
    ("mod", (INF, 3.0), (NAN, 1.0, NAN, 0.0, 0.0, 0.0)),
    ("logaddexp", (3.0, 3.0), (3.0 + math.log(2.0), 0.5, 0.5, 0.25, -0.25, 0.25)),
    ("logaddexp", (1e300, -1e300), (1e300, 1.0, 0.0, 0.0, 0.0, 0.0)),
    ("logaddexp", (-LARGEST, LARGEST), (LARGEST, 0.0, 1.0, 0.0, 0.0, 0.0)),
    ("logaddexp", (-INF, 2.0), (2.0, 0.0, 1.0, 0.0, 0.0, 0.0)),
    ("logaddexp", (-INF, -INF), (-INF, 0.5, 0.5, 0.25, -0.25, 0.25)),
    ("logaddexp", (INF, INF), (INF, 0.5, 0.5, 0.25, -0.25, 0.25)),
    ("logaddexp", (NAN, 1.0), (NAN,) * 6),
    ("logaddexp", (1.0, NAN), (NAN,) * 6),
    ("logaddexp2", (3.0, 3.0), (4.0, 0.5, 0.5, *(s * math.log(2.0) / 4 for s in (1, -1, 1)))),
    ("logaddexp2", (-INF, 2.0), (2.0, 0.0, 1.0, 0.0, 0.0, 0.0)),
    ("copysign", (2.0, -0.0), (-2.0, -1.0, 0.0, 0.0, 0.0, 0.0)),
    ("copysign", (-2.0, -3.0), (-2.0, 1.0, 0.0, 0.0, 0.0, 0.0)),
    ("copysign", (0.0, -3.0), (-0.0, 0.0, 0.0, 0.0, 0.0, 0.0)),
]


@pytest.mark.parametrize(("name", "x", "expected"), EDGES)
def test_edges_of_functions_of_one_variable(name, x, expected):
    found = evaluated(UNARY[name], x)
    np.testing.assert_allclose(found, expected, rtol=4e-16, atol=0)
    assert [math.copysign(1, part) for part in found if part == 0] == [
        math.copysign(1, part) for part in expected if part == 0
    ]


@pytest.mark.parametrize(("name", "point", "expected"), BINARY_EDGES)
def test_edges_of_functions_of_two_variables(name, point, expected):
    np.testing.assert_allclose(evaluated(BINARY[name], *point), expected, rtol=4e-16, atol=0)


@pytest.mark.parametrize("name", sorted(UNARY.keys() - {"abs"}))
def test_nan_gives_nan(name):
    np.testing.assert_array_equal(evaluated(UNARY[name], NAN), NOWHERE)


@pytest.mark.parametrize(
    ("x", "n", "expected"),
    [
        (0.0, 0, (1.0, 0.0, 0.0)), (INF, 0, (1.0, 0.0, 0.0)), (NAN, 0, (1.0, 0.0, 0.0)), (NAN, 2, (NAN, NAN, 2.0)),
        (0.0, 1, (0.0, 1.0, 0.0)), (0.0, 2, (0.0, 0.0, 2.0)), (-0.0, 3, (-0.0, 0.0, -0.0)), (0.0, 20, (0.0, 0.0, 0.0)),
        (0.0, -1, (INF, -INF, INF)), (-0.0, -1, (-INF, -INF, -INF)), (INF, -2, (0.0, -0.0, 0.0)),
        (INF, 3, (INF, INF, INF)), (-INF, 3, (-INF, INF, -INF)), (INF, 20, (INF, INF, INF)),
        (INF, -20, (0.0, -0.0, 0.0)),
    ],
)  # fmt: skip
def test_edges_of_integer_powers(x, n, expected):
    np.testing.assert_array_equal(evaluated(lambda m, x: integer_power(m, x, n), x), expected)
    found = evaluated(lambda m, x: power(m, x, np.float64(n)), x)
    np.testing.assert_array_equal(found[:2] if math.isnan(x) else found, expected[:2] if math.isnan(x) else expected)


# as compiled


def of_math(x, k):
    t = x[0]
    return (
        math.sin(t), math.cos(t), math.tan(t), math.asin(t), math.acos(t), math.atan(t),
        math.sinh(t), math.cosh(t), math.tanh(t), math.asinh(t), math.acosh(t), math.atanh(t),
        math.exp(t), math.exp2(t), math.expm1(t), math.log(t), math.log2(t), math.log10(t), math.log1p(t),
        math.sqrt(t), np.cbrt(t), math.erf(t), math.erfc(t), math.gamma(t), math.lgamma(t), math.sin(abs(t)),
    )[k]  # fmt: skip


def of_numpy(x, k):
    t = x[0]
    return (
        np.sin(t), np.cos(t), np.tan(t), np.arcsin(t), np.arccos(t), np.arctan(t),
        np.sinh(t), np.cosh(t), np.tanh(t), np.arcsinh(t), np.arccosh(t), np.arctanh(t),
        np.exp(t), np.exp2(t), np.expm1(t), np.log(t), np.log2(t), np.log10(t), np.log1p(t),
        np.sqrt(t), np.cbrt(t),
    )[k]  # fmt: skip


NAMES = (
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "erf", "erfc", "gamma", "lgamma",
)  # fmt: skip
#: near where the plain forms of derivatives lose their digits
HARD = (
    1e-300, 1e-8, 0.3, 1.0 - 1e-12, 1.0 + 1e-12, 1.5, 3.7, 20.0, 26.3, 170.0, -1e-8, -0.3, -1.0 + 1e-12, -2.4999, -26.3,
)  # fmt: skip


@pytest.mark.parametrize("function", [of_math, of_numpy])
def test_compiled_functions_of_one_variable(function):
    names = NAMES if function is of_math else NAMES[:21]
    edges = [(names.index(name), x) for name, x, _ in EDGES if name in names and math.isfinite(x)]
    k, x = map(np.array, zip(*[(k, x) for k in range(len(names)) for x in HARD], *edges, strict=True))
    expected = np.array([evaluated(UNARY[names[i]], t) for i, t in zip(k, x, strict=True)])
    compare(function, x[:, None], (k,), expected[:, 0], expected[:, 1:2], expected[:, 2:])


def compare(function, x, point_args, f, first, second, rtol=4e-15):
    """Values, gradients and Hessians as expected; NaN where any part is not finite."""
    with np.errstate(invalid="ignore"):
        first_is_fine = np.isfinite(f) & np.isfinite(first).all(axis=1)
        second_is_fine = first_is_fine & np.isfinite(second).all(axis=1)
    n = x.shape[1]
    found = fc.gradient(function, x, point_args=point_args, method="hyperdual")
    np.testing.assert_allclose(found, np.where(first_is_fine[:, None], first, NAN), rtol=rtol, atol=1e-300)
    found = fc.hessian(function, x, point_args=point_args, method="hyperdual")[:, *np.triu_indices(n)]
    np.testing.assert_allclose(found, np.where(second_is_fine[:, None], second, NAN), rtol=rtol, atol=1e-300)


def of_two(x, k):
    a, b = x
    one = a**0  # of the type of all functions that are not linear, as entries of a tuple are to be
    return (
        math.atan2(a, b), np.arctan2(a, b), math.hypot(a, b), np.hypot(a, b), a**b, math.pow(a, b), np.power(a, b),
        one * np.fmod(a, b), one * math.copysign(a, b), one * np.copysign(a, b),
    )[k]  # fmt: skip


def modulo(x, k):
    a, b = x
    return (a % b, np.mod(a, b), np.remainder(a, b))[k]


TWO = ("atan2", "atan2", "hypot", "hypot", "pow", "pow", "pow", "fmod", "copysign", "copysign")


@pytest.mark.parametrize(("function", "names"), [(of_two, TWO), (modulo, ("mod",) * 3)])
def test_compiled_functions_of_two_variables(function, names):
    points = [(2.3, 1.7), (0.3, 4.0), (3e-9, 2.5), (1e9, 0.7), (5.5, -2.0), (-5.5, 2.0), (-1.5, -0.25), (-2.0, 3.0)]
    edges = [(names.index(name), x) for name, x, _ in BINARY_EDGES if name in names and all(map(math.isfinite, x))]
    k, x = zip(*[(k, point) for k in range(len(names)) for point in points], *edges, strict=True)
    expected = np.array([evaluated(BINARY[names[i]], *point) for i, point in zip(k, x, strict=True)])
    compare(function, np.array(x), (np.array(k),), expected[:, 0], expected[:, 1:3], expected[:, 3:])


@pytest.mark.parametrize("method", ["traced", "hyperdual", "central"])
def test_cube_roots_and_logarithms_of_sums_by_every_method(method):
    def roots(x):
        return np.cbrt(x[0]) * x[1] + np.sum(np.cbrt(x))

    def logarithms(x):
        return np.logaddexp(x[0], 2.0 * x[1]) + np.sum(np.logaddexp2(x, 0.5))

    x = np.array([[1.5, 0.3], [-2.0, 4.0], [30.0, -700.0], [-0.25, -0.25]])
    rtol = 1e-5 if method == "central" else 1e-14
    t, y = x.T
    slope, bend = (np.abs(x) ** (-2 / 3) / 3, -2 * np.sign(x) * np.abs(x) ** (-5 / 3) / 9)
    g = np.stack([slope[:, 0] * (y + 1), np.cbrt(t) + slope[:, 1]], axis=1)
    np.testing.assert_allclose(fc.gradient(roots, x, method=method), g, rtol=rtol)
    H = np.stack([bend[:, 0] * (y + 1), slope[:, 0], slope[:, 0], bend[:, 1]], axis=1).reshape(-1, 2, 2)
    np.testing.assert_allclose(fc.hessian(roots, x, method=method), H, rtol=10 * rtol, atol=rtol)
    assert np.isnan(fc.gradient(roots, [0.0, 1.0], method=method)).all() or method == "central"

    s, *parts = 1 / (1 + np.exp(2 * y - t)), *(1 / (1 + 2 ** (0.5 - x.T)))
    g = np.stack([s + parts[0], 2 * (1 - s) + parts[1]], axis=1)
    np.testing.assert_allclose(fc.gradient(logarithms, x, method=method), g, rtol=rtol, atol=1e-200)
    mixed, (first, second) = s * (1 - s), (math.log(2) * part * (1 - part) for part in parts)
    H = np.stack([mixed + first, -2 * mixed, -2 * mixed, 4 * mixed + second], axis=1).reshape(-1, 2, 2)
    np.testing.assert_allclose(fc.hessian(logarithms, x, method=method), H, rtol=10 * rtol, atol=rtol)


def of_the_rest(x, k, c, n):
    """Row k of what `rest` expects."""
    t = x[0]
    z = t
    z += 1.0
    z *= t
    z -= c
    z /= t
    s = t * t**0
    return (
        s * min(t, c), s * max(t, c), s * min(c, t), min(t, c, 2.0 * t) * s, s * max(t, s * t),
        s * abs(t), s * math.fabs(t), s * np.abs(t), s * np.sign(t), s * math.floor(t), s * np.ceil(t), s * round(t),
        s * np.rint(t), s * math.trunc(t), s * int(t), s * (t % c), s * (c % t), s * (t // c), s * np.fmod(t, c),
        s * math.copysign(t, c), s * math.copysign(c, t), s * (t > c), s * (t <= c),
        s * math.degrees(t), s * np.radians(t), s * np.deg2rad(t), s * math.ldexp(t, int(n)),
        np.square(t), np.reciprocal(t),
        t**0, t**1, t**2, t**3, t**-1, t**-2, t**7, t**-20, t**20, t**0.5, t**1.5, t**-2.5, t**2.0, t**n, t**c,
        2.0**t, 2**t, c**t, t**t, math.pow(t, 3), np.power(t, n), z * 1.0,
    )[k]  # fmt: skip


def rest(t, c, n):
    """(f, f', f'') of each row of `of_the_rest`, for c > 0."""

    def times(factor, slope=0.0, bend=0.0):
        return t * factor, factor + t * slope, 2 * slope + t * bend

    def raised(exponent):
        return evaluated(lambda m, x: power(m, x, np.float64(exponent)), t)

    def exponential(base):
        log = np.log(base) if base > 0 else NAN
        return base**t, log * base**t, log**2 * base**t

    sign = float(np.sign(t))
    least, greatest = (times(t, 1.0), times(c)) if t < c else (times(c), times(t, 1.0))
    tied = t == c
    self_power = evaluated(BINARY["pow"], t, t)
    return [
        times(t, 1.0) if tied else least, times(t, 1.0) if tied else greatest, times(c) if tied else least,
        times(t, 1.0) if t <= c and t <= 2 * t else times(c) if c <= 2 * t else times(2 * t, 2.0),
        times(t, 1.0) if t >= t * t else times(t * t, 2 * t, 2.0),
        *[times(abs(t), sign)] * 3, times(sign), times(math.floor(t)), times(math.ceil(t)), times(round(t)),
        times(float(np.rint(t))), times(math.trunc(t)), times(int(t)), times(t % c, 1.0), times(c % t, -(c // t)),
        times(t // c), times(np.fmod(t, c), 1.0),
        times(abs(t), sign), times(math.copysign(c, t)), times(float(t > c)), times(float(t <= c)),
        times(math.degrees(t), 180 / PI), *[times(math.radians(t), PI / 180)] * 2, times(t * 2.0**n, 2.0**n),
        raised(2), raised(-1),
        *[raised(p) for p in (0, 1, 2, 3, -1, -2, 7, -20, 20, 0.5, 1.5, -2.5, 2, n, c)],
        exponential(2.0), exponential(2.0), exponential(c),
        (self_power[0], self_power[1] + self_power[2], self_power[3] + 2 * self_power[4] + self_power[5]),
        raised(3), raised(n), (t + 1 - c / t, 1 + c / t**2, -2 * c / t**3),
    ]  # fmt: skip


def test_compiled_rest():
    """Most are multiplied by t, so that second derivatives show the first ones of the factors."""
    x, k, c, n, expected = [], [], [], [], []
    for t in (0.3, 1.5, 2.5, -0.7, -2.5, 0.75):
        for other, exponent in ((0.75, 3), (2.5, -2)):
            rows = rest(t, other, exponent)
            x += [[t]] * len(rows)
            k += range(len(rows))
            c += [other] * len(rows)
            n += [exponent] * len(rows)
            expected += rows
    f, first, second = np.array(expected).T
    point_args = (np.array(k), np.array(c), np.array(n))
    compare(of_the_rest, np.array(x), point_args, f, first[:, None], second[:, None], rtol=2e-14)


def at_zero(x, k, c):
    t = x[0]
    one = t**0
    return (
        one, t**1.0, t**2.0, t**c, one * abs(t), one * np.sign(t), one * max(t, 0.0), one * max(0.0, t),
        c**t, one * t,
    )[k]  # fmt: skip


def test_compiled_at_zero():
    """Derivatives at 0: those of powers, and of the first argument of a tie."""
    table = [(0, 0), (1, 0), (0, 2), (1, 0), (0, 0), (0, 0), (1, 0), (0, 0), (0, 0), (1, 0)]
    k, x = np.arange(len(table)), np.zeros((len(table), 1))
    f = np.array([1.0, 0, 0, 0, 0, 0, 0, 0, 1, 0])
    first, second = np.array(table, float).T
    compare(at_zero, x, (k, np.ones(len(k))), f, first[:, None], second[:, None])


def numpy_extremes(x, k, c):
    t = x[0]
    return (np.minimum(t, c), np.maximum(t, c), np.fmin(t, c), np.fmax(t, c), np.minimum(c, t), np.fmax(t, -t))[k]


def test_compiled_extremes_of_numpy():
    """NaN where NumPy has it; of a tie the first."""
    slopes = {(1.0, 2.0): (1, 0, 1, 0, 1, 1), (1.0, 1.0): (1, 1, 1, 1, 0, 1), (1.0, NAN): (NAN, NAN, 1, 1, NAN, 1)}
    for (t, c), expected in slopes.items():
        k = np.arange(6)
        found = fc.gradient(numpy_extremes, np.full((6, 1), t), point_args=(k, np.full(6, c)), method="hyperdual")
        np.testing.assert_array_equal(found[:, 0], expected)


def test_compiled_jacobian_of_many_functions():
    def several(x):
        t = x[0]
        return (
            math.sin(t), np.arctan(t), math.tanh(t), np.exp(t), math.log(t), math.erf(t), math.gamma(t), math.lgamma(t),
            math.floor(t), abs(t), t, 1, t // 1.0, 2.5 % t,
        )  # fmt: skip

    t = np.array([0.3, 1.5, 20.0])
    names = ("sin", "atan", "tanh", "exp", "log", "erf", "gamma", "lgamma")
    expected = [[evaluated(UNARY[name], x)[1] for name in names] + [0, 1, 1, 0, 0, -(2.5 // x)] for x in t]
    found = fc.jacobian(several, t[:, None], method="hyperdual")
    np.testing.assert_allclose(found[:, :, 0], expected, rtol=4e-15)


def test_invalid_where_square_roots_of_squares_vanish():
    found = fc.hessian(lambda x: math.sqrt(x[0] * x[0] + x[1] * x[1]), [[0.0, 0.0], [3.0, 4.0]], method="hyperdual")
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], [[0.128, -0.096], [-0.096, 0.072]], rtol=1e-14)


# in single precision, as programs are compiled for float32 points on devices

IN_SINGLE = {
    "abs": lambda x: abs(x[0]),
    "cbrt": lambda x: np.cbrt(x[0]),
    "exp2": lambda x: np.exp2(x[0]),
    "atan2": lambda x: math.atan2(x[0], x[1]),
    "hypot": lambda x: math.hypot(x[0], x[1]),
    "pow": lambda x: x[0] ** x[1],
}


def _of_math(name):
    return lambda x: getattr(math, name)(x[0])


def errors_in_single(name, exact, points, sizes=None):
    """The worst errors of a function and its derivatives, in the order of the rules."""
    points = np.array(points, np.float32)
    value, g, H = in_single.derivatives(IN_SINGLE.get(name) or _of_math(name), points)
    upper = [H[:, i, j] for i in range(points.shape[1]) for j in range(i, points.shape[1])]
    found = dict(zip(map(tuple, points.tolist()), np.stack([value, *g.T, *upper], axis=1).tolist(), strict=True))
    return worst_errors(name, exact, list(found), sizes, lambda name, *x: found[x], SINGLE)


def points_in_single(case):
    """Those of a case, and others of all magnitudes, that are normal numbers within its domain."""
    rng = np.random.default_rng(1)
    found = np.ldexp(rng.uniform(1.0, 2.0, 200), rng.integers(-125, 127, 200))
    found = np.concatenate([np.ravel(points_of(case)), found, -found, rng.uniform(-104.0, 89.0, 300)])
    with np.errstate(over="ignore"):
        found = np.unique(found.astype(np.float32)).tolist()
    return [
        (x,)
        for x in found
        if math.isfinite(x) and x != 0 and case.low < x < case.high and not (case.poles and is_pole(x))
    ]


@pytest.mark.parametrize("name", CASES)
def test_functions_of_one_variable_in_single_precision(name):
    """To as many units as in double precision, and one."""
    case = CASES[name]
    points = points_in_single(case)
    if name == "gamma":  # below, it is subnormal in single precision
        points = [(x,) for (x,) in points if x > -33.0]
    assert_within(errors_in_single(name, case.exact, points, case.sizes), [bound + 1 for bound in case.bounds])


@pytest.mark.parametrize(("name", "exact"), [("atan2", atan2), ("hypot", hypot), ("pow", pow_exact)])
def test_functions_of_two_variables_in_single_precision(name, exact):
    rng = np.random.default_rng(2)
    points = rng.uniform(0.1, 3.0, (200, 2)) * 2.0 ** rng.integers(-2, 3, (200, 1))
    # zeros: of the mixed derivative of atan2 where |x| = |y|, of 1 + y log x of that of powers
    sizes = {
        "atan2": lambda y, x: (0, 0, 0, 0, 1 / (x * x + y * y), 0),
        "pow": lambda x, y: (0, 0, x**y, abs(y) * x ** (y - 2), x ** (y - 1) * (1 + y), x**y),
    }
    # a rounded exponent is magnified by log x
    assert_within(errors_in_single(name, exact, points, sizes.get(name)), (4, 6, 6, 10, 10, 10))
