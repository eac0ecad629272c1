"""Rows between the memory of a CUDA device and its threads, by way of shared memory: threads that follow each other
touch numbers that do. Where each reads, or writes, a row of float64 by itself, four times as much memory is moved.

A *tile* is shared memory with a row for each thread of a block, or for each team of threads, in which matrices are
moved piece by piece. All threads of a block must call what is made here, also those beyond the last row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import cuda as numba_cuda

cuda: Any = numba_cuda
#: numbers of a row that are moved at once, where rows are long
PIECE = 32
#: numbers of the longest row that a tile has room for, with a warp of threads
LONGEST = 155
#: threads that share an item at most: so many have 255 registers each
MOST_SHARING = 256
#: bytes of shared memory, by which a block of threads is chosen so that its rows fit
SHARED_BYTES = 40_000


def width_of(*sizes: int) -> int:
    """The length of a tile's rows, for rows of such sizes in pieces: odd, against conflicts of banks."""
    return min(max(sizes), PIECE) | 1


def threads_of(width: int, most: int, size: int = 8) -> int:
    """Threads in a block, for a tile with rows of so many numbers of `size` bytes: whole warps, one at least."""
    return max(32, min(most, SHARED_BYTES // (size * width) // 32 * 32))


def team_of(tasks):
    """Threads that share an item with so many tasks: as many or, where that is more than MOST_SHARING, in rounds."""
    rounds = (tasks + MOST_SHARING - 1) // MOST_SHARING
    return (tasks + rounds - 1) // rounds


def teams_of(team: int, size: int, most: int = 128) -> int:
    """Teams in a block of `most` threads, of which each has `size` bytes of a tile: so that warps are full."""
    fitting = range(1, 1 + max(1, min(most // team, SHARED_BYTES // size)))
    return max(fitting, key=lambda teams: teams * team / -(-teams * team // 32))


def fetching_part(piece: int, size: int, column: int = 0) -> Callable:
    """``fetch(rows, tile, start, first, present, each)``: from `start` on, `piece` numbers of each row, or those that
    are left of its `size`, into a tile, from `column` on. The tile has `present` rows, from `first` on; `each` so many
    that follow each other are of the same row of the matrix.
    """

    def fetch(rows, tile, start, first, present, each):
        for k in range(cuda.threadIdx.x, present * piece, cuda.blockDim.x):
            if start + k % piece < size:
                tile[k // piece, column + k % piece] = rows[(first + k // piece) // each, start + k % piece]

    return cuda.jit(device=True)(fetch)


def storing_part(piece: int, size: int, column: int = 0) -> Callable:
    """``store(tile, rows, start, first, present)``: the same, from the tile into the matrix, which has all its rows."""

    def store(tile, rows, start, first, present):
        for k in range(cuda.threadIdx.x, present * piece, cuda.blockDim.x):
            if start + k % piece < size:
                rows[first + k // piece, start + k % piece] = tile[k // piece, column + k % piece]

    return cuda.jit(device=True)(store)


def fetching(piece: int, size: int, column: int = 0) -> Callable:
    """``fetch(rows, tile, start, count)``: the same for a tile with a row for each thread of a block, of a matrix with
    `count` rows.
    """
    fetch_part = fetching_part(piece, size, column)

    def fetch(rows, tile, start, count):
        first = cuda.blockIdx.x * cuda.blockDim.x
        fetch_part(rows, tile, start, first, min(cuda.blockDim.x, count - first), 1)

    return cuda.jit(device=True)(fetch)


def storing(piece: int, size: int, column: int = 0) -> Callable:
    """``store(tile, rows, start, count)``: the same, from the tile into the matrix."""
    store_part = storing_part(piece, size, column)

    def store(tile, rows, start, count):
        first = cuda.blockIdx.x * cuda.blockDim.x
        store_part(tile, rows, start, first, min(cuda.blockDim.x, count - first))

    return cuda.jit(device=True)(store)


def bringing(n: int) -> Callable:
    """``bring(matrices, i, tile)``: row i of the lower triangles of a block's matrices (n, n), one for each thread."""

    def bring(matrices, i, tile):
        first = cuda.blockIdx.x * cuda.blockDim.x
        cuda.syncthreads()  # the row before is read no more
        for k in range(cuda.threadIdx.x, min(cuda.blockDim.x, matrices.shape[0] - first) * n, cuda.blockDim.x):
            if k % n <= i:
                tile[k // n, k % n] = matrices[first + k // n, i, k % n]
        cuda.syncthreads()

    return cuda.jit(device=True)(bring)


def reading(size: int, put: Callable) -> Callable:
    """``read(rows, tile, b, count, target)``: a thread's row b, number by number into ``put(target, k, number)``.

    At known k, for what a thread is to keep in registers, where the row is not longer than a piece.
    """
    piece = min(PIECE, size)
    fetch, put = fetching(piece, size), cuda.jit(device=True)(put)

    def read(rows, tile, b, count, target):
        fetch(rows, tile, 0, count)
        cuda.syncthreads()
        if b < count:
            for k in range(size):
                put(target, k, tile[cuda.threadIdx.x, k])
        cuda.syncthreads()

    def read_by_pieces(rows, tile, b, count, target):
        for start in range(0, size, piece):
            fetch(rows, tile, start, count)
            cuda.syncthreads()
            if b < count:
                for k in range(start, min(start + piece, size)):
                    put(target, k, tile[cuda.threadIdx.x, k - start])
            cuda.syncthreads()

    return cuda.jit(device=True)(read if size <= piece else read_by_pieces)


def writing(size: int, get: Callable) -> Callable:
    """``write(source, tile, rows, b, count)``: ``get(source, k)`` for each number k of a thread's row b."""
    piece = min(PIECE, size)
    store, get = storing(piece, size), cuda.jit(device=True)(get)

    def write(source, tile, rows, b, count):
        if b < count:
            for k in range(size):
                tile[cuda.threadIdx.x, k] = get(source, k)
        cuda.syncthreads()
        store(tile, rows, 0, count)
        cuda.syncthreads()

    def write_by_pieces(source, tile, rows, b, count):
        for start in range(0, size, piece):
            if b < count:
                for k in range(start, min(start + piece, size)):
                    tile[cuda.threadIdx.x, k - start] = get(source, k)
            cuda.syncthreads()
            store(tile, rows, start, count)
            cuda.syncthreads()

    return cuda.jit(device=True)(write if size <= piece else write_by_pieces)


def loading(n: int, extra: int) -> Callable:
    """``load(points, own, b, tile, x)``: the coordinates of a thread's point, and the numbers of its own."""

    def put_point(x, k, number):
        x[k] = number

    def put_own(x, k, number):
        x[n + k] = number

    read_point, read_own = reading(n, put_point), reading(extra, put_own)

    def load(points, own, b, tile, x):
        read_point(points, tile, b, points.shape[0], x)
        if extra:
            read_own(own, tile, b, points.shape[0], x)

    return cuda.jit(device=True)(load)
