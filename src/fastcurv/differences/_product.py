"""Hessian-vector products without the Hessian."""

from __future__ import annotations

import math

import numpy as np

from ..backends._layout import share, slot, span
from ..backends._native import slices
from ._outcome import copy, outcome
from ._steps import step_length


def direction_length(x, v):
    """max_i |v_i| / max(1, |x_i|): the length that a step along v is measured by."""
    longest = 0.0
    for i in range(len(x)):
        longest = max(longest, abs(float(v[i])) / max(1.0, abs(float(x[i]))))
    return longest


def step_along(x, v, step, widen):
    """The step t along v; 0 where v vanishes."""
    longest = direction_length(x, v)
    if longest == 0.0:
        return 0.0
    return step[0] * widen / longest + step[1]


def product_block(f, errors):
    """H v from values: differences along the coordinates of the derivative along v.

    One formula for both first derivatives, central or forward: `offsets` in units of t and h, `weights[:, q, r]` for
    orders p and p + 2. `directions` holds the same number of vectors for each point, `step` the relative and absolute
    step along v, `steps` those along the coordinates.
    """

    def block(
        task, worker, layout, points, args, point_args, directions,
        step, steps, scale, offsets, weights, noise, amplification, status, product, error,
    ):  # fmt: skip
        n = points.shape[1]
        raised = np.zeros(1, np.uint8)
        x = np.empty(n, points.dtype)
        work = np.empty((4, n))
        h, mixed, mixed_next, largest = work[0], work[1], work[2], work[3]
        begin, end = span(layout, task, len(directions))
        start, stop = share(layout, task, n)
        for b in range(begin, end):
            at = b // (len(directions) // len(points))
            v = directions[b]
            raised[0] = 0
            point = (raised, *args, *slices(point_args, at))
            widen = scale[min(at, len(scale) - 1)]
            t = step_along(points[at], v, step, widen)
            f_0 = f(points[at], point)
            poison = 0.0 * f_0 + 0.0 * t
            copy(points[at], x)
            for i in range(start, stop):
                h[i] = step_length(x, i, steps[0, i] * widen, steps[2, i])
                mixed[i], mixed_next[i], largest[i] = 0.0, 0.0, abs(f_0)
            for q in range(len(offsets)):
                for j in range(n):
                    x[j] = points[at, j] + offsets[q] * t * v[j]
                for i in range(start, stop):
                    x_i = x[i]
                    for r in range(len(offsets)):
                        w, w_next = weights[0, q, r], weights[1, q, r]
                        if w != 0.0 or w_next != 0.0:
                            x[i] = x_i + offsets[r] * h[i]
                            f_qr = f(x, point)
                            largest[i] = max(largest[i], abs(f_qr))
                            mixed[i] += w * f_qr
                            mixed_next[i] += w_next * f_qr
                    x[i] = x_i
            for i in range(start, stop):
                area = t * h[i] if t > 0.0 else math.inf  # H 0 = 0
                product[b, i] = mixed[i] / area
                poison += 0.0 * mixed[i]
                if errors:
                    e_f = max(noise[0] * largest[i], noise[min(at, len(noise) - 2) + 1])
                    error[b, i] = (2 * abs(mixed[i] - mixed_next[i]) + 2 * e_f * amplification) / area
            if poison != 0.0:
                for i in range(start, stop):
                    product[b, i] = math.nan
                    if errors:
                        error[b, i] = math.nan
            status[slot(layout, task, b)] = outcome(raised[0], poison)

    return block


def gradient_product_block(g, errors):
    """H v as the derivative of the user's gradient along v; arguments as for `product_block`, `weights[:, q]`."""

    def block(
        task, worker, layout, points, args, point_args, directions,
        step, scale, offsets, weights, noise, amplification, status, product, error,
    ):  # fmt: skip
        n = points.shape[1]
        raised = np.zeros(1, np.uint8)
        x = np.empty(n, points.dtype)
        work = np.empty((4, n))
        y, total, total_next, largest = work[0], work[1], work[2], work[3]
        begin, end = span(layout, task, len(directions))
        for b in range(begin, end):
            at = b // (len(directions) // len(points))
            v = directions[b]
            raised[0] = 0
            point = (raised, *args, *slices(point_args, at))
            t = step_along(points[at], v, step, scale[min(at, len(scale) - 1)])
            for i in range(n):
                total[i], total_next[i], largest[i] = 0.0, 0.0, 0.0
            poison = 0.0 * t
            for q in range(len(offsets)):
                for j in range(n):
                    x[j] = points[at, j] + offsets[q] * t * v[j]
                g(x, y, point)
                for i in range(n):
                    largest[i] = max(largest[i], abs(y[i]))
                    total[i] += weights[0, q] * y[i]
                    total_next[i] += weights[1, q] * y[i]
                    poison += 0.0 * y[i]
            length = t if t > 0.0 else math.inf
            for i in range(n):
                product[b, i] = total[i] / length
                if errors:
                    e_f = max(noise[0] * largest[i], noise[min(at, len(noise) - 2) + 1])
                    error[b, i] = (2 * abs(total[i] - total_next[i]) + 2 * e_f * amplification) / length
            if poison != 0.0:
                for i in range(n):
                    product[b, i] = math.nan
                    if errors:
                        error[b, i] = math.nan
            status[slot(layout, task, b)] = outcome(raised[0], poison)

    return block
