"""The CPU launcher: runs the kernel of an operation over all points, on as many threads as are worth it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numba import typeof, types
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from .._errors import CompilationError
from .._interrupts import uninterrupted
from .._lazy import cached_property
from ..function import Compiled, Pointer, Vectorized, cause_of, compilation_error, compiled, exception_at
from ..simd import lanes_kind
from ._arguments import pack
from ._kernels import CARRYING, Kernel, Operation, Role, kernel
from ._native import BOUND_BYTES, is_entry
from ._pace import worth_threads
from ._scratch import scratch_array
from ._threads import get_threads, loop, may_run_parallel

#: seconds after which Ctrl-C may take effect, where tasks are small enough
PATIENCE = 0.5
#: float64s between what two threads write to: processors fetch two lines of 64 bytes at once
APART = 16
#: tasks for each worker, where there are points enough
TASKS = 32
#: points to a task at first, of a function whose pace is not known
FIRST_POINTS = 8
#: bytes of points collected for one call of a vectorized function
TAPE_BYTES = 2**26


class Points(NamedTuple):
    """Points, the arguments that all of them share, and those of each."""

    x: np.ndarray
    args: tuple
    point_args: tuple[np.ndarray, ...] = ()


class Job:
    """An operation and the user's functions that it is for."""

    def __init__(self, operation: Operation, *roles: Role | None):
        self.operation, self.roles = operation, roles
        self.function = next(role.function for role in roles if role)
        self.is_vectorized = isinstance(self.function, Vectorized)
        self.pointer = next((role.function for role in roles if role and isinstance(role.function, Pointer)), None)

    @cached_property
    def kernel(self) -> Kernel:
        """The compiled kernel, of functions that can be compiled."""
        return kernel(self.operation, self.roles)


class Shares(NamedTuple):
    """How points are shared out: `layout` as in `_layout`, the numbers of tasks, of workers, of points in a group.

    Once `growth` tasks were run, so many are made one if they are short.
    """

    layout: np.ndarray
    tasks: int
    workers: int
    lanes: int = 1
    growth: int = 1

    @property
    def is_within(self) -> bool:
        """Whether several tasks share a point."""
        return bool(self.layout[1] > 1)

    def statuses(self, points: int) -> int:
        """How many places for a status tasks need."""
        return self.tasks * self.lanes if self.is_within else points


@lru_cache(maxsize=1024)
def shares(
    points: int,
    divisible: int,
    workers: int,
    spacing: int = 0,
    together: int = 1,
    lanes: int = 1,
    most: int = 1024,
    is_timed: bool = True,
) -> Shares:
    """Several points to a task, or several tasks to a point where there are fewer points than workers can use.

    `divisible` is the number of items that the work within a point can be divided into; `together` points, a power of
    two, are never in different tasks. With several `lanes`, so many points count as one. A task has at most
    `most` points, or those that are together.
    """
    points, mask, together = -(-points // lanes), max(together, lanes) - 1, max(1, together // lanes)
    parts = min(-(-2 * workers // max(points, 1)), divisible) if workers > 1 and points < 2 * workers else 1
    if parts > 1:
        return Shares(np.array([1, parts, 0, 0]), points * parts, workers, lanes)
    even = min(1024, -(-points // (TASKS * workers))) if workers > 1 else points
    chunk = max(1, min(most // lanes, even))
    small = chunk if is_timed else min(chunk, max(1, FIRST_POINTS // lanes))
    chunk, small = (-(-size // together) * together for size in (chunk, small))
    tasks = -(-points // small) if points else 0
    return Shares(np.array([small, 1, spacing, mask]), tasks, min(workers, max(tasks, 1)), lanes, chunk // small)


def plan_shares(
    job: Job, points: int, evaluations: int, divisible: int, spacing: int = 0, together: int = 1, lanes: int = 1
) -> Shares:
    """How a call with so many evaluations of the function per point is shared out over threads."""
    if job.is_vectorized:
        return Shares(np.array([points, 1, spacing, together - 1]), 1, 1)
    pace = job.kernel.pace
    workers = pace.workers(points * evaluations, get_threads()) if may_run_parallel() else 1
    most = _most_together(pace.seconds * evaluations)
    return shares(points, divisible, workers, spacing, together, lanes, most, pace.is_settled())


def _most_together(seconds: float) -> int:
    """Items that cost so much each of which a call takes no longer than Ctrl-C should wait: a power of two."""
    return 2 ** max(0, math.floor(math.log2(PATIENCE / max(seconds, 1e-9))))


def launch(job: Job, points: Points, data: tuple, plan: Shares, evaluations: int, items: int | None = None) -> None:
    """Run a job over all points, or `items` of which there are several to a point.

    Results are in the arrays among `data`.
    """
    items = len(points.x) if items is None else items
    if items == 0:
        return
    if job.is_vectorized:
        _launch_vectorized(job, points, data, plan, evaluations, items)
        return
    x, args, point_args = points
    if job.pointer is not None:
        args = job.pointer.native_args
    made = job.kernel
    kinds = None
    with loop(plan.workers) as (address, workers):
        start = perf_counter()
        try:
            packed = pack(args, point_args)
            kinds = packed.identity, x.dtype.char
            is_known = kinds in made.ran and made.pace.is_settled()
            expected = made.pace.seconds * items * evaluations / workers if is_known else None
            _run(made.entry(packed), address, plan, workers, expected, x, packed.address, *data)
        except Exception as error:  # Numba's compiler also fails with others than its own
            is_compiled = kinds in made.ran and not isinstance(error, (NumbaError, UnsupportedBytecodeError))
            if is_compiled or any(role and role.kind == "traced" for role in job.roles):
                raise
            if plan.lanes > 1 and isinstance(job.function, Compiled):
                raise _lanes_error(job.roles, points, plan.lanes, error) from cause_of(error)
            _diagnose(job.roles, points)
            if any(role and role.kind in CARRYING for role in job.roles):
                raise compilation_error(job.function.function, error, exact=True) from cause_of(error)  # pyright: ignore
            raise
        seconds = perf_counter() - start
    made.ran.add(kinds)
    made.pace.note(seconds, items * evaluations, workers)


def _run(entry: Any, address: int, plan: Shares, workers: int, expected: float | None, *arguments: Any) -> None:
    """Run all tasks, some of them in each call, for Ctrl-C takes effect between calls."""
    layout, tasks, growth = plan.layout, plan.tasks, plan.growth
    if tasks == 1:
        entry(address, 0, 1, workers, layout, *arguments)
        return
    first, step = 0, workers if expected is None else _step(tasks, PATIENCE / max(expected, 1e-9), workers)
    while first < tasks:
        start, last = perf_counter(), min(first + step, tasks, growth if first < growth > 1 else tasks)
        entry(address, first, last, workers, layout, *arguments)
        step = _step(last - first, PATIENCE / max(perf_counter() - start, 1e-9), workers)
        first = last
        if first == growth > 1 and step >= workers * growth:
            layout, tasks = layout * [growth, 1, 1, 1], -(-tasks // growth)
            first, step, growth = 1, step // growth, 1


def _step(tasks: int, ratio: float, workers: int) -> int:
    """So many times as many tasks, but one for each worker."""
    return max(workers, int(tasks * min(ratio, 1e6)))


def scratch(workers: int, size: int, dtype: Any) -> np.ndarray:
    """A row of scratch for each worker, on cache lines of its own; `own_row` is what it uses of it."""
    return scratch_array((workers, size + 4 * APART), dtype)


@uninterrupted()
def _diagnose(roles: tuple[Role | None, ...], points: Points) -> None:
    """Find the user's function that did not compile, by compiling it alone, and say why."""
    for role in roles:
        if role and isinstance(role.function, Compiled):
            function = role.function.function
            own = (points.x[0], *points.args, *(array[0] for array in points.point_args))
            kinds = [kind.copy(readonly=True) if isinstance(kind, types.Array) else kind for kind in map(typeof, own)]
            alone = role.function.dispatcher  # what is compiled now serves differences, if they are taken then
            try:
                alone.compile(tuple(kinds))
            except Exception as error:
                raise compilation_error(function, error) from cause_of(error)
            _check_result(role, alone.overloads[tuple(kinds)].signature.return_type, own)
            if role.kind in CARRYING:
                from ..numbers._vector import seeded_kind  # what it teaches Numba takes time to import

                try:
                    compiled(function, "diagnosis").compile((seeded_kind(points.x.dtype), *kinds[1:]))
                except Exception as error:
                    raise compilation_error(function, error, exact=True) from cause_of(error)


@uninterrupted()
def _lanes_error(roles: tuple[Role | None, ...], points: Points, lanes: int, error: Exception) -> CompilationError:
    """Which of the user's functions cannot be evaluated in lanes, and why, by compiling each alone."""
    for role in roles:
        if role and isinstance(role.function, Compiled):
            function = role.function.function
            try:
                compiled(function, "diagnosis").compile((lanes_kind(lanes), *map(typeof, points.args)))
            except Exception as found:
                return compilation_error(function, found, lanes=True)
    return compilation_error(next(role for role in roles if role).function.function, error, lanes=True)  # pyright: ignore


def _check_result(role: Role, kind: types.Type, arguments: tuple) -> None:
    """Whether what a function returns when compiled, on all of its paths, is what its role asks for."""
    if kind == types.none:
        error = exception_at(role.function.function, arguments[0], arguments[1:])  # pyright: ignore
        raised = "" if error is None else f"; at x = {arguments[0]} it raised {type(error).__name__}: {error}"
        raise CompilationError(f"{role.function.name} returns nothing on any path{raised}") from error
    real = (types.Integer, types.Float, types.Boolean)
    if role.kind in ("vector", "numbers"):
        entries = getattr(kind, "types", [getattr(kind, "dtype", kind)])
        is_sequence = isinstance(kind, (types.BaseTuple, types.List, types.Array)) and getattr(kind, "ndim", 1) == 1
        fits = is_sequence and all(isinstance(entry, real) for entry in entries)
        expected = "a tuple, a list or a 1-D array of real numbers"
    else:
        fits, expected = isinstance(kind, real) or is_entry(kind), "one real number"
    if not fits:
        raise CompilationError(
            f"{role.function.name} must return {expected} on every path; compiled, it returns {kind}"
        )


def launch_plain(
    operation: Operation, items: int, seconds: float, arguments: Callable[[int], tuple], together: int = 1
) -> None:
    """Run an operation that takes no user's function over items that cost so many seconds each.

    `together` of them are never in different tasks. `arguments` makes its arguments for a number of workers, which may
    need scratch.
    """
    workers = get_threads() if items > 1 and worth_threads(items * seconds) and may_run_parallel() else 1
    plan = _plain_shares(items, seconds, workers, together)
    with loop(workers) as (address, granted):
        _run(kernel(operation).entry(), address, plan, granted, items * seconds / workers, *arguments(workers))


@lru_cache(maxsize=1024)
def _plain_shares(items: int, seconds: float, workers: int, together: int) -> Shares:
    return shares(items, 1, workers, 0, together, most=_most_together(seconds))


class Bound:
    """An operation bound to arguments, for other kernels to run: `task` holds its address and that of its data."""

    def __init__(self, operation: Operation, arguments: tuple):
        self._keep = arguments, np.empty(BOUND_BYTES // 8)
        address = kernel(operation, (), "bind").entry()(self._keep[1], *arguments)
        self.task = np.array([address, self._keep[1].ctypes.data])


def _launch_vectorized(job: Job, points: Points, data: tuple, plan: Shares, evaluations: int, items: int) -> None:
    """Run each task twice: once to collect the points that it asks for, once with the values there.

    The body of a block never depends on values in which points it asks for, so both runs ask for the same.
    """
    x, operation, roles = points.x, job.operation, job.roles
    together = plan.layout[3] + 1
    size = max(1, TAPE_BYTES // (8 * x.shape[1] * evaluations * together)) * together
    layout = np.array([size, 1, plan.layout[2], plan.layout[3]])
    counter = np.zeros(1, np.int64)
    numbers = (np.arange(len(x)),)

    def run(made: Kernel, task: int, tape: tuple) -> None:
        packed = pack(tape, numbers)
        counter[0] = 0
        made.entry(packed)(address, task, task + 1, 1, layout, x, packed.address, *data)

    nothing = np.empty((0, 1))
    room = min(size, items) * evaluations
    recording, playing = kernel(operation, roles, "record"), kernel(operation, roles, "play")
    with loop(1) as (address, _):
        for task in range(-(-items // size)):
            while True:
                tape, labels = np.empty((room, x.shape[1])), np.empty((room, 2), np.int64)
                run(recording, task, (tape, labels, nothing, counter))
                count, room = counter[0], max(room, counter[0])
                if count <= len(tape):
                    break
            answers = _answers(roles, points, tape[:count].astype(x.dtype, copy=False), labels[:count])
            run(playing, task, (tape, labels, answers, counter))


def _answers(roles, points: Points, tape: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The values of the user's functions at the points collected; scalars in column 0."""
    found = []
    for label, vector in enumerate((False, True)):
        role = next((role for role in roles if role and (role.kind == "vector") == vector), None)
        (rows,) = np.nonzero(labels[:, 0] == label)
        if role is not None and len(rows):
            point_args = tuple(array[labels[rows, 1]] for array in points.point_args)
            found.append((rows, role.function.evaluate(tape[rows], points.args, point_args, vector=vector)))
    answers = np.zeros((len(tape), max((values.shape[1] for _, values in found), default=1)))
    for rows, values in found:
        answers[rows, : values.shape[1]] = values
    return answers
