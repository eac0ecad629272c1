"""Arrays that live on a CUDA device: the same calls, and arrays of the same kind there.

All is computed where the arrays are. Whatever the number of points, few numbers come to the host: options but levels of
noise, `args` that may steer a function, whether all numbers of an array are finite, and, of functions new to us, `args`
and some sample points. There also goes, and comes back, what we do not tell on a device: what is wrong with arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from . import _resident as resident
from ._by_device import checked_order
from ._curvature import Curvature, checked_extras, checked_tolerance
from ._errors import LengthError
from ._inputs import broadcast_directions, lives_on_device, number_array, real_array
from ._model import QuadraticModel
from ._plan import Options, device_of, noise_at
from ._resident import Given
from ._there_and_back import Home, Resident, ResidentModel, leaves
from ._trust import SAMPLES
from .backends import _cuda_arrays as arrays
from .backends import _cuda_eigen as eigen
from .backends import _cuda_results as results
from .backends import cuda as backend
from .backends._cuda_resident import ResidentLauncher

USUAL = Options()
#: what launches jobs over points on the present device
JOBS = ResidentLauncher(0)
DIRECTED = ("hvp", "vhv")


def of_array(
    compute: Callable, fun: Any, x: Any, args: Any, point_args: Any, device: Any, options: Options, out: Any = None,
    v: Any = None, **others: Any,
) -> Any:  # fmt: skip
    """What a function of this package computes at points in the memory of a device.

    `others` are the keywords that it has besides.
    """
    ordinal, name = _where(x, device, "x"), compute.__name__
    own = {f"point_args[{k}]": a for k, a in enumerate(point_args)} if isinstance(point_args, tuple) else {}
    _check_together(x, v=v, out=out, **own)
    with backend.select(ordinal), backend.driver_errors():  # streams are those of the present device
        home = Home(ordinal, x)
        shared = {f"args[{k}]": a for k, a in enumerate(args)} if isinstance(args, tuple) else {}
        if out is not None:
            _check_apart(out, x=x, v=v, **own, **shared)
        fetched = {name: home.fetched(value, name) for name, value in options._asdict().items() if name != "noise"}
        options = options._replace(**fetched)
        asked = {name: value for name, value in options._asdict().items() if value is not getattr(USUAL, name)}
        others = {name: home.fetched(value, name) for name, value in others.items()}
        asked |= {name: value for name, value in others.items() if not any(value is no for no in (None, False, ()))}
        args = home.arguments(args) if isinstance(args, tuple) else args
        is_there = v is not None or name not in DIRECTED
        given = _given(name, fun, x, args, point_args, options, home, v, asked.get("grad")) if is_there else None
        if given is not None and "sparse" not in asked:
            found = _there(compute, given, asked, out)
            if found is not None:
                return found
        host = [home.fetched(x, "x"), *([home.fetched(v, "v")] if name in DIRECTED else []), home.fetched(args)]
        more = {"point_args": point_args} | ({"noise": options.noise} if "noise" in asked else {})
        asked |= {name: home.fetched(value, name) for name, value in more.items()} | {"device": f"cuda:{ordinal}"}
        if "sparse" in asked:  # on the host, as SciPy's are
            return compute(fun, *host, out=out, **asked)
        return _back(compute(fun, *host, **asked), home, out)


def _given(
    name: str, fun: Any, x: Any, args: tuple, point_args: Any, options: Options, home: Home, v: Any, grad: Any
) -> Given | None:
    """What is computed where points are; None where the host has to tell what is wrong."""
    points = arrays.device_array(x, "x")
    *batch, n = points.shape or (0,)
    if n == 0 or not isinstance(point_args, tuple):
        return None
    directions, by_point = None, ()
    if name in DIRECTED:
        found = _directions(points, v)
        if found is None:
            return None
        points, directions, by_point = found
        *batch, _ = points.shape
    count, own = prod(batch), []
    for k, of_points in enumerate(point_args):
        found = of_points if lives_on_device(of_points) else number_array(of_points, f"point_args[{k}]")
        array = arrays.any_array(found, f"point_args[{k}]")
        if array.shape[: len(batch)] != tuple(batch) or array.dtype.kind not in "biuf":
            return None
        if 0 in array.shape:  # of nothing slices are odd there
            return None
        array = results.broadcast(array, tuple(array.shape)) if array.dtype == np.float16 else array
        own.append(array.reshape(count, *array.shape[len(batch) :]))
    levels = _levels(options.noise, tuple(batch), home)
    options = options if levels is None else options._replace(noise=0.0)
    return Given(
        name, fun, grad, args, options, home, tuple(batch), points.reshape(count, n), tuple(own), levels, directions,
        by_point,
    )  # fmt: skip


def _directions(points: Any, v: Any) -> tuple[Any, Any, tuple[int, ...]] | None:
    """Points over their common batch with directions, directions, (N k, n), and (k,) where there may be several at each
    point; None where the host has to tell what is wrong.
    """
    given = arrays.any_array(v, "v") if lives_on_device(v) else real_array(v, "v")
    batch, shape, by_point = broadcast_directions(tuple(points.shape), tuple(given.shape))
    if 0 in shape or given.dtype.kind not in "biuf":
        return None
    dtype = np.promote_types(points.dtype, np.float32 if given.dtype == np.float32 else np.float64)

    def over(array: Any, shape: tuple[int, ...]) -> Any:
        is_so = tuple(array.shape) == shape and array.dtype == dtype
        return array if is_so else results.broadcast(array, shape, dtype)

    directions = over(arrays.any_array(given, "v"), shape)
    return over(points, (*batch, shape[-1])), directions.reshape(prod(shape[:-1]), shape[-1]), by_point


def _levels(noise: Any, batch: tuple[int, ...], home: Home) -> Any:
    """The absolute level of noise of each point, there; None where all have the same."""
    is_there = lives_on_device(noise)
    if not is_there and np.ndim(noise) == 0:
        return None
    if is_there and arrays.ordinal_of(noise) == home.ordinal:
        array = arrays.any_array(noise, "noise")
        if array.dtype.kind in "biuf" and _is_within(tuple(array.shape), batch):
            levels = results.flat(results.broadcast(array, batch))
            if not results.has_no_level(levels):
                return levels
    return arrays.any_array(noise_at(home.fetched(noise, "noise"), batch), "noise")  # which tells what is wrong


def _is_within(shape: tuple[int, ...], batch: tuple[int, ...]) -> bool:
    """Whether an array of a shape broadcasts to that of a batch."""
    try:
        return np.broadcast_shapes(shape, batch) == batch
    except ValueError:
        return False


def _there(compute: Callable, given: Given, asked: dict[str, Any], out: Any) -> Any:
    """Results, or None where no method is known by which they are computed where the points are."""
    errors = asked.get("return_error", False)
    derivative = "quadratic_model" if given.name == "hessian" and errors else given.name  # in one pass, as there
    by = resident.served(given, derivative)
    if isinstance(by, resident.Unknown):
        rows = np.linspace(0, len(given.points) - 1, min(SAMPLES, len(given.points))).astype(int)
        if not len(rows):
            return None
        x, own, v = given.on_host(rows)
        more = asked | given.levels_of(rows)
        try:
            args = given.home.fetched(given.args)
            compute(given.fun, x, *v, args, point_args=own, device=f"cuda:{given.home.ordinal}", **more)
        except ValueError:  # which others of the points may not cause, or do: the host tells
            return None
        by = resident.served(given, derivative)
    if not isinstance(by, resident.Served):
        return None
    if given.name == "quadratic_model":
        return resident.modelled(given, by)
    if given.name == "curvature":
        tolerance = checked_tolerance(asked.get("critical_tol"), given.points.dtype)
        return resident.curved(given, by, tolerance, checked_extras(asked.get("extra", ())))
    try:
        return resident.computed(given, by, out, errors)
    except LengthError:  # of a function whose arguments decide on the number of its values
        return None


def _back(found: Any, home: Home, out: Any) -> Any:
    """Results of the host as arrays there, or objects with such; in `out` where there is one."""
    if isinstance(found, Curvature):
        return Resident(home, Curvature, lambda: found)
    if isinstance(found, QuadraticModel):
        return ResidentModel(home, QuadraticModel, lambda: found)
    if out is None:
        return home.placed(found)
    result, *error = found if isinstance(found, tuple) else (found,)
    _, room = home.results(result.shape, result.dtype, out)
    room.copy_to_device(np.ascontiguousarray(result))
    out = home.handed_over(None, out)
    return (out, *map(home.placed, error)) if error else out


def as_host(x: Any, args: Any, options: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """Points on a device, arguments and options as NumPy arrays, for what is told on the host."""
    ordinal = _where(x, options.get("device", "auto"), "x")
    home = Home(ordinal, x)
    options = {name: home.fetched(value, name) for name, value in options.items()} | {"device": f"cuda:{ordinal}"}
    return home.fetched(x, "x"), home.fetched(args), options


def solve_array(a: Any, vectors: bool, device: Any) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors of matrices on a device, as arrays of the same kind there."""
    ordinal = _where(a, device, "a")
    with backend.select(ordinal), backend.driver_errors():
        matrices, home = arrays.device_array(a, "a"), Home(ordinal, a)
        shape = tuple(matrices.shape)
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ValueError(f"a must hold square matrices along its last two axes, got shape {shape}")
        n, batch = checked_order(shape, vectors), shape[:-2]
        made = [home.results(room, matrices.dtype) for room in ((*batch, n), shape if vectors else (1,))]
        w, z = (room for _, room in made)
        flat = w.reshape(prod(batch), n), z.reshape(prod(z.shape))
        eigen.on_device(ordinal, matrices.reshape(prod(batch), n, n), *flat, vectors)
        values, rows = (home.handed_over(array) for array, _ in made)
        return values, rows


def extremes(w: Any, device: Any) -> Any:
    """The smallest and the largest of eigenvalues in ascending order."""
    ordinal = _where(w, device, "w")
    with backend.select(ordinal), backend.driver_errors():
        values, home = arrays.device_array(w, "w"), Home(ordinal, w)
        *batch, n = values.shape
        made, room = home.results((*batch, 2), values.dtype)
        values, room = values.reshape(prod(batch), n), room.reshape(prod(batch), 2)
        results.copy_columns(values, 0, room, 0, 1)
        results.copy_columns(values, n - 1, room, 1, 1)
        return home.handed_over(made)


def _where(a: Any, device: Any, name: str) -> int:
    """The number of the device that an array lives on."""
    ordinal = arrays.ordinal_of(a) if device in ("auto", "cuda") else device_of(device)
    if ordinal is None:
        raise TypeError(f"{name} lives on a GPU; use device='auto', or pass a NumPy array")
    backend.select(ordinal)
    if ordinal != arrays.ordinal_of(a):
        raise ValueError(f"{name} lives on cuda:{arrays.ordinal_of(a)}, got device={device!r}")
    return ordinal


def _check_together(x: Any, **others: Any) -> None:
    """Whether arrays live on the device of x: what is read from another one ends the process's work on both."""
    for name, array in others.items():
        if array is None or not lives_on_device(array):
            continue
        if (other := arrays.ordinal_of(array)) != arrays.ordinal_of(x):
            raise ValueError(f"{name} must live on cuda:{arrays.ordinal_of(x)}, as x does, got cuda:{other}")


def _check_apart(out: Any, **inputs: Any) -> None:
    """Whether results can be written while inputs are read."""
    first, last = arrays.span_of(arrays.writable(out, "out"))
    for name, given in inputs.items():
        for array in filter(lives_on_device, leaves((given,))):
            begin, end = arrays.span_of(arrays.any_array(array, name))
            if begin < last and first < end:
                raise ValueError(
                    f"out must not share memory with {name}, which is read while out is written; give another array"
                )
