"""Hessians from values by central differences, away from bounds.

The second difference at scale k, f(x + k d) + f(x - k d) - 2 f(x), gives the pure derivatives with d = h_i e_i and the
mixed ones, after the pure ones are taken off, with d = h_i e_i + h_j e_j (the economical stencil: n² + n + 1 values at
order 2). The 4-point stencil takes f at all four signs instead. Gradients come from the same values on the axes.
"""

from __future__ import annotations

import math

import numpy as np

from ..backends._layout import home, share, slot, span
from ..backends._native import call_task, slices
from ._outcome import fill_nan, outcome
from ._steps import step_length


def mixed_second_difference(f, x, i, j, x_i, x_j, d_i, d_j, args, f_0, bend_i, bend_j, four_point):
    """d_i d_j f_ij to second order, from the values at x +- (d_i e_i + d_j e_j); x is left changed in i and j."""
    x[i], x[j] = x_i + d_i, x_j + d_j
    up = f(x, args)
    x[i], x[j] = x_i - d_i, x_j - d_j
    down = f(x, args)
    if not four_point:
        return 0.5 * ((up + down - 2 * f_0) - bend_i - bend_j)
    x[j] = x_j + d_j
    left = f(x, args)
    x[i], x[j] = x_i + d_i, x_j - d_j
    right = f(x, args)
    return 0.25 * ((up + down) - (left + right))


def central_hessian_block(f, n_known, one_scale, four_point, errors):
    """Hessians, and with `errors` also values, gradients and the error estimates of both.

    `n_known` > 0 and `one_scale` tell the compiler n and that there is one scale: loops over small n unroll (2x at
    n = 2). `weights` holds c_k of order p and p + 2; `amplification` the sums of the absolute weights: first, pure
    and mixed second derivatives.
    """

    def block(
        task, worker, layout, points, args, point_args,
        steps, scale, weights, noise, amplification,
        reader, status, value, gradient, gradient_error, hessian, hessian_error,
    ):  # fmt: skip
        n = n_known if n_known > 0 else points.shape[1]
        scales = 1 if one_scale else weights.shape[1]
        raised = np.zeros(1, np.uint8)
        x = np.empty(n, points.dtype)
        h = np.empty(n)
        bend = np.empty((scales, n))
        begin, end = span(layout, task, len(points))
        pairs = n * (n - 1) // 2
        start, stop = (0, pairs) if n_known > 0 else share(layout, task, pairs)
        for b in range(begin, end):
            H = hessian[home(layout, worker, b)]
            E = hessian_error[home(layout, worker, b)] if errors else hessian_error[0]
            raised[0] = 0
            point = (raised, *args, *slices(point_args, b))
            widen = scale[b % len(scale)]
            for i in range(n):
                x[i] = points[b, i]
            f_0 = f(x, point)
            largest = abs(f_0)
            poison = 0.0 * f_0
            for i in range(n):
                h[i] = step_length(x, i, steps[0, i] * widen, steps[2, i])
                x_i = x[i]
                slope, slope_next, second, second_next = 0.0, 0.0, 0.0, 0.0
                for k in range(scales):
                    x[i] = x_i + (k + 1) * h[i]
                    up = f(x, point)
                    x[i] = x_i - (k + 1) * h[i]
                    down = f(x, point)
                    bend[k, i] = up + down - 2 * f_0
                    c = weights[0, k] / (k + 1) ** 2
                    second += c * bend[k, i]
                    if errors:
                        e = weights[1, k] / (k + 1) ** 2
                        second_next += e * bend[k, i]
                        slope += c * (k + 1) * (up - down)
                        slope_next += e * (k + 1) * (up - down)
                        largest = max(largest, abs(up), abs(down))
                x[i] = x_i
                H[i, i] = second / (h[i] * h[i])
                poison += 0.0 * second
                if errors:
                    E[i, i] = 2 * abs(second - second_next) / (h[i] * h[i])
                    gradient[b, i] = slope_next / (2 * h[i])
                    gradient_error[home(layout, worker, b), i] = abs(slope - slope_next) / h[i]
            e_f = max(noise[0] * largest, noise[1 + b % (len(noise) - 1)])
            if errors:
                for i in range(n):
                    E[i, i] += 2 * e_f * amplification[1] / (h[i] * h[i])
                    gradient_error[home(layout, worker, b), i] += 2 * e_f * amplification[0] / h[i]
            row = 0  # pairs before this row of the upper triangle
            for i in range(n - 1):
                width = n - 1 - i
                for j in range(i + 1 + max(0, start - row), i + 1 + min(width, stop - row)):
                    x_i, x_j = x[i], x[j]
                    mixed, mixed_next = 0.0, 0.0
                    for k in range(scales):
                        d = mixed_second_difference(
                            f, x, i, j, x_i, x_j, (k + 1) * h[i], (k + 1) * h[j], point,
                            f_0, bend[k, i], bend[k, j], four_point,
                        )  # fmt: skip
                        mixed += weights[0, k] / (k + 1) ** 2 * d
                        if errors:
                            mixed_next += weights[1, k] / (k + 1) ** 2 * d
                    x[i], x[j] = x_i, x_j
                    H[i, j] = H[j, i] = mixed / (h[i] * h[j])
                    poison += 0.0 * mixed
                    if errors:
                        rounding = 2 * e_f * amplification[2] / (h[i] * h[j])
                        E[i, j] = E[j, i] = 2 * abs(mixed - mixed_next) / (h[i] * h[j]) + rounding
                row += width
            if poison != 0.0:
                fill_nan(H, 0, n)
                if errors:
                    fill_nan(E, 0, n)
                    for i in range(n):
                        gradient[b, i] = math.nan
            if errors:
                value[b] = f_0
            status[slot(layout, task, b)] = outcome(raised[0], poison)
            if reader[0] != 0:
                call_task(reader[0], reader[1], b, worker)

    return block
