"""Eigenvalues and eigenvectors on a CUDA device: cyclic Jacobi, a small matrix to a thread, in registers.

Larger ones are solved by groups of threads, the largest by cuSOLVER: see `_cuda_groups` and `_cusolver`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..symmetric import cyclic_sweep, in_order, triangle
from ..tracing import straight_line
from . import _cusolver as cusolver
from ._cuda_groups import (
    DOUBLE,
    MOST_SWEEPS,
    Precision,
    group_kernel,
    group_of,
    precision_of,
    tables_for,
    tables_of_groups,
)
from ._cuda_tiles import fetching, storing, threads_of
from ._cuda_transfers import in_parts
from .cuda import CHUNK_BYTES, constant, cuda, device_function, driver_errors, launch, ordinals, select

#: the largest orders, without eigenvectors and with them, for which a thread's registers suffice
IN_REGISTERS = {False: 8, True: 6}
#: and for which the shared memory of a block does, 48 KiB; above, cuSOLVER is called
IN_SHARED_MEMORY = {False: 64, True: 48}
#: threads in a block, where a thread has a matrix of its own
THREADS = 64


class Solver(NamedTuple):
    """Jacobi's method as functions for a thread, and what it needs of local memory."""

    n: int
    vectors: bool
    state: int  # entries of the lower triangle, and of eigenvectors
    after_sweep: int  # results of a sweep
    after_order: int
    #: solve(x, y, found, sweep tables, order tables): of the lower triangle in x; the exponent of two by which `found`
    #: is to be multiplied, and 0 or NaN
    solve: Callable
    #: what the code of sweeps and of the order reads
    tables: tuple
    real: Any


@cache
def solver(n: int, vectors: bool, precision: Precision = DOUBLE) -> Solver:
    """Of matrices of order n."""
    real, least = precision.real, precision.least
    zero, one, negligible = real(0.0), real(1.0), real(precision.negligible)
    entries = triangle(n)
    state = entries + (n * n if vectors else 0)
    programs = straight_line(cyclic_sweep(n, vectors), state), straight_line(in_order(n, vectors), state)
    sweep, order = (device_function(program.evaluator()) for program in programs)

    def solve(x, y, found, sweep_tables, order_tables):
        largest, poison = zero, zero
        for k in range(entries):
            largest = max(largest, abs(x[k]))
            poison += zero * x[k]
        exponent = 0
        if poison == zero and largest > zero:
            _, exponent = math.frexp(largest)
            exponent = max(exponent, least)
        for k in range(entries):
            x[k] = math.ldexp(x[k], -exponent) if poison == zero else zero
        for k in range(entries, state):
            x[k] = one if (k - entries) % (n + 1) == 0 else zero
        for _ in range(MOST_SWEEPS):
            sweep(x, y, sweep_tables)
            for k in range(state):
                x[k] = y[k]
            if not y[state] > negligible * y[state + 1]:
                break
        order(x, found, order_tables)
        return exponent, poison

    sizes = programs[0].slots, programs[1].slots
    return Solver(n, vectors, state, *sizes, cuda.jit(device=True)(solve), tables_for(programs, precision), real)


def tile_of(n: int) -> tuple[int, int]:
    """Threads in a block, where a thread has a matrix of its own, and the length of their rows in shared memory."""
    width = n * n | 1
    return threads_of(width, THREADS), width


def eigen_kernel(method: Solver) -> Callable:
    """Of matrices (N, n * n), of which lower triangles are read; z is like these."""
    n, vectors, state, after_sweep, after_order, solve, _, real = method
    size, tile_shape, nothing = n * n, tile_of(n), real(0.0)
    fetch, store_values, store_vectors = fetching(size, size), storing(n, n), storing(size, size)

    def kernel(matrices, sweep_tables, order_tables, w, z):
        tile = cuda.shared.array(tile_shape, real)
        x, y = cuda.local.array(state, real), cuda.local.array(after_sweep, real)
        found = cuda.local.array(after_order, real)
        b, thread, count, poison = cuda.grid(1), cuda.threadIdx.x, w.shape[0], nothing
        fetch(matrices, tile, 0, count)
        cuda.syncthreads()
        if b < count:
            for i in range(n):
                for j in range(i + 1):
                    x[i * (i + 1) // 2 + j] = tile[thread, i * n + j]
            exponent, poison = solve(x, y, found, sweep_tables, order_tables)
            for i in range(n):
                tile[thread, i] = math.ldexp(found[i], exponent) + poison
        cuda.syncthreads()
        store_values(tile, w, 0, count)
        if vectors:
            cuda.syncthreads()
            if b < count:
                for k in range(size):
                    tile[thread, k] = found[n + k] + poison
            cuda.syncthreads()
            store_vectors(tile, z, 0, count)

    return kernel


@cache
def _kernel(n: int, vectors: bool, precision: Precision) -> Any:
    return cuda.jit((group_kernel if n > IN_REGISTERS[vectors] else _thread_kernel)(n, vectors, precision))


def _thread_kernel(n: int, vectors: bool, precision: Precision) -> Callable:
    return eigen_kernel(solver(n, vectors, precision))


def tables_of(tables: tuple) -> tuple:
    """What code reads, on the present device."""
    return tuple(tuple(map(constant, table)) for table in tables)


def solving(ordinal: int, n: int, vectors: bool, precision: Precision = DOUBLE) -> Callable[..., None]:
    """``solve(stream, matrices, w, z)`` for a device, the present one, and flat matrices of a precision.

    z is not written to where no vectors are wanted.
    """
    if n > IN_SHARED_MEMORY[vectors]:
        return cusolver.solving(ordinal, n, vectors)
    kernel, by_groups = _kernel(n, vectors, precision), n > IN_REGISTERS[vectors]
    if by_groups:
        tables, (threads, together) = tables_of(tables_of_groups(precision)), group_of(n)
        block = threads * together
    else:
        tables, (block, _) = tables_of(solver(n, vectors, precision).tables), tile_of(n)
        together = block

    def solve(stream: Any, matrices: Any, w: Any, z: Any) -> None:
        count = w.shape[0]
        if not by_groups:
            matrices = matrices.reshape(count, n * n)
            z = z.reshape(count, n * n) if vectors else z
        launch(kernel, -(-count // together) * block, block, matrices, *tables, w, z, stream=stream)

    return solve


def on_device(ordinal: int, matrices: Any, w: Any, z: Any, vectors: bool) -> None:
    """Solve matrices (N, n, n) that are on a device."""
    count, n, _ = matrices.shape
    if count * n == 0:
        return
    with select(ordinal), driver_errors():
        solve = solving(ordinal, n, vectors, precision_of(matrices.dtype))  # whose memory must not be let go of before
        solve(0, matrices.reshape(count * n * n), w, z)
        cuda.synchronize()


def from_host(device: int, matrices: np.ndarray, w: np.ndarray, z: np.ndarray, vectors: bool) -> None:
    """Solve matrices that are on the host, in parts that fit on the device."""
    n = w.shape[1]
    if w.size == 0:
        return

    def prepare(ordinal: int) -> Callable[..., None]:
        solve = solving(ordinal, n, vectors, precision_of(matrices.dtype))

        def run(stream: Any, count: int, matrices: Any, w: Any, z: Any) -> None:
            solve(stream, matrices, w.reshape(count, n), z)

        return run

    in_parts(ordinals(device), max(1, CHUNK_BYTES // (16 * n * n)), (matrices,), (w, z), prepare)
