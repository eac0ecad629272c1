"""What is read from the gradient and the spectrum at one point: plain functions, and the block that applies them.

Formulas and decisions at the edges are those of the documentation of `Curvature`. The block is run by the block that
takes the derivatives, point by point, on the worker's own matrices.
"""

from __future__ import annotations

import math

import numpy as np

from .backends._layout import home, span
from .backends._native import call_task
from .backends.cpu import Operation
from .function import compiled
from .simd import native_lanes, unpack
from .symmetric import Way, choose_lanes, pack, scratch, stages, unpack_rows, work_size


def spectrum_way(n: int, count: int, vectors: bool) -> Way:
    """How the Hessians of points are solved: a group has all its matrices in the lanes of one vector."""
    dtype = np.dtype(np.float64)
    way = choose_lanes(dtype, n, count, vectors)
    lanes = 1 if way.lanes == 1 else 2 * native_lanes(dtype)
    return Way(dtype.str, "lanes", lanes, 1) if vectors else way._replace(lanes=lanes, parts=1)


def scratch_size(way: Way, n: int) -> int:
    """Elements of scratch for a worker: what the solver needs, a matrix and a vector."""
    return work_size(way, n) + n * n + n


def frobenius(E, n):
    """||E||_F, scaled against overflow."""
    largest = 0.0
    for i in range(n):
        for j in range(n):
            largest = max(largest, E[i, j])
    if not (0.0 < largest < math.inf):
        return largest
    total = 0.0
    for i in range(n):
        for j in range(n):
            total += (E[i, j] / largest) ** 2
    return largest * math.sqrt(total)


def is_critical(x, g, e_g, H, tolerance):
    """max_i |g_i| s_i <= tol max_ij |H_ij| s_i s_j + max_i s_i e_g,i with s_i = max(1, |x_i|).

    After Dennis & Schnabel (1983), section 7.2, with the curvature in place of |f|: invariant to shifts of f.
    """
    slope, noise, bend = 0.0, 0.0, 0.0
    for i in range(len(g)):
        s_i = max(1.0, abs(float(x[i])))
        slope = max(slope, abs(g[i]) * s_i)
        noise = max(noise, e_g[i] * s_i)
        for j in range(i + 1):
            bend = max(bend, abs(H[i, j]) * s_i * max(1.0, abs(float(x[j]))))
    return slope <= tolerance * bend + noise


def gradient_curvature(g, H):
    """g'Hg / g'g, from u = g / ||g||_inf so that nothing over- or underflows; NaN where g = 0."""
    largest = 0.0
    for i in range(len(g)):
        largest = max(largest, abs(g[i]))
    if largest == 0.0:
        return math.nan
    uu, uHu = 0.0, 0.0
    for i in range(len(g)):
        u_i = g[i] / largest
        row = 0.0
        for j in range(len(g)):
            row += H[i, j] * (g[j] / largest)
        uu += u_i * u_i
        uHu += u_i * row
    return uHu / uu


def newton_step(g, w, z, step):
    """-H^-1 g = -sum_i z_i (z_i'g) / lambda_i."""
    n = len(g)
    for i in range(n):
        step[i] = 0.0
    for k in range(n):
        along = 0.0
        for i in range(n):
            along += z[i, k] * g[i]
        for i in range(n):
            step[i] -= z[i, k] * (along / w[k])


def read_out_block(way):
    """Spectrum and read-outs of the points of a group, after the last of them.

    Where the way gives vectors, eigenvectors and Newton steps too (where they have room).
    """
    vectors, lanes, side = way.vectors, way.lanes, way.block
    tag = f"read_outs_{way.tag}"
    reduce_part, finish = (compiled(stage, tag, exact=True) for stage in stages(way))
    packed, unpacked = compiled(pack, tag), compiled(unpack, tag)
    vectors_out, one_point = compiled(unpack_rows, tag), compiled(_read_out(vectors), tag)

    def block(
        b, worker, layout, points, status, gradient, gradient_error, hessian, hessian_error, tolerance, scratch_rows,
        places_rows, spectrum, spectrum_error, index, nullity, critical, bend, eigenvectors, newton,
    ):  # fmt: skip
        present = b % lanes + 1
        if present < lanes and b + 1 < len(points):
            return
        n = points.shape[1]
        first, work, places = b + 1 - present, scratch_rows[worker], places_rows[worker]
        at = scratch(n, lanes, 1, 0)
        begin = home(layout, worker, first)
        packed(hessian.reshape(-1), begin * n * n, present, n, work, lanes, side)
        reduce_part(work, n, 0, present)
        finish(work, places, n, present)
        results, z, w = work[at.vectors :], work[at.end : at.end + n * n], work[at.end + n * n : at.end + n * n + n]
        order, others = results[2 * n * lanes :], results[4 * n * lanes :]
        size = n * at.stride
        if vectors:
            for lane in range(0, present, side):
                unpacked(work, size, lanes, lane, work, at.z + lane * size, size, side)
        for lane in range(present):
            for i in range(n):
                w[i] = results[i * lanes + lane]
            if vectors:
                row, poison = at.z + lane * size, others[lane] * 0
                vectors_out(work, row, at.stride, order, n, z, 0 * n, lane, lanes, places, poison, side)
            if others[lanes + lane] != 0 and status[first + lane] == 0:
                status[first + lane] = -4
            one_point(
                first + lane, begin + lane, points, status, gradient, gradient_error, hessian, hessian_error, tolerance,
                w, z.reshape((n, n)), spectrum, spectrum_error, index, nullity, critical, bend, eigenvectors, newton,
            )  # fmt: skip

    return block


def _read_out(vectors):
    """The read-outs of one point, whose matrices are at `place`, from its spectrum w and eigenvectors z."""

    def read_out(
        b, place, points, status, gradient, gradient_error, hessian, hessian_error, tolerance, w, z,
        spectrum, spectrum_error, index, nullity, critical, bend, eigenvectors, newton,
    ):  # fmt: skip
        n = points.shape[1]
        H, E, g = hessian[place], hessian_error[place], gradient[b]
        e_lambda = math.nan
        bad = status[b] != 0
        if not bad:
            e_lambda = frobenius(E, n) + n * 2.220446049250313e-16 * max(abs(w[0]), abs(w[n - 1]))
            poison = 0.0 * e_lambda + 0.0 * w[0]
            for i in range(n):
                poison += 0.0 * g[i]
            bad = poison != 0.0
            if bad:
                status[b] = -3
        if bad:
            spectrum_error[b] = math.nan
            index[b], nullity[b], critical[b] = -1, -1, 0
            bend[b] = math.nan
            for i in range(n):
                spectrum[b, i] = math.nan
                g[i] = math.nan
                if newton.size > 0:
                    newton[b, i] = math.nan
                for j in range(n):
                    H[i, j] = math.nan
                    if vectors and eigenvectors.size > 0:
                        eigenvectors[b, i, j] = math.nan
        else:
            negative, zero = 0, 0
            for i in range(n):
                spectrum[b, i] = w[i]
                negative += w[i] < -e_lambda
                zero += abs(w[i]) <= e_lambda
            spectrum_error[b] = e_lambda
            index[b], nullity[b] = negative, zero
            critical[b] = is_critical(points[b], g, gradient_error[place], H, tolerance)
            bend[b] = gradient_curvature(g, H)
            if vectors:
                if newton.size > 0:
                    newton_step(g, w, z, newton[b])
                    for i in range(n):
                        if zero > 0:
                            newton[b, i] = math.nan
                if eigenvectors.size > 0:
                    for i in range(n):
                        for j in range(n):
                            eigenvectors[b, i, j] = z[i, j]

    return read_out


def every_point_block():
    """`read_out_block` as the work of a task: for points whose derivatives several tasks shared."""

    def block(task, worker, layout, points, reader):
        first, last = span(layout, task, len(points))
        for b in range(first, last):
            call_task(reader[0], reader[1], b, worker)

    return block


EVERY_POINT = Operation(every_point_block)


def operation(way: Way) -> Operation:
    """The read-outs of a group of points."""
    return Operation(read_out_block, (way,))
