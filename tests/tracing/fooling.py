"""Functions made to fool a tracer, each with the arguments that it is called with in turn.

`right`: must be traced, and give what Python gives. `fools`: must be right or refused. `refused`: cannot be traced.
Functions are of three coordinates, unless said otherwise.
"""

# ruff: noqa: B905, C416, E712, E721, E722, NPY002
# ruff: noqa: RET504, RET505
# ruff: noqa: SIM108, UP031, E731

import collections
import functools
import math
from math import exp as e_to_the
from typing import NamedTuple

import functions
import numba
import numpy as np
from functions import rosenbrock

RIGHT, FOOLS, REFUSED = "right", "fools", "refused"
TABLE = {}


class Case(NamedTuple):
    """A function, what is asked of it, and the arguments of calls that follow each other."""

    function: object
    asked: str
    calls: tuple
    n: int = 3


def _asked(asked):
    def register(*calls, n=3):
        def decorate(function):
            assert function.__name__ not in TABLE
            TABLE[function.__name__] = Case(function, asked, calls or ((),), n)
            return function

        return decorate

    return register


right, fools, refused = _asked(RIGHT), _asked(FOOLS), _asked(REFUSED)
INTEGERS = ((7,), (1,), (2,), (0,), (7,))
REALS = ((2.5,), (-0.5,), (0.0,), (7.9,))


# --- conditions on x


@right()
def equality(x):
    if x[0] == 1.0:
        return x[1] ** 2
    return x[2] ** 3


@right()
def inequality(x):
    return x[1] if x[0] != 1.0 else x[2]


@right()
def comparison_chain(x):
    if -0.5 < x[0] <= x[1] < 1.0:
        return x[0] * x[1]
    return x[2]


@right()
def chain_of_inequalities(x):
    return x[1] if x[0] != x[1] != x[2] else x[2]


@refused()
def truth_of_a_number(x):
    if x[0]:
        return x[1]
    return x[2]


@refused()
def not_a_number(x):
    return x[1] if not x[0] else x[2]


@refused()
def number_and_number(x):
    return (x[0] and x[1]) + 1.0


@refused()
def number_or_number(x):
    return (x[0] or x[1]) + 1.0


@right()
def and_or_not(x):
    if (x[0] > 0.0 and not x[1] > 0.0) or x[2] == 1.0:
        return x[0] * x[2]
    return x[1] * x[2]


@right()
def truth_compared_with_true(x):
    return x[1] if (x[0] > 0.0) == True else x[2]


@right()
def truth_as_a_factor(x):
    return (x[0] > 0.0) * x[1] + (x[0] <= 0.0) * x[2]


@fools()
def difference_of_truths(x):
    return ((x[0] > 0.0) * 1 - (x[0] < 0.0) * 1) * x[1]


@fools()
def sum_of_truths(x):
    """NumPy's True + True is True, Numba's is 2."""
    return (x[0] > 0.0) + (x[1] > 0.0) + x[2]


@fools()
def sum_of_arrays_of_truths(x):
    return x[1] ** 2 * np.sum((x > 0.0) + (x > -1.0))


@fools()
def number_of_truths(x):
    return x[1] ** 2 * np.sum(x > 0.0)


@fools()
def comparison_of_truths(x):
    return x[1] if (x[0] > 0.0) < (x[1] > 0.0) else x[2]


@fools()
def minus_truth(x):
    return 1.0 - (x[0] > 0.0) * x[1]


@fools()
def truth_as_an_index(x):
    return x[int(x[0] > 0.0)] ** 2


@fools()
def truth_as_an_integer(x):
    return 2.0 ** int(x[0] > 0.0) * x[1]


@refused()
def integer_part(x):
    return int(x[0]) * x[1]


@right()
def rounded(x):
    return round(x[0]) * x[1]


@fools()
def rounded_to_digits(x):
    return round(x[0], 1) * x[1]


@refused()
def floor_division(x):
    return (x[0] // 0.5) * x[1]


@right()
def remainder(x):
    return (x[0] % 0.75) * x[1] + (-x[1]) % 1.0 + np.mod(x[2], -0.6)


@right()
def remainder_of_fmod(x):
    return math.fmod(x[0], 0.75) * x[1] + np.fmod(x[2], -0.6)


@right()
def floor_and_ceiling(x):
    return math.floor(x[0]) * x[1] + np.ceil(x[1]) * x[2] + math.trunc(x[2]) + np.floor(x[2]) * x[0]


@refused()
def index_from_x(x):
    return x[int(abs(x[0])) % 3] ** 2


@refused()
def index_from_floor(x):
    return x[math.floor(abs(x[0])) % 3] ** 2


@refused()
def range_over_x(x):
    s = 0.0
    for i in range(int(abs(x[0]) * 3)):
        s += x[1] * i
    return s


@refused()
def while_to_convergence(x):
    y = 1.0 + x[0] * x[0]
    root = y
    while abs(root * root - y) > 1e-14 * y:
        root = 0.5 * (root + y / root)
    return root * x[1]


@refused()
def break_on_x(x):
    s = 0.0
    for v in x:
        if v > 0.5:
            break
        s += v**2
    return s


@fools()
def continue_on_x(x):
    s = 0.0
    for v in x:
        if v > 0.5:
            continue
        s += v**2
    return s


@right()
def early_returns(x):
    if x[0] > 1.0:
        return x[1] ** 2
    if x[0] > 0.0:
        if x[1] < 0.0:
            return x[2]
        return x[1] * x[2]
    return x[0] * x[1] * x[2]


@fools()
def return_from_a_loop(x):
    for i in range(3):
        if x[i] > 0.5:
            return x[i] ** 2
    return x[0]


@refused()
def recursion_on_x(x):
    return _halved(x[0]) * x[1]


def _halved(t):
    return t if abs(t) < 0.1 else _halved(0.5 * t) + t


@refused()
def search_in_a_list(x):
    return x[1] if x[0] in [1.0, -1.0] else x[2]


@fools()
def search_in_a_set(x):
    return x[1] if x[0] in {1.0, -1.0} else x[2]


@fools()
def search_among_keys(x):
    return {1.0: 2.0, -1.0: 3.0}.get(x[0], 0.5) * x[1]


@refused()
def sorted_values(x):
    y = sorted(x)
    return y[0] + 2.0 * y[1]


@refused()
def sorted_by_key(x):
    return sorted([0, 1, 2], key=lambda i: x[i])[0] * x[1]


@refused()
def numpy_sorted(x):
    return np.sort(x)[0] * x[1]


@refused()
def sorted_in_place(x):
    y = x.copy()
    y.sort()
    return y[0] * x[1]


@refused()
def largest_index(x):
    return x[np.argmax(x)] * x[1]


@refused()
def index_of_the_largest(x):
    best = 0
    for i in range(3):
        if x[i] > x[best]:
            best = i
    return x[best] ** 2


@right()
def largest_so_far(x):
    best = x[0]
    for i in range(1, 3):
        if x[i] > best:
            best = x[i]
    return best**2 * x[1]


@right()
def extremes(x):
    return max(x) * min(x[0], 0.5, x[1]) + max(x[2], 0) * min([x[1], x[2]])


@right()
def extremes_of_numpy(x):
    return np.max(x) * np.minimum(x[0], x[1]) + np.maximum(x, 0.25).sum() * x.min() + np.clip(x, -0.5, 0.5).sum()


@fools()
def extremes_by_key(x):
    return min(x[0], x[1], key=lambda t: -t) * x[2]


@right()
def extremes_of_nan(x):
    y = np.where(x > 1.5, np.nan, x)
    return np.minimum(y[0], y[1]) + min(y[1], y[2]) + max(y[0], y[2]) * 3.0 + np.max(y)


@right()
def absolute_values(x):
    return abs(x[0]) * x[1] + np.abs(x).sum() + math.fabs(x[2])


@right()
def signs(x):
    return np.sign(x[0]) * x[1] + math.copysign(x[2], x[0] + 0.125)


@right()
def exchange(x):
    a, b = x[0], x[1]
    if a > b:
        a, b = b, a
    return 2.0 * a + 3.0 * b**2


@right()
def bubble_sort(x):
    y = x.copy()
    for _ in range(3):
        for j in range(2):
            if y[j] > y[j + 1]:
                y[j], y[j + 1] = y[j + 1], y[j]
    return y[0] + 2.0 * y[1] ** 2 + 3.0 * y[2]


@fools()
def count_as_an_index(x):
    count = 0
    for v in x:
        if v > 0.0:
            count += 1
    return x[count % 3] ** 2


@fools()
def count_in_integer_arithmetic(x):
    count = 0
    for v in x:
        if v > 0.0:
            count += 1
    return count * x[0] + (count // 2) * x[1] + (count % 2) * x[2]


@right()
def integers_chosen(x):
    divisor = 2 if x[0] > 0.0 else 4
    return x[1] * (7 / divisor) + x[2] ** 2


@fools()
def power_chosen(x):
    k = 2 if x[0] > 0.0 else 3
    return x[1] ** k


@refused()
def function_chosen(x):
    f = math.sin if x[0] > 0.0 else math.cos
    return f(x[1])


@fools()
def string_chosen(x):
    kind = "a" if x[0] > 0.0 else "b"
    return x[1] if kind == "a" else x[2]


@right()
def undefined_on_one_side_but_overwritten(x):
    if x[0] > 0.0:
        t = x[1]
    t = x[2]
    return t * x[0]


@right()
def walrus(x):
    if (t := 2.0 * x[0]) > 0.5:
        return t * t
    return t


@fools()
def walrus_in_a_side(x):
    return (t := x[0] * 2.0) * t if x[1] > 0.0 else x[2]


@fools()
def assertion(x):
    assert x[0] > -100.0
    return x[0] ** 2


@fools()
def any_of_a_generator(x):
    return x[0] if any(v > 0.5 for v in x) else x[1]


@fools()
def all_of_an_array(x):
    return x[0] if np.all(x > -0.5) else x[1]


@right()
def any_method(x):
    return x[0] if (x > 0.5).any() else x[1]


@fools()
def filtered_generator(x):
    return sum(v for v in x if v > 0.0)


@right()
def choices_in_a_comprehension(x):
    return sum([v**2 if v > 0.0 else -v for v in x])


@fools()
def mask(x):
    return np.sum(x[x > 0.0])


@fools()
def count_nonzero(x):
    return np.count_nonzero(x > 0.0) * x[1]


@right()
def selects_in_a_sum(x):
    s = 0.0
    for i in range(3):
        d = x[i] - 0.4 * x[i - 1]
        if abs(d) < 0.6:
            s += 0.5 * d * d
        elif d > 0.0:
            s += abs(d) - 0.5
        else:
            s -= d**3
    return s


@right()
def nested_selects(x):
    return np.sum(np.where(x > 0.0, np.where(x > 1.0, x**2, np.sin(x)), np.where(x < -1.0, 2.0 * x, x**3))) * x[1]


@right()
def branches_that_share_terms(x):
    s = x[0] ** 2 * x[1]
    t = s + x[2] if x[0] > 0.0 else s - x[1] * x[2]
    return t if x[2] > 0.0 else s


# --- branches that are not taken


@right()
def logarithm_of_the_negative(x):
    return np.sum(np.where(x > 0.0, np.log(x), x**2))


@right()
def root_of_the_negative(x):
    return np.where(x[0] >= 0.0, np.sqrt(x[0]) * x[1], x[1] ** 2) + x[2]


@right()
def division_by_zero_on_the_other_side(x):
    t = 0.0 if x[0] <= 0.0 else x[1] / max(x[0], 0.0)
    return t**2 + x[1] ** 3


@right()
def logarithm_under_an_if(x):
    s = 0.0
    for i in range(3):
        if x[i] > 0.0:
            t = math.log(x[i])
        else:
            t = x[i] * x[i - 1]
        if x[i] > 1.0:
            s += t * x[i - 1]
        else:
            s += t * t
    return s * s


@right()
def selects_of_selects(x):
    safe = np.where(x > 0.0, x, 1.0)
    return np.sum(np.where(x > 0.0, x * np.log(safe), 0.0)) + np.where(x[0] > 0.5, 1.0 / (x[0] - 0.5), x[1] ** 2)


@right((-1.0,), (0.0,), (math.nan,), (math.inf,), (2.0,))
def invalid_argument_on_the_other_side(x, a):
    if x[0] > 0.0:
        return x[0] ** 2 * np.log(a)
    return x[0] ** 2 + x[1]


@right((0.0,), (2.0,), (math.nan,))
def division_by_an_argument_on_the_other_side(x, a):
    if x[0] > 0.0:
        return x[0] ** 2 * (1.0 / a) * x[1]
    return x[0] ** 2 + x[1]


@right((-1.0,), (2.0,))
def invalid_argument_in_one_of_two_selects(x, a):
    t = np.log(a) * x[0] if x[0] > 0.0 else x[0] * x[1]
    u = t * a if x[1] > 0.0 else t * np.sqrt(a)
    return u * u * x[1] + t


@right((-1.0,), (2.0,))
def invalid_argument_in_a_sum_of_selects(x, a):
    return np.sum(np.where(x > 0.0, x * np.sqrt(a), x**3)) * x[1]


@right((np.array([1.0, math.nan, -2.0, math.inf]),), (np.array([math.nan, 0.5, 2.0, 1.0]),))
def data_that_are_missing(x, y):
    s = 0.0
    for v in y:
        if v == v and not np.isinf(v):
            s += (x[0] * v - x[1]) ** 2
    return s


@right()
def no_number_as_a_number(x):
    return np.sum(np.nan_to_num(np.sqrt(x - 0.5)) ** 3) + x[0] * x[1]


@right((np.array([math.inf, -1.0, math.nan]),))
def infinite_as_large(x, y):
    return np.sum(np.nan_to_num(y, nan=0.25) * 1e-308 * x**2)


@fools()
def no_number_in_place(x):
    y = np.log(x - 0.5)
    np.nan_to_num(y, False)
    return np.sum(y**2) + x[0] * x[1]


@right()
def statistics_by_methods(x):
    return x.mean() ** 2 + x.std() + x.var() + np.conjugate(x[0]) * x[1]


@right((np.array([1.0, math.nan, -2.0]),), (np.array([math.nan, 0.5, 2.0]),))
def data_masked_by_where(x, y):
    r = np.where(np.isnan(y), 0.0, x * y - 1.0)
    return np.sum(r**2)


@right((np.array([1.0, math.nan, -2.0]),), (np.array([math.nan, 0.5, 2.0]),))
def data_skipped(x, y):
    s = 0.0
    for i in range(3):
        if np.isnan(y[i]):
            continue
        s += (x[i] - y[i]) ** 2 * x[0]
    return s


@right((1e300,), (2.0,))
def overflow_on_the_other_side(x, a):
    return np.exp(a * x[0]) * x[1] if x[0] < 0.0 else x[0] ** 2 * x[1]


# --- constants


@right()
def zeros_that_stay(x):
    return 0.0 * x[0] + (x[1] - x[1]) + x[2] / (1.0 + 0.0 * x[0]) + 0 * x[1]


@right()
def zero_times_infinity(x):
    return 0.0 * np.log(x[0] * x[0]) + x[1]


@right()
def quotients_of_equals(x):
    return x[0] / x[0] + x[1] ** 2 + 0.0 / x[2]


@right()
def infinite_constant(x):
    return math.inf * x[0] if x[1] > 1.75 else x[0] * x[1]


@right()
def infinite_factor_of_a_sum(x):
    return math.inf * (x[0] + x[1])


@right()
def constants_of_extreme_size(x):
    return 1e-300 * (1e300 * x[0]) + 1e200 * (1e-200 * x[1]) + (x[2] / 3.0) / 7.0 + 1e308 * (x[0] / 1e308)


@right()
def integer_powers(x):
    return (
        x[0] ** 0 + x[0] ** 1 + x[1] ** 2 + x[1] ** 3.0 + x[2] ** 5 + (x[0] + 3.5) ** -2 + x[1] ** 23 + (x[0]) ** 2**1
    )


@right()
def powers_of_negative_bases(x):
    return x[0] ** 1.5 + x[1] ** 2.0 + np.power(x[2], 3)


@right()
def roots_by_powers(x):
    return abs(x[0]) ** 0.5 + (x[1] ** 2) ** 1.5 + abs(x[2]) ** (1.0 / 3.0)


@right()
def numbers_to_the_x(x):
    return 2.0 ** x[0] + 0.0 ** abs(x[1]) + 1.0 ** x[2] + 3 ** x[2]


@right()
def x_to_the_x(x):
    return abs(x[0]) ** x[1] + (x[2] ** 2) ** x[2]


@right()
def functions_of_zero(x):
    return math.hypot(x[0], x[1]) + math.atan2(x[1], x[2]) + np.hypot(x[2], 0.0) + np.arctan2(x[0], 1.0)


@right()
def many_functions(x):
    t = np.tanh(x[0]) + np.arctan(x[1]) + np.exp(-x[2]) + np.log1p(x[0] ** 2) + np.expm1(x[1]) + np.cbrt(x[2])
    u = math.erf(x[0]) + math.sinh(x[1]) + math.cosh(x[2]) + math.gamma(1.5 + x[0] ** 2) + math.lgamma(2.5 + x[1] ** 2)
    return t * u + np.sin(x).sum() * np.cos(x[0]) + np.arcsinh(x[1]) + np.log10(1.5 + x[2] ** 2) + np.exp2(x[0])


@right()
def angles(x):
    return np.degrees(x[0]) + math.radians(x[1]) * np.deg2rad(x[2])


@fools()
def logarithm_to_a_base(x):
    return math.log(x[0] ** 2 + 1.5, 2.0)


@fools()
def hypotenuse_of_three(x):
    return math.hypot(x[0], x[1], x[2])


@right()
def constant_integer(x):
    return 3


@right()
def constant_real(x):
    return 2.5


@right()
def truth_returned(x):
    return x[0] > 0.0


@right()
def integer_on_one_side(x):
    if x[0] > 0.0:
        return 1
    return x[1]


@right((7,), (1,))
def integer_argument_returned(x, k):
    return k


# --- arguments that steer


@right((1.0,), (-1.0,), (0.0,), (1.0,))
def condition_on_a_real(x, a):
    if a > 0.0:
        return x[0] ** 2 * a
    elif a == 0.0:
        return x[1]
    return x[2] ** 3


@right(*INTEGERS)
def condition_on_an_integer(x, k):
    if k > 2:
        return x[0] ** 2 * k
    if k == 1:
        return x[1]
    return x[2] ** 3


@right((True,), (False,), (True,))
def condition_on_a_truth(x, flag):
    return x[0] ** 2 if flag else x[1]


@right((None,), (2.0,), (None,), (3.0,))
def none_or_a_number(x, a):
    return x[0] ** 2 if a is None else a * x[1]


@right(("a",), ("b",), ("c",))
def string(x, kind):
    if kind == "a":
        return x[0] ** 2
    return x[1] if kind.startswith("b") else x[2]


@right(((1.0, 2),), ((3.0, 1),), ((-1.0, 0),))
def tuple_of_arguments(x, pair):
    a, k = pair
    return a * x[k] ** 2 + len(pair) * x[0]


@right((2, (1.0, (2, 3.0))), (1, (0.5, (0, 1.0))))
def tuples_of_tuples(x, k, nested):
    a, (j, b) = nested
    return a * x[k] ** 2 + b * x[j]


@right((10.0,), (3.0,), (0.5,))
def while_over_an_argument(x, a):
    s = 0.0
    while a > 1.0:
        a = 0.5 * a
        s += x[0] ** 2
    return s * x[1]


@right((3,), (0,), (5,), (1,))
def recursion_on_an_integer(x, k):
    return _power(x[0] + x[1], k) * x[2]


def _power(a, k):
    return 1.0 if k == 0 else a * _power(a, k - 1)


@right((2,), (0,), (3,))
def bound_of_a_loop(x, k):
    s = 0.0
    for i in range(k):
        s += x[i] ** 2
    return s * x[0]


@right((2,), (0,), (-1,))
def index(x, k):
    return x[k] ** 2 + x[k - 1]


@right((2,), (4,), (1,))
def size_of_an_array(x, k):
    y = np.zeros(k)
    z = np.ones((k, 2), x.dtype)
    for i in range(k):
        y[i] = x[i % 3]
        z[i, 0] = y[i] * i
    return y.sum() * z.sum() * len(y)


@right((2,), (3,), (0,), (-1,), (20,))
def exponent(x, k):
    return (x[0] + 4.0) ** k * x[1]


@right((np.array([0, 2, 1, 1]),), (np.array([2, 2, 0, 1]),))
def table_of_indices(x, p):
    s = 0.0
    for i in range(len(p) - 1):
        s += x[p[i]] * x[p[i + 1]] ** 2
    return s


@fools((np.array([0, 2, 1, 1]),), (np.array([2, 2, 0, 1]),))
def fancy_index(x, p):
    return np.sum(x[p] ** 2) * x[0]


@fools((np.array([0, 2]),), (np.array([1, 1]),))
def taken(x, p):
    return np.sum(np.take(x, p) ** 2)


@right((np.array([True, False, True]),), (np.array([False, False, True]),))
def mask_argument(x, mask):
    return np.sum(x[mask] ** 2) + x[0]


@right((1,), (2,), (3,))
def slices_by_arguments(x, k):
    return np.sum(x[:k] ** 2) + x[k - 1 :][0]


@right((4,), (2,))
def numbers_from_numpy(x, k):
    return np.sum(np.arange(k) * x[0]) + np.sum(np.eye(k)[0]) * x[1]


@right((1,), (2,))
def rolled(x, k):
    return np.roll(x, k)[0] * x[1]


@fools((2,), (1,))
def repeated(x, k):
    return np.sum(np.repeat(x, k)) * x[1]


@right(*INTEGERS)
def member_of_a_tuple(x, k):
    return x[0] ** 2 if k in (1, 2) else x[1]


@fools(*INTEGERS)
def member_of_a_set(x, k):
    return x[0] ** 2 if k in {1, 2} else x[1]


@fools(*INTEGERS)
def member_of_a_frozenset(x, k):
    return x[0] ** 2 if frozenset([1, 2]).issuperset([k]) else x[1]


@right(*INTEGERS)
def member_of_a_range(x, k):
    return x[0] ** 2 if k in range(3) else x[1]


@fools(*INTEGERS)
def member_of_a_dict(x, k):
    d = {1: 2.0, 2: 3.0}
    if k in d:
        return x[0] ** 2
    return x[1]


@fools(*INTEGERS)
def key(x, k):
    return {1: 2.0, 2: 3.0}.get(k, 0.5) * x[0]


@fools((2,), (1,))
def key_found(x, k):
    return {1: 2.0, 2: 3.0}[k] * x[0]


@fools(*INTEGERS)
def hash_of_an_integer(x, k):
    return (hash(k) % 3) * x[0]


@fools((7,), (12,), (200,))
def length_of_digits(x, k):
    return x[0] ** 2 * len(str(k))


@fools((7,), (12,))
def digits_compared(x, k):
    if f"{k}" == "7":
        return x[0]
    return x[1]


@fools((7,), (12,))
def digits_by_percent(x, k):
    return x[0] * len("%s" % k) + x[1] * len("%d" % k)


@fools((7,), (2.5,))
def instance_of_int(x, k):
    return x[0] if isinstance(k, int) else x[1]


@fools((7,), (2.5,))
def instance_of_float(x, a):
    return x[0] if isinstance(a, float) else x[1]


@fools((7,), (2.5,))
def type_of_an_argument(x, k):
    return x[0] if type(k) == int else x[1]


@fools((7,), (2.5,))
def scalar_or_not(x, k):
    return x[0] if np.isscalar(k) else x[1]


@fools((7,), (12,))
def matched(x, k):
    match k:
        case 1:
            return x[0]
        case int():
            return x[1]
        case _:
            return x[2]


@fools()
def instance_of_floating(x):
    return x[0] if isinstance(x[0], np.floating) else x[1]


@fools()
def attributes_of_an_element(x):
    return x[0] if hasattr(x[0], "shape") else x[1]


@right(*INTEGERS)
def truth_of_an_integer(x, k):
    return (x[0] if not k else x[1]) * (k and 3) + (k or 5) * x[2]


@right(*REALS)
def truth_of_a_real(x, a):
    return (x[0] if not a else x[1]) * (a and 3.0) + (a or 5.0) * x[2]


@right((5,), (-6,), (1,))
def integer_arithmetic(x, k):
    return x[0] * (k // 4) + x[1] * (k % 4) + x[2] * (7 // k) + (-7 % k) * x[0] + (k * k - 3) // 2 + abs(k) ** 2 * x[1]


@right((5,), (-6,), (1,))
def quotient_of_integers(x, k):
    return x[0] * (k / 2) ** 2 + (k / 3) * x[1] + (1 / k) * x[2]


@right((3,), (1,), (5,), (-2,))
def integers_and_halves(x, k):
    return x[0] * (0.5 * k) ** 2 + ((k + 0.5) % 1) * x[1] + (k - 0.25) ** 3 * x[2]


@right((3,), (1,), (5,), (2,))
def exponent_of_halves(x, k):
    return abs(x[0]) ** (0.5 * k) * x[1] + (2.0**k) ** 2 + (2.0 ** (-k)) ** 2 * x[2]


@fools(*REALS)
def floor_division_of_a_real(x, a):
    return x[0] * (a // 2) + (a // 0.75) * x[1] + (a % 2) * x[2]


@fools((1.5,), (0.3,), (-2.5,))
def floor_division_by_a_real(x, a):
    return x[0] * (3.0 // a) + (-7 // a) * x[1]


@right(*REALS)
def roundings_of_a_real(x, a):
    return x[0] * round(a) + x[1] * int(a) + math.floor(a) * x[2] + math.ceil(a) * x[0]


@fools((5,), (6,))
def bits(x, k):
    return x[0] if k & 1 else x[1] * (k << 1)


@fools((5,), (6,))
def quotient_and_remainder(x, k):
    q, r = divmod(k, 4)
    return x[0] * q + x[1] * r


@fools((3,), (2,), (-1,))
def negative_power_of_an_integer(x, k):
    return x[0] * float(k) ** -1 + x[1]


@fools((np.array([1, 1]),), (np.array([2, 3]),))
def reciprocal_of_integers(x, p):
    return x[0] ** 2 * np.sum(np.reciprocal(p))


@fools((np.array([5, 1], np.uint8),), (np.array([1, 5], np.uint8),))
def difference_of_unsigned(x, p):
    return x[0] ** 2 * (p[0] - p[1])


@fools((np.array([5, 1], np.int8),), (np.array([100, 100], np.int8),))
def products_of_small_integers(x, p):
    return x[0] ** 2 * np.sum(p * p)


@fools((np.array([5.0, 1.0], np.float32),), (np.array([0.1, 0.3], np.float32),))
def products_of_single_precision(x, p):
    return x[0] ** 2 * np.sum(p * p)


@fools((0.0,), (-0.0,))
def zeros_of_both_signs(x, a):
    y = np.array([1.0, 2.0])
    y[0] = a
    return math.copysign(1.0, y[0]) * x[0]


@right((0.0,), (-0.0,))
def sign_of_zero(x, a):
    return math.copysign(1.0, a) * x[0] + math.atan2(a, -1.0)


@fools((2,), (0,))
def sign_of_an_integer(x, k):
    """-0 is 0 for integers."""
    return math.copysign(1.0, -k) * x[0] + math.atan2(-3 * k, -1.0)


@right((math.nan,), (1.0,), (math.inf,))
def argument_that_is_nan(x, a):
    return x[0] * 2.0 if a != a else (x[1] if np.isinf(a) else a * x[2])


@fools((np.array([0.0, 2.0, 3.0]),), (np.array([1.0, 1.0, 5.0]),))
def extremes_of_an_argument(x, p):
    return max(p) * x[0] + p.min() * x[1] + np.sum(p > 1.0) * x[2]


@fools((np.array([0.5, 2.0, 3.0]),), (np.array([7.0, 1.0, 5.0]),))
def argsort_of_an_argument(x, p):
    return p.argsort()[0] * x[0] + sorted(p)[1] * x[1]


@right((1.0, 2.0), (3, 4))
def star_arguments(x, *a):
    return x[0] * a[0] + x[1] ** 2 * a[1] + len(a)


@right(((1.0, 2.0),), ((3.0, 0.5),))
def star_call(x, pair):
    return _of_three(x[0], *pair) * x[1] + _of_three(*x)


def _of_three(a, b, c=2.0):
    return a * b + c


@right((), (5.0,))
def default_argument(x, a=2.0, k=2):
    return x[k] * a + x[0] ** k


@fools()
def keyword_only(x, *, c=2.0):
    return x[0] * c


@right((1.0,), (2,))
def keywords(x, a):
    return _of_three(c=x[0], a=a, b=x[1])


# --- arrays and lists


@right()
def array_filled_under_conditions(x):
    y = np.zeros(3)
    for i in range(3):
        if x[i] > 0.0:
            y[i] = x[i] ** 2
        elif x[i] < -1.0:
            y[i] = x[i - 1]
    return y[0] * y[1] + y[2]


@right()
def array_that_is_not_initialised(x):
    y = np.empty(3, x.dtype)
    M = np.zeros((3, 3), x.dtype)
    for i in range(3):
        y[i] = x[i] * x[i - 1]
        M[i, (i + 1) % 3] += y[i]
    return y.sum() ** 2 + (M @ x)[0] + M.T[1, 0]


@right()
def alias(x):
    a = x.copy()
    b = a
    b[0] = x[1] * 2.0
    return a[0] * x[2]


@right()
def copy_is_no_alias(x):
    a = x.copy()
    b = a.copy()
    b[0] = x[1] * 2.0
    return a[0] * b[0]


@right()
def slices_are_views(x):
    a = x.copy()
    b = a[1:]
    b[0] = x[0] * x[2]
    c = a.reshape(3, 1)
    c[2, 0] = x[1]
    b *= 2.0
    return a[1] * a[2]


@right()
def overlapping_slices(x):
    a = np.concatenate((x, x * x))
    a[1:] = a[:-1]
    a[:] = a[::-1]
    return a[0] * a[1] + a[4] * a[5]


@right()
def view_written_under_a_condition(x):
    y = x.copy()
    v = y.reshape(3, 1)
    if x[0] > 0.0:
        v[0, 0] = 9.0 * x[1]
    return y[0] * x[2]


@right()
def array_and_view_written_on_two_sides(x):
    y = x.copy()
    b = y[1:]
    if x[0] > 0.0:
        b[0] = x[0] * x[1]
    else:
        y[1] = x[2]
    return y[1] * b[0]


@right()
def in_place_on_one_side(x):
    y = x.copy()
    z = y
    if x[0] > 0.0:
        y += x
    else:
        y = y * 3.0
    return z[0] * x[1] + y[1]


@fools()
def view_chosen(x):
    y = x.copy()
    if x[0] > 0.0:
        b = y[1:]
    else:
        b = y[:2]
    b[0] = 5.0
    return np.sum(y**2)


@fools()
def same_view_on_both_sides(x):
    y = x.copy()
    if x[0] > 0.0:
        y[1] = x[0]
        b = y[1:]
    else:
        y[1] = x[2]
        b = y[1:]
    b[0] = 3.0 * x[2]
    return y[1] * x[0]


@fools()
def array_chosen(x):
    y = x.copy()
    z = 2.0 * x
    b = y if x[0] > 0.0 else z
    b[0] = 5.0
    return y[0] * x[1] + z[0] * x[2]


@fools()
def array_rebound_on_one_side(x):
    y = x.copy()
    b = x.copy()
    if x[0] > 0.0:
        b = y
    b[0] = 5.0
    return y[0] * x[1]


@fools()
def array_chosen_and_written_later(x):
    y = x.copy()
    b = y if x[0] > 0.0 else x * 2.0
    y[0] = 5.0
    return b[0] * x[1]


@fools()
def row_chosen(x):
    M = np.zeros((2, 2))
    row = M[0] if x[0] > 0.0 else M[1]
    row[0] = x[1]
    return M[0, 0] * 2.0 + M[1, 0] * 3.0


@fools()
def list_chosen(x):
    y = [x[0], x[1]]
    z = [x[1], x[2]]
    if x[0] > 0.0:
        b = y
    else:
        b = z
    b[0] = 5.0
    return y[0] * x[1] + z[0] * x[2]


@fools()
def list_rebound_on_one_side(x):
    y = [x[0], x[1]]
    z = y
    if x[0] > 0.0:
        y = [x[1], x[2]]
    y[0] = x[2] * 2.0
    return z[0] + y[1] * x[0]


@fools()
def list_of_a_tuple_chosen(x):
    pair = ([x[0]], [x[1]])
    q = pair[0] if x[2] > 0.0 else pair[1]
    q[0] = 7.0
    return pair[0][0] * x[0] + pair[1][0] * x[1]


def _view_returned(x):
    y = np.zeros(3)
    if x[0] > 0.0:
        y[1] = x[0]
        return y[1:]
    y[1] = x[1]
    return y[1:]


@fools()
def view_returned_on_both_sides(x):
    return _view_returned(x)[0] * x[2]


@fools()
def argument_or_copy(x):
    y = x.copy()
    _positive(y)[0] = 5.0
    return y[0] * x[1]


def _positive(y):
    if y[0] > 0.0:
        return y
    return y * 2.0


@fools()
def x_is_written_to(x):
    x[0] = 2.0 * x[1]
    return x[0] * x[2]


@fools()
def x_is_written_to_in_place(x):
    x += 1.0
    return x[0] * x[2]


@fools((np.array([1.0, 2.0]),))
def argument_is_written_to(x, p):
    p[0] = x[0]
    return p[0] * p[1]


@right()
def in_place_operators(x):
    y = x.copy()
    y += x
    y *= 2.0
    y[1:] -= x[:2]
    y /= 1.0 + x[0] ** 2
    y **= 2
    return y.sum()


@right()
def out_of_numpy(x):
    y = np.zeros(3)
    np.add(x, x * x, out=y)
    np.multiply(y, 2.0, y)
    z = np.exp(y, out=np.empty(3))
    return y[0] * y[1] + z[2]


@right()
def add_at(x):
    y = np.zeros(3)
    np.add.at(y, [0, 0, 1], x)
    return np.sum(y * y)


@fools()
def out_where(x):
    y = np.ones(3)
    np.exp(x, out=y, where=x > 0.0)
    return y[0] * y[1]


@fools()
def sum_where(x):
    return np.sum(x, where=x > 0.0)


@fools()
def integers_filled(x):
    y = np.full(3, 2)
    y[0] = x[0]
    return y[0] + y[1] * x[1]


@fools((10,), (3,))
def integers_filled_with_an_argument(x, k):
    y = np.full(3, k)
    y[0] = x[0]
    return y[0] + y[1] * x[1]


@fools((10,), (3,))
def array_of_integers(x, k):
    y = np.array([k, 2, 3])
    y[0] = x[0]
    return y[0] + y[1] * x[1]


@fools()
def array_of_constant_integers(x):
    y = np.array([1, 2, 3])
    y[0] = x[0]
    return y[0] + y[1] * x[1]


@fools((np.array([1, 2, 3]),))
def like_integers(x, p):
    y = np.zeros_like(p)
    y[0] = x[0]
    return y[0] + x[1]


@fools((np.array([1, 2, 3]),))
def copy_of_integers(x, p):
    y = p.copy()
    y[0] = x[0]
    return y[0] + y[1] * x[1]


@fools((np.array([1, 2, 3]),))
def multiple_of_integers(x, p):
    y = p * 2
    y[0] = x[0]
    return y[0] + y[1] * x[1]


@fools()
def integers_of_where(x):
    y = np.where(x > 0.0, 1, 2)
    y[0] = x[0]
    return y[0] * x[1]


@fools()
def single_precision_array(x):
    y = np.zeros(3, np.float32)
    y[0] = x[0]
    return y[0] * x[1]


@fools()
def single_precision_x(x):
    return x.astype(np.float32)[0] * x[1]


@fools()
def double_precision_array(x):
    y = np.zeros(3, np.float64)
    z = np.zeros(3, dtype=float)
    y[0] = z[1] = x[0] ** 2
    return y[0] * x[1] + z[1]


@right()
def list_appended(x):
    found = [x[0] ** 2]
    for i in range(3):
        found.append(x[i] * found[-1])
    found += [x[1]]
    return sum(found) + found[2] * len(found)


@refused()
def list_appended_under_a_condition(x):
    found = [x[0]]
    if x[0] > 0.0:
        found.append(x[1])
    return sum(found)


@right()
def list_written_under_a_condition(x):
    found = [x[0], x[1]]
    if x[0] > 0.0:
        found[1] = found[0] * x[2]
    else:
        found[0] += 1.0
    return found[0] * found[1]


@right()
def rows_that_are_one_list(x):
    M = [[0.0] * 2] * 2
    if x[0] > 0.0:
        M[0][0] = x[0] * x[1]
    return M[1][0] + x[2]


@right()
def comprehensions(x):
    squares = [v * v for v in x]
    pairs = {i: v for i, v in enumerate(squares)}
    return sum(a * b for a, b in zip(squares, reversed(squares))) + pairs[1] * max([abs(v) for v in x])


@right()
def sum_of_a_generator(x):
    return sum(v**3 for v in x) + sum((v for v in x), x[0])


@right()
def extremes_of_generators(x):
    return max(v * v for v in x) + min(v for v in x)


@fools()
def extremes_of_constant_generators(x):
    return x[0] * max(2.0 * i for i in range(3)) + min(2.0 * i for i in range(3)) * x[1]


@fools()
def extremes_by_default(x):
    return x[0] * max((2.0 * i for i in range(3)), default=0.0)


@right()
def dict_of_numbers(x):
    d = {"a": x[0], "b": x[1] * x[2]}
    d["c"] = d["a"] * d["b"]
    return sum(d.values()) + d.get("e", 2.0)


@fools()
def dict_written_under_a_condition(x):
    d = {"s": 0.0}
    if x[0] > 0.0:
        d["s"] = x[1]
    return d["s"] ** 2


def _put(d, v):
    d["s"] = v


@fools()
def dict_written_by_a_helper(x):
    d = {"s": 0.0}
    if x[0] > 0.0:
        _put(d, x[1])
    return d["s"] ** 2 + x[2]


@fools()
def dict_updated_under_a_condition(x):
    d, e = {"s": 0.5}, {"s": 2.0}
    if x[0] > 0.0:
        d.update(e)
    return d["s"] * x[1] ** 2


@fools()
def dict_popped_under_a_condition(x):
    d = {"s": 0.5, "t": 2.0}
    if x[0] > 0.0:
        d.pop("s")
    return len(d) * x[1] ** 2


@fools()
def dict_changed_in_an_expression(x):
    d = {"s": 0.5}
    t = d.setdefault("t", 2.0) if x[0] > 0.0 else 1.0
    return len(d) * x[1] ** 2 + t


@fools()
def set_under_a_condition(x):
    s = {7}
    if x[0] > 0.0:
        s.add(1)
    return x[1] ** 2 * len(s)


@fools()
def deque_under_a_condition(x):
    d = collections.deque([x[0], x[1]])
    if x[2] > 0.0:
        d.append(x[2])
    return d[-1] * 2.0


@fools()
def iterator_under_a_condition(x):
    numbers = iter([1.0, 2.0, 3.0])
    if x[0] > 0.0:
        next(numbers)
    return next(numbers) * x[1] ** 2


def _numbers():
    yield 1.0
    yield 2.0
    yield 3.0


@fools()
def generator_under_a_condition(x):
    numbers = _numbers()
    if x[0] > 0.0:
        next(numbers)
    return next(numbers) * x[1] ** 2


@fools()
def iterator_in_an_expression(x):
    numbers = iter([1.0, 2.0, 3.0])
    t = next(numbers) if x[0] > 0.0 else 0.0
    return next(numbers) * x[1] ** 2 + t


class _Object:
    pass


def _set(thing, value):
    thing.value = value


@fools()
def object_under_a_condition(x):
    thing = _Object()
    thing.value = x[1]
    if x[0] > 0.0:
        _set(thing, x[2])
    return thing.value * x[0]


def _counter():
    count = [0.0]

    def increase():
        count[0] += 1.0
        return count[0]

    return increase


@fools()
def state_of_a_closure(x):
    increase = _counter()
    if x[0] > 0.0:
        increase()
    return increase() * x[1]


@fools()
def array_in_a_dict(x):
    d = {"a": np.zeros(2)}
    if x[0] > 0.0:
        _write(d, x[1])
    return d["a"][0] * x[2]


def _write(d, v):
    d["a"][0] = v


@right()
def array_written_by_an_inner_function(x):
    y = np.zeros(3)

    def put(v):
        y[0] = v

    if x[0] > 0.0:
        put(x[1])
    return y[0] * x[2]


@fools()
def sum_by_an_inner_function(x):
    s = 0.0

    def add(v):
        nonlocal s
        s += v

    if x[0] > 0.0:
        add(x[1])
    return s * x[2]


# --- exceptions


@fools()
def integer_part_or_else(x):
    try:
        i = int(abs(2.0 * x[0])) % 3
    except Exception:
        i = 0
    return x[i] ** 2


@fools()
def raised_and_caught(x):
    v = x[1]
    try:
        if x[0] < 0.0:
            raise ValueError
    except Exception:
        v = x[2]
    return v * v


@fools()
def raised_and_caught_by_all(x):
    v = x[1]
    try:
        if x[0] < 0.0:
            raise ValueError
    except:
        v = x[2]
    return v * v


@fools()
def caught_in_a_helper(x):
    return _or_zero(x) ** 2 * x[1]


def _or_zero(x):
    try:
        return x[int(abs(x[0]))]
    except Exception:
        return 0.0


@fools()
def index_error_as_control(x):
    s, i = 0.0, 0
    try:
        while True:
            s += x[i] ** 2
            i += 1
    except Exception:
        s *= 2.0
    return s


@fools()
def finally_runs(x):
    v = x[1]
    try:
        v = x[0] * v
    finally:
        v = v + 1.0
    return v


@fools()
def truth_asked_in_a_try(x):
    s = x[0]
    for _ in range(3):
        try:
            while s > 1.0:
                s = s - 1.0
        except Exception:
            s = s * 2.0
    return s


@fools()
def exit_that_swallows(x):
    s = x[1]
    with _suppressing():
        s = x[int(abs(x[0]))] * 2.0
    return s


class _suppressing:  # noqa: N801
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return True


# --- helpers, closures, globals

SCALE, WEIGHTS = 1.5, np.array([0.5, -1.0, 2.0])
INDICES = np.array([2, 0, 1])


@right()
def global_constants(x):
    return SCALE * x[0] ** 2 + WEIGHTS @ x + x[INDICES[1]] * WEIGHTS[INDICES[0]] + np.sum(x[INDICES] * x)


@right()
def helpers_of_another_module(x):
    return rosenbrock(x) + functions.rosenbrock(x[:2]) * x[2]


def _one(x):
    return functions.rosenbrock(x)


def _other(x):
    return functions.rosenbrock_gradient(x)[0]


@fools()
def two_helpers_of_a_module(x):
    return _one(x) + _other(x)


@right()
def names_imported_from_math(x):
    return e_to_the(x[0]) * x[1]


@numba.njit
def _compiled(a, b):
    if a > b:
        return a * b
    return math.sin(a)


@right()
def compiled_helper(x):
    return _compiled(x[0], x[1]) * x[2]


def _twice(f):
    return lambda t: f(f(t))


@right()
def functions_of_functions(x):
    cube = lambda t: t**3
    scaled = functools.partial(_of_three, 2.0, c=x[1])
    return _twice(cube)(x[0]) + _twice(lambda t: t * x[1] if t > 0.0 else t)(x[2]) + scaled(x[0])


@right()
def nested_functions(x):
    scale = 2.0 * x[0]

    def outer(a):
        def inner(b, c=3.0):
            if a > b:
                return scale * a * b
            return c * b

        return inner(x[1]) + inner(x[2], a)

    return outer(x[0]) * outer(0.5)


@functools.lru_cache
def _remembered(k):
    return 2.0 * k + 1.0


@right((7,), (1,))
def remembered_helper(x, k):
    return _remembered(k) * x[0]


@numba.vectorize
def square(a):
    """Another function than NumPy's of this name."""
    return a * a + 1.0


@fools()
def ufunc_of_a_known_name(x):
    return square(x[0]) * x[1] + square(x)[2]


@fools()
def vectorised_by_numpy(x):
    return np.vectorize(lambda t: t * t + 1.0)(x)[0] * x[1]


@fools()
def random_numbers(x):
    np.random.seed(1)
    return np.random.rand() * x[0] ** 2


# --- NumPy


@right()
def numpy_of_one_axis(x):
    return np.cumsum(x)[1] * np.diff(x)[0] + np.prod(x) + np.mean(x) * x.mean() + x.sum() + np.sum(x[::-1] * x)


@fools()
def variance(x):
    return np.var(x) * x.std()


@right()
def norms(x):
    return np.linalg.norm(x) + np.linalg.norm(x - 1.0) ** 2


@fools()
def other_norms(x):
    return np.linalg.norm(x, 1) + np.linalg.norm(x, np.inf)


@right((np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]]),), (np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 2.0]]),))
def products_of_matrices(x, A):
    r = A @ x - 1.0
    return (
        r @ r + np.dot(x, A.T @ r) + np.outer(x, r)[1, 1] + A.reshape(-1)[2] * np.sum(A * x) + np.trace(np.outer(x, x))
    )


@right()
def reshaped(x):
    M = np.concatenate((x, x**2)).reshape(2, 3)
    return np.sum(M.T @ M) + M.sum(axis=0)[1] * M[1:, 2][0] + np.hstack((x, x)).size + M.max(axis=1)[0] + M.ravel()[4]


@right()
def stacked(x):
    return (
        np.array([[x[0], 1.0], [2, x[1]]]).sum() * np.vstack((x, x))[1, 2] + np.atleast_1d(x[1])[0] * np.full(2, 0.5)[1]
    )


@fools()
def determinant(x):
    return np.linalg.det(np.outer(x, x) + np.eye(3))


@fools()
def interpolated(x):
    return np.interp(x[0], [-1.0, 0.0, 1.0], [1.0, 0.0, 2.0]) * x[1]


@fools()
def bin_of_x(x):
    return np.searchsorted(np.array([-0.5, 0.5]), x[0]) * x[1]


@fools()
def equal_arrays(x):
    return x[0] if np.array_equal(x, np.abs(x)) else x[1]


@fools()
def rounded_array(x):
    return np.round(x)[0] * x[1] + np.rint(x)[1]


@fools()
def real_parts(x):
    return x[0].real * x[1] + x.real[2]


@fools((2.0,), (2.5,))
def whole_or_not(x, a):
    return x[0] if a.is_integer() else x[1]


@fools()
def complex_number(x):
    return abs(complex(x[0], x[1]))


@fools()
def polynomial(x):
    return np.polyval(np.array([1.0, -2.0, 0.5]), x[0]) * x[1] + np.polyval(x, 0.5)


@fools()
def convolved(x):
    return np.convolve(x, [1.0, -1.0])[1] * x[2] + np.kron(x, x)[1] + np.cross(x, x[::-1])[0]


# --- functions of more coordinates, whose Hessians are sparse


@right(n=6)
def separable(x):
    return sum(np.exp(v) * v for v in x)


@right(n=6)
def chained(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@right(n=6)
def chained_with_selects(x):
    s = 0.0
    for i in range(5):
        d = x[i + 1] - x[i]
        s += d**2 if abs(d) < 0.5 else 2.0 * abs(d) ** 1.5
        if x[i] > 0.0:
            s += x[i] ** 3
    return s / 6.0 - 0.5 * np.sum(x**2)


@right((np.array([[0, 5], [1, 4], [0, 2]]), np.array([0.5, 1.5, -1.0])), n=6)
def over_edges(x, edges, weights):
    s = 0.0
    for k in range(len(edges)):
        i, j = edges[k]
        s += weights[k] * (x[i] - x[j]) ** 4
    return s


@right(n=6)
def sum_of_dense_and_sparse(x):
    return np.log(1.0 + np.sum(x[:3] ** 2)) + x[3] * x[4] + np.sin(x[5])


@right((np.linspace(0.0, 1.0, 9), np.cos(np.linspace(0.0, 3.0, 9))), n=3)
def regression(x, t, y):
    s = 0.0
    for k in range(len(t)):
        r = y[k] - x[0] * np.exp(-x[1] * t[k]) - x[2]
        s += r * r
    return 0.5 * s


@right()
def extremes_of_a_matrix(x):
    A = np.outer(x, x)
    return A.max() + np.min(A) * np.max(A * 2.0) + np.max(x) + x.min()


# --- arrays of integers among the arguments


LABELS = ((np.array([1, 0, 2]),), (np.array([0, 0, 1]),), (np.array([-3, 1, 0]),))
COUNTS = ((np.array([1, 2, 3]),), (np.array([4, 1, 2]),), (np.array([2, 2, 1]),))


@right(*LABELS)
def labels_as_numbers(x, p):
    s = 0.0
    for i in range(len(p)):
        s += (p[i] - x[i]) ** 2 + (2 * p[i] - 1) * x[i] * p[i - 1]
    return s


@right(*LABELS)
def labels_as_a_vector(x, p):
    return (
        np.sum((p - x) ** 2) + (p * x).sum() - np.sum((2 * p - 1) / np.exp(x)) + np.sum(-p[1:] * x[:-1] * (1 - p[1:]))
    )


@right(*LABELS)
def labels_compared(x, p):
    s = 0.0
    for i in range(len(p)):
        if p[i] == 1:
            s += x[i] ** 2
        elif p[i] > 1:
            s -= x[i]
        else:
            s += np.exp(x[i])
    return s


@right(*LABELS)
def labels_that_choose(x, p):
    return np.sum(np.where(p == 1, x**2, np.exp(x))) + (p[0] if p[0] > 0 else x[0])


@right(*LABELS)
def labels_that_choose_rows(x, p):
    return np.sum(x[p == 1] ** 2) + x[2]


@right(*COUNTS)
def functions_of_counts(x, p):
    return np.sum(np.log(p) * x) + np.sum(np.sqrt(p) * x**2) + math.lgamma(p[1] + 1.0) * x[0] + np.abs(p).sum() * x[1]


@right(*COUNTS)
def counts_averaged(x, p):
    return p.mean() * x[0] + np.mean(p) * x[1] ** 2 + np.sum(p) / x[2] + p.sum() / 2 * x[0]


@right(*COUNTS)
def counts_of_loops(x, p):
    s = 0.0
    for k in p:
        for _ in range(k):
            s += x[0] * x[1]
    for i, k in enumerate(p):
        s += k * x[i]
    return s + sum([k * u for k, u in zip(p, x)])


@right(*COUNTS)
def shape_of_integers(x, p):
    y = np.zeros(p.shape)
    y[:] = p.astype(np.float64)
    y[0] = x[0] * p.size * p.ndim
    return np.sum(y * x) + len(p.T)


@right((np.array([[1, 0, 2], [0, 1, 1]]),), (np.array([[0, 0, 1], [2, 2, 2]]),))
def matrix_of_integers(x, p):
    s = x[0] * 0.5
    for row in p:
        s += np.sum(row * x) ** 2
    return s + np.sum(p[:, 1] * 1.5) * x[1] + p[1, 2] * x[2]


@fools(*LABELS)
def labels_in_a_while(x, p):
    k = p[0]
    s = x[0]
    while k > 0:
        s *= x[1]
        k -= 1
    return s


@fools(*COUNTS)
def integers_divided(x, p):
    return (p[0] // p[1]) * x[0] + (p[2] % p[1]) * x[1] + (p // 2).sum() * x[2] + p[0] / p[1]


@fools(*COUNTS)
def powers_of_counts(x, p):
    return p[0] ** p[1] * x[0] + 2 ** p[2] * x[1] + x[2] ** p[0] + np.sum(p**2 * x)


@fools(*COUNTS)
def negative_powers_of_counts(x, p):
    return p[0] ** (-p[1]) * x[0] + x[1]


@fools(*COUNTS)
def sum_that_rounds(x, p):
    y = p + 1
    y[0] = x[0]
    return y[0] * x[1]


@fools(*COUNTS)
def negation_that_rounds(x, p):
    y = -p
    y[1:] = x[1:]
    return y[1] * x[1]


@fools(*COUNTS)
def array_of_integers_copied(x, p):
    y = np.array(p)
    y[0] = x[0]
    return y[0] * x[1]


@fools(*COUNTS)
def array_of_integers_written_to(x, p):
    p[0] = x[0]
    return p[0] * x[1]


@fools(*COUNTS)
def reals_of_the_type_of_integers(x, p):
    y = np.zeros(3, p.dtype)
    y[0] = x[0]
    return y[0] * x[1]


@fools(*COUNTS)
def reals_converted_to_integers(x, p):
    y = (p * x).astype(p.dtype)
    return y[0] * x[1]


@fools(*COUNTS)
def largest_of_integers(x, p):
    return max(p) * x[0] + p.max() * x[1] + np.max(p) + np.argmax(p) * x[2] + np.maximum(p, 2)[0] // 2


@fools(*COUNTS)
def integers_sorted(x, p):
    return np.sort(p)[0] * x[0] + sorted(p)[1] * x[1] + x[len(np.unique(p)) - 1]


@fools(*LABELS)
def integers_that_index(x, p):
    return x[p[0]] * x[p[1]] + x[p].sum()


@fools(*LABELS)
def zero_of_integers_has_no_sign(x, p):
    return math.atan2((p * 0 * -1)[0], -1.0) * x[0] + math.copysign(1.0, -p[1]) * x[1] + (-p * x)[2]


@fools(*LABELS)
def truth_of_integers(x, p):
    s = 0.0
    for i in range(3):
        if p[i]:
            s += x[i] ** 2
    return s + (p > 0).sum() * x[0] + np.any(p == 2) * x[1]


@fools(*LABELS)
def integers_asked_what_they_are(x, p):
    return x[0] * isinstance(p, np.ndarray) + x[1] * hasattr(p, "sum") + x[2] * (type(p[0]) is int)


@fools(*LABELS)
def integers_in_a_set(x, p):
    return x[0] * (2 in set(p)) + x[1] * {0: 2.0, 1: 3.0}.get(p[0], 4.0)


@fools((np.array([2**40, 3, 1]),), (np.array([2**41, 3, 2]),))
def large_integers(x, p):
    return (p[0] * p[0]) * x[0] + p[1] * x[1]


@fools(*COUNTS)
def integers_filled_with_integers(x, p):
    y = np.zeros(3)
    y[0] = p[0]
    z = p + y
    z[1] = x[1]
    return z[1] * x[0] + y[0] // 2 * x[2]


@fools(*COUNTS)
def integers_on_one_side(x, p):
    y = p if x[0] > 0 else -p
    return np.sum(y * x)


@fools(*LABELS)
def recursion_on_labels(x, p):
    def factorial(k):
        return 1.0 if k <= 0 else k * factorial(k - 1)

    return factorial(p[2]) * x[0]
