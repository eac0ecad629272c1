"""Exact derivatives of functions that can be traced: which program is run on what, and whether it is to be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import tracing
from ._by_differences import Outline
from ._call import (
    LANES,
    NO_MATRICES,
    NO_MATRIX,
    NO_READER,
    NO_STATUS,
    Call,
    First,
    Product,
    Second,
    by_device,
    where,
)  # fmt: skip
from ._errors import LengthError, TracingError, UndecidedError
from ._inputs import ArgumentsThere, new_array, read_only
from ._plan import Plan
from ._programs import (
    Work,
    left_in_lanes,
    matrices,
    own_numbers,
    room_for,
    run,
    shared_numbers,
    values_by,
    work_of,
)  # fmt: skip
from ._sparse import SparseHessians
from ._trust import hold_against_compiled
from ._versions import Leaves, Prepared, Version
from .backends import cpu
from .backends._kernels import Role
from .backends.cpu import Job, Points
from .function import Compiled
from .tracing import Wanted

#: sets of values of arguments that steer a function, as integers and arrays of booleans do, for each of which it is
#: traced; for more of the same types, the next method is taken where there is one
MOST_VERSIONS = 16
#: shapes of arguments, and values of those that are no symbols, that are remembered of a function
MOST_CASES = 64
#: operations of an expression that blocks for differences take, which evaluate it in several places
MOST_INLINED = 500


def _version(call: Call, vector: bool) -> Version:
    """The function as it was traced for such arguments, or is now."""
    function, (_, args, point_args) = call.function, call.points
    if not isinstance(function, Compiled):
        raise TracingError(f"{function.name} is not a Python function")
    own = tuple(_of_first_point(array) for array in point_args)
    kinds = call.shape[1], vector, call.kinds
    case = kinds, tracing.others(args), tracing.others(own)
    shared = shared_numbers(args)
    versions = function.traced.get(case)
    if versions is None:
        versions = _remember(function.traced, case, [])
    found = next((version for version in versions if version.fits(shared)), None)
    if found is None:
        alike = sum(len(known) for other, known in list(function.traced.items()) if other[0] == kinds)
        if max(len(versions), alike) >= MOST_VERSIONS and call.plan.others:
            raise UndecidedError(f"{function.name} is steered by arguments that change from call to call")
        del versions[: max(0, 1 + len(versions) - MOST_VERSIONS)]
        on_host = args.on_host if isinstance(args, ArgumentsThere) else args
        known = function.function, call.shape[1], on_host, own, function.identity.frozen
        found = Version(tracing.trace(*known, again=len(versions) == 1), shared)
        versions.append(found)
    return found


def _of_first_point(array: Any) -> Any:
    """What the first point has of its own; zeros where there is none, or on a device."""
    if isinstance(array, np.ndarray) and len(array):
        return array[0]
    return np.zeros(array.shape[1:], array.dtype)[()]


def _remember(known: dict[Any, Any], case: Any, found: Any) -> Any:
    """Note what was found of a case; the oldest one is forgotten where there are too many."""
    while len(known) >= MOST_CASES:
        known.pop(next(iter(known)), None)
    known[case] = found
    return found


class Ready(NamedTuple):
    """A program and its job, of a version of the function."""

    prepared: Prepared
    job: Job
    version: Version


def data(call: Call, plan: Plan, wanted: Wanted) -> tuple[Job, Callable[..., tuple[tuple, tuple] | None] | None]:
    """Of one derivative alone, the job, and a function of other arguments of the same types, and of directions if it
    takes some: what its block takes before the matrices, and after them; None where it cannot be said without a look at
    the values.
    """
    prepared, job, version = _ready(call, plan, wanted)
    if not version.is_trusted:
        return job, None
    own, room = own_numbers(call), matrices(np.empty((0, plan.n if wanted.second else 1, plan.n), call.x.dtype))
    numbers = _numbers_for(version, call.points.args)

    def of(args: tuple, own: np.ndarray = own) -> tuple[tuple, tuple] | None:
        shared = numbers(args)
        if shared is None or not _is_finite(shared):
            return None
        return Work(NO_MATRIX, own, shared).data(prepared, plan, room, NO_READER)

    return job, of if _is_finite(shared_numbers(call.points.args)) else None


def _numbers_for(version: Version, args: tuple) -> Callable[[tuple], np.ndarray | None]:
    """The numbers that all points share, of arguments of the same types as these; None where they steer otherwise."""
    integers = [k for k, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype == np.int64]

    def kinds_of(args: tuple) -> tuple:
        return tracing.others(tuple(args[k] for k in integers))

    kinds = kinds_of(args)

    def numbers(args: tuple) -> np.ndarray | None:
        shared = shared_numbers(args)
        return shared if kinds_of(args) == kinds and version.fits(shared) else None

    return numbers


def _is_finite(shared: np.ndarray) -> bool:
    return not len(shared) or bool(np.isfinite(shared).all())


def _trust(
    call: Call,
    plan: Plan,
    version: Version,
    made: Callable[[bool], Prepared],
    wanted: Wanted,
    leaves: Leaves,
    vector: bool,
) -> None:
    """Hold a traced function against the compiled one, if it was not and there are points.

    ``made(ties)``: its program, that tells of ties or not. Where none of the points tells, and no other method is to be
    taken, it is run there all the same: its values are not finite.
    """
    if version.is_trusted or not len(call.x):
        return
    assert isinstance(call.x, np.ndarray)  # of those on a device some are looked at before

    def evaluate(few: Call) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        own, shared = own_numbers(few), shared_numbers(few.points.args)
        if wanted.is_directed:
            own = np.concatenate([own, np.zeros(few.x.shape)], axis=1)
        m = len(version.traced.outputs)
        found = values_by(made(True), plan.on_cpu, Work(few.x, own, shared), leaves, m)
        if version.may_tie and (lost := ~np.isfinite(found).all(axis=1)).any():
            some = Work(read_only(few.x[lost]), read_only(own[lost]), shared)
            found[lost] = values_by(made(False), plan.on_cpu, some, leaves, m)
        return found, own, shared

    try:
        hold_against_compiled(call, version, vector, evaluate)
    except UndecidedError:
        if plan.others:
            raise


def _ready(
    call: Call, plan: Plan, wanted: Wanted, leaves: Leaves = "matrices", together: int = LANES, vector: bool = False
) -> Ready:
    """The program of a call and its job, trusted, and remembered."""
    x, args, point_args = call.points
    shared = shared_numbers(args)
    ties = call.tells_ties and wanted.has_derivatives
    is_finite = args.are_finite if isinstance(args, ArgumentsThere) else _is_finite(shared)
    wanted = wanted._replace(is_finite=is_finite, ties=ties)
    kinds = tracing.others(args), *((array.shape[1:], array.dtype.char) for array in point_args)
    case = wanted, x.shape[1], vector, leaves, together, plan.bounds.any, x.dtype.char, kinds
    function = call.function
    known = function.ready.get(case) if isinstance(function, Compiled) else None
    if known is not None and known.version.fits(shared):
        return known
    version = _version(call, vector)
    prepared = _prepared(call, plan, version, wanted, leaves, vector)
    found = Ready(prepared, prepared.job(x.dtype, plan.bounds.any, leaves, together), version)
    if version.is_trusted:
        _remember(function.ready, case, found)  # pyright: ignore[reportAttributeAccessIssue]
    return found


def _prepared(call: Call, plan: Plan, version: Version, wanted: Wanted, leaves: Leaves, vector: bool) -> Prepared:
    others = plan.bounds.any or call.points.point_args or wanted.is_directed
    may_be_small = leaves == "matrices" and not others

    def made(ties: bool) -> Prepared:
        known = wanted._replace(ties=wanted.ties and ties)
        return version.prepared(known, call.shape[1], may_be_small, leaves == "lanes")

    _trust(call, plan, version, made, wanted, leaves, vector)
    return made(True)


def outline(call: Call, plan: Plan, errors: bool) -> Outline:
    """How Hessians are taken."""
    prepared, job, _ = _ready(call, plan, Wanted(first=errors, second=True), "all" if errors else "matrices")
    program = prepared.program
    classes = len(program.classes)
    lines = "one straight line" if program.is_straight else f"{classes} loop{'s' * (classes != 1)} over terms of a sum"
    return Outline(job, None, 1, 1, f"n = {plan.n}, {program.operations:,} operations in {lines}")


def second_order(
    call: Call, plan: Plan, *, errors: bool, out: np.ndarray | None, reader: Any = None, together: int = 1
) -> Second:
    """Hessians; with `errors` also values, gradients and error estimates."""
    if reader is not None and out is None:
        return _read_in_lanes(call, plan, reader, max(together, LANES))
    count, n = call.shape
    prepared, job, _ = _ready(call, plan, Wanted(first=errors, second=True), "all" if errors else "matrices")
    together = max(together, LANES)
    spacing = 0 if out is not None else together + -(-cpu.APART // n)
    shared = cpu.plan_shares(job, count, 1, 1, spacing, together, LANES)
    homes = shared.workers * spacing if shared.layout[2] else count
    work = work_of(call)
    H = np.empty((homes, n, n)) if out is None else out
    found = room_for(work, homes, H)._replace(is_read=reader is not None) if errors else matrices(H)
    if plan.device is not None:
        if errors:
            return by_device().second_order(plan, prepared, work, found)
        by_device().matrices(plan, prepared, work, found.hessian, found.status)
        return found
    task = reader.from_memory(found, shared.layout, shared.workers) if reader is not None else NO_READER
    work.launch(job, prepared, plan, shared, found, task)
    return found


def _read_in_lanes(call: Call, plan: Plan, reader: Any, together: int) -> Second:
    """Second-order results that are read in lanes, so many points together; values and statuses are kept."""
    prepared, job, _ = _ready(call, plan, Wanted(first=True, second=True), "lanes", together)
    work = work_of(call)
    return left_in_lanes(work, plan, prepared, job, together, reader)


def as_expression(call: Call, vector: bool, is_needed: bool) -> Call:
    """The call of the expression that its function is of x, for differences in lanes: branches are choices in it, and
    rows of data are taken some at a time. Where it `is_needed`, also without rows.

    Raises
    ------
    TracingError
        If there is none, or none that is worth it.
    """
    version, prepared = _values_of(call, vector)
    if vector and call.length is not None:
        _check_length(prepared, call.length)
    if not (is_needed or prepared.program.has_rows):
        raise TracingError(f"{call.function.name} is no sum over rows of data")
    if not prepared.program.is_in_order:
        raise TracingError(f"{call.function.name} adds terms of several shapes, in no regular order")
    if prepared.program.length > MOST_INLINED:
        raise TracingError(f"{call.function.name} is {prepared.program.length:,} operations that no loop repeats")
    _trust(call, call.plan, version, lambda ties: prepared, Wanted(), "matrices", vector)
    shared = shared_numbers(call.points.args)
    return call._replace(function=prepared.program.expression, points=Points(call.x, (shared, *prepared.tables)))


def expression_arguments(call: Call) -> Callable[[tuple], tuple | None]:
    """What the expression of a call takes for other arguments of the same types; None where it is another one."""
    version, prepared = _values_of(call, False)
    numbers = _numbers_for(version, call.points.args)

    def taken(args: tuple) -> tuple | None:
        shared = numbers(args)
        return None if shared is None else (shared, *prepared.tables)

    return taken


def _values_of(call: Call, vector: bool) -> tuple[Version, Prepared]:
    """The values of a function alone, as an expression."""
    version = _version(call, vector)
    return version, version.prepared(Wanted(), call.shape[1], False, False)


def values(call: Call, out: np.ndarray) -> None:
    """f at every point, on a device."""
    plan = call.plan
    prepared, _, _ = _ready(call, plan, Wanted(), vector=out.ndim > 1)
    work = work_of(call)
    by_device().values(plan, prepared, work, out)


def in_lanes(call: Call) -> tuple[Prepared, Work]:
    """The program of values, gradients and Hessians, with where they lie, and what it is run on."""
    prepared, _, _ = _ready(call, call.plan, Wanted(first=True, second=True), "lanes")
    return prepared, work_of(call)


def trusted(call: Call, wanted: Wanted, vector: bool, leaves: Leaves = "matrices") -> Prepared | None:
    """The program of a call; None where the function has not been held against the compiled one yet."""
    found = _ready(call, call.plan, wanted, leaves, vector=vector)
    return found.prepared if found.version.is_trusted else None


def may_tie(call: Call) -> bool:
    """Whether there are points at which results are NaN because a choice that the function makes is at a tie."""
    function: Any = call.function
    known = [version for versions in list(function.traced.values()) for version in list(versions)]
    known += [ready.version for ready in list(function.ready.values())]  # which may outlive those
    return call.tells_ties and any(version.may_tie for version in known)


def sparse_hessians(call: Call, plan: Plan, errors: bool) -> tuple[SparseHessians, np.ndarray]:
    """Hessians on their pattern, points flattened, and their errors."""
    version, count = _version(call, False), len(call.x)

    def made(ties: bool) -> tuple[Prepared, SparseHessians]:
        return version.sparse(plan.n, call.tells_ties and ties)

    prepared, pattern = made(True)
    _trust(call, plan, version, lambda ties: made(ties)[0], Wanted(second=True), "matrices", False)
    found = new_array((count, 1, len(pattern.columns)), call.x.dtype)
    job = prepared.job(call.x.dtype, plan.bounds.any, "matrices")
    _along(call, plan, prepared, job, call.x, own_numbers(call), found)
    found = found[:, 0]
    return pattern._replace(values=found), _errors_of(found, plan) if errors else NO_MATRIX


def first_order(call: Call, plan: Plan, role: Role, m: int, errors: bool, out: np.ndarray) -> First:
    """Jacobians of a function of m values, or gradients (a role of one row)."""
    prepared, job, _ = _ready(call, plan, Wanted(first=True), vector=role.kind == "vector")
    _check_length(prepared, m)
    status = _along(call, plan, prepared, job, call.x, own_numbers(call), out)
    return First(out, _errors_of(out, plan) if errors else NO_MATRICES, status)


def products(call: Call, plan: Plan, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """H v for the same number of directions at each point, without bounds."""
    own = own_numbers(call)
    prepared, job, _ = _ready(call, plan, Wanted(product=True, direction=call.shape[1] + own.shape[1]))
    status = _directed(call, plan, prepared, job, directions, own, out.reshape(len(out), 1, call.shape[1]))
    return Product(out, _errors_of(out, plan) if errors else NO_MATRIX, status)


def forms(call: Call, plan: Plan, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """v'Hv for the same number of directions at each point, without bounds."""
    own = own_numbers(call)
    prepared, job, _ = _ready(call, plan, Wanted(form=True, direction=call.shape[1] + own.shape[1]))
    status = _directed(call, plan, prepared, job, directions, own, out.reshape(len(out), 1, 1))
    error, here = NO_MATRIX, where(call.x)
    if errors:
        room = here.room(directions.shape, directions.dtype)
        error = here.of_forms(directions, products(call, plan, directions, True, room).error)
    return Product(out, error, status)


def _errors_of(rows: np.ndarray, plan: Plan) -> np.ndarray:
    """What rows of results are known to."""
    return where(rows).of_rows(rows, arithmetic=plan.arithmetic(rows.dtype))


def _check_length(prepared: Prepared, m: int) -> None:
    """Whether a function has as many values as there is room for."""
    if len(prepared.program.values) != m:
        raise LengthError(len(prepared.program.values))


def _directed(
    call: Call, plan: Plan, prepared: Prepared, job: Job, directions: np.ndarray, own: np.ndarray, out: np.ndarray
) -> np.ndarray:
    """Run a job over directions, which are the last of the points' own numbers."""
    each, here = len(directions) // max(len(call.x), 1), where(call.x)
    own = here.own_numbers((here.repeated(own, each), directions), len(directions))
    return _along(call, plan, prepared, job, here.repeated(call.x, each), own, out)


def _along(
    call: Call, plan: Plan, prepared: Prepared, job: Job, points: np.ndarray, own: np.ndarray, out: np.ndarray
) -> np.ndarray:
    """Run a job for one matrix of results at each point; the status of each."""
    status = np.empty(len(points), np.int8) if isinstance(points, np.ndarray) else NO_STATUS
    room = matrices(out)._replace(status=status)
    run(plan, prepared, job, Work(points, own, shared_numbers(call.points.args)), room)
    return status
