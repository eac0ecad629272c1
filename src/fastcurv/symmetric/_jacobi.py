"""Jacobi's method for matrices of two and three rows, in registers, one matrix in each lane."""

from __future__ import annotations

import math

from fastcurv.simd import any_lane, fma, reciprocal_sqrt, where

SWEEPS = 30  # four or five are needed


def rotation(a_pp, a_qq, a_pq, active):
    """Tangent t, cosine c and sine s with [c, -s; s, c] diagonalising [a_pp, a_pq; a_pq, a_qq]; none if not active.

    t is the smaller root of t² + 2 x t / y - 1 = 0, x = (a_qq - a_pp) / 2, y = a_pq (Rutishauser 1966; Golub & Van
    Loan, 8.5): nothing cancels. The diagonal becomes a_pp - t a_pq, a_qq + t a_pq.
    """
    half = 0.5 * (a_qq - a_pp)
    root = math.sqrt(fma(half, half, a_pq * a_pq))
    active = active & (root > 0.0)
    t = where(active, a_pq / where(active, half + math.copysign(root, half), 1.0), 0.0)
    c = where(active, reciprocal_sqrt(fma(t, t, 1.0)), 1.0)
    return t, c, t * c


def turn(x, y, c, s):
    """(c x - s y, s x + c y)."""
    return fma(-s, y, c * x), fma(s, x, c * y)


def jacobi_2(a, d, z):
    """Eigenvalues d and eigenvectors, columns of z unless it is None, of 2 x 2 matrices. Lanes that converged."""
    a_00, a_10, a_11 = a[0, 0], a[1, 0], a[1, 1]
    t, c, s = rotation(a_00, a_11, a_10, a_10 == a_10)
    x, y = fma(-t, a_10, a_00), fma(t, a_10, a_11)
    swap = x > y
    d[0], d[1] = where(swap, y, x), where(swap, x, y)
    if z is not None:
        z[0, 0], z[1, 0] = where(swap, s, c), where(swap, c, -s)
        z[0, 1], z[1, 1] = where(swap, c, s), where(swap, -s, c)
    return a_10 == a_10


def _exchange(x, y, x_0, x_1, x_2, y_0, y_1, y_2):
    """Two eigenvalues and their vectors, in order."""
    swap = x > y
    return (
        where(swap, y, x), where(swap, x, y),
        where(swap, y_0, x_0), where(swap, y_1, x_1), where(swap, y_2, x_2),
        where(swap, x_0, y_0), where(swap, x_1, y_1), where(swap, x_2, y_2),
    )  # fmt: skip


def jacobi_3(a, d, z, limits):
    """The same of 3 x 3 matrices, by cyclic sweeps over the pairs (0, 1), (0, 2), (1, 2)."""
    x, y, w = a[0, 0], a[1, 1], a[2, 2]
    f, g, h = a[1, 0], a[2, 0], a[2, 1]
    zero = x - x
    one = zero + 1.0
    x_0, x_1, x_2 = one, zero, zero
    y_0, y_1, y_2 = zero, one, zero
    w_0, w_1, w_2 = zero, zero, one
    ratio = limits.half_ulp * limits.half_ulp
    sweeps = 0
    while True:
        outside = fma(f, f, fma(g, g, h * h))
        active = outside > ratio * fma(x, x, fma(y, y, w * w))
        if sweeps == SWEEPS or not any_lane(active):
            break
        t, c, s = rotation(x, y, f, active)
        x, y, f = fma(-t, f, x), fma(t, f, y), where(active, 0.0, f)
        g, h = turn(g, h, c, s)
        x_0, y_0 = turn(x_0, y_0, c, s)
        x_1, y_1 = turn(x_1, y_1, c, s)
        x_2, y_2 = turn(x_2, y_2, c, s)
        t, c, s = rotation(x, w, g, active)
        x, w, g = fma(-t, g, x), fma(t, g, w), where(active, 0.0, g)
        f, h = turn(f, h, c, s)
        x_0, w_0 = turn(x_0, w_0, c, s)
        x_1, w_1 = turn(x_1, w_1, c, s)
        x_2, w_2 = turn(x_2, w_2, c, s)
        t, c, s = rotation(y, w, h, active)
        y, w, h = fma(-t, h, y), fma(t, h, w), where(active, 0.0, h)
        f, g = turn(f, g, c, s)
        y_0, w_0 = turn(y_0, w_0, c, s)
        y_1, w_1 = turn(y_1, w_1, c, s)
        y_2, w_2 = turn(y_2, w_2, c, s)
        sweeps += 1
    x, y, x_0, x_1, x_2, y_0, y_1, y_2 = _exchange(x, y, x_0, x_1, x_2, y_0, y_1, y_2)
    y, w, y_0, y_1, y_2, w_0, w_1, w_2 = _exchange(y, w, y_0, y_1, y_2, w_0, w_1, w_2)
    x, y, x_0, x_1, x_2, y_0, y_1, y_2 = _exchange(x, y, x_0, x_1, x_2, y_0, y_1, y_2)
    d[0], d[1], d[2] = x, y, w
    if z is not None:
        z[0, 0], z[1, 0], z[2, 0] = x_0, x_1, x_2
        z[0, 1], z[1, 1], z[2, 1] = y_0, y_1, y_2
        z[0, 2], z[1, 2], z[2, 2] = w_0, w_1, w_2
    return ~active
