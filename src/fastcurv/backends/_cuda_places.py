"""Jobs whose tasks belong to single points, on CUDA devices: what threads have of their own, and how that is moved.

An *item* is a point or, of products, a direction at one. A block is called for one item, with arrays of one row in
place of those that have a row for each. Tasks that share an item are run by a team of threads.

Rows that are short, for the threads that share them, are in shared memory, to and from which a block of threads moves
them together. Longer ones a thread with an item of its own keeps to itself, where a device lays the numbers of threads
side by side; they are moved in pieces. Others stay where they are, and so do points' own arguments of other types than
float64 and float32.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numba import types

from fastcurv.simd import numbers

from ._cuda_tiles import (
    MOST_SHARING,
    PIECE,
    cuda,
    fetching_part,
    reading,
    storing_part,
    team_of,
    teams_of,
    threads_of,
    writing,
)

#: what blocks call the arrays that they write to, of as many places for each item
RESULTS = {
    "status", "value", "centre", "gradient", "gradient_error", "hessian", "hessian_error", "matrix", "error", "product",
    "form", "widening",
}  # fmt: skip
#: and those that they read, which may have a place for each
BY_POINT = {"directions", "scale"}
#: in place of names of points' own arguments
OWN = "own"
#: threads in a block
THREADS = 64
#: numbers of rows in shared memory, for each thread: of more there would not be room for THREADS of them
MOST_OF_OWN = 76
#: and for a team of threads
MOST_OF_TEAMS = 5000
#: numbers of rows that a thread keeps to itself: a device sets such memory aside for all threads that it may ever run
MOST_LONG = 2048
#: how items are shared: each has one task; each task has a thread; threads run several one after the other, which takes
#: more registers
ONE, A_THREAD_EACH, IN_ROUNDS = range(3)


class Place(NamedTuple):
    """What a thread is given in place of one of the arrays (points, *data)."""

    #: "same": itself; "row": its row of it; "tasks": as many rows as an item has tasks; "read" or "written": a copy of
    #: its row, in shared memory or, if that `is_long`, its own; "own": one in shared memory that is nowhere else;
    #: "levels": those of noise in rounding, and at its point, which follow it
    kind: str
    shape: tuple[int, ...] = ()  # of a copy
    single: bool = False  # whether that is in float32
    column: int = 0  # where it begins in the thread's memory, of such numbers
    is_long: bool = False
    by_point: bool = False  # whether several items share its row

    @property
    def size(self) -> int:
        """How many numbers are copied."""
        return prod(self.shape) if self.shape else 0

    @property
    def memory(self) -> int:
        """Which of a thread's four arrays it is in: of float64 and float32 in shared memory, and of its own."""
        return 2 * self.is_long + self.single


def places_of(
    names: tuple[str, ...], points: Any, data: tuple, items: int, tasks: int = 1, own: tuple = ()
) -> tuple[Place, ...]:
    """Of points, data and points' own arguments, on the host or a device, for so many items of so many tasks each.

    A row of one number is where the next item's is, too: no copy is needed.
    """
    found = []
    for name, array in zip(("points", *names, *(OWN,) * len(own)), (points, *data, *own), strict=True):
        place = place_of(name, array, tasks)
        if place.kind in ("row", "read"):
            place = place._replace(by_point=len(points) < items != array.shape[0])
        found.append(place)
    return arranged(found, min(MOST_OF_OWN * tasks, MOST_OF_TEAMS), MOST_LONG if tasks == 1 else 0)


def arranged(places: list[Place], most: int, most_long: int) -> tuple[Place, ...]:
    """In memory with room for so many numbers, shared and a thread's own; where there is none, rows where they are."""
    found, widths = [], [0, 0, 0, 0]
    for place in places:
        if place.size and place.kind != "levels" and sum(widths[:2]) + place.size > most:
            fits = not place.by_point and sum(widths[2:]) + place.size <= most_long
            place = place._replace(is_long=True) if fits else Place("row", by_point=place.by_point)
        if place.size:
            place = place._replace(column=widths[place.memory])
            widths[place.memory] += place.size
        found.append(place)
    return tuple(found)


def place_of(name: str, array: Any, tasks: int = 1) -> Place:
    """Of an array, by its name, while there is room."""
    if name == "noise" and array.shape[0] > 2:
        return Place("levels", (2,))
    is_written = name in RESULTS and prod(array.shape) > 0
    if not (is_written or name in ("points", OWN) or (name in BY_POINT and array.shape[0] > 1)):
        return Place("same")
    if name == "status" and tasks > 1:
        return Place("tasks")
    shape = tuple(map(int, array.shape[1:]))
    if prod(shape) <= 1 or array.dtype not in (np.float64, np.float32):
        return Place("row")
    return Place("written" if is_written else "read", (1, *shape), array.dtype == np.float32)


def as_matrices(places: tuple[Place, ...], arrays: tuple) -> tuple:
    """Arrays on the present device, with those that are copied as matrices, a row for each item."""
    return tuple(
        array.reshape((array.shape[0], place.size)) if place.kind in ("read", "written") else array
        for array, place in zip(arrays, places or [Place("same")] * len(arrays), strict=True)
    )


def widths_of(places: tuple[Place, ...]) -> tuple[int, int]:
    """Numbers that an item has room for in shared memory, float64 and float32: odd, against conflicts of banks."""
    doubles, singles = (_sizes(places, memory) for memory in (0, 1))
    pieces = [PIECE * any(place.memory == 2 + single for place in places) for single in (False, True)]
    return max(doubles, pieces[0]) | 1, max(singles, pieces[1]) | 1


def _sizes(places: tuple[Place, ...], memory: int) -> int:
    return sum(place.size for place in places if place.memory == memory)


def sharing_of(tasks: int) -> int:
    """How items with so many tasks are shared."""
    return ONE if tasks == 1 else A_THREAD_EACH if tasks <= MOST_SHARING else IN_ROUNDS


class Teams(NamedTuple):
    """How the threads of a block share items."""

    team: int  # threads for an item
    items: int
    item_bytes: int  # of shared memory

    @property
    def threads(self) -> int:
        """Threads in a block."""
        return self.team * self.items

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block."""
        return self.items * self.item_bytes


def teams_for(places: tuple[Place, ...], tasks: int = 1) -> Teams:
    """Of items with so many tasks."""
    doubles, singles = widths_of(places)
    team, size = team_of(tasks), 8 * doubles + 4 * singles
    return Teams(team, teams_of(team, size) if team > 1 else threads_of(doubles + singles, THREADS), size)


def points_kernel(block: Callable, places: tuple[Place, ...], own: tuple[Place, ...], sharing: int) -> Callable:
    """Each team of threads runs the tasks of an item, whose point has arguments of its `own`.

    Shared memory is of the size that the launch gives.
    """
    doubles_width, singles_width = widths_of(places + own)
    long_doubles, long_singles = (max(1, _sizes(places + own, memory)) for memory in (2, 3))
    is_directed = places[0].by_point
    run = running(block, places, own, sharing)
    store, store_long = moving(places, "written"), moving_long(places, "written")
    size_of_team = cuda.jit(device=True)(team_of)

    def kernel(items, layout, points, arguments, data):
        memory = cuda.shared.array(0, types.float64)
        memory_of_singles = cuda.shared.array(0, types.float32)  # the same
        own_doubles = cuda.local.array(long_doubles, types.float64)
        own_singles = cuda.local.array(long_singles, types.float32)
        team = size_of_team(layout[1]) if sharing != ONE else 1
        together = cuda.blockDim.x // team
        doubles = numbers(memory, 0, (together, doubles_width), 1, 0)
        singles = numbers(memory_of_singles, 2 * together * doubles_width, (together, singles_width), 1, 0)
        here, first, each = cuda.threadIdx.x // team, cuda.blockIdx.x * together, 1
        if is_directed:
            each = items // points.shape[0]
        item = first + here
        at = item, item // each if is_directed else item, layout[1], cuda.threadIdx.x - here * team, team
        rows = first, min(together, items - first), each, items
        tiles, memory_of_thread = (doubles, singles), (doubles[here], singles[here], own_doubles, own_singles)
        given = (points,) + data  # noqa: RUF005  Numba knows sums of tuples
        run(given, layout, arguments, tiles, memory_of_thread, at, rows)
        cuda.syncthreads()
        store(given, tiles, rows)
        store_long(given, tiles, memory_of_thread, item, items)

    return kernel


def running(block: Callable, places: tuple[Place, ...], own: tuple[Place, ...], sharing: int = ONE) -> Callable:
    """``run(given, layout, arguments, tiles, memory, at, rows)``: what is read, and the tasks of a thread.

    `memory` is what a thread has. `at` are its item, the point of that, how many tasks it has, the first one of the
    thread, and how far it is to the next; `rows` the first item of the block of threads, how many it has, how many are
    of the same point, and how many there are.
    """
    here_of, own_of = at_point(places), at_point(own)
    fetch, fetch_long = moving(places + own, "read"), moving_long(places + own, "read")

    def run_one(here, layout, arguments, at):
        block(0, 0, layout, here[0], arguments, *here[1:])

    def run_its_own(here, layout, arguments, at):
        block(at[3], 0, layout, here[0], arguments, *here[1:])

    def run_several(here, layout, arguments, at):
        for task in range(at[3], at[2], at[4]):
            block(task, 0, layout, here[0], arguments, *here[1:])

    run_tasks = cuda.jit(device=True)({ONE: run_one, A_THREAD_EACH: run_its_own, IN_ROUNDS: run_several}[sharing])

    def run(given, layout, arguments, tiles, memory, at, rows):
        shared, own = arguments
        fetch_long(given + own, tiles, memory, at[0], rows[3])
        fetch(given + own, tiles, rows)
        cuda.syncthreads()
        if at[0] < rows[3]:
            run_tasks(here_of(given, memory, at), layout, (shared, own_of(own, memory, at)), at)

    return cuda.jit(device=True)(run)


def at_point(places: tuple[Place, ...]) -> Callable:
    """``at_point(arrays, memory, at)``: what a thread is given in place of arrays."""

    def nothing(arrays, memory, at):
        return ()

    def and_one(others, place):  # tuples: Numba lets device functions return no arrays but their arguments
        one = cuda.jit(device=True)(_HERE[place.kind](place))

        def more(arrays, memory, at):
            return others(arrays[:-1], memory, at) + one(arrays[-1], memory, at)

        return cuda.jit(device=True)(more)

    return reduce(and_one, places, cuda.jit(device=True)(nothing))


def _same(place: Place) -> Callable:
    def same(array, memory, at):
        return (array,)

    return same


def _row(place: Place) -> Callable:
    which = int(place.by_point)

    def row(array, memory, at):
        b = at[which]
        return (array[b : b + 1],)

    return row


def _tasks(place: Place) -> Callable:
    def rows(array, memory, at):
        first = at[0] * at[2]
        return (array[first : first + at[2]],)

    return rows


def _copy(place: Place) -> Callable:
    column, which = place.column, place.memory
    shape = place.shape if len(place.shape) != 1 else place.size  # a tuple of one literal Numba does not take

    def copy(array, memory, at):
        return (numbers(memory[which], column, shape, 1, 0),)

    return copy


def _levels(place: Place) -> Callable:
    (size,), column = place.shape, place.column

    def levels(array, memory, at):
        found = numbers(memory[0], column, size, 1, 0)
        found[0], found[1] = array[0], array[at[1] + 1]
        return (found,)

    return levels


_HERE = {
    "same": _same, "row": _row, "tasks": _tasks, "read": _copy, "written": _copy, "own": _copy, "levels": _levels,
}  # fmt: skip


def moving(places: tuple[Place, ...], kind: str) -> Callable:
    """``move(arrays, tiles, rows)``: all copies of a kind that are in shared memory, to or from there."""

    def nothing(arrays, tiles, rows):
        pass

    def and_one(others, numbered):
        k, place = numbered
        way, which, by_point = (fetching_part if kind == "read" else storing_part), place.memory, place.by_point
        move_rows = way(place.size, place.size, place.column)

        def fetch(arrays, tiles, rows):
            others(arrays, tiles, rows)
            move_rows(arrays[k], tiles[which], 0, rows[0], rows[1], rows[2] if by_point else 1)

        def store(arrays, tiles, rows):
            others(arrays, tiles, rows)
            move_rows(tiles[which], arrays[k], 0, rows[0], rows[1])

        return cuda.jit(device=True)(fetch if kind == "read" else store)

    chosen = [(k, place) for k, place in enumerate(places) if place.kind == kind and not place.is_long]
    return reduce(and_one, chosen, cuda.jit(device=True)(nothing))


def moving_long(places: tuple[Place, ...], kind: str) -> Callable:
    """``move(arrays, tiles, memory, item, count)``: the same of those that a thread keeps to itself, in pieces."""

    def nothing(arrays, tiles, memory, item, count):
        pass

    def and_one(others, numbered):
        k, place = numbered
        which, tile, column = place.memory, int(place.single), place.column

        def put(memory, k, number):
            memory[column + k] = number

        def get(memory, k):
            return memory[column + k]

        move_rows = reading(place.size, put) if kind == "read" else writing(place.size, get)

        def fetch(arrays, tiles, memory, item, count):
            others(arrays, tiles, memory, item, count)
            move_rows(arrays[k], tiles[tile], item, count, memory[which])

        def store(arrays, tiles, memory, item, count):
            others(arrays, tiles, memory, item, count)
            cuda.syncthreads()  # what was in the tile is stored
            move_rows(memory[which], tiles[tile], arrays[k], item, count)

        return cuda.jit(device=True)(fetch if kind == "read" else store)

    chosen = [(k, place) for k, place in enumerate(places) if place.kind == kind and place.is_long]
    return reduce(and_one, chosen, cuda.jit(device=True)(nothing))
