"""Exact derivatives by dual and hyper-dual numbers: which block, how many tasks, and what is left to do after them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ._by_differences import Outline
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
from ._plan import Plan, is_kept
from ._rounding import rounding_of
from .backends import cpu
from .backends._kernels import Operation, Role
from .backends.cpu import Job
from .function import UserFunction


def first_order(call: Call, plan: Plan, role: Role, m: int, errors: bool, out: np.ndarray) -> First:
    """Jacobians of a function of m values, or gradients."""
    count, n = call.shape
    job, parts = _first_job(role, n, plan.bounds.any, errors, False, None, plan.is_single)
    run, here = launcher(plan, call.points), where(call.x)
    shared = run.plan_shares(job, count, parts, parts)
    dtype = plan.arithmetic(call.x.dtype)
    bounds, nothing, no_matrix, no_matrices = (
        a.astype(dtype, copy=False) for a in (plan.bounds.rows, NOTHING, NO_MATRIX, NO_MATRICES)
    )
    error = here.room((count, m, n), dtype) if errors else no_matrices
    status = here.room(shared.statuses(count), np.int8)
    of_whole = no_matrices if shared.is_within else error
    data = (bounds, status, out, NO_READER, nothing, no_matrix, of_whole, rounding_in(out.dtype, dtype))
    run.launch(job, call.points, data, shared, parts)
    if errors and shared.is_within:
        error = here.of_rows(out, arithmetic=dtype)
    status = here.settle(status, shared, out, *([error] if errors else []))
    return First(out, error, status)


def rounding_in(dtype: np.dtype, arithmetic: np.dtype) -> Any:
    """What results are known to, as a number of the type that they are computed in."""
    return np.float32(rounding_of(dtype, arithmetic)) if arithmetic == np.float32 else rounding_of(dtype)


@lru_cache(maxsize=256)
def _first_job(
    role: Role, n: int, bounded: bool, errors: bool, symmetric: bool, value: Role | None, single: bool
) -> tuple[Job, int]:
    """The job, and the number of evaluations at a point."""
    from .numbers._blocks import jacobian_block  # what it teaches Numba takes time to import
    from .numbers._shapes import lanes_for

    lanes, known = lanes_for(n)
    scalar = role.kind == "row"
    role = role._replace(kind="number" if scalar else "numbers")
    operation = Operation(jacobian_block, (scalar, lanes, known, bounded, errors, symmetric, single))
    return Job(operation, role, value), -(-n // lanes)


def nothing_more(dtype: np.dtype) -> tuple:
    """What the block for Hessians takes after these, where nothing but Hessians is wanted."""
    return NO_READER, NOTHING, NO_MATRIX, NO_MATRIX, NO_MATRICES, rounding_of(dtype)


@is_kept
def outline(plan: Plan, function: UserFunction, gradient: UserFunction | None, errors: bool) -> Outline:
    """The block for Hessians, with or without values, gradients and error estimates."""
    from .numbers._blocks import blocks_of, hessian_block
    from .numbers._shapes import block_shape

    n, bounded = plan.n, plan.bounds.any
    if gradient is not None:
        value = Role(function, "scalar") if errors else None
        job, parts = _first_job(Role(gradient, "vector"), n, bounded, errors, True, value, plan.is_single)
        return Outline(job, None, parts, parts, _specialisation(n))
    rows, lanes, known = block_shape(n, in_registers=plan.device is not None)
    operation = Operation(hessian_block, (rows, lanes, known, bounded, errors, plan.is_single))
    parts = blocks_of(n, rows, lanes)
    return Outline(Job(operation, Role(function, "number")), None, parts, parts, _specialisation(n))


def _specialisation(n: int) -> str:
    from .numbers._shapes import MAX_KNOWN

    return (
        f"n = {n}; n > {MAX_KNOWN} share one compilation"
        if n <= MAX_KNOWN
        else f"one compilation for every n > {MAX_KNOWN}"
    )


def second_order(
    call: Call, plan: Plan, *, errors: bool, out: np.ndarray | None, reader: Any = None, together: int = 1
) -> Second:
    """Hessians; with `errors` also values, gradients and error estimates."""
    job, _, parts, divisible, _ = outline(plan, call.function, call.gradient, errors)
    count, n = call.shape
    spacing = 0 if out is not None else together + -(-cpu.APART // n)
    run, here, dtype = launcher(plan, call.points), where(call.x), plan.arithmetic(call.x.dtype)
    shared = run.plan_shares(job, count, parts, divisible, spacing, together)
    found, task = room_for_second(call, shared, spacing, errors, out, reader, dtype)
    written = found
    if shared.is_within:  # errors are estimated after all tasks
        no_matrix, no_matrices = (a.astype(dtype, copy=False) for a in (NO_MATRIX, NO_MATRICES))
        written = found._replace(gradient_error=no_matrix, hessian_error=no_matrices)
    data = second_data(plan, call.x.dtype, call.gradient is not None, task, written)
    run.launch(job, call.points, data, shared, parts)
    if shared.is_within:
        found = _completed(call, found, errors)
        poisoned = (found.hessian, found.hessian_error, found.gradient) if errors else (found.hessian,)
        found = found._replace(status=here.settle(found.status, shared, *poisoned))
    return found


def second_data(plan: Plan, dtype: np.dtype, by_gradient: bool, task: np.ndarray, found: Second) -> tuple:
    """What the blocks for Hessians take at points of a type: bounds, room for results, and what these are known to."""
    arithmetic = plan.arithmetic(dtype)
    bounds, rounding = plan.bounds.rows.astype(arithmetic, copy=False), rounding_in(dtype, arithmetic)
    errors = (found.hessian_error,) if by_gradient else (found.gradient_error, found.hessian_error)
    return bounds, found.status, found.hessian, task, found.value, found.gradient, *errors, rounding


def _completed(call: Call, found: Second, errors: bool) -> Second:
    """What is left to do for points that several tasks shared."""
    here, arithmetic = where(call.x), call.plan.arithmetic(call.x.dtype)
    if call.gradient is not None:
        here.symmetrise(found.hessian)
    if not errors:
        return found
    if call.gradient is not None:
        return found._replace(hessian_error=here.of_rows(found.hessian, call.x.dtype, arithmetic))
    here.estimate_all(call.x, found.gradient, found.hessian, found.gradient_error, found.hessian_error, arithmetic)
    return found


def products(call: Call, plan: Plan, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """H v for the same number of directions at each point, without bounds."""
    from .numbers._blocks import gradient_product_block, product_block
    from .numbers._shapes import lanes_for

    n = call.shape[1]
    lanes, known = lanes_for(n)
    if call.gradient is not None:
        operation, parts = Operation(gradient_product_block, (known, plan.is_single)), 1
        job = Job(operation, Role(call.gradient, "numbers"))
    else:
        operation, parts = Operation(product_block, (lanes, known, plan.is_single)), -(-n // lanes)
        job = Job(operation, Role(call.function, "number"))
    return _along(call, job, parts, directions, errors, out)


def forms(call: Call, plan: Plan, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """v'Hv for the same number of directions at each point, without bounds."""
    from .numbers._blocks import form_block
    from .numbers._shapes import lanes_for

    _, known = lanes_for(call.shape[1])
    job = Job(Operation(form_block, (known, plan.is_single)), Role(call.function, "number"))
    found = _along(call, job, 1, directions, False, out)
    if not errors:
        return found
    here = where(call.x)
    product = products(call, plan, directions, True, here.room(directions.shape, directions.dtype))
    return found._replace(error=here.of_forms(directions, product.error))


def _along(call: Call, job: Job, parts: int, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """Run a job over directions."""
    count = len(directions)
    run, here = launcher(call.plan, call.points), where(call.x)
    shared = run.plan_shares(job, count, parts, parts)
    status = here.room(shared.statuses(count), np.int8)
    run.launch(job, call.points, (directions, status, out), shared, parts, count)
    error = here.of_rows(out, arithmetic=call.plan.arithmetic(call.x.dtype)) if errors else NO_MATRIX
    status = here.settle(status, shared, out, *([error] if errors else []))
    return Product(out, error, status)
