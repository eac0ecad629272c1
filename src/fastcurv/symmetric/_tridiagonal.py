"""Householder tridiagonalisation A = Q T Q' and the matrix Q, for one matrix in each lane.

After Martin, Reinsch & Wilkinson, "Householder's tridiagonalization of a symmetric matrix" (Handbook for Automatic
Computation II/2, 1971; EISPACK's tred1 and tred2): rows are taken from the last to the first, and only the lower
triangle is stored. The rank-2 update of one step is done in the same pass as the matrix-vector product of the next,
some rows at a time: each element is then loaded and stored once. So is the scaling of the matrix, before all updates.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from fastcurv.simd import fma, lane_array, registers, splat, spread, transpose, where

from ._packing import scale_row


def tridiagonalise(a, n, inverse, finite, d, e, part, q, y, same, apart, update, limits):
    """T = Q'AQ of A = `inverse` a, 0 where not `finite`; afterwards row i of `a` holds reflector i and its factor.

    Reflector i is H = I - tau u u' with u = a[i, :i], tau = a[i, i]; Q = H[n-1] H[n-2] ... H[2].

    Parameters
    ----------
    a : (n, n) vectors
        Lower triangles. Overwritten.
    n : int
        At least 3.
    inverse, finite : vectors
        A number, by which entries become of magnitude about one or less, and a mask.
    d, e : (n, parts) vectors
        Diagonal, and e[i] = T[i, i+1] with e[n-1] = 0. Column `part` is written.
    q, y : (n,) vectors
        Scratch.
    same, apart : the same a, q, y, as vectors of fewer lanes, of which `apart` make one of theirs
    update : the `chosen_update`
    """
    zero = inverse - inverse
    for k in range(n):
        y[k] = zero
    v = a[n - 1]
    scale_row(v, n, inverse, finite)
    e[n - 1, part] = tau = half = zero  # no update is pending at first
    for i in range(n - 1, 1, -1):
        u = a[i]
        sigma = _updated_row(u, v, y, q, i, tau, half)
        d[i, part] = u[i]
        e[i - 1, part], tau = _reflector(u, i, sigma, limits)
        if i == n - 1:
            _scale_and_multiply(a, i, inverse, finite, u, y)
        else:
            a_too, q_too, y_too = same
            for first in range(apart):
                update(a_too, i, a_too[i], a_too[i + 1], q_too, y_too, first, apart)
        half = 0.5 * tau * (tau * y[i])
        u[i] = tau
        v = u
    v0, v1 = v[0], v[1]
    q0, q1 = fma(-half, v0, tau * y[0]), fma(-half, v1, tau * y[1])
    d[1, part] = fma(-v1, q1, fma(-q1, v1, a[1, 1]))
    e[0, part] = fma(-v1, q0, fma(-q1, v0, a[1, 0]))
    d[0, part] = fma(-v0, q0, fma(-q0, v0, a[0, 0]))


def _updated_row(u, v, y, q, i, tau, half):
    """Make u row i of A - v q' - q v', and q = tau y - half v; return the square sum of u[:i-1].

    With y = A v and half = tau (tau y'v) / 2 that is row i of H A H, H = I - tau v v'. The sum is compensated, for an
    error of the next reflector's factor is one of orthogonality.
    """
    v_i = v[i]
    q_i = fma(-half, v_i, tau * y[i])
    sigma = rest = tau - tau
    for k in range(i - 1):
        v_k = v[k]
        q_k = fma(-half, v_k, tau * y[k])
        x = fma(-v_i, q_k, fma(-q_i, v_k, u[k]))
        q[k], u[k] = q_k, x
        total = fma(x, x, sigma)
        rest = rest + fma(x, x, sigma - total)  # what rounding has lost, unless x² is most of the sum
        sigma = total
    for k in (i - 1, i):
        q[k] = q_k = fma(-half, v[k], tau * y[k])
        u[k] = fma(-v_i, q_k, fma(-q_i, v[k], u[k]))
    return sigma + rest


def _reflector(u, i, sigma, limits):
    """Make x = u[:i] into the u of a reflector with H x = beta e[i-1]; return beta and tau.

    `sigma` is the square sum of what lies before x[i-1]; that is dropped where it is far below rounding of a matrix of
    norm about one.
    """
    alpha = u[i - 1]
    nothing = sigma <= limits.row
    beta = -math.copysign(math.sqrt(fma(alpha, alpha, sigma)), alpha)
    last = alpha - beta
    tau = where(nothing, 0.0, 2.0 / where(nothing, 1.0, fma(last, last, sigma)))  # of the u that is stored, not of beta
    u[i - 1] = last
    return where(nothing, alpha, beta), tau


def _scale_and_multiply(a, i, inverse, finite, u, y):
    """A = `inverse` a, 0 where not `finite`, then y[:i] = A u and y[i] = u'A u, on the leading block of order i."""
    product = inverse - inverse
    for r in range(i):
        a_r, u_r, y_r = a[r], u[r], inverse - inverse
        for k in range(r):
            a_r[k] = x = where(finite, a_r[k] * inverse, 0.0)
            y_r, y[k] = fma(x, u[k], y_r), fma(x, u_r, y[k])
        a_r[r] = x = where(finite, a_r[r] * inverse, 0.0)
        y[r] = fma(x, u_r, y_r)
        product = fma(u_r, y_r + y[r], product)
    y[i] = product


def chosen_update() -> Callable:
    """A -= v q' + q v' and y = A u by so many rows at a time as registers suffice for."""
    return update_by_fours if registers() > 16 else update_by_twos


def update_by_fours(a, i, u, v, q, y, first, apart):
    """A -= v q' + q v', then y[:i] = A u and y[i] = u'A u, on the leading block of order i, in some of the lanes.

    Their numbers of column k are at first + k apart. Of u'A u what lies below the diagonal counts twice.
    """
    rest = i % 4
    product = _first_row(a[0], i, u, v, q, y, first)
    if rest > 1:
        product = _two_rows(a, rest - 2, u, v, q, y, first, apart, product)
    for row in range(rest, i, 4):
        product = _four_rows(a, row, u, v, q, y, first, apart, product)
    y[first + i * apart] = product


def update_by_twos(a, i, u, v, q, y, first, apart):
    """The same."""
    product = _first_row(a[0], i, u, v, q, y, first)
    for row in range(i % 2, i, 2):
        product = _two_rows(a, row, u, v, q, y, first, apart, product)
    y[first + i * apart] = product


def _first_row(a_0, i, u, v, q, y, first):
    """Row 0, of an odd number of rows; what it adds to u'A u."""
    v_0, q_0, u_0 = v[first], q[first], u[first]
    if i % 2 == 0:
        return u_0 - u_0
    y[first] = y_0 = _updated(a_0, first, v_0, q_0, v_0, q_0) * u_0
    return u_0 * y_0


def _two_rows(a, row, u, v, q, y, first, apart, product):
    """Two rows, all before them done; u'A u with what they add."""
    r = first + row * apart
    s = r + apart
    a0, a1 = a[row], a[row + 1]
    v0, v1, q0, q1, u0, u1 = v[r], v[s], q[r], q[s], u[r], u[s]
    y0 = y1 = u0 - u0
    for k in range(first, r, apart):
        q_k, v_k, u_k = q[k], v[k], u[k]
        x0, x1 = _updated(a0, k, v0, q0, v_k, q_k), _updated(a1, k, v1, q1, v_k, q_k)
        y0, y1 = fma(x0, u_k, y0), fma(x1, u_k, y1)
        y[k] = fma(x0, u0, fma(x1, u1, y[k]))
    p0, p1 = y0, y1
    y0 = fma(_updated(a0, r, v0, q0, v0, q0), u0, y0)
    x0, x1 = _updated(a1, r, v1, q1, v0, q0), _updated(a1, s, v1, q1, v1, q1)
    y0, y1 = fma(x0, u1, y0), fma(x1, u1, fma(x0, u0, y1))
    y[r], y[s] = y0, y1
    return fma(u0, p0 + y0, fma(u1, p1 + y1, product))


def _four_rows(a, row, u, v, q, y, first, apart, product):
    """The same of four."""
    r = first + row * apart
    s, t, w = r + apart, r + 2 * apart, r + 3 * apart
    a0, a1, a2, a3 = a[row], a[row + 1], a[row + 2], a[row + 3]
    v0, v1, v2, v3 = v[r], v[s], v[t], v[w]
    q0, q1, q2, q3 = q[r], q[s], q[t], q[w]
    u0, u1, u2, u3 = u[r], u[s], u[t], u[w]
    y0 = y1 = y2 = y3 = u0 - u0
    for k in range(first, r, apart):
        q_k, v_k, u_k = q[k], v[k], u[k]
        x0, x1 = _updated(a0, k, v0, q0, v_k, q_k), _updated(a1, k, v1, q1, v_k, q_k)
        x2, x3 = _updated(a2, k, v2, q2, v_k, q_k), _updated(a3, k, v3, q3, v_k, q_k)
        y0, y1, y2, y3 = fma(x0, u_k, y0), fma(x1, u_k, y1), fma(x2, u_k, y2), fma(x3, u_k, y3)
        y[k] = fma(x0, u0, fma(x2, u2, y[k])) + fma(x1, u1, x3 * u3)
    p0, p1, p2, p3 = y0, y1, y2, y3
    y0 = fma(_updated(a0, r, v0, q0, v0, q0), u0, y0)
    x0, x1 = _updated(a1, r, v1, q1, v0, q0), _updated(a1, s, v1, q1, v1, q1)
    y0, y1 = fma(x0, u1, y0), fma(x1, u1, fma(x0, u0, y1))
    x0, x1 = _updated(a2, r, v2, q2, v0, q0), _updated(a2, s, v2, q2, v1, q1)
    x2 = _updated(a2, t, v2, q2, v2, q2)
    y0, y1, y2 = fma(x0, u2, y0), fma(x1, u2, y1), fma(x2, u2, fma(x1, u1, fma(x0, u0, y2)))
    x0, x1 = _updated(a3, r, v3, q3, v0, q0), _updated(a3, s, v3, q3, v1, q1)
    x2, x3 = _updated(a3, t, v3, q3, v2, q2), _updated(a3, w, v3, q3, v3, q3)
    y3 = fma(x3, u3, fma(x2, u2, fma(x1, u1, fma(x0, u0, y3))))
    y0, y1, y2 = fma(x0, u3, y0), fma(x1, u3, y1), fma(x2, u3, y2)
    y[r], y[s], y[t], y[w] = y0, y1, y2, y3
    return fma(u0, p0 + y0, fma(u1, p1 + y1, fma(u2, p2 + y2, fma(u3, p3 + y3, product))))


def _updated(a_r, k, v_r, q_r, v_k, q_k):
    """Entry k of row r of A - v q' - q v', put in its place."""
    x = fma(-v_r, q_k, fma(-q_r, v_k, a_r[k]))
    a_r[k] = x
    return x


def accumulate_lanes(a, n, g):
    """Q', in place of the reflectors that `tridiagonalise` left in the rows of `a`; g : (n,) vectors, scratch.

    Q = H[n-1] (... (H[2] I)): the reflector of least support first, so that the work grows with it. Row j of `a` is
    column j of Q; its product g[j] with the next reflector is formed while the present one is applied.
    """
    one = splat(1.0, a[0, 0])
    zero = one - one
    if n > 2:
        g[0], g[1] = a[2, 0], a[2, 1]
    a[0, 0], a[0, 1], a[1, 0], a[1, 1] = one, zero, zero, one
    for i in range(2, n):
        u, following = a[i], a[min(i + 1, n - 1)]
        tau = u[i]
        rest = i % 4
        for j in range(rest):
            row, tau_g, product = a[j], tau * g[j], zero
            for k in range(i):
                x = fma(-tau_g, u[k], row[k])
                row[k] = x
                product = fma(x, following[k], product)
            row[i] = zero
            g[j] = product
        for j in range(rest, i, 4):
            z0, z1, z2, z3 = a[j], a[j + 1], a[j + 2], a[j + 3]
            g0, g1, g2, g3 = tau * g[j], tau * g[j + 1], tau * g[j + 2], tau * g[j + 3]
            p0, p1, p2, p3 = zero, zero, zero, zero
            for k in range(i):
                u_k, next_k = u[k], following[k]
                x0, x1, x2, x3 = fma(-g0, u_k, z0[k]), fma(-g1, u_k, z1[k]), fma(-g2, u_k, z2[k]), fma(-g3, u_k, z3[k])
                z0[k], z1[k], z2[k], z3[k] = x0, x1, x2, x3
                p0, p1, p2, p3 = fma(x0, next_k, p0), fma(x1, next_k, p1), fma(x2, next_k, p2), fma(x3, next_k, p3)
            z0[i], z1[i], z2[i], z3[i] = zero, zero, zero, zero
            g[j], g[j + 1], g[j + 2], g[j + 3] = p0, p1, p2, p3
        g[i] = following[i]
        for k in range(i):
            u[k] = zero
        u[i] = one


def gather_rows(work, first, size, stride, n, apart, lanes):
    """The rows that `tridiagonalise` left, up to the diagonal, from vectors to one matrix after the other.

    Matrices begin `size` elements apart from `first` on, their rows `stride` apart; rows of vectors `apart` from 0 on.
    """
    for i in range(n):
        for k in range(0, i + 1, lanes):
            transpose(work, first + i * stride + k, size, work, i * apart + k * lanes, lanes, lanes)


def accumulate_matrix(z, start, n, stride, columns, strip, wide, middle, narrow):
    """Q' of one matrix by `accumulate_strip`, in strips as wide as registers allow; they cover `columns`."""
    for k in range(0, columns - wide + 1, wide):
        accumulate_strip(z, start, n, stride, columns, k, strip, wide, narrow)
    k = columns - columns % wide
    if columns - k >= middle:
        accumulate_strip(z, start, n, stride, columns, k, strip, middle, narrow)
        k += middle
    if columns - k >= narrow:
        accumulate_strip(z, start, n, stride, columns, k, strip, narrow, narrow)


def accumulate_strip(z, start, n, stride, columns, column, strip, lanes, narrow):
    """Columns `column` .. `column + lanes - 1` of Q for one matrix, as rows of z, in place of its reflectors there.

    Those of the rows below are still needed, for later columns: strips are taken in ascending order. The strip itself
    stays in the first-level cache while all reflectors pass over it. z[start + i stride + k] is row i; strip :
    (columns * lanes,) scratch.
    """
    q = lane_array(strip, 0, columns, lanes)
    zero = splat(0.0, q[0])
    for k in range(columns):
        q[k] = zero
    for k in range(lanes):
        strip[(column + k) * lanes + k] = 1.0
    first = max(column + 1, 2)
    product = zero
    if first < n:
        for k in range(first):
            product = fma(q[k], spread(z, start + first * stride + k, zero), product)
    for i in range(first, n):
        u, following = start + i * stride, start + min(i + 1, n - 1) * stride
        tau_g = spread(z, u + i, zero) * product
        product = zero
        for k in range(i):
            x = fma(-tau_g, spread(z, u + k, zero), q[k])
            q[k] = x
            product = fma(x, spread(z, following + k, zero), product)
        product = fma(q[i], spread(z, following + i, zero), product)
    for k in range(0, columns, narrow):
        for j in range(0, lanes, narrow):
            transpose(z, start + (column + j) * stride + k, stride, strip, k * lanes + j, lanes, narrow)
