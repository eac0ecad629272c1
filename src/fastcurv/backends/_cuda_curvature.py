"""Curvature on a CUDA device: derivatives, spectrum and what is read from them.

Up to some order all is done by one thread for each point, in registers. Above, derivatives and spectra are in the
device's memory between three kernels. All numbers are of the precision of derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from .._read_outs import rounding_errors
from ..differences._outcome import NOT_FINITE, OK, OUTSIDE
from ..differences._steps import is_outside
from ..tracing import Program
from . import _cuda_eigen as eigen
from ._cuda_groups import DOUBLE, Precision, precision_of
from ._cuda_lanes import for_thread
from ._cuda_read_outs import last_tile, reading_kernel, reading_whole, width_of_rows
from ._cuda_results import assign
from ._cuda_tiles import PIECE, loading, storing, threads_of, width_of, writing
from ._cuda_transfers import in_parts
from .cuda import CHUNK_BYTES, Kernels, constant, cuda, device_function, in_type, launch, ordinals

#: bytes between kernels, of so many points at once that are on a device
SCRATCH_BYTES = 2**28


def derivation(f: Callable, n: int, slots: int, bounded: bool, precision: Precision = DOUBLE) -> Callable:
    """``derive(tables, bounds, x, y)``: all results, in y, at the point in x, beside numbers of its own; its status."""
    violates = for_thread(is_outside, precision.real)

    def derive(tables, bounds, x, y):
        f(x, y, tables)
        rest = y[0] - y[0]
        for k in range(1, slots):
            rest += y[k] - y[k]
        if bounded and violates(x[:n], bounds):
            return OUTSIDE
        return NOT_FINITE if rest != rest else OK

    return cuda.jit(device=True)(derive)


def tiles_of(n: int, extra: int, precision: Precision = DOUBLE) -> tuple[tuple[int, int], ...]:
    """Threads in a block, and numbers in their rows of shared memory, of one kernel, which has rows of results there,
    or of the two of three that are here.
    """
    if scratch_of(n):
        return _tile(width_of(PIECE), precision), last_tile(n, precision)
    return (_tile(max(width_of(extra), width_of_rows(n)), precision),)


def _tile(width: int, precision: Precision) -> tuple[int, int]:
    return threads_of(width, eigen.THREADS, precision.dtype.itemsize), width


def curvature_kernel(
    f: Callable, n: int, extra: int, slots: int, places: tuple, bounded: bool, precision: Precision = DOUBLE
) -> Callable:
    """A row for each point; `places` are the slots of gradient and lower triangle."""
    real, method = precision.real, eigen.solver(n, False, precision)
    state, after_sweep, after_order, solve = method.state, method.after_sweep, method.after_order, method.solve
    load, derive = loading(n, extra), derivation(f, n, slots, bounded, precision)
    errors_of, read_out = for_thread(rounding_errors, real), reading_whole(n, precision)
    inputs, size, (tile_shape,) = n + extra, width_of_rows(n), tiles_of(n, extra, precision)
    store, (slopes, lower) = storing(size, size), places

    def kernel(points, own, tables, sweep_tables, order_tables, bounds, rounding, tolerance, most, rows):
        tile = cuda.shared.array(tile_shape, real)
        x, y = cuda.local.array(inputs, real), cuda.local.array(slots, real)
        a, after = cuda.local.array(state, real), cuda.local.array(after_sweep, real)
        found, w = cuda.local.array(after_order, real), cuda.local.array(n, real)
        g, H = cuda.local.array(n, real), cuda.local.array((n, n), real)
        b, count = cuda.grid(1), points.shape[0]
        load(points, own, b, tile, x)
        if b < count:
            status = derive(tables, bounds, x, y)
            for i in range(n):
                g[i] = y[slopes[i]]
                for j in range(i + 1):
                    k = i * (i + 1) // 2 + j
                    a[k] = H[i, j] = y[lower[k]]
            exponent, _ = solve(a, after, found, sweep_tables, order_tables)
            for i in range(n):
                w[i] = math.ldexp(found[i], exponent)
            errors = errors_of(x, g, H, n, rounding)
            read_out(tile[cuda.threadIdx.x], x, g, H, w, y[0], status, errors, tolerance, most)
        cuda.syncthreads()
        store(tile, rows, 0, count)

    return kernel


def derivatives_kernel(
    f: Callable, n: int, extra: int, slots: int, bounded: bool, precision: Precision = DOUBLE
) -> Callable:
    """Value and status, gradient and Hessian of each point, of which the last two are in slots `places`."""
    load, derive, inputs = loading(n, extra), derivation(f, n, slots, bounded, precision), n + extra
    real, (tile_shape, _) = precision.real, tiles_of(n, extra, precision)

    def slope(found, k):
        y, places = found
        return y[places[k]]

    def entry(found, k):
        y, places = found
        return y[places[n + k]]

    write_gradient, write_hessian = writing(n, slope), writing(n * n, entry)

    def kernel(points, own, tables, bounds, places, scalars, gradients, hessians):
        tile = cuda.shared.array(tile_shape, real)
        x, y = cuda.local.array(inputs, real), cuda.local.array(slots, real)
        b, count = cuda.grid(1), points.shape[0]
        load(points, own, b, tile, x)
        if b < count:
            status = derive(tables, bounds, x, y)
            scalars[0, b], scalars[1, b] = y[0], status
        write_gradient((y, places), tile, gradients, b, count)
        write_hessian((y, places), tile, hessians, b, count)

    return kernel


def rows_from(
    ordinal: int, points: Any, value: Any, status: Any, gradients: Any, hessians: Any, errors: tuple[Any, Any],
    tolerance: float, most: float,
) -> Any:  # fmt: skip
    """Rows of points from derivatives, and the errors of gradients and Hessians, all on the present device."""
    (count, n), precision = points.shape, precision_of(hessians.dtype)
    w, rows = (cuda.device_array((count, width), precision.dtype) for width in (n, width_of_rows(n)))
    scalars = cuda.device_array((2, count), precision.dtype)
    if count:
        assign(scalars[0], value)
        assign(scalars[1], status)
        solve = eigen.solving(ordinal, n, False, precision)  # whose memory must not be let go of before
        solve(0, hessians.reshape(count * n * n), w, w)
        block, _ = last_tile(n, precision)
        given = points, scalars, gradients, hessians, w, errors, *map(precision.real, (tolerance, most)), rows
        launch(_reading(n, precision), count, block, *given)
        cuda.synchronize()
    return rows


@cache
def _reading(n: int, precision: Precision) -> Any:
    return cuda.jit(reading_kernel(n, are_exact=False, precision=precision))


def scratch_of(n: int) -> tuple[int, ...]:
    """How many numbers lie between kernels for each point; none where one kernel does all."""
    return () if n <= eigen.IN_REGISTERS[False] else (2, n, n * n, n)


class Reading(NamedTuple):
    """What the points of a call have in common."""

    n: int
    extra: int  # numbers of points' own
    shared: np.ndarray
    bounds: np.ndarray | None
    rounding: float
    tolerance: float
    most: float  # from here on numbers are infinite in the type of the points
    precision: Precision

    @property
    def limits(self) -> Any:
        """Bounds on the present device."""
        return constant(self._as_read(np.zeros((2, 1)) if self.bounds is None else self.bounds))

    @property
    def numbers(self) -> Any:
        """What all points share, on the present device."""
        return constant(self._as_read(self.shared))

    @property
    def decisive(self) -> tuple[Any, ...]:
        """What results are known to, and what is decided by, as kernels take it."""
        return tuple(map(self.precision.real, (self.rounding, self.tolerance, self.most)))

    def _as_read(self, array: np.ndarray) -> np.ndarray:
        return in_type(array, self.precision.is_single)


class CurvatureKernels:
    """The kernels of a program with first and second derivatives, whose slots are `places`."""

    def __init__(self, program: Program, kernels: Kernels, places: tuple[tuple[int, ...], tuple[int, ...]]):
        self._program, self._kernels, self._places = program, kernels, places
        self._made: dict[tuple[int, bool, Precision], Any] = {}

    def _kernel(self, given: Reading) -> Any:
        """One where there are few coordinates, else two, between which eigenvalues are computed."""
        case = given.extra, given.bounds is not None, given.precision
        if case not in self._made:
            f, known = device_function(self._program.evaluator()), (given.n, given.extra, self._program.slots)
            if scratch_of(given.n):
                made = (
                    cuda.jit(derivatives_kernel(f, *known, *case[1:])),
                    cuda.jit(reading_kernel(given.n, are_exact=True, precision=given.precision)),
                )
            else:
                made = cuda.jit(curvature_kernel(f, *known, self._places, *case[1:]))
            self._made[case] = made
        return self._made[case]

    def from_host(self, device: int, points: np.ndarray, own: np.ndarray, given: Reading) -> np.ndarray:
        """Rows of points on the host."""
        n, dtype = given.n, given.precision.dtype
        rows = np.empty((len(points), width_of_rows(n)), dtype)
        scratch = scratch_of(n)
        widths = n + given.extra + width_of_rows(n) + sum(scratch)
        in_parts(
            ordinals(device), max(1, CHUNK_BYTES // (dtype.itemsize * widths)), (points, own), (rows,),
            lambda ordinal: self._prepared(ordinal, given), scratch,
        )  # fmt: skip
        return rows

    def on_device(self, ordinal: int, points: Any, own: Any, given: Reading) -> Any:
        """Rows of points on the present device, there."""
        (count, n), width, dtype = points.shape, width_of_rows(given.n), given.precision.dtype
        scratch = scratch_of(n)
        step = max(1, min(count, SCRATCH_BYTES // (dtype.itemsize * sum(scratch)) if scratch else count))
        rows = cuda.device_array(count * width, dtype)
        memory = [cuda.device_array(step * numbers, dtype) for numbers in scratch]
        run = self._prepared(ordinal, given)  # whose memory must not be let go of before
        for first in range(0, count, step):
            part = slice(first, min(first + step, count))
            size, some = part.stop - first, own[part] if given.extra else own
            of_part = (array[: size * numbers] for array, numbers in zip(memory, scratch, strict=True))
            run(0, size, points[part], some, rows[first * width : part.stop * width], *of_part)
        cuda.synchronize()
        return rows.reshape(count, width)

    def _prepared(self, ordinal: int, given: Reading) -> Callable[..., None]:
        return (self._in_stages if scratch_of(given.n) else self._at_once)(ordinal, given)

    def _tables(self, ordinal: int, given: Reading) -> tuple:
        return given.numbers, *self._kernels.tables(ordinal, given.precision.is_single)

    def _at_once(self, ordinal: int, given: Reading) -> Callable[..., None]:
        (n, extra, *_), precision = given, given.precision
        kernel, tables, ((block, _),) = self._kernel(given), self._tables(ordinal, given), tiles_of(n, extra, precision)
        more = *eigen.tables_of(eigen.solver(n, False, precision).tables), given.limits, *given.decisive

        def run(stream: Any, count: int, points: Any, own: Any, rows: Any) -> None:
            points, own, rows = _as_matrices(given, count, points, own, rows)
            launch(kernel, count, block, points, own, tables, *more, rows, stream=stream)

        return run

    def _in_stages(self, ordinal: int, given: Reading) -> Callable[..., None]:
        (n, extra, *_), precision, decisive = given, given.precision, given.decisive
        (derive, read), tables, limits = self._kernel(given), self._tables(ordinal, given), given.limits
        places, solve = constant(self._places_in_full(n)), eigen.solving(ordinal, n, False, precision)
        (block, _), (last_block, _) = tiles_of(n, extra, precision)

        def run(stream: Any, count: int, points: Any, own: Any, rows: Any, *scratch: Any) -> None:
            scalars, gradients, hessians, spectra = scratch
            points, own, rows = _as_matrices(given, count, points, own, rows)
            scalars, gradients, w = scalars.reshape(2, count), gradients.reshape(count, n), spectra.reshape(count, n)
            found = scalars, gradients, hessians.reshape(count, n * n)
            launch(derive, count, block, points, own, tables, limits, places, *found, stream=stream)
            solve(stream, hessians, w, w)
            found = scalars, gradients, hessians.reshape(count, n, n)
            launch(read, count, last_block, points, *found, w, *decisive, rows, stream=stream)

        return run

    def _places_in_full(self, n: int) -> np.ndarray:
        """The slots of gradient and Hessian: whole rows are written together faster than halves one by one."""
        slopes, lower = map(np.array, self._places)
        rows, columns = np.indices((n, n))
        i, j = np.maximum(rows, columns), np.minimum(rows, columns)
        return np.concatenate([slopes, lower[i * (i + 1) // 2 + j].ravel()])


def _as_matrices(given: Reading, count: int, points: Any, own: Any, rows: Any) -> tuple[Any, Any, Any]:
    """What flat arrays hold of so many points, a row for each."""
    n, extra = given.n, given.extra
    own = own.reshape(count, extra) if extra else own
    return points.reshape(count, n), own, rows.reshape(count, width_of_rows(n))
