"""What is read from gradients and spectra: plain functions of lanes, one point in each, and the blocks that apply them.

Formulas and decisions at the edges are those of the documentation of `Curvature`. A block is run by the one that takes
the derivatives, on what that left of a group of points: matrices in memory, or results that are in lanes already.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from ._call import LANES
from ._eigen import compiled_stages
from ._rounding import largest_of
from .backends._kernels import Operation
from .backends._layout import homes, span
from .backends._native import call_task
from .differences._outcome import NOT_CONVERGED, NOT_FINITE, fill
from .function import compiled
from .simd import (
    flat,
    floor_power_of_two,
    give,
    lane_array,
    load,
    native_lanes,
    own_row,
    splat,
    store,
    take,
    unpack,
    where,
)
from .symmetric import Way, choose_lanes, pack, scratch, stride_of, unpack_rows, work_size

EPS, INFINITY = 2.0**-52, math.inf
#: vectors of a group besides x and g, by number: what gradients are known to, ||E||_F
NOISE, ERROR, SCALARS = range(3)


def spectrum_way(n: int, count: int, vectors: bool) -> Way:
    """How the Hessians of points are solved: a group has all its matrices in the lanes of one vector."""
    dtype = np.dtype(np.float64)
    way = choose_lanes(dtype, n, count, vectors)
    lanes = 1 if way.lanes == 1 else 2 * native_lanes(dtype)
    return Way(dtype.str, "lanes", lanes, 1) if vectors else way._replace(lanes=lanes, parts=1)


class Places(NamedTuple):
    """Offsets into the scratch of a worker, after what the solver needs."""

    scalars: int
    x: int
    gradient: int
    #: eigenvectors of one point
    vectors: int
    end: int


def places_after(first, n, lanes):
    """`Places` from an offset on."""
    x = first + SCALARS * lanes
    vectors = x + 2 * n * lanes
    return Places(first, x, x + n * lanes, vectors, vectors + n * n)


def scratch_size(way: Way, n: int) -> int:
    """Elements of scratch for a worker."""
    return places_after(work_size(way, n), n, way.lanes).end


def least_power(like):
    """The least power of two whose inverse is a number."""
    return splat(2.0**-1021, like)


def power_below(largest):
    """A power of two by which numbers can be divided so that their squares neither over- nor underflow."""
    return floor_power_of_two(where(largest < INFINITY, max(largest, least_power(largest)), 1.0))


def largest_entry(E, r, i, largest):
    """max E_ij, with row i of the lower triangle, which is row r of E, besides what is known."""
    for j in range(i + 1):
        largest = max(largest, E[r, j])
    return largest


def squares_of_row(E, r, i, inverse):
    """What that row adds to the sum of squares of a symmetric matrix times `inverse`."""
    row = splat(0.0, inverse)
    for j in range(i):
        entry = E[r, j] * inverse
        row += entry * entry
    diagonal = E[r, i] * inverse
    return 2.0 * row + diagonal * diagonal


def frobenius(E, n):
    """||E||_F of a symmetric matrix, from its lower triangle."""
    largest = splat(0.0, E[0, 0])
    for i in range(n):
        largest = largest_entry(E, i, i, largest)
    power = power_below(largest)
    inverse, total = 1.0 / power, splat(0.0, largest)
    for i in range(n):
        total += squares_of_row(E, i, i, inverse)
    return power * math.sqrt(total)


def unit_of(x, n):
    """One divided by a power of two close to max_i s_i², with s_i = max(1, |x_i|)."""
    largest = splat(1.0, x[0])
    for i in range(n):
        largest = max(largest, abs(x[i]))
    return 1.0 / power_below(largest)


def scaled_row(x, g, unit, i, H, r):
    """|g_i| s_i and max_j |H_ij| s_i s_j, in units, of row i of the lower triangle, which is row r of H."""
    one = splat(1.0, unit)
    s_i = max(one, abs(x[i])) * unit
    row = abs(H[r, i]) * s_i
    for j in range(i):
        row = max(row, abs(H[r, j]) * (max(one, abs(x[j])) * unit))
    return abs(g[i]) * s_i, row * s_i


def is_small(slope, bend, noise, unit, tolerance):
    """max_i |g_i| s_i <= tol max_ij |H_ij| s_i s_j + noise; noise that did overflow is left out."""
    noise = where(noise < INFINITY, noise, 0.0)
    return slope * unit <= tolerance * bend + noise * unit * unit


def is_critical(x, g, noise, H, n, tolerance):
    """max_i |g_i| s_i <= tol max_ij |H_ij| s_i s_j + noise, with s_i = max(1, |x_i|) and noise = max_i s_i e_g,i.

    After Dennis & Schnabel (1983), section 7.2, with the curvature in place of |f|: invariant to shifts of f. Both
    sides are in units in which they do not overflow.
    """
    unit = unit_of(x, n)
    slope = bend = splat(0.0, unit)
    for i in range(n):
        slope_i, bend_i = scaled_row(x, g, unit, i, H, i)
        slope, bend = max(slope, slope_i), max(bend, bend_i)
    return is_small(slope, bend, noise, unit, tolerance)


def unit_of_gradient(g, n):
    """One divided by a power of two close to max_i |g_i|."""
    largest = abs(g[0])
    for i in range(1, n):
        largest = max(largest, abs(g[i]))
    return 1.0 / power_below(largest)


def forms_of_row(g, unit, i, H, r):
    """What row i of the lower triangle, which is row r of H, adds to u'u and u'Hu, with u = unit g."""
    u_i = g[i] * unit
    row = splat(0.0, unit)
    for j in range(i):
        row += H[r, j] * (g[j] * unit)
    return u_i * u_i, u_i * (2.0 * row + H[r, i] * u_i)


def gradient_curvature(g, H, n):
    """g'Hg / g'g, from multiples u of g so that nothing over- or underflows; NaN where g = 0."""
    unit = unit_of_gradient(g, n)
    uu = uHu = splat(0.0, unit)
    for i in range(n):
        uu_i, uHu_i = forms_of_row(g, unit, i, H, i)
        uu, uHu = uu + uu_i, uHu + uHu_i
    return uHu / uu


def slope_error(known, error, x):
    """max_i s_i e_g,i, with one more coordinate."""
    return max(known, error * max(splat(1.0, known), abs(x)))


def estimated_errors(x, g_error, E, n):
    """What derivatives are known to by estimates: max_i s_i e_g,i and ||E||_F."""
    noise = splat(0.0, E[0, 0])
    for i in range(n):
        noise = slope_error(noise, g_error[i], x[i])
    return noise, frobenius(E, n)


def rounding_errors(x, g, H, n, rounding):
    """What exact derivatives are known to: max_i s_i e_g,i and ||E||_F."""
    return rounding_of_largest(x, largest_of(x, g, H, n, 0.0), n, rounding)


def rounding_of_largest(x, largest, n, rounding):
    """The same from the largest numbers of derivatives."""
    slope, bend, lever = largest
    reach = splat(1.0, slope)
    for i in range(n):
        reach = max(reach, abs(x[i]))
    return rounding * (slope + lever) * reach, splat(n, bend) * rounding * bend


def signs(w, norm, n, eps):
    """The error of eigenvalues in ascending order, ||E||_F + n eps max|lambda| (Weyl), how many are certainly negative,
    and how many cannot be told from zero.
    """
    error = norm + splat(n, norm) * eps * max(abs(w[0]), abs(w[n - 1]))
    negative = null = splat(0.0, error)
    for i in range(n):
        negative += where(w[i] < -error, 1.0, splat(0.0, error))
        null += where(abs(w[i]) <= error, 1.0, splat(0.0, error))
    return error, negative, null


def step_along(g, w, first, z, k):
    """z_k'g / lambda_k."""
    along = 0.0
    for i in range(len(z)):
        along += z[i, k] * g[first + i]
    return along / w[first + k]


def newton_step(g, w, first, z, step):
    """-H^-1 g = -sum_i z_i (z_i'g) / lambda_i, of the point whose g and lambda begin at `first`."""
    n = len(step)
    for i in range(n):
        step[i] = 0.0
    for k in range(n):
        along = step_along(g, w, first, z, k)
        for i in range(n):
            step[i] -= z[i, k] * along


@cache
def group_reader(way):
    """``read(first, present, ...)``: the spectra and read-outs of the points of a group.

    Their matrices are packed in `work`; x, g, what gradients are known to and ||E||_F are at their `Places`.
    """
    lanes, unit, side, vectors, is_factored = way.lanes, way.unit, way.block, way.vectors, way.is_factored
    tag = f"read_outs_{way.tag}"
    reduce_part, finish = compiled_stages(way)
    unpacked, vectors_out = compiled(unpack, tag), compiled(unpack_rows, tag)

    def read(first, present, n, work, places, status, gradient, tolerance, results):
        spectrum, spectrum_error, index, nullity, critical, bend, eigenvectors, newton = results
        at = scratch(n, lanes, unit, 1, 0, is_factored)
        here = places_after(at.end, n, lanes)
        known = lane_array(work, here.scalars, SCALARS, lanes)
        x, g = lane_array(work, here.x, n, lanes), lane_array(work, here.gradient, n, lanes)
        H = lane_array(work, 0, (n, stride_of(n, lanes, unit)), lanes)
        zero, last = splat(0.0, known[NOISE]), present - 1
        is_flat = where(is_critical(x, g, known[NOISE], H, n, tolerance), 1.0, zero)
        along_gradient = gradient_curvature(g, H, n)

        reduce_part(work, n, 0, present)
        finish(work, places, n, present)
        solved = work[at.vectors :]
        w, others = lane_array(solved, 0, n, lanes), lane_array(solved, 4 * n * lanes, 2, lanes)

        error, negative, null = signs(w, known[ERROR], n, EPS)
        state = zero + take(status, first, 1, last, lanes)
        state = where((state == 0.0) & (others[1] != 0.0), float(NOT_CONVERGED), state)
        poison = where(state == 0.0, zero, math.nan) + 0.0 * error + 0.0 * w[0]
        for i in range(n):
            poison += 0.0 * g[i]
        good = poison == 0.0
        for i in range(n):
            give(w[i] + poison, spectrum, first * n + i, n, last)
            give(where(good, g[i], math.nan), gradient, first * n + i, n, last)
        give(where((state == 0.0) & (poison != 0.0), float(NOT_FINITE), state), status, first, 1, last)
        give(error + poison, spectrum_error, first, 1, last)
        give(along_gradient + poison, bend, first, 1, last)
        give(where(good, is_flat, 0.0), critical, first, 1, last)
        give(where(good, negative, -1.0), index, first, 1, last)
        give(where(good, null, -1.0), nullity, first, 1, last)
        if vectors:
            order, size = solved[2 * n * lanes :], n * at.stride
            z = work[here.vectors : here.end].reshape((n, n))
            for lane in range(0, present, side):
                unpacked(work, size, lanes, lane, work, at.z + lane * size, size, side)
            for lane in range(present):
                b, row = first + lane, at.z + lane * size
                bad = 0.0 if status[b] == 0 else math.nan
                vectors_out(work, row, at.stride, order, n, work, here.vectors, lane, lanes, places, bad, side)
                if newton.size > 0:
                    newton_step(gradient, spectrum, b * n, z, newton[b])
                    if nullity[b] != 0:
                        fill(flat(newton), b * n, n)
                if eigenvectors.size > 0:
                    for i in range(n):
                        for j in range(n):
                            eigenvectors[b, i, j] = z[i, j]

    return compiled(read, tag, exact=True)


def memory_block(way):
    """Reads the points of a group, after the last of them, from their matrices, gradients and errors in memory."""
    lanes, unit, side, known_n, is_factored = way.lanes, way.unit, way.block, way.n, way.is_factored
    tag = f"memory_{way.tag}"
    packed, read = compiled(pack, tag), group_reader(way)
    norms, widest = compiled(frobenius, tag, exact=True), compiled(slope_error, tag, exact=True)

    def block(
        b, worker, layout, points, status, gradient, gradient_error, hessian, hessian_error, tolerance, scratch_rows,
        places_rows, results,
    ):  # fmt: skip
        present = b % lanes + 1
        if present < lanes and b + 1 < len(points):
            return
        n = known_n if known_n > 0 else points.shape[1]
        first, work = b + 1 - present, own_row(scratch_rows, worker)
        origin, mask = homes(layout, worker)
        begin = origin + (first & mask)
        here, stride = places_after(scratch(n, lanes, unit, 1, 0, is_factored).end, n, lanes), stride_of(n, lanes, unit)
        packed(flat(hessian_error), begin * n * n, present, n, work, stride, lanes, side)
        known = lane_array(work, here.scalars, SCALARS, lanes)
        known[ERROR] = norms(lane_array(work, 0, (n, stride), lanes), n)
        x, g = lane_array(work, here.x, n, lanes), lane_array(work, here.gradient, n, lanes)
        noise, flat_points, flat_errors = splat(0.0, known[ERROR]), flat(points), flat(gradient_error)
        for i in range(n):
            x[i] = splat(0.0, noise) + take(flat_points, first * n + i, n, present - 1, lanes)
            g[i] = splat(0.0, noise) + take(gradient, first * n + i, n, present - 1, lanes)
            e_i = take(flat_errors, begin * n + i, n, present - 1, lanes)
            noise = widest(noise, e_i, x[i])
        known[NOISE] = noise
        packed(flat(hessian), begin * n * n, present, n, work, stride, lanes, side)
        read(first, present, n, work, places_rows[worker], status, gradient, tolerance, results)
        for lane in range(present):
            if status[first + lane] != 0:
                fill(flat(hessian), (begin + lane) * n * n, n * n)

    return block


def lanes_block(way):
    """Reads the points of a group, the last of which is b, from results of exact derivatives in lanes.

    `rows` has what the block for derivatives left: LANES points after each other, `apart` numbers from those of the
    next; x comes first. `slopes` and `lower` say where gradients begin, and lower triangles, row by row.
    """
    lanes, unit, width, known_n = way.lanes, way.unit, min(way.lanes, LANES), way.n
    is_factored = way.is_factored
    tag = f"lanes_{way.tag}"
    read = group_reader(way)
    together = max(lanes, LANES)

    def gather(target, to, source, start, apart, lane):
        """The lanes of a group, the first of which is `lane`, of numbers that begin at `start`."""
        for part in range(lane, lane + lanes, width):
            store(target, to + part - lane, load(source, part // LANES * apart + start + part % LANES, width))

    gathered, errors = compiled(gather, tag), compiled(rounding_errors, tag, exact=True)

    def block(
        b, worker, points, status, gradient, rows, apart, slopes, lower, rounding, tolerance, scratch_rows,
        places_rows, results,
    ):  # fmt: skip
        n = known_n if known_n > 0 else points.shape[1]
        work, source = own_row(scratch_rows, worker), own_row(rows, worker)
        stride = stride_of(n, lanes, unit)
        here = places_after(scratch(n, lanes, unit, 1, 0, is_factored).end, n, lanes)
        begin = b - b % together
        for first in range(begin, b + 1, lanes):
            lane = first - begin
            for i in range(n):
                gathered(work, here.x + i * lanes, source, i * LANES, apart, lane)
                gathered(work, here.gradient + i * lanes, source, slopes[i], apart, lane)
                for j in range(i + 1):
                    entry = i * stride + j * lanes
                    gathered(work, entry, source, lower[i * (i + 1) // 2 + j], apart, lane)
            known = lane_array(work, here.scalars, SCALARS, lanes)
            x, g = lane_array(work, here.x, n, lanes), lane_array(work, here.gradient, n, lanes)
            known[NOISE], known[ERROR] = errors(x, g, lane_array(work, 0, (n, stride), lanes), n, rounding)
            present = min(lanes, b + 1 - first)
            read(first, present, n, work, places_rows[worker], status, gradient, tolerance, results)

    return block


def every_point_block():
    """`memory_block` as the work of a task: for points whose derivatives several tasks shared."""

    def block(task, worker, layout, points, reader):
        first, last = span(layout, task, len(points))
        for b in range(first, last):
            call_task(reader[0], reader[1], b, worker)

    return block


EVERY_POINT = Operation(every_point_block)


def from_memory(way: Way) -> Operation:
    """The read-outs of groups of points whose derivatives are in memory."""
    return Operation(memory_block, (way,))


def from_lanes(way: Way) -> Operation:
    """The read-outs of groups of points whose derivatives are in lanes."""
    return Operation(lanes_block, (way,))
