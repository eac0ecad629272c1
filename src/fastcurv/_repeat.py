"""Short calls that come again and again, as in an optimiser: prepared once, then run after one look at their function.

Results are those of the checked call, by the same machine code.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from . import _launch as launch
from ._by_differences import ONE
from ._by_numbers import nothing_more
from ._call import NO_MATRICES, NO_MATRIX, NO_READER, NO_STATUS, NOTHING
from ._inputs import is_ready, read_only
from .backends import cpu
from .differences._hessian import central_hessian_block
from .function import Compiled


class _Repeat(NamedTuple):
    """What is left to do of a short call that was made before, without arguments and options."""

    function: Compiled
    run: Callable[..., None]
    before: tuple  # what the block takes before the matrices, and after them
    after: tuple
    shapes: tuple[tuple[int, ...], ...]  # of points and of matrices, flattened; of the result


#: by what `key_of` says; at most MOST_REPEATS
_repeats: dict[Any, _Repeat] = {}
MOST_REPEATS = 256
#: seconds of a call that is worth remembering, and calls until its time is known
SHORT, SETTLED = 1e-5, 8


def key_of(fun: Any, x: Any, args: Any, point_args: Any, device: Any, method: Any, order: Any) -> Any:
    """What a call without arguments may be remembered by; None for any other call."""
    kinds = type(fun), type(args), type(point_args), type(device), type(method), type(order)
    if kinds != (FunctionType, tuple, tuple, str, str, int) or args or point_args or device != "auto":
        return None
    return (fun, x.shape, x.dtype, method, order) if is_ready(x) else None


def hessian(key: Any, x: np.ndarray) -> np.ndarray | None:
    """Hessians of a call that is remembered: a third of the time of a checked one at one point."""
    known = _repeats.get(key)
    if known is None:
        return None
    if not known.function.identity.is_current():
        _repeats.pop(key, None)
        return None
    points, matrices, shape = known.shapes
    H = np.empty(shape, x.dtype)
    known.run(read_only(x.reshape(points)), (), (), *known.before, H.reshape(matrices), *known.after)
    return H


def remember(key: Any, call: launch.Call) -> None:
    """Note a Hessian's call that need not be prepared again: points so few that they run on the calling thread."""
    call = launch.by_known_method(call, "hessian")
    job, formula, evaluations, _, _ = launch.outline(call, False)
    (count, n), function, exact = call.shape, call.function, call.plan.is_exact
    simple = exact or job.operation.factory is central_hessian_block
    if isinstance(function, Compiled) and simple and count:
        made = job.kernel
        if made.calls >= SETTLED and made.seconds_per_evaluation * count * evaluations < SHORT:
            if len(_repeats) >= MOST_REPEATS:
                _repeats.clear()
            shapes = (count, n), (count, n, n), (*call.batch, n, n)
            if call.plan.method == "traced":
                before, after = launch.traced_data(call)
                run = cpu.serial_run(made, count, call.lanes)
            elif exact:
                before, after = (call.plan.bounds.rows, NO_STATUS), nothing_more(call.x.dtype)
                run = cpu.serial_run(made, count, 1)
            else:
                tables = formula.steps, ONE, formula.weights, call.plan.noise_levels, formula.amplification.central
                before, after = (*tables, NO_READER, NO_STATUS, NOTHING, NO_MATRIX, NO_MATRIX), (NO_MATRICES,)
                run = cpu.serial_run(made, count, call.lanes)
            _repeats[key] = _Repeat(function, run, before, after, shapes)
