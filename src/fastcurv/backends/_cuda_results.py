"""What is done with results on the present CUDA device: see `_results`, which has the same for the host.

A thread works on each number, so that threads side by side touch numbers that are; what is to be found of rows before,
teams of threads find: see `_cuda_over`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._read_outs import power_below
from .._rounding import DOUBLE, NEARBY, eps_of, rounding_of
from ..differences._jacobian import mean
from ..differences._outcome import OK
from ._cuda_lanes import for_thread
from ._cuda_over import over, over_pairs, over_rows
from .cpu import Shares
from .cuda import constant, cuda


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


def added(x, y):
    """A sum."""
    return x + y


def larger(x, y):
    """The larger of two; NaN stays."""
    return x if x >= y or x != x else y


def smaller(x, y):
    """The smaller of two."""
    return min(x, y)


def by_row(array: Any, rows: int) -> Any:
    """An array as a matrix of so many rows."""
    return array.reshape(rows, math.prod(array.shape) // max(1, rows))


def settle(status: Any, shared: Shares, *results: Any) -> Any:
    """Of points with several tasks the first one's status; what one of them found poisons all."""
    if not shared.is_within:
        return status
    parts = int(shared.layout[1])
    count = status.size // parts
    _least(found := room(count, np.int8), parts, by_row(status, count))
    for array in results:
        _poison_by_status(array.size, found, array.size // max(1, count), flat(array))
    return found


@over_rows(smaller)
def _least(b, part, status):
    return status[b, part]


@over
def _poison_by_status(k, status, width, rows):
    if status[k // width] != OK:
        rows[k] = math.nan


def symmetrise(*matrices: Any) -> None:
    """The mean of matrices (N, n, n) and their transposes, in place."""
    for array in matrices:
        _symmetrise(array)


_symmetrise = over_pairs(mean)


def of_rows(rows: Any, dtype: Any = None, arithmetic: np.dtype = DOUBLE) -> Any:
    """Of each entry as much as of the largest along the last axis; `dtype` is that of results, where it is another."""
    (*_, width), errors = rows.shape, room(rows.shape)
    rounding = rounding_of(np.dtype(dtype or rows.dtype), arithmetic)
    _share(rows.size, largest_of(by_row(rows, rows.size // max(1, width))), rounding, width, flat(errors))
    return errors


def largest_of(rows: Any) -> Any:
    """The largest magnitude in each row; NaN where a number is."""
    _largest(found := room(rows.shape[0]), rows.shape[1], rows)
    return found


@over_rows(larger)
def _largest(b, k, rows):
    return abs(rows[b, k])


@over
def _share(k, sizes, rounding, width, errors):
    errors[k] = rounding * sizes[k // width]


def of_forms(directions: Any, errors: Any) -> Any:
    """Of v'Hv, whose terms may cancel: what H v is known to is what bounds it."""
    return dot(directions, errors, absolute=True)


def dot(a: Any, b: Any, absolute: bool = False) -> Any:
    """Sums along the last axis of two, or of magnitudes of a times b."""
    _dot(found := room(a.shape[0]), a.shape[1], a, b, absolute)
    return found


@over_rows(added)
def _dot(d, i, a, b, absolute):
    return (abs(a[d, i]) if absolute else a[d, i]) * b[d, i]


def apply(matrices: Any, v: Any, absolute: bool = False) -> Any:
    """Products of matrices (N, n, n) with as many vectors (N k, n) each, or with their magnitudes."""
    each = v.shape[0] // max(1, matrices.shape[0])
    _apply(flat(found := room(v.shape)), v.shape[1], matrices, v, each, absolute)
    return found


@over_rows(added)
def _apply(row, j, matrices, v, each, absolute):
    d, i = row // v.shape[1], row % v.shape[1]
    return matrices[d // each, i, j] * (abs(v[d, j]) if absolute else v[d, j])


def estimate_all(x: Any, g: Any, H: Any, g_error: Any, H_error: Any, arithmetic: np.dtype = DOUBLE) -> None:
    """Of gradients (N, n) and Hessians (N, n, n), at points whose type is that of results."""
    (count, n), rounding = x.shape, rounding_of(x.dtype, arithmetic)
    _largest_lever(lever := room(count), n * n, by_row(H, count), x)
    _share(H.size, largest_of(by_row(H, count)), rounding, n * n, flat(H_error))
    _share_with_lever(g.size, largest_of(g), lever, rounding, n, flat(g_error))


@over_rows(larger)
def _largest_lever(b, k, H, x):
    return abs(H[b, k]) * abs(x[b, k % x.shape[1]])


@over
def _share_with_lever(k, slopes, levers, rounding, width, errors):
    errors[k] = rounding * (slopes[k // width] + levers[k // width])


def norms(matrices: Any) -> Any:
    """Frobenius norms of matrices (N, n, n) that are symmetric and not negative."""
    rows = by_row(matrices, matrices.shape[0])
    powers = largest_of(rows)
    _to_powers(powers.size, powers)
    _squares(found := room(rows.shape[0]), rows.shape[1], rows, powers)
    _to_norms(found.size, found, powers)
    return found


@over
def _to_powers(b, sizes):
    sizes[b] = below(sizes[b])


@over_rows(added)
def _squares(b, k, rows, powers):
    number = rows[b, k] / powers[b]
    return number * number


@over
def _to_norms(b, squares, powers):
    squares[b] = powers[b] * math.sqrt(squares[b])


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
    rows = results.size // max(1, width)
    _largest_change(noise := room(rows), width, by_row(results, rows), by_row(others, rows))
    _add(errors.size, flat(errors), noise, width)


@over_rows(larger)
def _largest_change(b, k, results, others):
    change = abs(results[b, k] - others[b, k])
    return change if change < math.inf else 0.0


@over
def _add(k, errors, noise, width):
    errors[k] += noise[k // width]


def blank(rows: Any, *others: Any, where_nan: bool = False) -> None:
    """Make arrays (N, ...) NaN at points where a number of `rows` is infinite or, if so, NaN."""
    count = rows.shape[0]
    _is_lost(lost := room(count, np.int8), rows.size // max(1, count), by_row(rows, count), where_nan)
    for array in others:
        _blank(array.size, lost, array.size // max(1, count), flat(array))


@over_rows(larger)
def _is_lost(b, k, rows, where_nan):
    return 1.0 if math.isinf(rows[b, k]) or (where_nan and math.isnan(rows[b, k])) else 0.0


@over
def _blank(k, lost, width, others):
    if lost[k // width]:
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


below = for_thread(power_below)
