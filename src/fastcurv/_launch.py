"""From a checked call to results: by numbers that carry derivatives where the function allows, else by differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, TypeVar

import numpy as np

from . import _by_differences as by_differences
from . import _by_numbers as by_numbers
from ._by_differences import Outline
from ._call import (
    NO_STATUS,
    Call,
    First,
    Product,
    Second,
    by_device,
    call,
    launcher,
    length_again,
    unknown_length,
    where,
)
from ._errors import CompilationError, LanesError, TracingError, UndecidedError
from ._inputs import arguments, read_only
from ._plan import Plan, is_kept
from ._sparse import SparseHessians
from ._ties import settle
from .backends._arguments import pack
from .backends._kernels import Operation, Role
from .backends.cpu import Job
from .differences._jacobian import value_block, values_block
from .function import Compiled, Refusals, UserFunction

__all__ = [
    "Call", "First", "Product", "Second", "arguments_taken", "by_known_method", "call", "curvature_rows", "decided",
    "first_order", "forms", "length_again", "may_be_expressions", "may_tie", "outline", "products", "second_order",
    "settled", "settled_lanes", "sparse_hessians", "traced_data", "unknown_length", "values", "without_expressions",
]  # fmt: skip

Result = TypeVar("Result")
#: coordinates up to which differences look for an expression that is not needed
MOST_TRACED = 100
_may_be_expressions = ContextVar("may_be_expressions", default=True)


@is_kept
def _value_job(plan: Plan, function: UserFunction, vector: bool) -> Job:
    if vector:
        return Job(Operation(values_block), Role(function, "vector"))
    return Job(Operation(value_block), Role(function, "scalar"))


def values(call: Call, out: np.ndarray) -> None:
    """f at every point: numbers, or vectors of a function that returns them."""
    if call.plan.device is None:
        _evaluate(call, out)
    else:
        _by_best(call, "value", lambda way, call: getattr(way, "values", _evaluate)(call, out))


def _evaluate(call: Call, out: np.ndarray) -> None:
    run, job = launcher(call.plan, call.points), _value_job(call.plan, call.function, out.ndim > 1)
    run.launch(job, call.points, (out,), run.plan_shares(job, call.shape[0], 1, 1), 1)


def by_known_method(call: Call, derivative: str) -> Call:
    """The call itself, or the one that is left where it is known that methods, or lanes, cannot serve it."""
    call = _by_method(call, derivative)
    return call if call.plan.is_exact else _by_known_lanes(call, derivative)


def _by_method(call: Call, derivative: str) -> Call:
    while call.plan.others and _case(call, derivative) in _refused(call):
        call = call.by_next_method
    return call


def _by_known_lanes(call: Call, derivative: str) -> Call:
    """The call itself, or that of the expression that its function is of x, where that is faster in lanes, or where it
    is known that lanes cannot run the function; then, without an expression, that of one point after the other.
    """
    if call.lanes == 1:
        return call
    is_refused = _lanes_case(call) in _refused(call)
    return _as_expression(call, derivative == "vector", is_refused) or (call.one_by_one if is_refused else call)


@contextmanager
def without_expressions() -> Iterator[None]:
    """Differences are those of functions themselves here: what expressions give is held against them."""
    token = _may_be_expressions.set(False)
    try:
        yield
    finally:
        _may_be_expressions.reset(token)


def may_be_expressions() -> bool:
    """Whether differences may be those of expressions here."""
    return _may_be_expressions.get()


def _as_expression(call: Call, vector: bool, is_needed: bool) -> Call | None:
    """The call of an expression that stands for its function, if there is one that is needed, or worth it."""
    refused, case = _refused(call), ("expression", vector, is_needed, call.shape[1], *call.kinds)
    is_large = not is_needed and call.shape[1] > MOST_TRACED
    if call.gradient is not None or case in refused or is_large or not may_be_expressions():
        return None
    try:
        return _by_tracing().as_expression(call, vector, is_needed)
    except CompilationError as error:
        if not isinstance(error, UndecidedError):
            refused.note(case, str(error))
        return None


def _lanes_case(call: Call) -> tuple:
    return "lanes of grad" if call.gradient is not None else "lanes", *call.kinds


def _refused(call: Call) -> Refusals:
    """What the function that is differentiated was refused for, and why."""
    function = call.function if call.gradient is None else call.gradient
    return function.refused if isinstance(function, Compiled) else Refusals("", "", lasting=False)


def _is_lasting(error: CompilationError) -> bool:
    """Whether types alone decide that something cannot be compiled: so say Numba's own errors."""
    return error.__cause__ is None


def _case(call: Call, derivative: str) -> tuple:
    """A derivative by the call's method: what can be compiled for the CPU may not be for a device."""
    is_traced = call.plan.method == "traced"
    target = is_traced or call.plan.device is None
    return call.plan.method, derivative, call.shape[1] if is_traced else None, target, *call.kinds


@cache
def _by_tracing() -> Any:
    from . import _by_tracing  # what it stands on takes time to import

    return _by_tracing


def _way(call: Call) -> Any:
    """The module that takes derivatives by the call's method."""
    if call.plan.method == "traced":
        return _by_tracing()
    return by_numbers if call.plan.is_exact else by_differences


def _by_best(call: Call, derivative: str, compute: Callable[[Any, Call], Result]) -> Result:
    """compute(module, call) by the first method that serves the call.

    What cannot be traced or compiled is remembered, and why.
    """
    call = by_known_method(call, derivative)
    while call.plan.is_exact:
        try:
            return compute(_way(call), call)
        except CompilationError as error:
            if not call.plan.others:
                raise
            if not isinstance(error, UndecidedError):
                by_types = call.plan.method == "hyperdual" and _is_lasting(error)  # tracing may depend on values
                _refused(call).note(_case(call, derivative), str(error), by_types)
            call = by_known_method(call.by_next_method, derivative)
    try:
        found = compute(by_differences, call)
        known = call.in_known_precision
        return found if known is call else compute(by_differences, known)
    except LanesError as error:
        _refused(call).note(_lanes_case(call), str(error), _is_lasting(error))
        return compute(by_differences, _by_known_lanes(call, derivative))


def first_order(call: Call, role: Role, m: int, errors: bool, out: np.ndarray) -> First:
    """Jacobians of a function of m values, or gradients (a role of one row)."""

    def compute(way: Any, call: Call) -> First:
        def at(call: Call, out: np.ndarray) -> First:
            return way.first_order(call, call.plan, role._replace(function=call.function), m, errors, out)

        found = at(call, out)
        if may_tie(call):
            _settle(call, found, out[:, 0, 0], lambda some, _: at(some, _room(some, out)), "matrix", "error")
        if errors:
            _add_noise(call, found.error, out, lambda near, out: at(near, out).matrix, (2,))
        return found

    return _by_best(call, role.kind, compute)


def second_order(
    call: Call,
    *,
    errors: bool,
    out: np.ndarray | None,
    reader: Any = None,
    together: int = 1,
    with_noise: bool = False,
) -> Second:
    """Hessians; with `errors` also values, gradients and error estimates, those of exact Hessians `with_noise`.

    Where `out` is None, matrices are not kept: each worker has room for `together` of them. `reader` makes the task
    that reads points, from what is found of them in memory or in lanes (see `_curvature`); on a device none is.
    """
    reader = reader if call.plan.device is None else None

    def compute(way: Any, call: Call) -> Second:
        def at(call: Call, out: np.ndarray | None) -> Second:
            return way.second_order(call, call.plan, errors=errors, out=out, reader=reader, together=together)

        found = at(call, out)
        if out is not None and reader is None and may_tie(call):
            names, kept = ("gradient", "gradient_error", "hessian", "hessian_error"), out
            _settle(call, found, kept[:, 0, 0], lambda some, _: at(some, _room(some, kept)), *names)
        if with_noise and out is not None:
            _add_noise(call, found.hessian_error, out, lambda near, out: at(near, out).hessian, (1, 2))
        return found

    return _by_best(call, "hessian", compute)


def may_tie(call: Call) -> bool:
    """Whether there are points at which derivatives are NaN because a choice that the function makes is at a tie."""
    return call.plan.method == "traced" and len(call.x) > 0 and _by_tracing().may_tie(call)


def _settle(call: Call, found: Any, told_by: np.ndarray, at: Callable[[Call, np.ndarray], Any], *names: str) -> None:
    """Put results of these names at ties in place, where they are NaN."""
    settle(call, found._asdict(), told_by, lambda some, rows: at(some, rows)._asdict(), names)


def _room(some: Call, out: np.ndarray) -> np.ndarray:
    """Results like others, of some points."""
    return np.empty((len(some.x), *out.shape[1:]), some.x.dtype)


def _settle_products(call: Call, found: Product, directions: np.ndarray, at: Callable[..., Product]) -> None:
    """The same for products with several directions at each point."""
    count, n = call.shape
    by_point = directions.reshape(count, -1, n)

    def at_some(some: Call, rows: np.ndarray) -> Product:
        chosen = read_only(by_point[rows].reshape(-1, n).astype(some.x.dtype))
        return at(some, np.empty((len(chosen), *found.product.shape[1:]), some.x.dtype), chosen)

    with np.errstate(over="ignore", invalid="ignore"):  # only whether there is NaN is asked
        told_by = found.product.reshape(count, -1).sum(axis=1)
    _settle(call, found, told_by, at_some, "product", "error")


def _add_noise(
    call: Call,
    error: np.ndarray,
    out: np.ndarray,
    at: Callable[[Call, np.ndarray], np.ndarray],
    axes: tuple[int, ...],
) -> None:
    """Add to errors of exact derivatives how much these change by a few roundings of x; ``at(call, out)`` takes them.

    What is computed in more digits than it is stored with does not tell.
    """
    if call.plan.is_exact and call.plan.arithmetic(call.x.dtype) == call.x.dtype and out.size:
        here = where(call.x)
        near = call.points._replace(x=here.nearby(call.x, call.plan.bounds.rows))
        here.add_noise(error, out, at(call._replace(points=near), here.room(out.shape, out.dtype)), axes)


def curvature_rows(call: Call, tolerance: float) -> np.ndarray | None:
    """What curvature reads of each point, on a device; None where derivatives and spectra are not taken there both."""
    if call.plan.device is None or not by_device().takes_spectra(call.shape[1]):
        return None

    def compute(way: Any, call: Call) -> np.ndarray | None:
        here = by_device()
        return (here.curvature if call.plan.method == "traced" else here.curvature_by_jobs)(call, tolerance)

    return _by_best(call, "curvature", compute)


def sparse_hessians(call: Call, errors: bool) -> tuple[SparseHessians, np.ndarray]:
    """Hessians on their pattern, points flattened, and their errors; of traced functions only."""
    way = _way(call)

    def at(call: Call) -> tuple[SparseHessians, np.ndarray]:
        return way.sparse_hessians(call, call.plan, errors)

    found, error = at(call)
    if found.values.size and may_tie(call):

        def at_some(some: Call, rows: np.ndarray) -> Product:
            found, error = at(some)
            return Product(found.values, error, NO_STATUS)

        told_by = found.values[:, 0]
        _settle(call, Product(found.values, error, NO_STATUS), told_by, at_some, "product", "error")
    if errors:
        _add_noise(
            call, error, found.values, lambda near, _: way.sparse_hessians(near, near.plan, False)[0].values, (1,)
        )
    return found, error


def products(call: Call, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """H v for the same number of directions at each point."""
    return _of_directions(call, "hvp", directions, errors, out)


def forms(call: Call, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    """v'Hv for the same number of directions at each point."""
    return _of_directions(call, "vhv", directions, errors, out)


def _of_directions(call: Call, derivative: str, directions: np.ndarray, errors: bool, out: np.ndarray) -> Product:
    def compute(way: Any, call: Call) -> Product:
        take = way.products if derivative == "hvp" else way.forms

        def at(call: Call, out: np.ndarray, directions: np.ndarray = directions) -> Product:
            return take(call, call.plan, directions, errors, out)

        found = at(call, out)
        if may_tie(call):
            _settle_products(call, found, directions, at)
        if errors:
            axes = tuple(range(1, out.ndim))
            _add_noise(call, found.error, out, lambda near, out: at(near, out).product, axes)
        return found

    return _by_best(call, derivative, compute)


def settled(call: Call) -> tuple[Call, tuple[str, ...]]:
    """The call by the method that Hessians are taken with, and why not by each of those before it."""
    is_open = call.plan.others or call.plan.device is not None or call.plan.method == "hyperdual"
    if is_open and not _has_run(call):
        one, n = call.at_first_point(), call.shape[1]
        try:
            second_order(one, errors=False, out=np.empty((1, n, n)))
        except CompilationError as error:  # by any method
            while call.plan.others:
                call = call.by_next_method
            return call, (f"none: {error}",)
    return _passed_on(call, ())


def _has_run(call: Call) -> bool:
    """Whether Hessians were taken before by the method that is left for them, at any points, without tracing."""
    left = by_known_method(call, "hessian")
    if left.plan.method == "traced" or left.plan.device is not None or not isinstance(left.function, Compiled):
        return False
    packed = pack(left.points.args, left.points.point_args)
    return (packed.identity, left.x.dtype.char) in outline(left, False).job.kernel.ran


def _passed_on(call: Call, reasons: tuple[str, ...]) -> tuple[Call, tuple[str, ...]]:
    """The call by the first method that is not refused for Hessians, and why those before it are."""
    while call.plan.others and (reason := _refused(call).get(_case(call, "hessian"))) is not None:
        call, reasons = call.by_next_method, (*reasons, reason)
    return call, reasons


def decided(call: Call) -> tuple[Call, tuple[str, ...]]:
    """The same at the points of the call: none of them may tell whether a traced function is right."""
    call, reasons = settled(call)
    if call.plan.method == "traced" and call.plan.others:
        try:
            outline(call, True)
        except TracingError as error:
            return _passed_on(call.by_next_method, (*reasons, str(error)))
    return call, reasons


def settled_lanes(call: Call) -> tuple[Call, str | None]:
    """The call by differences as it is evaluated, in lanes or one point after the other, and why not in lanes.

    Raises
    ------
    CompilationError
        If the function cannot be compiled at all.
    """
    if call.plan.is_exact:
        return call, None
    if call.lanes > 1 or _lanes_case(call) in _refused(call):
        one, n = call.at_first_point(), call.shape[1]
        second_order(one, errors=False, out=np.empty((1, n, n)))
    return _by_known_lanes(call, "hessian"), _refused(call).get(_lanes_case(call))


def arguments_taken(call: Call) -> Callable[[tuple], tuple | None]:
    """Of the call that `by_known_method` leaves for Hessians, a function of other arguments of the same types: what is
    given to the function that is evaluated; None where that is another one.
    """
    left = by_known_method(call, "hessian")
    if left.plan.method == "traced":
        return lambda args: ()
    return arguments if left.function is call.function else _by_tracing().expression_arguments(call)


def traced_data(call: Call, derivative: str) -> Any:
    """The job for a derivative of a traced function, and a function of arguments, and of directions if it takes some:
    what its block takes before and after the matrices.
    """
    tracing = _by_tracing()
    wanted = {
        "hessian": tracing.Wanted(second=True),
        "row": tracing.Wanted(first=True),
        "hvp": tracing.Wanted(product=True, direction=call.shape[1]),
    }
    return tracing.data(call, call.plan, wanted[derivative])


def outline(call: Call, errors: bool) -> Outline:
    """How Hessians are taken: by which job, and how many evaluations."""
    if call.plan.method == "traced":
        return _way(call).outline(call, call.plan, errors)
    if call.plan.is_exact:
        return by_numbers.outline(call.plan, call.function, call.gradient, errors)
    return by_differences.outline(call.plan, call.function, call.gradient, call.lanes, errors)
