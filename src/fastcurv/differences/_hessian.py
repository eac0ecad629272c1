"""Hessians from values by central differences, away from bounds.

The second difference at scale k, f(x + k d) + f(x - k d) - 2 f(x), gives the pure derivatives with d = h_i e_i and the
mixed ones, after the pure ones are taken off, with d = h_i e_i + h_j e_j (the economical stencil: n² + n + 1 values at
order 2). The 4-point stencil takes f at all four signs instead. Gradients come from the same values on the axes.
"""

from __future__ import annotations

import math

import numpy as np

from ..backends._layout import home, share, slot, span
from ..backends._native import call_task, slices, stack_array
from ._outcome import fill_nan, outcome
from ._steps import step_length


def mixed_second_difference(f, x, i, j, x_i, x_j, d_i, d_j, args, f_0, bend, four_point):
    """d_i d_j f_ij to second order, from the values at x +- (d_i e_i + d_j e_j); x is left changed in i and j.

    `bend` is the sum of the second differences along i and j.
    """
    x[i], x[j] = x_i + d_i, x_j + d_j
    up = f(x, args)
    x[i], x[j] = x_i - d_i, x_j - d_j
    down = f(x, args)
    if not four_point:
        return 0.5 * ((up + down - 2 * f_0) - bend)
    x[j] = x_j + d_j
    left = f(x, args)
    x[i], x[j] = x_i + d_i, x_j - d_j
    right = f(x, args)
    return 0.25 * ((up + down) - (left + right))


def small_hessian_block(f, n):
    """Hessians of order 2 for n known to the compiler, economical stencil, no error estimates.

    Everything lives in registers, and there is no branch: at n = 2 LLVM takes several points at once where it can
    vectorise f (3x faster than one by one). A point whose results are not finite is NaN as a whole by adding
    `poison`, the sum of 0 * every result. `status` is that of points with several tasks, which there are none of here.
    """
    entries = n * n

    def block(task, worker, layout, points, args, point_args, steps, status, hessian):
        first, last = span(layout, task, len(points))
        # flat, and counted from 0, so that the compiler sees where each point's numbers lie
        flat_points = points.reshape(points.size)[first * n : last * n]
        flat_hessian = hessian.reshape(hessian.size)[first * entries : last * entries]
        for b in range(last - first):
            x, h, bend = stack_array(n, points), stack_array(n, steps), stack_array(n, steps)
            H, raised = stack_array(entries, steps), stack_array(1, layout)
            point = (raised, *args, *slices(point_args, first + b))
            for i in range(n):
                x[i] = flat_points[b * n + i]
            f_0 = f(x, point)
            poison = 0.0 * f_0
            for i in range(n):
                x_i, h_i = x[i], step_length(x, i, steps[0, i], steps[2, i])
                x[i] = x_i + h_i
                up = f(x, point)
                x[i] = x_i - h_i
                down = f(x, point)
                x[i], h[i], bend[i] = x_i, h_i, up + down - 2 * f_0
                H[i * n + i] = bend[i] / (h_i * h_i)
                poison += 0.0 * bend[i]
            for i in range(n - 1):
                for j in range(i + 1, n):
                    x_i, x_j = x[i], x[j]
                    d = mixed_second_difference(f, x, i, j, x_i, x_j, h[i], h[j], point, f_0, bend[i] + bend[j], False)
                    x[i], x[j] = x_i, x_j
                    H[i * n + j] = d / (h[i] * h[j])
                    poison += 0.0 * d
            for i in range(n):
                for j in range(n):
                    flat_hessian[b * entries + i * n + j] = H[min(i, j) * n + max(i, j)] + poison

    return block


def plain_hessian_block(f, n_known):
    """Hessians of order 2, economical stencil, no error estimates; `n_known` > 0 tells the compiler n.

    `central_hessian_block` gives the same, but with one scale and little to report this is 1.1 to 1.2 times faster.
    `status` may be empty.
    """

    def block(task, worker, layout, points, args, point_args, steps, status, hessian):
        n = n_known if n_known > 0 else points.shape[1]
        raised = stack_array(1, layout)
        x, h, bend = np.empty(n, points.dtype), np.empty(n), np.empty(n)
        begin, end = span(layout, task, len(points))
        start, stop = share(layout, task, n * (n - 1) // 2)
        for b in range(begin, end):
            H = hessian[b]
            raised[0] = 0
            point = (raised, *args, *slices(point_args, b))
            for i in range(n):
                x[i] = points[b, i]
            f_0 = f(x, point)
            poison = 0.0 * f_0
            for i in range(n):
                x_i, h_i = x[i], step_length(x, i, steps[0, i], steps[2, i])
                x[i] = x_i + h_i
                up = f(x, point)
                x[i] = x_i - h_i
                down = f(x, point)
                x[i], h[i], bend[i] = x_i, h_i, up + down - 2 * f_0
                H[i, i] = bend[i] / (h_i * h_i)
                poison += 0.0 * bend[i]
            for i in range(1, n):
                x_i, h_i, bend_i = x[i], h[i], bend[i]
                row = i * (i - 1) // 2  # pairs before this row of the lower triangle
                # of a known n, points are not shared out
                first, last = (0, i) if n_known > 0 else (max(0, start - row), min(i, stop - row))
                for j in range(first, last):
                    x_j, h_j = x[j], h[j]
                    both = bend_i + bend[j]  # before the evaluations: nothing then waits for it
                    d = mixed_second_difference(f, x, i, j, x_i, x_j, h_i, h_j, point, f_0, both, False)
                    x[j] = x_j
                    H[i, j] = H[j, i] = d / (h_i * h_j)
                    poison += 0.0 * d
                x[i] = x_i
            if poison != 0.0:
                fill_nan(H, 0, n)
            if n_known == 0 and status.size > 0:
                status[slot(layout, task, b)] = outcome(raised[0], poison)

    return block


def central_hessian_block(f, four_point, errors):
    """Hessians, and with `errors` also values, gradients and the error estimates of both.

    `status` may be empty. `weights` holds c_k / k² of orders p and p + 2; `amplification` the sums of the absolute
    weights: first, pure and mixed second derivatives.
    """

    def block(
        task, worker, layout, points, args, point_args,
        steps, scale, weights, noise, amplification,
        reader, status, value, gradient, gradient_error, hessian, hessian_error,
    ):  # fmt: skip
        n = points.shape[1]
        scales = weights.shape[1]
        raised = np.zeros(1, np.uint8)
        x = np.empty(n, points.dtype)
        h, bend = np.empty(n), np.empty(scales * n)
        spread, slope_spread = np.empty(n if errors else 0), np.empty(n if errors else 0)
        begin, end = span(layout, task, len(points))
        start, stop = share(layout, task, n * (n - 1) // 2)
        for b in range(begin, end):
            place = home(layout, worker, b)
            raised[0] = 0
            point = (raised, *args, *slices(point_args, b))
            widen = scale[min(b, len(scale) - 1)]
            for i in range(n):
                x[i] = points[b, i]
            f_0 = f(x, point)
            largest = abs(f_0)
            poison = 0.0 * f_0
            for i in range(n):
                x_i, h_i = x[i], step_length(x, i, steps[0, i] * widen, steps[2, i])
                slope, slope_next, second, second_next = 0.0, 0.0, 0.0, 0.0
                for k in range(scales):
                    x[i] = x_i + (k + 1) * h_i
                    up = f(x, point)
                    x[i] = x_i - (k + 1) * h_i
                    down = f(x, point)
                    bend_k = up + down - 2 * f_0
                    bend[k * n + i] = bend_k
                    second += weights[0, k] * bend_k
                    if errors:
                        second_next += weights[1, k] * bend_k
                        slope += weights[0, k] * (k + 1) * (up - down)
                        slope_next += weights[1, k] * (k + 1) * (up - down)
                        largest = max(largest, abs(up), abs(down))
                x[i], h[i] = x_i, h_i
                hessian[place, i, i] = second / (h_i * h_i)
                poison += 0.0 * second
                if errors:
                    spread[i] = 2 * abs(second - second_next) / (h_i * h_i)
                    slope_spread[i] = abs(slope - slope_next) / h_i
                    gradient[b, i] = slope_next / (2 * h_i)
            e_f = max(noise[0] * largest, noise[min(b, len(noise) - 2) + 1])
            if errors:
                # tasks that share a point write the same here, each only what is final
                for i in range(n):
                    hessian_error[place, i, i] = spread[i] + 2 * e_f * amplification[1] / (h[i] * h[i])
                    gradient_error[place, i] = slope_spread[i] + 2 * e_f * amplification[0] / h[i]
            row = 0  # pairs before this row of the upper triangle
            for i in range(n - 1):
                x_i, h_i, width = x[i], h[i], n - 1 - i
                for j in range(i + 1 + max(0, start - row), i + 1 + min(width, stop - row)):
                    x_j, h_j = x[j], h[j]
                    mixed, mixed_next = 0.0, 0.0
                    for k in range(scales):
                        d = mixed_second_difference(
                            f, x, i, j, x_i, x_j, (k + 1) * h_i, (k + 1) * h_j, point,
                            f_0, bend[k * n + i] + bend[k * n + j], four_point,
                        )  # fmt: skip
                        mixed += weights[0, k] * d
                        if errors:
                            mixed_next += weights[1, k] * d
                    x[j] = x_j
                    hessian[place, i, j] = hessian[place, j, i] = mixed / (h_i * h_j)
                    poison += 0.0 * mixed
                    if errors:
                        rounding = 2 * e_f * amplification[2] / (h_i * h_j)
                        truncation = 2 * abs(mixed - mixed_next) / (h_i * h_j)
                        hessian_error[place, i, j] = hessian_error[place, j, i] = truncation + rounding
                x[i] = x_i
                row += width
            if poison != 0.0:
                fill_nan(hessian[place], 0, n)
                if errors:
                    fill_nan(hessian_error[place], 0, n)
                    for i in range(n):
                        gradient[b, i] = math.nan
            if status.size > 0:
                status[slot(layout, task, b)] = outcome(raised[0], poison)
            if errors:
                value[b] = f_0
                if reader[0] != 0:
                    call_task(reader[0], reader[1], b, worker)

    return block
