"""Eigenvalues and eigenvectors of one symmetric tridiagonal matrix by QL iteration.

`d` is the diagonal, e[i] couples i and i + 1, e[n-1] = 0; entries are of magnitude about one or less.
Both routines return whether they converged; `d` then holds the eigenvalues, in no order.
"""

import math

import numpy as np

from fastcurv.symmetric._tridiagonal import least_square

SWEEPS_PER_EIGENVALUE = 30  # the bound of EISPACK and LAPACK; about 1.7 are needed


def ql_vectors(d, e, z, c, s):
    """Diagonalise T = S diag(d) S' by implicit-shift QL, and turn z into S'z on the way.

    Dubrulle, Martin & Wilkinson, "The implicit QL algorithm" (Handbook for Automatic Computation II/4,
    1971; EISPACK's tql2, LAPACK's steqr). c, s : (n,) scratch, the rotations of a sweep.
    """
    sweeps = SWEEPS_PER_EIGENVALUE * d.size
    for first in range(d.size):
        last = _block_end(d, e, first)
        while last > first:
            if sweeps == 0:
                return False
            if last == first + 1:
                c[first], s[first] = diagonalise_pair(d, e, first)
            else:
                _ql_sweep(d, e, first, last, c, s)
            _rotate_rows(z, first, last, c, s)
            sweeps -= 1
            last = _block_end(d, e, first)
    return True


def _block_end(d, e, first):
    """The end of the unreduced block that begins at `first`; the negligible coupling there is cleared."""
    half_ulp = d.dtype.type(0.5) * np.finfo(d.dtype).eps
    floor = math.sqrt(least_square(d))
    for i in range(first, d.size - 1):
        if abs(e[i]) <= half_ulp * (abs(d[i]) + abs(d[i + 1])) + floor:
            e[i] = 0
            return i
    return d.size - 1


def diagonalise_pair(d, e, i):
    """Diagonalise [[d[i], e[i]], [e[i], d[i+1]]] in place; return cosine and sine of the Jacobi rotation.

    Its tangent t is the smaller root of t² + 2 x t / y - 1 = 0, x = (d[i+1] - d[i]) / 2, y = e[i]
    (Rutishauser 1966; Golub & Van Loan, 8.5): nothing cancels.
    """
    one = d.dtype.type(1)
    if e[i] == 0:
        return one, e[i]
    x = d.dtype.type(0.5) * (d[i + 1] - d[i])
    y = e[i]
    scale = max(abs(x), abs(y))
    x /= scale
    y /= scale
    t = y / (x + math.copysign(math.sqrt(x * x + y * y), x))
    d[i] -= t * e[i]
    d[i + 1] += t * e[i]
    e[i] = 0
    cosine = one / math.sqrt(one + t * t)
    return cosine, t * cosine


def _ql_sweep(d, e, first, last, c, s):
    """One QL sweep upwards over the block first..last; rotation i acts on rows i and i + 1."""
    one = d.dtype.type(1)
    two = d.dtype.type(2)
    sine, cosine, p = one, one, d.dtype.type(0)
    g = d[last] - _wilkinson_shift(d[first], d[first + 1], e[first], one)
    for i in range(last - 1, first - 1, -1):
        f = sine * e[i]
        b = cosine * e[i]
        cosine, sine, r = _rotation(g, f, d)
        e[i + 1] = r
        g = d[i + 1] - p
        r = (d[i] - g) * sine + two * cosine * b
        p = sine * r
        d[i + 1] = g + p
        g = cosine * r - b
        c[i] = cosine
        s[i] = sine
    d[first] -= p
    e[first] = g
    e[last] = 0


def _wilkinson_shift(d0, d1, e0, one):
    """The eigenvalue of [[d0, e0], [e0, d1]] that is closer to d0."""
    x = (d1 - d0) / (e0 + e0)
    return d0 - e0 / (x + math.copysign(math.sqrt(one + x * x), x))


def _rotation(g, f, d):
    """Cosine, sine and r with [cosine, sine; -sine, cosine] [g, f]' = [r, 0]'; d tells the precision."""
    one = d.dtype.type(1)
    scale = one
    square = g * g + f * f
    if square <= least_square(d):
        scale = max(abs(g), abs(f))
        if scale == 0:
            return one, f, g
        g /= scale
        f /= scale
        square = g * g + f * f
    r = math.sqrt(square)
    cosine = g / r
    sine = f / r
    # One Newton step towards cosine² + sine² = 1. Rounding of r scales both alike; over the sweeps this
    # costs as much orthogonality as all else together (at n = 128: 34 eps without the step, 20 with it).
    t = d.dtype.type(0.5) * (one - cosine * cosine - sine * sine)
    return cosine + t * cosine, sine + t * sine, r * scale


def _rotate_rows(z, first, last, c, s):
    """Rows i and i + 1 of z by rotation i, from the bottom up; `row` carries the upper row to the next.

    Four rotations share one pass, for fewer loads and stores. That the loop steps by 4 or 1 also keeps
    the compiler from asking, once for all passes, whether they overlap (see _tridiagonal): they do.
    """
    n = z.shape[1]
    i = last
    while i > first:
        if i - first >= 4:
            c3, c2, c1, c0 = c[i - 1], c[i - 2], c[i - 3], c[i - 4]
            s3, s2, s1, s0 = s[i - 1], s[i - 2], s[i - 3], s[i - 4]
            for k in range(n):
                z4, z3, z2, z1, z0 = z[i, k], z[i - 1, k], z[i - 2, k], z[i - 3, k], z[i - 4, k]
                z[i, k] = c3 * z4 + s3 * z3
                z3 = c3 * z3 - s3 * z4
                z[i - 1, k] = c2 * z3 + s2 * z2
                z2 = c2 * z2 - s2 * z3
                z[i - 2, k] = c1 * z2 + s1 * z1
                z1 = c1 * z1 - s1 * z2
                z[i - 3, k] = c0 * z1 + s0 * z0
                z[i - 4, k] = c0 * z0 - s0 * z1
            i -= 4
        else:
            c0, s0 = c[i - 1], s[i - 1]
            for k in range(n):
                z1, z0 = z[i, k], z[i - 1, k]
                z[i, k] = c0 * z1 + s0 * z0
                z[i - 1, k] = c0 * z0 - s0 * z1
            i -= 1


def ql_values(d, e):
    """Eigenvalues of T by QL without square roots; e is overwritten, first of all by its squares.

    Pal, Walker & Kahan; Parlett, The Symmetric Eigenvalue Problem, 8.14-8.15; LAPACK's sterf.
    """
    for i in range(d.size):
        e[i] *= e[i]
    sweeps = SWEEPS_PER_EIGENVALUE * d.size
    for first in range(d.size):
        last = _block_end_squared(d, e, first)
        while last > first:
            if sweeps == 0:
                return False
            _root_free_sweep(d, e, first, last)
            sweeps -= 1
            last = _block_end_squared(d, e, first)
    return True


def _block_end_squared(d, e2, first):
    """As `_block_end`, for squared couplings.

    A coupling below eps^1.5 of the norm is dropped even between rows that are as small: without this the
    squares of squares in the sweep would underflow (in float32 above all).
    """
    eps = np.finfo(d.dtype).eps
    half_ulp = d.dtype.type(0.5) * eps
    floor = eps * eps * eps
    for i in range(first, d.size - 1):
        bound = half_ulp * (abs(d[i]) + abs(d[i + 1]))
        if e2[i] <= bound * bound + floor:
            e2[i] = 0
            return i
    return d.size - 1


def _root_free_sweep(d, e2, first, last):
    """One QL sweep upwards over the block first..last, on squares of cosine (c), sine (s) and coupling."""
    info = np.finfo(d.dtype)
    one = d.dtype.type(1)
    least = info.tiny / info.eps  # p below this has lost digits; then its limit for c -> 0 serves
    shift = _wilkinson_shift(d[first], d[first + 1], math.sqrt(e2[first]), one)
    c, s = one, d.dtype.type(0)
    gamma = d[last] - shift
    p = gamma * gamma
    for i in range(last - 1, first - 1, -1):
        r = p + e2[i]
        e2[i + 1] = s * r
        s = e2[i] / r
        limit = c * e2[i]
        c = p / r
        previous = gamma
        gamma = c * (d[i] - shift) - s * previous
        d[i + 1] = previous + (d[i] - gamma)
        p = gamma * gamma / c if p > least else limit
    e2[first] = s * p
    d[first] = shift + gamma
    e2[last] = 0
