"""Derivatives on a CUDA device: the programs of traced functions at points on the host, or where these live."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from . import _by_tracing as by_tracing
from ._by_tracing import SAMPLES
from ._call import LANES, NO_STATUS, Call, Second, call
from ._errors import DeviceError
from ._plan import Options, Plan, device_of
from ._rounding import estimate_all, rounding_of
from ._versions import Prepared
from .backends import _cuda_arrays as arrays
from .backends import _cuda_eigen as eigen
from .backends import cuda as backend
from .backends._cuda_curvature import CurvatureKernels, Given
from .differences._outcome import NOT_FINITE, OK, OUTSIDE
from .tracing import Program, Wanted


def require(ordinal: int) -> None:
    """Make sure that there is such a device."""
    backend.select(ordinal)


def _slots(prepared: Prepared, size: int) -> np.ndarray:
    """The slots of a matrix of so many entries, row by row."""
    if prepared.shape is not None:
        return np.arange(size)
    found = np.full(size, prepared.program.slots - 1)
    found[prepared.positions if len(prepared.positions) else slice(None)] = prepared.entries // LANES
    return found


def _kernels_of(program: Program) -> backend.Kernels:
    if "cuda" not in program.made:
        program.made["cuda"] = backend.Kernels(program)
    return program.made["cuda"]


def _rows(prepared: Prepared, plan: Plan, extra: int, slots: np.ndarray, shared: np.ndarray) -> backend.Rows:
    program = prepared.program
    _check_local(plan.n + extra, program)
    entries = tuple(map(int, slots)) if len(slots) <= backend.MOST_TOGETHER else ()
    shape = backend.Shape(plan.n, extra, program.slots, len(slots), plan.bounds.any, entries)
    return backend.Rows(_kernels_of(program), shape, slots, shared, np.array(plan.bounds.rows))


def _check_local(inputs: int, program: Program) -> None:
    if (local := 8 * (inputs + program.slots)) > backend.MOST_LOCAL:
        raise DeviceError(
            f"{local:,} bytes of results at a point are more than the {backend.MOST_LOCAL:,} that a thread of a device "
            f"is given in this version; use device='cpu'"
        )


def matrices(plan: Plan, prepared: Prepared, work: by_tracing.Work, out: np.ndarray, status: np.ndarray) -> None:
    """One matrix of results for each point on the host; and its status, where there is room."""
    _run(plan, prepared, work, _slots(prepared, prod(out.shape[1:])), out, status)


def values(plan: Plan, prepared: Prepared, work: by_tracing.Work, out: np.ndarray) -> None:
    """The values of a function at points on the host."""
    _run(plan, prepared, work, np.array(prepared.program.values), out, NO_STATUS)


def _run(
    plan: Plan, prepared: Prepared, work: by_tracing.Work, slots: np.ndarray, out: np.ndarray, status: np.ndarray
) -> None:
    assert plan.device is not None
    rows = _rows(prepared, plan, work.own.shape[1], slots, work.shared)
    rows.from_host(plan.device, work.points, work.own, out.reshape(len(work.points), len(slots)))
    if status.size:
        (low, high), x = plan.bounds.rows, work.points
        found = np.isfinite(out.reshape(len(out), -1)).all(axis=1)
        status[...] = np.where(found, OK, NOT_FINITE)
        if plan.bounds.any:
            status[~((low <= x) & (x <= high) | (low == -np.inf) & (high == np.inf)).all(axis=1)] = OUTSIDE


def second_order(plan: Plan, prepared: Prepared, work: by_tracing.Work, found: Second) -> Second:
    """Values, gradients, Hessians and their errors."""
    count, n = work.points.shape
    slots = np.concatenate([prepared.program.values, prepared.slopes // LANES, _slots(prepared, n * n)])
    rows = np.empty((count, len(slots)))
    _run(plan, prepared, work, slots, rows, found.status)
    found.value[...], found.gradient[...] = rows[:, 0], rows[:, 1 : 1 + n]
    found.hessian[...] = rows[:, 1 + n :].reshape(count, n, n)
    errors = estimate_all(work.points, found.gradient, found.hessian)
    found.gradient_error[...], found.hessian_error[...] = errors
    return found


def curvature(call: Call, tolerance: float) -> np.ndarray:
    """Rows of what curvature reads of each point: see `_cuda_curvature`."""
    plan = call.plan
    assert plan.device is not None
    if plan.n > eigen.MOST_ROWS[False]:
        raise DeviceError(
            f"curvature of {plan.n} coordinates is not computed on a device in this version, of up to "
            f"{eigen.MOST_ROWS[False]} is; use device='cpu'"
        )
    prepared, work = by_tracing.in_lanes(call)
    program = prepared.program
    _check_local(plan.n + work.own.shape[1], program)
    if "cuda curvature" not in program.made:
        slopes, lower = (tuple(map(int, starts // LANES)) for starts in (prepared.slopes, prepared.lower))
        program.made["cuda curvature"] = CurvatureKernels(program, _kernels_of(program), (slopes, lower))
    bounds = np.array(plan.bounds.rows) if plan.bounds.any else None
    given = Given(plan.n, work.own.shape[1], work.shared, bounds, rounding_of(call.x.dtype), tolerance)
    return program.made["cuda curvature"].from_host(plan.device, work.points, work.own, given)


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
            raise DeviceError(f"{name} is not served at points on a device in this version; pass NumPy arrays")
    _check_together(x, v=v, out=out)
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
    options = options._replace(method="traced" if options.method in ("auto", "exact") else options.method)
    wanted, vector = _WANTED[derivative](n), derivative == "jacobian"
    known = call(fun, np.empty((0, n), flat.dtype), args, (), f"cuda:{ordinal}", vector=vector, options=options)
    prepared = by_tracing.trusted(known, wanted, vector)
    if prepared is None and len(flat):
        known = _sampled(fun, flat, args, ordinal, vector, options)
        prepared = by_tracing.trusted(known, wanted, vector)
    if prepared is None:
        raise DeviceError(f"{known.function.name} was not tried yet, and there are no points to try it at")
    found = _shape(derivative, n, known.length)
    slots = np.array(prepared.program.values) if derivative == "value" else _slots(prepared, prod(found))
    rows = _rows(prepared, known.plan, n if v is not None else 0, slots, by_tracing.shared_numbers(known.points.args))
    shape = batch + found
    with backend.select(ordinal):
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


def _shape(derivative: str, n: int, m: int | None) -> tuple[int, ...]:
    return {"value": (), "gradient": (n,), "jacobian": (m or 0, n), "hessian": (n, n), "hvp": (n,), "vhv": ()}[
        derivative
    ]


def _sampled(fun: Any, flat: Any, args: Any, ordinal: int, vector: bool, options: Options) -> Call:
    """A call at some of the points, on the host."""
    rows = np.linspace(0, len(flat) - 1, min(SAMPLES, len(flat))).astype(int)
    some = np.stack([flat[int(row)].copy_to_host() for row in rows])
    return call(fun, some, args, (), f"cuda:{ordinal}", vector=vector, options=options)


def _checked(out: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """The user's own array for a result."""
    array = arrays.writable(out, "out")
    if tuple(array.shape) != shape or array.dtype != dtype:
        raise ValueError(f"out must have shape {shape} and dtype {dtype}, got {array.shape} and {array.dtype}")
    return out


def solve(ordinal: int, matrices: np.ndarray, vectors: bool) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors (of none, unless they are wanted) of matrices B + (n, n) on the host."""
    require(ordinal)
    n, batch = _checked_order(matrices.shape, vectors), matrices.shape[:-2]
    flat = matrices.reshape(prod(batch), n, n)
    w = np.empty(flat.shape[:2], flat.dtype)
    z = np.empty(flat.shape if vectors else (0,), flat.dtype)
    eigen.from_host(ordinal, flat, w, z, vectors)
    return w.reshape(*batch, n), z.reshape(matrices.shape if vectors else (0,))


def solve_array(a: Any, vectors: bool, device: Any) -> tuple[Any, Any]:
    """The same of matrices on a device, as arrays of the same kind there."""
    ordinal = _where(a, device, "a")
    matrices = arrays.device_array(a, "a")
    shape = tuple(matrices.shape)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"a must hold square matrices along its last two axes, got shape {shape}")
    n, batch = _checked_order(shape, vectors), shape[:-2]
    with backend.select(ordinal):
        w, z = (arrays.empty_like(a, room, matrices.dtype) for room in ((*batch, n), shape if vectors else (1,)))
        flat = arrays.device_array(w, "w").reshape(prod(batch), n), arrays.device_array(z, "z").reshape(-1)
        eigen.on_device(ordinal, matrices.reshape(prod(batch), n, n), *flat, vectors)
        return arrays.handed_over(w, a), arrays.handed_over(z, a)


def _where(a: Any, device: Any, name: str) -> int:
    """The number of the device that an array lives on."""
    ordinal = arrays.ordinal_of(a) if device in ("auto", "cuda") else device_of(device)
    if ordinal is None:
        raise TypeError(f"{name} lives on a GPU; use device='auto', or pass a NumPy array")
    require(ordinal)
    if ordinal != arrays.ordinal_of(a):
        raise ValueError(f"{name} lives on cuda:{arrays.ordinal_of(a)}, got device={device!r}")
    return ordinal


def _check_together(x: Any, **others: Any) -> None:
    """Whether arrays live on the device of x: what is read from another one ends the process's work on both."""
    for name, array in others.items():
        if array is not None and (other := arrays.ordinal_of(array)) != arrays.ordinal_of(x):
            raise ValueError(f"{name} must live on cuda:{arrays.ordinal_of(x)}, as x does, got cuda:{other}")


def _checked_order(shape: tuple[int, ...], vectors: bool) -> int:
    n, most = shape[-1], eigen.MOST_ROWS[vectors]
    if n > most:
        raise DeviceError(
            f"a: matrices of {n} rows are not solved on a device in this version, of up to {most} are; use device='cpu'"
        )
    return n
