"""Blocks for values and first derivatives: Jacobians (a gradient is one of one row), Hessians from a gradient.

Evaluators are ``f(x, args) -> float`` and ``g(x, y, args)``, which fills y; ``args[0]`` takes note of an exception.
"""

from __future__ import annotations

import math

import numpy as np

from fastcurv.simd import first_aligned, flat, group_unpacker, numbers, take

from ..backends._layout import groups, homes, share, slot, span
from ..backends._native import call_task, stack_array
from ._outcome import OUTSIDE, copy, fill, fill_nan, outcome
from ._steps import axis_step, central_step, is_outside, within


def value_block(f):
    """``value[b] = f(x_b)``."""

    def block(task, worker, layout, points, arguments, value):
        raised = stack_array(1, layout)
        raised[0] = 0
        first, last = span(layout, task, len(points))
        for b in range(first, last):
            value[b] = f(points[b], (raised, arguments, b))

    return block


def values_block(g):
    """``value[b] = g(x_b)``, for vectors."""

    def block(task, worker, layout, points, arguments, value):
        raised = stack_array(1, layout)
        raised[0] = 0
        first, last = span(layout, task, len(points))
        for b in range(first, last):
            g(points[b], value[b], (raised, arguments, b))

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


def central_jacobian_block(g, f, room, lanes, transposes, errors, symmetric):
    """Jacobians of g away from bounds, of a group of points at once, one in each lane; else as `jacobian_block`."""
    unpack_group = group_unpacker(lanes, transposes)

    def block(
        task, worker, layout, points, arguments,
        steps, scale, central, noise, amplification, reader, status, value, centre, matrix, error,
    ):  # fmt: skip
        n, m = points.shape[1], matrix.shape[1]
        raised = stack_array(1, layout)
        poisons = stack_array(lanes, steps)
        matrices = 2 if errors else 1
        memory = stack_array(room, steps) if room else np.empty(8 + lanes * (n + 6 * m + matrices * m * n))
        own = first_aligned(memory)
        x, work = numbers(memory, own, n, lanes, 0), numbers(memory, own + lanes * n, (6, m), lanes, 0)
        middle, up, down, column, column_next, largest = work[0], work[1], work[2], work[3], work[4], work[5]
        own += lanes * (n + 6 * m)
        J = numbers(memory, own, (m, n), lanes, 0)
        E = numbers(memory, own + lanes * m * n if errors else own, (m, n), lanes, 0)
        lanes_J, lanes_E, lanes_middle = flat(J), flat(E), flat(middle)
        one = numbers(poisons, 0, 1, lanes, 0)  # by lanes, in `poisons`
        flat_points, flat_J, flat_E = flat(points), flat(matrix), flat(error)
        flat_centre = flat(centre)
        first_group, last_group = span(layout, task, groups(len(points), lanes))
        start, stop = share(layout, task, n)
        origin, mask = homes(layout, worker)
        for group in range(first_group, last_group):
            b = group * lanes
            last = min(lanes, len(points) - b) - 1
            place = origin + (b & mask)
            raised[0] = 0
            point = (raised, arguments, b)
            widen = take(scale, b if len(scale) > 1 else 0, 1 if len(scale) > 1 else 0, last, lanes)
            for i in range(n):
                x[i] = take(flat_points, b * n + i, n, last, lanes)
            g(x, middle, point)
            poison = 0.0 * middle[0]
            for r in range(m):
                poison += 0.0 * middle[r]
            if f is not None and value.size > 0:
                f_0 = f(x, point)
                poison += 0.0 * f_0
                one[0] = f_0
                for lane in range(last + 1):
                    value[b + lane] = poisons[lane]
            if centre.size > 0:
                unpack_group(lanes_middle, m, last + 1, flat_centre, b * m)
            level = take(noise, b + 1 if len(noise) > 2 else 1, 1 if len(noise) > 2 else 0, last, lanes)
            for i in range(start, stop):
                h = central_step(x[i], steps[0, i] * widen, steps[2, i], points)
                for r in range(m):
                    largest[r] = abs(middle[r])
                central_column(g, x, i, h, central, point, up, down, column, column_next, largest)
                for r in range(m):
                    J[r, i] = column[r]
                    poison += 0.0 * column[r]
                    if errors:
                        e_f = max(noise[0] * largest[r], level)
                        E[r, i] = 2 * abs(column[r] - column_next[r]) + 2 * e_f * amplification[0] / h
            if symmetric and layout[1] == 1:
                symmetrise(J)
                if errors:
                    symmetrise(E)
            if layout[1] == 1:
                unpack_group(lanes_J, m * n, last + 1, flat_J, place * m * n)
                if errors:
                    unpack_group(lanes_E, m * n, last + 1, flat_E, place * m * n)
            else:
                for lane in range(last + 1):
                    for r in range(m):
                        for i in range(start, stop):
                            entry = (r * n + i) * lanes + lane
                            matrix[place + lane, r, i] = lanes_J[entry]
                            if errors:
                                error[place + lane, r, i] = lanes_E[entry]
            one[0] = poison
            for lane in range(last + 1):
                if poisons[lane] != 0.0 and layout[1] == 1:
                    fill(flat_J, (place + lane) * m * n, m * n)
                    if centre.size > 0:
                        fill(flat_centre, (b + lane) * m, m)
                    if errors:
                        fill(flat_E, (place + lane) * m * n, m * n)
                status[slot(layout, task * lanes, b) + lane] = outcome(raised[0], poisons[lane])
                if reader[0] != 0:
                    call_task(reader[0], reader[1], b + lane, worker)

    return block


def jacobian_block(g, f, known, values, errors, symmetric):
    """Jacobians of g by columns; with `symmetric` those of a gradient, averaged with their transposes.

    `value` gets f if that is given, and `centre` g itself, where they have room. `noise` holds eps and the levels of
    noise of g, `amplification` the sums of the absolute weights, central and one-sided. For devices n is `known`,
    and so are the `values` of g: memory is on the stack.
    """
    room = 6 * values

    def block(
        task, worker, layout, points, arguments,
        steps, scale, bounds, reach, central, first, noise, amplification,
        reader, status, value, centre, matrix, error,
    ):  # fmt: skip
        n, m = points.shape[1], matrix.shape[1]
        raised = stack_array(1, layout)
        x = stack_array(known, points) if known else np.empty(n, points.dtype)
        memory = stack_array(room, steps) if known else np.empty(6 * m)
        work = numbers(memory, 0, (6, m), 1, 0)
        middle, up, down, column, column_next, largest = work[0], work[1], work[2], work[3], work[4], work[5]
        begin, end = span(layout, task, len(points))
        start, stop = share(layout, task, n)
        origin, mask = homes(layout, worker)
        for b in range(begin, end):
            place = origin + (b & mask)
            J = matrix[place]
            E = error[place] if errors else error[0]
            copy(points[b], x)
            raised[0] = 0
            poison = math.nan
            outside = is_outside(x, bounds)
            if outside and f is not None and value.size > 0:
                value[b] = math.nan
            if not outside:
                point = (raised, arguments, b)
                widen = scale[min(b, len(scale) - 1)]
                g(x, middle, point)
                poison = 0.0
                for r in range(m):
                    poison += 0.0 * middle[r]
                if f is not None and value.size > 0:
                    f_0 = f(x, point)
                    poison += 0.0 * f_0
                    value[b] = f_0
                if centre.size > 0:
                    copy(middle, centre[b])
                for i in range(start, stop):
                    side, h = axis_step(x, i, steps, widen, bounds, reach)
                    if h == 0.0:  # the bounds coincide: no derivative in this coordinate
                        for r in range(m):
                            J[r, i] = math.nan
                            if errors:
                                E[r, i] = math.nan
                        continue
                    for r in range(m):
                        largest[r] = abs(middle[r])
                    if side == 0:
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
                if centre.size > 0:
                    fill_nan(centre[b : b + 1], 0, m)
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


def mean(a, b):
    """(a + b) / 2."""
    return 0.5 * (a + b)


def symmetrise(a):
    """The mean of a matrix and its transpose, in place."""
    for i in range(len(a)):
        for j in range(i):
            a[i, j] = a[j, i] = mean(a[i, j], a[j, i])


def widened(level, magnitude, eps, exponent):
    """(e_f / F eps)^(1 / (p + d)), where noise e_f is more than rounding of the largest |f|, F, and no more than F."""
    ratio = level / magnitude if level > 0.0 else 0.0
    if not ratio <= 1.0:  # NaN, too
        ratio = 1.0
    return (max(ratio, eps) / eps) ** exponent


def widening_block(g, known, values):
    """By how much noise widens relative steps: it is measured against the largest |g_r| at x and at x +- h e_i.

    x is in double, as lanes are.
    """

    def block(task, worker, layout, points, arguments, steps, bounds, reach, width, noise, exponent, widening):
        n = points.shape[1]
        raised = stack_array(1, layout)
        x = stack_array(known, steps) if known else np.empty(n, steps.dtype)
        y = stack_array(values, steps) if known else np.empty(width)
        begin, end = span(layout, task, len(points))
        for b in range(begin, end):
            copy(points[b], x)
            largest = 0.0
            if not is_outside(x, bounds):
                point = (raised, arguments, b)
                g(x, y, point)
                largest = largest_entry(y)
                for i in range(n):
                    x_i = x[i]
                    side, h = axis_step(x, i, steps, 1.0, bounds, reach)
                    for sign in (1, -1):
                        if side == 0 or sign == 1:
                            x[i] = within(x_i + sign * h, i, bounds)
                            g(x, y, point)
                            largest = max(largest, largest_entry(y))
                    x[i] = x_i
            widening[b] = widened(noise[min(b, len(noise) - 2) + 1], largest, noise[0], exponent)

    return block
