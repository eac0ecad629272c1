"""Central differences as anyone would write them in Numba, given n at compile time and f inlined.

The economical stencil, n² + n + 1 evaluations; the bar for fastcurv's kernel, which serves every n.
"""

import numpy as np
from numba import njit

from ..cases import Case
from .peer import Run

NAME = "central, n compiled in"
MOST_POINTS = None
OPTIONS = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}


def prepare(case: Case, points: np.ndarray) -> Run:
    n, args = case.n, case.args
    f = njit(forceinline=True, **OPTIONS)(case.fun)

    @njit(**OPTIONS)
    def hessians(X, args):
        H = np.empty((len(X), n, n))
        x, h, forward, backward = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
        for s in range(len(X)):
            for i in range(n):
                x[i] = X[s, i]
                h[i] = 1.5e-4 * max(abs(x[i]), 1.0)
            center = f(x, *args)
            for i in range(n):
                x_i = x[i]
                x[i] = x_i + h[i]
                forward[i] = f(x, *args)
                x[i] = x_i - h[i]
                backward[i] = f(x, *args)
                x[i] = x_i
                H[s, i, i] = (forward[i] - 2.0 * center + backward[i]) / (h[i] * h[i])
            for i in range(n):
                x_i = x[i]
                for j in range(i):
                    x_j = x[j]
                    x[i], x[j] = x_i + h[i], x_j + h[j]
                    both_forward = f(x, *args)
                    x[i], x[j] = x_i - h[i], x_j - h[j]
                    both_backward = f(x, *args)
                    x[i], x[j] = x_i, x_j
                    singles = forward[i] + forward[j] + backward[i] + backward[j]
                    H[s, i, j] = (both_forward + both_backward - singles + 2.0 * center) / (2.0 * h[i] * h[j])
                    H[s, j, i] = H[s, i, j]
        return H

    return lambda: hessians(points, args)
