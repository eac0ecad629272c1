"""From a checked call to results: by numbers that carry derivatives where the function allows, else by differences."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from . import _by_differences as by_differences
from . import _by_numbers as by_numbers
from ._by_differences import Outline
from ._call import Call, First, Product, Second, call
from ._errors import CompilationError, LanesError
from .backends import cpu
from .backends.cpu import Job, Operation, Role
from .differences._jacobian import value_block
from .function import Compiled, UserFunction

__all__ = [
    "Call", "First", "Product", "Second", "by_known_method", "call", "first_order", "forms", "outline", "products",
    "second_order", "settled", "values",
]  # fmt: skip

Result = TypeVar("Result")


@lru_cache(maxsize=256)
def _value_job(function: UserFunction) -> Job:
    return Job(Operation(value_block), Role(function, "scalar"))


def values(call: Call, out: np.ndarray) -> None:
    """f at every point."""
    job = _value_job(call.function)
    cpu.launch(job, call.points, (out,), cpu.plan_shares(job, call.shape[0], 1, 1), 1)


def by_known_method(call: Call, derivative: str) -> Call:
    """The call itself, or the one that is left where it is known that numbers, or lanes, cannot serve it."""
    if call.plan.may_fall_back and _case(call, derivative) in _refused(call):
        call = call.by_differences
    return call if call.plan.is_exact else by_known_lanes(call)


def by_known_lanes(call: Call) -> Call:
    """The call itself, or that of one point after the other where it is known that lanes cannot serve it."""
    return call.one_by_one if call.lanes > 1 and _lanes_case(call) in _refused(call) else call


def _lanes_case(call: Call) -> tuple:
    return _case(call, "lanes of grad" if call.gradient is not None else "lanes")


def _refused(call: Call) -> dict[Any, str]:
    """What the function that is differentiated was refused for, and why."""
    function = call.function if call.gradient is None else call.gradient
    return function.refused if isinstance(function, Compiled) else {}


def _case(call: Call, derivative: str) -> tuple:
    return derivative, *call.kinds


def _either(call: Call, derivative: str, compute: Callable[[Any, Call], Result]) -> Result:
    """compute(module, call) by numbers where the plan and the function allow it, else by differences.

    What cannot be compiled is remembered, and why.
    """
    call = by_known_method(call, derivative)
    if call.plan.is_exact:
        try:
            return compute(by_numbers, call)
        except CompilationError as error:
            if not call.plan.may_fall_back:
                raise
            _refused(call)[_case(call, derivative)] = str(error)
            call = by_known_lanes(call.by_differences)
    try:
        return compute(by_differences, call)
    except LanesError as error:
        _refused(call)[_lanes_case(call)] = str(error)
        return compute(by_differences, call.one_by_one)


def first_order(call: Call, role: Role, m: int, errors: bool, out: np.ndarray) -> First:
    """Jacobians of a function of m values, or gradients (a role of one row)."""
    return _either(call, role.kind, lambda way, call: way.first_order(call, call.plan, role, m, errors, out))


def second_order(call: Call, *, errors: bool, out: np.ndarray | None, reader: Any = None, together: int = 1) -> Second:
    """Hessians; with `errors` also values, gradients and error estimates.

    Where `out` is None, matrices are not kept: each worker has room for `together` of them. `reader` makes, from
    (second-order results, layout), the task that is run after every point; it sees those of the point's group.
    """

    def compute(way: Any, call: Call) -> Second:
        return way.second_order(call, call.plan, errors=errors, out=out, reader=reader, together=together)

    return _either(call, "hessian", compute)


def products(call: Call, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """H v for the same number of directions at each point."""
    return _either(call, "hvp", lambda way, call: way.products(call, call.plan, directions, errors, out))


def forms(call: Call, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """v'Hv for the same number of directions at each point."""
    return _either(call, "vhv", lambda way, call: way.forms(call, call.plan, directions, errors, out))


def settled(call: Call) -> tuple[Call, str | None]:
    """The call by the method that Hessians are taken with, and why it is not an exact one if it might have been."""
    if call.plan.may_fall_back:
        one, n = call.at_first_point(), call.shape[1]
        try:
            second_order(one, errors=True, out=np.empty((1, n, n)))
        except CompilationError as error:  # by any method
            return call.by_differences, str(error)
    return by_known_method(call, "hessian"), _refused(call).get(_case(call, "hessian"))


def settled_lanes(call: Call) -> tuple[Call, str | None]:
    """The call by differences as it is evaluated, in lanes or one point after the other, and why not in lanes.

    Raises
    ------
    CompilationError
        If the function cannot be compiled at all.
    """
    if not call.plan.is_exact and (call.lanes > 1 or _lanes_case(call) in _refused(call)):
        one, n = call.at_first_point(), call.shape[1]
        second_order(one, errors=False, out=np.empty((1, n, n)))
    return by_known_lanes(call), _refused(call).get(_lanes_case(call))


def outline(call: Call, errors: bool) -> Outline:
    """How Hessians are taken: by which job, and how many evaluations."""
    if call.plan.is_exact:
        return by_numbers.outline(call.function, call.gradient, call.plan, errors)
    return by_differences.outline(call.function, call.gradient, call.plan, call.lanes, errors)
