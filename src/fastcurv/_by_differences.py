"""Derivatives by finite differences: which block, which tables, how many tasks, and what is left to do after them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ._call import NO_MATRICES, NO_MATRIX, NO_READER, NO_STATUS, NOTHING, Call, First, Product, Second, settle
from ._plan import Plan
from .backends import cpu
from .backends.cpu import Job, Operation, Role
from .differences import _tables as tables
from .differences._hessian import central_hessian_block, plain_hessian_block, small_hessian_block
from .differences._jacobian import jacobian_block, magnitude_block
from .differences._product import gradient_product_block, product_block
from .differences._sided import sided_hessian_block
from .function import UserFunction

#: kernels know n, up to here with a point in registers, up to there in loops of known length (3x faster at n = 2,
#: 1.1x at 16 for cheap functions)
MAX_SMALL, MAX_KNOWN = 4, 16
EVERY_N = "one compilation for every n"
_one = np.ones(1)


def widening(call: Call, plan: Plan, derivative: int, role: Role) -> np.ndarray:
    """By how much noise widens the relative steps: (e_f / F eps)^(1 / (p + d)), F the largest |f| around x."""
    if not plan.widens or call.shape[0] == 0:
        return _one
    formula = plan.formula(derivative, False)
    magnitude = np.empty(call.shape[0])
    width = call.shape[1] if role.kind == "vector" and role.function is call.gradient else (call.length or 1)
    job = Job(Operation(magnitude_block), role)
    evaluations = 2 * call.shape[1] + 1
    shared = cpu.plan_shares(job, call.shape[0], evaluations, 1)
    data = (formula.steps, plan.bounds.rows, formula.reach, width, magnitude)
    cpu.launch(job, call.points, data, shared, evaluations)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.clip(np.nan_to_num(plan.noise / magnitude, nan=1.0, posinf=1.0), plan.eps, 1.0)
    return (ratio / plan.eps) ** plan.exponent(derivative)


@lru_cache(maxsize=256)
def _first_job(role: Role, errors: bool, central_only: bool) -> Job:
    return Job(Operation(jacobian_block, (errors, False, central_only)), role, None)


def first_order(call: Call, plan: Plan, role: Role, m: int, errors: bool, out: np.ndarray) -> First:
    """Jacobians of a function of m values."""
    count, n = call.shape
    formula = plan.formula(1, errors)
    job = _first_job(role, errors, plan.is_central)
    evaluations = 1 + _axis_evaluations(plan, formula) * n
    shared = cpu.plan_shares(job, count, evaluations, n)
    error = np.empty((count, m, n)) if errors else NO_MATRICES
    status = np.empty(shared.tasks if shared.layout[1] > 1 else count, np.int8)
    data = (
        formula.steps, widening(call, plan, 1, role), plan.bounds.rows, formula.reach, formula.weights,
        formula.sided.first, plan.noise_levels, formula.amplification.first, NO_READER, status, NOTHING, NO_MATRIX,
        out, error,
    )  # fmt: skip
    cpu.launch(job, call.points, data, shared, evaluations)
    status = settle(status, shared, out, *([error] if errors else []))
    return First(out, error, status)


class Outline(NamedTuple):
    """How Hessians are taken: the job, its tables, and how the work of a point can be divided."""

    job: Job
    formula: Any
    evaluations: int
    divisible: int
    specialisation: str  # what `explain` says of the compilation


@lru_cache(maxsize=256)
def outline(function: UserFunction, gradient: UserFunction | None, plan: Plan, errors: bool) -> Outline:
    """Choose the block for Hessians, with or without values, gradients and error estimates."""
    n = plan.n
    role = Role(function, "scalar")
    if gradient is not None:
        formula = plan.formula(1, errors)
        operation = Operation(jacobian_block, (errors, True, plan.is_central))
        job = Job(operation, Role(gradient, "vector"), role if errors else None)
        return Outline(job, formula, 1 + _axis_evaluations(plan, formula) * n, n, EVERY_N)
    formula = plan.formula(2, errors or not plan.is_central)
    axis, pairs = _axis_evaluations(plan, formula), n * (n - 1) // 2
    if not plan.is_central:
        job = Job(Operation(sided_hessian_block, (plan.four_point,)), role)
        first = int(formula.sided.first[:, 1:].any(axis=0).sum())  # nodes of mixed derivatives, along one side
        if plan.method != "forward":
            first = max(first, 2 * formula.weights.shape[1])
        return Outline(job, formula, 1 + axis * n + first**2 * pairs, max(1, pairs), EVERY_N)
    if plan.order == 2 and not (errors or plan.four_point or plan.widens):
        if 2 <= n <= MAX_SMALL:
            operation, divisible = Operation(small_hessian_block, (n,)), 1
            specialisation = f"n = {n}, in registers; n > {MAX_KNOWN} share one compilation"
        elif MAX_SMALL < n <= MAX_KNOWN:
            operation, divisible = Operation(plain_hessian_block, (n,)), 1
            specialisation = f"n = {n}, loops of known length; n > {MAX_KNOWN} share one compilation"
        else:
            operation, divisible = Operation(plain_hessian_block, (0,)), max(1, pairs)
            specialisation = f"one compilation for every n > {MAX_KNOWN}"
        return Outline(Job(operation, role), formula, 1 + n * (n + 1), divisible, specialisation)
    job = Job(Operation(central_hessian_block, (plan.four_point, errors)), role)
    evaluations = 1 + axis * n + (2 if plan.four_point else 1) * axis * pairs
    return Outline(job, formula, evaluations, max(1, pairs), EVERY_N)


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

    Where `out` is None, matrices are not kept: each worker has room for `together` of them. `reader` makes, from
    (second-order results, layout), the task that is run after every point; it sees those of the point's group.
    """
    job, formula, evaluations, divisible, _ = outline(call.function, call.gradient, plan, errors)
    count, n = call.shape
    keep = out is not None
    if out is not None and job.operation.factory in (small_hessian_block, plain_hessian_block):
        shared = cpu.plan_shares(job, count, evaluations, divisible)
        is_shared = shared.layout[1] > 1
        status = np.empty(shared.tasks, np.int8) if is_shared else NO_STATUS
        cpu.launch(job, call.points, (formula.steps, status, out), shared, evaluations)
        status = settle(status, shared, out) if is_shared else status
        return Second(NOTHING, NO_MATRIX, NO_MATRIX, out, NO_MATRICES, status, False)
    if call.gradient is not None:
        scale = widening(call, plan, 1, Role(call.gradient, "vector"))
    else:
        scale = widening(call, plan, 2, Role(call.function, "row"))
        errors = errors or not plan.is_central
    spacing = 0 if keep else together + -(-cpu.APART // n)
    shared = cpu.plan_shares(job, count, evaluations, divisible, spacing, together)
    homes = shared.workers * spacing if shared.layout[2] else count
    needs_status = errors or call.gradient is not None or shared.layout[1] > 1
    found = Second(
        value=np.empty(count) if errors else NOTHING,
        gradient=np.empty((count, n)) if errors else NO_MATRIX,
        gradient_error=np.zeros((homes, n)) if errors else NO_MATRIX,
        hessian=np.empty((homes, n, n)) if out is None else out,
        hessian_error=np.empty((homes, n, n)) if errors else NO_MATRICES,
        status=np.empty(shared.tasks if shared.layout[1] > 1 else count, np.int8) if needs_status else NO_STATUS,
        is_read=reader is not None and shared.layout[1] == 1,
    )
    task = reader(found, shared.layout) if reader is not None and found.is_read else NO_READER
    if call.gradient is not None:
        data = (
            formula.steps, scale, plan.bounds.rows, formula.reach, formula.weights, formula.sided.first,
            plan.noise_levels, formula.amplification.first, task, found.status, found.value, found.gradient,
            found.hessian, found.hessian_error,
        )  # fmt: skip
    elif plan.is_central:
        data = (
            formula.steps, scale, formula.weights, plan.noise_levels, formula.amplification.central, task,
            found.status, found.value, found.gradient, found.gradient_error, found.hessian, found.hessian_error,
        )  # fmt: skip
    else:
        data = (
            formula.steps, scale, plan.bounds.rows, formula.reach, formula.weights,
            (tuple(formula.central), tuple(formula.sided)), plan.noise_levels, formula.amplification.sided, task,
            found.status, found.value, found.gradient, found.gradient_error, found.hessian, found.hessian_error,
        )  # fmt: skip
    cpu.launch(job, call.points, data, shared, evaluations)
    if shared.layout[1] > 1:
        if call.gradient is not None:
            for matrices in (found.hessian, found.hessian_error):
                if matrices.size:
                    matrices += matrices.swapaxes(1, 2)
                    matrices *= 0.5
        poisoned = (found.hessian, found.hessian_error, found.gradient) if errors else (found.hessian,)
        found = found._replace(status=settle(found.status, shared, *poisoned))
    return found


def products(call: Call, plan: Plan, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """H v for the same number of directions at each point, without bounds."""
    count, n = directions.shape
    error = np.empty((count, n)) if errors else NO_MATRIX
    if call.gradient is not None:
        role = Role(call.gradient, "vector")
        formula = plan.formula(1, errors)
        offsets, weights = _first_weights(plan, formula)
        job, divisible = Job(Operation(gradient_product_block, (errors,)), role), 1
        evaluations = len(offsets)
        scale = widening(call, plan, 1, role)
        steps = ()
        amplification = np.abs(weights[0]).sum()
    else:
        role = Role(call.function, "scalar")
        factor = tables.FACTOR[2][plan.order] * (tables.PRODUCT_FACTOR if plan.method == "central" else 1.0)
        formula = plan.formula(2, errors, factor)
        offsets, weights = _product_weights(plan, formula)
        job, divisible = Job(Operation(product_block, (errors,)), role), n
        evaluations = 1 + n * int((weights != 0).any(axis=0).sum())
        scale = widening(call, plan, 2, role._replace(kind="row"))
        steps = (formula.steps,)
        amplification = np.abs(weights[0]).sum()
    step = np.zeros(2)
    step[0 if plan.abs_step is None else 1] = formula.steps[0 if plan.abs_step is None else 2].max()
    shared = cpu.plan_shares(job, count, evaluations, divisible)
    status = np.empty(shared.tasks if shared.layout[1] > 1 else count, np.int8)
    data = (
        directions, step, *steps, scale, offsets, weights, plan.noise_levels, float(amplification), status, out, error,
    )  # fmt: skip
    cpu.launch(job, call.points, data, shared, evaluations, count)
    status = settle(status, shared, out, *([error] if errors else []))
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
