"""Jacobi's method for matrices of any order as functions of lists of lanes: by sweeps, and one rotation by itself.

The list of a sweep holds the lower triangle of a matrix, row by row, then the rows of its eigenvectors' matrix, or
nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from fastcurv.simd import where

from ._jacobi import rotation, turn


def triangle(n: int) -> int:
    """Entries of a lower triangle."""
    return n * (n + 1) // 2


def _entry(i: int, j: int) -> int:
    return max(i, j) * (max(i, j) + 1) // 2 + min(i, j)


def cyclic_sweep(n: int, vectors: bool) -> Callable:
    """``sweep(x)``: the same after rotations in all planes p < q; then the sums of squares off and on the diagonal.

    Golub & Van Loan, Matrix Computations, 8.5.
    """
    rows = range(n if vectors else 0)

    def sweep(x):
        a = list(x)
        for p in range(n - 1):
            for q in range(p + 1, n):
                off = a[_entry(p, q)]
                t, c, s = rotation(a[_entry(p, p)], a[_entry(q, q)], off, off == off)
                a[_entry(p, p)], a[_entry(q, q)] = a[_entry(p, p)] - t * off, a[_entry(q, q)] + t * off
                a[_entry(p, q)] = 0.0
                for r in range(n):
                    if r not in (p, q):
                        a[_entry(r, p)], a[_entry(r, q)] = turn(a[_entry(r, p)], a[_entry(r, q)], c, s)
                for r in rows:
                    first = triangle(n) + r * n
                    a[first + p], a[first + q] = turn(a[first + p], a[first + q], c, s)
        outside = inside = 0.0
        for i in range(n):
            inside = inside + a[_entry(i, i)] * a[_entry(i, i)]
            for j in range(i):
                outside = outside + a[_entry(i, j)] * a[_entry(i, j)]
        return [*a, outside, inside]

    return sweep


def diagonalised(x):
    """Of a_pp, a_qq, a_pq: cosine and sine of the rotation that makes a_pq zero, and the diagonal after it."""
    t, c, s = rotation(x[0], x[1], x[2], x[2] == x[2])
    return [c, s, x[0] - t * x[2], x[1] + t * x[2]]


def turned(x):
    """Of x, y, a cosine and a sine: x and y after the rotation."""
    return list(turn(x[0], x[1], x[2], x[3]))


def in_order(n: int, vectors: bool) -> Callable:
    """``order(x)``: eigenvalues, ascending, and the rows of the matrix whose columns are their vectors.

    By exchanges of neighbours (odd-even transposition: Knuth, The Art of Computer Programming 3, 5.3.4).
    """

    def order(x):
        w = [x[_entry(i, i)] for i in range(n)]
        z = [list(x[triangle(n) + r * n : triangle(n) + (r + 1) * n]) for r in range(n if vectors else 0)]
        for turn_number in range(n):
            for i in range(turn_number % 2, n - 1, 2):
                swap = w[i] > w[i + 1]
                for row in (w, *z):
                    row[i], row[i + 1] = where(swap, row[i + 1], row[i]), where(swap, row[i], row[i + 1])
        return [*w, *(entry for row in z for entry in row)]

    return order
