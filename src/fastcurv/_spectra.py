"""Derivatives, spectra and what is read of them, at the points of a call."""

from __future__ import annotations

import numpy as np

from . import _launch as launch
from ._inputs import new_array
from ._read_outs import EVERY_POINT, from_lanes, from_memory, scratch_size, spectrum_way
from ._ties import Results
from .backends import cpu
from .backends._kernels import Operation
from .differences._outcome import NOT_FINITE
from .symmetric import Way, places_size


def results_at(call: launch.Call, wanted: tuple[str, ...], tolerance: float) -> Results:
    """Results of flattened points by their names, fields of `Curvature`; "critical" tells where gradients vanish."""
    results = _computed(call, wanted, tolerance)
    if launch.may_tie(call) and len(rows := np.flatnonzero(results["status"] == NOT_FINITE)):
        for name, array in _computed(call.at(rows, call.x[rows]), wanted, tolerance, at_ties=True).items():
            results[name][rows] = array
    return results


def _computed(call: launch.Call, wanted: tuple[str, ...], tolerance: float, at_ties: bool = False) -> Results:
    """The same, not finite where a choice is at a tie, unless points are read after their derivatives are settled."""
    count, n = call.shape
    if not (wanted or at_ties) and (rows := launch.curvature_rows(call, tolerance)) is not None:
        return of_rows(rows, n)
    spectrum, error, bend = np.empty((count, n)), np.empty(count), np.empty(count)
    index, nullity, critical = np.empty(count, np.int16), np.empty(count, np.int16), np.empty(count, np.int8)
    vectors = new_array((count if "eigenvectors" in wanted else 0, n, n))
    newton = np.empty((count if "newton_step" in wanted else 0, n))
    are_kept = "hessian" in wanted or at_ties or call.plan.device is not None
    hessians = new_array((count, n, n)) if are_kept else None
    way = spectrum_way(n, count, bool(vectors.size or newton.size))

    reader = _Reader(
        way, call.x, tolerance, (spectrum.reshape(-1), error, index, nullity, critical, bend, vectors, newton)
    )
    reads = None if at_ties else reader
    found = launch.second_order(call, errors=True, out=hessians, reader=reads, together=way.group)
    if found.value.dtype != spectrum.dtype:  # of devices, in their precision; what reads it takes that of the CPU
        singles = (name for name, array in found._asdict().items() if getattr(array, "dtype", None) == np.float32)
        found = found._replace(**{name: getattr(found, name).astype(spectrum.dtype) for name in singles})
    if not found.is_read and count:
        seconds = 1e-10 * n**3 + 1e-7

        def arguments(workers: int) -> tuple:
            return call.x, reader.from_memory(found, np.zeros(4, int), workers)

        cpu.launch_plain(EVERY_POINT, count, seconds, arguments, way.group)

    results = {
        "value": found.value, "gradient": found.gradient, "eigenvalues": spectrum, "eigenvalue_error": error,
        "index": index, "nullity": nullity, "gradient_curvature": bend, "status": found.status, "critical": critical,
    }  # fmt: skip
    extras = {"eigenvectors": vectors, "newton_step": newton, "hessian": found.hessian}
    return results | {name: extras[name] for name in wanted}


def of_rows(rows: np.ndarray, n: int) -> Results:
    """What a device read of each point."""
    value, gradient, spectrum = rows[:, 0].copy(), rows[:, 1 : 1 + n].copy(), rows[:, 1 + n : 1 + 2 * n].copy()
    error, index, nullity, critical, bend, status = rows[:, 1 + 2 * n :].T.copy()
    return {
        "value": value, "gradient": gradient, "eigenvalues": spectrum, "eigenvalue_error": error,
        "index": index.astype(np.int16), "nullity": nullity.astype(np.int16), "gradient_curvature": bend,
        "status": status.astype(np.int8), "critical": critical.astype(np.int8),
    }  # fmt: skip


class _Reader:
    """Makes the task that reads points, and keeps alive what it works on."""

    def __init__(self, way: Way, x: np.ndarray, tolerance: float, results: tuple[np.ndarray, ...]):
        self._way, self._x, self._tolerance, self._results = way, x, tolerance, results

    def from_memory(self, found: launch.Second, layout: np.ndarray, workers: int) -> np.ndarray:
        """For every point, on so many workers: the last of a group reads them all."""
        matrices = found.gradient_error, found.hessian, found.hessian_error
        arguments = layout, self._x, found.status, found.gradient.reshape(-1), *matrices, *self._more(workers)
        return self._task(from_memory(self._way), arguments)

    def from_lanes(
        self, found: launch.Second, rows: np.ndarray, apart: int, slopes: np.ndarray, lower: np.ndarray, rounding: float
    ) -> np.ndarray:
        """For the last point of every group, whose results are in the row of each worker, LANES of them `apart`."""
        lanes = rows, apart, slopes, lower, rounding
        arguments = self._x, found.status, found.gradient.reshape(-1), *lanes, *self._more(len(rows))
        return self._task(from_lanes(self._way), arguments)

    def _more(self, workers: int) -> tuple:
        n = self._x.shape[1]
        scratch = cpu.scratch(workers, scratch_size(self._way, n), float)
        return self._tolerance, scratch, cpu.scratch(workers, places_size(self._way, n), int), self._results

    def _task(self, operation: Operation, arguments: tuple) -> np.ndarray:
        self._bound = cpu.Bound(operation, arguments)
        return self._bound.task
