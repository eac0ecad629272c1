"""Test functions with known answers: smooth, well scaled, each with seeded points well inside its domain.

`PROBLEMS` lists them, `problem(name)` and `tagged(tag)` choose. Value, gradient and Hessian at the points,
exact to 50 digits before they were rounded: `references.load(name)`.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fastcurv import landscapes

__all__ = ["PROBLEMS", "Problem", "problem", "tagged"]


@dataclass(frozen=True, eq=False)
class Problem:
    """A function, its arguments, and points (m, n) to take it at.

    Tags: "landscape" (published), "plane" (n = 2), "polynomial", "transcendental", "separable" (diagonal
    Hessian), "data" (array arguments), "zero-modes" (translations), "ill-conditioned" (its values alone
    lose more than a few digits).
    """

    name: str
    fun: Callable
    args: tuple
    n: int
    points: np.ndarray = field(repr=False)
    tags: frozenset[str]


def logistic_loss(w, X, y):
    """Mean of log(1 + exp(-y_r w'X_r)) + w'w/200, labels y = ±1."""
    loss = 0.0
    for r in range(len(y)):
        margin = 0.0
        for j in range(len(w)):
            margin += X[r, j] * w[j]
        loss += math.log1p(math.exp(-y[r] * margin))
    penalty = 0.0
    for j in range(len(w)):
        penalty += w[j] * w[j]
    return loss / len(y) + 0.005 * penalty


def tanh_regression(w, X, y):
    """Mean squared error of a network with one hidden layer of 3 tanh units: 3 (inputs + 2) + 1 weights."""
    inputs = X.shape[1]
    loss = 0.0
    for r in range(len(y)):
        prediction = w[3 * (inputs + 2)]
        for h in range(3):
            first = h * (inputs + 2)
            activation = w[first + inputs]
            for j in range(inputs):
                activation += w[first + j] * X[r, j]
            prediction += w[first + inputs + 1] * math.tanh(activation)
        loss += (prediction - y[r]) ** 2
    return loss / len(y)


def quartic(x):
    """A polynomial of degree 4 with cross terms in every pair."""
    a = x[0] * x[0]
    b = x[1] * x[1]
    return a * a + 2.0 * a * b - b * x[1] * x[2] + 3.0 * x[0] * x[1] * x[2] ** 2 + x[2] ** 4 - x[0] * x[2] + x[1]


def separable_cubic(x):
    """sum_i i x_i³ + x_i²: every mixed derivative is 0."""
    f = 0.0
    for i in range(len(x)):
        f += (i + 1.0) * x[i] ** 3 + x[i] * x[i]
    return f


def exp_sum(x, C):
    """sum_k exp(C_k'x): convex."""
    f = 0.0
    for k in range(C.shape[0]):
        t = 0.0
        for j in range(len(x)):
            t += C[k, j] * x[j]
        f += math.exp(t)
    return f


def _rng(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def _uniform(name, lower, upper, n, number=60):
    return _rng(name).uniform(lower, upper, (number, n))


def _near_tetrahedron(name, number=60):
    shake = _rng(name).uniform(-0.08, 0.08, (number, 12))
    return landscapes.lennard_jones_minimum(4) + shake


def _regression(name, rows, inputs):
    rng = _rng(name + " data")
    X = rng.normal(size=(rows, inputs))
    return X, np.sin(X[:, 0]) + 0.3 * rng.normal(size=rows)


def _classes(name, rows, inputs):
    X, y = _regression(name, rows, inputs)
    return X, np.where(y > 0.0, 1.0, -1.0)


def _problem(name, fun, points, tags, args=()):
    points.setflags(write=False)
    return Problem(name, fun, args, points.shape[1], points, frozenset(tags.split()))


PROBLEMS = [
    *(
        _problem(f"rosenbrock {n}", landscapes.rosenbrock, _uniform(f"rosenbrock {n}", -1.5, 1.5, n), tags)
        for n, tags in (
            (2, "landscape polynomial plane"),
            (4, "landscape polynomial"),
            (8, "landscape polynomial"),
        )
    ),
    _problem(
        "muller_brown",
        landscapes.muller_brown,
        _uniform("muller_brown", (-1.3, 0.0), (1.0, 1.8), 2),
        "landscape transcendental plane ill-conditioned",
    ),
    _problem(
        "himmelblau",
        landscapes.himmelblau,
        _uniform("himmelblau", -4.0, 4.0, 2),
        "landscape polynomial plane",
    ),
    _problem(
        "six_hump_camel",
        landscapes.six_hump_camel,
        _uniform("six_hump_camel", (-1.8, -0.9), (1.8, 0.9), 2),
        "landscape polynomial plane",
    ),
    _problem("ackley 8", landscapes.ackley, _uniform("ackley 8", -2.0, 2.0, 8), "landscape transcendental"),
    _problem(
        "rastrigin 4",
        landscapes.rastrigin,
        _uniform("rastrigin 4", -2.0, 2.0, 4),
        "landscape transcendental separable",
    ),
    _problem("griewank 4", landscapes.griewank, _uniform("griewank 4", -5.0, 5.0, 4), "landscape transcendental"),
    _problem(
        "styblinski_tang 4",
        landscapes.styblinski_tang,
        _uniform("styblinski_tang 4", -4.0, 4.0, 4),
        "landscape polynomial separable",
    ),
    _problem(
        "lennard_jones 4",
        landscapes.lennard_jones,
        _near_tetrahedron("lennard_jones 4"),
        "landscape zero-modes",
    ),
    _problem(
        "logistic",
        logistic_loss,
        _uniform("logistic", -1.5, 1.5, 5),
        "transcendental data",
        _classes("logistic", 16, 5),
    ),
    _problem(
        "tanh regression",
        tanh_regression,
        _uniform("tanh regression", -1.0, 1.0, 13, number=30),
        "transcendental data",
        _regression("tanh regression", 8, 2),
    ),
    _problem("quartic", quartic, _uniform("quartic", -1.5, 1.5, 3), "polynomial"),
    _problem("separable_cubic", separable_cubic, _uniform("separable_cubic", -1.5, 1.5, 6), "polynomial separable"),
    _problem(
        "exp_sum",
        exp_sum,
        _uniform("exp_sum", -1.0, 1.0, 5),
        "transcendental data",
        (_rng("exp_sum data").normal(size=(6, 5)),),
    ),
]


def problem(name: str) -> Problem:
    """The problem of this name."""
    return next(p for p in PROBLEMS if p.name == name)


def tagged(*tags: str) -> list[Problem]:
    """The problems that carry all of these tags."""
    return [p for p in PROBLEMS if p.tags.issuperset(tags)]
