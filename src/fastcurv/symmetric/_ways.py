"""Which way is fastest: crossovers, measured by `python -m benchmarks.crossovers`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from fastcurv.simd import native_lanes

from ._way import Way

#: from here on vectors are transformed back, and by QL rotated, matrix by matrix
TWISTED_BY_MATRIX = {"float64": 56, "float32": 96}
BY_MATRIX = {"float64": 28, "float32": 48}
#: from here on tridiagonalisation takes half as many lanes as QL
HALVES = 32
#: from here on one matrix, or two with vectors, are solved one by one, in one lane
ALONE = 8
#: LAPACK solves so many matrices or fewer of order n or more: with vectors, and without
BY_LAPACK = {True: ((128, 1), (200, 2), (400, 5), (512, np.inf)), False: ((128, 1), (200, 3), (400, 5))}


@lru_cache(maxsize=1024)
def choose(dtype: np.dtype, n: int, count: int, vectors: bool) -> Way | None:
    """The way for so many matrices of order n; None for LAPACK."""
    if any(n >= order and count <= few for order, few in BY_LAPACK[vectors]):
        return None
    return choose_lanes(dtype, n, count, vectors)


def choose_lanes(dtype: np.dtype, n: int, count: int, vectors: bool, *, by_rotations: bool = False) -> Way:
    """The same where LAPACK cannot be called; `by_rotations`: vectors by QL, which leaves out no matrix."""
    lanes = native_lanes(dtype)
    if n in (2, 3):
        return Way(dtype.str, "lanes" if vectors else "values", 2 * lanes, 1, n)
    is_twisted = vectors and n > 3 and not by_rotations
    from_matrix = (TWISTED_BY_MATRIX if is_twisted else BY_MATRIX)[dtype.name]
    by_matrix = vectors and n >= max(from_matrix, 2 * lanes)
    kind = ("matrix" if by_matrix else "lanes") if vectors else "values"
    if is_twisted:
        kind = "twisted matrix" if by_matrix else "twisted"
    if count <= (2 if vectors else 1) and n >= ALONE:
        return Way(dtype.str, kind, 1, 1)
    if by_matrix or (not vectors and n >= HALVES):
        return Way(dtype.str, kind, lanes, 2)
    return Way(dtype.str, kind, 2 * lanes, 1)
