"""Curvature on a CUDA device: derivatives, spectrum and what is read from them, a point to a thread, in registers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types

from .._read_outs import gradient_curvature, is_critical, rounding_errors, signs
from ..differences._outcome import NOT_FINITE, OK, OUTSIDE
from ..differences._steps import is_outside
from ..simd import where
from ..symmetric import triangle
from ..tracing import Program, straight_line
from ._cuda_eigen import THREADS, Solver, solver, tables_of
from ._cuda_transfers import in_parts
from .cuda import CHUNK_BYTES, Kernels, copied, cuda, device_function, launch, ordinals

#: numbers of a row besides gradient and eigenvalues: value; error of eigenvalues, index, nullity, whether the point is
#: critical, curvature along the gradient, status
OTHERS = 7


class _Triangle:
    """H[i, j] of a lower triangle, row by row."""

    def __init__(self, entries: Any):
        self._entries = entries

    def __getitem__(self, place: tuple[int, int]) -> Any:
        i, j = place
        return self._entries[i * (i + 1) // 2 + j]


@cache
def _read_out(n: int) -> Program:
    """Of x, gradient, lower triangle, eigenvalues, what rounding leaves, and the tolerance for gradients."""
    m = triangle(n)

    def read(v):
        x, g, w = v[:n], v[n : 2 * n], v[2 * n + m : 3 * n + m]
        H, rounding, tolerance = _Triangle(v[2 * n : 2 * n + m]), v[-2], v[-1]
        noise, norm = rounding_errors(x, g, H, n, rounding)
        error, negative, null = signs(w, norm, n)
        flat = where(is_critical(x, g, noise, H, n, tolerance), 1.0, 0.0 * noise)
        return [error, negative, null, flat, gradient_curvature(g, H, n)]

    return straight_line(read, 3 * n + m + 2)


def curvature_kernel(
    f: Callable, read: Callable, method: Solver, extra: int, slots: int, places: tuple, known: int, bounded: bool
) -> Callable:
    """A row for each point; `places` are the slots of gradient and lower triangle, `known` results are read out."""
    n, _, state, after_sweep, after_order, solve, _ = method
    m = triangle(n)
    slopes, lower = places
    violates = cuda.jit(device=True)(is_outside)
    inputs, size, given = n + extra, 2 * n + OTHERS, 3 * n + m + 2

    def kernel(points, own, tables, sweep_tables, order_tables, read_tables, bounds, rounding, tolerance, rows):
        x, y = cuda.local.array(inputs, types.float64), cuda.local.array(slots, types.float64)
        a, after = cuda.local.array(state, types.float64), cuda.local.array(after_sweep, types.float64)
        w, v = cuda.local.array(after_order, types.float64), cuda.local.array(given, types.float64)
        found = cuda.local.array(known, types.float64)
        b = cuda.grid(1)
        if b < points.shape[0]:
            for i in range(n):
                x[i] = points[b, i]
            for i in range(extra):
                x[n + i] = own[b, i]
            f(x, y, tables)
            poison = 0.0
            for k in range(slots):
                poison += 0.0 * y[k]
            status = OK
            if bounded and violates(points[b], bounds):
                status, poison = OUTSIDE, math.nan
            elif poison != 0.0:
                status = NOT_FINITE
            for k in range(m):
                a[k] = v[2 * n + k] = y[lower[k]]
            exponent, _ = solve(a, after, w, sweep_tables, order_tables)
            for i in range(n):
                v[i], v[n + i] = x[i], y[slopes[i]]
                v[2 * n + m + i] = math.ldexp(w[i], exponent)
            v[given - 2], v[given - 1] = rounding, tolerance
            read(v, found, read_tables)
            poison += 0.0 * found[0] + 0.0 * v[2 * n + m]
            if poison != 0.0 and status == OK:
                status = NOT_FINITE
            first = b * size
            rows[first] = math.nan if status == OUTSIDE else y[0]
            for i in range(n):
                rows[first + 1 + i] = v[n + i] + poison
                rows[first + 1 + n + i] = v[2 * n + m + i] + poison
            first += 1 + 2 * n
            rows[first] = found[0] + poison
            rows[first + 1] = found[1] if status == OK else -1.0
            rows[first + 2] = found[2] if status == OK else -1.0
            rows[first + 3] = found[3] if status == OK else 0.0
            rows[first + 4] = found[4] + poison
            rows[first + 5] = status

    return kernel


class CurvatureKernels:
    """The kernels of a program with first and second derivatives, whose slots are `places`."""

    def __init__(self, program: Program, kernels: Kernels, places: tuple):
        self._program, self._kernels, self._places = program, kernels, places
        self._made: dict[tuple[int, bool], Any] = {}

    def _kernel(self, n: int, extra: int, bounded: bool) -> Any:
        if (extra, bounded) not in self._made:
            read = _read_out(n)
            functions = device_function(self._program.evaluator()), device_function(read.evaluator())
            made = curvature_kernel(
                *functions, solver(n, False), extra, self._program.slots, self._places, read.slots, bounded
            )
            self._made[extra, bounded] = cuda.jit(made)
        return self._made[extra, bounded]

    def from_host(
        self, device: int, points: np.ndarray, own: np.ndarray, shared: np.ndarray, bounds: np.ndarray | None,
        rounding: float, tolerance: float,
    ) -> np.ndarray:  # fmt: skip
        """Rows of points on the host."""
        (count, n), extra = points.shape, own.shape[1]
        rows = np.empty((count, 2 * n + OTHERS))
        made = self._kernel(n, extra, bounds is not None)

        def prepare(ordinal: int) -> Any:
            tables = copied(shared), *self._kernels.tables(ordinal)
            read = tuple(map(copied, (np.zeros(1), *_read_out(n).tables)))
            limits = copied(np.zeros((2, 1)) if bounds is None else bounds)
            given = tables, *tables_of(solver(n, False)), read, limits, rounding, tolerance

            def run(stream: Any, count: int, points: Any, own: Any, rows: Any) -> None:
                own = own.reshape(count, extra) if extra else own
                launch(made, count, THREADS, points.reshape(count, n), own, *given, rows, stream=stream)

            return run

        in_parts(
            ordinals(device), max(1, CHUNK_BYTES // (8 * (3 * n + extra + OTHERS))), (points, own), (rows,), prepare
        )
        return rows
