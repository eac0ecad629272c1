"""Blocks that take exact derivatives: Hessians by blocks of the upper triangle, Jacobians by columns, products.

Evaluators are ``f(x, args) -> Number`` and ``g(x, args) -> (raised, values)`` for a seeded x. `rows`, `lanes` and,
where it is not 0, `known` (n) are known at compile time; n is at least `lanes` unless it is known. The last block of
columns (rows) ends with the last column (row), so that no block reaches beyond. Numbers are of float32 where they are
`single`, as points are then, and results and what these are known to.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcurv.simd import flat

from .._rounding import estimate_errors
from ..backends._layout import homes, share, slot, span
from ..backends._native import call_task, stack_array
from ..differences._outcome import OUTSIDE, fill_nan, outcome
from ..differences._steps import is_outside
from ._evaluate import entries, entry, is_finite, store_above, store_columns, store_cross, store_diagonal, store_pair
from ._operations import value_of
from ._shapes import MAX_JET
from ._vector import APART, BOTH, COLUMNS, COORDINATES, ROWS, SAME, SINGLE, seeded


def _numbers(single) -> tuple[int, Any]:
    """A bit for the form of numbers, and the type of reals beside them."""
    return (SINGLE, np.float32) if single else (0, float)


def blocks_of(n, rows, lanes):
    """The number of blocks that cover the upper triangle."""
    count = 0
    for first in range(0, n, lanes):
        count += (min(first + lanes, n) + rows - 1) // rows
    return count


def hessian_block(f, rows, lanes, known, bounded, full, single=False):
    """Hessians; with `full` also values, gradients and the estimates of both errors.

    Of points that several tasks share, error estimates are left to the caller.
    """
    width = min(lanes, known) if known > 0 else lanes
    whole = known == rows  # one block, which is never shared out
    form, real = _numbers(single)
    zero = real(0.0)
    along = form | (SAME if 0 < known <= MAX_JET else APART if known > 0 else COORDINATES)
    slopes = 1 if full else 0

    def block(
        task, worker, layout, points, arguments,
        bounds, status, hessian, reader, value, gradient, gradient_error, hessian_error, rounding,
    ):  # fmt: skip
        n = known if known > 0 else points.shape[1]
        raised = stack_array(1, layout)
        flat_hessian, flat_gradient = flat(hessian), flat(gradient)
        begin, end = span(layout, task, len(points))
        start, stop = (0, 1) if whole else share(layout, task, blocks_of(n, rows, lanes))
        origin, mask = homes(layout, worker)
        for b in range(begin, end):
            place = origin + (b & mask)
            corner = place * n * n
            raised[0] = 0
            point = (raised, arguments, b)
            fine, number = True, 0
            outside = is_outside(points[b], bounds) if bounded else False
            if outside:
                fine = False
                if full:
                    value[b] = math.nan
            else:
                for first in range(0, n, lanes):
                    j = min(first, n - width)
                    for row in range(0, j + width, rows):
                        if whole or start <= number < stop:
                            i = min(row, n - rows)
                            y = f(seeded(points, b, points, b, i, j, along, rows, lanes, known), point)
                            if whole or i == j:
                                store_diagonal(y, flat_hessian, corner + i * n + j, n)
                            elif i + rows <= j:
                                store_pair(y, flat_hessian, corner + i * n + j, corner + j * n + i, n)
                            else:  # rows from j on are those of the block on the diagonal
                                store_above(y, flat_hessian, corner + i * n + j, corner + j * n + i, n, j - i)
                            fine = fine and is_finite(y, slopes)
                            if full:
                                value[b] = value_of(y)
                                if row == 0:
                                    store_columns(y, flat_gradient, b * n + j, width)
                        number += 1
            if not fine:
                for k in range(corner, corner + n * n):
                    flat_hessian[k] = math.nan
                if full:
                    for i in range(n):
                        gradient[b, i] = math.nan
            if status.size > 0:
                status[slot(layout, task, b)] = OUTSIDE if outside else outcome(raised[0], 0.0 if fine else math.nan)
            if full:
                if layout[1] == 1:
                    estimate_errors(
                        points[b], gradient[b], hessian[place], gradient_error[place], hessian_error[place], rounding,
                        zero,
                    )  # fmt: skip
                if reader[0] != 0:
                    call_task(reader[0], reader[1], b, worker)

    return block


def jacobian_block(g, f, scalar, lanes, known, bounded, errors, symmetric, single=False):
    """Jacobians of g, which returns numbers, or of a `scalar` one, which returns a number (one row).

    With `symmetric` those of a gradient, averaged with their transposes. `value` gets f, and `centre` g itself, where
    they have room.
    """
    width, (along, real) = min(lanes, known) if known > 0 else lanes, _numbers(single)
    zero, half = real(0.0), real(0.5)

    def block(
        task, worker, layout, points, arguments, bounds, status, matrix, reader, value, centre, error, rounding,
    ):  # fmt: skip
        n, m = known if known > 0 else points.shape[1], matrix.shape[1]
        raised = stack_array(1, layout)
        flat_matrix = flat(matrix)
        begin, end = span(layout, task, len(points))
        start, stop = share(layout, task, (n + lanes - 1) // lanes)
        origin, mask = homes(layout, worker)
        for b in range(begin, end):
            place = origin + (b & mask)
            raised[0] = 0
            point = (raised, arguments, b)
            fine = True
            outside = is_outside(points[b], bounds) if bounded else False
            if outside:
                fine = False
                if f is not None and value.size > 0:
                    value[b] = math.nan
            else:
                if f is not None and value.size > 0:
                    f_0 = f(points[b], point)
                    fine = math.isfinite(f_0)
                    value[b] = f_0
                for part in range(start, stop):
                    j = min(part * lanes, n - width)
                    x = seeded(points, b, points, b, 0, j, along, 0, lanes, known)
                    if scalar:
                        y = g(x, point)
                        store_columns(y, flat_matrix, place * n + j, width)
                        fine = fine and is_finite(y, 0)
                    else:
                        failed, values = g(x, point)
                        if failed or len(values) != m:
                            raised[0] = 1
                            fine = False
                        else:
                            numbers = entries(values, x)
                            for r in range(m):
                                y = entry(numbers, r, x)
                                store_columns(y, flat_matrix, (place * m + r) * n + j, width)
                                fine = fine and is_finite(y, 0)
                                if centre.size > 0:
                                    centre[b, r] = value_of(y)
            J = matrix[place]
            if not fine:
                fill_nan(J, 0, n)
                if centre.size > 0:
                    for r in range(m):
                        centre[b, r] = math.nan
            elif symmetric and layout[1] == 1:
                for i in range(1, n):
                    for j in range(i):
                        J[i, j] = J[j, i] = half * (J[i, j] + J[j, i])
            if errors and layout[1] == 1:
                E = error[place]
                for r in range(m):
                    largest = zero
                    for i in range(n):
                        largest = max(largest, abs(J[r, i]))
                    for i in range(n):
                        E[r, i] = rounding * largest
                if not fine:
                    fill_nan(E, 0, n)
            status[slot(layout, task, b)] = OUTSIDE if outside else outcome(raised[0], 0.0 if fine else math.nan)
            if reader[0] != 0:
                call_task(reader[0], reader[1], b, worker)

    return block


def product_block(f, lanes, known, single=False):
    """H v: second derivatives along v and along the coordinates, a block of these at a time."""
    width, (form, _) = min(lanes, known) if known > 0 else lanes, _numbers(single)
    along = form | ROWS

    def block(task, worker, layout, points, arguments, directions, status, product):
        n = known if known > 0 else points.shape[1]
        raised = stack_array(1, layout)
        flat_product = flat(product)
        begin, end = span(layout, task, len(directions))
        start, stop = share(layout, task, (n + lanes - 1) // lanes)
        for d in range(begin, end):
            b = d // (len(directions) // len(points))
            raised[0] = 0
            point = (raised, arguments, b)
            fine = True
            for part in range(start, stop):
                j = min(part * lanes, n - width)
                y = f(seeded(points, b, directions, d, 0, j, along, 1, lanes, known), point)
                store_cross(y, flat_product, d * n + j, width)
                fine = fine and is_finite(y, 0)
            if not fine:
                for i in range(n):
                    product[d, i] = math.nan
            status[slot(layout, task, d)] = outcome(raised[0], 0.0 if fine else math.nan)

    return block


def form_block(f, known, single=False):
    """v'Hv: the second derivative along v."""
    form_of_numbers, _ = _numbers(single)
    along = form_of_numbers | BOTH

    def block(task, worker, layout, points, arguments, directions, status, form):
        raised = stack_array(1, layout)
        begin, end = span(layout, task, len(directions))
        for d in range(begin, end):
            b = d // (len(directions) // len(points))
            raised[0] = 0
            y = f(seeded(points, b, directions, d, 0, 0, along, 1, 1, known), (raised, arguments, b))
            store_cross(y, form, d, 1)
            fine = is_finite(y, 0)
            if not fine:
                form[d] = math.nan
            status[slot(layout, task, d)] = outcome(raised[0], 0.0 if fine else math.nan)

    return block


def gradient_product_block(g, known, single=False):
    """H v as the derivative of the user's gradient along v."""
    form, _ = _numbers(single)
    along = form | COLUMNS

    def block(task, worker, layout, points, arguments, directions, status, product):
        n = known if known > 0 else points.shape[1]
        raised = stack_array(1, layout)
        flat_product = flat(product)
        begin, end = span(layout, task, len(directions))
        for d in range(begin, end):
            b = d // (len(directions) // len(points))
            raised[0] = 0
            fine = True
            x = seeded(points, b, directions, d, 0, 0, along, 0, 1, known)
            failed, values = g(x, (raised, arguments, b))
            if failed or len(values) != n:
                raised[0] = 1
                fine = False
            else:
                numbers = entries(values, x)
                for r in range(n):
                    y = entry(numbers, r, x)
                    store_columns(y, flat_product, d * n + r, 1)
                    fine = fine and is_finite(y, 0)
            if not fine:
                for i in range(n):
                    product[d, i] = math.nan
            status[slot(layout, task, d)] = outcome(raised[0], 0.0 if fine else math.nan)

    return block
