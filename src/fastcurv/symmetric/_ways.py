"""Which way is fastest: crossovers, measured by `python -m benchmarks.crossovers`."""

from __future__ import annotations

import numpy as np

from fastcurv.simd import native_lanes

from ._solve import Way

#: from here on QL takes two parts of one register each, for values
HALVES = {np.dtype(np.float64): 40, np.dtype(np.float32): 40}
#: from here on vectors are computed matrix by matrix
BY_MATRIX = {np.dtype(np.float64): 28, np.dtype(np.float32): 48}
#: from here on LAPACK computes vectors
LAPACK = 400
#: so few matrices of at least so many rows are solved one by one, without lanes that stay empty
FEW, NOT_SMALL = 3, 24


def choose(dtype, n: int, count: int, vectors: bool) -> Way:
    """The way for so many matrices of order n."""
    dtype = np.dtype(dtype)
    lanes = native_lanes(dtype)
    by_matrix = vectors and n >= max(BY_MATRIX[dtype], 2 * lanes)
    kind = ("matrix" if by_matrix else "lanes") if vectors else "values"
    if count <= FEW and n >= NOT_SMALL and (by_matrix or not vectors):
        return Way(dtype.str, kind, 1, 1)
    if n in (2, 3):
        return Way(dtype.str, f"jacobi {'vectors' if vectors else 'values'}", 2 * lanes, 1)
    if by_matrix or (not vectors and n >= HALVES[dtype]):
        return Way(dtype.str, kind, lanes, 2)
    return Way(dtype.str, kind, 2 * lanes, 1)
