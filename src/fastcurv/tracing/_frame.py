"""The block that runs a program over groups of points, one in each lane, and writes out what it found.

Evaluators are ``f(inputs, results, args)``, see `_emission`. `tables` is (shared, indices, constants). Results lie in
slots, the lanes of each next to each other: `entries` and `slopes` say where those of a matrix, row by row, and of a
gradient begin. Of a matrix that is mostly zero `entries` are the others, at `positions`; else `positions` is empty, and
of as many entries as there are lanes, which all vanish, the first is the complement of where it begins (`marked`).
"""

from __future__ import annotations

import math

import numpy as np

from fastcurv.simd import (
    first_aligned,
    flat,
    give,
    group_unpacker,
    load,
    numbers,
    own_row,
    read_group,
    splat,
    store,
    take,
    transpose,
    transpose_rows,
)

from .._rounding import estimate_errors
from ..backends._layout import groups, homes, span
from ..backends._native import STACKED, call_task, stack_array, stack_memory
from ..differences._outcome import OUTSIDE, fill, outcome
from ..differences._steps import is_outside


def traced_block(f, write, lanes, bounded, full, transposes):
    """One matrix of results for each point; with `full` also values, gradients and error estimates.

    `transposes`: points and results are float64, and cross lanes in registers. `write` is that of `Lines`, or None.
    """
    pack, unpack = packer(lanes, transposes), unpacker(lanes, transposes)
    unpack_sparse = sparse_unpacker(write, lanes, transposes)

    def block(
        task, worker, layout, points, arguments,
        own, tables, slots, entries, positions, slopes, bounds, status, matrix, reader, value, gradient, gradient_error,
        matrix_error, rounding,
    ):  # fmt: skip
        n, extra, size = points.shape[1], own.shape[1], matrix.shape[1] * matrix.shape[2]
        poisons = stack_array(lanes, own)
        room = lanes * (n + extra + slots)
        memory = stack_memory(room, own) if room <= STACKED else np.empty(8 + room)
        first = first_aligned(memory)
        x = numbers(memory, first, n + extra, lanes, 0)
        y = numbers(memory, first + lanes * (n + extra), slots, lanes, 0)
        one = numbers(poisons, 0, 1, lanes, 0)
        flat_x, flat_y = flat(x), flat(y)
        flat_points, flat_own = flat(points), flat(own)
        flat_matrix, flat_gradient = flat(matrix), flat(gradient)
        aligned = first_aligned(flat_matrix)
        first_group, last_group = span(layout, task, groups(len(points), lanes))
        origin, mask = homes(layout, worker)
        for group in range(first_group, last_group):
            b = group * lanes
            count = min(lanes, len(points) - b)
            place = origin + (b & mask)
            pack(flat_points, b, n, count, x, flat_x, 0)
            pack(flat_own, b, extra, count, x, flat_x, n)
            f(x, y, tables)
            poison = poison_of(y, slots)
            one[0] = poison
            if len(positions) > 0:
                unpack_sparse(y, flat_y, slots, entries, positions, size, count, flat_matrix, place * size, aligned)
            else:
                unpack(flat_y, entries, size, count, flat_matrix, place * size)
            if full:
                unpack(flat_y, slopes, n, count, flat_gradient, b * n)
            for lane in range(count):
                outside = is_outside(points[b + lane], bounds) if bounded else False
                if full:
                    value[b + lane] = math.nan if outside else flat_y[lane]
                if outside or poisons[lane] != 0.0:
                    fill(flat_matrix, (place + lane) * size, size)
                    if full:
                        fill(flat_gradient, (b + lane) * n, n)
                if status.size > 0:
                    status[b + lane] = OUTSIDE if outside else outcome(0, poisons[lane])
                if full:
                    k = place + lane
                    estimate_errors(
                        points[b + lane], gradient[b + lane], matrix[k], gradient_error[k], matrix_error[k], rounding
                    )
                    if reader[0] != 0:
                        call_task(reader[0], reader[1], b + lane, worker)

    return block


def poison_of(y, slots):
    """0, or NaN in lanes in which one of many results is not finite; four sums, none of which waits for another."""
    a = b = c = d = 0.0 * y[0]
    whole = slots - slots % 4
    for k in range(0, whole, 4):
        a += 0.0 * y[k]
        b += 0.0 * y[k + 1]
        c += 0.0 * y[k + 2]
        d += 0.0 * y[k + 3]
    for k in range(whole, slots):
        a += 0.0 * y[k]
    return (a + b) + (c + d)


def lanes_block(f, lanes, bounded, together, transposes):
    """Values and statuses; all results of `together` points stay in lanes, where the reader finds them.

    `rows`: memory of each worker, in which groups of points follow each other.
    """
    pack = packer(lanes, transposes)

    def block(
        task, worker, layout, points, arguments, own, tables, slots, bounds, status, value, rows, reader,
    ):  # fmt: skip
        n, extra = points.shape[1], own.shape[1]
        poisons = stack_array(lanes, own)
        one, memory = numbers(poisons, 0, 1, lanes, 0), own_row(rows, worker)
        flat_points, flat_own = flat(points), flat(own)
        first_group, last_group = span(layout, task, groups(len(points), lanes))
        for group in range(first_group, last_group):
            b = group * lanes
            count = min(lanes, len(points) - b)
            start = b % together * (n + extra + slots)
            x = numbers(memory, start, n + extra, lanes, 0)
            y = numbers(memory, start + lanes * (n + extra), slots, lanes, 0)
            flat_x = flat(x)
            pack(flat_points, b, n, count, x, flat_x, 0)
            pack(flat_own, b, extra, count, x, flat_x, n)
            f(x, y, tables)
            poison = poison_of(y, slots)
            one[0] = poison
            for lane in range(count):
                outside = is_outside(points[b + lane], bounds) if bounded else False
                value[b + lane] = math.nan if outside else memory[start + lanes * (n + extra) + lane]
                status[b + lane] = OUTSIDE if outside else outcome(0, poisons[lane])
            if reader[0] != 0 and (b % together == together - lanes or group == last_group - 1):
                call_task(reader[0], reader[1], b + count - 1, worker)

    return block


def packer(lanes, transposes):
    """How the coordinates of a group of points get into lanes, from the number `to` of x on; the last fills up."""

    def one_by_one(source, b, size, count, x, flat_x, to):
        for i in range(size):
            x[to + i] = take(source, b * size + i, size, count - 1, lanes)

    def in_blocks(source, b, size, count, x, flat_x, to):
        if count < lanes or size < lanes:
            one_by_one(source, b, size, count, x, flat_x, to)
        else:
            for i in range(0, size, lanes):
                k = min(i, size - lanes)
                transpose(flat_x, (to + k) * lanes, lanes, source, b * size + k, size, lanes)

    return in_blocks if transposes else one_by_one


def clearer(lanes, transposes):
    """How `size` numbers of the results, from `first` on, are set to zero, by whole cache lines: one begins at
    `aligned`. `zeros` are the slot that is 0: of a constant LLVM makes memset, which takes 1.4 times as long.
    """

    def one_by_one(target, first, size, aligned, zeros):
        for k in range(first, first + size):
            target[k] = 0.0

    def in_blocks(target, first, size, aligned, zeros):
        last = first + size - lanes
        store(target, first, zeros)
        for k in range(first + (aligned - first) % lanes, last, lanes):
            store(target, k, zeros)
        store(target, last, zeros)

    return in_blocks if transposes else one_by_one


def sparse_unpacker(write, lanes, transposes):
    """How matrices that are mostly zero get from lanes to their places: of full groups by `write`, if there is one.

    Others are cleared, and what was cleared is near when some of it is written again.
    """
    clear = clearer(lanes, transposes)

    def in_turns(y, flat_y, slots, starts, positions, size, count, target, to, aligned):
        for lane in range(count):
            first = to + lane * size
            clear(target, first, size, aligned, y[slots - 1])
            for k in range(len(starts)):
                give(take(flat_y, starts[k] + lane, 1, 0, 1), target, first + positions[k], 1, 0)

    def in_order(y, flat_y, slots, starts, positions, size, count, target, to, aligned):
        if count == lanes:
            write(flat_y, target[to:], ())
        else:
            in_turns(y, flat_y, slots, starts, positions, size, count, target, to, aligned)

    return in_order if write else in_turns


def marked(starts: np.ndarray, zero: int, lanes: int) -> np.ndarray:
    """Where entries begin, with the complement for the first of so many that all begin at `zero`."""
    found, whole = starts.copy(), len(starts) // lanes * lanes
    vanish = (starts[:whole].reshape(-1, lanes) == zero).all(axis=1)
    found[:whole:lanes][vanish] = ~zero
    return found


def unpacker(lanes, transposes):
    """How entries that begin at `starts` get from lanes to their places: those of a point together."""

    def one_by_one(source, starts, size, count, target, to):
        for k in range(size):
            start = max(starts[k], ~starts[k])
            for lane in range(count):
                target[to + lane * size + k] = source[start + lane]

    def in_blocks(source, starts, size, count, target, to):
        if count < lanes or size < lanes:
            one_by_one(source, starts, size, count, target, to)
        else:
            zeros = splat(0.0, load(source, 0, lanes))
            for i in range(0, size, lanes):
                k = min(i, size - lanes)
                if starts[k] < 0:
                    for lane in range(lanes):
                        store(target, to + lane * size + k, zeros)
                else:
                    transpose_rows(target, to + k, size, source, starts, k, 0.0, lanes)

    return in_blocks if transposes else one_by_one


def small_block(f, lanes, n, size, slots, transposes):
    """The same for few coordinates and results: in registers, n and the size of the matrix known to the compiler.

    Results are entries of the matrix in order, then values, of which `value` takes the first where it has room. There
    are no bounds, no numbers of points' own, no readers.
    """
    unpack = group_unpacker(lanes, transposes, size)

    def block(task, worker, layout, points, arguments, tables, status, matrix, value):
        poisons = stack_array(lanes, tables[2])
        x, y = numbers(poisons, 0, n, lanes, n), numbers(poisons, 0, slots, lanes, slots)
        flat_points, flat_matrix = flat(points), flat(matrix)
        first_group, last_group = span(layout, task, groups(len(points), lanes))
        for group in range(first_group, last_group):
            b = group * lanes
            count = min(lanes, len(points) - b)
            if count == lanes:
                read_group(flat_points, b * n, x, n)
            else:
                for i in range(n):
                    x[i] = take(flat_points, b * n + i, n, count - 1, lanes)
            f(x, y, tables)
            poison = 0.0 * y[0]
            for k in range(1, slots):
                poison += 0.0 * y[k]
            for k in range(size):
                y[k] += poison
            unpack(flat(y), size, count, flat_matrix, b * size)
            if value.shape[0] > 0:
                for r in range(value.shape[1]):
                    numbers(poisons, 0, 1, lanes, 0)[0] = y[size + r]
                    for lane in range(count):
                        value[b + lane, r] = poisons[lane]
            if status.size > 0:
                numbers(poisons, 0, 1, lanes, 0)[0] = poison
                for lane in range(count):
                    status[b + lane] = outcome(0, poisons[lane])

    return block
