"""Functions that tests share, so that each is compiled once."""

import math

import numpy as np

import fastcurv as fc


def rosenbrock(x):
    f = 0.0
    for i in range(len(x) - 1):
        f += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return f


def rosenbrock_gradient(x):
    g = np.zeros(len(x))
    for i in range(len(x) - 1):
        d = x[i + 1] - x[i] ** 2
        g[i] += -400.0 * x[i] * d - 2.0 * (1.0 - x[i])
        g[i + 1] += 200.0 * d
    return g


def rosenbrock_hessian(x):
    n = len(x)
    H = np.zeros((n, n))
    for i in range(n - 1):
        H[i, i] += 1200.0 * x[i] ** 2 - 400.0 * x[i + 1] + 2.0
        H[i, i + 1] = H[i + 1, i] = -400.0 * x[i]
        H[i + 1, i + 1] += 200.0
    return H


def fragile(x):
    """x0² + x1² + .., but log(x0) for x0 < 0 (not a number), and an exception where x1 > 10."""
    if x[1] > 10.0:
        raise ValueError("too large")
    f = 0.0
    for i in range(len(x)):
        f += x[i] * x[i]
    if x[0] < 0.0:
        f += math.log(x[0])
    return f


many_rosenbrock = fc.vectorized(lambda X: (100 * (X[:, 1:] - X[:, :-1] ** 2) ** 2 + (1 - X[:, :-1]) ** 2).sum(axis=1))
