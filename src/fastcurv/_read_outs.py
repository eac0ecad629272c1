"""What is read from the gradient and the spectrum at one point: plain functions, and the block that applies them.

Formulas and decisions at the edges are those of the documentation of `Curvature`. The block is run by the block that
takes the derivatives, point by point, on the worker's own matrices.
"""

from __future__ import annotations

import math

from .backends._layout import home, span
from .backends._native import call_task
from .backends.cpu import APART, Operation
from .function import compiled
from .symmetric import eigensystem, eigenvalues, work_size


def scratch_size(n: int) -> int:
    """Elements of scratch for a worker: two matrices, eigenvalues, what the solver needs, and distance to the next."""
    return 2 * n * n + work_size(n) + n + APART


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


def read_out_block(solve_values, solve_vectors, vectors):
    """Spectrum and read-outs of point b; with `vectors`, eigenvectors and Newton steps too (where they have room)."""

    def block(
        b, worker, layout, points, status, gradient, gradient_error, hessian, hessian_error, tolerance, scratch,
        spectrum, spectrum_error, index, nullity, critical, bend, eigenvectors, newton,
    ):  # fmt: skip
        n = points.shape[1]
        place = home(layout, worker, b)
        H, E, g = hessian[place], hessian_error[place], gradient[b]
        w = scratch[worker, 2 * n * n : 2 * n * n + n]
        e_lambda = math.nan
        bad = status[b] != 0
        if not bad:
            a = scratch[worker, : n * n].reshape((n, n))
            z = scratch[worker, n * n : 2 * n * n].reshape((n, n))
            for i in range(n):
                for j in range(n):
                    a[i, j] = H[i, j]
            if vectors:
                solve_vectors(a, w, z, scratch[worker, 2 * n * n + n :])
            else:
                solve_values(a, w, scratch[worker, 2 * n * n + n :])
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
            e_g = gradient_error[place]
            critical[b] = is_critical(points[b], g, e_g, H, tolerance)
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

    return block


def every_point_block():
    """`read_out_block` as the work of a task: for points whose derivatives several tasks shared."""

    def block(task, worker, layout, points, reader):
        first, last = span(layout, task, len(points))
        for b in range(first, last):
            call_task(reader[0], reader[1], b, worker)

    return block


EVERY_POINT = Operation(every_point_block)


def operation(vectors: bool) -> Operation:
    """The read-outs of one point."""
    return Operation(_one, (vectors,))


def _one(vectors):
    return read_out_block(compiled(eigenvalues, "symmetric"), compiled(eigensystem, "symmetric"), vectors)
