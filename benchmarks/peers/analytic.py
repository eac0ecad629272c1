"""Hessians derived by hand, in Numba with n at compile time: what a user with patience would write."""

import math

import numpy as np
from numba import njit

from ..cases import Case
from . import more_analytic
from .array_forms import family
from .peer import Run

NAME = "analytic, by hand"
MOST_POINTS = None
OPTIONS = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}

LARGE = 256
"""From this n on a Hessian is written to the result at once: at n = 1024 the copy takes 1.1 of 2.6 ms."""


def rosenbrock(x, H):
    H[:] = 0.0
    for i in range(len(x) - 1):
        H[i, i] += 1200.0 * x[i] * x[i] - 400.0 * x[i + 1] + 2.0
        H[i + 1, i + 1] += 200.0
        H[i, i + 1] = -400.0 * x[i]
        H[i + 1, i] = -400.0 * x[i]


# weight, exponent's coefficients of u², uv, v², center
WELLS = (
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)


def mueller_brown(x, H):
    H[:] = 0.0
    for weight, a, b, c, center_u, center_v in WELLS:
        u, v = x[0] - center_u, x[1] - center_v
        e = weight * math.exp(a * u * u + b * u * v + c * v * v)
        e_u = 2.0 * a * u + b * v
        e_v = b * u + 2.0 * c * v
        H[0, 0] += e * (e_u * e_u + 2.0 * a)
        H[0, 1] += e * (e_u * e_v + b)
        H[1, 1] += e * (e_v * e_v + 2.0 * c)
    H[1, 0] = H[0, 1]


def rastrigin(x, H):
    H[:] = 0.0
    w = 2.0 * math.pi
    for i in range(len(x)):
        H[i, i] = 2.0 + 10.0 * w * w * math.cos(w * x[i])


def ackley(x, H):
    n = len(x)
    w = 2.0 * math.pi
    sines = np.empty(n)
    cosines = np.empty(n)
    squares = 0.0
    for i in range(n):
        squares += x[i] * x[i]
        sines[i] = math.sin(w * x[i])
        cosines[i] = math.cos(w * x[i])
    r = math.sqrt(squares / n)
    e_r = math.exp(-0.2 * r)
    e_c = math.exp(np.sum(cosines) / n) * w * w / n
    radial = 4.0 * e_r / (n * r)
    outer = -(0.8 * e_r / (r * r) + 4.0 * e_r / (r * r * r)) / (n * n)
    for i in range(n):
        for j in range(n):
            H[i, j] = outer * x[i] * x[j] - e_c / n * sines[i] * sines[j]
        H[i, i] += radial + e_c * cosines[i]


def lennard_jones(x, H):
    H[:] = 0.0
    d = np.empty(3)
    for i in range(len(x) // 3):
        for j in range(i):
            r2 = 0.0
            for p in range(3):
                d[p] = x[3 * i + p] - x[3 * j + p]
                r2 += d[p] * d[p]
            q = 1.0 / r2
            r6 = q * q * q
            slope = 2.0 * 4.0 * (3.0 * r6 - 6.0 * r6 * r6) * q  # 2 dE/d(r²)
            bend = 4.0 * 4.0 * (42.0 * r6 * r6 - 12.0 * r6) * q * q  # 4 d²E/d(r²)²
            for p in range(3):
                for s in range(3):
                    h = bend * d[p] * d[s]
                    if p == s:
                        h += slope
                    H[3 * i + p, 3 * i + s] += h
                    H[3 * j + p, 3 * j + s] += h
                    H[3 * i + p, 3 * j + s] = -h
                    H[3 * j + p, 3 * i + s] = -h


def logistic_regression(w, H, A, y):
    n = len(w)
    H[:] = 0.0
    for r in range(A.shape[0]):
        z = 0.0
        for k in range(n):
            z += A[r, k] * w[k]
        p = 1.0 / (1.0 + math.exp(-z))
        for i in range(n):
            c = p * (1.0 - p) * A[r, i]
            for j in range(n):
                H[i, j] += c * A[r, j]
    for i in range(n):
        H[i, i] += 0.1


def mlp(w, H, A, y):
    """Gauss-Newton part 2/m g g' and, per hidden unit, the residual times its second derivatives."""
    H[:] = 0.0
    m = A.shape[0]
    n = len(w)
    g = np.empty(n)
    t = np.empty(6)
    inputs = np.ones(4)  # the last is the bias's
    for r in range(m):
        output = w[30]
        for h in range(6):
            z = w[18 + h]
            for k in range(3):
                z += A[r, k] * w[3 * h + k]
            t[h] = math.tanh(z)
            output += w[24 + h] * t[h]
        for k in range(3):
            inputs[k] = A[r, k]
        for h in range(6):
            slope = w[24 + h] * (1.0 - t[h] * t[h])
            for k in range(3):
                g[3 * h + k] = slope * inputs[k]
            g[18 + h] = slope
            g[24 + h] = t[h]
        g[30] = 1.0
        for i in range(n):
            c = 2.0 / m * g[i]
            for j in range(i + 1):  # a whole row, 31 at compile time, is unrolled: 1.6-10x slower
                H[i, j] += c * g[j]
        residual = 2.0 / m * (output - y[r])
        for h in range(6):
            slope = 1.0 - t[h] * t[h]
            bend = residual * w[24 + h] * -2.0 * t[h] * slope
            for a in range(4):
                i = 3 * h + a if a < 3 else 18 + h
                for b in range(4):
                    j = 3 * h + b if b < 3 else 18 + h
                    H[i, j] += bend * inputs[a] * inputs[b]
                H[24 + h, i] += residual * slope * inputs[a]
    for i in range(n):
        H[:i, i] = H[i, :i]


HESSIANS = {
    "Rosenbrock": rosenbrock,
    "Müller-Brown": mueller_brown,
    "Rastrigin": rastrigin,
    "Ackley": ackley,
    "Lennard-Jones": lennard_jones,
    "logistic regression": logistic_regression,
    "MLP": mlp,
    **more_analytic.HESSIANS,
}


def prepare(case: Case, points: np.ndarray) -> Run | None:
    if family(case.name) not in HESSIANS:
        return None
    hessian = njit(forceinline=True, **OPTIONS)(HESSIANS[family(case.name)])
    n, args = case.n, case.args

    @njit(**OPTIONS)
    def hessians(X, args):
        out = np.empty((len(X), n, n))
        x, H = np.empty(n), np.empty((n, n))
        for s in range(len(X)):
            for i in range(n):
                x[i] = X[s, i]
            if n >= LARGE:
                hessian(x, out[s], *args)
                continue
            hessian(x, H, *args)
            for i in range(n):
                for j in range(n):
                    out[s, i, j] = H[i, j]
        return out

    return lambda: hessians(points, args)
