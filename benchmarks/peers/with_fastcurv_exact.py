"""fastcurv itself, exactly."""

import numpy as np

import fastcurv as fc

from ..cases import Case
from .peer import Run

NAME = "fastcurv exact"
MOST_POINTS = None


def prepare(case: Case, points: np.ndarray) -> Run:
    return lambda: fc.hessian(case.fun, points, case.args, method="exact")
