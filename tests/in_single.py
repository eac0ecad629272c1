"""Traced functions, and hyper-dual numbers, compiled for the CPU in single precision: what CUDA devices run."""

import numpy as np
from numba import njit

from fastcurv import tracing
from fastcurv._call import NO_READER
from fastcurv._inputs import arguments, read_only
from fastcurv._rounding import rounding_of
from fastcurv.backends._arguments import kinds_of
from fastcurv.backends._kernels import Operation, Role, block_of, digest_of
from fastcurv.function import compiled, user_function
from fastcurv.numbers._blocks import hessian_block
from fastcurv.numbers._shapes import block_shape
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


def derivatives_by_numbers(fun, points, args=()):
    """The same by hyper-dual numbers, and the errors of gradients and Hessians."""
    (count, n), real = points.shape, points.dtype
    args = arguments(args)
    operation = Operation(hessian_block, (*block_shape(n, in_registers=True), False, True, real == np.float32))
    known = operation, (Role(user_function(fun), "number"),), kinds_of(args, ())
    block = compiled(block_of(*known), digest_of(*known[:2], "native", known[2]), entry=True, inline_helpers=True)
    value, g, g_error, H, H_error = [np.full((count, *tail), 7.0, real) for tail in ((), (n,), (n,), (n, n), (n, n))]
    status, rounding = np.ones(count, np.int8), real.type(rounding_of(real, real))
    layout, bounds = np.array([count, 1, 0, 0]), np.zeros((2, n), real)
    block(
        0, 0, layout, read_only(points), (args, ()), bounds, status, H, NO_READER, value, g, g_error, H_error, rounding
    )
    assert (status == 0).all()
    return value, g, H, g_error, H_error
