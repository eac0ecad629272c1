"""Arrays that live on a CUDA device: the same calls, and arrays of the same kind there.

Values, derivatives, `curvature` and spectra are computed where the arrays are: but for `args`, and some sample points
of functions new to us, nothing crosses to the host. What the host puts together, as errors of differences, goes there
and comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from . import _resident as resident
from ._by_device import checked_order
from ._curvature import Curvature, checked_extras, checked_tolerance
from ._derivatives import gradient, hessian, value
from ._errors import LengthError
from ._inputs import lives_on_device, number_array
from ._model import QuadraticModel
from ._plan import Options, device_of
from ._resident import Given
from ._rounding import rounding_of
from ._there_and_back import Home, Resident, ResidentModel
from ._trust import SAMPLES
from .backends import _cuda_arrays as arrays
from .backends import _cuda_eigen as eigen
from .backends import cuda as backend
from .backends._cuda_resident import copy_columns

USUAL = Options()
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
        if out is not None:
            _check_apart(out, x=x, v=v, **own)
        options = Options(*(home.fetched(value, name) for name, value in options._asdict().items()))
        asked = {name: value for name, value in options._asdict().items() if value is not getattr(USUAL, name)}
        others = {name: home.fetched(value, name) for name, value in others.items()}
        asked |= {name: value for name, value in others.items() if not any(value is no for no in (None, False, ()))}
        args = home.fetched(args)
        given = _given(name, fun, x, args, point_args, options, home, v, asked.keys())
        if given is not None:
            found = _there(compute, given, asked, out)
            if found is not None:
                return found
        host = [home.fetched(x, "x"), *([home.fetched(v, "v")] if name in DIRECTED else [])]
        asked |= {"point_args": home.fetched(point_args, "point_args"), "device": f"cuda:{ordinal}"}
        if "sparse" in asked:  # on the host, as SciPy's are
            return compute(fun, *host, args, out=out, **asked)
        return _back(compute(fun, *host, args, **asked), home, out)


def _given(
    name: str, fun: Any, x: Any, args: tuple, point_args: Any, options: Options, home: Home, v: Any, asked: Any
) -> Given | None:
    """What is computed where points are; None where the host has to help, or to tell what is wrong."""
    points = arrays.device_array(x, "x")
    *batch, n = points.shape or (0,)
    unserved = {"noise", "grad", "sparse"} | ({"bounds"} if name in DIRECTED else set())
    unserved |= {"return_error"} if name == "vhv" else set()
    unserved |= asked - {"method"} if name == "quadratic_model" else set()
    if unserved & asked or n == 0 or not isinstance(point_args, tuple):
        return None
    count, own = prod(batch), []
    for k, of_points in enumerate(point_args):
        found = of_points if lives_on_device(of_points) else number_array(of_points, f"point_args[{k}]")
        array = arrays.any_array(found, f"point_args[{k}]")
        if array.shape[: len(batch)] != tuple(batch) or array.dtype.kind not in "iuf":
            return None
        if array.dtype == np.float16:  # which functions are given as float64
            return None
        own.append(array.reshape(count, *array.shape[len(batch) :]))
    directions = ()
    if name in DIRECTED:
        if v is None or not lives_on_device(v):
            return None
        array = arrays.any_array(v, "v")
        if array.shape != points.shape or array.dtype != points.dtype:
            return None
        directions = (array.reshape(count, n),)
    return Given(name, fun, args, options, home, tuple(batch), points.reshape(count, n), tuple(own), directions)


def _there(compute: Callable, given: Given, asked: dict[str, Any], out: Any) -> Any:
    """Results, or None where no method is known by which they are computed where the points are."""
    if given.name == "quadratic_model":
        return _model(given, asked)
    by = resident.served(given)
    if isinstance(by, resident.Unknown):
        rows = np.linspace(0, len(given.points) - 1, min(SAMPLES, len(given.points))).astype(int)
        if not len(rows):
            return None
        x, own, v = given.on_host(rows)
        try:
            compute(given.fun, x, *v, given.args, point_args=own, device=f"cuda:{given.home.ordinal}", **asked)
        except ValueError:  # which others of the points may not cause, or do: the host tells
            return None
        by = resident.served(given)
    if not isinstance(by, resident.Served):
        return None
    if given.name == "curvature":
        tolerance = checked_tolerance(asked.get("critical_tol"), given.points.dtype)
        return resident.curved(given, by, tolerance, checked_extras(asked.get("extra", ())))
    errors = asked.get("return_error", False)
    if errors and not by.call.plan.is_exact:
        return None
    try:
        return resident.computed(given, by, out, errors)
    except LengthError:  # of a function whose arguments decide on the number of its values
        return None


def _model(given: Given, asked: dict[str, Any]) -> ResidentModel | None:
    """A model by exact derivatives, computed where the points are; None where they are not.

    Its methods, on the host, are those of a model with these fields.
    """
    if given.points.dtype != np.float64:  # whose results may be too large for each other's type
        return None
    (count, n), home, parts = given.points.shape, given.home, {}
    for part in (value, gradient, hessian):
        options = {} if part is value else asked
        parts[part.__name__] = found = _there(part, given._replace(name=part.__name__), options, None)
        if found is None:
            return None
    by = resident.served(given._replace(name="hessian"))
    if not (isinstance(by, resident.Served) and by.call.plan.is_exact):
        return None
    made, room = home.results((*given.batch, n), given.points.dtype)
    copy_columns(given.points, 0, room.reshape(count, n))
    parts["point"] = home.handed_over(made)

    def on_host() -> QuadraticModel:
        fields = {name: home.fetched(part) for name, part in parts.items()}
        largest = np.abs(fields["hessian"]).max(axis=(-2, -1), initial=0.0)  # of a matrix of n^2 errors, all the same
        return QuadraticModel(**fields, hessian_error=n * rounding_of(given.points.dtype) * largest)

    return ResidentModel(home, QuadraticModel, on_host, **parts)


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
        copy_columns(values, 0, room, 0, 1)
        copy_columns(values, n - 1, room, 1, 1)
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
    for name, array in inputs.items():
        if array is None or not lives_on_device(array):
            continue
        begin, end = arrays.span_of(arrays.any_array(array, name))
        if begin < last and first < end:
            raise ValueError(
                f"out must not share memory with {name}, which is read while out is written; give another array"
            )
