"""Eigenvalues and eigenvectors of a group of real symmetric matrices, one in each lane.

A `Way` says how a group is solved; `stages` gives the two stages of it, plain functions to compile. `reduce_part` takes
packed matrices to tridiagonal form, one part of the group after the other; `finish` solves the whole group. Between
them everything is in scratch that the caller gives; `Scratch` tells what is where.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastcurv.simd import any_lane, lane_array, reduce_max, reduce_min, splat, where

from ._clusters import even_values
from ._factors import correct_outer, split
from ._jacobi import jacobi_2, jacobi_3
from ._limits import LIMITS
from ._packing import finish_values, measure, scale, sort, spaced, stride_of, unpack_columns
from ._ql import (
    SWEEPS_PER_EIGENVALUE,
    all_rows,
    find_windows,
    is_incomplete,
    ql_sweep,
    ql_values,
    square_couplings,
    wilkinson_shift,
)
from ._reflect import reflect_lanes, reflect_matrix
from ._rotations import complete_sweep, gather_rotations, normalise_rows, note_windows, rotate_lanes, rotate_matrix
from ._tridiagonal import accumulate_lanes, accumulate_matrix, chosen_update, gather_rows, tridiagonalise
from ._twisted import tridiagonal_vectors
from ._way import SWEEPS_TOGETHER, Way, scratch


def stages(way: Way) -> tuple[Callable, Callable]:
    """(reduce_part, finish) for groups of this kind.

    ``reduce_part(work, n, part, count)`` takes the packed matrices of a part, `count` of them present;
    ``finish(work, places, n, count)`` leaves sorted eigenvalues, and with vectors their order, in lanes.
    """
    if way.n:
        return _jacobi_stages(way)
    return {
        "values": _value_stages, "long values": _value_stages, "corrected values": _corrected_value_stages,
        "lanes": _lane_stages, "matrix": _matrix_stages,
        "twisted": _twisted_stages, "twisted matrix": _twisted_matrix_stages,
    }[way.kind](way)  # fmt: skip


def _reduced(work, vectors, n, part, count, lanes, unit, parts, in_register, update, limits):
    """Scale the packed matrices of a part, if there are any, and make them tridiagonal."""
    group, stride = lanes * parts, stride_of(n, lanes, unit)
    row = n * group
    a = lane_array(work, 0, (n, stride), lanes)
    d, e = lane_array(vectors, 0, (n, group), lanes), lane_array(vectors, row, (n, group), lanes)
    scales = lane_array(vectors, 4 * row, parts, lanes)
    if count == 0:
        scales[part] = 1.0
        for i in range(n):
            d[i, part], e[i, part] = 0.0, 0.0
        return a
    inverse, finite, beyond = measure(a, n, scales, part, limits)
    if not any_lane(beyond > 0.0):  # tridiagonal as they are
        scale(a, n, inverse, finite)
        d[0, part], e[n - 1, part] = a[0, 0], 0.0
        for i in range(1, n):
            d[i, part], e[i - 1, part], a[i, i] = a[i, i], a[i, i - 1], 0.0
    else:
        q, y = lane_array(vectors, 2 * row, n, lanes), lane_array(vectors, 3 * row, n, lanes)
        apart = lanes // in_register
        same = (
            lane_array(work, 0, (n, stride), in_register),
            lane_array(vectors, 2 * row, n * apart, in_register),
            lane_array(vectors, 3 * row, n * apart, in_register),
        )
        tridiagonalise(a, n, inverse, finite, d, e, part, q, y, same, apart, update, limits)
    return a


def _vectors(vectors, n, group):
    """The diagonal, the couplings and two more vectors of all lanes; and (scales, flags)."""
    row = n * group
    return (
        lane_array(vectors, 0, n, group),
        lane_array(vectors, row, n, group),
        lane_array(vectors, 2 * row, n, group),
        lane_array(vectors, 3 * row, n, group),
        lane_array(vectors, 4 * row, 2, group),
    )


def _in_order(d, order, others, good, n):
    """Sort eigenvalues, with their numbers in `order`; undo the scaling; flag lanes that did not converge."""
    others[1] = where(good, splat(0.0, others[0]), 1.0)
    for i in range(n):
        order[i] = splat(i, others[0])
    sort(d, order, n)
    finish_values(d, n, others[0])


def _value_stages(way: Way) -> tuple[Callable, Callable]:
    limits, lanes, parts, group = LIMITS[np.dtype(way.dtype)], way.lanes, way.parts, way.group
    unit, in_register, update, once = way.unit, way.in_register, chosen_update(), way.kind == "long values"

    def reduce_part(work, n, part, count):
        vectors = work[scratch(n, lanes, unit, parts, 0, False).vectors :]
        _reduced(work, vectors, n, part, count, lanes, unit, parts, in_register, update, limits)

    def finish(work, places, n, count):
        d, e, ends, _, others = _vectors(work[scratch(n, lanes, unit, parts, 0, False).vectors :], n, group)
        largest = square_couplings(e, n)
        others[1] = where(ql_values(d, e, ends, n, limits, once), splat(0.0, others[0]), 1.0)
        sort(d, None, n)
        if once:
            even_values(d, n, e, largest > 0.0, limits)
        finish_values(d, n, others[0])

    return reduce_part, finish


def _corrected_value_stages(way: Way) -> tuple[Callable, Callable]:
    limits, lanes, parts, group = LIMITS[np.dtype(way.dtype)], way.lanes, way.parts, way.group
    unit, in_register, update = way.unit, way.in_register, chosen_update()

    def reduce_part(work, n, part, count):
        vectors = work[scratch(n, lanes, unit, parts, 0, True).vectors :]
        _reduced(work, vectors, n, part, count, lanes, unit, parts, in_register, update, limits)

    def finish(work, places, n, count):
        at = scratch(n, lanes, unit, parts, 0, True)
        others = _vectors(work[at.vectors :], n, group)[4]
        diagonal, e, squares, w, blocks, block, factors, good = _split_values(work, at, n, group, limits)
        correct_outer(diagonal, squares, w, n, blocks, block, factors, limits)
        sort(w, None, n)
        even_values(w, n, e, square_couplings(e, n) > 0.0, limits)
        others[1] = where(good, splat(0.0, others[0]), 1.0)
        finish_values(w, n, others[0])

    return reduce_part, finish


def _split_values(work, at, n, group, limits):
    """The tridiagonal matrices in blocks, with their eigenvalues in place of the diagonal, ascending.

    Diagonal, couplings, their squares, eigenvalues, the block of each row, of each eigenvalue; scratch for two
    factorisations; lanes that converged.
    """
    d, e, e_2, block, _ = _vectors(work[at.vectors :], n, group)
    more, size = work[at.pivots :], spaced(n * group, group)
    diagonal, blocks = lane_array(more, 0, n, group), lane_array(more, size, n, group)
    pair = (2, size)
    above, below = lane_array(more, 2 * size, pair, group), lane_array(more, 4 * size, pair, group)
    p, q = lane_array(more, 6 * size, pair, group), lane_array(more, 8 * size, pair, group)
    squares = lane_array(more, 10 * size, n, group)
    split(d, e, n, blocks, limits)
    for i in range(n):
        diagonal[i], block[i] = d[i], blocks[i]
        e_2[i] = squares[i] = e[i] * e[i]
    good = ql_values(d, e_2, above[0], n, limits)  # an eigenvalue stays among the rows of its block
    sort(d, block, n)
    return diagonal, e, squares, d, blocks, block, (above, below, p, q), good


def _jacobi_stages(way: Way) -> tuple[Callable, Callable]:
    """Here ``finish`` leaves eigenvectors as a matrix, in order, with NaN where the matrix was not finite."""
    limits, lanes, vectors, order = LIMITS[np.dtype(way.dtype)], way.lanes, way.vectors, way.n

    def reduce_part(work, n, part, count):
        others = lane_array(work, scratch(order, lanes, lanes, 1, 0, False).vectors + 4 * order * lanes, 1, lanes)
        a = lane_array(work, 0, (order, order * lanes), lanes)
        inverse, finite, _ = measure(a, order, others, part, limits)
        scale(a, order, inverse, finite)

    def finish(work, places, n, count):
        d, _, _, _, others = _vectors(work[scratch(order, lanes, lanes, 1, 0, False).vectors :], order, lanes)
        a = lane_array(work, 0, (order, order * lanes), lanes)
        z = a if vectors else None
        good = jacobi_2(a, d, z) if order == 2 else jacobi_3(a, d, z, limits)
        others[1] = where(good, splat(0.0, others[0]), 1.0)
        finish_values(d, order, others[0])
        if vectors:
            poison = others[0] * 0.0
            for i in range(order):
                for k in range(order):
                    a[i, k] = a[i, k] + poison

    return reduce_part, finish


def _lane_stages(way: Way) -> tuple[Callable, Callable]:
    limits, lanes, in_register = LIMITS[np.dtype(way.dtype)], way.lanes, way.in_register
    update = chosen_update()

    def reduce_part(work, n, part, count):
        vectors = work[scratch(n, lanes, lanes, 1, 0, False).vectors :]
        a = _reduced(work, vectors, n, part, count, lanes, lanes, 1, in_register, update, limits)
        if n > 1:
            accumulate_lanes(a, n, _vectors(vectors, n, lanes)[3])
        else:
            a[0, 0] = 1.0

    def finish(work, places, n, count):
        vectors = work[scratch(n, lanes, lanes, 1, 0, False).vectors :]
        d, e, c, s, others = _vectors(vectors, n, lanes)
        a = lane_array(work, 0, (n, stride_of(n, lanes, lanes)), lanes)
        found = find_windows(d, e, n, all_rows(n), d, limits.half_ulp, limits.coupling)
        for sweeps in range(SWEEPS_PER_EIGENVALUE * n + 1):
            low, high = found[0], found[1]
            first, last = int(reduce_min(low)), int(reduce_max(high))
            if first >= n or sweeps == SWEEPS_PER_EIGENVALUE * n:
                break
            shift = wilkinson_shift(found[2], found[3], found[4] * found[4])
            found = ql_sweep(d, e, n, first, last, low, high, shift, d, c, s, limits)
            if is_incomplete(found, low, high, n, last):
                found = find_windows(d, e, n, first, d, limits.half_ulp, limits.coupling)
            rotate_lanes(a, n, c, s, first, last)
        _in_order(d, c, others, low >= n, n)

    return reduce_part, finish


def _matrix_stages(way: Way) -> tuple[Callable, Callable]:
    limits, lanes, parts, group = LIMITS[np.dtype(way.dtype)], way.lanes, way.parts, way.group
    unit, in_register, narrow = way.unit, way.in_register, way.register
    middle, wide, update = 2 * narrow, 4 * narrow, chosen_update()

    def reduce_part(work, n, part, count):
        at = scratch(n, lanes, unit, parts, narrow, False)
        _reduced(work, work[at.vectors :], n, part, count, lanes, unit, parts, in_register, update, limits)
        columns = -(-n // narrow) * narrow
        size = columns * at.stride
        first = at.z + part * lanes * size
        gather_rows(work, first, size, at.stride, n, stride_of(n, lanes, unit), lanes)
        for lane in range(count):
            accumulate_matrix(
                work, first + lane * size, n, at.stride, columns, work[at.gathered :], wide, middle, narrow
            )

    def rotate(work, windows, at, n, count, sweeps):
        """The sweeps collected, on one matrix after the other."""
        cosines, sines, gathered = work[at.rotations :], work[at.rotations + at.room :], work[at.gathered :]
        columns = -(-n // narrow) * narrow
        for part in range(parts):
            if part * lanes < count:
                gather_rotations(gathered, at.stride, cosines, sines, sweeps, n, group, part, lanes)
                for lane in range(part * lanes, min(count, (part + 1) * lanes)):
                    rotate_matrix(
                        work, at.z + lane * columns * at.stride, at.stride, columns, n, gathered,
                        (lane - part * lanes) * 2 * sweeps * at.stride, sweeps,
                        windows[lane * SWEEPS_TOGETHER :], windows[(group + lane) * SWEEPS_TOGETHER :],
                        wide, middle, narrow,
                    )  # fmt: skip

    def finish(work, places, n, count):
        at = scratch(n, lanes, unit, parts, narrow, False)
        d, e, order, e_2, others = _vectors(work[at.vectors :], n, group)
        windows = places[2 * n :]
        cosines, sines = work[at.rotations :], work[at.rotations + at.room :]
        known = lane_array(cosines, SWEEPS_TOGETHER * n * group, n, group)
        for i in range(n):
            known[i], e_2[i] = d[i], e[i]
        square_couplings(e_2, n)
        ql_values(known, e_2, order, n, limits)
        found = find_windows(d, e, n, all_rows(n), known, limits.half_ulp, limits.coupling)
        tried = splat(-1.0, found[0])
        for sweeps in range(SWEEPS_PER_EIGENVALUE * n + 1):
            low, high = found[0], found[1]
            first, last = int(reduce_min(low)), int(reduce_max(high))
            done = first >= n or sweeps == SWEEPS_PER_EIGENVALUE * n
            together = sweeps % SWEEPS_TOGETHER
            if sweeps > 0 and (together == 0 or done):
                rotate(work, windows, at, n, count, (sweeps - 1) % SWEEPS_TOGETHER + 1)
            if done:
                break
            # a known eigenvalue as a shift splits it off at once; where it does not, Wilkinson's shift goes on
            shift = where(low == tried, wilkinson_shift(found[2], found[3], found[4] * found[4]), found[5])
            tried = low
            c = lane_array(cosines, together * n * group, n, group)
            s = lane_array(sines, together * n * group, n, group)
            found = ql_sweep(d, e, n, first, last, low, high, shift, known, c, s, limits)
            if is_incomplete(found, low, high, n, last):
                found = find_windows(d, e, n, first, known, limits.half_ulp, limits.coupling)
            complete_sweep(c, s, n, first, last)
            e_2[0], e_2[1] = low, high
            note_windows(windows, together, SWEEPS_TOGETHER, work, at.vectors + 3 * n * group, group)
        columns = -(-n // narrow) * narrow
        for lane in range(count):
            normalise_rows(work, at.z + lane * columns * at.stride, at.stride, columns, n, narrow)
        _in_order(d, order, others, low >= n, n)

    return reduce_part, finish


def _twisted(work, at, n, group, unit, in_register, limits):
    """Eigenvalues in place of the diagonal, eigenvectors of the tridiagonal matrices as rows; (rows, good)."""
    diagonal, e, squares, w, blocks, block, factors, good = _split_values(work, at, n, group, limits)
    more, size = work[at.pivots :], spaced(n * group, group)
    pivots, products = lane_array(more, 11 * size, n, group), lane_array(more, 12 * size, n, group)
    joined, beside = lane_array(more, 13 * size, n, group), lane_array(more, 14 * size, n, group)
    start, reaches = lane_array(more, 15 * size, 2, group), lane_array(more, 15 * size + 2 * group, 2, group)
    tops = _vectors(work[at.vectors :], n, group)[2]  # squared couplings are no longer needed
    apart, stride = group // in_register, stride_of(n, group, unit)
    z = lane_array(work, at.rows, (n, stride), group)
    same = (
        lane_array(work, at.rows, (n, stride), in_register),
        lane_array(work[at.vectors :], 2 * n * group, n * apart, in_register),
        lane_array(more, 15 * size, 2 * apart, in_register),
    )
    relative = (pivots, products)
    good = tridiagonal_vectors(
        diagonal, e, squares, w, blocks, block, z, n, good, factors, relative, joined, beside, start, reaches, tops,
        same, apart, limits,
    )  # fmt: skip
    return z, good


def _finish_twisted(d, z, good, others, n):
    """Undo the scaling of eigenvalues, which are in order, and flag lanes that are left to other ways."""
    others[1] = where(good, splat(0.0, others[0]), 1.0)
    finish_values(d, n, others[0])
    poison = others[0] * 0.0
    if any_lane(poison != 0.0):
        for k in range(n):
            for i in range(n):
                z[k, i] = z[k, i] + poison


def _twisted_stages(way: Way) -> tuple[Callable, Callable]:
    limits, lanes = LIMITS[np.dtype(way.dtype)], way.lanes
    unit, in_register, update = way.unit, way.in_register, chosen_update()

    def reduce_part(work, n, part, count):
        at = scratch(n, lanes, unit, 1, 0, True)
        _reduced(work, work[at.vectors :], n, part, count, lanes, unit, 1, in_register, update, limits)

    def finish(work, places, n, count):
        at = scratch(n, lanes, unit, 1, 0, True)
        d, _, _, _, others = _vectors(work[at.vectors :], n, lanes)
        z, good = _twisted(work, at, n, lanes, unit, in_register, limits)
        _finish_twisted(d, z, good, others, n)
        if any_lane(good):
            apart = lanes // in_register
            shape = n, stride_of(n, lanes, unit)
            for first in range(apart):
                a, rows = lane_array(work, 0, shape, in_register), lane_array(work, at.rows, shape, in_register)
                reflect_lanes(a, rows, n, first, apart)

    return reduce_part, finish


def _twisted_matrix_stages(way: Way) -> tuple[Callable, Callable]:
    limits, lanes, parts, group = LIMITS[np.dtype(way.dtype)], way.lanes, way.parts, way.group
    unit, in_register, narrow = way.unit, way.in_register, way.register
    middle, wide, update = 2 * narrow, 4 * narrow, chosen_update()

    def reduce_part(work, n, part, count):
        at = scratch(n, lanes, unit, parts, narrow, True)
        _reduced(work, work[at.vectors :], n, part, count, lanes, unit, parts, in_register, update, limits)
        columns = -(-n // narrow) * narrow
        size = columns * at.stride
        first = at.rotations + part * lanes * size
        gather_rows(work, first, size, at.stride, n, stride_of(n, lanes, unit), lanes)

    def finish(work, places, n, count):
        at = scratch(n, lanes, unit, parts, narrow, True)
        columns = -(-n // narrow) * narrow
        size = columns * at.stride
        d, _, _, _, others = _vectors(work[at.vectors :], n, group)
        z, good = _twisted(work, at, n, group, unit, in_register, limits)
        _finish_twisted(d, z, good, others, n)
        apart = stride_of(n, group, unit)
        unpack_columns(work, at.rows, apart, n, count, group, work, at.z, size, at.stride, narrow)
        is_left = at.vectors + (4 * n + 1) * group
        for lane in range(count):
            if work[is_left + lane] == 0.0:
                reflect_matrix(
                    work, at.z + lane * size, n, at.stride, columns, at.rotations + lane * size, wide, middle, narrow
                )

    return reduce_part, finish
