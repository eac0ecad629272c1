"""Hessian-vector products and v'Hv without the Hessian, of several points and directions at once, one in each lane."""

from __future__ import annotations

import math

import numpy as np

from fastcurv.simd import first_aligned, flat, give, numbers, where

from ..backends._layout import groups, share, slot, span
from ..backends._native import stack_array
from ._outcome import fill, outcome
from ._steps import central_step


def step_along(x, v, step, widen):
    """The step t along v, such that max_i |t v_i| / max(1, |x_i|) or max_i |t v_i| is what was asked; 0 for v = 0."""
    relative = absolute = 0.0 * widen
    for i in range(len(x)):
        relative = max(relative, abs(v[i]) / max(1.0, abs(x[i])))
        absolute = max(absolute, abs(v[i]))
    return where(relative == 0.0, 0.0, step[0] * widen / relative + step[1] / absolute)


def rounding_along(x, v, t, step):
    """The rounding of x + t v by what f is given, step[2], relative to t v.

    Steps along coordinates are made such that x + h is a number; this cannot be done along v. What f changes by from
    node to node, times this, is an error of f.
    """
    largest = longest = 0.0 * t
    for i in range(len(x)):
        largest, longest = max(largest, abs(x[i])), max(longest, abs(v[i]))
    return where(t > 0.0, step[2] * largest / (t * longest), 0.0)


def read_group(points, directions, scale, noise, b, lanes, memory, first):
    """Points, directions, widening and noise of the group from direction b on, side by side in memory.

    There is the same number of directions for each point. Lanes after the last direction repeat it.
    """
    n, each = points.shape[1], len(directions) // len(points)
    for lane in range(lanes):
        d = min(b + lane, len(directions) - 1)
        at = d // each
        for i in range(n):
            memory[first + i * lanes + lane] = points[at, i]
            memory[first + (n + i) * lanes + lane] = directions[d, i]
        memory[first + 2 * n * lanes + lane] = scale[min(at, len(scale) - 1)]
        memory[first + (2 * n + 1) * lanes + lane] = noise[min(at, len(noise) - 2) + 1]


def product_block(f, room, lanes, errors):
    """H v from values: differences along the coordinates of the derivative along v.

    One formula for both first derivatives, central or forward: `offsets` in units of t and h, `weights[:, q, r]` for
    orders p and p + 2. `step` holds the relative and absolute step along v, and half an ulp of nodes; `steps`, those
    along the coordinates. `room`, where it is not 0, is the memory that a thread of a device has on its stack.
    """
    rows = 6 if errors else 5

    def block(
        task, worker, layout, points, arguments, directions,
        step, steps, scale, offsets, weights, noise, amplification, status, product, error,
    ):  # fmt: skip
        n = points.shape[1]
        raised = stack_array(1, layout)
        memory = stack_array(room, step) if room else np.empty(8 + lanes * ((2 + rows) * n + 2))
        origin = first_aligned(memory)
        read = numbers(memory, origin, 2 * n + 2, lanes, 0)
        work = numbers(memory, origin + lanes * (2 * n + 2), (rows, n), lanes, 0)
        x, h, mixed, mixed_next = work[0], work[1], work[2], work[3]
        largest, change = work[4], work[rows - 1]
        out, out_error = flat(product), flat(error)
        first_group, last_group = span(layout, task, groups(len(directions), lanes))
        start, stop = share(layout, task, n)
        for group in range(first_group, last_group):
            b = group * lanes
            last = min(lanes, len(directions) - b) - 1
            read_group(points, directions, scale, noise, b, lanes, memory, origin)
            centre, v, widen, level = read[:n], read[n : 2 * n], read[2 * n], read[2 * n + 1]
            raised[0] = 0
            point = (raised, arguments, b // (len(directions) // len(points)))
            t = step_along(centre, v, step, widen)
            f_0 = f(centre, point)
            poison = 0.0 * f_0 + 0.0 * t
            for i in range(start, stop):
                h[i] = central_step(centre[i], steps[0, i] * widen, steps[2, i], points)
                mixed[i], mixed_next[i], largest[i] = 0.0, 0.0, abs(f_0)
                if errors:
                    change[i] = 0.0
            for q in range(len(offsets)):
                for j in range(n):
                    x[j] = centre[j] + offsets[q] * t * v[j]
                for i in range(start, stop):
                    x_i = x[i]
                    for r in range(len(offsets)):
                        w, w_next = weights[0, q, r], weights[1, q, r]
                        if w != 0.0 or w_next != 0.0:
                            x[i] = x_i + offsets[r] * h[i]
                            f_qr = f(x, point)
                            largest[i] = max(largest[i], abs(f_qr))
                            if errors:
                                change[i] = max(change[i], abs(f_qr - f_0))
                            mixed[i] += w * f_qr
                            mixed_next[i] += w_next * f_qr
                    x[i] = x_i
            blur = rounding_along(centre, v, t, step)
            for i in range(start, stop):
                area = where(t > 0.0, t * h[i], math.inf)  # H 0 = 0
                give(mixed[i] / area, out, b * n + i, n, last)
                poison += 0.0 * mixed[i]
                if errors:
                    e_f = max(noise[0] * largest[i], level) + (blur + step[2] * abs(centre[i]) / h[i]) * change[i]
                    spread = 2 * abs(mixed[i] - mixed_next[i]) + 2 * e_f * amplification
                    give(spread / area, out_error, b * n + i, n, last)
            report(
                poison, read, memory, origin, raised, layout, task, b, last, lanes, status, out, out_error, n, errors
            )

    return block


def form_block(f, room, lanes, errors):
    """v'Hv: the second difference along v; arguments as for `product_block`, `weights[:, q]`, the first that of x."""

    def block(
        task, worker, layout, points, arguments, directions,
        step, scale, offsets, weights, noise, amplification, status, form, error,
    ):  # fmt: skip
        n = points.shape[1]
        raised = stack_array(1, layout)
        memory = stack_array(room, step) if room else np.empty(8 + lanes * (3 * n + 2))
        origin = first_aligned(memory)
        read = numbers(memory, origin, 2 * n + 2, lanes, 0)
        x = numbers(memory, origin + lanes * (2 * n + 2), n, lanes, 0)
        first_group, last_group = span(layout, task, groups(len(directions), lanes))
        for group in range(first_group, last_group):
            b = group * lanes
            last = min(lanes, len(directions) - b) - 1
            read_group(points, directions, scale, noise, b, lanes, memory, origin)
            centre, v, widen, level = read[:n], read[n : 2 * n], read[2 * n], read[2 * n + 1]
            raised[0] = 0
            point = (raised, arguments, b // (len(directions) // len(points)))
            t = step_along(centre, v, step, widen)
            f_0 = f(centre, point)
            largest, change, second, second_next = abs(f_0), 0.0 * f_0, weights[0, 0] * f_0, weights[1, 0] * f_0
            for q in range(len(offsets)):
                for j in range(n):
                    x[j] = centre[j] + offsets[q] * t * v[j]
                f_q = f(x, point)
                largest, change = max(largest, abs(f_q)), max(change, abs(f_q - f_0))
                second += weights[0, q + 1] * f_q
                second_next += weights[1, q + 1] * f_q
            square = where(t > 0.0, t * t, math.inf)  # 0'H0 = 0
            give(second / square, form, b, 1, last)
            if errors:
                e_f = max(noise[0] * largest, level) + rounding_along(centre, v, t, step) * change
                spread = 2 * abs(second - second_next) + 2 * e_f * amplification
                give(spread / square, error, b, 1, last)
            poison = 0.0 * second + 0.0 * t
            report(poison, read, memory, origin, raised, layout, task, b, last, lanes, status, form, error, 1, errors)

    return block


def report(poison, read, memory, origin, raised, layout, task, b, last, lanes, status, out, out_error, n, errors):
    """The status of each direction of a group; its n results are NaN as a whole where one is not finite."""
    read[0] = poison
    for lane in range(last + 1):
        spoiled = memory[origin + lane]
        if spoiled != 0.0 and layout[1] == 1:
            fill(out, (b + lane) * n, n)
            if errors:
                fill(out_error, (b + lane) * n, n)
        status[slot(layout, task * lanes, b) + lane] = outcome(raised[0], spoiled)


def gradient_product_block(g, room, lanes, errors):
    """H v as the derivative of the user's gradient along v; arguments as for `product_block`, `weights[:, q]`."""
    rows = 6 if errors else 5

    def block(
        task, worker, layout, points, arguments, directions,
        step, scale, offsets, weights, noise, amplification, status, product, error,
    ):  # fmt: skip
        n = points.shape[1]
        raised = stack_array(1, layout)
        memory = stack_array(room, step) if room else np.empty(8 + lanes * ((2 + rows) * n + 2))
        origin = first_aligned(memory)
        read = numbers(memory, origin, 2 * n + 2, lanes, 0)
        work = numbers(memory, origin + lanes * (2 * n + 2), (rows, n), lanes, 0)
        x, y, total, total_next = work[0], work[1], work[2], work[3]
        largest, earliest = work[4], work[rows - 1]
        out, out_error = flat(product), flat(error)
        first_group, last_group = span(layout, task, groups(len(directions), lanes))
        for group in range(first_group, last_group):
            b = group * lanes
            last = min(lanes, len(directions) - b) - 1
            read_group(points, directions, scale, noise, b, lanes, memory, origin)
            centre, v, widen, level = read[:n], read[n : 2 * n], read[2 * n], read[2 * n + 1]
            raised[0] = 0
            point = (raised, arguments, b // (len(directions) // len(points)))
            t = step_along(centre, v, step, widen)
            for i in range(n):
                total[i], total_next[i], largest[i] = 0.0, 0.0, 0.0
            poison = change = 0.0 * t
            for q in range(len(offsets)):
                for j in range(n):
                    x[j] = centre[j] + offsets[q] * t * v[j]
                g(x, y, point)
                for i in range(n):
                    largest[i] = max(largest[i], abs(y[i]))
                    if errors:
                        if q == 0:
                            earliest[i] = y[i]
                        change = max(change, abs(y[i] - earliest[i]))
                    total[i] += weights[0, q] * y[i]
                    total_next[i] += weights[1, q] * y[i]
                    poison += 0.0 * y[i]
            blur = rounding_along(centre, v, t, step) * change
            length = where(t > 0.0, t, math.inf)
            for i in range(n):
                give(total[i] / length, out, b * n + i, n, last)
                if errors:
                    e_f = max(noise[0] * largest[i], level) + blur
                    spread = 2 * abs(total[i] - total_next[i]) + 2 * e_f * amplification
                    give(spread / length, out_error, b * n + i, n, last)
            report(
                poison, read, memory, origin, raised, layout, task, b, last, lanes, status, out, out_error, n, errors
            )

    return block
