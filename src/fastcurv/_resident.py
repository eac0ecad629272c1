"""Derivatives and read-outs at points in the memory of a device, computed there by a method that is known to serve."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import _by_tracing as by_tracing
from . import _launch as launch
from ._by_device import curvature_kernels, reading_of, rows_of, slots_of, takes_spectra
from ._call import Call, call, was_tried
from ._curvature import Curvature, of_device_rows
from ._errors import CompilationError
from ._plan import Options
from ._there_and_back import Home, Resident
from ._versions import Prepared
from .backends._cuda_resident import ResidentLauncher, copy_columns, joined_columns
from .backends._kernels import Role
from .backends.cpu import Points
from .tracing import Wanted

#: what launches jobs over points on the present device
JOBS = ResidentLauncher(0)
#: how refusals of what functions compute are noted; what programs are to compute, where directions begin at number d
DERIVATIVES = {
    "value": ("value", lambda d: Wanted()),
    "gradient": ("row", lambda d: Wanted(first=True)),
    "jacobian": ("vector", lambda d: Wanted(first=True)),
    "hessian": ("hessian", lambda d: Wanted(second=True)),
    "hvp": ("hvp", lambda d: Wanted(product=True, direction=d)),
    "vhv": ("vhv", lambda d: Wanted(form=True, direction=d)),
    "curvature": ("curvature", lambda d: Wanted(first=True, second=True)),
}


class Given(NamedTuple):
    """What one of these functions was called with; arrays are on the present device."""

    name: str
    fun: Any
    args: tuple
    options: Options
    home: Home
    batch: tuple[int, ...]
    points: Any  # (N, n)
    own: tuple  # arguments of each point, (N, ...)
    directions: tuple  # (N, n), where there are some

    def on_host(self, rows: Any) -> tuple[np.ndarray, tuple, tuple]:
        """Some points, what they have of their own, and their directions, on the host."""
        x, *more = (
            np.array([array[int(row)].copy_to_host() if array.ndim > 1 else array[int(row)] for row in rows])
            for array in (self.points, *self.own, *self.directions)
        )
        return x, tuple(more[: len(self.own)]), tuple(more[len(self.own) :])


class Served(NamedTuple):
    """The call at no points, by the method that is known to serve it, and its program if it is traced."""

    call: Call
    prepared: Prepared | None


class Unknown(NamedTuple):
    """Whether it may be computed where the points are is not known before the function is tried at some."""


def served(given: Given) -> Served | Unknown | None:
    """None where it is not computed where the points are."""
    x, *own = (np.empty((0, *array.shape[1:]), array.dtype) for array in (given.points, *given.own))
    is_vector, (derivative, wanted) = given.name == "jacobian", DERIVATIVES[given.name]
    device = f"cuda:{given.home.ordinal}"
    known = call(given.fun, x, given.args, tuple(own), device, vector=is_vector, options=given.options)
    known = launch.by_known_method(known._replace(tells_ties=False), derivative)
    n = known.shape[1]
    if given.name == "curvature" and not (known.plan.method == "traced" and takes_spectra(n)):
        return None
    if known.plan.method != "traced":
        return Served(known, None) if was_tried(known, is_vector) else Unknown()
    leaves = "lanes" if given.name == "curvature" else "matrices"
    try:
        prepared = by_tracing.trusted(known, wanted(n + _width(given.own)), is_vector, leaves)
    except CompilationError:  # which is noted, or told, where it is tried at some points
        return Unknown()
    return Served(known, prepared) if prepared else Unknown()


def _width(arrays: tuple) -> int:
    """How many numbers arrays have for each point."""
    return sum(prod(array.shape[1:]) for array in arrays)


def computed(given: Given, by: Served, out: Any) -> Any:
    """An array of results: `out` where there is one."""
    known, prepared = by
    count, n = given.points.shape
    m = len(prepared.program.values) if prepared else known.length or 1
    tail = {"value": (), "gradient": (n,), "jacobian": (m, n), "hessian": (n, n), "hvp": (n,), "vhv": ()}[given.name]
    made, room = given.home.results((*given.batch, *tail), given.points.dtype, out)
    if prepared is None:
        there = known._replace(points=Points(given.points, known.points.args, given.own))
        _by_job(given.name, there, given.directions, room.reshape(count, *tail))
    else:
        slots = np.array(prepared.program.values) if given.name == "value" else slots_of(prepared, prod(tail))
        own = given.own + given.directions
        shared = by_tracing.shared_numbers(known.points.args)
        rows = rows_of(prepared, known.plan, _width(own), slots, shared, room.dtype, given.name == "value")
        rows.on_device(given.home.ordinal, given.points, joined_columns(own, count), room.reshape(prod(room.shape)))
    return given.home.handed_over(made, out)


def _by_job(name: str, there: Call, directions: tuple, room: Any) -> None:
    """By a kernel of the CPU, compiled for the device."""
    function, count = there.function, len(room)
    if name == "value":
        launch.values(there, room)
    elif name == "gradient":
        launch.first_order(there, Role(function, "row"), 1, False, room.reshape(count, 1, room.shape[1]))
    elif name == "jacobian":
        launch.first_order(there, Role(function, "vector"), room.shape[1], False, room)
    elif name == "hessian":
        launch.second_order(there, errors=False, out=room)
    elif name == "hvp":
        launch.products(there, directions[0], False, room)
    else:
        launch.forms(there, directions[0], False, room)


def curved(given: Given, by: Served, tolerance: float) -> Resident:
    """What curvature reads, its fields on the device; what follows from them is computed on the host when asked for."""
    (known, prepared), (count, n), home = by, given.points.shape, given.home
    assert prepared is not None
    shared, dtype = by_tracing.shared_numbers(known.points.args), given.points.dtype
    reading = reading_of(prepared, known.plan, _width(given.own), shared, dtype, tolerance)
    own = joined_columns(given.own, count)
    rows = curvature_kernels(prepared).on_device(home.ordinal, given.points, own, reading)
    fields, first = {}, 0
    for name, width, kind in (
        ("value", (), dtype), ("gradient", (n,), dtype), ("eigenvalues", (n,), dtype), ("eigenvalue_error", (), dtype),
        ("index", (), np.int16), ("nullity", (), np.int16), ("critical", (), np.int8),
        ("gradient_curvature", (), dtype), ("status", (), np.int8),
    ):  # fmt: skip
        made, room = home.results((*given.batch, *width), kind)
        copy_columns(rows, first, room.reshape(count, prod(width)))
        fields[name], first = home.handed_over(made), first + prod(width)
    del fields["critical"]
    return Resident(home, Curvature, lambda: of_device_rows(known, given.batch, rows.copy_to_host()), **fields)
