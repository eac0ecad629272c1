"""Blocks for values and first derivatives: Jacobians (a gradient is one of one row), Hessians from a gradient.

Evaluators are ``f(x, args) -> float`` and ``g(x, y, args)``, which fills y; ``args[0]`` takes note of an exception.
"""

from __future__ import annotations

import math

import numpy as np

from ..backends._layout import home, share, slot, span
from ..backends._native import call_task, slices
from ._outcome import OUTSIDE, copy, fill_nan, outcome
from ._steps import axis_step, is_outside, step_length, within


def value_block(f):
    """``value[b] = f(x_b)``."""

    def block(task, worker, layout, points, args, point_args, value):
        raised = np.zeros(1, np.uint8)
        first, last = span(layout, task, len(points))
        for b in range(first, last):
            value[b] = f(points[b], (raised, *args, *slices(point_args, b)))

    return block


def central_column(g, x, i, h, weights, args, up, down, column, column_next, largest):
    """D_p of every component along coordinate i: sum_k c_k (g(x + k h e_i) - g(x - k h e_i)) / 2 k h."""
    start = x[i]
    for r in range(len(column)):
        column[r], column_next[r] = 0.0, 0.0
    for k in range(1, weights.shape[1] + 1):
        x[i] = start + k * h
        g(x, up, args)
        x[i] = start - k * h
        g(x, down, args)
        p, q = weights[0, k - 1] / h, weights[1, k - 1] / h
        for r in range(len(column)):
            column[r] += p * (up[r] - down[r])
            column_next[r] += q * (up[r] - down[r])
            largest[r] = max(largest[r], abs(up[r]), abs(down[r]))
    x[i] = start


def sided_column(g, x, i, h, first, bounds, args, centre, up, column, column_next, largest):
    """The one-sided formula along coordinate i, on nodes x, x + h e_i, x + 2 h e_i, .. (h < 0: downwards)."""
    start = x[i]
    for r in range(len(column)):
        column[r] = first[0, 0] / h * centre[r]
        column_next[r] = first[1, 0] / h * centre[r]
    for q in range(1, first.shape[1]):
        if first[0, q] != 0.0 or first[1, q] != 0.0:
            x[i] = within(start + q * h, i, bounds)
            g(x, up, args)
            for r in range(len(column)):
                column[r] += first[0, q] / h * up[r]
                column_next[r] += first[1, q] / h * up[r]
                largest[r] = max(largest[r], abs(up[r]))
    x[i] = start


def jacobian_block(g, f, errors, symmetric, central_only):
    """Jacobians of g by columns; with `symmetric` those of a gradient, averaged with their transposes.

    `central_only`: there are no bounds, and one-sided formulas need not be compiled (a third of the time to do so).
    `value` gets f if that is given, and `centre` g itself, where they have room. `noise` holds eps and the levels of
    noise of g, `amplification` the sums of the absolute weights, central and one-sided.
    """

    def block(
        task, worker, layout, points, args, point_args,
        steps, scale, bounds, reach, central, first, noise, amplification,
        reader, status, value, centre, matrix, error,
    ):  # fmt: skip
        n, m = points.shape[1], matrix.shape[1]
        raised = np.zeros(1, np.uint8)
        x = np.empty(n, points.dtype)
        work = np.empty((6, m))
        middle, up, down, column, column_next, largest = work[0], work[1], work[2], work[3], work[4], work[5]
        begin, end = span(layout, task, len(points))
        start, stop = share(layout, task, n)
        for b in range(begin, end):
            J = matrix[home(layout, worker, b)]
            E = error[home(layout, worker, b)] if errors else error[0]
            copy(points[b], x)
            raised[0] = 0
            poison = math.nan
            outside = False if central_only else is_outside(x, bounds)
            if not outside:
                point = (raised, *args, *slices(point_args, b))
                widen = scale[min(b, len(scale) - 1)]
                g(x, middle, point)
                poison = 0.0
                for r in range(m):
                    poison += 0.0 * middle[r]
                if f is not None and value.size > 0:
                    value[b] = f(x, point)
                if centre.size > 0:
                    copy(middle, centre[b])
                for i in range(start, stop):
                    if central_only:
                        side, h = 0, step_length(x, i, steps[0, i] * widen, steps[2, i])
                    else:
                        side, h = axis_step(x, i, steps, widen, bounds, reach)
                    if h == 0.0:  # the bounds coincide: no derivative in this coordinate
                        for r in range(m):
                            J[r, i] = math.nan
                            if errors:
                                E[r, i] = math.nan
                        continue
                    for r in range(m):
                        largest[r] = abs(middle[r])
                    if central_only or side == 0:
                        central_column(g, x, i, h, central, point, up, down, column, column_next, largest)
                    else:
                        sided_column(g, x, i, h, first, bounds, point, middle, up, column, column_next, largest)
                    for r in range(m):
                        J[r, i] = column[r]
                        poison += 0.0 * column[r]
                        if errors:
                            e_f = max(noise[0] * largest[r], noise[min(b, len(noise) - 2) + 1])
                            E[r, i] = 2 * abs(column[r] - column_next[r]) + 2 * e_f * amplification[side] / abs(h)
            if poison != 0.0:
                fill_nan(J, start, stop)
                if errors:
                    fill_nan(E, start, stop)
            elif symmetric and layout[1] == 1:
                symmetrise(J)
                if errors:
                    symmetrise(E)
            status[slot(layout, task, b)] = OUTSIDE if outside else outcome(raised[0], poison)
            if reader[0] != 0:
                call_task(reader[0], reader[1], b, worker)

    return block


def largest_entry(y):
    """max_r |y_r|."""
    found = 0.0
    for r in range(len(y)):
        found = max(found, abs(y[r]))
    return found


def symmetrise(a):
    """The mean of a matrix and its transpose, in place."""
    for i in range(len(a)):
        for j in range(i):
            a[i, j] = a[j, i] = 0.5 * (a[i, j] + a[j, i])


def magnitude_block(g):
    """The largest |g_r| at x and at x +- h e_i, which noise is measured against."""

    def block(task, worker, layout, points, args, point_args, steps, bounds, reach, width, magnitude):
        n = points.shape[1]
        raised = np.zeros(1, np.uint8)
        x = np.empty(n, points.dtype)
        y = np.empty(width)
        begin, end = span(layout, task, len(points))
        for b in range(begin, end):
            copy(points[b], x)
            magnitude[b] = 0.0
            if not is_outside(x, bounds):
                point = (raised, *args, *slices(point_args, b))
                g(x, y, point)
                magnitude[b] = largest_entry(y)
                for i in range(n):
                    x_i = x[i]
                    side, h = axis_step(x, i, steps, 1.0, bounds, reach)
                    for sign in (1, -1):
                        if side == 0 or sign == 1:
                            x[i] = within(x_i + sign * h, i, bounds)
                            g(x, y, point)
                            magnitude[b] = max(magnitude[b], largest_entry(y))
                    x[i] = x_i

    return block
