"""Rows of eigenvectors of tridiagonal matrices, one matrix in each lane: made orthogonal to others, and measured."""

from __future__ import annotations

import math

from fastcurv.simd import any_lane, fma, where


def take_out_of_two(z, tops, start, k, n, first, apart, limits):
    """Make z[k] and z[k+1] orthogonal to z[j], j < k, where tops[j] > start[0] and start[1], in some of the lanes.

    Their numbers of column i are at first + i apart. By four z[j] at a time, which are orthogonal to each other.
    """
    other = min(k + 1, n - 1)
    x, y = z[k], z[other]
    x_start, y_start = start[first], start[first + (other - k) * apart]
    zero = x[first] - x[first]
    for last in range(k - 1, -1, -4):
        j0, j1, j2, j3 = last, max(last - 1, 0), max(last - 2, 0), max(last - 3, 0)
        t0, t1 = tops[first + j0 * apart], tops[first + j1 * apart]
        t2, t3 = tops[first + j2 * apart], tops[first + j3 * apart]
        if not any_lane(t0 > min(x_start, y_start)):
            break
        z0, z1, z2, z3 = z[j0], z[j1], z[j2], z[j3]
        p0, p1, p2, p3 = zero, zero, zero, zero
        q0, q1, q2, q3 = zero, zero, zero, zero
        for i in range(first, first + n * apart, apart):
            x_i, y_i, u, v = x[i], y[i], z0[i], z1[i]
            p0, q0, p1, q1 = fma(u, x_i, p0), fma(u, y_i, q0), fma(v, x_i, p1), fma(v, y_i, q1)
            u, v = z2[i], z3[i]
            p2, q2, p3, q3 = fma(u, x_i, p2), fma(u, y_i, q2), fma(v, x_i, p3), fma(v, y_i, q3)
        p0, q0 = _taken(p0, t0 > x_start, limits), _taken(q0, t0 > y_start, limits)
        p1, q1 = _taken(p1, (t1 > x_start) & (j1 < j0), limits), _taken(q1, (t1 > y_start) & (j1 < j0), limits)
        p2, q2 = _taken(p2, (t2 > x_start) & (j2 < j1), limits), _taken(q2, (t2 > y_start) & (j2 < j1), limits)
        p3, q3 = _taken(p3, (t3 > x_start) & (j3 < j2), limits), _taken(q3, (t3 > y_start) & (j3 < j2), limits)
        of_x, of_y = (abs(p0) + abs(p1)) + (abs(p2) + abs(p3)), (abs(q0) + abs(q1)) + (abs(q2) + abs(q3))
        if any_lane(of_x + of_y > 0.0):
            for i in range(first, first + n * apart, apart):
                z0_i, z1_i, z2_i, z3_i = z0[i], z1[i], z2[i], z3[i]
                x_i = fma(-p0, z0_i, fma(-p1, z1_i, fma(-p2, z2_i, fma(-p3, z3_i, x[i]))))
                y[i] = fma(-q0, z0_i, fma(-q1, z1_i, fma(-q2, z2_i, fma(-q3, z3_i, y[i]))))
                x[i] = x_i


def _taken(product, near, limits):
    """How much of a vector is taken out of another: nothing where that would not show."""
    return where(near & (abs(product) > 4.0 * limits.half_ulp), product, 0.0)


def take_out_of_one(x, z_j, n, near, limits):
    """Make x orthogonal to z_j where they are near."""
    product = x[0] - x[0]
    for i in range(n):
        product = fma(z_j[i], x[i], product)
    product = _taken(product, near, limits)
    for i in range(n):
        x[i] = fma(-product, z_j[i], x[i])


def take_out(z, k, n, tops, start, active, limits):
    """Make z[k] orthogonal to z[j], j < k, where `active` and tops[j] > start."""
    for j in range(k - 1, -1, -1):
        near = active & (tops[j] > start)
        if not any_lane(near):
            break
        take_out_of_one(z[k], z[j], n, near, limits)


def square_sum(x, n):
    """x'x."""
    square = x[0] * x[0]
    for i in range(1, n):
        square = fma(x[i], x[i], square)
    return square


def multiply(x, factor, n):
    """x times a factor in each lane."""
    for i in range(n):
        x[i] = x[i] * factor


def rayleigh(x, n, d, e, value):
    """x'T x of a vector of length one, and the length of what T x has besides; `value` is close to it."""
    square = product = before = value - value
    for i in range(n):
        here = fma(d[i] - value, x[i], before)
        if i < n - 1:
            here, before = fma(e[i], x[i + 1], here), e[i] * x[i]
        square, product = fma(here, here, square), fma(here, x[i], product)
    return value + product, math.sqrt(max(fma(-product, product, square), 0.0))
