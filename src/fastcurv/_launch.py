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
from ._errors import CompilationError
from .backends import cpu
from .backends.cpu import Job, Operation, Role
from .differences._jacobian import value_block
from .function import Compiled, UserFunction

__all__ = [
    "Call", "First", "Product", "Second", "by_known_method", "call", "first_order", "outline", "products",
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
    """The call itself, or that by differences where it is known that numbers cannot serve it."""
    return call.by_differences if call.plan.may_fall_back and _case(call, derivative) in _refused(call) else call


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
            call = call.by_differences
    return compute(by_differences, call)


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


def settled(call: Call) -> tuple[Call, str | None]:
    """The call by the method that Hessians are taken with, and why it is not an exact one if it might have been."""
    if call.plan.may_fall_back:
        one, n = call.at_first_point(), call.shape[1]
        try:
            second_order(one, errors=True, out=np.empty((1, n, n)))
        except CompilationError as error:  # by any method
            return call.by_differences, str(error)
    return by_known_method(call, "hessian"), _refused(call).get(_case(call, "hessian"))


def outline(call: Call, errors: bool) -> Outline:
    """How Hessians are taken: by which job, and how many evaluations."""
    way = by_numbers if call.plan.is_exact else by_differences
    return way.outline(call.function, call.gradient, call.plan, errors)
