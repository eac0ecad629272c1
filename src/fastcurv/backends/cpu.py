"""The CPU launcher: compiles a block of an operation for a function, and runs it over all points.

An operation is a factory of blocks: given evaluators of the user's functions and what is known at compile time, it
returns a plain function ``block(task, worker, layout, points, args, point_args, *data)``. Kernels are kept by the
identity of all they were made from, in the process and on disk.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numba import typeof, types
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from .._errors import CompilationError
from .._lazy import cached_property
from ..function import (
    Compiled,
    DiskCache,
    Pointer,
    Vectorized,
    compilation_error,
    compiled,
    play,
    play_vector,
    record,
    record_vector,
)
from ..simd import lanes_kind, vector_library
from ._native import BOUND_BYTES, bind, run
from ._templates import LINKED, LinkedCache, Recipe
from ._threads import get_threads, loop, may_run_parallel

#: shorter calls run on the calling thread: waking others takes some microseconds
WORTH_THREADS = 5e-5
#: what a call of a kernel takes besides
CALL = 3e-6
#: float64s between what two threads write to: processors fetch two lines of 64 bytes at once
APART = 16
#: scratch of fewer numbers is not worth aligning
SMALL = 1024
#: a guess at the seconds of one evaluation, until calls were timed
FIRST_GUESS = 2e-8
#: bytes of points collected for one call of a vectorized function
TAPE_BYTES = 2**26


class Role(NamedTuple):
    """A user's function and what a block takes it for: one number, a vector, or a vector of one number."""

    function: Any  # a UserFunction, or a Program
    kind: str  # "scalar", "vector" or "row"; "number" or "numbers" where they carry derivatives; "traced" of programs


#: kinds of roles for numbers that carry derivatives
CARRYING = ("number", "numbers")


class Operation(NamedTuple):
    """A factory of blocks and what is known of them at compile time."""

    factory: Callable[..., Callable]
    known: tuple[Any, ...] = ()
    in_lanes: bool = False  # whether functions are evaluated at several points at once


class Points(NamedTuple):
    """Points, the arguments that all of them share, and those of each."""

    x: np.ndarray
    args: tuple
    point_args: tuple[np.ndarray, ...] = ()


class Kernel:
    """The compiled loop of an operation over points, for some functions; one compilation for each set of types."""

    def __init__(self, operation: Operation, roles: tuple[Role | None, ...], mode: str):
        digest = _digest(operation, roles, mode)
        evaluators = [role and _evaluator(role, mode, f"{digest}_{k}") for k, role in enumerate(roles)]
        kinds = tuple(role and role.kind for role in roles)
        make_entry = _bind_one if mode == "bind" else _run_all

        def make_block(*evaluators):
            return operation.factory(*map(_in_role, kinds, evaluators), *operation.known)

        block = compiled(make_block(*evaluators), digest, inline_helpers=True)
        self.entry = compiled(make_entry(block), digest, entry=True, nogil=True)
        self.seconds_per_evaluation = FIRST_GUESS
        self.calls = 0
        cache: Any = DiskCache(digest) if all(role.function.lasting for role in roles if role) else None
        if mode != "bind" and any(kinds) and all(kind in LINKED for kind in kinds if kind):
            recipe = Recipe(make_entry, make_block, kinds, _digest(operation, roles, "template"))
            cache = LinkedCache(recipe, evaluators, digest, cache)
        if cache:
            self.entry._cache = cache  # pyright: ignore[reportAttributeAccessIssue]


def _run_all(block):
    def run_all(loop, first, last, workers, *arguments):
        run(block, loop, first, last, workers, arguments)

    return run_all


def _bind_one(block):
    def bind_one(memory, *arguments):
        return bind(block, memory, arguments)

    return bind_one


_kernels: dict[Any, Kernel] = {}
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def kernel(operation: Operation, roles: tuple[Role | None, ...] = (), mode: str = "native") -> Kernel:
    """The kernel of an operation for some functions, from memory if it was used before."""
    key = (
        operation,
        mode,
        *(role and (role.function.key if mode == "native" else "", role.kind) for role in roles),
    )
    found = _kernels.get(key)
    if found is None:
        with _lock:
            found = _kernels.get(key)
            if found is None:
                found = _kernels[key] = Kernel(operation, roles, mode)
    return found


class Job:
    """An operation and the user's functions that it is for."""

    def __init__(self, operation: Operation, *roles: Role | None):
        self.operation, self.roles = operation, roles
        self.function = next(role.function for role in roles if role)
        self.is_vectorized = isinstance(self.function, Vectorized)
        self.is_pointer = isinstance(self.function, Pointer)

    @cached_property
    def kernel(self) -> Kernel:
        """The compiled kernel, of functions that can be compiled."""
        return kernel(self.operation, self.roles)


class Shares(NamedTuple):
    """How points are shared out: `layout` as in `_layout`, the numbers of tasks, of workers, of points in a group."""

    layout: np.ndarray
    tasks: int
    workers: int
    lanes: int = 1

    @property
    def is_within(self) -> bool:
        """Whether several tasks share a point."""
        return bool(self.layout[1] > 1)

    def statuses(self, points: int) -> int:
        """How many places for a status tasks need."""
        return self.tasks * self.lanes if self.is_within else points


@lru_cache(maxsize=1024)
def shares(points: int, divisible: int, workers: int, spacing: int = 0, together: int = 1, lanes: int = 1) -> Shares:
    """Several points to a task, or several tasks to a point where there are fewer points than workers can use.

    `divisible` is the number of items that the work within a point can be divided into; `together` points, a power of
    two, are never in different tasks. With several `lanes`, so many points count as one.
    """
    points, mask, together = -(-points // lanes), max(together, lanes) - 1, max(1, together // lanes)
    parts = min(-(-2 * workers // max(points, 1)), divisible) if workers > 1 and points < 2 * workers else 1
    if parts > 1:
        return Shares(np.array([1, parts, 0, 0]), points * parts, workers, lanes)
    chunk = max(1, min(1024, -(-points // (16 * workers)))) if workers > 1 else points
    chunk = -(-chunk // together) * together
    tasks = -(-points // chunk) if points else 0
    return Shares(np.array([chunk, 1, spacing, mask]), tasks, min(workers, max(tasks, 1)), lanes)


def plan_shares(
    job: Job, points: int, evaluations: int, divisible: int, spacing: int = 0, together: int = 1, lanes: int = 1
) -> Shares:
    """How a call with so many evaluations of the function per point is shared out over threads."""
    if job.is_vectorized:
        return Shares(np.array([points, 1, spacing, together - 1]), 1, 1)
    workers = get_threads()
    if workers > 1:
        seconds = job.kernel.seconds_per_evaluation * points * evaluations
        if seconds < WORTH_THREADS or not may_run_parallel():
            workers = 1
    return shares(points, divisible, workers, spacing, together, lanes)


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
    if job.is_pointer:
        args = job.function.native_args(args)  # pyright: ignore[reportAttributeAccessIssue]
    made = job.kernel
    with loop(plan.workers) as (address, workers):
        start = perf_counter()
        try:
            made.entry(address, 0, plan.tasks, workers, plan.layout, x, args, point_args, *data)
        except Exception as error:  # Numba's compiler also fails with others than its own
            is_compiled = made.calls and not isinstance(error, (NumbaError, UnsupportedBytecodeError))
            if is_compiled or any(role and role.kind == "traced" for role in job.roles):
                raise
            if plan.lanes > 1:
                raise _lanes_error(job.roles, points, plan.lanes, error) from error
            _diagnose(job.roles, points)
            if any(role and role.kind in CARRYING for role in job.roles):
                raise compilation_error(job.function.function, error, exact=True) from error  # pyright: ignore
            raise
        seconds = perf_counter() - start - (CALL if workers == 1 else WORTH_THREADS)
    # the first call compiles, later ones may be disturbed: the guess rises slowly and falls at once
    made.calls += 1
    guess = max(seconds, 1e-9) * workers / (items * evaluations)
    if workers > 1 and seconds < 4 * WORTH_THREADS:  # mostly waiting: try one thread again some calls later
        guess = min(guess, 0.9 * made.seconds_per_evaluation)
    made.seconds_per_evaluation = min(guess, 4 * made.seconds_per_evaluation)


def scratch(workers: int, size: int, dtype: Any) -> np.ndarray:
    """A row of scratch for each worker, on cache lines of its own; where it is large, vectors do not straddle lines."""
    if size < SMALL:
        return np.empty((workers, size + 2 * APART), dtype)
    dtype = np.dtype(dtype)
    apart = APART * 8 // dtype.itemsize
    width = -(-size // apart) * apart + apart
    memory = np.empty(workers * width + apart, dtype)
    address = memory.__array_interface__["data"][0]  # memory.ctypes.data takes three times as long
    first = -address // dtype.itemsize % apart
    return memory[first : first + workers * width].reshape(workers, width)


def _diagnose(roles: tuple[Role | None, ...], points: Points) -> None:
    """Find the user's function that did not compile, by compiling it alone, and say why."""
    for role in roles:
        if role and isinstance(role.function, Compiled):
            function = role.function.function
            own = (points.x[0], *points.args, *(array[0] for array in points.point_args))
            kinds = [kind.copy(readonly=True) if isinstance(kind, types.Array) else kind for kind in map(typeof, own)]
            alone = compiled(function, "diagnosis")
            try:
                alone.compile(tuple(kinds))
            except Exception as error:
                raise compilation_error(function, error) from error
            _check_result(role, alone.nopython_signatures[0].return_type)
            if role.kind in CARRYING:
                from ..numbers import seeded_kind  # what it teaches Numba takes time to import

                try:
                    compiled(function, "diagnosis").compile((seeded_kind(points.x.dtype), *kinds[1:]))
                except Exception as error:
                    raise compilation_error(function, error, exact=True) from error


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


def _check_result(role: Role, kind: types.Type) -> None:
    """Whether what a function returns when compiled, on all of its paths, is what its role asks for."""
    real = (types.Integer, types.Float, types.Boolean)
    if role.kind in ("vector", "numbers"):
        entries = getattr(kind, "types", [getattr(kind, "dtype", kind)])
        is_sequence = isinstance(kind, (types.BaseTuple, types.List, types.Array)) and getattr(kind, "ndim", 1) == 1
        fits = is_sequence and all(isinstance(entry, real) for entry in entries)
        expected = "a tuple, a list or a 1-D array of real numbers"
    else:
        fits, expected = isinstance(kind, real), "one real number"
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
    workers = get_threads() if items > 1 and items * seconds > WORTH_THREADS and may_run_parallel() else 1
    plan = shares(items, 1, workers, 0, together)
    with loop(workers) as (address, granted):
        kernel(operation).entry(address, 0, plan.tasks, granted, plan.layout, *arguments(workers))


class Bound:
    """An operation bound to arguments, for other kernels to run: `task` holds its address and that of its data."""

    def __init__(self, operation: Operation, arguments: tuple):
        self._keep = arguments, np.empty(BOUND_BYTES // 8)
        address = kernel(operation, (), "bind").entry(self._keep[1], *arguments)
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
    nothing = np.empty((0, 1))
    room = min(size, items) * evaluations
    recording, playing = kernel(operation, roles, "record"), kernel(operation, roles, "play")
    with loop(1) as (address, _):
        for task in range(-(-items // size)):
            while True:
                tape, labels = np.empty((room, x.shape[1])), np.empty((room, 2), np.int64)
                counter[0] = 0
                recording.entry(address, task, task + 1, 1, layout, x, (tape, labels, nothing, counter), numbers, *data)
                count, room = counter[0], max(room, counter[0])
                if count <= len(tape):
                    break
            answers = _answers(roles, points, tape[:count].astype(x.dtype, copy=False), labels[:count])
            counter[0] = 0
            playing.entry(address, task, task + 1, 1, layout, x, (tape, labels, answers, counter), numbers, *data)


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


_RECORD = {"scalar": record, "vector": record_vector}
_PLAY = {"scalar": play, "vector": play_vector}


def _evaluator(role: Role, mode: str, tag: str) -> Callable:
    """What evaluates a role's function as f(x, args) or, of vectors, g(x, y, args)."""
    if role.kind == "traced":
        return role.function.evaluator()  # pyright: ignore
    if role.kind == "number":
        return role.function.number()  # pyright: ignore
    if role.kind == "numbers":
        return compiled(role.function.numbers(), tag, inline_helpers=True, forceinline=True)  # pyright: ignore
    kind = "scalar" if role.kind == "row" else role.kind
    if mode == "native" and kind == "scalar":
        return role.function.scalar()  # pyright: ignore
    written = role.function.vector() if mode == "native" else (_RECORD if mode == "record" else _PLAY)[kind]  # pyright: ignore
    # a function of its own, inlined by LLVM: Numba's inlining drops writes to arrays that come out of tuples
    return compiled(written, tag, inline_helpers=True, forceinline=True)


def _in_role(kind: str | None, f: Any) -> Any:
    """What a block calls: an evaluator, of a row g(x, y, args)."""

    def g(x, y, args):
        y[0] = f(x, args)

    return g if kind == "row" else f


def _digest(operation: Operation, roles: tuple[Role | None, ...], mode: str) -> str:
    """Identifies a kernel in every process: its block, its functions, and the package itself."""
    identity = (
        operation.factory.__qualname__,
        operation.known,
        operation.in_lanes and vector_library(),
        mode,
        [role and (role.function.key if mode == "native" else "", role.kind) for role in roles],
        package_digest(),
    )
    return hashlib.blake2b(repr(identity).encode(), digest_size=20).hexdigest()


@cache
def package_digest() -> str:
    """A digest of the source that kernels are compiled from: those of another version are never used."""
    root = Path(__file__).parent.parent
    digest = hashlib.blake2b(digest_size=20)
    for path in sorted(
        [*root.glob("*/*.py"), *(root / name for name in ("_eigen.py", "_read_outs.py", "_rounding.py"))]
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()
