"""The cases as array expressions, for libraries that differentiate those: NumPy, JAX and torch alike.

`xp` is the library's module. Coordinates lie along the first axis; further axes, if any, are points: SciPy has them.
Those of MORE_CASES take one point: JAX maps them over more.
"""

import math
from typing import Any

import numpy as np


def _rows(values: Any, like: Any) -> Any:
    """Values per row, shaped to broadcast against `like`, whose first axis is rows."""
    return values.reshape((-1,) + (1,) * (like.ndim - 1))


def _count(xp: Any, x: Any) -> Any:
    """1, 2, ... for each coordinate, in the type of x and where x lives."""
    return xp.cumsum(xp.ones_like(x), 0)


def rosenbrock(xp: Any, x: Any) -> Any:
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum(0)


def mueller_brown(xp: Any, x: Any) -> Any:
    p, q = x[0], x[1]
    s = -200.0 * xp.exp(-1.0 * (p - 1.0) ** 2 - 10.0 * q**2)
    s = s - 100.0 * xp.exp(-1.0 * p**2 - 10.0 * (q - 0.5) ** 2)
    s = s - 170.0 * xp.exp(-6.5 * (p + 0.5) ** 2 + 11.0 * (p + 0.5) * (q - 1.5) - 6.5 * (q - 1.5) ** 2)
    return s + 15.0 * xp.exp(0.7 * (p + 1.0) ** 2 + 0.6 * (p + 1.0) * (q - 1.0) + 0.7 * (q - 1.0) ** 2)


def rastrigin(xp: Any, x: Any) -> Any:
    return 10.0 * x.shape[0] + (x**2 - 10.0 * xp.cos(2.0 * math.pi * x)).sum(0)


def ackley(xp: Any, x: Any) -> Any:
    radius = xp.sqrt((x**2).mean(0))
    return -20.0 * xp.exp(-0.2 * radius) - xp.exp(xp.cos(2.0 * math.pi * x).mean(0)) + 20.0 + math.e


def lennard_jones(xp: Any, x: Any) -> Any:
    sites = x.reshape((-1, 3, *x.shape[1:]))
    i, j = np.triu_indices(len(sites), 1)
    d = sites[i] - sites[j]
    r2 = (d * d).sum(1)
    r6 = 1.0 / (r2 * r2 * r2)
    return (4.0 * (r6 * r6 - r6)).sum(0)


def logistic_regression(xp: Any, w: Any, A: Any, y: Any) -> Any:
    z = xp.tensordot(A, w, 1)
    return xp.log(1.0 + xp.exp(-_rows(y, z) * z)).sum(0) + 0.05 * (w * w).sum(0)


def mlp(xp: Any, w: Any, A: Any, y: Any) -> Any:
    weights = w[:18].reshape((6, 3, *w.shape[1:]))
    units = xp.tanh(xp.tensordot(A, weights, ([1], [1])) + w[18:24])
    output = (units * w[24:30]).sum(1) + w[30]
    return ((output - _rows(y, output)) ** 2).mean(0)


def huber(xp: Any, w: Any, A: Any, y: Any) -> Any:
    z = xp.tensordot(A, w, 1)
    size = xp.abs(z - _rows(y, z))
    return xp.where(size > 1.0, size - 0.5, 0.5 * size * size).sum(0)


def griewank(xp: Any, x: Any) -> Any:
    i = _count(xp, x)
    return 1.0 + (x * x).sum() / 4000.0 - xp.cos(x / xp.sqrt(i)).prod()


def levy(xp: Any, x: Any) -> Any:
    w = 1.0 + 0.25 * (x - 1.0)
    inner, last = w[:-1], w[-1]
    s = ((inner - 1.0) ** 2 * (1.0 + 10.0 * xp.sin(math.pi * inner + 1.0) ** 2)).sum()
    s = s + xp.sin(math.pi * w[0]) ** 2
    return s + (last - 1.0) ** 2 * (1.0 + xp.sin(2.0 * math.pi * last) ** 2)


def michalewicz(xp: Any, x: Any) -> Any:
    i = _count(xp, x)
    return -(xp.sin(x) * xp.sin(i * x * x / math.pi) ** 20).sum()


def himmelblau(xp: Any, x: Any) -> Any:
    return (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2


def six_hump_camel(xp: Any, x: Any) -> Any:
    u, v = x[0] ** 2, x[1] ** 2
    return (4.0 - 2.1 * u + u**2 / 3.0) * u + x[0] * x[1] + (-4.0 + 4.0 * v) * v


def beale(xp: Any, x: Any) -> Any:
    p, q = x[0], x[1]
    return (1.5 - p + p * q) ** 2 + (2.25 - p + p * q**2) ** 2 + (2.625 - p + p * q**3) ** 2


def goldstein_price(xp: Any, x: Any) -> Any:
    p, q = x[0], x[1]
    first = 19.0 - 14.0 * p + 3.0 * p**2 - 14.0 * q + 6.0 * p * q + 3.0 * q**2
    second = 18.0 - 32.0 * p + 12.0 * p**2 + 48.0 * q - 36.0 * p * q + 27.0 * q**2
    return (1.0 + (p + q + 1.0) ** 2 * first) * (30.0 + (2.0 * p - 3.0 * q) ** 2 * second)


def booth(xp: Any, x: Any) -> Any:
    return (x[0] + 2.0 * x[1] - 7.0) ** 2 + (2.0 * x[0] + x[1] - 5.0) ** 2


def styblinski_tang(xp: Any, x: Any) -> Any:
    return 0.5 * (x**4 - 16.0 * x**2 + 5.0 * x).sum(0)


def quadratic_form(xp: Any, x: Any, A: Any, b: Any) -> Any:
    return (x * (0.5 * (A @ x) + b)).sum()


def hartmann(xp: Any, x: Any, alpha: Any, A: Any, P: Any) -> Any:
    return -(alpha * xp.exp(-(A * (x - P) ** 2).sum(1))).sum()


def gaussian_mixture(xp: Any, p: Any, y: Any) -> Any:
    means, scales = p[:3], p[3:6]
    weights = xp.concatenate([xp.zeros(1), p[6:]])
    z = (y[:, None] - means) * xp.exp(-scales)
    densities = xp.exp(weights - 0.5 * z * z - scales).sum(1)
    return len(y) * xp.log(xp.exp(weights).sum()) - xp.log(densities).sum()


def cloth(xp: Any, x: Any, springs: Any, lengths: Any) -> Any:
    sites = x.reshape((-1, 3))
    d = sites[springs[:, 0]] - sites[springs[:, 1]]
    return 0.5 * ((xp.sqrt((d * d).sum(1)) - lengths) ** 2).sum()


def minimal_surface(xp: Any, u: Any, boundary: Any) -> Any:
    m = len(boundary) - 2
    h = 1.0 / (m + 1)
    rows = xp.concatenate([boundary[1:-1, :1], u.reshape((m, m)), boundary[1:-1, -1:]], 1)
    z = xp.concatenate([boundary[:1], rows, boundary[-1:]], 0)
    a, b, c, d = z[:-1, :-1], z[:-1, 1:], z[1:, :-1], z[1:, 1:]
    upper = xp.sqrt(h * h + (b - a) ** 2 + (c - a) ** 2)
    lower = xp.sqrt(h * h + (b - d) ** 2 + (c - d) ** 2)
    return 0.5 * h * (upper + lower).sum()


def potassium(xp: Any, p: Any, v: Any, t: Any, g: Any) -> Any:
    u = (p[1] - v[:, None]) / p[2]
    alpha = p[0] * u / (xp.exp(u) - 1.0)
    rate = alpha + p[3] * xp.exp(-v[:, None] / p[4])
    limit = alpha / rate
    gate = limit - (limit - p[6]) * xp.exp(-rate * t)
    return ((p[5] * gate**4 - g) ** 2).sum()


FORMS = {
    "Rosenbrock": rosenbrock,
    "Müller-Brown": mueller_brown,
    "Rastrigin": rastrigin,
    "Ackley": ackley,
    "Lennard-Jones": lennard_jones,
    "logistic regression": logistic_regression,
    "MLP": mlp,
    "Huber": huber,
    "Griewank": griewank,
    "Levy": levy,
    "Michalewicz": michalewicz,
    "Himmelblau": himmelblau,
    "six-hump camel": six_hump_camel,
    "Beale": beale,
    "Goldstein-Price": goldstein_price,
    "Booth": booth,
    "Styblinski-Tang": styblinski_tang,
    "quadratic form": quadratic_form,
    "Hartmann": hartmann,
    "Gaussian mixture": gaussian_mixture,
    "cloth": cloth,
    "minimal surface": minimal_surface,
    "Hodgkin-Huxley": potassium,
}


def family(name: str) -> str:
    """The case's name without its dimension."""
    return name.rsplit(" ", 1)[0]
