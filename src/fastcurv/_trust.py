"""Whether a traced function is the compiled one: held against it at some points before it is trusted."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from . import tracing
from ._call import Call
from ._errors import TracingError, UndecidedError
from ._inputs import read_only
from ._versions import Version
from .backends.cpu import Points
from .function import repeats, values_at

#: points at which a trace is held against the compiled function
SAMPLES = 32
#: differences that rounding explains, relative to the largest number that comes up
TRUSTED = 1e-9
#: how compiled code differs from Python's
COMPILED = (
    "compiled integers have 64 bits, 10**-k is undefined (write 10.0**-k), functions within functions are given no "
    "keywords, and w[1:] += w[:-1] reads what it has just written"
)


def hold_against_compiled(
    call: Call, version: Version, vector: bool, evaluate: Callable[[Call], tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> None:
    """Compare the traced function with the compiled one at some of the points.

    `evaluate` gives, of a call, values of the traced function, shape (N, m), points' own numbers and the shared ones.

    Raises
    ------
    TracingError
        If they differ, or none of the points tells.
    """
    few, expected = _samples(call, len(version.traced.outputs), vector)
    x, args, point_args = few.points
    found, own, shared = evaluate(few)
    with np.errstate(invalid="ignore", over="ignore"):
        agrees = np.abs(found - expected) <= TRUSTED * np.abs(expected)
    for b, r in np.argwhere((np.isfinite(found) | np.isfinite(expected)) & ~agrees):
        largest = tracing.largest(version.traced, x[b], shared, own[b])
        if abs(found[b, r] - expected[b, r]) <= TRUSTED * largest:
            continue
        name, function = call.function.name, call.function.function  # pyright: ignore[reportAttributeAccessIssue]
        arguments = x[b], (*args, *(array[b] for array in point_args))
        in_python = values_at(function, *arguments)
        if not np.isfinite(expected[b, r]) and len(in_python) and not np.isfinite(in_python[r]):
            continue  # what overflows
        if not repeats(function, *arguments):
            raise TracingError(
                f"{name} gives different values at the same point, x = {x[b]}; say how far apart by noise="
            )
        reason = f"{name} gives {found[b, r]} when traced, {expected[b, r]} when compiled, at x = {x[b]}"
        if len(in_python) > r and abs(in_python[r] - found[b, r]) <= TRUSTED * largest:
            reason += f"; Python gives what the trace does: {COMPILED}"
            if call.plan.others:
                warnings.warn(f"{reason}. What is compiled is differentiated", RuntimeWarning, stacklevel=2)
        raise TracingError(reason)
    is_told = np.isfinite(found) & np.isfinite(expected)
    if not is_told.any():
        raise UndecidedError(f"{call.function.name} has no finite value at the points tried")
    version.is_trusted = True


def _samples(call: Call, m: int, vector: bool) -> tuple[Call, np.ndarray]:
    """The call at points where the compiled function is finite, and at some others, and its values, shape (N, m).

    Points are taken from all over the batch, more and more of them until enough are finite: whether a function is
    trusted must not depend on the neighbours of a point.
    """
    from ._launch import values

    x, args, point_args = call.points
    low, high = call.plan.bounds.rows
    (inside,) = np.nonzero(((low <= x) & (x <= high)).all(axis=1))
    count = SAMPLES
    while True:
        rows = inside[_spread(count, len(inside))]
        points = Points(read_only(x[rows].astype(np.float64)), args, tuple(read_only(a[rows]) for a in point_args))
        expected = np.empty((len(rows), m))
        values(call._replace(points=points, plan=call.plan.on_cpu), expected if vector else expected[:, 0])
        is_finite = np.isfinite(expected).any(axis=1)
        finite, others = np.flatnonzero(is_finite), np.flatnonzero(~is_finite)
        if len(finite) >= SAMPLES or count >= len(inside):
            break
        count *= 8
    chosen = np.concatenate([some[_spread(SAMPLES, len(some))] for some in (finite, others)])
    own = tuple(read_only(array[chosen]) for array in points.point_args)
    return call._replace(points=Points(read_only(points.x[chosen]), args, own)), expected[chosen]


def _spread(count: int, size: int) -> np.ndarray:
    """So many numbers below `size`, or all, at equal distances."""
    return np.linspace(0, size - 1, min(count, size)).astype(int)
