"""check, explain, show_versions: whether a result is to be trusted, and what a call would do."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import numba
import numpy as np
from llvmlite import binding

from . import _launch as launch
from ._call import on_device
from ._derivatives import gradient, hessian, jacobian, quadratic_model
from ._errors import CompilationError
from ._inputs import lives_on_device, points_array, read_only
from ._plan import Options, Plan, device_name
from .backends._threads import get_threads, may_run_parallel
from .function import Compiled, Pointer, UserFunction, folder, values_at

#: relative differences of well-conditioned smooth functions
AGREEMENT = 1e-6
#: points at which values are held against Python's
PYTHON_POINTS = 8


@dataclass(frozen=True)
class Difference:
    """The largest difference between two ways to a derivative, or to values.

    Relative to the largest entry at its point; of gradients to the entry itself or, if that is more, to what it
    changes by over max(1, |x_j|) in any coordinate: at a critical point nothing but errors is left of a gradient. As
    much as the estimated error of a gradient counts as 1e-6.
    """

    derivative: str
    between: tuple[str, str]
    relative: float
    absolute: float
    point: tuple[int, ...]
    entry: tuple[int, ...]

    def __str__(self) -> str:
        first, second = self.between
        places = (("point", self.point), ("entry", self.entry))
        where = ", ".join(f"{name} {place}" for name, place in places if place)
        return (
            f"{self.derivative}: {first} and {second} differ by {self.relative:.1e} relative, {self.absolute:.1e} "
            f"absolute{', most at ' if where else ''}{where}"
        )


@dataclass(frozen=True)
class Check:
    """What `check` found: the differences, and at how many points derivatives are not finite."""

    differences: tuple[Difference, ...]
    skipped: int

    @property
    def worst(self) -> float:
        """The largest relative difference; NaN where no point could be compared."""
        return max((difference.relative for difference in self.differences), default=math.nan)

    def __str__(self) -> str:
        lines = [str(difference) for difference in self.differences]
        return "\n".join([*lines, f"{self.skipped} points left out: not finite"] if self.skipped else lines)


def check(fun: Callable, x: Any, args: tuple = (), *, grad: Callable | None = None, **options: Any) -> Check:
    """Derivatives by different methods against each other.

    Parameters
    ----------
    fun, x, args, grad
        As for `hessian`.
    **options
        Any of `rel_step`, `abs_step`, `noise`, `bounds`, `point_args`, `device`, as for `hessian`.

    Returns
    -------
    Check
        ``.differences``: the largest between exact derivatives and central differences of order 6 (or those of orders
        2 and 6, where only differences can be taken, or their steps or noise are given), for gradients and Hessians,
        at which point and entry; with `grad` also its difference from the gradient of `fun`, and the asymmetry of its
        Jacobian, where a mistake in one component shows; of compiled functions also that of values, at some points,
        from what Python gives. ``print(check(...))`` shows them.

    Raises
    ------
    CompilationError, TypeError, ValueError, DeviceError
        As for `value`.

    Notes
    -----
    Hessians of well-conditioned smooth functions agree to about 1e-6. A difference far above that means noise in
    `fun`, a kink, a step across a pole, or a wrong gradient; one of values, that a global array or another constant
    was changed in place since `fun` was compiled, or what Numba does otherwise than Python: integers have 64 bits,
    ``w[1:] += w[:-1]`` reads what it has just written.

    Examples
    --------
    >>> import fastcurv as fc
    >>> found = fc.check(lambda x: x[0] ** 2 * x[1], [3.0, 2.0])
    >>> found.worst < 1e-6
    True
    """
    known = ("rel_step", "abs_step", "noise", "bounds", "point_args", "device")
    if unknown := sorted(set(options) - set(known)):
        raise TypeError(f"check takes the options {', '.join(known)}; got {', '.join(unknown)}")
    if lives_on_device(x):
        x, args, options = on_device().as_host(x, args, options)
    given = options.get("point_args", ()), options.get("device", "auto")
    asked = launch.call(fun, x, args, *given, options=Options(bounds=options.get("bounds")))
    call, _ = launch.settled(asked)
    exact = call.plan.is_exact and not {"rel_step", "abs_step", "noise"} & options.keys()
    low, high = call.plan.method if exact else "order 2", "order 6"
    shared = {name: options[name] for name in ("bounds", "point_args", "device") if name in options}
    first = {"method": low, **shared} if exact else {"order": 2, **options}
    with launch.without_expressions():
        sixth, error = gradient(fun, x, args, order=6, return_error=True, **options)
        sixth_H = hessian(fun, x, args, order=6, **options)
    g = [gradient(fun, x, args, **first), sixth]
    H = [hessian(fun, x, args, **first), sixth_H]
    pairs: list[Any] = [("gradient", (low, high), *g), ("Hessian", (low, high), *H)]
    if grad is not None:
        own = quadratic_model(fun, x, args, grad=grad, **{"method": "central", **options})
        J = jacobian(grad, x, args, order=6, **options)
        pairs += [
            ("gradient", ("grad", high), own.gradient, g[1]),
            ("Hessian", ("the Jacobian of grad", high), own.hessian, H[1]),
            ("Jacobian of grad", ("itself", "its transpose"), J, np.swapaxes(J, -1, -2)),
        ]
    batch = g[0].shape[:-1]
    axes = [tuple(range(len(batch), a.ndim)) for _, _, a, _ in pairs]
    finite = np.ones(batch, bool)
    for (_, _, a, b), inner in zip(pairs, axes, strict=True):
        finite &= np.isfinite(a + b).all(axis=inner)
    bend = np.abs(np.where(np.abs(H[0]) < np.abs(H[1]), *H) * np.maximum(1, np.abs(points_array(x)))[..., None, :])
    change = np.maximum(bend.max(axis=-1), error / AGREEMENT)
    found = (
        _largest(name, between, a, b, i, finite, change if name == "gradient" else None)
        for (name, between, a, b), i in zip(pairs, axes, strict=True)
    )
    reach = np.maximum(1, np.abs(points_array(x)).max(axis=-1, initial=0))
    of_values = _from_python(asked, reach * bend.max(axis=(-2, -1), initial=0))
    return Check((*found, *of_values) if finite.any() else of_values, int((~finite).sum()))


def _from_python(call: launch.Call, least: np.ndarray) -> tuple[Difference, ...]:
    """How far values of a compiled function are from Python's, relative to them or, if that is more, to `least`."""
    if not isinstance(call.function, Compiled):
        return ()
    x, args, point_args = call.points
    low, high = call.plan.bounds.rows
    (inside,) = np.nonzero(((low <= x) & (x <= high)).all(axis=1))
    rows = inside[np.unique(np.linspace(0, len(inside) - 1, PYTHON_POINTS).astype(int))] if len(inside) else inside
    compiled, in_python, values = np.full(len(x), np.nan), np.full(len(x), np.nan), np.empty(len(rows))
    points = call.points._replace(x=read_only(x[rows]), point_args=tuple(read_only(a[rows]) for a in point_args))
    launch.values(call._replace(points=points, batch=(len(rows),)), values)
    compiled[rows] = values
    for b in rows:
        found = values_at(call.function.function, x[b], (*args, *(array[b] for array in point_args)))
        in_python[b] = found[0] if len(found) else np.nan
    finite = np.isfinite(compiled + in_python)
    if not finite.any():
        return ()
    a, b = (array.reshape(*call.batch, 1) for array in (compiled, in_python))
    inner, finite = (len(call.batch),), finite.reshape(call.batch)
    return (replace(_largest("value", ("compiled", "Python's"), a, b, inner, finite, least[..., None]), entry=()),)


def _largest(name: str, between: tuple[str, str], a, b, inner: tuple[int, ...], finite, least) -> Difference:
    """The worst entry of a and b at the finite points, relative to the largest there or, with `least`, to itself."""
    difference = np.abs(a - b)
    scale = np.maximum(np.abs(a), np.abs(b))
    scale = scale.max(axis=inner, keepdims=True) if least is None else np.maximum(scale, least)
    relative = np.where(difference > 0, difference / np.where(scale > 0, scale, 1), 0)
    relative[~finite] = -1
    at = tuple(int(i) for i in np.unravel_index(np.argmax(relative), relative.shape))
    batch = finite.ndim
    return Difference(name, between, float(relative[at]), float(difference[at]), at[:batch], at[batch:])


@dataclass(frozen=True)
class Explanation:
    """What a call would use, and why; ``print`` shows it."""

    function: str
    method: str
    stencil: str
    step: str
    evaluations: str
    specialisation: str
    device: str
    threads: str
    cache: str

    def __str__(self) -> str:
        return "\n".join(f"{name:14} {value}" for name, value in vars(self).items())


def explain(fun: Callable, x: Any, args: tuple = (), *, grad: Callable | None = None, **options: Any) -> Explanation:
    """Which method, steps, device, threads and compilation a call of `hessian` or `curvature` would use, and why.

    Parameters
    ----------
    fun, x, args, grad
        As for `hessian`.
    **options
        Any of `method`, `order`, `rel_step`, `abs_step`, `stencil`, `noise`, `bounds`, `point_args`, `device`, as for
        `hessian`.

    Returns
    -------
    Explanation

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it must be. What cannot be compiled is told, not raised.

    Examples
    --------
    >>> import fastcurv as fc
    >>> found = fc.explain(lambda x: x[0] ** 2 * x[1], [3.0, 2.0], order=4)
    >>> found.evaluations
    '13 of fun per point, 19 in curvature, 8 points at once, in lanes'
    """
    known = ("point_args", "device", *Options._fields)
    if unknown := sorted(set(options) - set(known)):
        raise TypeError(f"explain takes the options {', '.join(known)}; got {', '.join(unknown)}")
    if lives_on_device(x):
        x, args, options = on_device().as_host(x, args, options)
    point_args, device = options.pop("point_args", ()), options.pop("device", "auto")
    asked = Options(**options)
    call, refusals = launch.decided(launch.call(fun, x, args, point_args, device, grad, options=asked))
    function = call.function
    try:
        call, refused = launch.settled_lanes(call)
    except CompilationError as error:
        call, refused, refusals = call.one_by_one, None, (f"none: {error}",)
    count, chosen = call.shape[0], call.plan
    outline = launch.outline(call, False)
    evaluations = [launch.outline(call, errors).evaluations for errors in (False, True)]
    if chosen.is_exact:
        stencil = step = "none: exact to rounding"
        evaluations = f"{evaluations[0]} of {'fun' if grad is None else 'grad'} per point, in {_numbers(call)}"
    else:
        if chosen.widens:  # the magnitude of fun around the point is measured first
            evaluations = [e + 1 + chosen.n * (1 if chosen.method == "forward" else 2) for e in evaluations]
        of = "fun" if grad is None else "grad"
        evaluations = f"{evaluations[0]} of {of} per point, {evaluations[1]} in curvature{_lanes(call, refused)}"
        stencil, step = _stencil(chosen, grad is not None), _step(chosen, 1 if grad is not None else 2)
    found = Explanation(
        function=f"{function.name}, {_kind(function)}",
        method=_method(chosen, asked, function, refusals),
        stencil=stencil,
        step=step,
        evaluations=evaluations,
        specialisation=outline.specialisation if isinstance(function, Compiled) else "none: fun is not compiled",
        device="cpu" if chosen.device is None else device_name(chosen.device),
        threads=_threads(function, count) if chosen.device is None else "those of the device, a task to each",
        cache=_cache(function) if chosen.device is None else "this process only: code for devices is not kept",
    )
    if found.method.startswith("none"):
        return replace(found, **dict.fromkeys(("stencil", "step", "evaluations", "specialisation"), "none"))
    return found


def _method(chosen: Plan, asked: Options, function: UserFunction, refusals: tuple[str, ...]) -> str:
    """Which method, and why."""
    if refusals and refusals[0].startswith("none"):
        return refusals[0]
    name = chosen.method if chosen.is_exact else f"{chosen.method}, order {chosen.order}"
    if asked.method not in ("auto", "exact"):
        return f"{name} (asked for)"
    if refusals:
        return f"{name} ({asked.method}: {'; '.join(map(_in_one_line, refusals))})"
    if chosen.method == "traced":
        return f"{name} ({asked.method}: fun is an expression of x, differentiated as such)"
    if chosen.is_exact:
        return f"{name} ({asked.method}: fun compiles in numbers that carry derivatives)"
    if isinstance(function, Compiled):
        return f"{name} (auto: an option of differences is given)"
    return f"{name} (auto: {_kind(function)} has differences only)"


def _lanes(call: launch.Call, refused: str | None) -> str:
    """Whether points are evaluated in lanes, or why not."""
    why = f" ({_in_one_line(refused)})" if refused else ""
    if call.lanes == 1:
        return f", one point after the other{why}" if refused else ""
    if isinstance(call.function, Compiled):
        return f", {call.lanes} points at once, in lanes"
    why = f" ({_in_one_line(refused).partition(': ')[2]})" if refused else ", rows of data side by side"
    return f", {call.lanes} points at once, in lanes, of the expression that it is of x{why}"


def _in_one_line(error: str) -> str:
    """What could not be compiled, and where."""
    what, _, where = error.partition("\n")
    return f"{what}{' ' + where.partition(chr(10))[0].strip() if where.startswith('  ') else ''}"


def _numbers(call: launch.Call) -> str:
    """The numbers of a call by an exact method."""
    if call.plan.method == "traced":
        return f"{call.lanes} lanes, a point in each" if call.plan.device is None else "a thread for each point"
    known = launch.outline(call, False).job.operation.known
    if call.gradient is not None:
        return f"dual numbers of {known[1]} derivatives"
    return f"hyper-dual numbers of {known[0]} x {known[1]} second derivatives"


def _step(chosen: Plan, derivative: int) -> str:
    if chosen.abs_step is not None:
        return f"abs_step: {chosen.abs_step}"
    steps = chosen.formula(derivative, False).steps
    return f"{steps[:2].max():.2g} max(1, |x_i|)" + (", widened by noise" if chosen.widens else "")


def _stencil(chosen: Plan, from_gradient: bool) -> str:
    sides = "central" if chosen.is_central else "forward" if chosen.method == "forward" else "one-sided near bounds"
    mixed = "the user's gradient" if from_gradient else "4-point" if chosen.four_point else "economical"
    return f"{sides}, {mixed}"


def _kind(function: UserFunction) -> str:
    if isinstance(function, Compiled):
        return "compiled with the helpers that it calls"
    return "a C function" if isinstance(function, Pointer) else "a vectorized Python function"


def _threads(function: UserFunction, count: int) -> str:
    if not isinstance(function, (Compiled, Pointer)):
        return "1: fun is called from the calling thread"
    if not may_run_parallel():
        return "1: this process was forked from one that had started threads"
    points = "1 point" if count == 1 else f"{count:,} points"
    return f"up to {get_threads()} for {points}: one where the call takes less than some 50 microseconds"


def _cache(function: UserFunction) -> str:
    if isinstance(function, Compiled) and not function.lasting:
        return "this process only: the function reads an object that has no lasting identity"
    return f"on disk, in {folder()}"


def _devices() -> str:
    """What there is to compute on."""
    if find_spec("numba_cuda") is None:
        return "cpu"
    from numba import cuda

    names = [f"cuda:{k}" for k in range(len(cuda.gpus))] if cuda.is_available() else []
    return ", ".join(["cpu", *names])


def show_versions() -> None:
    """Print versions of fastcurv and its dependencies, the CPU, devices, threads, and the cache folder.

    Examples
    --------
    >>> import fastcurv as fc
    >>> fc.show_versions()
    fastcurv ...
    """
    from . import __version__

    rows = [("fastcurv", __version__), ("python", sys.version.partition(" ")[0])]
    for package in (
        "numba",
        "llvmlite",
        "numpy",
        "scipy",
        "xarray",
        "zarr",
        "tqdm",
        "matplotlib",
        "numba-cuda",
    ):
        try:
            rows.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            rows.append((package, "not installed"))
    try:
        layer = numba.threading_layer()
    except ValueError:  # known once threads were started
        layer = "not started yet"
    rows += [
        ("platform", platform.platform()),
        ("cpu", f"{binding.get_host_cpu_name()}, {os.cpu_count()} cores"),
        ("devices", _devices()),
        ("threads", f"{get_threads()}, threading layer {layer}"),
        ("cache folder", str(folder())),
    ]
    print("\n".join(f"{name:14} {value}" for name, value in rows))
