"""Vectors for Numba: each operation against NumPy, for several numbers of lanes."""

import math
import os
import platform
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import mpmath
import numpy as np
import pytest
from numba import njit, types
from numba.core.errors import TypingError
from scipy import special

from fastcurv import simd
from fastcurv.function import compiled
from fastcurv.simd import (
    all_lanes,
    any_lane,
    floor_power_of_two,
    fma,
    lane_array,
    line_writer,
    load,
    own_row,
    reciprocal,
    reciprocal_sqrt,
    reduce_max,
    reduce_min,
    reduce_sum,
    shuffle,
    splat,
    spread,
    store,
    transpose,
    transpose_and_add,
    transpose_rows,
    where,
)

KINDS = [(np.float64, 1), (np.float64, 8), (np.float64, 16), (np.float32, 16)]
rng = np.random.default_rng(3)

#: what NumPy says of operations on u, v and w; the compiled twins are in `_operations`, in this order
EXPECTED = {
    "add": lambda u, v, w: u + v,
    "subtract": lambda u, v, w: u - v,
    "multiply": lambda u, v, w: u * v,
    "divide": lambda u, v, w: u / v,
    "scalar on the left": lambda u, v, w: 2.5 - u,
    "integer on the right": lambda u, v, w: u * 3,
    "negative": lambda u, v, w: -u,
    "absolute value": lambda u, v, w: abs(u),
    "sqrt": lambda u, v, w: np.sqrt(w),
    "fabs": lambda u, v, w: np.fabs(u),
    "floor": lambda u, v, w: np.floor(u),
    "ceil": lambda u, v, w: np.ceil(u),
    "trunc": lambda u, v, w: np.trunc(u),
    "copysign": lambda u, v, w: np.copysign(w, u),
    "min": lambda u, v, w: np.minimum(u, v),
    "max": lambda u, v, w: np.maximum(u, v),
    "less": lambda u, v, w: np.where(u < v, u, w),
    "less or equal": lambda u, v, w: np.where(u <= v, u, w),
    "greater": lambda u, v, w: np.where(u > v, u, w),
    "greater or equal": lambda u, v, w: np.where(u >= 0, u, w),
    "equal": lambda u, v, w: np.where(u == v, u, w),
    "not equal": lambda u, v, w: np.where(u != v, u, w),
    "and": lambda u, v, w: np.where((u > 0) & (v > 0), u, w),
    "or": lambda u, v, w: np.where((u > 0) | (v > 0), u, w),
    "exclusive or": lambda u, v, w: np.where((u > 0) ^ (v > 0), u, w),
    "not": lambda u, v, w: np.where(~(u > 0), u, 0),
    "floor power of two": lambda u, v, w: 2.0 ** np.floor(np.log2(abs(u))),
    "splat": lambda u, v, w: np.full_like(u, 7.5),
    "in place": lambda u, v, w: (u + v) * w - 1,
}


def _operations(u, v, w, out):
    out[0], out[1], out[2], out[3] = u + v, u - v, u * v, u / v
    out[4], out[5], out[6], out[7] = 2.5 - u, u * 3, -u, abs(u)
    out[8], out[9], out[10], out[11] = math.sqrt(w), math.fabs(u), math.floor(u), math.ceil(u)
    out[12], out[13], out[14], out[15] = math.trunc(u), math.copysign(w, u), min(u, v), max(u, v)
    out[16], out[17], out[18] = where(u < v, u, w), where(u <= v, u, w), where(u > v, u, w)
    out[19], out[20], out[21] = where(u >= 0, u, w), where(u == v, u, w), where(u != v, u, w)
    out[22], out[23] = where((u > 0) & (v > 0), u, w), where((u > 0) | (v > 0), u, w)
    out[24], out[25] = where((u > 0) ^ (v > 0), u, w), where(~(u > 0), u, 0)
    out[26], out[27] = floor_power_of_two(u), splat(7.5, u)
    x = u + 0
    x += v
    x *= w
    x -= 1
    out[28] = x


#: to so many units in the last place of what NumPy and SciPy find
ROUNDED = {
    "fma": (lambda u, v, w: u * v + w, 4),
    "reciprocal": (lambda u, v, w: 1 / u, 2),
    "reciprocal_sqrt": (lambda u, v, w: 1 / np.sqrt(w), 2),
    "exp": (lambda u, v, w: np.exp(u), 4),
    "expm1": (lambda u, v, w: np.expm1(u), 4),
    "log": (lambda u, v, w: np.log(w), 4),
    "log1p": (lambda u, v, w: np.log1p(w), 4),
    "log2": (lambda u, v, w: np.log2(w), 4),
    "log10": (lambda u, v, w: np.log10(w), 4),
    "sin": (lambda u, v, w: np.sin(u), 4),
    "cos": (lambda u, v, w: np.cos(u), 4),
    "tan": (lambda u, v, w: np.tan(u), 8),
    "asin": (lambda u, v, w: np.arcsin(u / 8), 8),
    "acos": (lambda u, v, w: np.arccos(u / 8), 8),
    "atan": (lambda u, v, w: np.arctan(u), 4),
    "sinh": (lambda u, v, w: np.sinh(u), 4),
    "cosh": (lambda u, v, w: np.cosh(u), 4),
    "tanh": (lambda u, v, w: np.tanh(u), 4),
    "asinh": (lambda u, v, w: np.arcsinh(u), 8),
    "acosh": (lambda u, v, w: np.arccosh(1 + w), 8),
    "atanh": (lambda u, v, w: np.arctanh(u / 8), 8),
    "erf": (lambda u, v, w: special.erf(u), 8),
    "erfc": (lambda u, v, w: special.erfc(u), 16),
    "gamma": (lambda u, v, w: special.gamma(w), 32),
    "lgamma": (lambda u, v, w: special.gammaln(w + 3), 32),
    "atan2": (lambda u, v, w: np.arctan2(u, v), 8),
    "hypot": (lambda u, v, w: np.hypot(u, v), 4),
    "fmod": (lambda u, v, w: np.fmod(u, w), 4),
    "pow": (lambda u, v, w: w**u, 16),
    "square": (lambda u, v, w: u**2, 4),
    "square root by power": (lambda u, v, w: w**0.5, 4),
    "modulo": (lambda u, v, w: np.mod(u, w), 16),
}


def _rounded_operations(u, v, w, out):
    out[0], out[1], out[2] = fma(u, v, w), reciprocal(u), reciprocal_sqrt(w)
    out[3], out[4], out[5], out[6] = math.exp(u), math.expm1(u), math.log(w), math.log1p(w)
    out[7], out[8], out[9], out[10] = math.log2(w), math.log10(w), math.sin(u), math.cos(u)
    out[11], out[12], out[13], out[14] = math.tan(u), math.asin(u / 8), math.acos(u / 8), math.atan(u)
    out[15], out[16], out[17] = math.sinh(u), math.cosh(u), math.tanh(u)
    out[18], out[19], out[20] = math.asinh(u), math.acosh(1 + w), math.atanh(u / 8)
    out[21], out[22], out[23], out[24] = math.erf(u), math.erfc(u), math.gamma(w), math.lgamma(w + 3)
    out[25], out[26], out[27], out[28] = math.atan2(u, v), math.hypot(u, v), math.fmod(u, w), math.pow(w, u)
    out[29], out[30], out[31] = u**2, w**0.5, u % w


@cache
def operands(dtype, lanes):
    """u of any sign, v with some of u's numbers, w positive, in one flat array."""
    u = rng.uniform(-4, 4, lanes)
    v = np.where(rng.random(lanes) < 0.4, u, rng.uniform(-4, 4, lanes))
    return np.concatenate([u, v, rng.uniform(0.1, 4, lanes)]).astype(dtype)


@cache
def results(body, rows, dtype, lanes):
    operations = njit(error_model="numpy")(body)

    @njit(error_model="numpy")
    def run(numbers, out):
        u, v, w = load(numbers, 0, lanes), load(numbers, lanes, lanes), load(numbers, 2 * lanes, lanes)
        operations(u, v, w, lane_array(out, 0, rows, lanes))

    out = np.full((rows, lanes), np.nan, dtype)
    run(operands(dtype, lanes), out.reshape(-1))
    return out


@pytest.mark.parametrize(("dtype", "lanes"), KINDS)
@pytest.mark.parametrize("name", EXPECTED)
def test_operations(name, dtype, lanes):
    found = results(_operations, len(EXPECTED), dtype, lanes)[list(EXPECTED).index(name)]
    expected = EXPECTED[name](*operands(dtype, lanes).reshape(3, lanes))
    assert np.array_equal(found, expected.astype(dtype))


@pytest.mark.parametrize(("dtype", "lanes"), [(np.float64, 8), (np.float32, 16)])
@pytest.mark.parametrize("name", ROUNDED)
def test_rounded_operations(name, dtype, lanes):
    found = results(_rounded_operations, len(ROUNDED), dtype, lanes)[list(ROUNDED).index(name)]
    function, ulps = ROUNDED[name]
    expected = function(*operands(dtype, lanes).astype(np.float64).reshape(3, lanes))
    slack = np.finfo(dtype).eps * (
        8 if name in ("tan", "modulo", "fmod", "fma") else 0
    )  # cancellation in the operation
    assert (abs(found - expected) <= ulps * np.finfo(dtype).eps * abs(expected) + slack).all()


@cache
def exp_and_log():
    @njit(error_model="numpy")
    def run(x, exponentials, logarithms):
        for i in range(0, x.size, 8):
            store(exponentials, i, math.exp(load(x, i, 8)))
            store(logarithms, i, math.log(load(x, i, 8)))

    return run


def exponentials_and_logarithms(x):
    exponentials, logarithms = np.empty_like(x), np.empty_like(x)
    exp_and_log()(x, exponentials, logarithms)
    return exponentials, logarithms


def test_exp_and_log_are_accurate():
    """Against 40 digits: to about one unit in the last place where they are our own, with AVX-512."""
    own = simd.native_bytes() == 64
    near_one = 1 + rng.uniform(-1, 1, 800) * 2.0 ** -rng.integers(2, 50, 800)
    for k, x in [
        (0, rng.uniform(-1, 1, 800)),
        (0, rng.uniform(-708, 709, 800)),
        (1, np.exp(rng.uniform(-700, 700, 800))),
        (1, rng.uniform(0.5, 2, 800)),
        (1, near_one),
    ]:
        found = exponentials_and_logarithms(x)[k]
        with mpmath.workdps(40):
            exact = [(mpmath.exp, mpmath.log)[k](mpmath.mpf(float(number))) for number in x]
            units = [abs(a - e) / math.ulp(float(e)) for a, e in zip(map(float, found), exact, strict=True)]
        assert max(units) <= (1.1 if own else 4)


def test_exp_and_log_at_edges():
    """Infinities, zeros, NaN, numbers that are not normal, and where results no longer are."""
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 5e-324, 1e-310, -5e-324, 2.0**-1022, 1.7976931348623157e308]
    overflow = [709.78, 709.79, -708.3, -740.0, -745.1, -745.2, 1e300, -1e300, 1e-20, 0.75, 1.5, np.nextafter(1.5, 0)]
    x = np.array(edges + overflow)
    exponentials, logarithms = exponentials_and_logarithms(x)
    with np.errstate(all="ignore"):
        for found, expected in [(exponentials, np.exp(x)), (logarithms, np.log(x))]:
            special = ~np.isfinite(expected) | (expected == 0)
            np.testing.assert_array_equal(found[special], expected[special])
            np.testing.assert_allclose(found[~special], expected[~special], rtol=5e-16, atol=5e-324)


@cache
def sin_and_cos():
    @njit(error_model="numpy")
    def run(x, sines, cosines):
        for i in range(0, x.size, 8):
            store(sines, i, math.sin(load(x, i, 8)))
            store(cosines, i, math.cos(load(x, i, 8)))

    return run


def sines_and_cosines(x):
    sines, cosines = np.empty_like(x), np.empty_like(x)
    sin_and_cos()(x, sines, cosines)
    return sines, cosines


NEAR_ZEROS = np.arange(1, 801) * (np.pi / 2)


@pytest.mark.parametrize(
    "x",
    [rng.uniform(-1, 1, 800), rng.uniform(-100, 100, 800), rng.uniform(-(2.0**30), 2.0**30, 800), NEAR_ZEROS,
     NEAR_ZEROS * 5e5, np.exp(rng.uniform(-700, 700, 800)), 2.0**30 + rng.uniform(-1, 1, 800)],
)  # fmt: skip
def test_sin_and_cos_are_accurate(x):
    """Against exact arithmetic, and none is larger than 1: to 2.5 units where they are our own, with AVX-512."""
    own = simd.native_bytes() == 64
    for found, exactly in zip(sines_and_cosines(x), (mpmath.sin, mpmath.cos), strict=True):
        assert (abs(found) <= 1).all()
        with mpmath.workprec(1200):
            exact = [exactly(mpmath.mpf(float(number))) for number in x]
            units = [abs(float(a) - e) / math.ulp(float(e)) for a, e in zip(found, exact, strict=True)]
        assert max(units) <= (2.6 if own else 4)


def test_sin_and_cos_at_edges():
    """What is not finite is NaN, zeros keep their signs, and a large argument leaves its neighbours alone."""
    x = np.array(
        [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1e-20, 0.5, 1e300, 2.0, -3.0, 4.0, 5.0, 6.0, 7.0]
    )
    without = np.where(abs(x) == 1e300, 0.25, x)
    with np.errstate(invalid="ignore"):
        for found, others, expected in zip(
            sines_and_cosines(x), sines_and_cosines(without), (np.sin(x), np.cos(x)), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=5e-16)
            np.testing.assert_array_equal(np.signbit(found[:2]), np.signbit(expected[:2]))
            np.testing.assert_array_equal(found[x == without], others[x == without])


def test_not_a_number():
    """Comparisons with NaN are false but for !=; min and max are Python's."""

    @njit(error_model="numpy")
    def run(numbers, out):
        u, v = load(numbers, 0, 4), load(numbers, 4, 4)
        rows = lane_array(out, 0, 6, 4)
        rows[0], rows[1], rows[2] = where(u < v, 1.0, u * 0), where(u >= v, 1.0, u * 0), where(u == v, 1.0, u * 0)
        rows[3], rows[4], rows[5] = where(u != v, 1.0, u * 0), min(u, v), max(u, v)

    numbers = np.array([np.nan, 1.0, np.nan, 2.0, 0.0, np.nan, np.nan, 1.0])
    out = np.empty((6, 4))
    run(numbers, out.reshape(-1))
    u, v = numbers[:4].tolist(), numbers[4:].tolist()
    for row, expected in zip(out[:4], ([0] * 4, [0, 0, 0, 1], [0] * 4, [1] * 4), strict=True):
        assert np.array_equal(np.nan_to_num(row), expected)
    assert np.array_equal(out[4], [min(*pair) for pair in zip(u, v, strict=True)], equal_nan=True)
    assert np.array_equal(out[5], [max(*pair) for pair in zip(u, v, strict=True)], equal_nan=True)


@pytest.mark.parametrize(("dtype", "lanes"), KINDS)
def test_reductions(dtype, lanes):
    @njit(error_model="numpy")
    def run(numbers):
        u, v = load(numbers, 0, lanes), load(numbers, lanes, lanes)
        return (
            reduce_min(u), reduce_max(u), reduce_sum(u),
            any_lane(u > v), all_lanes(u > v), any_lane(u > 9.0), all_lanes(u < 9.0),
        )  # fmt: skip

    u, v, _ = operands(dtype, lanes).reshape(3, lanes)
    total = dtype(0)
    for x in u:
        total += x
    expected = (u.min(), u.max(), total, (u > v).any(), (u > v).all(), False, True)
    assert run(operands(dtype, lanes)) == expected


@pytest.mark.parametrize("stride", [8, 11])
def test_memory(stride):
    """Rows that follow each other, and rows that are no whole number of vectors apart."""
    numbers, out = np.arange(32.0), np.zeros(18)
    _use_memory(numbers, out, stride)
    first, second, third = 2, 2 + stride, 2 + 2 * stride
    expected = [third + 4 + np.arange(4), 2 * second + 4 + 2 * np.arange(4), [3] * 4]
    assert np.array_equal(out[1:13].reshape(3, 4), expected)
    assert np.array_equal(out[13:17], second + np.array([7, 0, 0, 3]))
    assert out[0] == out[17] == 0
    changed = np.arange(32.0)
    changed[first : first + 4] = 5
    changed[second + 4 : second + 8] = second + np.arange(4)
    assert np.array_equal(numbers, changed)


@njit(error_model="numpy")
def _use_memory(numbers, out, stride):
    a = lane_array(numbers, 2, (3, stride), 4)
    row = a[1]
    store(out, 1, a[2, 1])
    store(out, 5, row[0] + row[1])
    store(out, 9, spread(numbers, 3, row[0]))
    store(out, 13, shuffle(row[0], row[1], (7, 0, 0, 3)))
    a[0, 0] = 5
    row[1] = row[0]


def test_rows_of_scratch_begin_at_cache_lines():
    """Wherever the memory happens to be."""
    row_of = njit(own_row)

    @njit(error_model="numpy")
    def run(rows, worker):
        row_of(rows, worker)[0] = 1

    for dtype, size in [(np.float64, 24), (np.float32, 40), (np.intp, 30)]:
        memory = np.zeros(200, dtype)
        for start in range(17):
            rows = memory[start : start + 3 * size].reshape(3, size)
            for worker in range(3):
                rows[:] = 0
                run(rows, worker)
                address = memory.__array_interface__["data"][0] + np.flatnonzero(memory) * memory.itemsize
                assert len(address) == 1
                assert address[0] % 64 == 0
                assert rows[worker].any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_is_chosen_is_stored_whole(dtype):
    """Not under a mask of AVX's, for which all that is loaded from there waits."""
    lanes = simd.native_lanes(dtype)

    @njit(error_model="numpy")
    def run(memory):
        a = lane_array(memory, 0, 2, lanes)
        a[0] = where(a[1] > 0.0, a[1], a[0])

    memory = rng.standard_normal(2 * lanes).astype(dtype)
    first, second = memory.reshape(2, lanes).copy()
    run(memory)
    assert (memory[:lanes] == np.where(second > 0.0, second, first)).all()
    assert all("vmaskmov" not in text for text in run.inspect_asm().values())


def test_stacks_begin_at_cache_lines():
    """Of parts of kernels: vectors that leave registers would straddle lines, or not, by chance."""

    def part(x):
        return x + 1.0

    made = compiled(part, "part")
    made.compile((types.float64,))
    (found,) = made.overloads.values()
    text = str(found.library._final_module)
    (group,) = re.findall(r"^define i32 .*(#\d+)", text, re.MULTILINE)
    assert re.search(rf"^attributes {group} = .*alignstack=64", text, re.MULTILINE)


@pytest.mark.parametrize(("dtype", "lanes"), [*KINDS, (np.float64, 2), (np.float32, 4)])
def test_transpositions(dtype, lanes):
    @njit(error_model="numpy")
    def run(source, starts, direct, more, picked):
        transpose(direct, 3, lanes + 2, source, 5, lanes + 1, lanes)
        transpose_and_add(more, 3, lanes + 2, source, 5, lanes + 1, 1.5, lanes)
        transpose_rows(picked, 1, lanes + 3, source, starts, 1, 0.5, lanes)

    size = (lanes + 3) * (lanes + 3)
    source = np.arange(size + 5).astype(dtype)
    starts = np.concatenate([[0], rng.permutation(3 * lanes)[:lanes]])
    direct, more, picked = np.zeros((3, size), dtype)
    run(source, starts, direct, more, picked)
    for k in range(lanes):
        for lane in range(lanes):
            assert direct[3 + k * (lanes + 2) + lane] == source[5 + lane * (lanes + 1) + k]
            assert more[3 + k * (lanes + 2) + lane] == source[5 + lane * (lanes + 1) + k] + 1.5
            assert picked[1 + k * (lanes + 3) + lane] == source[starts[1 + lane] + k] + 0.5
    assert np.count_nonzero(direct) == lanes * lanes


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("size", "lanes"), [(8, 8), (19, 8), (32, 4), (1111, 8)])
def test_lines_of_numbers_that_are_mostly_zero(size, lanes, dtype):
    positions = rng.permutation(size)[: size // 3].tolist()
    starts = (lanes * (1 + rng.integers(0, 20, len(positions)))).tolist()
    write = line_writer(positions, starts, 0, size, lanes)

    @njit(error_model="numpy")
    def run(source, target):
        write(source, target[5:])

    source, target = rng.standard_normal(21 * lanes), np.full(lanes * size + 10, 7.0, dtype)
    source[:lanes] = 0.0
    run(source, target)
    expected = np.zeros((lanes, size), dtype)
    for lane in range(lanes):
        expected[lane, positions] = source[[start + lane for start in starts]]
    assert np.array_equal(target[5:-5], expected.ravel())
    assert (target[:5] == 7.0).all()
    assert (target[-5:] == 7.0).all()


def test_a_users_function_of_lanes():
    """The same body, of floats and of lanes; a sum that begins as a float."""

    def f(x, y):
        s = 0.0
        for k in range(3):
            s += math.exp(-(x**2)) * y + k
        return max(s, 0.25) / (1 + abs(y)) ** 0.5

    scalar = njit(error_model="numpy")(f)

    @njit(error_model="numpy")
    def run(numbers, out):
        store(out, 0, scalar(load(numbers, 0, 8), load(numbers, 8, 8)))

    numbers, out = rng.uniform(-1, 1, 16), np.empty(8)
    run(numbers, out)
    np.testing.assert_allclose(out, [scalar(x, y) for x, y in numbers.reshape(2, 8).T], rtol=1e-15)


def test_a_branch_on_lanes_is_no_code():
    @njit
    def run(numbers):
        return 1.0 if load(numbers, 0, 8) > 0 else 2.0

    with pytest.raises(TypingError):
        run(np.zeros(8))


def test_bits_do_not_depend_on_the_number_of_lanes():
    numbers = rng.standard_normal(3 * 16) ** 3

    def run(lanes):
        @njit(error_model="numpy")
        def all_of_them(numbers, out):
            for k in range(0, 16, lanes):
                u, v, w = load(numbers, k, lanes), load(numbers, 16 + k, lanes), load(numbers, 32 + k, lanes)
                x = fma(u, v, w) * reciprocal(w) + u * v - w
                store(out, k, x * reciprocal_sqrt(abs(v)) + math.sin(u))

        out = np.empty(16)
        all_of_them(numbers, out)
        return out

    expected = run(16)
    for lanes in (1, 2, 8):
        assert np.array_equal(run(lanes), expected)


@pytest.mark.parametrize(
    ("cpu", "width", "cases"),
    [
        ("haswell", 32, 1),
        ("nehalem", 16, 2),
        pytest.param("haswell", 32, 4, marks=pytest.mark.stress),
        pytest.param("nehalem", 16, 4, marks=pytest.mark.stress),
    ],
)
def test_widths_of_other_processors(cpu, width, cases):
    """With NUMBA_CPU_NAME set: vectors as wide as there, the same results as NumPy, for several ways of solving."""
    if not any(name in platform.machine() for name in ("x86_64", "AMD64")):
        pytest.skip("LLVM knows haswell and nehalem on x86 only")
    environment = {**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "", "NUMBA_NUM_THREADS": "1"}
    script = Path(__file__).parent / "solve_everything.py"
    found = subprocess.run(
        [sys.executable, str(script), str(cases)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == [str(width), "ok"]


def test_native_width_is_a_registers():
    assert simd.native_bytes() in (16, 32, 64)
    assert simd.registers() in (16, 32)
    assert simd.native_lanes(np.float32) == 2 * simd.native_lanes(np.float64)
