"""Eigenvalues and eigenvectors of one real symmetric matrix, in scratch that the caller gives.

Scaling by a power of two, tridiagonalisation, QL, order. Nothing is checked but finiteness.
"""

import math

import numpy as np

from fastcurv.symmetric._ql import diagonalise_pair, ql_values, ql_vectors
from fastcurv.symmetric._tridiagonal import accumulate, tridiagonalise

TILE = 8  # columns moved together by transpositions: a cache line of float64


def work_size(n):
    """Elements of scratch that `eigenvalues` and `eigensystem` need for a matrix of order n."""
    return 3 * n


def eigenvalues(a, w, work):
    """Eigenvalues of a symmetric matrix, ascending.

    All NaN where the lower triangle holds a NaN or an infinity, or where QL does not converge.

    Parameters
    ----------
    a : (n, n), float32 or float64, C-contiguous
        Only the lower triangle is read. Overwritten.
    w : (n,)
        Written.
    work : (work_size(n),) or longer
        Scratch.
    """
    n = a.shape[0]
    e, q, y = work[:n], work[n : 2 * n], work[2 * n : 3 * n]
    ok, exponent = _magnitude(a)
    if ok:
        _scale_and_mirror(a, exponent)
        if n == 2:
            w[0], e[0], w[1] = a[0, 0], a[1, 0], a[1, 1]
            diagonalise_pair(w, e, 0)
        else:
            tridiagonalise(a, w, e, q, y)
            ok = ql_values(w, e)
    if ok:
        _unscale(w, exponent)
        _sort(w)
    else:
        _fill_with_nan(w)


def eigensystem(a, w, z, work):
    """Eigenvalues of a symmetric matrix, ascending, and orthonormal eigenvectors in the columns of z.

    As `eigenvalues`; z : (n, n) is written. The sign of an eigenvector is left as it comes.
    """
    n = a.shape[0]
    e, q, y = work[:n], work[n : 2 * n], work[2 * n : 3 * n]
    ok, exponent = _magnitude(a)
    if ok:
        _scale_and_mirror(a, exponent)
        if n == 2:
            w[0], e[0], w[1] = a[0, 0], a[1, 0], a[1, 1]
            a[1, 1], a[1, 0] = diagonalise_pair(w, e, 0)
            a[0, 0], a[0, 1] = a[1, 1], -a[1, 0]
        else:
            tridiagonalise(a, w, e, q, y)
            accumulate(a, z, q, y)
            _transpose(z, a)  # rotations then act on contiguous rows
            ok = ql_vectors(w, e, a, q, y)
    if ok:
        _unscale(w, exponent)
        _sort_with_rows(w, a)
        _transpose(a, z)
    else:
        _fill_with_nan(w)
        for i in range(n):
            for k in range(n):
                z[i, k] = np.nan


def _magnitude(a):
    """Whether the lower triangle is finite, and the k with 2^(k-1) <= max |a| < 2^k."""
    finite = True
    largest = a.dtype.type(0)
    for i in range(a.shape[0]):
        for k in range(i + 1):
            x = abs(a[i, k])
            largest = max(largest, x)
            finite &= x < np.inf
    return finite, math.frexp(largest)[1]


def _powers(a, exponent):
    """Two factors with product 2^exponent, which itself may over- or underflow."""
    one = a.dtype.type(1)
    part = exponent // 2
    return math.ldexp(one, part), math.ldexp(one, exponent - part)


def _scale_and_mirror(a, exponent):
    """a *= 2^-exponent, and the upper triangle from the lower."""
    n = a.shape[0]
    f, g = _powers(a, -exponent)
    for first in range(0, n, TILE):
        for i in range(first, n):
            for k in range(first, min(first + TILE, i + 1)):
                a[i, k] = a[i, k] * f * g
                a[k, i] = a[i, k]


def _unscale(w, exponent):
    f, g = _powers(w, exponent)
    for i in range(w.size):
        w[i] = w[i] * f * g


def _fill_with_nan(x):
    for i in range(x.size):
        x[i] = np.nan


def _transpose(a, b):
    """b = a'."""
    n = a.shape[0]
    for first in range(0, n, TILE):
        for i in range(n):
            for k in range(first, min(first + TILE, n)):
                b[i, k] = a[k, i]


def _sort(w):
    """Ascending w, by insertion: QL leaves it nearly in order."""
    for i in range(1, w.size):
        x = w[i]
        k = i
        while k > 0 and w[k - 1] > x:
            w[k] = w[k - 1]
            k -= 1
        w[k] = x


def _sort_with_rows(w, z):
    """Ascending w, and the rows of z with it, by selection: n swaps at most."""
    n = w.size
    for i in range(n - 1):
        least = i
        for k in range(i + 1, n):
            if w[k] < w[least]:
                least = k
        if least != i:
            w[i], w[least] = w[least], w[i]
            for k in range(n):
                z[i, k], z[least, k] = z[least, k], z[i, k]
