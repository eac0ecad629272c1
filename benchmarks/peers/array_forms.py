"""The cases as array expressions, for libraries that differentiate those: NumPy, JAX and torch alike.

`xp` is the library's module. Coordinates lie along the first axis; further axes, if any, are points.
"""

import math
from typing import Any

import numpy as np

_I, _J = np.triu_indices(13, 1)


def _rows(values: Any, like: Any) -> Any:
    """Values per row, shaped to broadcast against `like`, whose first axis is rows."""
    return values.reshape((-1,) + (1,) * (like.ndim - 1))


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
    sites = x.reshape((13, 3, *x.shape[1:]))
    d = sites[_I] - sites[_J]
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


FORMS = {
    "Rosenbrock": rosenbrock,
    "Müller-Brown": mueller_brown,
    "Rastrigin": rastrigin,
    "Ackley": ackley,
    "Lennard-Jones": lennard_jones,
    "logistic regression": logistic_regression,
    "MLP": mlp,
    "Huber": huber,
}


def family(name: str) -> str:
    """The case's name without its dimension."""
    return name.rsplit(" ", 1)[0]
