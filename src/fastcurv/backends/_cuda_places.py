"""Jobs with a task for each point, on CUDA devices: what a thread has of its own, and how that is moved.

A block is called for one point, with arrays of one row in place of those that have a row for each. Short rows are in
shared memory, to and from which a block of threads moves them together; the others stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numba import types

from fastcurv.simd import numbers

from ._cuda_tiles import cuda, fetching, storing, threads_of

#: what blocks call the arrays that they write to, of as many places for each point
RESULTS = {
    "status", "value", "centre", "gradient", "gradient_error", "hessian", "hessian_error", "matrix", "error", "product",
    "form", "widening",
}  # fmt: skip
#: and those that they read, which may have a place for each point
BY_POINT = {"directions", "scale"}
#: threads in a block
THREADS = 64
#: numbers of rows that a thread has copies of: more would not fit into shared memory for THREADS of them
MOST_OF_OWN = 76


class Place(NamedTuple):
    """What a thread is given in place of one of the arrays (points, *data)."""

    #: "same": itself; "row": its row of it; "read" or "written": a copy of that, in shared memory; "own": one there
    #: that is nowhere else; "levels": those of noise in rounding, and at its point, which follow it
    kind: str
    shape: tuple[int, ...] = ()  # of a copy
    single: bool = False  # whether that is in float32
    column: int = 0  # where it begins in the thread's row of shared memory, of such numbers

    @property
    def size(self) -> int:
        """How many numbers are in shared memory."""
        return prod(self.shape) if self.shape else 0


def places_of(names: tuple[str, ...], points: Any, data: tuple) -> tuple[Place, ...]:
    """Of points and data, on the host or a device. A row of one number is where the next thread's is, too: no copy is
    needed.
    """
    found, widths = [], [0, 0]
    for name, array in zip(("points", *names), (points, *data), strict=True):
        place = _place(name, array)
        if place.size:
            has_room = place.kind == "levels" or sum(widths) + place.size <= MOST_OF_OWN
            place = place._replace(column=widths[place.single]) if has_room else Place("row")
            widths[place.single] += place.size
        found.append(place)
    return tuple(found)


def _place(name: str, array: Any) -> Place:
    if name == "noise" and array.shape[0] > 2:
        return Place("levels", (2,))
    is_written = name in RESULTS and prod(array.shape) > 0
    if not (is_written or name == "points" or (name in BY_POINT and array.shape[0] > 1)):
        return Place("same")
    shape = tuple(map(int, array.shape[1:]))
    if prod(shape) == 1:
        return Place("row")
    return Place("written" if is_written else "read", (1, *shape), array.dtype == np.float32)


def as_matrices(places: tuple[Place, ...], count: int, data: tuple) -> tuple:
    """Data on the present device, with those that are copied as matrices (count, numbers of a row)."""
    return tuple(
        array.reshape((count, place.size)) if place.kind in ("read", "written") else array
        for array, place in zip(data, places[1:] or [Place("same")] * len(data), strict=True)
    )


def widths_of(places: tuple[Place, ...]) -> tuple[int, int]:
    """Numbers that a thread has room for in shared memory, float64 and float32: odd, against conflicts of banks."""
    doubles, singles = (sum(place.size for place in places if place.single == single) for single in (False, True))
    return doubles | 1, singles | 1


def threads_for(places: tuple[Place, ...]) -> int:
    """Threads in a block."""
    return threads_of(sum(widths_of(places)), THREADS)


def points_kernel(block: Callable, places: tuple[Place, ...], own: int) -> Callable:
    """Each thread runs the task of a point, which has so many arguments of its `own`."""
    threads, (doubles_width, singles_width) = threads_for(places), widths_of(places)
    run, store = running(block, places, own), moving(places, "written", storing)

    def kernel(tasks, layout, points, arguments, data):
        doubles = cuda.shared.array((threads, doubles_width), types.float64)
        singles = cuda.shared.array((threads, singles_width), types.float32)
        b, tiles = cuda.grid(1), (doubles, singles)
        given = (points,) + data  # noqa: RUF005  Numba knows sums of tuples
        run(given, layout, arguments, tiles, b, tasks)
        cuda.syncthreads()
        store(given, tiles, tasks)

    return kernel


def running(block: Callable, places: tuple[Place, ...], own: int) -> Callable:
    """``run(given, layout, arguments, tiles, b, tasks)``: what is read into tiles, and the task of point b."""
    here_of, own_of = at_point(places), at_point((Place("row"),) * own)
    fetch = moving(places, "read", fetching)

    def run(given, layout, arguments, tiles, b, tasks):
        fetch(given, tiles, tasks)
        cuda.syncthreads()
        if b < tasks:
            shared, own = arguments
            here = here_of(given, tiles, b)
            block(0, 0, layout, here[0], (shared, own_of(own, tiles, b)), *here[1:])

    return cuda.jit(device=True)(run)


def at_point(places: tuple[Place, ...]) -> Callable:
    """``at_point(arrays, tiles, b)``: what a thread is given in place of arrays, for row b."""

    def nothing(arrays, tiles, b):
        return ()

    def and_one(others, place):  # tuples: Numba lets device functions return no arrays but their arguments
        one = cuda.jit(device=True)(_HERE[place.kind](place))

        def more(arrays, tiles, b):
            return others(arrays[:-1], tiles, b) + one(arrays[-1], tiles, b)

        return cuda.jit(device=True)(more)

    return reduce(and_one, places, cuda.jit(device=True)(nothing))


def _same(place: Place) -> Callable:
    def same(array, tiles, b):
        return (array,)

    return same


def _row(place: Place) -> Callable:
    def row(array, tiles, b):
        return (array[b : b + 1],)

    return row


def _copy(place: Place) -> Callable:
    column, which = place.column, int(place.single)
    shape = place.shape if len(place.shape) != 1 else place.size  # a tuple of one literal Numba does not take

    def copy(array, tiles, b):
        return (numbers(tiles[which][cuda.threadIdx.x], column, shape, 1, 0),)

    return copy


def _levels(place: Place) -> Callable:
    (size,), column = place.shape, place.column

    def levels(array, tiles, b):
        found = numbers(tiles[0][cuda.threadIdx.x], column, size, 1, 0)
        found[0], found[1] = array[0], array[b + 1]
        return (found,)

    return levels


_HERE = {"same": _same, "row": _row, "read": _copy, "written": _copy, "own": _copy, "levels": _levels}


def moving(places: tuple[Place, ...], kind: str, way: Callable) -> Callable:
    """``move(arrays, tiles, count)``: all copies of a kind, to or from rows that there are so many of."""

    def nothing(arrays, tiles, count):
        pass

    def and_one(others, numbered):
        k, place = numbered
        move_rows, which = way(place.size, place.size, place.column), int(place.single)

        def fetch(arrays, tiles, count):
            others(arrays, tiles, count)
            move_rows(arrays[k], tiles[which], 0, count)

        def store(arrays, tiles, count):
            others(arrays, tiles, count)
            move_rows(tiles[which], arrays[k], 0, count)

        return cuda.jit(device=True)(fetch if way is fetching else store)

    chosen = [(k, place) for k, place in enumerate(places) if place.kind == kind]
    return reduce(and_one, chosen, cuda.jit(device=True)(nothing))
