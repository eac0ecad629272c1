"""Derivatives and read-outs at points in the memory of a device, computed there by a method that is known to serve."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import _by_device as by_device
from . import _by_tracing as by_tracing
from . import _launch as launch
from ._call import Call, call, was_tried
from ._curvature import Curvature, of_device_rows
from ._errors import CompilationError, UndecidedError
from ._model import QuadraticModel
from ._plan import Options
from ._there_and_back import Home, Resident, ResidentModel
from ._versions import Prepared
from .backends import _cuda_eigen as eigen
from .backends import _cuda_results as results
from .backends._cuda_read_outs import invalidate, newton_steps, places_of, width_of_rows
from .backends._kernels import Role
from .backends.cpu import Points
from .backends.cuda import cuda
from .tracing import Wanted


class Derivative(NamedTuple):
    """How refusals of it are noted; what programs are to compute, where directions begin at number d."""

    case: str
    wanted: Any
    leaves: by_tracing.Leaves = "matrices"


DERIVATIVES = {
    "value": Derivative("value", lambda d: Wanted()),
    "gradient": Derivative("row", lambda d: Wanted(first=True)),
    "jacobian": Derivative("vector", lambda d: Wanted(first=True)),
    "hessian": Derivative("hessian", lambda d: Wanted(second=True)),
    "hvp": Derivative("hvp", lambda d: Wanted(product=True, direction=d)),
    "vhv": Derivative("vhv", lambda d: Wanted(form=True, direction=d)),
    "curvature": Derivative("curvature", lambda d: Wanted(first=True, second=True), "lanes"),
    "quadratic_model": Derivative("hessian", lambda d: Wanted(first=True, second=True), "all"),
}


class Given(NamedTuple):
    """What one of these functions was called with; arrays are on the present device."""

    name: str
    fun: Any
    grad: Any
    args: tuple
    options: Options  # without noise of points' own
    home: Home
    batch: tuple[int, ...]
    points: Any  # (N, n)
    own: tuple  # arguments of each point, (N, ...)
    levels: Any  # of noise, (N,), where points have their own
    directions: Any  # (N k, n), where there are some
    by_point: tuple[int, ...]  # (k,) where there may be several directions at a point

    @property
    def each(self) -> int:
        """How many directions there are at each point."""
        return prod(self.by_point)

    def levels_of(self, rows: Any) -> dict[str, Any]:
        """Levels of noise, if points have their own, of some of them, as a keyword."""
        return {} if self.levels is None else {"noise": np.array([self.levels[int(row)] for row in rows])}

    def on_host(self, rows: Any) -> tuple[np.ndarray, tuple, tuple]:
        """Some points, what they have of their own, and their directions, on the host."""
        count, n = self.points.shape
        more = () if self.directions is None else (self.directions.reshape(count, self.each * n),)
        x, *others = (
            np.array([array[int(row)].copy_to_host() if array.ndim > 1 else array[int(row)] for row in rows])
            for array in (self.points, *self.own, *more)
        )
        if more:
            others[-1] = others[-1].reshape(len(rows), *self.by_point, n)
        return x, tuple(others[: len(self.own)]), tuple(others[len(self.own) :])


class Served(NamedTuple):
    """The call at no points, by the method that is known to serve it, and its program if it is traced."""

    call: Call
    prepared: Prepared | None


class Unknown(NamedTuple):
    """Whether it may be computed where the points are is not known before the function is tried at some."""


def served(given: Given, name: str) -> Served | Unknown | None:
    """How a derivative of that name is computed; None where it is not where points are."""
    x, *own = (np.empty((0, *array.shape[1:]), array.dtype) for array in (given.points, *given.own))
    is_vector, derivative = name == "jacobian", DERIVATIVES[name]
    device, options = f"cuda:{given.home.ordinal}", given.options
    known = call(
        given.fun, x, given.args, tuple(own), device, given.grad, vector=is_vector, options=options, may_try=False
    )
    if given.levels is not None:
        known = known._replace(plan=known.plan.with_noise(given.levels))
    known = launch.by_known_method(known._replace(tells_ties=False), derivative.case)
    n = known.shape[1]
    if name == "curvature" and not by_device.takes_spectra(n):
        return None
    if known.plan.method == "traced":
        try:
            wanted = derivative.wanted(n + sum(prod(array.shape[1:]) for array in own))
            prepared = by_tracing.trusted(known, wanted, is_vector, derivative.leaves)
            return Served(known, prepared) if prepared else Unknown()
        except UndecidedError:  # of arguments that steer it otherwise in each call
            if not known.plan.others:
                return None
            known = known.by_next_method
        except CompilationError:  # which is noted, or told, where it is tried at some points
            return Unknown()
    known = launch.by_known_method(known, "hessian" if name == "curvature" else derivative.case)
    return Served(known, None) if was_tried(known, is_vector) else Unknown()


def computed(given: Given, by: Served, out: Any, errors: bool) -> Any:
    """An array of results: `out` where there is one; with `errors`, that of their errors, too.

    None where it turns out that a function has another number of values now.
    """
    (count, n), dtype, home = given.points.shape, given.points.dtype, given.home
    m = len(by.prepared.program.values) if by.prepared else by.call.length or 1
    tail = {
        "value": (), "gradient": (n,), "jacobian": (m, n), "hessian": (n, n), "hvp": (*given.by_point, n),
        "vhv": given.by_point,
    }[given.name]  # fmt: skip
    # of other arguments of these types the number of values may be another
    by_types = given.name == "jacobian" and by.prepared is None and given.args
    if by_types and out is not None and tuple(out.shape)[-2:] != tail:
        return None
    made, room = home.results((*given.batch, *tail), dtype, out)
    error = _compute(given, by.call, room.reshape(prod(room.shape)), m, errors)
    room = room.reshape(count, *tail)
    if by_types and count and not results.has_number(room):
        return None
    if given.name != "value" and (dtype == np.float32 or given.directions is not None):
        rows = room.reshape(count * given.each, prod(room.shape) // max(1, count * given.each))
        results.blank(rows, *([error] if errors else []), rows, where_nan=given.directions is not None)
    found = home.handed_over(made, out)
    return (found, given_back(given, error, tail)) if errors else found


def given_back(given: Given, array: Any, tail: tuple[int, ...], dtype: Any = None) -> Any:
    """A copy of results of all points as an array of the library, in the type of the points or another."""
    made, room = given.home.results((*given.batch, *tail), dtype or given.points.dtype)
    results.assign(room, array)
    return given.home.handed_over(made)


def _compute(given: Given, known: Call, room: Any, m: int, errors: bool) -> Any:
    """Results where points are, into `room`, flat; their errors, if they are wanted."""
    there = known._replace(points=Points(given.points, known.points.args, given.own), batch=given.batch)
    (count, n), v, name = given.points.shape, given.directions, given.name
    if name == "value":
        launch.values(there, room)
    elif name == "gradient":
        return launch.first_order(there, Role(there.function, "row"), 1, errors, room.reshape(count, 1, n)).error
    elif name == "jacobian":
        return launch.first_order(there, Role(there.function, "vector"), m, errors, room.reshape(count, m, n)).error
    elif name == "hessian":
        room = room.reshape(count, n, n)
        return launch.second_order(there, errors=errors, out=room, with_noise=errors).hessian_error
    elif known.plan.bounds.any:
        return _by_hessians(there, name, v, room, errors)
    elif name == "hvp":
        return launch.products(there, v, errors, room.reshape(v.shape)).error
    elif there.gradient is not None:
        product = launch.products(there, v, errors, results.room(v.shape))
        results.assign(room, results.dot(v, product.product))
        if errors:
            error = results.of_forms(v, product.error)
            results.add_rounding(error, room)
            return error
    else:
        return launch.forms(there, v, errors, room).error
    return None


def _by_hessians(there: Call, name: str, v: Any, room: Any, errors: bool) -> Any:
    """Products or forms where bounds need Hessians: in double, for only what is made of them is rounded."""
    count, n = there.shape
    H = results.room((count, n, n))
    E = launch.second_order(there, errors=errors, out=H, with_noise=errors).hessian_error
    products = results.apply(H, v)
    error = results.apply(E, v, absolute=True) if errors else None
    if name == "hvp":
        results.assign(room, products)
        return error
    results.assign(room, results.dot(v, products))
    return results.of_forms(v, error) if errors else None


def modelled(given: Given, by: Served) -> ResidentModel:
    """Models, computed where the points are; their methods, on the host, are those of a model with these fields."""
    (count, n), home, known = given.points.shape, given.home, by.call
    there = known._replace(points=Points(given.points, known.points.args, given.own), batch=given.batch)
    H = results.room((count, n, n), given.points.dtype)
    found = launch.second_order(there, errors=True, out=H)
    made = {
        name: home.results((*given.batch, *tail), given.points.dtype)
        for name, tail in {"point": (n,), "value": (), "gradient": (n,), "hessian": (n, n)}.items()
    }
    for name, source in (("point", given.points), ("value", found.value), ("gradient", found.gradient), ("hessian", H)):
        results.assign(made[name][1], source)
    rooms = {name: room.reshape(count, prod(room.shape) // max(1, count)) for name, (_, room) in made.items()}
    norms = results.norms(found.hessian_error)
    if given.points.dtype == np.float32:  # what is too large for it
        for name in ("value", "gradient", "hessian"):
            results.blank(rooms[name], norms, rooms["gradient"], rooms["hessian"])
    parts = {name: home.handed_over(array) for name, (array, _) in made.items()}
    parts["hessian_error"] = given_back(given, norms, (), np.float64)

    def on_host() -> QuadraticModel:
        return QuadraticModel(**{name: home.fetched(part) for name, part in parts.items()})

    return ResidentModel(home, QuadraticModel, on_host, **parts)


def curved(given: Given, by: Served, tolerance: float, extra: tuple[str, ...]) -> Resident | None:
    """What curvature reads, its fields on the device; what follows from them is computed on the host when asked for.

    None where what `extra` names is not computed there.
    """
    (count, n), home, dtype = given.points.shape, given.home, given.points.dtype
    if OF_VECTORS & set(extra) and not by_device.takes_spectra(n, True):
        return None
    rows, H = _rows_of_program(given, by, tolerance) if by.prepared else _rows_by_jobs(given, by, tolerance, extra)
    if extra and H is None:
        of_hessians = served(given, "hessian")
        if not isinstance(of_hessians, Served):
            return None
        H = results.room((count, n, n), of_hessians.call.plan.arithmetic(dtype))
        _compute(given._replace(name="hessian"), of_hessians.call, results.flat(H), 1, False)
    more = _extras(given, rows, H, extra) if extra else {}
    fields = {}

    def give(name: str, tail: tuple[int, ...], source: Any, first: int, kind: Any = dtype) -> None:
        fields[name], room = home.results((*given.batch, *tail), kind)
        results.copy_columns(source, first, room.reshape(count, prod(tail)))

    for name, first in places_of(n).items():
        if name != "critical":
            give(name, (n,) if name in VECTORS else (), rows, first, KINDS.get(name, dtype))
    for name in extra:
        tail = more[name].shape[1:]
        give(name, tail, more[name].reshape(count, prod(tail)), 0)
    fields = {name: home.handed_over(made) for name, made in fields.items()}

    def on_host() -> Curvature:
        found = {name: more[name].copy_to_host() for name in extra}
        return of_device_rows(by.call, given.batch, rows.copy_to_host(), found)

    return Resident(home, Curvature, on_host, **fields)


def _rows_of_program(given: Given, by: Served, tolerance: float) -> tuple[Any, None]:
    """Rows of what curvature reads, by a program; Hessians are not kept."""
    assert by.prepared is not None
    own, shared = results.own_numbers(given.own, len(given.points)), by_tracing.shared_numbers(by.call.points.args)
    reading = by_device.reading_of(by.prepared, by.call.plan, own.shape[1], shared, given.points.dtype, tolerance)
    return by_device.curvature_kernels(by.prepared).on_device(given.home.ordinal, given.points, own, reading), None


def _rows_by_jobs(given: Given, by: Served, tolerance: float, extra: tuple[str, ...]) -> tuple[Any, Any]:
    """The same by kernels of the CPU, so many points at once as memory is meant for; and Hessians, for extras."""
    count, n = given.points.shape
    dtype = by.call.plan.arithmetic(given.points.dtype)
    rows, H = results.room((count, width_of_rows(n)), dtype), results.room((count, n, n), dtype) if extra else None
    step = max(1, count if extra else by_device.MATRIX_BYTES // (16 * n * n))
    for first in range(0, count, step):
        part = slice(first, min(first + step, count))
        points = Points(given.points[part], by.call.points.args, tuple(array[part] for array in given.own))
        there = by.call._replace(points=points, batch=points.x.shape[:1], plan=by.call.plan.of_points(part))
        results.assign(rows[part], by_device.read_there(there, tolerance, H))
    return rows, H


#: fields of `Curvature` that have a number for each coordinate, and those of other types than the points
VECTORS = ("gradient", "eigenvalues")
KINDS = {"index": np.int16, "nullity": np.int16, "status": np.int8}
#: extras that take eigenvectors
OF_VECTORS = {"eigenvectors", "newton_step"}


def _extras(given: Given, rows: Any, H: Any, extra: tuple[str, ...]) -> dict[str, Any]:
    """Hessians, and eigenvectors and Newton steps if they are among the extras, in the type of Hessians."""
    count, n = given.points.shape
    if not OF_VECTORS & set(extra):
        invalidate(rows, H)
        return {"hessian": H}
    z, w, step = (results.room(shape, H.dtype) for shape in ((count, n, n), (count, n), (count, n)))
    if count:
        eigen.on_device(given.home.ordinal, H, w, results.flat(z), True)
        newton_steps(rows, w, z, step)
        invalidate(rows, H, z)
        cuda.synchronize()  # before what is not wanted is let go of
    found = {"hessian": H, "eigenvectors": z, "newton_step": step}
    return {name: found[name] for name in extra}
