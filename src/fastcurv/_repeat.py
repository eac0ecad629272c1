"""Calls that come again and again, as in an optimiser: prepared once, then run after a look at what they are for.

Results are those of the checked call, by the same machine code; where a function is refused for other arguments after
that, which then gives another method to checked calls, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from types import FunctionType
from typing import Any, NamedTuple
from weakref import ref

import numpy as np
from numba import typeof, types

from . import _launch as launch
from ._by_differences import ONE
from ._by_numbers import nothing_more
from ._call import NO_MATRICES, NO_MATRIX, NO_READER, NO_STATUS, NOTHING
from ._errors import UndecidedError
from ._inputs import is_ready, new_array, output, overflown, poison, read_only
from .backends import cpu
from .backends._arguments import NOTHING_PACKED, pack
from .backends._pace import WORTH_THREADS
from .backends._threads import get_threads, loop, may_run_parallel
from .differences._hessian import central_hessian_block
from .function import Compiled, Digest, identity_of, user_function


class _Repeat(NamedTuple):
    """What is left to do of a call that was made before, with no options and arguments of the same types."""

    identity: Digest  # of the user's function
    entry: Callable[[int, int, int, int, tuple], None]  # of arguments of the same types, at which it does not look
    taken: Callable[[tuple], tuple | None]  # the arguments that the function that is evaluated takes
    packed: int  # their identity
    shared: cpu.Shares
    data: Callable[..., tuple[tuple, tuple] | None]  # what the block takes before the matrices, and after them
    shapes: tuple[tuple[int, ...], ...]  # of points and of matrices, flattened; of the result
    longest: float  # seconds after which it is to be planned again
    may_tie: bool  # whether there are points at which results are NaN that can be told by a checked call


#: by what `key_of` says; at most MOST_REPEATS
_repeats: dict[Any, _Repeat] = {}
MOST_REPEATS = 256
#: seconds of a call that is worth remembering
SHORT = 1e-2
#: arguments that are worth a look at each
MOST_ARGUMENTS = 16
_REMEMBERED = (np.dtype(np.float64), np.dtype(np.int64))
#: how refusals of what functions compute are noted
DERIVATIVES = {"hessian": "hessian", "gradient": "row", "hvp": "hvp"}


def key_of(
    fun: Any, x: Any, args: Any, point_args: Any, device: Any, method: Any, order: Any, name: str = "hessian"
) -> Any:
    """What a call of a function of this package may be remembered by; None for one that may not."""
    kinds = type(fun), type(args), type(point_args), type(device), type(method), type(order)
    if kinds != (FunctionType, tuple, tuple, str, str, int) or point_args or device != "auto" or not is_ready(x):
        return None
    if not launch.may_be_expressions():
        return None
    key = ref(fun), name, x.shape, x.dtype, method, order, get_threads()
    if not args:
        return key
    kinds = tuple(map(_kind, args))
    return None if None in kinds or len(kinds) > MOST_ARGUMENTS else (*key, kinds)


def _kind(argument: Any) -> Any:
    """Of numbers that a traced function may take as symbols: their type, and shape."""
    if type(argument) is float or (type(argument) is int and -(2**63) <= argument < 2**63):
        return type(argument)
    if type(argument) is np.ndarray and argument.dtype in _REMEMBERED:
        return argument.shape, argument.dtype.char
    return None


def _as_read(argument: Any) -> Any:
    """An array that is read where it is; None for what is copied before."""
    is_array = isinstance(argument, np.ndarray)
    return argument if is_array and argument.ndim and argument.flags.c_contiguous else None


def again(
    key: Any, x: np.ndarray, args: tuple, out: np.ndarray | None, v: np.ndarray | None = None
) -> np.ndarray | None:
    """Results of a call that is remembered, at points and along directions v of the same shape: at one point, a third
    of the time of a checked one.
    """
    known = _repeats.get(key)
    if known is None:
        return None
    if not known.identity.is_current():  # what it reads was bound anew
        _repeats.pop(key, None)
        return None
    along = () if v is None else (read_only(v.reshape(known.shapes[0]).astype(np.float64)),)
    data, taken = known.data(args, *along), known.taken(args)
    if data is None or taken is None or (known.shared.workers > 1 and not may_run_parallel()):
        return None
    packed, ((before, after), shared) = pack(taken, ()), (data, known.shared)
    if packed.identity != known.packed:
        return None
    points, matrices, shape = known.shapes
    if out is None:
        result = new_array(shape, x.dtype)
    else:
        result = output(out, shape, x.dtype, x=x, args=tuple(map(_as_read, args)) if args else args, v=v)
    if not (result.flags.aligned and x.flags.aligned):
        return None
    H = result.reshape(matrices)
    start = perf_counter()
    with loop(shared.workers) as (address, workers):
        arguments = shared.layout, x.reshape(points), packed.address, *before, H, *after
        known.entry(address, 0, shared.tasks, workers, arguments)
    if perf_counter() - start > known.longest:
        _repeats.pop(key, None)
    if known.may_tie and np.isnan(H[:, 0, 0]).any():
        return None
    if H.dtype.char == "f":  # in double nothing is rounded
        poison(overflown(H), H)
    return result


def _same_for_all(call: launch.Call, formula: Any) -> Callable[[tuple], tuple[tuple, tuple]]:
    """A function of arguments: what blocks take before and after the matrices, of functions that are not traced."""
    if call.plan.is_exact:
        known = (call.plan.bounds.rows, NO_STATUS), nothing_more(call.x.dtype)
    else:
        tables = formula.steps, ONE, formula.weights, call.plan.noise_levels, formula.amplification.central
        known = (*tables, NO_READER, NO_STATUS, NOTHING, NO_MATRIX, NO_MATRIX), (NO_MATRICES,)
    return lambda args: known


def remember(key: Any, call: launch.Call) -> None:
    """Note a call that need not be prepared again: of Hessians, and of gradients and products of traced functions."""
    function, derivative, are_matrices = call.function, DERIVATIVES[key[1]], key[1] == "hessian"
    if not are_matrices and call.plan.method != "traced":  # nor will it be
        return
    taken = launch.arguments_taken(call) if are_matrices else lambda args: ()
    call = launch.by_known_method(call, derivative)
    (count, n), is_traced = call.shape, call.plan.method == "traced"
    if not (are_matrices or is_traced):
        return
    formula, evaluations, divisible = None, 1, 1
    try:
        if is_traced:
            job, data = launch.traced_data(call, derivative)
        else:
            job, formula, evaluations, divisible, _ = launch.outline(call, False)
            data = _same_for_all(call, formula)
    except UndecidedError:  # at other points it may be
        return
    simple = call.plan.is_exact or job.operation.factory is central_hessian_block
    if not isinstance(function, Compiled) or not simple or not count:
        return
    fun = key[0]()
    identity = identity_of(fun)
    if user_function(fun) is not function:  # bound anew meanwhile, by another thread
        return
    made = job.kernel
    if not made.pace.is_settled() or made.pace.seconds * count * evaluations > SHORT:
        return
    lanes = 1 if call.plan.method == "hyperdual" else call.lanes
    shared = cpu.plan_shares(job, count, evaluations, divisible, 0, lanes, lanes)
    if shared.is_within:  # what is shared out within a point is left to be put together
        return
    if len(_repeats) >= MOST_REPEATS:
        _repeats.clear()
    shapes = (count, n), (count, n, n), (*call.batch, n, n)
    if not are_matrices:
        shapes = (count, n), (count, 1, n), (*call.batch, n)
    if data is None:
        return
    packed = NOTHING_PACKED if is_traced else pack(call.points.args, ())
    along = (read_only(np.zeros((count, n))),) if derivative == "hvp" else ()
    given = data(call.points.args, *along)
    if given is None:
        return
    (before, after), H = given, np.empty((0, *shapes[1][1:]), call.x.dtype)
    arguments = typeof((shared.layout, call.x, packed.address, *before, H, *after))
    entry = made.entry(packed).compile((types.intp,) * 4 + (arguments,))
    longest = 4 * (WORTH_THREADS if shared.workers < min(get_threads(), shared.tasks) else SHORT)
    key = ref(fun, lambda _, repeats=_repeats: repeats.pop(key, None)), *key[1:]
    _repeats[key] = _Repeat(
        identity, entry, taken, packed.identity, shared, data, shapes, longest, launch.may_tie(call)
    )
