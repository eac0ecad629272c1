"""Derivatives and spectra on CUDA devices: of points there, or of points and matrices on the host."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _by_differences as by_differences
from . import _by_numbers as by_numbers
from . import _by_tracing as by_tracing
from . import _launch as launch
from ._call import LANES, NO_READER, NO_STATUS, Call, Second, where
from ._errors import CompilationError
from ._plan import Plan, check_local
from ._rounding import rounding_of
from ._versions import Prepared
from .backends import _cuda_eigen as eigen
from .backends import _cuda_results as results
from .backends import _cusolver as cusolver
from .backends import cuda as backend
from .backends._cuda_curvature import CurvatureKernels, Reading, rows_from
from .backends._cuda_fused import rows_at_once
from .backends._cuda_groups import precision_of
from .backends._cuda_jobs import Launcher, rebuilt
from .backends._cuda_read_outs import width_of_rows
from .backends._cuda_transfers import in_parts
from .backends._kernels import Role
from .backends.cpu import Points
from .differences._outcome import NOT_FINITE, OK, OUTSIDE
from .tracing import Program

#: bytes of Hessians and their errors, on a device, that points are read from at once
MATRIX_BYTES = 2**28


def require(ordinal: int) -> None:
    """Make sure that there is such a device."""
    backend.select(ordinal)


def jobs(device: int) -> Launcher:
    """What launches jobs on a device."""
    return Launcher(device)


def slots_of(prepared: Prepared, size: int) -> np.ndarray:
    """The slots of a matrix of so many entries, row by row."""
    if prepared.shape is not None:
        return np.arange(size)
    found = np.full(size, prepared.program.slots - 1)
    starts = np.maximum(prepared.entries, ~prepared.entries)  # without marks
    found[prepared.positions if len(prepared.positions) else slice(None)] = starts // LANES
    return found


def _kernels_of(program: Program) -> backend.Kernels:
    if "cuda" not in program.made:
        program.made["cuda"] = backend.Kernels(program)
    return program.made["cuda"]


def rows_of(
    prepared: Prepared, plan: Plan, extra: int, slots: np.ndarray, shared: np.ndarray, dtype: np.dtype,
    values: int = 0,
) -> backend.Rows:  # fmt: skip
    """What computes rows of results in a type, of those slots, by a program: the first `values` are the function's."""
    program = prepared.program
    check_local(plan.n + extra + program.slots)
    entries = tuple(map(int, slots)) if len(slots) <= backend.MOST_TOGETHER else ()
    known = plan.n, extra, program.slots, len(slots), plan.bounds.any, entries
    shape = backend.Shape(*known, single=dtype == np.float32, values=values)
    if shape.single and not isinstance(shared, np.ndarray):
        shared = results.broadcast(shared, shared.shape, dtype)
    return backend.Rows(_kernels_of(program), shape, slots, shared, np.array(plan.bounds.rows))


def matrices(plan: Plan, prepared: Prepared, work: by_tracing.Work, out: np.ndarray, status: np.ndarray) -> None:
    """One matrix of results for each point; and, of points on the host, its status, where there is room."""
    _run(plan, prepared, work, slots_of(prepared, math.prod(out.shape[1:])), out, status)


def values(plan: Plan, prepared: Prepared, work: by_tracing.Work, out: np.ndarray) -> None:
    """The values of a function."""
    _run(plan, prepared, work, np.array(prepared.program.values), out, NO_STATUS, len(prepared.program.values))


def _run(
    plan: Plan, prepared: Prepared, work: by_tracing.Work, slots: np.ndarray, out: np.ndarray, status: np.ndarray,
    values: int = 0,
) -> None:  # fmt: skip
    assert plan.device is not None
    dtype = plan.arithmetic(work.points.dtype)
    rows = rows_of(prepared, plan, work.own.shape[1], slots, work.shared, dtype, values)
    if not isinstance(work.points, np.ndarray):
        rows.on_device(plan.device, work.points, work.own, out.reshape(math.prod(out.shape)))
        return
    rows.from_host(plan.device, work.points, work.own, out.reshape(len(work.points), len(slots)))
    if status.size:
        (low, high), x = plan.bounds.rows, work.points
        found = np.isfinite(out.reshape(len(out), -1)).all(axis=1)
        status[...] = np.where(found, OK, NOT_FINITE)
        if plan.bounds.any:
            status[~((low <= x) & (x <= high) | (low == -np.inf) & (high == np.inf)).all(axis=1)] = OUTSIDE


def second_order(plan: Plan, prepared: Prepared, work: by_tracing.Work, found: Second) -> Second:
    """Values, gradients, Hessians and their errors."""
    (count, n), dtype = work.points.shape, plan.arithmetic(work.points.dtype)
    slots = np.concatenate([prepared.program.values, prepared.slopes // LANES, slots_of(prepared, n * n)])
    here = where(work.points)
    rows = here.room((count, len(slots)), dtype)
    _run(plan, prepared, work, slots, rows, found.status, values=1)
    here.part(rows, found.value, found.gradient, found.hessian)
    errors = found.gradient_error, found.hessian_error
    here.estimate_all(work.points, found.gradient, found.hessian, *errors, plan.arithmetic(dtype))
    return found


def takes_spectra(n: int, vectors: bool = False) -> bool:
    """Whether eigenvalues of matrices of order n, or eigenvectors too, are computed on a device."""
    return n <= eigen.IN_SHARED_MEMORY[vectors] or cusolver.is_there()


def curvature(call: Call, tolerance: float) -> np.ndarray:
    """Rows of what curvature reads of each point: see `_cuda_read_outs`."""
    plan = call.plan
    assert plan.device is not None
    prepared, work = by_tracing.in_lanes(call)
    given = reading_of(prepared, plan, work.own.shape[1], work.shared, call.x.dtype, tolerance)
    return curvature_kernels(prepared).from_host(plan.device, work.points, work.own, given)


def curvature_by_jobs(call: Call, tolerance: float) -> np.ndarray | None:
    """The same of functions that are not traced; None where each point has its own level of noise."""
    (x, args, own), plan, count = call.points, call.plan, len(call.x)
    assert plan.device is not None
    if len(plan.noise) > 1:
        return None
    n, shapes = plan.n, [array.shape[1:] for array in own]
    rows = np.empty((count, width_of_rows(n)), plan.arithmetic(x.dtype))

    def prepare(ordinal: int) -> Callable[..., None]:
        there = call._replace(plan=plan.on_device(ordinal))

        def run(stream: Any, size: int, points: Any, *arrays: Any) -> None:
            *given, target = arrays
            own_there = tuple(rebuilt(array, (size, *shape)) for array, shape in zip(given, shapes, strict=True))
            stream.synchronize()  # jobs over points that are there are not of a stream
            points = Points(points.reshape(size, n), args, own_there)
            results.assign(target, read_there(there._replace(points=points, batch=(size,)), tolerance))
            backend.cuda.synchronize()

        return run

    step = max(1, MATRIX_BYTES // (16 * n * n))
    in_parts(backend.ordinals(plan.device), step, (x, *own), (rows,), prepare)
    return rows


def read_there(call: Call, tolerance: float, hessians: Any = None) -> Any:
    """Rows of what curvature reads of points on the present device, by jobs; Hessians are kept where they have room."""
    if hessians is None and (rows := _at_once(call, tolerance)) is not None:
        return rows
    found = launch.second_order(call, errors=True, out=hessians)
    H = found.hessian
    errors, most = (found.gradient_error, found.hessian_error), _most(call.x.dtype, H.dtype)
    assert call.plan.device is not None
    return rows_from(call.plan.device, call.x, found.value, found.status, found.gradient, H, errors, tolerance, most)


def _at_once(call: Call, tolerance: float) -> Any:
    """The same by one kernel; None where it is not taken: of few coordinates it is, but with the user's gradient."""
    call = launch.by_known_method(call, "hessian")
    if call.plan.method == "traced" or call.gradient is not None:
        return None
    plan, (_, n), dtype = call.plan, call.shape, call.x.dtype
    arithmetic = plan.arithmetic(dtype)
    number, vector, matrix = (np.zeros((1, *shape), arithmetic) for shape in ((), (n,), (n, n)))
    room = Second(number, vector, vector, matrix, matrix, number, is_read=False)
    if plan.is_exact:
        job = by_numbers.outline(plan, call.function, None, True).job
        data = by_numbers.second_data(plan, dtype, False, NO_READER, room)
    else:
        job, formula, *_ = by_differences.outline(plan, call.function, None, 1, True)
        scale = by_differences.widening(call, plan, 2, Role(call.function, "row"))
        data = by_differences.second_data(plan, formula, scale, False, NO_READER, room)
    try:
        return rows_at_once(job, call.points, data, tolerance, _most(dtype, arithmetic))
    except CompilationError:  # which the same block tells in stages, where it falls away
        return None


def _most(dtype: np.dtype, arithmetic: np.dtype) -> float:
    """From here on numbers that are computed in one type are infinite in another."""
    return math.inf if dtype == arithmetic else backend.TOO_LARGE


def curvature_kernels(prepared: Prepared) -> CurvatureKernels:
    """What computes rows of what curvature reads, by a program."""
    program = prepared.program
    if "cuda curvature" not in program.made:
        slopes, lower = (tuple(map(int, starts // LANES)) for starts in (prepared.slopes, prepared.lower))
        program.made["cuda curvature"] = CurvatureKernels(program, _kernels_of(program), (slopes, lower))
    return program.made["cuda curvature"]


def reading_of(
    prepared: Prepared, plan: Plan, extra: int, shared: np.ndarray, dtype: np.dtype, tolerance: float
) -> Reading:
    """What points of a type have in common, with so many numbers of each point's own."""
    check_local(plan.n + extra + prepared.program.slots)
    bounds, arithmetic = np.array(plan.bounds.rows) if plan.bounds.any else None, plan.arithmetic(dtype)
    limits = rounding_of(dtype, arithmetic), tolerance, _most(dtype, arithmetic)
    return Reading(plan.n, extra, shared, bounds, *limits, precision_of(arithmetic))


def solve(ordinal: int, matrices: np.ndarray, vectors: bool) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors (of none, unless they are wanted) of matrices B + (n, n) on the host."""
    require(ordinal)
    n, batch = checked_order(matrices.shape, vectors), matrices.shape[:-2]
    flat = matrices.reshape(math.prod(batch), n, n)
    w = np.empty(flat.shape[:2], flat.dtype)
    z = np.empty(flat.shape if vectors else (0,), flat.dtype)
    eigen.from_host(ordinal, flat, w, z, vectors)
    return w.reshape(*batch, n), z.reshape(matrices.shape if vectors else (0,))


def checked_order(shape: tuple[int, ...], vectors: bool) -> int:
    """The order of matrices that a device is to solve."""
    n = shape[-1]
    if n > eigen.IN_SHARED_MEMORY[vectors]:
        cusolver.require(n)
    return n
