"""Kernels over numbers, over rows of numbers and over square matrices on the present CUDA device. Threads that follow
each other read and write numbers that do, however long rows are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from numba import types

from .cuda import cuda, launch

#: threads in a block
THREADS = 128
#: threads that share a row: a warp
TEAM = 32
#: rows of the tiles in which matrices are mirrored
SIDE = 32


def over(kernel: Callable) -> Any:
    """``run(count, *arguments)``: a thread for each item, whose number the kernel takes first; ``run.made()`` is what
    is launched.
    """

    @cache
    def made() -> Any:
        item = cuda.jit(device=True)(kernel)

        @cuda.jit
        def every(count, arguments):
            k = cuda.grid(1)
            if k < count:
                item(k, *arguments)

        return every

    def run(count: int, *arguments: Any) -> None:
        launch(made(), count, THREADS, count, arguments)

    run.made = made
    return run


def over_rows(together: Callable) -> Callable:
    """A decorator of ``number(row, k, *arguments)`` into ``run(found, width, *arguments)``: `found` gets 0 and so many
    numbers of each row, put ``together(x, y)``; ``run.made()`` is what is launched.

    A team of threads takes the numbers of a row in turn; then a thread for each row puts together what they found.
    """
    both = cuda.jit(device=True)(together)

    def decorated(number: Callable) -> Any:
        number_of = cuda.jit(device=True)(number)

        @cache
        def made(threads: int = THREADS) -> Any:
            @cuda.jit
            def every(width, team, arguments, found):
                shares = cuda.shared.array(threads, types.float64)
                thread, teams, count = cuda.threadIdx.x, cuda.blockDim.x // team, found.shape[0]
                first, share = cuda.blockIdx.x * teams, 0.0
                row = first + thread // team
                if row < count:
                    for k in range(thread % team, width, team):
                        share = both(share, number_of(row, k, *arguments))
                shares[thread] = share
                cuda.syncthreads()
                row, share = first + thread, 0.0
                if thread < teams and row < count:
                    for k in range(thread * team, (thread + 1) * team):
                        share = both(share, shares[k])
                    found[row] = share

            return every

        def run(found: Any, width: int, *arguments: Any) -> None:
            team = team_of_row(width)
            teams = THREADS // team
            blocks = -(-found.shape[0] // teams)
            launch(made(THREADS), blocks * teams * team, teams * team, width, team, arguments, found)

        run.made = made
        return run

    return decorated


def team_of_row(width: int) -> int:
    """Threads that share a row: all of a block where each has as many numbers as a warp has threads; of short rows as
    many as they have numbers.
    """
    return max(1, min(width, THREADS if width >= TEAM * THREADS else TEAM))


def over_pairs(together: Callable) -> Any:
    """``run(matrices, stream)``: ``together(x, y)`` in place of each of two entries that mirror each other, of matrices
    (N, n, n); ``run.made(side)`` is what is launched over tiles of a size.

    A block of threads takes two tiles that mirror each other or, where matrices are smaller, several of these.
    """
    both = cuda.jit(device=True)(together)

    @cache
    def made(side: int, most: int = SIDE) -> Any:
        size, each = side * side, most * most // (side * side)
        length = side | 1  # odd: columns do not meet in one bank of memory
        numbers, room = 2 * each * size, 2 * each * side * length

        @cuda.jit(device=True)
        def entry(k, n):
            """Number k of the tiles of a block: in which matrix, or none, -1, row and column; where it is in memory,
            and what mirrors it.
            """
            half, tile, i, j = k // (each * size), k // size % each, k // side % side, k % side
            here = ((half * each + tile) * side + i) * length + j
            mirrored = (((1 - half) * each + tile) * side + j) * length + i
            tile, tiles = cuda.blockIdx.x * each + tile, (n + side - 1) // side
            b, lower, upper = tile // (tiles * tiles), tile // tiles % tiles, tile % tiles
            i += side * (upper if half else lower)
            j += side * (lower if half else upper)
            return (b if upper <= lower and i < n and j < n else -1), i, j, here, mirrored

        @cuda.jit
        def every(matrices):
            memory = cuda.shared.array(room, types.float64)
            count, n = matrices.shape[0], matrices.shape[1]
            for k in range(cuda.threadIdx.x, numbers, cuda.blockDim.x):
                b, i, j, here, _ = entry(k, n)
                if 0 <= b < count:
                    memory[here] = matrices[b, i, j]
            cuda.syncthreads()
            for k in range(cuda.threadIdx.x, numbers, cuda.blockDim.x):
                b, i, j, here, mirrored = entry(k, n)
                if 0 <= b < count:
                    matrices[b, i, j] = both(memory[here], memory[mirrored])

        return every

    def run(matrices: Any, stream: Any = 0) -> None:
        count, n, _ = matrices.shape
        if count * n:
            side = min(n, SIDE)
            tiles, each = count * (-(-n // side)) ** 2, SIDE * SIDE // (side * side)
            launch(made(side, SIDE), -(-tiles // each) * THREADS, THREADS, matrices, stream=stream)

    run.made = made
    return run
