"""Programs of traced functions compiled for the CPU in single precision: the code that CUDA devices run."""

import numpy as np
from numba import njit

from fastcurv import tracing
from fastcurv.tracing import Wanted


def derivatives(fun, points, args=()):
    """Values (m,), gradients (m, n) and Hessians (m, n, n) at points, all computed in the type of these."""
    n, real = points.shape[1], points.dtype
    program = tracing.program(tracing.trace(fun, n, args), Wanted(first=True, second=True))
    evaluate, (indices, constants) = njit(program.evaluator()), program.tables
    with np.errstate(over="ignore"):
        tables = np.array(tracing.flattened(args), float).astype(real), indices, constants.astype(real)
    results = np.full((len(points), program.slots), 7.0, real)
    for x, y in zip(points, results, strict=True):
        evaluate(np.ascontiguousarray(x), y, tables)
    g, H = np.zeros((len(points), n), real), np.zeros((len(points), n, n), real)
    for (_, i), slot in program.first.items():
        g[:, i] = results[:, slot]
    for (i, j), slot in program.second.items():
        H[:, i, j] = H[:, j, i] = results[:, slot]
    return results[:, program.values[0]], g, H
