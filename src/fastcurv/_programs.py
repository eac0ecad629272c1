"""Programs of traced functions: what they are run on, running them, and room for what they find."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import tracing
from ._call import LANES, NO_MATRICES, NO_MATRIX, NO_READER, NO_STATUS, NOTHING, Call, Second, by_device, where
from ._inputs import ArgumentsThere, read_only
from ._plan import Plan
from ._rounding import rounding_of
from ._versions import NO_STARTS, Leaves, Prepared
from .backends import cpu
from .backends.cpu import Job, Points, Shares

NOTHING_SHARED = read_only(np.zeros(0))


def own_numbers(call: Call) -> np.ndarray:
    """The numbers that each point has of its own."""
    return where(call.x).own_numbers(call.points.point_args, len(call.x))


def shared_numbers(args: tuple) -> np.ndarray:
    """The numbers that all points share; arguments on a device have theirs there."""
    if isinstance(args, ArgumentsThere):
        return args.numbers
    return read_only(tracing.flattened(args)) if args else NOTHING_SHARED


class Work(NamedTuple):
    """What a block is run on."""

    points: np.ndarray
    own: np.ndarray
    shared: np.ndarray

    def data(self, prepared: Prepared, plan: Plan, found: Second, task: np.ndarray) -> tuple[tuple, tuple]:
        """What the block takes before the matrices, and after them."""
        tables = self.shared, *prepared.tables
        if prepared.shape is not None:
            return (tables, found.status), (NO_MATRIX,)
        before = (
            read_only(self.own), tables, prepared.program.slots, prepared.entries, prepared.positions, prepared.slopes,
            plan.bounds.rows, found.status,
        )  # fmt: skip
        vectors = found.value, found.gradient, found.gradient_error, found.hessian_error
        return before, (task, *vectors, rounding_of(self.points.dtype))

    def launch(self, job: Job, prepared: Prepared, plan: Plan, shared: Shares, found: Second, task: np.ndarray) -> None:
        """Run a job over all points."""
        before, after = self.data(prepared, plan, found, task)
        cpu.launch(job, Points(self.points, (), ()), (*before, found.hessian, *after), shared, 1)


def work_of(call: Call) -> Work:
    """The points of a call, and the numbers that each of them and all have."""
    return Work(call.x, own_numbers(call), shared_numbers(call.points.args))


def matrices(matrix: np.ndarray) -> Second:
    """Room for one matrix at each point, and nothing else."""
    return Second(NOTHING, NO_MATRIX, NO_MATRIX, matrix, NO_MATRICES, NO_STATUS, False)


def room_for(work: Work, homes: int, hessian: np.ndarray) -> Second:
    """Room for all second-order results, of which matrices are kept at so many homes; none for statuses of points on
    devices.
    """
    (count, n), here = work.points.shape, where(work.points)
    return Second(
        value=here.room(count),
        gradient=here.room((count, n)),
        gradient_error=here.zeros((homes, n)),
        hessian=hessian,
        hessian_error=here.room((homes, n, n)),
        status=np.empty(count, np.int8) if isinstance(work.points, np.ndarray) else NO_STATUS,
        is_read=False,
    )


def run(plan: Plan, prepared: Prepared, job: Job, work: Work, room: Second) -> None:
    """Run a job whose results are kept for every point."""
    if plan.device is not None:
        by_device().matrices(plan, prepared, work, room.hessian, room.status)
        return
    shared = cpu.plan_shares(job, len(work.points), 1, 1, 0, LANES, LANES)
    work.launch(job, prepared, plan, shared, room, NO_READER)


def left_in_lanes(work: Work, plan: Plan, prepared: Prepared, job: Job, together: int, reader: Any) -> Second:
    """Run a job that leaves results in lanes for a reader, if there is one."""
    points, own, shared_numbers = work
    count, n = points.shape
    shared = cpu.plan_shares(job, count, 1, 1, 0, together, LANES)
    apart = LANES * (n + own.shape[1] + prepared.program.slots)
    rows = cpu.scratch(shared.workers, together // LANES * apart, float)
    found = Second(
        value=np.empty(count),
        gradient=np.empty((count, n)),
        gradient_error=NO_MATRIX,
        hessian=NO_MATRICES,
        hessian_error=NO_MATRICES,
        status=np.empty(count, np.int8),
        is_read=reader is not None,
    )
    task = NO_READER
    if reader is not None:
        first = LANES * (n + own.shape[1])
        slopes, lower = read_only(prepared.slopes + first), read_only(prepared.lower + first)
        task = reader.from_lanes(found, rows, apart, slopes, lower, rounding_of(points.dtype))
    tables = shared_numbers, *prepared.tables
    data = read_only(own), tables, prepared.program.slots, plan.bounds.rows, found.status, found.value, rows, task
    cpu.launch(job, Points(points, (), ()), data, shared, 1)
    return found


def values_by(prepared: Prepared, plan: Plan, work: Work, leaves: Leaves, m: int) -> np.ndarray:
    """The values of a function, by the code that computes its derivatives, shape (N, m)."""
    count, n, job = len(work.points), plan.n, prepared.job(work.points.dtype, plan.bounds.any, leaves)
    if leaves == "lanes":
        return left_in_lanes(work, plan, prepared, job, LANES, None).value[:, None]
    if leaves == "all":
        room = room_for(work, count, np.empty((count, n, n)))
        run(plan, prepared, job, work, room)
        return room.value[:, None]
    if prepared.shape is not None:
        matrix, value = np.empty((count, *prepared.shape)), np.empty((count, m))
        before, _ = work.data(prepared, plan, matrices(matrix), NO_READER)
        shared = cpu.plan_shares(job, count, 1, 1, 0, LANES, LANES)
        cpu.launch(job, Points(work.points, (), ()), (*before, matrix, value), shared, 1)
        return value
    # where a block finds entries is a table
    entries = read_only(np.array(prepared.program.values) * LANES)
    room = matrices(np.empty((count, 1, m)))
    run(plan, prepared._replace(entries=entries, positions=NO_STARTS), job, work, room)
    return room.hessian[:, 0]
