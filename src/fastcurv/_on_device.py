"""Derivatives and spectra of arrays that live on a CUDA device, as arrays of the same kind there."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from . import _by_tracing as by_tracing
from ._by_device import checked_order, rows_of, slots_of
from ._call import Call, call
from ._errors import CompilationError, DeviceError
from ._plan import Options, device_of
from ._trust import SAMPLES
from .backends import _cuda_arrays as arrays
from .backends import _cuda_eigen as eigen
from .backends import cuda as backend
from .tracing import Wanted

IN_THIS_VERSION = "at points on a device in this version; pass NumPy arrays, with device='cuda'"


def of_array(
    fun: Any, x: Any, args: Any, point_args: Any, device: Any, options: Options, derivative: str, out: Any,
    v: Any = None, **others: Any,
) -> Any:  # fmt: skip
    """A derivative at points in the memory of a device, as an array of the same kind there.

    Nothing but some sample points of functions new to us crosses to the host.
    """
    ordinal = _where(x, device, "x")
    for name, value in {"point_args": point_args, **others}.items():
        if value is not None and value is not False and not (type(value) is tuple and not value):
            raise DeviceError(f"{name} is not served {IN_THIS_VERSION}")
    _check_together(x, v=v, out=out)
    if options.method not in ("auto", "exact", "traced"):
        raise DeviceError(f"method={options.method!r} is not served {IN_THIS_VERSION}")
    with backend.select(ordinal):  # streams are those of the present device
        return _of_array(fun, x, v, args, ordinal, options._replace(method="traced"), derivative, out)


def _of_array(fun: Any, x: Any, v: Any, args: Any, ordinal: int, options: Options, derivative: str, out: Any) -> Any:
    points = arrays.device_array(x, "x")
    shape = tuple(points.shape)
    if not shape or shape[-1] == 0:
        raise ValueError(f"x must have its coordinates along the last axis, got shape {shape}")
    batch, n = shape[:-1], shape[-1]
    flat = own = points.reshape(prod(batch), n)
    if v is not None:
        directions = arrays.device_array(v, "v")
        if tuple(directions.shape) != shape or directions.dtype != points.dtype:
            raise ValueError(f"v must have the shape and type of x on a device, {shape}, got {directions.shape}")
        own = directions.reshape(prod(batch), n)
    wanted, vector = _WANTED[derivative](n), derivative == "jacobian"
    known = call(fun, np.empty((0, n), flat.dtype), args, (), f"cuda:{ordinal}", vector=vector, options=options)
    known = known._replace(tells_ties=False)
    try:
        prepared = by_tracing.trusted(known, wanted, vector)
        if prepared is None and len(flat):
            known = _sampled(fun, flat, args, ordinal, vector, options)
            prepared = by_tracing.trusted(known, wanted, vector)
    except CompilationError as error:
        raise CompilationError(f"{error}\nFunctions that cannot be traced are not served {IN_THIS_VERSION}") from error
    if prepared is None:
        raise DeviceError(f"{known.function.name} was not tried yet, and there are no points to try it at")
    found = _shape(derivative, n, len(prepared.program.values))
    slots = np.array(prepared.program.values) if derivative == "value" else slots_of(prepared, prod(found))
    rows = rows_of(prepared, known.plan, n if v is not None else 0, slots, by_tracing.shared_numbers(known.points.args))
    shape = batch + found
    room = _checked(out, shape, points.dtype) if out is not None else arrays.empty_like(x, shape, points.dtype)
    rows.on_device(ordinal, flat, own, arrays.device_array(room, "out").reshape(-1))
    return room if out is not None else arrays.handed_over(room, x)


_WANTED = {
    "value": lambda n: Wanted(),
    "gradient": lambda n: Wanted(first=True),
    "jacobian": lambda n: Wanted(first=True),
    "hessian": lambda n: Wanted(second=True),
    "hvp": lambda n: Wanted(product=True, direction=n),
    "vhv": lambda n: Wanted(form=True, direction=n),
}


def _shape(derivative: str, n: int, m: int) -> tuple[int, ...]:
    return {"value": (), "gradient": (n,), "jacobian": (m, n), "hessian": (n, n), "hvp": (n,), "vhv": ()}[derivative]


def _sampled(fun: Any, flat: Any, args: Any, ordinal: int, vector: bool, options: Options) -> Call:
    """A call at some of the points, on the host."""
    rows = np.linspace(0, len(flat) - 1, min(SAMPLES, len(flat))).astype(int)
    some = np.stack([flat[int(row)].copy_to_host() for row in rows])
    return call(fun, some, args, (), f"cuda:{ordinal}", vector=vector, options=options)._replace(tells_ties=False)


def _checked(out: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """The user's own array for a result."""
    array = arrays.writable(out, "out")
    if tuple(array.shape) != shape or array.dtype != dtype:
        raise ValueError(f"out must have shape {shape} and dtype {dtype}, got {array.shape} and {array.dtype}")
    return out


def solve_array(a: Any, vectors: bool, device: Any) -> tuple[Any, Any]:
    """The same of matrices on a device, as arrays of the same kind there."""
    ordinal = _where(a, device, "a")
    with backend.select(ordinal):
        matrices = arrays.device_array(a, "a")
        shape = tuple(matrices.shape)
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ValueError(f"a must hold square matrices along its last two axes, got shape {shape}")
        n, batch = checked_order(shape, vectors), shape[:-2]
        w, z = (arrays.empty_like(a, room, matrices.dtype) for room in ((*batch, n), shape if vectors else (1,)))
        flat = arrays.device_array(w, "w").reshape(prod(batch), n), arrays.device_array(z, "z").reshape(-1)
        eigen.on_device(ordinal, matrices.reshape(prod(batch), n, n), *flat, vectors)
        return arrays.handed_over(w, a), arrays.handed_over(z, a)


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
        if array is not None and (other := arrays.ordinal_of(array)) != arrays.ordinal_of(x):
            raise ValueError(f"{name} must live on cuda:{arrays.ordinal_of(x)}, as x does, got cuda:{other}")
