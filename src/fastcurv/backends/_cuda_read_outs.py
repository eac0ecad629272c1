"""What is read from derivatives and spectra on a CUDA device: a row for each point, of what `reading_out` writes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._read_outs import (
    estimated_errors,
    forms_of_row,
    gradient_curvature,
    is_critical,
    is_small,
    largest_entry,
    power_below,
    rounding_errors,
    rounding_of_largest,
    scaled_row,
    signs,
    slope_error,
    squares_of_row,
    step_along,
    unit_of,
    unit_of_gradient,
)
from .._rounding import largest_in_row
from ..differences._outcome import NOT_FINITE, OK, OUTSIDE
from ._cuda_groups import DOUBLE, Precision
from ._cuda_lanes import for_thread
from ._cuda_over import over, over_rows
from ._cuda_results import added
from ._cuda_tiles import LONGEST, PIECE, bringing, reading, threads_of, writing
from .cuda import cuda

#: threads in a block
THREADS = 64
#: numbers of a row besides gradient and eigenvalues: value; error of eigenvalues, index, nullity, whether the point is
#: critical, curvature along the gradient, status
OTHERS = 7


def width_of_rows(n: int) -> int:
    """Numbers of a row."""
    return 2 * n + OTHERS


def places_of(n: int) -> dict[str, int]:
    """In which column of rows what `reading_out` writes begins, by the names of `Curvature`."""
    after = 1 + 2 * n
    names = "eigenvalue_error", "index", "nullity", "critical", "gradient_curvature", "status"
    return {"value": 0, "gradient": 1, "eigenvalues": 1 + n} | {name: after + k for k, name in enumerate(names)}


def reading_out(n: int, precision: Precision) -> Callable:
    """``read_out(row, g, w, value, status, norm, is_flat, bend, most)``: what is read of a point, into its row.

    `norm` is what its Hessian is known to, ||E||_F, `bend` its curvature along the gradient; results from `most` on are
    not finite in the type of the points.
    """
    real, eps = precision.real, precision.real(np.finfo(precision.dtype).eps)
    signs_of, places = for_thread(signs, real), places_of(n)
    nothing, one, none, lost = real(0.0), real(1.0), real(-1.0), real(math.nan)
    gradient, eigenvalues, spectrum_error, index, nullity, critical, bend, state = (
        places[name]
        for name in (
            "gradient", "eigenvalues", "eigenvalue_error", "index", "nullity", "critical", "gradient_curvature",
            "status",
        )
    )  # fmt: skip

    def read_out(row, g, w, value, status, norm, is_flat, along_gradient, most):
        error, negative, null = signs_of(w, norm, n, eps)
        is_lost = abs(value) >= most or abs(w[0]) >= most or abs(w[n - 1]) >= most
        is_lost |= nothing * error + nothing * w[0] != nothing
        for i in range(n):
            is_lost |= abs(g[i]) >= most
        if status == OK and is_lost:
            status = NOT_FINITE
        poison = nothing if status == OK else lost
        row[0] = lost if status == OUTSIDE else value
        for i in range(n):
            row[gradient + i] = g[i] + poison
            row[eigenvalues + i] = w[i] + poison
        row[spectrum_error] = error + poison
        row[index] = negative if status == OK else none
        row[nullity] = null if status == OK else none
        row[critical] = one if status == OK and is_flat else nothing
        row[bend] = along_gradient + poison
        row[state] = status

    return cuda.jit(device=True)(read_out)


def reading_whole(n: int, precision: Precision) -> Callable:
    """``read_whole(row, x, g, H, w, value, status, errors, tolerance, most)``: the same where a thread has its Hessian,
    of which the lower triangle is read. `errors` are those of the gradient, max_i s_i e_g,i, and ||E||_F.
    """
    flatness, bend_of = (for_thread(f, precision.real) for f in (is_critical, gradient_curvature))
    read_out = reading_out(n, precision)

    def read_whole(row, x, g, H, w, value, status, errors, tolerance, most):
        noise, norm = errors
        is_flat, along_gradient = flatness(x, g, noise, H, n, tolerance), bend_of(g, H, n)
        read_out(row, g, w, value, status, norm, is_flat, along_gradient, most)

    return cuda.jit(device=True)(read_whole)


def last_tile(n: int, precision: Precision) -> tuple[int, int]:
    """Threads in a block of `reading_kernel`, and numbers in their rows of shared memory: rows of Hessians, or none."""
    width = max(n, PIECE) | 1 if n <= LONGEST else 1
    return threads_of(width, THREADS, precision.dtype.itemsize), width


def reading_kernel(n: int, are_exact: bool, precision: Precision = DOUBLE) -> Callable:
    """A row for each point from scalars, value and status, gradient, Hessian and eigenvalues.

    `known` is what derivatives are known to: the rounding of exact ones, or estimated errors of gradients and Hessians.
    """
    return (_reading_row_by_row if n <= LONGEST else _reading_where_they_are)(n, are_exact, precision)


def _reading_row_by_row(n: int, are_exact: bool, precision: Precision) -> Callable:
    """Of each row of their Hessians threads read all they need, before the next one takes its place."""
    real, size, tile_shape = precision.real, width_of_rows(n), last_tile(n, precision)
    read_out, appraise, norm_of = reading_out(n, precision), appraising(n, are_exact, real), norming(n, real)
    rounding_at, slope_noise, small = (for_thread(f, real) for f in (rounding_of_largest, slope_error, is_small))
    nothing = real(0.0)

    def put(x, k, number):
        x[k] = number

    def get(row, k):
        return row[k]

    bring_vector, write = reading(n, put), writing(size, get)

    def exact(x, w, largest, tile, b, count, rounding):
        return rounding_at(x, largest, n, rounding)

    def estimated(x, w, largest, tile, b, count, known):
        noise = nothing
        bring_vector(known[0], tile, b, count, w)
        for i in range(n):
            noise = slope_noise(noise, w[i], x[i])
        return noise, norm_of(known[1], tile)

    errors_of = cuda.jit(device=True)(exact if are_exact else estimated)

    def kernel(points, scalars, gradients, hessians, spectra, known, tolerance, most, rows):
        tile = cuda.shared.array(tile_shape, real)
        x, g = cuda.local.array(n, real), cuda.local.array(n, real)
        w, row = cuda.local.array(n, real), cuda.local.array(size, real)
        b, count = cuda.grid(1), points.shape[0]
        bring_vector(points, tile, b, count, x)
        bring_vector(gradients, tile, b, count, g)
        largest, unit, scaled, along_gradient = appraise(x, g, hessians, tile)
        cuda.syncthreads()
        noise, norm = errors_of(x, w, largest, tile, b, count, known)
        cuda.syncthreads()
        bring_vector(spectra, tile, b, count, w)
        if b < count:
            is_flat = small(*scaled, noise, unit, tolerance)
            value, status = scalars[0, b], int(scalars[1, b])
            read_out(row, g, w, value, status, norm, is_flat, along_gradient, most)
        write(row, tile, rows, b, count)

    return kernel


def appraising(n: int, are_exact: bool, real: Any) -> Callable:
    """``appraise(x, g, hessians, tile)``: the largest numbers of exact derivatives, as `largest_of` finds them; the
    unit of coordinates, and the largest numbers in that; the curvature along the gradient.
    """
    functions = largest_in_row, scaled_row, forms_of_row, unit_of, unit_of_gradient
    in_row, scaled_in, forms_in, unit_of_points, unit_of_slopes = (for_thread(f, real) for f in functions)
    bring, nothing = bringing(n), real(0.0)

    def appraise(x, g, hessians, tile):
        r, unit, unit_of_g = cuda.threadIdx.x, unit_of_points(x, n), unit_of_slopes(g, n)
        steepest = largest = lever = poison = slope = bend = uu = uHu = nothing
        for i in range(n):
            bring(hessians, i, tile)
            if are_exact:
                if i == 0:
                    poison = nothing * tile[r, 0]
                steepest = max(steepest, abs(g[i]))
                largest, lever = in_row(x, i, tile, r, largest, lever)
            slope_i, bend_i = scaled_in(x, g, unit, i, tile, r)
            slope, bend = max(slope, slope_i), max(bend, bend_i)
            uu_i, uHu_i = forms_in(g, unit_of_g, i, tile, r)
            uu, uHu = uu + uu_i, uHu + uHu_i
        return (steepest, largest + poison, lever + poison), unit, (slope, bend), uHu / uu

    return cuda.jit(device=True)(appraise)


def norming(n: int, real: Any) -> Callable:
    """``norm(matrices, tile)``: ||E||_F of each thread's matrix, as `frobenius` finds it."""
    largest_in, squares_in, below = (for_thread(f, real) for f in (largest_entry, squares_of_row, power_below))
    bring, nothing, one = bringing(n), real(0.0), real(1.0)

    def norm(matrices, tile):
        r, largest, total = cuda.threadIdx.x, nothing, nothing
        for i in range(n):
            bring(matrices, i, tile)
            largest = largest_in(tile, r, i, largest)
        power = below(largest)
        inverse = one / power
        for i in range(n):
            bring(matrices, i, tile)
            total += squares_in(tile, r, i, inverse)
        return power * math.sqrt(total)

    return cuda.jit(device=True)(norm)


def _reading_where_they_are(n: int, are_exact: bool, precision: Precision) -> Callable:
    """Each thread reads by itself: a row takes some memory's lines as a whole."""
    read_out = reading_whole(n, precision)
    of_rounding, of_estimates = (for_thread(f, precision.real) for f in (rounding_errors, estimated_errors))

    def exact(x, g, H, b, rounding):
        return of_rounding(x, g, H, n, rounding)

    def estimated(x, g, H, b, known):
        return of_estimates(x, known[0][b], known[1][b], n)

    errors_of = cuda.jit(device=True)(exact if are_exact else estimated)

    def kernel(points, scalars, gradients, hessians, spectra, known, tolerance, most, rows):
        b = cuda.grid(1)
        if b < points.shape[0]:
            x, g, H, value, status = points[b], gradients[b], hessians[b], scalars[0, b], int(scalars[1, b])
            errors = errors_of(x, g, H, b, known)
            read_out(rows[b], x, g, H, spectra[b], value, status, errors, tolerance, most)

    return kernel


def newton_steps(rows: Any, spectra: Any, vectors: Any, steps: Any) -> None:
    """Newton steps on the present device, NaN where points are invalid or an eigenvalue cannot be told from zero."""
    count, n = spectra.shape
    along, places = cuda.device_array((count, n)), places_of(n)
    _divide(count * n, rows, places["gradient"], places["nullity"], spectra, vectors, along)
    _put_together(steps.reshape(count * n), n, vectors, along)


@over
def _divide(row, rows, gradient, nullity, spectra, vectors, along):
    n = spectra.shape[1]
    b, k = row // n, row % n
    is_told = rows[b, nullity] == 0  # -1 where it is invalid
    along[b, k] = along_one(rows[b, gradient:], spectra[b], 0, vectors[b], k) if is_told else math.nan


@over_rows(added)
def _put_together(row, k, vectors, along):
    b, i = row // along.shape[1], row % along.shape[1]
    return -vectors[b, i, k] * along[b, k]


def invalidate(rows: Any, *matrices: Any) -> None:
    """Make matrices (N, n, n) on the present device NaN where the status says so."""
    for array in matrices:
        count, n, _ = array.shape
        _invalidate(count * n * n, rows, places_of(n)["status"], array.reshape(count * n * n), n * n)


@over
def _invalidate(k, rows, status, numbers, width):
    if rows[k // width, status] != OK:
        numbers[k] = math.nan


along_one = for_thread(step_along)
