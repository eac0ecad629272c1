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
    "Call", "First", "Product", "Second", "call", "first_order", "outline", "products", "second_order", "settled",
    "values",
]  # fmt: skip

Result = TypeVar("Result")


@lru_cache(maxsize=256)
def _value_job(function: UserFunction) -> Job:
    return Job(Operation(value_block), Role(function, "scalar"))


def values(call: Call, out: np.ndarray) -> None:
    """f at every point."""
    job = _value_job(call.function)
    cpu.launch(job, call.points, (out,), cpu.plan_shares(job, call.shape[0], 1, 1), 1)


def _either(call: Call, derivative: str, compute: Callable[[Any, Call], Result]) -> Result:
    """compute(module, call) by numbers where the plan allows and the function can be compiled so, else by differences.

    What cannot be compiled is remembered, and why.
    """
    if not call.plan.is_exact:
        return compute(by_differences, call)
    functions = [f for f in (call.function, call.gradient) if isinstance(f, Compiled)]
    case = (derivative, call.gradient is not None, *call.kinds)
    if not call.plan.may_fall_back:
        return compute(by_numbers, call)
    if not any(case in function.refused for function in functions):
        try:
            return compute(by_numbers, call)
        except CompilationError as error:
            functions[-1].refused[case] = str(error)
    return compute(by_differences, call.by_differences)


def first_order(call: Call, role: Role, m: int, errors: bool, out: np.ndarray) -> First:
    """Jacobians of a function of m values, or gradients (a role of one row)."""
    return _either(call, role.kind, lambda way, call: way.first_order(call, call.plan, role, m, errors, out))


def second_order(
    call: Call, *, errors: bool, out: np.ndarray | None, reader: Any = None, together: int = 1
) -> Second:
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
    """The call by the method that Hessians are taken with, and why it is not an exact one if it could have been."""
    count, n = call.shape
    if not (call.plan.is_exact and call.plan.may_fall_back):
        return call, None
    one = call.at_first_point()
    second_order(one, errors=False, out=np.empty((len(one.x), n, n), call.x.dtype))
    case = ("hessian", call.gradient is not None, *call.kinds)
    for function in (call.function, call.gradient):
        if isinstance(function, Compiled) and case in function.refused:
            return call.by_differences, function.refused[case]
    return call, None


def outline(call: Call, errors: bool) -> Outline:
    """How Hessians are taken: by which job, and how many evaluations."""
    way = by_numbers if call.plan.is_exact else by_differences
    return way.outline(call.function, call.gradient, call.plan, errors)
