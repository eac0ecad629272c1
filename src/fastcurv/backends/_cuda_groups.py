"""Eigenvalues and eigenvectors on a CUDA device: parallel Jacobi, a matrix to a group of threads, in shared memory.

Rotations in disjoint planes commute, so each step of a sweep makes those of n / 2 planes at once, in the order of a
round-robin tournament (Brent & Luk, SIAM J. Sci. Stat. Comput. 6, 1985). An odd order is made even by a row of zeros,
with which every rotation is by zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from ..symmetric import diagonalised, turned
from ..tracing import straight_line
from .cuda import cuda, device_function, in_type

#: threads in the smallest block: what a device runs together
WARP = 32
#: six to ten are needed
MOST_SWEEPS = 40
#: the least exponent of two by which matrices are scaled: its inverse is a number
LEAST = -1021


class Precision(NamedTuple):
    """The numbers that matrices are solved in, and what curvature reads is computed in."""

    real: Any
    negligible: float  # sums of squares off the diagonal, relative to those on it, that do not change eigenvalues
    least: int  # as LEAST

    @property
    def is_single(self) -> bool:
        """Whether it is float32."""
        return self.real is types.float32

    @property
    def dtype(self) -> np.dtype:
        """NumPy's type of them."""
        return np.dtype(np.float32 if self.is_single else np.float64)


DOUBLE, SINGLE = Precision(types.float64, 2.0**-106, LEAST), Precision(types.float32, 2.0**-48, -125)


def precision_of(dtype: np.dtype) -> Precision:
    """That of a type: matrices are solved in their own."""
    return SINGLE if dtype == np.float32 else DOUBLE


def tables_for(programs: tuple, precision: Precision) -> tuple:
    """What the code of programs without arguments reads."""
    nothing, single = np.zeros(1), precision.is_single
    return tuple(
        (in_type(nothing, single), indices, in_type(constants, single))
        for indices, constants in (program.tables for program in programs)
    )


class Group(NamedTuple):
    """How many threads work on a matrix, and on how many matrices a block of threads."""

    threads: int
    matrices: int

    @property
    def block(self) -> int:
        """Threads in a block."""
        return self.threads * self.matrices


def group_of(n: int) -> Group:
    """Of matrices of order n: a thread for about two rows, at least a warp for a block."""
    threads = 16 if n <= 16 else 32 if n <= 32 else 64
    return Group(threads, max(1, WARP // threads))


@cache
def _programs() -> tuple:
    """A rotation, and what it makes of two numbers."""
    return straight_line(diagonalised, 3), straight_line(turned, 4)


def tables_of_groups(precision: Precision = DOUBLE) -> tuple:
    """What the code of both reads."""
    return tables_for(_programs(), precision)


def group_kernel(n: int, vectors: bool, precision: Precision = DOUBLE) -> Callable:
    """Of flat matrices, of which lower triangles are read."""
    real, least = precision.real, precision.least
    zero, one, negligible = real(0.0), real(1.0), real(precision.negligible)
    order = n + n % 2
    pairs, row = order // 2, order + 1  # rows of an odd length: columns do not meet in one bank of memory
    group, together = group_of(n)
    size, size_of_vectors, two = order * row, order * row if vectors else 1, 2 * group
    of_rotation, of_turn = (program.slots for program in _programs())
    rotated, turned = (device_function(program.evaluator()) for program in _programs())

    def pair(step, k):
        """The rows of the k-th plane of a step, the larger one first."""
        if k == 0:
            return order - 1, step
        p, q = (step + k) % (order - 1), (step - k + order - 1) % (order - 1)
        return max(p, q), min(p, q)

    def turn(x, y, c, s, tables):
        given = cuda.local.array(4, real)
        found = cuda.local.array(of_turn, real)
        given[0], given[1], given[2], given[3] = x, y, c, s
        turned(given, found, tables)
        return found[0], found[1]

    def entry(i, j):
        """The place of an entry of the lower triangle."""
        return max(i, j) * row + min(i, j)

    def rotate(A, angles, step, k, tables):
        """Diagonalise a plane; note the angle."""
        given = cuda.local.array(3, real)
        found = cuda.local.array(of_rotation, real)
        p, q = pair(step, k)
        given[0], given[1], given[2] = A[p * row + p], A[q * row + q], A[p * row + q]
        rotated(given, found, tables)
        angles[2 * k], angles[2 * k + 1] = found[0], found[1]
        A[p * row + p], A[q * row + q], A[p * row + q] = found[2], found[3], zero

    def rotate_block(A, angles, step, k, j, tables):
        """Turn the four entries that two planes have in common."""
        p, q = pair(step, k)
        u, v = pair(step, j)
        pu, pv, qu, qv = entry(p, u), entry(p, v), entry(q, u), entry(q, v)
        c, s = angles[2 * j], angles[2 * j + 1]
        a_pu, a_pv = turn(A[pu], A[pv], c, s, tables)
        a_qu, a_qv = turn(A[qu], A[qv], c, s, tables)
        c, s = angles[2 * k], angles[2 * k + 1]
        A[pu], A[qu] = turn(a_pu, a_qu, c, s, tables)
        A[pv], A[qv] = turn(a_pv, a_qv, c, s, tables)

    def squares(A, lane):
        """A thread's share of the sums of squares off the diagonal and on it."""
        outside = inside = zero
        for i in range(lane, n, group):
            inside += A[i * row + i] * A[i * row + i]
            for j in range(i):
                outside += A[i * row + j] * A[i * row + j]
        return outside, inside

    pair, turn, entry = map(cuda.jit(device=True), (pair, turn, entry))
    rotate, rotate_block, squares = map(cuda.jit(device=True), (rotate, rotate_block, squares))

    def kernel(matrices, rotation_tables, turn_tables, w, z):
        A_all = cuda.shared.array((together, size), real)
        V_all = cuda.shared.array((together, size_of_vectors), real)
        angles_all = cuda.shared.array((together, order), real)
        sums_all = cuda.shared.array((together, two), real)
        places_all = cuda.shared.array((together, n), types.int32)
        here, lane = cuda.threadIdx.x // group, cuda.threadIdx.x % group
        b = cuda.blockIdx.x * together + here
        A, V, angles, sums, places = A_all[here], V_all[here], angles_all[here], sums_all[here], places_all[here]

        largest = poison = zero
        for k in range(lane, order * order, group):
            i, j = k // order, k % order
            number = zero
            if b < w.shape[0] and j <= i < n:
                number = real(matrices[(b * n + i) * n + j])
                largest, poison = max(largest, abs(number)), poison + zero * number
            A[i * row + j] = number
            if vectors:
                V[i * row + j] = one if i == j else zero
        sums[lane], sums[group + lane] = largest, poison
        cuda.syncthreads()
        for k in range(group):
            largest, poison = max(largest, sums[k]), poison + sums[group + k]
        exponent = 0
        if poison == zero and largest > zero:
            _, exponent = math.frexp(largest)
            exponent = max(exponent, least)
        for k in range(lane, order * order, group):
            at = k // order * row + k % order
            A[at] = math.ldexp(A[at], -exponent) if poison == zero else zero
        cuda.syncthreads()

        # matrices of a block go on together, but each is left alone once it has converged
        for _ in range(MOST_SWEEPS):
            sums[lane], sums[group + lane] = squares(A, lane)
            cuda.syncthreads()
            outside = inside = zero
            for k in range(group):
                outside, inside = outside + sums[k], inside + sums[group + k]
            is_active = outside > negligible * inside
            if cuda.syncthreads_count(1 if is_active else 0) == 0:
                break
            for step in range(order - 1):
                if is_active:
                    for k in range(lane, pairs, group):
                        rotate(A, angles, step, k, rotation_tables)
                cuda.syncthreads()
                if is_active:
                    for k in range(lane, pairs * (pairs - 1) // 2, group):
                        plane = k % pairs
                        rotate_block(A, angles, step, plane, (plane + k // pairs + 1) % pairs, turn_tables)
                    if vectors:
                        for k in range(pairs):
                            p, q = pair(step, k)
                            c, s = angles[2 * k], angles[2 * k + 1]
                            for i in range(lane, n, group):
                                V[p * row + i], V[q * row + i] = turn(V[p * row + i], V[q * row + i], c, s, turn_tables)
                cuda.syncthreads()

        if b < w.shape[0]:
            for i in range(lane, n, group):
                x, place = A[i * row + i], 0
                for j in range(n):
                    y = A[j * row + j]
                    if y < x or (y == x and j < i):
                        place += 1
                w[b, place] = math.ldexp(x, exponent) + poison
                places[place] = i
                if vectors:  # some hundred rotations leave lengths a few roundings off
                    length = zero
                    for j in range(n):
                        length += V[i * row + j] * V[i * row + j]
                    angles[i] = one / math.sqrt(length)
        cuda.syncthreads()
        if vectors and b < w.shape[0]:
            for k in range(lane, n * n, group):
                i = places[k % n]
                z[b * n * n + k] = V[i * row + k // n] * angles[i] + poison

    return kernel
