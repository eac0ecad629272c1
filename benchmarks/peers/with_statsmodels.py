"""statsmodels' approx_hess (central differences) of the compiled function, point by point."""

import numpy as np
from numba import njit
from statsmodels.tools.numdiff import approx_hess  # pyright: ignore[reportMissingImports]

from ..cases import Case
from .peer import Run

NAME = "statsmodels"
MOST_POINTS = 8


def prepare(case: Case, points: np.ndarray) -> Run:
    f = njit(case.fun)
    return lambda: np.array([approx_hess(x, f, args=case.args) for x in points])
