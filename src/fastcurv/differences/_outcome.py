"""What a block reports of a point, and entry-wise copies and fills.

Slice assignments are not used in blocks: what Numba compiles for their error messages takes seconds.
"""

from __future__ import annotations

import math

OK, NOT_FINITE, NOT_CONVERGED, OUTSIDE, RAISED = 0, -3, -4, -5, -6


def outcome(raised, poison):
    """The status of a point within its bounds; `poison` sums 0 * every result, and so is NaN if one is not finite."""
    if raised != 0:
        return RAISED
    return OK if poison == 0.0 else NOT_FINITE


def copy(source, target):
    """``target[:] = source``, for vectors."""
    for i in range(len(target)):
        target[i] = source[i]


def fill_nan(matrix, start, stop):
    """``matrix[:, start:stop] = nan``."""
    for r in range(len(matrix)):
        for i in range(start, stop):
            matrix[r, i] = math.nan


def fill(flat, first, count):
    """``flat[first : first + count] = nan``."""
    for k in range(first, first + count):
        flat[k] = math.nan
