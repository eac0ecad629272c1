"""Curvature of functions that are not traced, of few coordinates, in one kernel: a thread takes the derivatives of a
point by a block of the CPU, solves and reads. It touches the device's memory for the point and for its row alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types

from .._inputs import read_only
from .._read_outs import estimated_errors
from . import _cuda_eigen as eigen
from ._arguments import kinds_of
from ._cuda_groups import Precision, precision_of
from ._cuda_jobs import check_arguments, compile_for, kernels_of, there
from ._cuda_lanes import for_thread
from ._cuda_places import (
    MOST_OF_OWN,
    OWN,
    RESULTS,
    THREADS,
    Place,
    arranged,
    as_matrices,
    at_point,
    place_of,
    running,
    widths_of,
)
from ._cuda_read_outs import reading_whole, width_of_rows
from ._cuda_tiles import storing, threads_of
from .cpu import Job, Points
from .cuda import constant, cuda, launch

#: what is read of what blocks find
FOUND = "value", "status", "gradient", "gradient_error", "hessian", "hessian_error"
WHOLE = np.array([1, 1, 0, 0])  # the layout of tasks of a point each


class Places(NamedTuple):
    """What a thread is given in place of points and data, and of points' own arguments."""

    given: tuple[Place, ...]
    own: tuple[Place, ...]


def places_for(names: tuple[str, ...], points: Any, data: tuple, own: tuple = ()) -> Places | None:
    """Results are a thread's own; None where there is no room for all but points' own arguments.

    Of results `data` has arrays for one point, of the precision that they are computed in.
    """
    single = precision_in(names, data).is_single
    wanted = [
        Place("own", tuple(array.shape), single) if name in RESULTS and array.size else place_of(name, array)
        for name, array in zip(("points", *names), (points, *data), strict=True)
    ]
    arguments = [place_of(OWN, array) for array in own]
    found = arranged(wanted + arguments, MOST_OF_OWN, 0)
    places = Places(found[: len(wanted)], found[len(wanted) :])
    return places if [place.kind for place in places.given] == [place.kind for place in wanted] else None


def precision_in(names: tuple[str, ...], data: tuple) -> Precision:
    """The one that results are computed in."""
    return precision_of(data[names.index("hessian")].dtype)


def tiles_for(places: Places, n: int, precision: Precision) -> tuple[int, int, int]:
    """Threads in a block, and numbers of float64 and float32 in their rows of shared memory; results go there, too."""
    widths, which = list(widths_of(places.given + places.own)), precision.is_single
    widths[which] = max(widths[which], width_of_rows(n))
    doubles, singles = widths
    return threads_of(doubles + singles, THREADS), doubles, singles


def rows_at_once(job: Job, points: Points, data: tuple, tolerance: float, most: float) -> Any:
    """Rows of what curvature reads of points on the present device; None where a thread has no room for results."""
    count, n = points.x.shape
    check_arguments(points.args)
    own = tuple(read_only(np.empty((1, *array.shape[1:]), array.dtype)) for array in points.point_args)
    kernels = kernels_of(job, kinds_of(points.args, own))
    places = places_for(kernels.names, points.x, data, points.point_args)
    if places is None:
        return None
    precision = precision_in(kernels.names, data)
    rows = cuda.device_array((count, width_of_rows(n)), precision.dtype)
    if count:
        made_of = kernels.block, kernels.names, places, n, precision
        kernel = kernels.other(places, lambda: fused_kernel(*made_of))
        tables = eigen.tables_of(eigen.solver(n, False, precision).tables)
        given = (there(points.args), as_matrices(places.own, points.point_args)), there(data)
        arguments = count, constant(WHOLE), points.x, *given, tables, *map(precision.real, (tolerance, most)), rows
        compile_for(kernel, arguments, job)
        launch(kernel, count, tiles_for(places, n, precision)[0], *arguments)
        cuda.synchronize()
    return rows


def fused_kernel(block: Callable, names: tuple[str, ...], places: Places, n: int, precision: Precision) -> Callable:
    """Each thread runs the task of a point, solves and reads."""
    real, which = precision.real, int(precision.is_single)
    threads, doubles_width, singles_width = tiles_for(places, n, precision)
    run, here_of = running(block, *places), at_point(places.given)
    method = eigen.solver(n, False, precision)
    state, after_sweep, after_order, solve = method.state, method.after_sweep, method.after_order, method.solve
    errors_of, read_out, size = for_thread(estimated_errors, real), reading_whole(n, precision), width_of_rows(n)
    store = storing(size, size)
    of_value, of_status, of_gradient, of_slope_errors, of_hessian, of_errors = (1 + names.index(name) for name in FOUND)

    def kernel(tasks, layout, points, arguments, data, tables, tolerance, most, rows):
        doubles = cuda.shared.array((threads, doubles_width), types.float64)
        singles = cuda.shared.array((threads, singles_width), types.float32)
        a, after = cuda.local.array(state, real), cuda.local.array(after_sweep, real)
        found, w = cuda.local.array(after_order, real), cuda.local.array(n, real)
        row = cuda.local.array(size, real)
        b, thread, tiles = cuda.grid(1), cuda.threadIdx.x, (doubles, singles)
        given = (points,) + data  # noqa: RUF005  Numba knows sums of tuples
        first, at = cuda.blockIdx.x * cuda.blockDim.x, (b, b, 1, 0, 1)
        together, memory = (first, min(cuda.blockDim.x, tasks - first), 1, tasks), (doubles[thread], singles[thread])
        run(given, layout, arguments, tiles, memory, at, together)
        if b < tasks:
            here = here_of(given, memory, at)
            x, g, H = here[0][0], here[of_gradient][0], here[of_hessian][0]
            for i in range(n):
                for j in range(i + 1):
                    a[i * (i + 1) // 2 + j] = H[i, j]
            exponent, _ = solve(a, after, found, tables[0], tables[1])
            for i in range(n):
                w[i] = math.ldexp(found[i], exponent)
            errors = errors_of(x, here[of_slope_errors][0], here[of_errors][0], n)
            value, status = here[of_value][0], int(here[of_status][0])
            read_out(row, x, g, H, w, value, status, errors, tolerance, most)
            for k in range(size):
                tiles[which][thread, k] = row[k]
        cuda.syncthreads()
        store(tiles[which], rows, 0, tasks)

    return kernel
