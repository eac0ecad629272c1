"""Jobs over points that are on a CUDA device already, and columns of arrays there: nothing crosses to the host."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from .._inputs import read_only
from .._rounding import NEARBY
from ._arguments import kinds_of
from ._cuda_jobs import Launcher, check_arguments, compile_for, kernels_of, there
from ._cuda_places import RESULTS, THREADS, as_matrices
from .cpu import Job, Points, Shares
from .cuda import constant, copied, cuda, driver_errors, launch


class _Settled(Shares):
    """Shares of a launcher that has settled what several tasks found of a point."""

    @property
    def is_within(self) -> bool:
        return False


class ResidentLauncher(Launcher):
    """The same of points on the present device, into arrays there.

    Arrays of the host among results are not wanted: their places on the device are let go of.
    """

    def plan_shares(self, *given: Any, **named: Any) -> Shares:
        return _Settled(*super().plan_shares(*given, **named))

    def launch(
        self, job: Job, points: Points, data: tuple, plan: Shares, evaluations: int, items: int | None = None
    ) -> None:  # fmt: skip
        """Run a job over all points; results are there for any stream."""
        count, items = len(points.x), len(points.x) if items is None else items
        if count == 0 or items == 0:
            return
        check_arguments(points.args)
        own = tuple(read_only(np.empty((1, *array.shape[1:]), array.dtype)) for array in points.point_args)
        kernels, parts = kernels_of(job, kinds_of(points.args, own)), int(plan.layout[1])
        names, made = kernels.names, kernels.made(points.x, data, plan.tasks)
        status = cuda.device_array(plan.tasks if parts > 1 else items, np.int8)
        given = tuple(status if name == "status" else _place(name, a) for name, a in zip(names, data, strict=True))
        own_places = there(points.args), points.point_args
        given = as_matrices(made.places, count, given)
        arguments = plan.tasks, constant(plan.layout), points.x, own_places, given
        compile_for(made.kernel, arguments, job)
        launch(made.kernel, plan.tasks, made.threads, *arguments)
        for name, array in zip(names, data, strict=True):
            if name in RESULTS and not isinstance(array, np.ndarray) and "status" in names:
                looks = name == "product" or array.dtype == np.float32
                _settle(status, parts, array.reshape(math.prod(array.shape)), items, looks)
        with driver_errors():
            cuda.synchronize()


def _place(name: str, value: Any) -> Any:
    """What a block is given on the device: arrays there as they are, room for results, and copies of what it reads."""
    if isinstance(value, np.ndarray) and value.size and name in RESULTS:
        return cuda.device_array(value.shape, value.dtype)
    return there(value)


def _settle(status: Any, parts: int, rows: Any, count: int, looks: bool) -> None:
    """Make rows of results NaN where one of the tasks of a point failed or, if one `looks`, an entry is not finite."""
    if parts > 1 or looks:
        launch(_settling(), count, THREADS, status, parts, rows, rows.shape[0] // count, looks)


@cache
def _settling() -> Any:
    @cuda.jit
    def kernel(status, parts, rows, size, looks):
        b = cuda.grid(1)
        if b * size < rows.shape[0]:
            is_lost = False
            for part in range(parts):
                is_lost |= status[b * parts + part] != 0
            if looks:
                for k in range(b * size, (b + 1) * size):
                    is_lost |= not math.isfinite(rows[k])
            if is_lost:
                for k in range(b * size, (b + 1) * size):
                    rows[k] = math.nan

    return kernel


def joined_columns(arrays: tuple, count: int) -> Any:
    """Arrays (N, ...) on the present device side by side, as numbers of float64; one that nobody reads for none."""
    widths = [math.prod(array.shape[1:]) for array in arrays]
    if not sum(widths):
        return copied(np.empty((0, 1)))
    if len(arrays) == 1 and arrays[0].dtype == np.float64:
        return arrays[0].reshape(count, *widths)
    found, first = cuda.device_array((count, sum(widths)), np.float64), 0
    for array, width in zip(arrays, widths, strict=True):
        copy_columns(array.reshape(count, width), 0, found, first, width)
        first += width
    return found


def copy_columns(source: Any, first: int, target: Any, to: int = 0, width: int | None = None) -> None:
    """Copy columns of a matrix on the present device into those of another: as many as that has, or `width`."""
    width = target.shape[1] if width is None else width
    launch(_copying(), source.shape[0] * width, THREADS, source, first, target, to, width)


@cache
def _copying() -> Any:
    @cuda.jit
    def kernel(source, first, target, to, width):
        k = cuda.grid(1)
        if k < source.shape[0] * width:
            b, column = k // width, k % width
            target[b, to + column] = source[b, first + column]

    return kernel


def new_array(shape: tuple[int, ...]) -> Any:
    """Room for numbers of float64 on the present device."""
    return cuda.device_array(shape, np.float64)


def nearby_points(points: Any, bounds: Any) -> Any:
    """What `_rounding.nearby` gives, of points and bounds on the present device."""
    found = cuda.device_array(points.shape, points.dtype)
    launch(_moving(), math.prod(points.shape), THREADS, points, bounds, found)
    return found


@cache
def _moving() -> Any:
    @cuda.jit
    def kernel(points, bounds, found):
        k = cuda.grid(1)
        n = points.shape[1]
        if k < points.shape[0] * n:
            b, i = k // n, k % n
            x = points[b, i]
            moved = x + (-NEARBY if i % 3 == 1 else NEARBY) * abs(x)
            if bounds[0, i] <= x <= bounds[1, i]:
                found[b, i] = min(max(moved, bounds[0, i]), bounds[1, i])
            else:
                found[b, i] = x

    return kernel


def estimate_rows(results: Any, others: Any, rounding: float, width: int, errors: Any) -> None:
    """What rows of exact results, `width` numbers each, are known to: as `of_rows` and `add_noise` of `_rounding`."""
    flat = (array.reshape(math.prod(array.shape)) for array in (results, others, errors))
    launch(_estimating(), math.prod(results.shape) // max(1, width), THREADS, *flat, rounding, width)


@cache
def _estimating() -> Any:
    @cuda.jit
    def kernel(results, others, errors, rounding, width):
        first = cuda.grid(1) * width
        if first < results.shape[0]:
            largest = poison = noise = 0.0
            for k in range(first, first + width):
                result = results[k]
                largest, poison = max(largest, abs(result)), poison + 0.0 * result
                change = abs(result - others[k])
                if noise < change < math.inf:
                    noise = change
            error = rounding * largest + noise + poison
            for k in range(first, first + width):
                errors[k] = error

    return kernel
