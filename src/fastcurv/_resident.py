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
from ._errors import CompilationError, UndecidedError
from ._plan import Options
from ._rounding import rounding_of
from ._there_and_back import Home, Resident
from ._versions import Prepared
from .backends import _cuda_eigen as eigen
from .backends._cuda_curvature import complete_extras, places_of
from .backends._cuda_resident import (
    ResidentLauncher,
    copy_columns,
    estimate_rows,
    joined_columns,
    nearby_points,
    new_array,
)
from .backends._kernels import Role
from .backends.cpu import Points
from .backends.cuda import constant, cuda
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
    if known.plan.method == "traced":
        leaves = "lanes" if given.name == "curvature" else "matrices"
        try:
            prepared = by_tracing.trusted(known, wanted(n + _width(given.own)), is_vector, leaves)
            return Served(known, prepared) if prepared else Unknown()
        except UndecidedError:  # of arguments that steer it otherwise in each call
            if given.name == "curvature" or not known.plan.others:
                return None
            known = launch.by_known_method(known.by_next_method, derivative)
        except CompilationError:  # which is noted, or told, where it is tried at some points
            return Unknown()
    return Served(known, None) if was_tried(known, is_vector) else Unknown()


def _width(arrays: tuple) -> int:
    """How many numbers arrays have for each point."""
    return sum(prod(array.shape[1:]) for array in arrays)


def computed(given: Given, by: Served, out: Any, errors: bool) -> Any:
    """An array of results: `out` where there is one; with `errors`, of exact derivatives, that of their errors, too.

    None where it turns out that derivatives are not exact, or that a function has another number of values now.
    """
    (count, n), dtype, home = given.points.shape, given.points.dtype, given.home
    m = len(by.prepared.program.values) if by.prepared else by.call.length or 1
    tail = {"value": (), "gradient": (n,), "jacobian": (m, n), "hessian": (n, n), "hvp": (n,), "vhv": ()}[given.name]
    # of other arguments of these types the number of values may be another
    by_types = given.name == "jacobian" and by.prepared is None and given.args
    if by_types and out is not None and tuple(out.shape)[-2:] != tail:
        return None
    made, room = home.results((*given.batch, *tail), dtype, out)
    room = room.reshape(count, *tail)
    _compute(given, by, given.points, room)
    if by_types and count and all(np.isnan(room[b].copy_to_host()).all() for b in range(0, count, -(-count // FEW))):
        return None
    found = home.handed_over(made, out)
    if not errors:
        return found
    if not launch.by_known_method(by.call, DERIVATIVES[given.name][0]).plan.is_exact:
        return None
    made, error = home.results((*given.batch, *tail), dtype)
    others, bounds = room, constant(np.array(by.call.plan.bounds.rows))
    arithmetic = by.call.plan.arithmetic(dtype)
    if arithmetic == dtype:  # else results are stored with less digits than a few roundings change
        others = new_array(room.shape, dtype)
        _compute(given, by, nearby_points(given.points, bounds), others)
    estimate_rows(room, others, rounding_of(dtype, arithmetic), n * n if given.name == "hessian" else n, error)
    return found, home.handed_over(made)


def _compute(given: Given, by: Served, points: Any, room: Any) -> None:
    """Results at points, in the place of those that were given."""
    known, prepared = by
    if prepared is None:
        there = known._replace(points=Points(points, known.points.args, given.own))
        _by_job(given.name, there, given.directions, room)
        return
    (count, *tail), own = room.shape, given.own + given.directions
    slots = np.array(prepared.program.values) if given.name == "value" else slots_of(prepared, prod(tail))
    shared = by_tracing.shared_numbers(known.points.args)
    rows = rows_of(prepared, known.plan, _width(own), slots, shared, room.dtype, given.name == "value")
    rows.on_device(given.home.ordinal, points, joined_columns(own, count), room.reshape(prod(room.shape)))


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


def curved(given: Given, by: Served, tolerance: float, extra: tuple[str, ...]) -> Resident | None:
    """What curvature reads, its fields on the device; what follows from them is computed on the host when asked for.

    None where what `extra` names is not computed there.
    """
    of_hessians = _hessians_for(given, extra) if extra else None
    if extra and of_hessians is None:
        return None
    (known, prepared), (count, n), home = by, given.points.shape, given.home
    assert prepared is not None
    shared, dtype = by_tracing.shared_numbers(known.points.args), given.points.dtype
    reading = reading_of(prepared, known.plan, _width(given.own), shared, dtype, tolerance)
    own = joined_columns(given.own, count)
    rows = curvature_kernels(prepared).on_device(home.ordinal, given.points, own, reading)
    more = _extras(given, of_hessians, rows, extra) if of_hessians else {}
    fields = {}

    def give(name: str, tail: tuple[int, ...], source: Any, first: int, kind: Any = dtype) -> None:
        fields[name], room = home.results((*given.batch, *tail), kind)
        copy_columns(source, first, room.reshape(count, prod(tail)))

    for name, first in places_of(n).items():
        if name != "critical":
            give(name, (n,) if name in VECTORS else (), rows, first, KINDS.get(name, dtype))
    for name in extra:
        tail = more[name].shape[1:]
        give(name, tail, more[name].reshape(count, prod(tail)), 0)
    fields = {name: home.handed_over(made) for name, made in fields.items()}

    def on_host() -> Curvature:
        found = {name: more[name].copy_to_host() for name in extra}
        return of_device_rows(known, given.batch, rows.copy_to_host(), found)

    return Resident(home, Curvature, on_host, **fields)


#: points that are looked at where all may be NaN
FEW = 8
#: fields of `Curvature` that have a number for each coordinate, and those of other types than the points
VECTORS = ("gradient", "eigenvalues")
KINDS = {"index": np.int16, "nullity": np.int16, "status": np.int8}


#: extras that take eigenvectors
OF_VECTORS = {"eigenvectors", "newton_step"}


def _hessians_for(given: Given, extra: tuple[str, ...]) -> Served | None:
    """How Hessians are computed for these extras; None if their place is the host."""
    by = served(given._replace(name="hessian"))
    is_there = takes_spectra(given.points.shape[1], True) if OF_VECTORS & set(extra) else True
    return by if isinstance(by, Served) and is_there else None


def _extras(given: Given, by: Served, rows: Any, extra: tuple[str, ...]) -> dict[str, Any]:
    """Hessians, and eigenvectors and Newton steps if they are among the extras, in double."""
    count, n = given.points.shape
    H, z, w, step = (new_array(shape) for shape in ((count, n, n), (count, n, n), (count, n), (count, n)))
    if count:
        _compute(given._replace(name="hessian"), by, given.points, H)
        if OF_VECTORS & set(extra):
            eigen.on_device(given.home.ordinal, H, w, z.reshape(count * n * n), True)
        complete_extras(rows, H, w, z, step)
        cuda.synchronize()  # before what is not wanted is let go of
    found = {"hessian": H, "eigenvectors": z, "newton_step": step}
    return {name: found[name] for name in extra}
