"""numdifftools.Hessian of the compiled function, point by point."""

import numdifftools  # pyright: ignore[reportMissingImports]
import numpy as np
from numba import njit

from ..cases import Case
from .peer import Run

NAME = "numdifftools"
MOST_POINTS = 2


def prepare(case: Case, points: np.ndarray) -> Run:
    f = njit(case.fun)
    hessian = numdifftools.Hessian(lambda x: f(x, *case.args))
    return lambda: np.array([hessian(x) for x in points])
