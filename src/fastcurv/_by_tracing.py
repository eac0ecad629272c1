"""Exact derivatives of functions that can be traced: which program, its tables, and whether it is to be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from . import _by_numbers as by_numbers
from . import tracing
from ._by_differences import Outline
from ._call import LANES, NO_MATRICES, NO_MATRIX, NO_READER, NO_STATUS, NOTHING, Call, First, Product, Second
from ._errors import TracingError, UndecidedError
from ._inputs import read_only
from ._plan import Plan
from ._sparse import SparseHessians, compressed
from .backends import cpu
from .backends.cpu import Job, Operation, Points, Role, Shares
from .function import Compiled
from .tracing import Program, Traced, Wanted
from .tracing._frame import small_block, traced_block

#: sets of values of arguments that steer a function, for each of which it is traced
MOST_VERSIONS = 8
#: shapes of arguments, and values of those that are no symbols, that are remembered of a function
MOST_CASES = 64
#: points at which a trace is held against the compiled function
SAMPLES = 32
#: differences that rounding explains, relative to the largest number that comes up
TRUSTED = 1e-9
#: coordinates up to which matrices are kept in registers
MAX_SMALL = 4
#: matrices of which less than one entry in so many may differ from zero are filled with zeros first: entry by entry,
#: lanes are left at half the speed of transpositions (Rosenbrock 8 to 32)
SPARSE = 64
NO_STARTS = read_only(np.zeros(0, np.int64))
NOTHING_SHARED = read_only(np.zeros(0))


class Prepared(NamedTuple):
    """A program, the tables that its code reads, and where results lie; `shape` of a matrix that lies in registers."""

    program: Program
    tables: tuple[np.ndarray, np.ndarray]
    entries: np.ndarray = NO_STARTS
    positions: np.ndarray = NO_STARTS
    slopes: np.ndarray = NO_STARTS
    shape: tuple[int, int] | None = None

    def tables_with(self, args: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the code reads besides points: the numbers that all of them share, indices and constants."""
        return (read_only(tracing.flattened(args)) if args else NOTHING_SHARED, *self.tables)

    def job(self, dtype: np.dtype, bounded: bool, full: bool) -> Job:
        """What is to be run at points of a type."""
        return _job(self.shape, dtype == np.float64, bounded, full, Role(self.program, "traced"))

    def with_matrix(self, slots: dict[tuple[int, int], int], shape: tuple[int, int]) -> Prepared:
        """The same for matrices of a shape that have some slots."""
        rows, columns = np.array(list(slots), np.int64).reshape(-1, 2).T
        starts, size = np.fromiter(slots.values(), np.int64, len(slots)) * LANES, shape[0] * shape[1]
        positions = rows * shape[1] + columns
        if SPARSE * len(slots) <= size:
            return self._replace(entries=read_only(starts), positions=read_only(positions))
        entries = np.full(size, (self.program.slots - 1) * LANES)
        entries[positions] = starts
        return self._replace(entries=read_only(entries))


def _both_triangles(slots: dict[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    """Slots of a symmetric matrix, row by row."""
    return dict(sorted({**slots, **{(j, i): slot for (i, j), slot in slots.items()}}.items()))


class Version:
    """A function traced for arguments of some shapes, and its programs."""

    def __init__(self, traced: Traced, shared: np.ndarray):
        self.traced = traced
        self._fixed = np.array(traced.fixed, np.int64)
        self._values = shared[self._fixed].tobytes()
        self._prepared: dict[tuple[Wanted, bool], Prepared] = {}
        self._sparse: tuple[Prepared, SparseHessians] | None = None
        self.is_trusted = False

    def fits(self, shared: np.ndarray) -> bool:
        """Whether arguments steer the function as those did that it was traced with."""
        return not len(self._fixed) or shared[self._fixed].tobytes() == self._values

    def prepared(self, wanted: Wanted, n: int, may_be_small: bool) -> Prepared:
        """The program for some derivatives: of second ones as n x n matrices, of first ones with a row for each value.

        `may_be_small`: where there are few, the matrix may lie in registers.
        """
        found = self._prepared.get((wanted, may_be_small))
        if found is None:
            found = self._prepared[wanted, may_be_small] = self._made(wanted, n, may_be_small)
        return found

    def _made(self, wanted: Wanted, n: int, may_be_small: bool) -> Prepared:
        made = tracing.program(self.traced, wanted)
        shape = (n, n) if wanted.second else (1, 1) if wanted.form else (len(self.traced.outputs), n)
        if may_be_small and n <= MAX_SMALL and shape[0] * shape[1] <= MAX_SMALL**2 and made.is_straight:
            made = tracing.program(self.traced, wanted, shape)
            return Prepared(made, _tables(made), shape=shape)
        found = Prepared(made, _tables(made))
        if not wanted.second:
            return found.with_matrix(made.first, shape)
        slopes = np.full(n, (made.slots - 1) * LANES)
        for (_, i), slot in made.first.items():
            slopes[i] = slot * LANES
        return found.with_matrix(_both_triangles(made.second), shape)._replace(slopes=read_only(slopes))

    def sparse(self, n: int) -> tuple[Prepared, SparseHessians]:
        """The program for second derivatives that do not vanish; their pattern, without values."""
        if self._sparse is None:
            made = tracing.program(self.traced, Wanted(second=True))
            slots = _both_triangles(made.second)
            starts = np.fromiter(slots.values(), np.int64, len(slots)) * LANES
            prepared = Prepared(made, _tables(made), entries=read_only(starts))
            self._sparse = prepared, SparseHessians(NOTHING, *map(read_only, compressed(list(slots), n)))
        return self._sparse


def _tables(program: Program) -> tuple[np.ndarray, np.ndarray]:
    indices, constants = program.tables
    return read_only(indices), read_only(constants)


def _version(call: Call, vector: bool) -> Version:
    """The function as it was traced for such arguments, or is now."""
    function, (_, args, point_args) = call.function, call.points
    if not isinstance(function, Compiled):
        raise TracingError(f"{function.name} is not a Python function")
    own = tuple(array[0] if len(array) else np.zeros(array.shape[1:], array.dtype) for array in point_args)
    case = call.shape[1], vector, tracing.others(args), tracing.others(own)
    shared = tracing.flattened(args)
    versions = _remembered(function.traced, case, list)
    found = next((version for version in versions if version.fits(shared)), None)
    if found is None:
        if len(versions) >= MOST_VERSIONS:
            raise TracingError(f"{function.name} is steered by arguments that change from call to call")
        found = Version(tracing.trace(function.function, call.shape[1], args, own), shared)
        versions.append(found)
    return found


def _remembered(known: dict[Any, Any], case: Any, make: Callable[[], Any]) -> Any:
    """What is known of a case; the oldest one is forgotten where there are too many."""
    if case not in known:
        while len(known) >= MOST_CASES:
            known.pop(next(iter(known)), None)
        known[case] = make()
    return known[case]


@lru_cache(maxsize=256)
def _job(shape: tuple[int, int] | None, transposes: bool, bounded: bool, full: bool, role: Role) -> Job:
    if shape is not None:
        n, size = shape[1], shape[0] * shape[1]
        return Job(Operation(small_block, (LANES, n, size, role.function.slots, transposes), True), role)
    return Job(Operation(traced_block, (LANES, bounded, full, transposes), True), role)


def _own(call: Call) -> np.ndarray:
    """The numbers that each point has of its own."""
    count = len(call.x)
    parts = [array.reshape(count, math.prod(array.shape[1:])) for array in call.points.point_args]
    return np.concatenate(parts, axis=1, dtype=np.float64) if parts else np.zeros((len(call.x), 0))


class Work(NamedTuple):
    """What a block is run on."""

    points: np.ndarray
    own: np.ndarray
    args: tuple

    def data(self, prepared: Prepared, plan: Plan, found: Second, task: np.ndarray) -> tuple[tuple, tuple]:
        """What the block takes before the matrices, and after them."""
        tables = prepared.tables_with(self.args)
        if prepared.shape is not None:
            return (tables, found.status), (NO_MATRIX,)
        before = (
            read_only(self.own), tables, prepared.program.slots, prepared.entries, prepared.positions, prepared.slopes,
            plan.bounds.rows, found.status,
        )  # fmt: skip
        vectors = found.value, found.gradient, found.gradient_error, found.hessian_error
        return before, (task, *vectors, by_numbers.rounding_of(found.hessian.dtype))

    def launch(self, job: Job, prepared: Prepared, plan: Plan, shared: Shares, found: Second, task: np.ndarray) -> None:
        """Run a job over all points."""
        before, after = self.data(prepared, plan, found, task)
        cpu.launch(job, Points(self.points, (), ()), (*before, found.hessian, *after), shared, 1)


def data(call: Call, plan: Plan) -> tuple[tuple, tuple]:
    """Of Hessians alone: what the block takes before the matrices, and after them."""
    prepared, _ = _ready(call, plan, Wanted(second=True), False)
    room = _matrices(np.empty((0, plan.n, plan.n), call.x.dtype))
    return Work(call.x, _own(call), call.points.args).data(prepared, plan, room, NO_READER)


def _hold_against_compiled(
    call: Call, plan: Plan, version: Version, prepared: Prepared, wanted: Wanted, full: bool, vector: bool
) -> None:
    """Compare the traced function with the compiled one at some of the points.

    Raises
    ------
    TracingError
        If they differ, or none of the points tells.
    """
    from ._launch import values

    x, args, point_args = call.points
    low, high = plan.bounds.rows
    (inside,) = np.nonzero(((low <= x) & (x <= high)).all(axis=1))
    rows = inside[np.linspace(0, len(inside) - 1, min(SAMPLES, len(inside))).astype(int)]
    points = Points(read_only(x[rows].astype(np.float64)), args, tuple(read_only(a[rows]) for a in point_args))
    few, m = call._replace(points=points), len(version.traced.outputs)
    expected = np.empty((len(rows), m))
    values(few, expected if vector else expected[:, 0])
    own = _own(few)
    if wanted.is_directed:
        own = np.concatenate([own, np.zeros(x[rows].shape)], axis=1)
    found = _values(prepared, plan, Work(points.x, own, args), full, m)
    is_told = np.isfinite(found) & np.isfinite(expected)
    with np.errstate(invalid="ignore", over="ignore"):
        differs = is_told & (np.abs(found - expected) > TRUSTED * np.abs(expected))
    for b, r in np.argwhere(differs):
        largest = tracing.largest(version.traced, points.x[b], tracing.flattened(args), own[b])
        if not abs(found[b, r] - expected[b, r]) <= TRUSTED * largest:
            raise TracingError(
                f"{call.function.name} gives {found[b, r]} when traced, {expected[b, r]} when compiled, "
                f"at x = {x[rows[b]]}"
            )
    if not is_told.any():
        raise UndecidedError(f"{call.function.name} has no finite value at the points tried")
    version.is_trusted = True


def _values(prepared: Prepared, plan: Plan, work: Work, full: bool, m: int) -> np.ndarray:
    """The values of a function, by the code that computes its derivatives, shape (N, m)."""
    count, n, job = len(work.points), plan.n, prepared.job(work.points.dtype, plan.bounds.any, full)
    if full:
        room = _room(count, n, count, np.empty((count, n, n)))
        _launch(plan, prepared, job, work, room)
        return room.value[:, None]
    if prepared.shape is not None:
        matrix, value = np.empty((count, *prepared.shape)), np.empty((count, m))
        before, _ = work.data(prepared, plan, _matrices(matrix), NO_READER)
        shared = cpu.plan_shares(job, count, 1, 1, 0, LANES, LANES)
        cpu.launch(job, Points(work.points, (), ()), (*before, matrix, value), shared, 1)
        return value
    # where a block finds entries is a table
    entries = read_only(np.array(prepared.program.values) * LANES)
    room = _matrices(np.empty((count, 1, m)))
    _launch(plan, prepared._replace(entries=entries, positions=NO_STARTS), job, work, room)
    return room.hessian[:, 0]


def _matrices(matrix: np.ndarray) -> Second:
    """Room for one matrix at each point, and nothing else."""
    return Second(NOTHING, NO_MATRIX, NO_MATRIX, matrix, NO_MATRICES, NO_STATUS, False)


def _room(count: int, n: int, homes: int, hessian: np.ndarray) -> Second:
    """Room for all second-order results, of which matrices are kept at so many homes."""
    return Second(
        value=np.empty(count),
        gradient=np.empty((count, n)),
        gradient_error=np.zeros((homes, n)),
        hessian=hessian,
        hessian_error=np.empty((homes, n, n)),
        status=np.empty(count, np.int8),
        is_read=False,
    )


def _ready(call: Call, plan: Plan, wanted: Wanted, full: bool, vector: bool = False) -> tuple[Prepared, Job]:
    """The program of a call and its job, trusted; remembered unless values of arguments decide on it."""
    x, args, point_args = call.points
    wanted = wanted._replace(is_finite=not args or bool(np.isfinite(tracing.flattened(args)).all()))
    kinds = tracing.others(args), *((array.shape[1:], array.dtype.char) for array in point_args)
    case = wanted, x.shape[1], vector, full, plan.bounds.any, x.dtype.char, kinds
    function = call.function
    found = function.ready.get(case) if isinstance(function, Compiled) else None
    if found is None:
        version = _version(call, vector)
        found = _prepared(call, plan, version, wanted, full, vector)
        if version.is_trusted and not version.traced.fixed:
            _remembered(function.ready, case, lambda: found)  # pyright: ignore[reportAttributeAccessIssue]
    return found


def _prepared(
    call: Call, plan: Plan, version: Version, wanted: Wanted, full: bool, vector: bool
) -> tuple[Prepared, Job]:
    may_be_small = not (full or plan.bounds.any or call.points.point_args or wanted.is_directed)
    prepared = version.prepared(wanted, call.shape[1], may_be_small)
    if not version.is_trusted and len(call.x):
        _hold_against_compiled(call, plan, version, prepared, wanted, full, vector)
    return prepared, prepared.job(call.x.dtype, plan.bounds.any, full)


def outline(call: Call, plan: Plan, errors: bool) -> Outline:
    """How Hessians are taken."""
    prepared, job = _ready(call, plan, Wanted(first=errors, second=True), errors)
    program = prepared.program
    classes = len(program.classes)
    lines = "one straight line" if program.is_straight else f"{classes} loop{'s' * (classes != 1)} over terms of a sum"
    return Outline(job, None, 1, 1, f"n = {plan.n}, {program.operations:,} operations in {lines}")


def second_order(
    call: Call, plan: Plan, *, errors: bool, out: np.ndarray | None, reader: Any = None, together: int = 1
) -> Second:
    """Hessians; with `errors` also values, gradients and error estimates."""
    count, n = call.shape
    prepared, job = _ready(call, plan, Wanted(first=errors, second=True), errors)
    together = max(together, LANES)
    spacing = 0 if out is not None else together + -(-cpu.APART // n)
    shared = cpu.plan_shares(job, count, 1, 1, spacing, together, LANES)
    homes = shared.workers * spacing if shared.layout[2] else count
    H = np.empty((homes, n, n)) if out is None else out
    found = _room(count, n, homes, H)._replace(is_read=reader is not None) if errors else _matrices(H)
    task = reader(found, shared.layout) if reader is not None else NO_READER
    Work(call.x, _own(call), call.points.args).launch(job, prepared, plan, shared, found, task)
    return found


def sparse_hessians(call: Call, plan: Plan, errors: bool) -> tuple[SparseHessians, np.ndarray]:
    """Hessians on their pattern, points flattened, and their errors."""
    version, count = _version(call, False), len(call.x)
    prepared, pattern = version.sparse(plan.n)
    if not version.is_trusted and count:
        _hold_against_compiled(call, plan, version, prepared, Wanted(second=True), False, False)
    found = np.empty((count, 1, len(pattern.columns)), call.x.dtype)
    job = prepared.job(call.x.dtype, plan.bounds.any, False)
    _along(call, plan, prepared, job, call.x, _own(call), found)
    found = found[:, 0]
    largest = np.abs(found).max(axis=1, keepdims=True, initial=0.0) if errors else np.zeros((count, 1))
    error = np.broadcast_to(by_numbers.rounding_of(found.dtype) * largest, found.shape)
    return pattern._replace(values=found), error


def first_order(call: Call, plan: Plan, role: Role, m: int, errors: bool, out: np.ndarray) -> First:
    """Jacobians of a function of m values, or gradients (a role of one row)."""
    prepared, job = _ready(call, plan, Wanted(first=True), False, vector=role.kind == "vector")
    status = _along(call, plan, prepared, job, call.x, _own(call), out)
    error = NO_MATRICES
    if errors:
        largest = np.abs(out).max(axis=2, keepdims=True)
        error = np.broadcast_to(by_numbers.rounding_of(out.dtype) * largest, out.shape).copy()
    return First(out, error, status)


def products(call: Call, plan: Plan, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """H v for the same number of directions at each point, without bounds."""
    own = _own(call)
    prepared, job = _ready(call, plan, Wanted(product=True, direction=call.shape[1] + own.shape[1]), False)
    status = _directed(call, plan, prepared, job, directions, own, out[:, None])
    error = NO_MATRIX
    if errors:
        largest = np.abs(out).max(axis=1, keepdims=True)
        error = np.broadcast_to(by_numbers.rounding_of(out.dtype) * largest, out.shape).copy()
    return Product(out, error, status)


def forms(call: Call, plan: Plan, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """v'Hv for the same number of directions at each point, without bounds."""
    own = _own(call)
    prepared, job = _ready(call, plan, Wanted(form=True, direction=call.shape[1] + own.shape[1]), False)
    status = _directed(call, plan, prepared, job, directions, own, out[:, None, None])
    error = NO_MATRIX
    if errors:  # its terms may cancel: what H v is known to, is what bounds it
        product = products(call, plan, directions, True, np.empty_like(directions))
        error = (np.abs(directions) * product.error).sum(axis=1)
    return Product(out, error, status)


def _directed(
    call: Call, plan: Plan, prepared: Prepared, job: Job, directions: np.ndarray, own: np.ndarray, out: np.ndarray
) -> np.ndarray:
    """Run a job over directions, which are the last of the points' own numbers."""
    each = len(directions) // max(len(call.x), 1)
    points = call.x if each == 1 else np.repeat(call.x, each, axis=0)
    own = np.concatenate([np.repeat(own, each, axis=0), directions], axis=1)
    return _along(call, plan, prepared, job, read_only(points), own, out)


def _launch(plan: Plan, prepared: Prepared, job: Job, work: Work, room: Second) -> None:
    """Run a job whose results are kept for every point."""
    shared = cpu.plan_shares(job, len(work.points), 1, 1, 0, LANES, LANES)
    work.launch(job, prepared, plan, shared, room, NO_READER)


def _along(
    call: Call, plan: Plan, prepared: Prepared, job: Job, points: np.ndarray, own: np.ndarray, out: np.ndarray
) -> np.ndarray:
    """Run a job for one matrix of results at each point; the status of each."""
    status = np.empty(len(points), np.int8)
    room = _matrices(out)._replace(status=status)
    _launch(plan, prepared, job, Work(points, own, call.points.args), room)
    return status
