"""Derivatives by finite differences: which block, which tables, how many tasks, and what is left to do after them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ._call import (
    NO_MATRICES,
    NO_MATRIX,
    NO_READER,
    NOTHING,
    Call,
    First,
    Product,
    Second,
    launcher,
    room_for_second,
    where,
)
from ._plan import Plan, check_local, is_kept
from .backends import cpu
from .backends._kernels import Length, Operation, Role
from .backends.cpu import Job
from .differences import _tables as tables
from .differences._hessian import MAX_SMALL, central_hessian_block
from .differences._jacobian import central_jacobian_block, jacobian_block, widening_block
from .differences._product import form_block, gradient_product_block, product_block
from .differences._sided import sided_hessian_block
from .function import UserFunction

#: kernels of order 2 know n up to here (3x faster at n = 2; at n = 16 1.0-1.15x)
MAX_KNOWN = 8
EVERY_N = "one compilation for every n"
#: steps are not widened
ONE = np.ones(1)


def widening(call: Call, plan: Plan, derivative: int, role: Role) -> np.ndarray:
    """By how much noise widens the relative steps, at each point."""
    if not plan.widens or call.shape[0] == 0:
        return ONE
    formula = plan.formula(derivative, False)
    width = call.shape[1] if role.kind == "vector" and role.function is call.gradient else (call.length or 1)
    job = Job(Operation(widening_block, _known(plan, width)), role)
    evaluations, run = 2 * call.shape[1] + 1, launcher(plan, call.points)
    shared, found = run.plan_shares(job, call.shape[0], evaluations, 1), where(call.x).room(call.shape[0])
    data = formula.steps, plan.bounds.rows, formula.reach, width, plan.noise_levels, plan.exponent(derivative), found
    run.launch(job, call.points, data, shared, evaluations)
    return found


def _known(plan: Plan, *sizes: int) -> tuple[int, ...]:
    """What kernels of a device know: n, and other sizes; zeros on the CPU, whose kernels serve any."""
    if plan.device is None:
        return (0,) * (1 + len(sizes))
    check_local(sum(sizes) * max(plan.n, 6))
    return plan.n, *sizes


def _room(plan: Plan, size: int) -> int:
    """So many numbers of memory, and what aligns them, for each thread of a device; 0 on the CPU."""
    if plan.device is None:
        return 0
    check_local(size)
    return 8 + size


@is_kept
def _first_job(plan: Plan, role: Role, lanes: int, m: int, errors: bool, symmetric: bool, value: Role | None) -> Job:
    if plan.is_central:
        room = _room(plan, plan.n + 6 * m + (2 if errors else 1) * m * plan.n)
        return Job(_in_lanes(central_jacobian_block, lanes, plan, errors, symmetric, before=(room,)), role, value)
    return Job(Operation(jacobian_block, (*_known(plan, m), errors, symmetric)), role, value)


def _in_lanes(factory: Any, lanes: int, plan: Plan, *known: Any, before: tuple = ()) -> Operation:
    """An operation on groups of points."""
    return Operation(factory, (*before, lanes, plan.in_double, *known), lanes > 1)


def _first_data(plan: Plan, formula: Any, scale: np.ndarray) -> tuple:
    """The tables that the block for first derivatives takes."""
    if plan.is_central:
        return formula.steps, scale, formula.weights, plan.noise_levels, formula.amplification.first
    return (
        formula.steps, scale, plan.bounds.rows, formula.reach, formula.weights, formula.sided.first,
        plan.noise_levels, formula.amplification.first,
    )  # fmt: skip


def first_order(call: Call, plan: Plan, role: Role, m: int, errors: bool, out: np.ndarray) -> First:
    """Jacobians of a function of m values."""
    count, n = call.shape
    formula = plan.formula(1, errors)
    job = _first_job(plan, role, call.lanes, m, errors, False, None)
    run, here = launcher(plan, call.points), where(call.x)
    evaluations = 1 + _axis_evaluations(plan, formula) * n
    shared = run.plan_shares(job, count, evaluations, n, lanes=call.lanes)
    error = here.room((count, m, n)) if errors else NO_MATRICES
    status = here.room(shared.statuses(count), np.int8)
    tables = _first_data(plan, formula, widening(call, plan, 1, role))
    run.launch(job, call.points, (*tables, NO_READER, status, NOTHING, NO_MATRIX, out, error), shared, evaluations)
    status = here.settle(status, shared, out, *([error] if errors else []))
    return First(out, error, status)


class Outline(NamedTuple):
    """How Hessians are taken: the job, its tables, and how the work of a point can be divided."""

    job: Job
    formula: Any
    evaluations: int
    divisible: int
    specialisation: str  # what `explain` says of the compilation


@is_kept
def outline(plan: Plan, function: UserFunction, gradient: UserFunction | None, lanes: int, errors: bool) -> Outline:
    """Choose the block for Hessians, with or without values, gradients and error estimates."""
    n = plan.n
    role = Role(function, "scalar")
    if gradient is not None:
        formula = plan.formula(1, errors)
        job = _first_job(plan, Role(gradient, "vector"), lanes, n, errors, True, role if errors else None)
        return Outline(job, formula, 1 + _axis_evaluations(plan, formula) * n, n, EVERY_N)
    formula = plan.formula(2, errors)
    axis, pairs = _axis_evaluations(plan, formula), n * (n - 1) // 2
    if not plan.is_central:
        nodes = max(len(formula.central.offsets), len(formula.sided.offsets))
        job = Job(Operation(sided_hessian_block, (plan.four_point, *_known(plan, nodes))), role)
        first = int(formula.sided.first[:, 1:].any(axis=0).sum())  # nodes of mixed derivatives, along one side
        if plan.method != "forward":
            first = max(first, 2 * formula.weights.shape[1])
        return Outline(job, formula, 1 + axis * n + first**2 * pairs, max(1, pairs), EVERY_N)
    order_two = formula.weights.shape[1] == 1
    specialises = order_two and not (plan.four_point or plan.widens)
    room = _room(plan, n * ((2 if errors else 1) * n + formula.weights.shape[1] + 5))
    known = n if room or (specialises and n <= MAX_KNOWN) else 0
    before = known if order_two and known <= MAX_SMALL else 0, known > 0 and not room, room
    operation = _in_lanes(central_hessian_block, lanes, plan, order_two, plan.four_point, errors, before=before)
    job = Job(operation, role, Role(Length(known), "length"))
    evaluations = 1 + axis * n + (2 if plan.four_point else 1) * axis * pairs
    if known and specialises:
        specialisation = f"n = {n}, loops of known length; n > {MAX_KNOWN} share one compilation"
    else:
        specialisation = f"one compilation for every n > {MAX_KNOWN}" if specialises else EVERY_N
    return Outline(job, formula, evaluations, 1 if known and not room else max(1, pairs), specialisation)


def second_order(
    call: Call,
    plan: Plan,
    *,
    errors: bool,
    out: np.ndarray | None,
    reader: Any = None,
    together: int = 1,
) -> Second:
    """Hessians; with `errors` also values, gradients and error estimates.

    Where `out` is None, matrices are not kept: each worker has room for `together` of them. `reader` makes the
    task that is run after every point; it sees those of the point's group.
    """
    job, formula, evaluations, divisible, _ = outline(plan, call.function, call.gradient, call.lanes, errors)
    count, n = call.shape
    together = max(together, call.lanes)
    if call.gradient is not None:
        scale = widening(call, plan, 1, Role(call.gradient, "vector"))
        if out is not None and out.dtype != np.float64:
            divisible = 1  # averages with the transposes are rounded once
    else:
        scale = widening(call, plan, 2, Role(call.function, "row"))
        errors = errors or not plan.is_central  # for which the block has room in any case
    spacing = 0 if out is not None else together + -(-cpu.APART // n)
    run, here = launcher(plan, call.points), where(call.x)
    shared = run.plan_shares(job, count, evaluations, divisible, spacing, together, call.lanes)
    found, task = room_for_second(call, shared, spacing, errors, out, reader)
    data = second_data(plan, formula, scale, call.gradient is not None, task, found)
    run.launch(job, call.points, data, shared, evaluations)
    if shared.is_within:
        poisoned = (found.hessian, found.hessian_error, found.gradient) if errors else (found.hessian,)
        if call.gradient is not None:
            here.symmetrise(*poisoned[:2])
        found = found._replace(status=here.settle(found.status, shared, *poisoned))
    return found


def second_data(
    plan: Plan, formula: Any, scale: np.ndarray, by_gradient: bool, task: np.ndarray, found: Second
) -> tuple:
    """What the blocks for Hessians take: tables, and room for results."""
    if by_gradient:
        tables = _first_data(plan, formula, scale)
        return (*tables, task, found.status, found.value, found.gradient, found.hessian, found.hessian_error)
    if plan.is_central:
        tables = formula.steps, scale, formula.weights, plan.noise_levels, formula.amplification.central
    else:
        axes = tuple(formula.central), tuple(formula.sided)
        tables = (
            formula.steps, scale, plan.bounds.rows, formula.reach, formula.weights, axes, plan.noise_levels,
            formula.amplification.sided,
        )  # fmt: skip
    results = found.value, found.gradient, found.gradient_error, found.hessian, found.hessian_error
    return (*tables, task, found.status, *results)


@is_kept
def _product_job(plan: Plan, factory: Any, role: Role, lanes: int, errors: bool) -> Job:
    return Job(Operation(factory, (_room(plan, (8 if errors else 7) * plan.n + 2), lanes, errors), lanes > 1), role)


def products(call: Call, plan: Plan, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """H v for the same number of directions at each point, without bounds."""
    n = call.shape[1]
    if call.gradient is not None:
        role = Role(call.gradient, "vector")
        formula = plan.formula(1, errors)
        offsets, weights = _first_weights(plan, formula)
        job = _product_job(plan, gradient_product_block, role, call.lanes, errors)
        how = _Along(job, formula, (), widening(call, plan, 1, role), offsets, weights, len(offsets), 1)
    else:
        role = Role(call.function, "scalar")
        factor = tables.FACTOR[2][plan.order] * (tables.PRODUCT_FACTOR if plan.method == "central" else 1.0)
        formula = plan.formula(2, errors, factor)
        offsets, weights = _product_weights(plan, formula)
        job = _product_job(plan, product_block, role, call.lanes, errors)
        scale = widening(call, plan, 2, role._replace(kind="row"))
        evaluations = 1 + n * int((weights != 0).any(axis=0).sum())
        how = _Along(job, formula, (formula.steps,), scale, offsets, weights, evaluations, n)
    return _along(call, plan, how, directions, errors, out)


def forms(call: Call, plan: Plan, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """v'Hv for the same number of directions at each point, without bounds."""
    role = Role(call.function, "scalar")
    formula = plan.formula(2, errors)
    axis = formula.sided if plan.method == "forward" else formula.central
    job = _product_job(plan, form_block, role, call.lanes, errors)
    scale = widening(call, plan, 2, role._replace(kind="row"))
    how = _Along(job, formula, (), scale, axis.offsets, axis.second, 1 + len(axis.offsets), 1)
    return _along(call, plan, how, directions, errors, out)


class _Along(NamedTuple):
    """How derivatives along given directions are taken."""

    job: Job
    formula: Any
    steps: tuple[np.ndarray, ...]  # along coordinates, where there are such besides
    scale: np.ndarray
    offsets: np.ndarray
    weights: np.ndarray
    evaluations: int
    divisible: int


def _along(call: Call, plan: Plan, how: _Along, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """Run a job over directions."""
    count = len(directions)
    run, here = launcher(plan, call.points), where(call.x)
    error = here.room(out.shape) if errors else np.zeros((0,) * out.ndim)
    step, kind = np.zeros(3), 0 if plan.abs_step is None else 1
    step[kind] = how.formula.steps[2 * kind].max()
    step[2] = np.finfo(call.x.dtype if how.job.is_vectorized else np.float64).eps / 2  # others are given doubles
    shared = run.plan_shares(how.job, count, how.evaluations, how.divisible, lanes=call.lanes)
    status = here.room(shared.statuses(count), np.int8)
    data = (
        directions, step, *how.steps, how.scale, how.offsets, how.weights, plan.noise_levels,
        float(np.abs(how.weights[0]).sum()), status, out, error,
    )  # fmt: skip
    run.launch(how.job, call.points, data, shared, how.evaluations, count)
    status = here.settle(status, shared, out, *([error] if errors else []))
    return Product(out, error, status)


def _axis_evaluations(plan: Plan, formula: Any) -> int:
    """Evaluations along one coordinate, the point itself not counted."""
    sided = len(formula.sided.offsets)
    if plan.method == "forward":
        return sided
    central = 2 * formula.weights.shape[1]
    return central if plan.is_central else max(central, sided)


def _first_weights(plan: Plan, formula: Any) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and weights (of orders p and p + 2) of the first derivative along a direction."""
    axis = formula.sided if plan.method == "forward" else formula.central
    if plan.method == "forward":
        return np.concatenate([[0.0], axis.offsets]), np.ascontiguousarray(axis.first)
    return axis.offsets, np.ascontiguousarray(axis.first[:, 1:])


def _product_weights(plan: Plan, formula: Any) -> tuple[np.ndarray, np.ndarray]:
    """The two-dimensional formula for t h times a mixed derivative: offsets of both axes, weights [order, q, r]."""
    if plan.method == "forward":
        offsets, first = _first_weights(plan, formula)
        return offsets, np.ascontiguousarray(np.einsum("pq,pr->pqr", first, first))
    scales = formula.weights.shape[1]
    weights = np.zeros((2, 2 * scales, 2 * scales))
    square = np.array([[0.25, -0.25], [-0.25, 0.25]])
    for scale in range(scales):
        places = slice(2 * scale, 2 * scale + 2)
        weights[:, places, places] = formula.weights[:, scale, None, None] * square
    return formula.central.offsets, weights
