"""Hessians from values where stencils are one-sided: near bounds, and by forward differences.

Along each axis the formula is central or one-sided, as room allows. Mixed derivatives of two central axes are taken
as away from bounds; all others as the product of the two first-derivative formulas.
"""

from __future__ import annotations

import math

import numpy as np

from fastcurv.simd import numbers

from ..backends._layout import homes, share, slot, span
from ..backends._native import call_task, stack_array
from ._hessian import mixed_second_difference
from ._outcome import OUTSIDE, copy, fill_nan, outcome
from ._steps import axis_step, is_outside, within


def tensor_difference(f, x, i, j, x_i, x_j, h_i, h_j, bounds, args, axis_i, axis_j, f_0, on_i, on_j):
    """sum_q sum_r w_q w_r f(x + o_q h_i e_i + o_r h_j e_j) for orders p and p + 2: h_i h_j f_ij.

    An axis is (offsets, weights of the first derivative), the weights' column 0 being x's own; `on_i`, `on_j` are
    the values on the axes. x is left changed in i and j.
    """
    (offsets_i, first_i), (offsets_j, first_j) = axis_i, axis_j
    result = first_i[0, 0] * first_j[0, 0] * f_0
    result_next = first_i[1, 0] * first_j[1, 0] * f_0
    for q in range(len(offsets_i)):
        result += first_i[0, q + 1] * first_j[0, 0] * on_i[q]
        result_next += first_i[1, q + 1] * first_j[1, 0] * on_i[q]
    for r in range(len(offsets_j)):
        result += first_i[0, 0] * first_j[0, r + 1] * on_j[r]
        result_next += first_i[1, 0] * first_j[1, r + 1] * on_j[r]
    for q in range(len(offsets_i)):
        x[i] = within(x_i + offsets_i[q] * h_i, i, bounds)
        for r in range(len(offsets_j)):
            w = first_i[0, q + 1] * first_j[0, r + 1]
            w_next = first_i[1, q + 1] * first_j[1, r + 1]
            if w != 0.0 or w_next != 0.0:
                x[j] = within(x_j + offsets_j[r] * h_j, j, bounds)
                f_qr = f(x, args)
                result += w * f_qr
                result_next += w_next * f_qr
    return result, result_next


def sided_hessian_block(f, four_point, known, longest):
    """Values, gradients, Hessians and error estimates within bounds; `axes` are (offsets, first, second) by side.

    `amplification[side_i, side_j]` holds the sums of the absolute weights of mixed derivatives, `[side, 2]` those of
    pure and `[side, 3]` of first derivatives. For devices n is `known`, and so are the nodes of the `longest` formula:
    memory is on the stack.
    """

    central_mixed, on_axes = mixed_second_difference(f, four_point), known * longest

    def block(
        task, worker, layout, points, arguments,
        steps, scale, bounds, reach, weights, axes, noise, amplification,
        reader, status, value, gradient, gradient_error, hessian, hessian_error,
    ):  # fmt: skip
        n = points.shape[1]
        raised = stack_array(1, layout)
        central, sided = axes
        nodes = longest if known else max(len(central[0]), len(sided[0]))
        if known:
            x, side = stack_array(known, points), stack_array(known, layout)
            h, spread, slope_spread = stack_array(known, steps), stack_array(known, steps), stack_array(known, steps)
            values = stack_array(on_axes, steps)
        else:
            x, side = np.empty(n, points.dtype), np.empty(n, np.int64)
            h, spread, slope_spread = np.empty(n), np.empty(n), np.empty(n)
            values = np.empty(n * nodes)
        for k in range(n * nodes):
            values[k] = 0.0
        on_axis = numbers(values, 0, (n, nodes), 1, 0)
        begin, end = span(layout, task, len(points))
        start, stop = share(layout, task, n * (n - 1) // 2)
        origin, mask = homes(layout, worker)
        for b in range(begin, end):
            place = origin + (b & mask)
            H, E = hessian[place], hessian_error[place]
            g, e_g = gradient[b], gradient_error[place]
            copy(points[b], x)
            raised[0] = 0
            poison = math.nan
            f_0 = math.nan
            outside = is_outside(x, bounds)
            if not outside:
                point = (raised, arguments, b)
                f_0 = f(x, point)
                poison = 0.0 * f_0
                largest = abs(f_0)
                for i in range(n):
                    side[i], h[i] = axis_step(x, i, steps, scale[min(b, len(scale) - 1)], bounds, reach)
                    if h[i] == 0.0:  # the bounds coincide: no derivative in this coordinate
                        H[i, i], g[i], spread[i], slope_spread[i] = math.nan, math.nan, math.nan, math.nan
                        continue
                    offsets, first, second = central if side[i] == 0 else sided
                    x_i = x[i]
                    g_i, g_next = first[0, 0] * f_0, first[1, 0] * f_0
                    h_ii, h_next = second[0, 0] * f_0, second[1, 0] * f_0
                    for q in range(len(offsets)):
                        x[i] = within(x_i + offsets[q] * h[i], i, bounds)
                        f_q = f(x, point)
                        on_axis[i, q] = f_q
                        largest = max(largest, abs(f_q))
                        g_i += first[0, q + 1] * f_q
                        g_next += first[1, q + 1] * f_q
                        h_ii += second[0, q + 1] * f_q
                        h_next += second[1, q + 1] * f_q
                    x[i] = x_i
                    poison += 0.0 * h_ii
                    H[i, i] = h_ii / (h[i] * h[i])
                    spread[i] = 2 * abs(h_ii - h_next) / (h[i] * h[i])
                    g[i] = g_next / h[i]
                    slope_spread[i] = 2 * abs(g_next - g_i) / abs(h[i])
                e_f = max(noise[0] * largest, noise[min(b, len(noise) - 2) + 1])
                # tasks that share a point write the same here, each only what is final
                for i in range(n):
                    E[i, i] = spread[i] + 2 * e_f * amplification[side[i], 2] / (h[i] * h[i])
                    e_g[i] = slope_spread[i] + 2 * e_f * amplification[side[i], 3] / abs(h[i])
                row = 0  # pairs before this row of the upper triangle
                for i in range(n - 1):
                    width = n - 1 - i
                    for j in range(i + 1 + max(0, start - row), i + 1 + min(width, stop - row)):
                        x_i, x_j = x[i], x[j]
                        mixed, mixed_next = 0.0, 0.0
                        if h[i] != 0.0 and h[j] != 0.0:
                            if side[i] == 0 and side[j] == 0:
                                for k in range(weights.shape[1]):
                                    bend_i = on_axis[i, 2 * k] + on_axis[i, 2 * k + 1] - 2 * f_0
                                    bend_j = on_axis[j, 2 * k] + on_axis[j, 2 * k + 1] - 2 * f_0
                                    d_i, d_j = (k + 1) * h[i], (k + 1) * h[j]
                                    d = central_mixed(x, i, j, x_i, x_j, d_i, d_j, point, f_0, bend_i + bend_j)
                                    mixed += weights[0, k] * d
                                    mixed_next += weights[1, k] * d
                            else:
                                axis_i = central if side[i] == 0 else sided
                                axis_j = central if side[j] == 0 else sided
                                mixed, mixed_next = tensor_difference(
                                    f, x, i, j, x_i, x_j, h[i], h[j], bounds, point,
                                    axis_i[:2], axis_j[:2], f_0, on_axis[i], on_axis[j],
                                )  # fmt: skip
                        x[i], x[j] = x_i, x_j
                        H[i, j] = H[j, i] = mixed / (h[i] * h[j])
                        poison += 0.0 * mixed
                        rounding = 2 * e_f * amplification[side[i], side[j]] / abs(h[i] * h[j])
                        E[i, j] = E[j, i] = 2 * abs(mixed - mixed_next) / abs(h[i] * h[j]) + rounding
                    row += width
            if poison != 0.0:
                fill_nan(H, 0, n)
                fill_nan(E, 0, n)
                for i in range(n):
                    g[i], e_g[i] = math.nan, math.nan
            value[b] = f_0
            status[slot(layout, task, b)] = OUTSIDE if outside else outcome(raised[0], poison)
            if reader[0] != 0:
                call_task(reader[0], reader[1], b, worker)

    return block
