"""Which way is fastest: crossovers, measured by `python -m benchmarks.crossovers`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from fastcurv.simd import native_lanes

from ._way import Way

#: from here on vectors are rotated by QL, or those of a matrix alone transformed back, matrix by matrix
BY_MATRIX = {"float64": 28, "float32": 48}
ALONE_BY_MATRIX = 32
#: from here on tridiagonalisation takes half as many lanes as QL, and all that is done for vectors
HALVES = 24
NARROW = {"float64": 128, "float32": 88}
#: from here on root-free QL has one rounding less; above, its largest eigenvalues are corrected: those with and without
#: vectors agree to 40 eps
LONG, CORRECTED = 48, 128
#: so few matrices are solved one by one, in one lane, from an order on; more than one only with vectors
ALONE = {1: 8, 2: 24, 3: 96, 4: 192}
#: LAPACK solves so few matrices from an order on: with vectors, and without; and all with vectors from LARGE on
BY_LAPACK = {True: dict.fromkeys(ALONE, 400), False: {1: 180, 2: 256, 3: 450}}
LARGE = 512
#: matrices that twisted factorisations leave out are solved by QL, of which errors grow with the order: from here on
#: those of float32 in float64, and all others by LAPACK
LEFT_IN_DOUBLE, LEFT_TO_LAPACK = 33, 150


@lru_cache(maxsize=1024)
def choose(dtype: np.dtype, n: int, count: int, vectors: bool, threads: int = 1) -> Way | None:
    """The way for so many matrices of order n, on so many threads; None for LAPACK."""
    if n >= BY_LAPACK[vectors].get(count, np.inf) or (vectors and n >= LARGE):
        return None
    return choose_lanes(dtype, n, count, vectors, threads)


def choose_lanes(
    dtype: np.dtype, n: int, count: int, vectors: bool, threads: int = 1, *, by_rotations: bool = False
) -> Way:
    """The same where LAPACK cannot be called; `by_rotations`: vectors by QL, which leaves out no matrix.

    The bits of results depend on neither the number of matrices nor that of threads.
    """
    lanes = native_lanes(dtype)
    if n in (2, 3):
        return Way(dtype.str, "lanes" if vectors else "values", 2 * lanes, 1, n)
    is_alone = n >= ALONE.get(count, np.inf) and (count == 1 or (vectors and not by_rotations))
    if not vectors:
        kind = "values" if n < LONG else "long values" if n <= CORRECTED else "corrected values"
    elif by_rotations or n < 2:
        kind = "matrix" if n >= max(BY_MATRIX[dtype.name], 2 * lanes) else "lanes"
    else:
        kind = "twisted matrix" if is_alone and n >= max(ALONE_BY_MATRIX, lanes) else "twisted"
    if is_alone:
        return Way(dtype.str, kind, 1, 1)
    if count <= lanes * threads or (kind == "twisted" and n >= NARROW[dtype.name]):
        return Way(dtype.str, kind, lanes, 1)
    if kind == "matrix" or (not vectors and n >= HALVES):
        return Way(dtype.str, kind, lanes, 2)
    return Way(dtype.str, kind, 2 * lanes, 1)
