"""What is done with results on the present CUDA device: see `_results`, which has the same for the host."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from .._read_outs import frobenius
from .._rounding import DOUBLE, NEARBY, eps_of, estimate_errors, rounding_of
from ..differences import _jacobian as jacobian
from ..differences._outcome import OK
from ._cuda_lanes import for_thread
from .cpu import Shares
from .cuda import constant, cuda, launch

#: threads in a block
THREADS = 64


def over(kernel: Callable) -> Any:
    """``run(count, *arguments)``: a thread for each item, whose number the kernel takes first; ``run.made()`` is what
    is launched.
    """

    @cache
    def made() -> Any:
        item = cuda.jit(device=True)(kernel)

        @cuda.jit
        def every(count, arguments):
            k = cuda.grid(1)
            if k < count:
                item(k, *arguments)

        return every

    def run(count: int, *arguments: Any) -> None:
        launch(made(), count, THREADS, count, arguments)

    run.made = made
    return run


def any_of(condition: Callable) -> Any:
    """``run(array)``: whether that is so of a number of an array; it alone comes to the host."""
    holds = cuda.jit(device=True)(condition)

    @over
    def look(k, array, found):
        if not found[0] and holds(array[k]):
            found[0] = 1

    def run(array: Any) -> bool:
        found = zeros(1, np.int8)
        look(array.size, flat(array), found)
        return bool(found.copy_to_host()[0])

    run.made = look.made
    return run


def flat(array: Any) -> Any:
    """An array as one row."""
    return array.reshape(math.prod(array.shape))


def room(shape: Any, dtype: Any = np.float64) -> Any:
    """An array that is not filled."""
    return cuda.device_array(shape, dtype)


def zeros(shape: Any, dtype: Any = np.float64) -> Any:
    """An array of zeros."""
    found = room(shape, dtype)
    _fill(math.prod(found.shape), flat(found), 0.0)
    return found


@over
def _fill(k, array, value):
    array[k] = value


def settle(status: Any, shared: Shares, *results: Any) -> Any:
    """Of points with several tasks the first one's status; what one of them found poisons all."""
    if shared.is_within:
        parts = int(shared.layout[1])
        for array in results:
            rows = flat(array)
            _poison_by_status(status.size // parts, status, parts, rows, rows.size * parts // max(1, status.size))
        _gather_statuses(status.size // parts, status, parts, found := room(status.size // parts, np.int8))
        return found
    return status


@over
def _poison_by_status(b, status, parts, rows, width):
    is_lost = False
    for part in range(parts):
        is_lost |= status[b * parts + part] != OK
    if is_lost:
        for k in range(b * width, (b + 1) * width):
            rows[k] = math.nan


@over
def _gather_statuses(b, status, parts, found):
    least = status[b * parts]
    for part in range(1, parts):
        least = min(least, status[b * parts + part])
    found[b] = least


def symmetrise(*matrices: Any) -> None:
    """The mean of matrices (N, n, n) and their transposes, in place."""
    for array in matrices:
        if array.size:
            _symmetrise(array.shape[0], array)


@over
def _symmetrise(b, matrices):
    symmetrised(matrices[b])


def of_rows(rows: Any, dtype: Any = None, arithmetic: np.dtype = DOUBLE) -> Any:
    """Of each entry as much as of the largest along the last axis; `dtype` is that of results, where it is another."""
    (*_, width), errors = rows.shape, room(rows.shape)
    rounding = rounding_of(np.dtype(dtype or rows.dtype), arithmetic)
    _estimate_rows(rows.size // max(1, width), flat(rows), width, rounding, flat(errors))
    return errors


@over
def _estimate_rows(b, rows, width, rounding, errors):
    largest = poison = 0.0
    for k in range(b * width, (b + 1) * width):
        largest, poison = max(largest, abs(rows[k])), poison + 0.0 * rows[k]
    for k in range(b * width, (b + 1) * width):
        errors[k] = rounding * largest + poison


def of_forms(directions: Any, errors: Any) -> Any:
    """Of v'Hv, whose terms may cancel: what H v is known to is what bounds it."""
    return dot(directions, errors, absolute=True)


def dot(a: Any, b: Any, absolute: bool = False) -> Any:
    """Sums along the last axis of two, or of magnitudes of a times b."""
    found = room(a.shape[0])
    _dot(a.shape[0], a, b, absolute, found)
    return found


@over
def _dot(d, a, b, absolute, found):
    total = 0.0
    for i in range(a.shape[1]):
        total += (abs(a[d, i]) if absolute else a[d, i]) * b[d, i]
    found[d] = total


def apply(matrices: Any, v: Any, absolute: bool = False) -> Any:
    """Products of matrices (N, n, n) with as many vectors (N k, n) each, or with their magnitudes."""
    found = room(v.shape)
    _apply(v.shape[0], matrices, v, absolute, found)
    return found


@over
def _apply(d, matrices, v, absolute, found):
    b = d // (v.shape[0] // matrices.shape[0])
    for i in range(v.shape[1]):
        total = 0.0
        for j in range(v.shape[1]):
            total += matrices[b, i, j] * (abs(v[d, j]) if absolute else v[d, j])
        found[d, i] = total


def estimate_all(x: Any, g: Any, H: Any, g_error: Any, H_error: Any, arithmetic: np.dtype = DOUBLE) -> None:
    """Of gradients (N, n) and Hessians (N, n, n), at points whose type is that of results."""
    _estimate(x.shape[0], x, g, H, g_error, H_error, rounding_of(x.dtype, arithmetic))


def norms(matrices: Any) -> Any:
    """Frobenius norms of matrices (N, n, n) that are symmetric and not negative."""
    found = room(matrices.shape[0])
    _norm(matrices.shape[0], matrices, found)
    return found


@over
def _norm(b, matrices, found):
    found[b] = norm(matrices[b], matrices.shape[1])


def nearby(x: Any, bounds: np.ndarray) -> Any:
    """Points a few roundings away."""
    found = room(x.shape, x.dtype)
    _move(math.prod(x.shape), x, constant(np.ascontiguousarray(bounds)), NEARBY * eps_of(x.dtype), found)
    return found


@over
def _move(k, points, bounds, distance, found):
    n = points.shape[1]
    b, i = k // n, k % n
    x = points[b, i]
    moved = x + (-distance if i % 3 == 1 else distance) * abs(x)
    if bounds[0, i] <= x <= bounds[1, i]:
        found[b, i] = min(max(moved, bounds[0, i]), bounds[1, i])
    else:
        found[b, i] = x


def add_noise(errors: Any, results: Any, others: Any, axes: tuple[int, ...]) -> None:
    """Add to errors by how much results differ from those nearby, most of all along some axes, the last ones."""
    width = math.prod(results.shape[axis] for axis in axes)
    _add_noise(results.size // max(1, width), flat(results), flat(others), width, flat(errors))


@over
def _add_noise(b, results, others, width, errors):
    noise = 0.0
    for k in range(b * width, (b + 1) * width):
        change = abs(results[k] - others[k])
        if noise < change < math.inf:
            noise = change
    for k in range(b * width, (b + 1) * width):
        errors[k] += noise


def blank(rows: Any, *others: Any, where_nan: bool = False) -> None:
    """Make arrays (N, ...) NaN at points where a number of `rows` is infinite or, if so, NaN."""
    for array in others:
        _blank(rows.shape[0], flat(rows), rows.size // max(1, rows.shape[0]), flat(array), where_nan)


@over
def _blank(b, rows, width, others, where_nan):
    is_lost, size = False, others.shape[0] // (rows.shape[0] // width)
    for k in range(b * width, (b + 1) * width):
        is_lost |= math.isinf(rows[k]) or (where_nan and math.isnan(rows[k]))
    if is_lost:
        for k in range(b * size, (b + 1) * size):
            others[k] = math.nan


def own_numbers(arrays: tuple, count: int) -> Any:
    """Arrays (N, ...) side by side as numbers of float64: what each point has of its own."""
    widths = [math.prod(array.shape[1:]) for array in arrays]
    if len(arrays) == 1 and arrays[0].dtype == np.float64:
        return arrays[0].reshape(count, *widths)
    found, first = room((count, sum(widths))), 0
    for array, width in zip(arrays, widths, strict=True):
        copy_columns(array.reshape(count, width), 0, found, first, width)
        first += width
    return found


def part(rows: Any, *arrays: Any) -> None:
    """Copy rows of numbers into arrays (N, ...), so many columns to each as it has room for."""
    first = 0
    for array in arrays:
        width = math.prod(array.shape[1:])
        copy_columns(rows, first, array.reshape(rows.shape[0], width))
        first += width


def repeated(rows: Any, each: int) -> Any:
    """Each row so many times."""
    if each == 1:
        return rows
    found = room((rows.shape[0] * each, rows.shape[1]), rows.dtype)
    _repeat(math.prod(found.shape), rows, each, found)
    return found


@over
def _repeat(k, rows, each, found):
    d, i = k // rows.shape[1], k % rows.shape[1]
    found[d, i] = rows[d // each, i]


def broadcast(array: Any, shape: tuple[int, ...], dtype: Any = np.float64) -> Any:
    """A copy of an array, broadcast to a shape, in a type."""
    found = room(shape, dtype)
    if tuple(array.shape) == shape:
        assign(found, array)
    else:
        lengths = (1,) * (len(shape) - array.ndim) + tuple(array.shape)
        steps = [0 if length == 1 else math.prod(lengths[axis + 1 :]) for axis, length in enumerate(lengths)]
        _broadcast(math.prod(shape), flat(array), constant(np.array([shape, steps], np.int64)), flat(found))
    return found


@over
def _broadcast(k, source, axes, found):
    rest, place = k, 0
    for axis in range(axes.shape[1] - 1, -1, -1):
        place += rest % axes[0, axis] * axes[1, axis]
        rest //= axes[0, axis]
    found[k] = source[place]


def entries(numbers: Any, places: np.ndarray) -> np.ndarray:
    """Some of the numbers, on the host."""
    found = room(len(places), numbers.dtype)
    _gather(len(places), numbers, constant(places), found)
    return found.copy_to_host()


@over
def _gather(k, numbers, places, found):
    found[k] = numbers[places[k]]


def after(first: float, others: Any) -> Any:
    """A number, and others after it."""
    found = room(1 + others.shape[0])
    _fill(1, found, first)
    assign(found[1:], others)
    return found


def copy_columns(source: Any, first: int, target: Any, to: int = 0, width: int | None = None) -> None:
    """Copy columns of a matrix into those of another: as many as that has, or `width`."""
    width = target.shape[1] if width is None else width
    _copy(source.shape[0] * width, source, first, target, to, width)


@over
def _copy(k, source, first, target, to, width):
    b, column = k // width, k % width
    target[b, to + column] = source[b, first + column]


def assign(target: Any, source: Any) -> None:
    """Copy numbers of one array into another of as many, of any shape and type."""
    copy_columns(source.reshape(source.size, 1), 0, target.reshape(target.size, 1))


def add_rounding(errors: Any, rows: Any) -> None:
    """Add to errors what rows of results lose when they are stored in their type."""
    _add_rounding(rows.size, flat(errors), flat(rows), float(np.finfo(rows.dtype).eps) / 2)


@over
def _add_rounding(k, errors, rows, rounding):
    errors[k] += rounding * abs(rows[k])


@over
def _estimate(b, x, g, H, g_error, H_error, rounding):
    estimated(x[b], g[b], H[b], g_error[b], H_error[b], rounding)


@any_of
def has_positive(number):
    return number > 0.0


@any_of
def has_number(number):
    return not math.isnan(number)


@any_of
def has_lost(number):
    """NaN or infinite."""
    return not math.isfinite(number)


@any_of
def has_no_level(number):
    """What cannot be the size of an error."""
    return not 0.0 <= number < math.inf


estimated, norm, symmetrised = map(for_thread, (estimate_errors, frobenius, jacobian.symmetrise))
