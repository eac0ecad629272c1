"""A checked call, and what a launch returns for it."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from . import _results as results
from ._errors import DeviceError
from ._inputs import arguments, arguments_by_point, points_array, read_only
from ._plan import Options, Plan, device_of, plan
from .backends import cpu
from .backends.cpu import Points, Shares
from .function import Compiled, UserFunction, Vectorized, exception_at, trial, user_function, values_at

DEFAULT = Options()
#: points that are worked on at once where stencils are central: one in each lane of a vector of float64
LANES = 8
#: points at which a function is tried that fails at others, for the number of its values
MOST_TRIED = 100
#: the same where it may have changed
MOST_TRIED_AGAIN = 3
#: cases of a function in which it was tried that are remembered
MOST_CHECKED = 256
NOTHING = np.zeros(0)
NO_MATRIX = np.zeros((0, 0))
NO_MATRICES = np.zeros((1, 0, 0))
NO_READER = np.zeros(2, np.int64)
NO_STATUS = np.zeros(0, np.int8)


@cache
def by_device() -> Any:
    """The module for what CUDA devices compute, of points on the host or there."""
    from . import _by_device  # what it stands on takes time to import

    return _by_device


@cache
def on_device() -> Any:
    """The module for arrays that live on CUDA devices."""
    from . import _on_device  # what it stands on takes time to import

    return _on_device


def launcher(plan: Plan, points: Points) -> Any:
    """What shares out and launches jobs: the CPU, or a device, for points on the host or there."""
    if plan.device is None:
        return cpu
    return by_device().jobs(plan.device) if isinstance(points.x, np.ndarray) else on_device().JOBS


def where(x: Any) -> Any:
    """The module for results that are where points x are: on the host, or on a device."""
    return results if isinstance(x, np.ndarray) else on_device().results


class Call(NamedTuple):
    """What a user called with, checked: points flattened to (N, n)."""

    function: UserFunction
    gradient: UserFunction | None
    batch: tuple[int, ...]
    points: Points
    plan: Plan
    length: int | None  # how many values fun returns, of a vector
    lanes: int  # points that are worked on at once by differences
    tells_ties: bool = True  # traced derivatives are NaN where a choice that `function` makes is at a tie

    @property
    def x(self) -> np.ndarray:
        return self.points.x

    @property
    def shape(self) -> tuple[int, int]:
        return self.points.x.shape  # pyright: ignore[reportReturnType]

    @property
    def kinds(self) -> tuple:
        """What a function is compiled for: the types of its arguments."""
        return self.x.dtype.char, *map(_kind, self.points.args), *_own_kinds(self.points)

    @property
    def by_next_method(self) -> Call:
        """The same by the method that is taken where this one cannot be."""
        return self._replace(plan=self.plan.next)

    @property
    def in_known_precision(self) -> Call:
        """The same where it is known that values have fewer digits than points."""
        kind = self.x.dtype.char
        eps = max(function.coarsest.get(kind, 0.0) for function in (self.function, self.gradient) if function)
        return self if eps <= self.plan.eps else self._replace(plan=self.plan.coarser(eps))

    @property
    def one_by_one(self) -> Call:
        """The same, one point after the other."""
        return self._replace(lanes=1)

    def at(self, rows: np.ndarray, x: np.ndarray) -> Call:
        """The same at points that stand for those in some rows."""
        points = Points(read_only(x), self.points.args, tuple(read_only(a[rows]) for a in self.points.point_args))
        return self._replace(points=points, batch=(len(rows),))

    def at_first_point(self) -> Call:
        """The same at the first point, or at 0 where there is none."""
        x, args, point_args = self.points
        if len(x) == 0:
            x, point_args = (
                np.zeros((1, x.shape[1]), x.dtype),
                tuple(np.zeros((1, *a.shape[1:]), a.dtype) for a in point_args),
            )
        points = Points(read_only(x[:1]), args, tuple(array[:1] for array in point_args))
        return self._replace(points=points, batch=(1,))


def call(
    fun: Any,
    x: Any,
    args: Any,
    point_args: Any = (),
    device: Any = "auto",
    grad: Any = None,
    *,
    vector: bool = False,
    options: Options = DEFAULT,
    may_try: bool = True,
) -> Call:
    """Check a call, and, if it may be tried, evaluate a function new to us once in plain Python."""
    function = user_function(fun)
    gradient = None if grad is None else user_function(grad, "grad")
    if gradient is not None and isinstance(gradient, Vectorized) != isinstance(function, Vectorized):
        raise TypeError("fun and grad must both be vectorized, or neither")
    ordinal = device_of(device)
    array = points_array(x)
    batch, n = array.shape[:-1], array.shape[-1]
    flat = read_only(array.reshape((-1, n) if array.size else (0, n)))
    points = Points(flat, arguments(args), arguments_by_point(point_args, batch))
    chosen = plan(options, n, batch, array.dtype)
    if chosen.is_exact and not (isinstance(function, Compiled) and isinstance(gradient, Compiled | None)):
        if "central" not in chosen.others:
            raise ValueError(
                f"method={options.method!r} needs compiled functions; vectorized and C functions have finite "
                f"differences only: use method='central'"
            )
        while chosen.is_exact:
            chosen = chosen.next
    if gradient is not None and chosen.method == "traced":
        if not chosen.others:
            raise ValueError("method='traced' takes derivatives of fun alone, got grad; use method='exact'")
        chosen = chosen.next
    if ordinal is not None:
        if not (isinstance(function, Compiled) and isinstance(gradient, Compiled | None)):
            raise DeviceError(
                f"device={device!r} runs Python functions that Numba compiles; use device='cpu' with NumPy arrays"
            )
        chosen = chosen.on_device(ordinal)
        by_device().require(ordinal)
    length = _checked(function, points, vector, chosen, may_try)
    if gradient is not None:
        found = _checked(gradient, points, True, chosen, may_try)
        if found not in (None, n):
            raise ValueError(f"grad must return {n} values at points with {n} coordinates, got {found}")
    one_by_one = point_args or chosen.bounds.any or chosen.method == "forward" or ordinal is not None
    in_lanes = isinstance(function, Compiled) and not one_by_one
    return Call(function, gradient, batch, points, chosen, length, LANES if in_lanes else 1).in_known_precision


def _checked(function: UserFunction, points: Points, vector: bool, plan: Plan, may_try: bool) -> int | None:
    """The number of values that a function returns, from its plain Python form; at most one trial for each case."""
    if isinstance(function, Vectorized):
        if not vector:
            return 1
        one, (first, *_) = _for_trials(points, plan)
        own = tuple(array[first : first + 1] for array in one.point_args)
        return function.evaluate(one.x[first : first + 1], points.args, own, vector=True).shape[1]
    if not isinstance(function, Compiled):
        for name, given in (("args", points.args), ("point_args", points.point_args)):
            if given:
                raise ValueError(
                    f"{name}: a C function takes none, got {len(given)}; put its data behind the void pointer"
                )
        if vector:
            raise TypeError(f"{function.name} returns one number; a function of vector values must be compiled")
        if points.x.dtype != np.float64:
            raise TypeError(f"x must be float64 for a C function, got {points.x.dtype}")
        return 1
    case = _case(points, vector)
    known = function.checked.get(case)
    if known is None and may_try and (len(points.x) or vector):
        (x, args, point_args), rows = _for_trials(points, plan)
        known = trial(
            function.function,
            x,
            _spread(rows) if vector else rows[:10],
            lambda b: (*args, *(array[b] for array in point_args)),
            vector=vector,
            coarsest=function.coarsest,
        )
        if known is not None:
            note_checked(function, case, known)
    return known


def _case(points: Points, vector: bool) -> tuple:
    """What decides whether a function was tried already."""
    case = points.x.shape[1], points.x.dtype.char, vector
    if not (points.args or points.point_args):
        return case
    return *case, len(points.args), *map(_kind, points.args), *_own_kinds(points)


def was_tried(call: Call, vector: bool) -> bool:
    """Whether a function, and its gradient, were evaluated in plain Python for such arguments."""
    functions = [(call.function, vector)] + ([(call.gradient, True)] if call.gradient is not None else [])
    return all(isinstance(f, Compiled) and _case(call.points, vector) in f.checked for f, vector in functions)


def note_checked(function: Compiled, case: tuple, length: int) -> None:
    """Remember how many values a function returned."""
    while len(function.checked) >= MOST_CHECKED:
        function.checked.pop(next(iter(function.checked)), None)
    function.checked[case] = length


def _spread(rows: np.ndarray) -> np.ndarray:
    """Some of the rows, the first among them."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, MOST_TRIED).astype(int))]


def _for_trials(points: Points, plan: Plan) -> tuple[Points, np.ndarray]:
    """Points, and which of them are within the bounds, by number, finite ones first.

    Where none is, the first one, or 0 where there is none, is put within the bounds.
    """
    x, args, point_args = points
    lower, upper = plan.bounds.rows
    (rows,) = np.nonzero(((lower <= x) & (x <= upper) | (lower == -np.inf) & (upper == np.inf)).all(axis=1))
    if len(rows):
        return points, rows[np.argsort(~np.isfinite(x[rows]).all(axis=1), kind="stable")]
    if len(x) == 0:
        x = np.zeros((1, x.shape[1]), x.dtype)
        point_args = tuple(np.zeros((1, *array.shape[1:]), array.dtype) for array in point_args)
    within = np.clip(np.nan_to_num(x[:1]), lower, upper).astype(x.dtype, copy=False)
    return Points(within, args, point_args), np.zeros(1, int)


def unknown_length(call: Call) -> ValueError:
    """What to say where no point tells how many values a function returns."""
    (x, args, point_args), (b, *_) = _for_trials(call.points, call.plan)
    own = *args, *(array[b] for array in point_args)
    error = exception_at(call.function.function, x[b], own)  # pyright: ignore[reportAttributeAccessIssue]
    return ValueError(
        f"fun: cannot tell how many values it returns: it failed at every point tried; at x = {x[b]} it raised "
        f"{type(error).__name__}: {error}"
    )


def length_again(call: Call) -> int | None:
    """How many values fun returns with these arguments, whatever it returned with others of the same types; None where
    that cannot be said. It is tried once.
    """
    if not isinstance(call.function, Compiled):
        return None
    case = "again", call.shape[1], call.x.dtype.char, tuple(map(_value_kind, call.points.args))
    found = call.function.checked.get(case)
    if found is None:
        (x, args, point_args), rows = _for_trials(call.points, call.plan)
        own = ((x[b], (*args, *(array[b] for array in point_args))) for b in rows[:MOST_TRIED_AGAIN])
        sizes = (values_at(call.function.function, *given).size for given in own)
        found = next(filter(None, sizes), 0)
        note_checked(call.function, case, found)
    return found or None


def _own_kinds(points: Points) -> tuple:
    """The types of what each point has of its own."""
    return tuple((array.shape[1:], array.dtype.char) for array in points.point_args)


def _kind(argument: Any) -> Any:
    """Of arrays on devices the same."""
    if isinstance(argument, tuple):
        return tuple(map(_kind, argument))
    return (tuple(argument.shape), argument.dtype.char) if getattr(argument, "ndim", 0) else type(argument)


def _value_kind(argument: Any) -> Any:
    """The same with the values of numbers."""
    if isinstance(argument, tuple):
        return tuple(map(_value_kind, argument))
    return _kind(argument) if isinstance(argument, np.ndarray) else (type(argument), argument)


class First(NamedTuple):
    """First derivatives: matrices (N, m, n), their errors, and the status of each point."""

    matrix: np.ndarray
    error: np.ndarray
    status: np.ndarray


class Second(NamedTuple):
    """What second-order blocks found. Matrices are missing (no points) unless they were to be kept."""

    value: np.ndarray
    gradient: np.ndarray
    gradient_error: np.ndarray
    hessian: np.ndarray
    hessian_error: np.ndarray
    status: np.ndarray
    is_read: bool  # whether the reader has seen every point


def room_for_second(
    call: Call, shared: Shares, spacing: int, errors: bool, out: np.ndarray | None, reader: Any, dtype: Any = np.float64
) -> tuple[Second, np.ndarray]:
    """Room for what second-order blocks find in a type, and the task that is run after every point.

    Where `out` is None, each worker has room for matrices `spacing` places apart.
    """
    (count, n), here = call.shape, where(call.x)
    homes = shared.workers * spacing if shared.layout[2] else count
    needs_status = errors or call.gradient is not None or shared.is_within
    found = Second(
        value=here.room(count, dtype) if errors else NOTHING.astype(dtype, copy=False),
        gradient=here.room((count, n), dtype) if errors else NO_MATRIX.astype(dtype, copy=False),
        gradient_error=here.zeros((homes, n), dtype) if errors else NO_MATRIX.astype(dtype, copy=False),
        hessian=here.room((homes, n, n), dtype) if out is None else out,
        hessian_error=here.room((homes, n, n), dtype) if errors else NO_MATRICES.astype(dtype, copy=False),
        status=here.room(shared.statuses(count), np.int8) if needs_status else NO_STATUS,
        is_read=reader is not None and not shared.is_within,
    )
    if reader is None or not found.is_read:
        return found, NO_READER
    return found, reader.from_memory(found, shared.layout, shared.workers)


class Product(NamedTuple):
    """Hessian-vector products (N k, n) and their errors."""

    product: np.ndarray
    error: np.ndarray
    status: np.ndarray
