"""Hessians from values by central differences, away from bounds.

The second difference at scale k, f(x + k d) + f(x - k d) - 2 f(x), gives the pure derivatives with d = h_i e_i and the
mixed ones, after the pure ones are taken off, with d = h_i e_i + h_j e_j (the economical stencil: n² + n + 1 values at
order 2). The 4-point stencil takes f at all four signs instead. Gradients come from the same values on the axes.
"""

from __future__ import annotations

import numpy as np

from fastcurv.simd import first_aligned, flat, group_unpacker, numbers, splat, take

from ..backends._layout import groups, homes, share, slot, span
from ..backends._native import call_task, stack_array
from ._outcome import fill, outcome
from ._steps import central_step

#: matrices of kernels that know n live in registers up to here
MAX_SMALL = 4


def mixed_second_difference(f, four_point):
    """d_i d_j f_ij to second order, from the values at x +- (d_i e_i + d_j e_j), as a function of all this.

    It leaves x changed in i and j. `bend` is the sum of the second differences along i and j.
    """

    def economical(x, i, j, x_i, x_j, d_i, d_j, args, f_0, bend):
        x[i], x[j] = x_i + d_i, x_j + d_j
        up = f(x, args)
        x[i], x[j] = x_i - d_i, x_j - d_j
        down = f(x, args)
        return 0.5 * ((up + down - 2 * f_0) - bend)

    def at_four_points(x, i, j, x_i, x_j, d_i, d_j, args, f_0, bend):
        x[i], x[j] = x_i + d_i, x_j + d_j
        up = f(x, args)
        x[i], x[j] = x_i - d_i, x_j - d_j
        down = f(x, args)
        x[j] = x_j + d_j
        left = f(x, args)
        x[i], x[j] = x_i + d_i, x_j - d_j
        right = f(x, args)
        return 0.25 * ((up + down) - (left + right))

    return at_four_points if four_point else economical


def central_hessian_block(f, length, known, is_whole, room, lanes, transposes, order_two, four_point, errors):
    """Hessians, and with `errors` also values, gradients and the error estimates of both, of a group of points.

    A group has as many points as there are `lanes`, one in each (1: plain numbers, for functions that branch on x).
    `known` > 0 is n, which `length` may tell besides; points are not shared out where they are `is_whole`. `order_two`:
    there is one scale. `transposes`: results are float64. `room`, where it is not 0, is the memory that a thread of a
    device has on its stack.

    `status` may be empty. `weights` holds c_k / k² of orders p and p + 2; `amplification` the sums of the absolute
    weights: first, pure and mixed second derivatives.
    """
    small = known if order_two else 0
    entries = small * small
    unpack_vectors = group_unpacker(lanes, transposes, small)
    write = matrix_writer(lanes, transposes, is_whole, entries)
    mixed = mixed_second_difference(f, four_point)
    nothing_like = negative_zero if lanes == 1 else negative_zeros

    def block(
        task, worker, layout, points, arguments,
        steps, scale, weights, noise, amplification,
        reader, status, value, gradient, gradient_error, hessian, hessian_error,
    ):  # fmt: skip
        n = known if known > 0 else length(points.shape[1])
        scales = 1 if order_two else weights.shape[1]
        raised, poisons = stack_array(1, layout), stack_array(lanes, steps)
        if room:
            memory = stack_array(room, steps)
        else:
            memory = np.empty(1 if small > 0 else 8 + lanes * n * ((2 if errors else 1) * n + scales + 5))
        own, width = first_aligned(memory), lanes * n
        x, h = numbers(memory, own, n, lanes, small), numbers(memory, own + width, n, lanes, small)
        g = numbers(memory, own + 2 * width, n, lanes, small)
        e = numbers(memory, own + 3 * width, n, lanes, small)
        per_step = numbers(memory, own + 4 * width, n, lanes, small)  # 1 / h: a product takes a tenth of a division
        bend = numbers(memory, own + 5 * width, scales * n, lanes, small)
        own += (5 + scales) * width
        H = numbers(memory, own, (n, n), lanes, entries)
        E = numbers(memory, own + n * width if errors else own, (n, n), lanes, entries)
        lanes_H, lanes_E, lanes_g, lanes_e = flat(H), flat(E), flat(g), flat(e)
        one = numbers(poisons, 0, 1, lanes, 0)  # by lanes, in `poisons`
        flat_points, flat_H, flat_E = flat(points), flat(hessian), flat(hessian_error)
        flat_g, flat_e = flat(gradient), flat(gradient_error)
        first_group, last_group = span(layout, task, groups(len(points), lanes))
        start, stop = share(layout, task, n * (n - 1) // 2)
        origin, mask = homes(layout, worker)
        for group in range(first_group, last_group):
            b = group * lanes
            last = min(lanes, len(points) - b) - 1
            place = origin + (b & mask)
            raised[0] = 0
            point = (raised, arguments, b)
            widen = take(scale, b if len(scale) > 1 else 0, 1 if len(scale) > 1 else 0, last, lanes)
            if last == lanes - 1:  # a constant
                for i in range(n):
                    x[i] = take(flat_points, b * n + i, n, lanes - 1, lanes)
            else:
                for i in range(n):
                    x[i] = take(flat_points, b * n + i, n, last, lanes)
            f_0 = f(x, point)
            largest = abs(f_0)
            poison, nothing = 0.0 * f_0, nothing_like(f_0)
            for i in range(n):
                x_i = x[i]
                h_i = central_step(x_i, steps[0, i] * widen, steps[2, i], points)
                slope = slope_next = second = second_next = nothing
                for k in range(scales):
                    x[i] = x_i + (k + 1) * h_i
                    up = f(x, point)
                    x[i] = x_i - (k + 1) * h_i
                    down = f(x, point)
                    bend_k = up + down - 2 * f_0
                    bend[k * n + i] = bend_k
                    second += (1.0 if order_two else weights[0, k]) * bend_k
                    if errors:
                        second_next += weights[1, k] * bend_k
                        slope += weights[0, k] * (k + 1) * (up - down)
                        slope_next += weights[1, k] * (k + 1) * (up - down)
                        largest = max(largest, abs(up), abs(down))
                r_i = 1.0 / h_i
                x[i], h[i], per_step[i] = x_i, h_i, r_i
                H[i, i] = second * (r_i * r_i)
                poison += 0.0 * second
                if errors:
                    E[i, i] = 2 * abs(second - second_next) * (r_i * r_i)
                    e[i] = abs(slope - slope_next) * r_i
                    g[i] = 0.5 * slope_next * r_i
            if errors:
                level = take(noise, b + 1 if len(noise) > 2 else 1, 1 if len(noise) > 2 else 0, last, lanes)
                e_f = max(noise[0] * largest, level)
                for i in range(n):
                    E[i, i] = E[i, i] + 2 * e_f * amplification[1] * (per_step[i] * per_step[i])
                    e[i] = e[i] + 2 * e_f * amplification[0] * per_step[i]
            row = 0  # pairs before this row of the upper triangle
            for i in range(n - 1):
                x_i, h_i, r_i, width = x[i], h[i], per_step[i], n - 1 - i
                first, end = (0, width) if is_whole else (max(0, start - row), min(width, stop - row))
                for j in range(i + 1 + first, i + 1 + end):
                    x_j, h_j = x[j], h[j]
                    cross = cross_next = nothing
                    for k in range(scales):
                        both = bend[k * n + i] + bend[k * n + j]  # before the evaluations: nothing then waits for it
                        d = mixed(x, i, j, x_i, x_j, (k + 1) * h_i, (k + 1) * h_j, point, f_0, both)
                        cross += (1.0 if order_two else weights[0, k]) * d
                        if errors:
                            cross_next += weights[1, k] * d
                    x[j] = x_j
                    r = r_i * per_step[j]
                    H[i, j] = H[j, i] = cross * r
                    poison += 0.0 * cross
                    if errors:
                        rounding = 2 * e_f * amplification[2]
                        E[i, j] = E[j, i] = (2 * abs(cross - cross_next) + rounding) * r
                x[i] = x_i
                row += width
            for k in range(entries):  # in registers this is cheaper than to look for it in each lane
                H[k // n, k % n] += poison
            write(lanes_H, n, last + 1, flat_H, place, layout, start, stop)
            if errors:
                write(lanes_E, n, last + 1, flat_E, place, layout, start, stop)
            if errors:
                unpack_vectors(lanes_g, n, last + 1, flat_g, b * n)
                unpack_vectors(lanes_e, n, last + 1, flat_e, place * n)
                one[0] = f_0
                for lane in range(last + 1):
                    value[b + lane] = poisons[lane]
            one[0] = poison
            for lane in range(last + 1 if entries == 0 or status.size > 0 else 0):
                if poisons[lane] != 0.0:
                    fill(flat_H, (place + lane) * n * n, n * n)
                    if errors:
                        fill(flat_E, (place + lane) * n * n, n * n)
                        fill(flat_g, (b + lane) * n, n)
                if status.size > 0:
                    status[slot(layout, task * lanes, b) + lane] = outcome(raised[0], poisons[lane])
                if errors and reader[0] != 0:
                    call_task(reader[0], reader[1], b + lane, worker)

    return block


def negative_zero(like):
    """What vanishes from sums when they are compiled, as 0 does not."""
    return -0.0


def negative_zeros(like):
    """The same in every lane."""
    return splat(-0.0, like)


def matrix_writer(lanes, transposes, is_whole, size):
    """How a group's symmetric matrices get from lanes to their places; of shared points each task writes its part."""
    unpack_group = group_unpacker(lanes, transposes, size)

    def whole(source, n, count, target, place, layout, start, stop):
        unpack_group(source, n * n, count, target, place * n * n)

    def part(source, n, count, target, place, layout, start, stop):
        if layout[1] == 1:
            unpack_group(source, n * n, count, target, place * n * n)
            return
        for lane in range(count):
            first, pair = (place + lane) * n * n, 0
            for i in range(n):
                target[first + i * n + i] = source[(i * n + i) * lanes + lane]  # every task writes the same
                for j in range(i + 1, n):
                    if start <= pair < stop:
                        entry = source[(i * n + j) * lanes + lane]
                        target[first + i * n + j] = target[first + j * n + i] = entry
                    pair += 1

    return whole if is_whole else part
