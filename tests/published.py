"""Published test functions, in as many styles of plain Python as their authors had notations.

`PUBLISHED` lists them, each with seeded points where it is smooth. References: `references.load(name)`.

Sources that docstrings shorten: MGH = Moré, Garbow & Hillstrom 1981, Testing unconstrained optimization software,
ACM TOMS 7, 17-41, by number, as the sum of squares; JY = Jamil & Yang 2013, A literature survey of benchmark functions
for global optimisation problems, arXiv:1308.4008; SB = Surjanovic & Bingham 2013, Virtual library of simulation
experiments; StRD = NIST Statistical Reference Datasets, nonlinear regression (parameters in units of the certified
ones: the minimiser is (1, ..., 1)).
"""

import math
import zlib

import numpy as np
from problems import Problem

__all__ = ["PUBLISHED", "published"]


def rosenbrock(x):
    """MGH 1: Rosenbrock 1960."""
    return (10.0 * (x[1] - x[0] ** 2)) ** 2 + (1.0 - x[0]) ** 2


def freudenstein_roth(x):
    """MGH 2: Freudenstein & Roth 1963."""
    first = -13.0 + x[0] + ((5.0 - x[1]) * x[1] - 2.0) * x[1]
    second = -29.0 + x[0] + ((x[1] + 1.0) * x[1] - 14.0) * x[1]
    return first * first + second * second


def powell_badly_scaled(x):
    """MGH 3: Powell 1970."""
    return (1e4 * x[0] * x[1] - 1.0) ** 2 + (math.exp(-x[0]) + math.exp(-x[1]) - 1.0001) ** 2


def brown_badly_scaled(x):
    """MGH 4: Brown, unpublished."""
    residuals = (x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2.0)
    return residuals[0] ** 2 + residuals[1] ** 2 + residuals[2] ** 2


def beale(x):
    """MGH 5: Beale 1958."""
    f = 0.0
    power = 1.0
    for y in (1.5, 2.25, 2.625):
        power = power * x[1]
        f += (y - x[0] * (1.0 - power)) ** 2
    return f


def jennrich_sampson(x):
    """MGH 6: Jennrich & Sampson 1968, m = 10."""
    f = 0.0
    for i in range(1, 11):
        f += (2 + 2 * i - (math.exp(i * x[0]) + math.exp(i * x[1]))) ** 2
    return f


def _turn(a, b):
    turn = math.atan(b / a) / (2.0 * math.pi)
    if a > 0.0:
        return turn
    return turn + 0.5


def helical_valley(x):
    """MGH 7: Fletcher & Powell 1963; it jumps at x_1 = 0."""
    first = 10.0 * (x[2] - 10.0 * _turn(x[0], x[1]))
    second = 10.0 * (math.sqrt(x[0] ** 2 + x[1] ** 2) - 1.0)
    return first**2 + second**2 + x[2] ** 2


BARD = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])


def bard(x, y):
    """MGH 8: Bard 1970."""
    f = 0.0
    for k in range(len(y)):
        u = k + 1
        v = 16 - u
        f += (y[k] - (x[0] + u / (v * x[1] + min(u, v) * x[2]))) ** 2
    return f


GAUSSIAN = (0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989)


def gaussian(x):
    """MGH 9: unpublished elsewhere; the data are symmetric."""
    f = 0.0
    for i in range(15):
        t = 0.5 * (7 - i)
        y = GAUSSIAN[i] if i < 8 else GAUSSIAN[14 - i]
        f += (x[0] * math.exp(-x[1] * (t - x[2]) ** 2 / 2.0) - y) ** 2
    return f


MEYER = np.array(
    [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872.0]
)


def meyer(x, y):
    """MGH 10: Meyer 1970; also StRD MGH10."""
    f = 0.0
    for i, observed in enumerate(y):
        f += (x[0] * math.exp(x[1] / (45 + 5 * (i + 1) + x[2])) - observed) ** 2
    return f


def gulf(x):
    """MGH 11: Cox 1969, m = 99, with y_i - x_2 as in the authors' code; here x_2 < 25, where y_i - x_2 > 0."""
    f = 0.0
    for i in range(1, 100):
        t = i / 100
        y = 25.0 + (-50.0 * math.log(t)) ** (2.0 / 3.0)
        f += (math.exp(-math.exp(x[2] * math.log(y - x[1])) / x[0]) - t) ** 2
    return f


def box_3d(x):
    """MGH 12: Box 1966, m = 10."""
    f = 0.0
    for i in range(1, 11):
        t = 0.1 * i
        f += (math.exp(-t * x[0]) - math.exp(-t * x[1]) - x[2] * (math.exp(-t) - math.exp(-10.0 * t))) ** 2
    return f


def powell_singular(x):
    """MGH 13: Powell 1962."""
    a, b, c, d = x[0], x[1], x[2], x[3]
    return (a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4


def wood(x):
    """MGH 14: Colville 1968."""
    residuals = [
        10.0 * (x[1] - x[0] ** 2),
        1.0 - x[0],
        math.sqrt(90.0) * (x[3] - x[2] ** 2),
        1.0 - x[2],
        math.sqrt(10.0) * (x[1] + x[3] - 2.0),
        (x[1] - x[3]) / math.sqrt(10.0),
    ]
    f = 0.0
    for r in residuals:
        f += r * r
    return f


KOWALIK_OSBORNE = np.array(
    [
        (0.1957, 4.0), (0.1947, 2.0), (0.1735, 1.0), (0.1600, 0.5), (0.0844, 0.25), (0.0627, 0.167),
        (0.0456, 0.125), (0.0342, 0.1), (0.0323, 0.0833), (0.0235, 0.0714), (0.0246, 0.0625),
    ]
)  # fmt: skip


def kowalik_osborne(x, data):
    """MGH 15: Kowalik & Osborne 1968; also StRD MGH09."""
    f = 0.0
    for row in data:
        y, u = row[0], row[1]
        f += (y - x[0] * u * (u + x[1]) / (u * (u + x[2]) + x[3])) ** 2
    return f


def brown_dennis(x):
    """MGH 16: Brown & Dennis 1971, m = 20."""
    f = 0.0
    for i in range(1, 21):
        t = i / 5.0
        growing = x[0] + t * x[1] - math.exp(t)
        turning = x[2] + math.sin(t) * x[3] - math.cos(t)
        f += (growing**2 + turning**2) ** 2
    return f


OSBORNE_1 = np.array(
    [
        0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658, 0.628, 0.603,
        0.580, 0.558, 0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411,
        0.406,
    ]
)  # fmt: skip


def osborne_1(x, y):
    """MGH 17: Osborne 1972; also StRD MGH17."""
    f = 0.0
    for i in range(len(y)):
        t = 10.0 * i
        f += (y[i] - (x[0] + x[1] * math.exp(-t * x[3]) + x[2] * math.exp(-t * x[4]))) ** 2
    return f


def biggs_exp6(x):
    """MGH 18: Biggs 1971, m = 13."""
    f = 0.0
    for i in range(1, 14):
        t = 0.1 * i
        y = math.exp(-t) - 5.0 * math.exp(-10.0 * t) + 3.0 * math.exp(-4.0 * t)
        f += (x[2] * math.exp(-t * x[0]) - x[3] * math.exp(-t * x[1]) + x[5] * math.exp(-t * x[4]) - y) ** 2
    return f


OSBORNE_2 = np.array(
    [
        1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608, 0.655, 0.616, 0.606,
        0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661, 0.612, 0.558, 0.533, 0.495, 0.500, 0.423,
        0.395, 0.375, 0.372, 0.391, 0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668,
        0.645, 0.632, 0.591, 0.559, 0.597, 0.625, 0.739, 0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098,
        0.054,
    ]
)  # fmt: skip


def osborne_2(x, y):
    """MGH 19: Osborne 1972."""
    f = 0.0
    for i in range(65):
        t = i / 10.0
        model = x[0] * math.exp(-t * x[4])
        for k in range(3):
            model += x[1 + k] * math.exp(-((t - x[8 + k]) ** 2) * x[5 + k])
        f += (y[i] - model) ** 2
    return f


def watson(x):
    """MGH 20: Kowalik & Osborne 1968."""
    f = x[0] ** 2 + (x[1] - x[0] ** 2 - 1.0) ** 2
    for i in range(1, 30):
        t = i / 29.0
        value = x[0]
        slope = 0.0
        power = 1.0
        for j in range(1, len(x)):
            slope += j * x[j] * power
            power *= t
            value += x[j] * power
        f += (slope - value**2 - 1.0) ** 2
    return f


def extended_rosenbrock(x):
    """MGH 21: Spedicato 1975, n even: pairs, not the chain."""
    f = 0.0
    for i in range(0, len(x), 2):
        f += 100.0 * (x[i + 1] - x[i] * x[i]) ** 2 + (1.0 - x[i]) ** 2
    return f


def extended_powell_singular(x):
    """MGH 22: Spedicato 1975, n a multiple of 4."""
    f = 0.0
    for first in range(0, len(x), 4):
        f += powell_singular(x[first : first + 4])
    return f


def penalty_1(x):
    """MGH 23: Gill, Murray & Pitfield 1972."""
    square = -0.25
    f = 0.0
    for v in x:
        square += v * v
        f += 1e-5 * (v - 1.0) ** 2
    return f + square**2


def penalty_2(x):
    """MGH 24: Gill, Murray & Pitfield 1972."""
    n = len(x)
    weighted = n * x[0] ** 2 - 1.0
    f = (x[0] - 0.2) ** 2
    for i in range(1, n):
        y = math.exp((i + 1) / 10.0) + math.exp(i / 10.0)
        f += 1e-5 * (math.exp(x[i] / 10.0) + math.exp(x[i - 1] / 10.0) - y) ** 2
        f += 1e-5 * (math.exp(x[i] / 10.0) - math.exp(-0.1)) ** 2
        weighted += (n - i) * x[i] ** 2
    return f + weighted**2


def variably_dimensioned(x):
    """MGH 25: unpublished elsewhere."""
    f = 0
    weighted = 0
    for i, v in enumerate(x):
        f += (v - 1) ** 2
        weighted += (i + 1) * (v - 1)
    return f + weighted**2 + weighted**4


def trigonometric(x):
    """MGH 26: Spedicato 1975."""
    n = len(x)
    cosines = np.empty(n, x.dtype)
    rest = float(n)
    for i in range(n):
        cosines[i] = math.cos(x[i])
        rest = rest - cosines[i]
    f = 0.0
    for i in range(n):
        f += (rest + (i + 1) * (1.0 - cosines[i]) - math.sin(x[i])) ** 2
    return f


def brown_almost_linear(x):
    """MGH 27: Brown 1969."""
    n = len(x)
    total = -(n + 1.0)
    product = 1.0
    for v in x:
        total = total + v
        product = product * v
    f = (product - 1.0) ** 2
    for v in x[:-1]:
        f += (v + total) ** 2
    return f


def discrete_boundary_value(x):
    """MGH 28: Moré & Cosnard 1979."""
    n = len(x)
    h = 1.0 / (n + 1)
    f = 0.0
    for i in range(n):
        r = 2.0 * x[i] + h**2 * (x[i] + (i + 1) * h + 1.0) ** 3 / 2.0
        if i > 0:
            r -= x[i - 1]
        if i < n - 1:
            r -= x[i + 1]
        f += r**2
    return f


def discrete_integral_equation(x):
    """MGH 29: Moré & Cosnard 1979, its two sums kept as running sums."""
    n = len(x)
    h = 1.0 / (n + 1)
    left = np.zeros(n + 1, x.dtype)
    right = np.zeros(n + 1, x.dtype)
    for i in range(n):
        t = (i + 1) * h
        left[i + 1] = left[i] + t * (x[i] + t + 1.0) ** 3
    for i in range(n - 1, -1, -1):
        t = (i + 1) * h
        right[i] = right[i + 1] + (1.0 - t) * (x[i] + t + 1.0) ** 3
    f = 0.0
    for i in range(n):
        t = (i + 1) * h
        f += (x[i] + h * ((1.0 - t) * left[i + 1] + t * right[i + 1]) / 2.0) ** 2
    return f


def broyden_tridiagonal(x):
    """MGH 30: Broyden 1965."""
    n = len(x)
    f = 0.0
    for i in range(n):
        before = x[i - 1] if i > 0 else 0.0
        after = x[i + 1] if i + 1 < n else 0.0
        f += ((3.0 - 2.0 * x[i]) * x[i] - before - 2.0 * after + 1.0) ** 2
    return f


def broyden_banded(x):
    """MGH 31: Broyden 1971, 5 neighbours below and 1 above."""
    n = len(x)
    f = 0.0
    for i in range(n):
        r = x[i] * (2.0 + 5.0 * x[i] ** 2) + 1.0
        for j in range(max(0, i - 5), min(n, i + 2)):
            if j == i:
                continue
            r -= x[j] * (1.0 + x[j])
        f += r * r
    return f


def linear_full_rank(x):
    """MGH 32: unpublished elsewhere, m = 2 n."""
    m = 2 * len(x)
    total = 0.0
    for v in x:
        total += v
    shared = -2.0 * total / m - 1.0
    f = (m - len(x)) * shared**2
    for v in x:
        f += (v + shared) ** 2
    return f


def linear_rank_1(x):
    """MGH 33: unpublished elsewhere, m = n."""
    total = 0.0
    for j in range(len(x)):
        total += (j + 1) * x[j]
    f = 0.0
    for i in range(len(x)):
        f += ((i + 1) * total - 1.0) ** 2
    return f


def linear_rank_1_zeros(x):
    """MGH 34: unpublished elsewhere, m = n, with zero columns and rows."""
    n = len(x)
    total = 0.0
    for j in range(1, n - 1):
        total += (j + 1) * x[j]
    f = 2.0
    for i in range(1, n - 1):
        f += (i * total - 1.0) ** 2
    return f


def chebyquad(x):
    """MGH 35: Fletcher 1965, m = n; shifted Chebyshev polynomials."""
    n = len(x)
    means = np.zeros(n, x.dtype)
    for v in x:
        twice = 2.0 * (2.0 * v - 1.0)
        before, now = 1.0, 2.0 * v - 1.0
        for i in range(n):
            means[i] += now / n
            before, now = now, twice * now - before
    f = 0.0
    for i in range(1, n + 1):
        integral = 0.0 if i % 2 == 1 else -1.0 / (i * i - 1.0)
        f += (means[i - 1] - integral) ** 2
    return f


def levy(x):
    """Levy & Montalvo 1985, SB."""
    n = len(x)
    w = [1.0 + (v - 1.0) / 4.0 for v in x]
    f = math.sin(math.pi * w[0]) ** 2 + (w[n - 1] - 1.0) ** 2 * (1.0 + math.sin(2.0 * math.pi * w[n - 1]) ** 2)
    for i in range(n - 1):
        f += (w[i] - 1.0) ** 2 * (1.0 + 10.0 * math.sin(math.pi * w[i] + 1.0) ** 2)
    return f


def griewank(x):
    """Griewank 1981, JY."""
    bowl, product = 0.0, 1.0
    for i, v in enumerate(x, 1):
        bowl += v**2
        product *= math.cos(v / math.sqrt(i))
    return bowl / 4000 - product + 1


def michalewicz(x):
    """Michalewicz 1992, SB, m = 10."""
    f = 0.0
    i = 0
    while i < len(x):
        i += 1
        v = x[i - 1]
        f -= math.sin(v) * math.sin(i * v * v / math.pi) ** 20
    return f


HARTMANN_WEIGHTS = (1.0, 1.2, 3.0, 3.2)
HARTMANN_3 = (
    ((3.0, 10.0, 30.0), (0.1, 10.0, 35.0), (3.0, 10.0, 30.0), (0.1, 10.0, 35.0)),
    ((0.3689, 0.1170, 0.2673), (0.4699, 0.4387, 0.7470), (0.1091, 0.8732, 0.5547), (0.03815, 0.5743, 0.8828)),
)


def hartmann_3(x):
    """Hartman 1973, Dixon & Szegö 1978, SB; tables in nested tuples."""
    sharpness, centres = HARTMANN_3
    f = 0.0
    for k in range(4):
        r = 0.0
        for j in range(3):
            r += sharpness[k][j] * (x[j] - centres[k][j]) ** 2
        f -= HARTMANN_WEIGHTS[k] * math.exp(-r)
    return f


HARTMANN_6_SHARPNESS = np.array(
    [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ]
)
HARTMANN_6_CENTRES = np.array(
    [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ]
)


def _weighted_square(x, centre, weight):
    s = 0.0
    for j in range(len(x)):
        s += weight[j] * (x[j] - centre[j]) ** 2
    return s


def hartmann_6(x, sharpness, centres):
    """Hartman 1973, Dixon & Szegö 1978, SB."""
    f = 0.0
    for k in range(4):
        f -= HARTMANN_WEIGHTS[k] * math.exp(-_weighted_square(x, centres[k], sharpness[k]))
    return f


SHEKEL_CENTRES = np.array(
    [
        [4.0, 4.0, 4.0, 4.0], [1.0, 1.0, 1.0, 1.0], [8.0, 8.0, 8.0, 8.0], [6.0, 6.0, 6.0, 6.0], [3.0, 7.0, 3.0, 7.0],
        [2.0, 9.0, 2.0, 9.0], [5.0, 5.0, 3.0, 3.0], [8.0, 1.0, 8.0, 1.0], [6.0, 2.0, 6.0, 2.0], [7.0, 3.6, 7.0, 3.6],
    ]
)  # fmt: skip
SHEKEL_WIDTHS = np.array([0.1, 0.2, 0.2, 0.4, 0.4, 0.6, 0.3, 0.7, 0.5, 0.5])


def shekel(x, centres, widths):
    """Shekel 1971, Dixon & Szegö 1978 S10, JY."""

    def well(k):
        s = widths[k]
        for j in range(4):
            s = s + (x[j] - centres[k, j]) ** 2
        return -1.0 / s

    f = 0.0
    for k in range(10):
        f += well(k)
    return f


def branin(x):
    """Branin 1972, SB."""
    a, b, c, r, s, t = 1.0, 5.1 / (4.0 * math.pi**2), 5.0 / math.pi, 6.0, 10.0, 1.0 / (8.0 * math.pi)
    return a * (x[1] - b * x[0] ** 2 + c * x[0] - r) ** 2 + s * (1.0 - t) * math.cos(x[0]) + s


def goldstein_price(x):
    """Goldstein & Price 1971."""
    u, v = x[0], x[1]
    first = 19 - 14 * u + 3 * u**2 - 14 * v + 6 * u * v + 3 * v**2
    second = 18 - 32 * u + 12 * u**2 + 48 * v - 36 * u * v + 27 * v**2
    return (1 + (u + v + 1) ** 2 * first) * (30 + (2 * u - 3 * v) ** 2 * second)


def zakharov(x):
    """Zakharov: JY, SB."""
    squares = weighted = 0.0
    for i in range(len(x)):
        squares += x[i] ** 2
        weighted += 0.5 * (i + 1) * x[i]
    return squares + weighted**2 + weighted**4


def dixon_price(x):
    """Dixon & Price 1989, JY."""
    f = (x[0] - 1.0) ** 2
    for i in range(2, len(x) + 1):
        f += i * (2.0 * x[i - 1] ** 2 - x[i - 2]) ** 2
    return f


def trid(x):
    """Trid: Neumaier, SB."""
    f = 0.0
    for v in x:
        f += (v - 1.0) ** 2
    for a, b in zip(x[1:], x[:-1]):  # noqa: B905 - Numba's zip has no strict
        f -= a * b
    return f


def colville(x):
    """Colville 1968, JY."""
    a, b, c, d = (x[0], x[1], x[2], x[3])
    f = 100 * (a**2 - b) ** 2 + (a - 1) ** 2 + (c - 1) ** 2 + 90 * (c**2 - d) ** 2
    return f + 10.1 * ((b - 1) ** 2 + (d - 1) ** 2) + 19.8 * (b - 1) * (d - 1)


def easom(x):
    """Easom 1990, JY."""
    bump = math.exp(-((x[0] - math.pi) ** 2) - (x[1] - math.pi) ** 2)
    return -math.cos(x[0]) * math.cos(x[1]) * bump


def bohachevsky(x):
    """Bohachevsky, Johnson & Stein 1986, no. 1, JY."""
    f = x[0] ** 2 + 2.0 * x[1] ** 2 + 0.7
    f -= 0.3 * math.cos(3.0 * math.pi * x[0])
    f -= 0.4 * math.cos(4.0 * math.pi * x[1])
    return f


def mccormick(x):
    """McCormick 1976, JY."""
    return math.sin(x[0] + x[1]) + (x[0] - x[1]) ** 2 - 1.5 * x[0] + 2.5 * x[1] + 1.0


def schwefel_1_2(x):
    """Schwefel 1977, no. 1.2, JY."""
    partial = np.empty(len(x), x.dtype)
    partial[0] = x[0]
    for i in range(1, len(x)):
        partial[i] = partial[i - 1] + x[i]
    f = 0.0
    for s in partial:
        f += s * s
    return f


def _norm(x):
    s = 0.0
    for v in x:
        s += v * v
    return math.sqrt(s)


def salomon(x):
    """Salomon 1996, JY; a kink at 0."""
    r = _norm(x)
    return 1.0 - math.cos(2.0 * math.pi * r) + 0.1 * r


def alpine_2(x):
    """Clerc 1999, JY: to be maximised, x > 0."""
    f = 1.0
    for v in x:
        f *= v**0.5 * math.sin(v)
    return f


def alpine_1(x):
    """Rahnamayan, Tizhoosh & Salama 2007, JY; smooth between zeros of the terms."""
    f = 0.0
    for v in x:
        f += abs(v * math.sin(v) + 0.1 * v)
    return f


def egg_crate(x):
    """Egg crate: JY."""
    return x[0] ** 2 + x[1] ** 2 + 25.0 * (math.sin(x[0]) ** 2 + math.sin(x[1]) ** 2)


def schaffer_2(x):
    """Schaffer 1984, no. 2, SB."""
    a, b = x[0] * x[0], x[1] * x[1]
    return 0.5 + (math.sin(a - b) ** 2 - 0.5) / (1.0 + 0.001 * (a + b)) ** 2


def qing(x):
    """Qing 2006, JY."""
    f = 0.0
    for i in range(len(x)):
        f += (x[i] ** 2 - (i + 1)) ** 2
    return f


def _whitley_term(a, b):
    s = 100.0 * (a * a - b) ** 2 + (1.0 - b) ** 2
    return s * s / 4000.0 - math.cos(s) + 1.0


def whitley(x):
    """Whitley et al. 1996, JY."""
    f = 0.0
    for a in x:
        for b in x:
            f += _whitley_term(a, b)
    return f


def powell_sum(x):
    """Rahnamayan et al. 2007, JY, with the even powers 2, 4, 6, ... in place of |x|², |x|³, |x|⁴, ..."""
    f = 0.0
    for i in range(len(x)):
        term = 1.0
        k = 0
        while k <= i:
            term = term * x[i] * x[i]
            k += 1
        f += term
    return f


def rotated_hyper_ellipsoid(x):
    """Rotated hyper-ellipsoid: SB; Molga & Smutnicki 2005."""
    f = 0
    for i in range(len(x)):
        for v in x[: i + 1]:
            f += v * v
    return f


def perm_0(x):
    """Perm 0, d, beta = 10: Neumaier, SB."""
    n = len(x)
    powers = np.ones(n, x.dtype)
    f = 0.0
    for i in range(1, n + 1):
        s = 0.0
        for j in range(n):
            powers[j] *= x[j]
            s += (j + 11.0) * (powers[j] - (1.0 / (j + 1)) ** i)
        f += s**2
    return f


def perm(x):
    """Perm d, beta = 0.5: Neumaier, SB."""
    n = len(x)
    f = 0.0
    for i in range(1, n + 1):
        s = 0.0
        for j in range(1, n + 1):
            s += (j**i + 0.5) * ((x[j - 1] / j) ** i - 1.0)
        f += s**2
    return f


def brent(x):
    """Brent: JY."""
    a, b = x[0], x[1]
    return (a + 10.0) ** 2 + (b + 10.0) ** 2 + math.exp(-a * a - b * b)


def deckkers_aarts(x):
    """Dekkers & Aarts 1991, JY."""
    a, b = x[0] ** 2, x[1] ** 2
    s = a + b
    return 1e5 * a + b - s**2 + 1e-5 * s**4


def exponential(x):
    """Rahnamayan et al. 2007, JY."""
    s = 0.0
    for v in x:
        s += v * v
    return -math.exp(-0.5 * s)


def adjiman(x):
    """Adjiman et al. 1998, JY."""
    return math.cos(x[0]) * math.sin(x[1]) - x[0] / (x[1] ** 2 + 1.0)


def price_4(x):
    """Price 1977, no. 4, JY."""
    return (2.0 * x[0] ** 3 * x[1] - x[1] ** 3) ** 2 + (6.0 * x[0] - x[1] ** 2 + x[1]) ** 2


def parsopoulos(x):
    """Parsopoulos: JY."""
    return math.cos(x[0]) ** 2 + math.sin(x[1]) ** 2


def giunta(x):
    """Mishra 2006, JY."""

    def term(v):
        u = 16.0 / 15.0 * v - 1.0
        s = math.sin(u)
        return s + s * s + math.sin(4.0 * u) / 50.0

    return 0.6 + term(x[0]) + term(x[1])


LANGERMANN = np.array([[3.0, 5.0, 1.0], [5.0, 2.0, 2.0], [2.0, 1.0, 5.0], [1.0, 4.0, 2.0], [7.0, 9.0, 3.0]])


def langermann(x, table):
    """Langermann, Bersini et al. 1996, with the sign of JY and the table of SB."""
    f = 0.0
    for row in table:
        d = (x[0] - row[0]) ** 2 + (x[1] - row[1]) ** 2
        f -= row[2] * math.exp(-d / math.pi) * math.cos(math.pi * d)
    return f


def holzman_2(x):
    """Holzman 2: Al-Roomi 2015, Unconstrained single-objective benchmark functions repository."""
    f = 0.0
    for i, v in enumerate(x):
        f += (i + 1) * v**4
    return f


def brown(x):
    """Brown: JY; powers with variable exponents, x away from 0."""
    f = 0.0
    for i in range(len(x) - 1):
        a, b = x[i] ** 2, x[i + 1] ** 2
        f += math.pow(a, b + 1.0) + math.pow(b, a + 1.0)
    return f


def paviani(x):
    """Paviani, Himmelblau 1972, JY, n = 10, 2 < x < 10."""
    f = 0.0
    product = 1.0
    for v in x:
        f += math.log(v - 2.0) ** 2 + math.log(10.0 - v) ** 2
        product *= v
    return f - product**0.2


def miele_cantrell(x):
    """Miele & Cantrell 1969, JY."""
    return (math.exp(-x[0]) - x[1]) ** 4 + 100 * (x[1] - x[2]) ** 6 + math.tan(x[2] - x[3]) ** 4 + x[0] ** 8


def csendes(x):
    """Csendes & Ratz 1997, JY, x away from 0."""
    f = 0.0
    for v in x:
        f += v**6 * (2.0 + math.sin(1.0 / v))
    return f


def cosine_mixture(x):
    """Breiman & Cutler 1993, to be minimised: sum x² - 0.1 cos(5 pi x)."""
    f = 0.0
    for v in x:
        f += v * v - 0.1 * math.cos(5.0 * math.pi * v)
    return f


def hosaki(x):
    """Bekey & Ung 1974, JY."""
    a = x[0]
    quartic = 1.0 + a * (-8.0 + a * (7.0 + a * (-7.0 / 3.0 + a / 4.0)))
    return quartic * x[1] ** 2 * math.exp(-x[1])


def keane(x):
    """Keane: JY, to be maximised."""
    return math.sin(x[0] - x[1]) ** 2 * math.sin(x[0] + x[1]) ** 2 / math.hypot(x[0], x[1])


def wayburn_seader_1(x):
    """Wayburn & Seader 1987, no. 1, JY."""
    return (x[0] ** 6 + x[1] ** 4 - 17.0) ** 2 + (2.0 * x[0] + x[1] - 4.0) ** 2


def cube(x):
    """Leon 1966, JY: Rosenbrock's valley along a cubic."""
    return 100.0 * (x[1] - x[0] ** 3) ** 2 + (1.0 - x[0]) ** 2


def zettl(x):
    """Schwefel 1995, JY."""
    return (x[0] ** 2 + x[1] ** 2 - 2.0 * x[0]) ** 2 + 0.25 * x[0]


def three_hump_camel(x):
    """Branin 1972, JY."""
    u = x[0] * x[0]
    return 2.0 * u - 1.05 * u**2 + u**3 / 6.0 + x[0] * x[1] + x[1] * x[1]


def trefethen(x):
    """Trefethen 2002, The SIAM 100-digit challenge, problem 4."""
    a, b = x[0], x[1]
    waves = math.exp(math.sin(50 * a)) + math.sin(60 * math.exp(b)) + math.sin(70 * math.sin(a))
    return waves + math.sin(math.sin(80 * b)) - math.sin(10 * (a + b)) + (a * a + b * b) / 4


def bird(x):
    """Mishra 2006, JY."""
    s, c = math.sin(x[0]), math.cos(x[1])
    f = s * math.exp((1.0 - c) ** 2) + math.cos(x[1]) * math.exp((1.0 - s) ** 2)
    return f + (x[0] - x[1]) ** 2


def wavy(x):
    """W / Wavy: Courrieu 1997, JY, k = 10."""
    mean = 0.0
    for v in x:
        mean += math.cos(10.0 * v) * math.exp(-v * v / 2.0) / len(x)
    return 1.0 - mean


def drop_wave(x):
    """Drop-wave: SB; Molga & Smutnicki 2005."""
    r = math.hypot(x[0], x[1])
    return -(1.0 + math.cos(12.0 * r)) / (0.5 * r * r + 2.0)


def el_attar(x):
    """El-Attar, Vidyasagar & Dutta 1979, JY."""
    a, b = x[0], x[1]
    terms = (a**2 + b - 10.0, a + b**2 - 7.0, a**2 + b**3 - 1.0)
    f = 0.0
    for t in terms:
        f += t**2
    return f


def devilliers_glasser_1(x):
    """De Villiers & Glasser 1981, no. 1, JY, m = 24."""
    f = 0.0
    for i in range(24):
        t = 0.1 * i
        y = 60.137 * 1.371**t * math.sin(3.112 * t + 1.761)
        f += (x[0] * math.exp(t * math.log(x[1])) * math.sin(x[2] * t + x[3]) - y) ** 2
    return f


def devilliers_glasser_2(x):
    """De Villiers & Glasser 1981, no. 2, JY, m = 16."""
    f = 0.0
    for i in range(16):
        t = 0.1 * i
        y = 53.81 * 1.27**t * math.tanh(3.012 * t + math.sin(2.13 * t)) * math.cos(math.exp(0.507) * t)
        model = x[0] * x[1] ** t * math.tanh(x[2] * t + math.sin(x[3] * t)) * math.cos(t * math.exp(x[4]))
        f += (model - y) ** 2
    return f


COLA = np.array(
    [
        1.27,
        1.69, 1.43,
        2.04, 2.35, 2.43,
        3.09, 3.18, 3.26, 2.85,
        3.20, 3.22, 3.27, 2.88, 1.55,
        2.86, 2.56, 2.58, 2.59, 3.12, 3.06,
        3.17, 3.18, 3.18, 3.12, 1.31, 1.64, 3.00,
        3.21, 3.18, 3.18, 3.17, 1.70, 1.36, 2.95, 1.32,
        2.38, 2.31, 2.42, 1.94, 2.85, 2.81, 2.56, 2.91, 2.97,
    ]
)  # fmt: skip


def cola(x, distances):
    """Cola: Mathar & Žilinskas 1994, JY: 10 points in the plane, the first at the origin, the second on an axis."""
    place = np.zeros((10, 2), x.dtype)
    place[1, 0] = x[0]
    for i in range(2, 10):
        place[i, 0], place[i, 1] = x[2 * i - 3], x[2 * i - 2]
    f = 0.0
    k = 0
    for i in range(1, 10):
        for j in range(i):
            r = math.hypot(place[i, 0] - place[j, 0], place[i, 1] - place[j, 1])
            f += (r - distances[k]) ** 2
            k += 1
    return f


def thomson(x):
    """Thomson 1904, electrons on a sphere, in spherical coordinates: COPS 3.0, Dolan, Moré & Munson 2004."""
    n = len(x) // 2
    place = np.empty((n, 3), x.dtype)
    for i in range(n):
        place[i, 0] = math.sin(x[i]) * math.cos(x[n + i])
        place[i, 1] = math.sin(x[i]) * math.sin(x[n + i])
        place[i, 2] = math.cos(x[i])
    f = 0.0
    for i in range(n):
        for j in range(i):
            f += 1.0 / _distance(place[i], place[j])
    return f


def _distance(p, q):
    return math.sqrt((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 + (p[2] - q[2]) ** 2)


def lennard_jones(x):
    """Jones 1924: sum over pairs of 4 (r⁻¹² - r⁻⁶)."""
    f = 0.0
    for i in range(0, len(x), 3):
        for j in range(0, i, 3):
            s = _distance(x[i : i + 3], x[j : j + 3]) ** -6
            f += 4.0 * (s * s - s)
    return f


def morse(x, rho=6.0):
    """Morse 1929, clusters: Doye & Wales 1997, rho = 6."""
    f = 0.0
    atoms = len(x) // 3
    for i in range(atoms - 1):
        for j in range(i + 1, atoms):
            e = math.exp(rho * (1.0 - _distance(x[3 * i : 3 * i + 3], x[3 * j : 3 * j + 3])))
            f += e * (e - 2.0)
    return f


def _bond(r):
    if r >= 1.8:
        return 0.0
    return 7.049556277 * (0.6022245584 * r**-4 - 1.0) * math.exp(1.0 / (r - 1.8))


def stillinger_weber(x):
    """Stillinger & Weber 1985, silicon: two- and three-body terms, cut off at 1.8."""
    atoms = len(x) // 3
    f = 0.0
    for i in range(atoms):
        p = x[3 * i : 3 * i + 3]
        for j in range(atoms):
            q = x[3 * j : 3 * j + 3]
            if j == i:
                continue
            a = _distance(p, q)
            f += 0.5 * _bond(a)
            for k in range(j):
                r = x[3 * k : 3 * k + 3]
                if k == i:
                    continue
                b = _distance(p, r)
                if a < 1.8 and b < 1.8:
                    dot = 0.0
                    for c in range(3):
                        dot += (q[c] - p[c]) * (r[c] - p[c])
                    cut = math.exp(1.2 / (a - 1.8) + 1.2 / (b - 1.8))
                    f += 21.0 * cut * (dot / (a * b) + 1.0 / 3.0) ** 2
    return f


def henon_heiles(x):
    """Hénon & Heiles 1964: the potential."""
    return 0.5 * (x[0] ** 2 + x[1] ** 2) + x[0] ** 2 * x[1] - x[1] ** 3 / 3.0


def toda(x):
    """Toda 1967: a ring of exponential springs."""
    f = 0.0
    for i in range(len(x)):
        r = x[i] - x[i - 1]
        f += math.expm1(-r) + r
    return f


def troesch(x):
    """Troesch 1976, u'' = 10 sinh(10 u), u(0) = 0, u(1) = 1: squared residuals of its differences."""
    n = len(x)
    h = 1.0 / (n + 1)
    f = 0.0
    for i in range(n):
        before = x[i - 1] if i > 0 else 0.0
        after = 1.0 if i == n - 1 else x[i + 1]
        f += (2.0 * x[i] - before - after + 10.0 * h * h * math.sinh(10.0 * x[i])) ** 2
    return f


WEBER = np.array([[0.0, 0.0, 1.0], [4.0, 0.0, 2.0], [0.0, 3.0, 1.0], [5.0, 4.0, 1.5], [-2.0, 1.0, 0.5]])


def weber(x, sites):
    """Fermat's and Weber's problem, Weiszfeld 1937: weighted distances to sites."""
    f = 0.0
    for s in range(sites.shape[0]):
        f += sites[s, 2] * math.hypot(x[0] - sites[s, 0], x[1] - sites[s, 1])
    return f


def lanczos(x, scale):
    """StRD Lanczos1, Lanczos 1956: the data are the model."""
    f = 0.0
    k = 0
    while k < 24:
        t = 0.05 * k
        y = 0.0951 * math.exp(-t) + 0.8607 * math.exp(-3.0 * t) + 1.5576 * math.exp(-5.0 * t)
        for j in range(0, 6, 2):
            y = y - scale[j] * x[j] * math.exp(-scale[j + 1] * x[j + 1] * t)
        f += y**2
        k += 1
    return f


LANCZOS_SCALE = np.array([0.0951, 1.0, 0.8607, 3.0, 1.5576, 5.0])

MISRA = np.array(
    [
        (77.6, 10.07), (114.9, 14.73), (141.1, 17.94), (190.8, 23.93), (239.9, 29.61), (289.0, 35.18), (332.8, 40.02),
        (378.4, 44.82), (434.8, 50.76), (477.3, 55.05), (536.8, 61.01), (593.1, 66.40), (689.1, 75.47), (760.0, 81.78),
    ]
)  # fmt: skip
MISRA_SCALE = np.array([2.3894212918e02, 5.5015643181e-04])


def misra_1a(x, data, scale):
    """StRD Misra1a, Misra 1978."""
    f = 0.0
    for row in data:
        f += (row[1] + scale[0] * x[0] * math.expm1(-scale[1] * x[1] * row[0])) ** 2
    return f


BOX_BOD = np.array([(1.0, 109.0), (2.0, 149.0), (3.0, 149.0), (5.0, 191.0), (7.0, 213.0), (10.0, 224.0)])
BOX_BOD_SCALE = np.array([2.1380940889e02, 5.4723748542e-01])


def box_bod(x, data, scale):
    """StRD BoxBOD, Box, Hunter & Hunter 1978."""
    f = 0.0
    for i in range(len(data)):
        t, y = data[i, 0], data[i, 1]
        f += (y - scale[0] * x[0] * (1.0 - math.exp(-scale[1] * x[1] * t))) ** 2
    return f


DAN_WOOD = np.array([(1.309, 2.138), (1.471, 3.421), (1.490, 3.597), (1.565, 4.340), (1.611, 4.882), (1.680, 5.660)])
DAN_WOOD_SCALE = np.array([7.6886226176e-01, 3.8604055871e00])


def dan_wood(x, data, scale):
    """StRD DanWood, Daniel & Wood 1980: a power with a variable exponent."""
    f = 0.0
    for row in data:
        f += (row[1] - scale[0] * x[0] * row[0] ** (scale[1] * x[1])) ** 2
    return f


RAT_42 = np.array(
    [
        (9.0, 8.930), (14.0, 10.800), (21.0, 18.590), (28.0, 22.330), (42.0, 39.350), (57.0, 56.110), (63.0, 61.730),
        (70.0, 64.620), (79.0, 67.080),
    ]
)  # fmt: skip
RAT_42_SCALE = np.array([7.2462237576e01, 2.6180768402e00, 6.7359200066e-02])


def rat_42(x, data, scale):
    """StRD Rat42, Ratkowsky 1983: logistic growth."""
    f = 0.0
    for row in data:
        f += (row[1] - scale[0] * x[0] / (1.0 + math.exp(scale[1] * x[1] - scale[2] * x[2] * row[0]))) ** 2
    return f


RAT_43 = np.array(
    [
        16.08, 33.83, 65.80, 97.20, 191.55, 326.20, 386.87, 520.53, 590.03, 651.92, 724.93, 699.56, 689.96, 637.56,
        717.41,
    ]
)  # fmt: skip
RAT_43_SCALE = np.array([6.9964151270e02, 5.2771253025e00, 7.5962938329e-01, 1.2792483859e00])


def rat_43(x, y, scale):
    """StRD Rat43, Ratkowsky 1983: Richards growth."""
    b = [s * v for s, v in zip(scale, x)]  # noqa: B905 - Numba's zip has no strict
    f = 0.0
    for i in range(len(y)):
        f += (y[i] - b[0] / (1.0 + math.exp(b[1] - b[2] * (i + 1))) ** (1.0 / b[3])) ** 2
    return f


THURBER = np.array(
    [
        (-3.067, 80.574), (-2.981, 84.248), (-2.921, 87.264), (-2.912, 87.195), (-2.840, 89.076), (-2.797, 89.608),
        (-2.702, 89.868), (-2.699, 90.101), (-2.633, 92.405), (-2.481, 95.854), (-2.363, 100.696), (-2.322, 101.060),
        (-1.501, 401.672), (-1.460, 390.724), (-1.274, 567.534), (-1.212, 635.316), (-1.100, 733.054),
        (-1.046, 759.087), (-0.915, 894.206), (-0.714, 990.785), (-0.566, 1090.109), (-0.545, 1080.914),
        (-0.400, 1122.643), (-0.309, 1178.351), (-0.109, 1260.531), (-0.103, 1273.514), (0.010, 1288.339),
        (0.119, 1327.543), (0.377, 1353.863), (0.790, 1414.509), (0.963, 1425.208), (1.006, 1421.384),
        (1.115, 1442.962), (1.572, 1464.350), (1.841, 1468.705), (2.047, 1447.894), (2.200, 1457.628),
    ]
)  # fmt: skip
THURBER_SCALE = np.array(
    [
        1.2881396800e03, 1.4910792535e03, 5.8323836877e02, 7.5416644291e01, 9.6629502864e-01, 3.9797285797e-01,
        4.9727297349e-02,
    ]
)  # fmt: skip


def _cubic(b, t):
    return b[0] + t * (b[1] + t * (b[2] + t * b[3]))


def thurber(x, data, scale):
    """StRD Thurber: a cubic over a cubic."""
    b = np.empty(7, x.dtype)
    for j in range(7):
        b[j] = scale[j] * x[j]
    f = 0.0
    for row in data:
        t = row[0]
        f += (row[1] - _cubic(b[:4], t) / (1.0 + t * (b[4] + t * (b[5] + t * b[6])))) ** 2
    return f


HAHN_SCALE = np.array(
    [
        1.0776351733e00, -1.2269296921e-01, 4.0863750610e-03, -1.4262662514e-06, -5.7609940901e-03, 2.4053735503e-04,
        -1.2314450199e-07,
    ]
)  # fmt: skip


def _hahn(b, t):
    top = b[0] + b[1] * t + b[2] * t**2 + b[3] * t**3
    bottom = 1.0 + b[4] * t + b[5] * t**2 + b[6] * t**3
    return top / bottom


def hahn(x, scale):
    """The model of StRD Hahn1, against the certified curve and a ripple at 24 temperatures."""
    b = [scale[j] * x[j] for j in range(7)]
    f = 0.0
    for k in range(24):
        t = 20.0 + 35.0 * k
        f += (_hahn(b, t) - _hahn(scale, t) - 0.1 * math.sin(3.0 * k)) ** 2
    return f


GAUSS_SCALE = np.array(
    [
        9.8778210871e01, 1.0497276517e-02, 1.0048990633e02, 6.7481111276e01, 2.3129773360e01, 7.1994503004e01,
        1.7899805021e02, 1.8389389025e01,
    ]
)  # fmt: skip


def _gauss(b, t):
    decay = b[0] * math.exp(-b[1] * t)
    return decay + b[2] * math.exp(-(((t - b[3]) / b[4]) ** 2)) + b[5] * math.exp(-(((t - b[6]) / b[7]) ** 2))


def gauss(x, scale):
    """The model of StRD Gauss1, Rust 1996, against the certified curve and a ripple at 25 places."""
    b = [v * s for v, s in zip(x, scale)]  # noqa: B905 - Numba's zip has no strict
    f = 0.0
    for k in range(25):
        t = 10.0 * (k + 1)
        f += (_gauss(b, t) - _gauss(scale, t) - 2.5 * math.cos(2.0 * k)) ** 2
    return f


FAITHFUL = np.array(
    [
        3.600, 1.800, 3.333, 2.283, 4.533, 2.883, 4.700, 3.600, 1.950, 4.350, 1.833, 3.917, 4.200, 1.750, 4.700, 2.167,
        1.750, 4.800, 1.600, 4.250, 1.800, 1.750, 3.450, 3.067,
    ]
)  # fmt: skip


def gaussian_mixture(x, y):
    """Pearson 1894, of two components; eruptions of Old Faithful, Azzalini & Bowman 1990, the first 24.

    x: logit of the weight, means, logarithms of the deviations.
    """
    weight = 1.0 / (1.0 + math.exp(-x[0]))
    f = 0.0
    for v in y:
        a = math.exp(-0.5 * ((v - x[1]) / math.exp(x[3])) ** 2 - x[3])
        b = math.exp(-0.5 * ((v - x[2]) / math.exp(x[4])) ** 2 - x[4])
        f -= math.log((weight * a + (1.0 - weight) * b) / math.sqrt(2.0 * math.pi))
    return f


O_RINGS = np.array(
    [
        (66, 0), (70, 1), (69, 0), (68, 0), (67, 0), (72, 0), (73, 0), (70, 0), (57, 1), (63, 1), (70, 1), (78, 0),
        (67, 0), (53, 1), (67, 0), (75, 0), (70, 0), (81, 0), (76, 0), (79, 0), (75, 1), (76, 0), (58, 1),
    ]
)  # fmt: skip


def _softplus(t):
    if t > 0.0:
        return t + math.log1p(math.exp(-t))
    return math.log1p(math.exp(t))


def o_ring_logit(x, data):
    """Logistic regression of O-ring failures, Dalal, Fowlkes & Hoadley 1989: a table of integers, slope per 10 °F."""
    f = 0.0
    for i in range(len(data)):
        score = x[0] + x[1] * data[i, 0] / 10.0
        f += _softplus(score)
        if data[i, 1] == 1:
            f -= score
    return f


BEETLES = np.array(
    [
        (1.6907, 59.0, 6.0), (1.7242, 60.0, 13.0), (1.7552, 62.0, 18.0), (1.7842, 56.0, 28.0), (1.8113, 63.0, 52.0),
        (1.8369, 59.0, 53.0), (1.8610, 62.0, 61.0), (1.8839, 60.0, 60.0),
    ]
)  # fmt: skip


def probit(x, data):
    """Probit regression of beetles, Bliss 1935, on dose - 1.8 in tenths."""
    f = 0.0
    for row in data:
        p = 0.5 * (1.0 + math.erf((x[0] + x[1] * 10.0 * (row[0] - 1.8)) / math.sqrt(2.0)))
        f -= row[2] * math.log(p) + (row[1] - row[2]) * math.log(1.0 - p)
    return f


BALL_BEARINGS = np.array(
    [
        17.88, 28.92, 33.00, 41.52, 42.12, 45.60, 48.40, 51.84, 51.96, 54.12, 55.56, 67.80, 68.64, 68.64, 68.88, 84.12,
        93.12, 98.64, 105.12, 105.84, 127.92, 128.04, 173.40,
    ]
)  # fmt: skip


def weibull(x, y):
    """Weibull 1951: -log likelihood of (shape, scale) for ball bearings, Lieblein & Zelen 1956."""
    shape, scale = x[0], x[1]
    f = 0.0
    for t in y:
        z = math.log(t / scale)
        f += math.exp(shape * z) - (shape - 1.0) * z - math.log(shape / scale)
    return f


def gamma_likelihood(x, y):
    """Gamma distribution: -log likelihood of (shape, log of scale) for ball bearings, Lawless 1982."""
    f = 0.0
    for t in y:
        f += math.lgamma(x[0]) + x[0] * x[1] - (x[0] - 1.0) * math.log(t) + t * math.exp(-x[1])
    return f


STACK_LOSS = np.array(
    [
        (80, 27, 89, 42), (80, 27, 88, 37), (75, 25, 90, 37), (62, 24, 87, 28), (62, 22, 87, 18), (62, 23, 87, 18),
        (62, 24, 93, 19), (62, 24, 93, 20), (58, 23, 87, 15), (58, 18, 80, 14), (58, 18, 89, 14), (58, 17, 88, 13),
        (58, 18, 82, 11), (58, 19, 93, 12), (50, 18, 89, 8), (50, 18, 86, 7), (50, 19, 72, 8), (50, 19, 79, 8),
        (50, 20, 80, 9), (56, 20, 82, 15), (70, 20, 91, 15.0),
    ]
)  # fmt: skip


def log_cosh(x, data):
    """Green's log cosh loss, 1990, on stack losses, Brownlee 1965; coefficients per 10 units."""
    f = 0.0
    for row in data:
        model = x[0]
        for j in range(3):
            model += x[j + 1] * (row[j] / 10.0)
        f += math.log(math.cosh((model - row[3]) / 3.0))
    return f


def _points(name, lower, upper, n, number=4):
    return np.random.default_rng(zlib.crc32(name.encode())).uniform(lower, upper, (number, n))


def _case(fun, lower, upper, tags="", n=None, args=(), prefix=""):
    """A problem at 4 points in a box; its name tells n where the function leaves it open."""
    name = f"{prefix}{fun.__name__}" + ("" if n is None else f" {n}")
    n = n or len(lower)
    points = _points(name, lower, upper, n)
    points.setflags(write=False)
    found = {"published", *tags.split()}
    if n == 2:
        found.add("plane")
    if args:
        found.add("data")
    return Problem(name, fun, args, n, points, frozenset(found))


def _mgh(number, fun, lower, upper, tags="", n=None, args=()):
    return _case(fun, lower, upper, "mgh " + tags, n, args, f"mgh{number:02d} ")


def _around(centre, spread):
    """A box of half widths `spread` (absolute: one, or one per coordinate)."""
    centre, spread = np.asarray(centre, float), np.asarray(spread, float)
    return tuple(centre - spread), tuple(centre + spread)


OSBORNE_2_MINIMUM = (1.31, 0.4315, 0.6336, 0.5993, 0.7539, 0.9056, 1.3651, 4.8248, 2.3988, 4.5689, 5.6754)
TETRAHEDRON = np.array([1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, 1.0, -1.0, -1.0, -1.0, 1.0]) / 8**0.5  # of side 1
BONDED = np.concatenate([np.zeros(3), 2 ** (1 / 6) * (8 / 3) ** 0.5 * TETRAHEDRON])  # an atom and 4 neighbours
TRIANGLE = 2 ** (1 / 6) * np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.5, 0.75**0.5, 0.0])
COLA_MINIMUM = (
    0.651906, 1.30194, 0.099242, -0.883791, -0.8796, 0.204651, -3.28414, 0.851188, -3.46245, 2.53245, -0.895246,
    1.40992, -3.07367, 1.96257, -2.97872, -0.807849, -1.68978,
)  # fmt: skip

PUBLISHED = [
    _mgh(1, rosenbrock, (-1.5, -1.5), (1.5, 1.5), "polynomial"),
    _mgh(2, freudenstein_roth, (-2.0, -3.0), (8.0, 5.0), "polynomial"),
    _mgh(3, powell_badly_scaled, (-1.0, -1.0), (2.0, 2.0), "transcendental"),
    _mgh(4, brown_badly_scaled, (0.8e6, 1e-6), (1.2e6, 3e-6), "polynomial"),
    _mgh(5, beale, (-2.0, -2.0), (4.0, 2.0), "polynomial"),
    _mgh(6, jennrich_sampson, (-0.3, -0.3), (0.4, 0.4), "transcendental"),
    _mgh(7, helical_valley, (-1.5, -1.0, -1.0), (-0.4, 1.0, 1.0), "transcendental"),
    _mgh(8, bard, (0.05, 0.8, 1.0), (1.0, 2.0, 3.0), args=(BARD,)),
    _mgh(9, gaussian, (0.2, 0.5, -0.3), (0.6, 1.5, 0.3), "transcendental"),
    _mgh(10, meyer, (0.005, 6100.0, 342.0), (0.02, 6250.0, 348.0), "transcendental", args=(MEYER,)),
    _mgh(11, gulf, (20.0, 5.0, 0.5), (60.0, 23.0, 1.5), "transcendental"),
    _mgh(12, box_3d, (0.5, 5.0, -1.0), (2.0, 12.0, 2.0), "transcendental"),
    _mgh(13, powell_singular, (-3.0,) * 4, (3.0,) * 4, "polynomial"),
    _mgh(14, wood, (-3.0,) * 4, (2.0,) * 4, "polynomial"),
    _mgh(15, kowalik_osborne, (0.15, 0.1, 0.1, 0.1), (0.3, 0.5, 0.5, 0.5), args=(KOWALIK_OSBORNE,)),
    _mgh(16, brown_dennis, (-25.0, -5.0, -5.0, -1.0), (25.0, 20.0, 5.0, 1.0)),
    _mgh(
        17, osborne_1, (0.3, 1.0, -2.0, 0.01, 0.02), (0.6, 2.0, -1.0, 0.02, 0.03), "transcendental", args=(OSBORNE_1,)
    ),
    _mgh(18, biggs_exp6, (0.5, 5.0, 0.5, 3.0, 2.0, 1.0), (2.0, 12.0, 2.0, 6.0, 5.0, 4.0), "transcendental"),
    _mgh(19, osborne_2, *_around(OSBORNE_2_MINIMUM, 0.2), "transcendental", args=(OSBORNE_2,)),
    _mgh(20, watson, -1.0, 1.0, "polynomial", n=6),
    _mgh(21, extended_rosenbrock, -1.5, 1.5, "polynomial", n=8),
    _mgh(22, extended_powell_singular, -3.0, 3.0, "polynomial", n=8),
    _mgh(23, penalty_1, -1.0, 2.0, "polynomial", n=4),
    _mgh(24, penalty_2, -1.0, 1.0, "transcendental", n=6),
    _mgh(25, variably_dimensioned, 0.0, 2.0, "polynomial", n=6),
    _mgh(26, trigonometric, -1.0, 1.0, "transcendental", n=8),
    _mgh(27, brown_almost_linear, 0.3, 1.5, "polynomial", n=7),
    _mgh(28, discrete_boundary_value, -1.0, 1.0, "polynomial", n=10),
    _mgh(29, discrete_integral_equation, -1.0, 1.0, "polynomial", n=10),
    _mgh(30, broyden_tridiagonal, -2.0, 1.0, "polynomial", n=12),
    _mgh(31, broyden_banded, -1.0, 1.0, "polynomial", n=9),
    _mgh(32, linear_full_rank, -2.0, 2.0, "polynomial separable", n=5),
    _mgh(33, linear_rank_1, -1.0, 1.0, "polynomial", n=5),
    _mgh(34, linear_rank_1_zeros, -1.0, 1.0, "polynomial", n=6),
    _mgh(35, chebyquad, 0.05, 0.95, "polynomial", n=8),
    _case(levy, -4.0, 4.0, "transcendental separable", n=6),
    _case(griewank, -8.0, 8.0, "transcendental", n=6),
    _case(michalewicz, 0.5, 2.5, "transcendental separable", n=5),
    _case(hartmann_3, (0.0,) * 3, (1.0,) * 3, "transcendental"),
    _case(hartmann_6, (0.0,) * 6, (1.0,) * 6, "transcendental", args=(HARTMANN_6_SHARPNESS, HARTMANN_6_CENTRES)),
    _case(shekel, (2.0,) * 4, (8.0,) * 4, args=(SHEKEL_CENTRES, SHEKEL_WIDTHS)),
    _case(branin, (-5.0, 0.0), (10.0, 15.0), "transcendental"),
    _case(goldstein_price, (-1.5, -1.5), (1.5, 1.5), "polynomial"),
    _case(zakharov, -2.0, 3.0, "polynomial", n=6),
    _case(dixon_price, -2.0, 2.0, "polynomial", n=6),
    _case(trid, -20.0, 20.0, "polynomial", n=8),
    _case(colville, (-2.0,) * 4, (2.0,) * 4, "polynomial"),
    _case(easom, *_around((math.pi, math.pi), 1.2), "transcendental"),
    _case(bohachevsky, (-2.0, -2.0), (2.0, 2.0), "transcendental separable"),
    _case(mccormick, (-1.5, -3.0), (4.0, 3.0), "transcendental"),
    _case(schwefel_1_2, -5.0, 5.0, "polynomial", n=10),
    _case(salomon, 0.3, 1.5, "transcendental", n=5),
    _case(alpine_2, 1.0, 6.0, "transcendental", n=4),
    _case(alpine_1, 3.6, 5.8, "transcendental separable", n=6),
    _case(egg_crate, (-4.0, -4.0), (4.0, 4.0), "transcendental separable"),
    _case(schaffer_2, (-3.0, -3.0), (3.0, 3.0), "transcendental"),
    _case(qing, -3.0, 3.0, "polynomial separable", n=5),
    _case(whitley, 0.8, 1.2, "transcendental", n=4),
    _case(powell_sum, -1.5, 1.5, "polynomial separable", n=6),
    _case(rotated_hyper_ellipsoid, -5.0, 5.0, "polynomial separable", n=20),
    _case(perm_0, -1.0, 1.0, "polynomial", n=4),
    _case(perm, 0.0, 3.0, "polynomial", n=4),
    _case(brent, (-1.5, -1.5), (1.5, 1.5), "transcendental"),
    _case(deckkers_aarts, (-5.0, -18.0), (5.0, 18.0), "polynomial"),
    _case(exponential, -1.0, 1.0, "transcendental", n=10),
    _case(adjiman, (-1.0, -1.0), (2.0, 1.0), "transcendental"),
    _case(price_4, (-2.0, -2.0), (2.0, 2.0), "polynomial"),
    _case(parsopoulos, (-4.0, -4.0), (4.0, 4.0), "transcendental separable"),
    _case(giunta, (-1.0, -1.0), (1.0, 1.0), "transcendental separable"),
    _case(langermann, (1.0, 1.0), (6.0, 6.0), "transcendental", args=(LANGERMANN,)),
    _case(holzman_2, -3.0, 3.0, "polynomial separable", n=6),
    _case(brown, (0.4, -1.4, 0.4, -1.4), (1.4, -0.4, 1.4, -0.4), "transcendental"),
    _case(paviani, (3.0,) * 10, (9.0,) * 10, "transcendental"),
    _case(miele_cantrell, (-1.0, 0.0, 0.5, 0.5), (1.0, 2.0, 1.2, 1.2), "transcendental"),
    _case(csendes, 0.3, 1.5, "transcendental separable", n=4),
    _case(cosine_mixture, -1.0, 1.0, "transcendental separable", n=4),
    _case(hosaki, (0.5, 0.5), (5.0, 5.0), "transcendental"),
    _case(keane, (0.3, 0.3), (3.0, 3.0), "transcendental"),
    _case(wayburn_seader_1, (-2.0, -2.0), (2.0, 2.0), "polynomial"),
    _case(cube, (-1.5, -1.5), (1.5, 1.5), "polynomial"),
    _case(zettl, (-2.0, -2.0), (3.0, 2.0), "polynomial"),
    _case(three_hump_camel, (-2.0, -2.0), (2.0, 2.0), "polynomial"),
    _case(trefethen, (-0.5, -0.5), (0.5, 0.5), "transcendental"),
    _case(bird, (-5.0, -5.0), (5.0, 5.0), "transcendental"),
    _case(wavy, -2.0, 2.0, "transcendental separable", n=5),
    _case(drop_wave, (0.2, 0.2), (2.0, 2.0), "transcendental"),
    _case(el_attar, (-4.0, -4.0), (4.0, 4.0), "polynomial"),
    _case(devilliers_glasser_1, (40.0, 1.1, 2.0, 1.0), (80.0, 1.6, 4.0, 2.5), "transcendental"),
    _case(devilliers_glasser_2, (40.0, 1.1, 2.0, 1.5, 0.2), (60.0, 1.5, 4.0, 3.0, 0.8), "transcendental"),
    _case(cola, *_around(COLA_MINIMUM, 0.3), args=(COLA,)),
    _case(thomson, (0.7, 0.7, 0.7, 2.0, 0.0, 2.0, 4.0, 1.0), (1.3, 1.3, 1.3, 2.8, 0.5, 2.5, 4.5, 4.0), "zero-modes"),
    _case(lennard_jones, *_around(TRIANGLE, 0.08), "zero-modes", n=9),
    _case(morse, *_around(TETRAHEDRON, 0.1), "transcendental zero-modes", n=12),
    _case(stillinger_weber, *_around(BONDED, 0.06), "transcendental zero-modes", n=15),
    _case(henon_heiles, (-1.0, -1.0), (1.0, 1.0), "polynomial"),
    _case(toda, -1.0, 1.0, "transcendental zero-modes", n=6),
    _case(troesch, 0.0, 0.5, "transcendental", n=8),
    _case(weber, (0.5, 0.5), (3.5, 2.5), args=(WEBER,)),
    _case(lanczos, (0.5,) * 6, (1.5,) * 6, "transcendental", args=(LANCZOS_SCALE,)),
    _case(misra_1a, (0.7, 0.7), (1.3, 1.3), "transcendental", args=(MISRA, MISRA_SCALE)),
    _case(box_bod, (0.7, 0.7), (1.3, 1.3), "transcendental", args=(BOX_BOD, BOX_BOD_SCALE)),
    _case(dan_wood, (0.7, 0.7), (1.3, 1.3), "transcendental", args=(DAN_WOOD, DAN_WOOD_SCALE)),
    _case(rat_42, (0.7,) * 3, (1.3,) * 3, "transcendental", args=(RAT_42, RAT_42_SCALE)),
    _case(rat_43, (0.7,) * 4, (1.3,) * 4, "transcendental", args=(RAT_43, RAT_43_SCALE)),
    _case(thurber, (0.99,) * 7, (1.01,) * 7, args=(THURBER, THURBER_SCALE)),
    _case(hahn, (0.98,) * 7, (1.02,) * 7, args=(HAHN_SCALE,)),
    _case(gauss, (0.9,) * 8, (1.1,) * 8, "transcendental", args=(GAUSS_SCALE,)),
    _case(
        gaussian_mixture, (-1.0, 1.5, 3.7, -1.5, -1.0), (1.0, 2.3, 4.7, -0.3, 0.0), "transcendental", args=(FAITHFUL,)
    ),
    _case(o_ring_logit, (12.0, -2.8), (18.0, -1.8), "transcendental", args=(O_RINGS,)),
    _case(probit, (0.2, 1.0), (1.0, 2.2), "transcendental", args=(BEETLES,)),
    _case(weibull, (1.5, 60.0), (3.0, 110.0), "transcendental", args=(BALL_BEARINGS,)),
    _case(gamma_likelihood, (2.0, 2.0), (6.0, 3.5), "transcendental", args=(BALL_BEARINGS,)),
    _case(log_cosh, (-45.0, 6.0, 11.0, -2.5), (-35.0, 8.5, 15.0, -0.5), "transcendental", args=(STACK_LOSS,)),
]


def published(name: str) -> Problem:
    """The published problem of this name."""
    return next(p for p in PUBLISHED if p.name == name)
