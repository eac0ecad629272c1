"""The small numbers of the solver, for each precision; matrices are scaled to a largest entry between 1 and 2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Limits(NamedTuple):
    """What counts as negligible in matrices of norm about one."""

    half_ulp: float
    #: the least power of two by which a matrix is scaled: its inverse is a number
    scale: float
    #: square sums of a row's entries up to here are taken as zero, (half_ulp / 16)^2: reflectors made of what rounding
    #: has left, and of what it left of that, lose orthogonality (stars of 60 rows: 44 eps)
    row: float
    #: square sums of eigenvectors up to here, and from its inverse on, may have lost digits
    square: float
    #: couplings up to here are dropped between any rows
    coupling: float
    #: the same for squared couplings; more than `shifted` squared, or what the sweep changes outweighs what it keeps
    squared_coupling: float
    #: the least diagonal that a root-free sweep turns: the fourth power is a number
    shifted: float
    #: the least pivot of a factorisation
    pivot: float
    #: entries of eigenvectors up to here are taken as zero: their products are numbers
    entry: float


LIMITS = {
    np.dtype(np.float64): Limits(2.0**-53, 2.0**-1021, 2.0**-114, 1e-280, 1e-140, 1e-116, 1e-60, 1e-30, 1e-140),
    np.dtype(np.float32): Limits(2.0**-24, 2.0**-125, 2.0**-56, 1e-30, 1e-17, 1e-17, 1e-9, 1e-12, 1e-18),
}
