"""Householder tridiagonalisation A = Q T Q' of one dense symmetric matrix, and Q itself.

After Martin, Reinsch & Wilkinson, "Householder's tridiagonalization of a symmetric matrix" (Handbook for
Automatic Computation II/2, 1971; EISPACK's tred1 and tred2): rows are taken from the last to the first.

The matrix is stored in full, not as a triangle: every inner loop then runs along contiguous rows and writes
element by element. A dot product would not be vectorised, because sums may not be reordered. The rank-2
update of one step is done in the same pass as the matrix-vector product of the next.

Passes take four rows at a time, a quarter of the block apart. Neighbouring rows would be no slower in
principle, but the compiler asks once for the whole pass whether the rows it writes can overlap: the rows of
four separate bands cannot, those of four interleaved ones seem to, and the loop would stay scalar.
"""

import math

import numpy as np


def tridiagonalise(a, d, e, q, y):
    """T = Q' A Q; afterwards row i of `a` holds reflector i and, at (i, i), its factor.

    Reflector i is H = I - tau u u' with u = a[i, :i], tau = a[i, i]; Q = H[n-1] H[n-2] ... H[1].

    Parameters
    ----------
    a : (n, n)
        Both triangles; entries of magnitude about one or less. Overwritten.
    d, e : (n,)
        Diagonal, and e[i] = T[i, i+1] with e[n-1] = 0. Written.
    q, y : (n,)
        Scratch.
    """
    n = a.shape[0]
    for k in range(n):
        q[k] = 0  # no update is pending at first
        e[k] = 0
    p = n - 1  # the row of the reflector whose update is pending
    for i in range(n - 1, 0, -1):
        for k in range(i + 1):
            a[i, k] -= a[p, i] * q[k] + q[i] * a[p, k]
        d[i] = a[i, i]
        e[i - 1], tau = _reflector(a, i)
        _update_and_multiply(a, i, p, q, y)
        _update_vector(a, i, tau, y, q)
        a[i, i] = tau
        p = i
    if n > 0:
        d[0] = a[0, 0] - (a[p, 0] * q[0] + q[0] * a[p, 0])


def _reflector(a, i):
    """Make x = a[i, :i] into the u of a reflector with H x = beta e[i-1]; return beta and tau.

    What lies before x[i-1] is dropped when its square sum has no full precision: relative to the norm of
    the matrix (about one) that is far below rounding.
    """
    zero = a.dtype.type(0)
    one = a.dtype.type(1)
    sigma = zero
    for k in range(i - 1):
        sigma += a[i, k] * a[i, k]
    alpha = a[i, i - 1]
    if sigma <= least_square(a):
        for k in range(i):
            a[i, k] = zero
        return alpha, zero
    beta = -math.copysign(math.sqrt(alpha * alpha + sigma), alpha)
    a[i, i - 1] = alpha - beta
    return beta, one / (sigma + alpha * (alpha - beta))


def least_square(x):
    """The least sum of squares that is taken at face value: below it, underflow may have eaten digits."""
    info = np.finfo(x.dtype)
    return info.tiny / (info.eps * info.eps)


def _update_vector(a, i, tau, y, q):
    """q = p - (tau p'u / 2) u with p = tau A u, so that H A H = A - u q' - q u'; y holds A u."""
    projection = a.dtype.type(0)
    for k in range(i):
        y[k] *= tau  # before any product with u: tau² may overflow
        projection += y[k] * a[i, k]
    projection *= a.dtype.type(0.5) * tau
    for k in range(i):
        q[k] = y[k] - projection * a[i, k]


def _update_and_multiply(a, i, p, q, y):
    """A -= v q' + q v', then y = A u, on the leading block of order i; v = a[p, :], u = a[i, :]."""
    for k in range(i):
        y[k] = 0
    h = i // 4
    for j in range(h):
        v0, v1, v2, v3 = a[p, j], a[p, j + h], a[p, j + 2 * h], a[p, j + 3 * h]
        q0, q1, q2, q3 = q[j], q[j + h], q[j + 2 * h], q[j + 3 * h]
        u0, u1, u2, u3 = a[i, j], a[i, j + h], a[i, j + 2 * h], a[i, j + 3 * h]
        for k in range(i):
            a0 = a[j, k] - v0 * q[k] - q0 * a[p, k]
            a1 = a[j + h, k] - v1 * q[k] - q1 * a[p, k]
            a2 = a[j + 2 * h, k] - v2 * q[k] - q2 * a[p, k]
            a3 = a[j + 3 * h, k] - v3 * q[k] - q3 * a[p, k]
            a[j, k] = a0
            a[j + h, k] = a1
            a[j + 2 * h, k] = a2
            a[j + 3 * h, k] = a3
            y[k] += (u0 * a0 + u1 * a1) + (u2 * a2 + u3 * a3)
    for j in range(4 * h, i):
        vj, qj, uj = a[p, j], q[j], a[i, j]
        for k in range(i):
            aj = a[j, k] - vj * q[k] - qj * a[p, k]
            a[j, k] = aj
            y[k] += uj * aj


def accumulate(a, z, g, y):
    """z = Q from the reflectors that `tridiagonalise` left in `a`; g, y : (n,) scratch.

    Q = H[n-1] (... (H[2] H[1])): the reflector of least support first, so that the work grows with it.
    As above, the update z -= tau u g', g = z'u, waits for the pass that forms the next g.
    """
    n = a.shape[0]
    for i in range(n):
        g[i] = 0
        for k in range(n):
            z[i, k] = 0
        z[i, i] = 1
    for i in range(2, n):
        _reflect_and_multiply(a, z, i - 1, i, g, y)
        y[i - 1] = a[i, i - 1]  # row i - 1 of z is still that of the identity
        g, y = y, g
    if n > 1:
        _reflect_and_multiply(a, z, n - 1, 0, g, y)


def _reflect_and_multiply(a, z, i, r, g, y):
    """Z -= tau v g', then y = Z'u, on the leading block of order i; v, tau: reflector i, u: row r of a."""
    tau = a[i, i]
    for k in range(i):
        y[k] = 0
    h = i // 4
    for j in range(h):
        v0, v1, v2, v3 = tau * a[i, j], tau * a[i, j + h], tau * a[i, j + 2 * h], tau * a[i, j + 3 * h]
        u0, u1, u2, u3 = a[r, j], a[r, j + h], a[r, j + 2 * h], a[r, j + 3 * h]
        for k in range(i):
            z0 = z[j, k] - v0 * g[k]
            z1 = z[j + h, k] - v1 * g[k]
            z2 = z[j + 2 * h, k] - v2 * g[k]
            z3 = z[j + 3 * h, k] - v3 * g[k]
            z[j, k] = z0
            z[j + h, k] = z1
            z[j + 2 * h, k] = z2
            z[j + 3 * h, k] = z3
            y[k] += (u0 * z0 + u1 * z1) + (u2 * z2 + u3 * z3)
    for j in range(4 * h, i):
        vj, uj = tau * a[i, j], a[r, j]
        for k in range(i):
            zj = z[j, k] - vj * g[k]
            z[j, k] = zj
            y[k] += uj * zj
