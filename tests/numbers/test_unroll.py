"""Loops over the coordinates are unrolled where their number is known; all others are left alone."""

import numpy as np
import pytest
from numba import from_dtype

from fastcurv.function import compiled
from fastcurv.numbers._vector import COORDINATES, SeededVector


def single(x):
    s = 0.0
    for i in range(len(x) - 1):
        s += x[i] * x[i + 1]
    return s


def nested(x):
    n = x.shape[0]
    s = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            s += x[i] * x[j]
    return s


def entries(x):
    s = 0.0
    for v in x:
        s += v * v
    return s


def rows(x, A):
    s = 0.0
    for r in range(A.shape[0]):
        s += A[r] * x[0]
    return s


def constant(x):
    s = x[0]
    for _ in range(1000):
        s = 0.5 * s + 1.0
    return s


def convergence(x):
    y = x[0]
    while y > 1.0:
        y = 0.5 * y
    return y


@pytest.mark.parametrize(
    ("function", "loops"),
    [(single, 1), (nested, 2), (entries, 1), (rows, 0), (constant, 0), (convergence, 0)],
    ids=lambda case: getattr(case, "__name__", str(case)),
)
@pytest.mark.parametrize("n", [4, 0])
def test_marked_loops(function, loops, n):
    kinds = [SeededVector(from_dtype(np.dtype(float)), 1, 4, n, COORDINATES)]
    if function is rows:
        kinds.append(from_dtype(np.dtype(float))[::1])
    made = compiled(function, f"unroll_{n}")
    made.compile(tuple(kinds))
    (result,) = made.overloads.values()
    headers = getattr(result.library, "headers", ())
    assert len(headers) == (loops if n else 0)
