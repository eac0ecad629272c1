"""Where a scan looks: sets of points that are made block by block and never held as a whole.

Every kind has the same interface, which `scan` and its store rely on:

- `dims`, `shape`, `size`: names and lengths of its axes, number of points;
- `n`, `dtype`: coordinates of a point, float64 or float32;
- `coords`: name -> 1-D array, the coordinates along the axes that have any;
- `attrs`: what else a reader of the dataset needs to know, plain strings;
- `block(start, stop)`: points start..stop in C order, shape (stop - start, n), a new array;
- `spec()`: a plain description with digests of the arrays; equal exactly if the points are equal.

They are immutable: their arrays are read-only copies (but `Samples` keeps the array it is given). No
function is evaluated here.
"""

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np

from fastcurv._grid_arguments import (
    axis_coordinates,
    check_name,
    count,
    equidistant,
    finite_number,
    is_real,
    low_and_high,
    ranges,
    vectors_of_one_length,
)
from fastcurv._identity import array_spec, little_endian
from fastcurv._inputs import refuse_masked

__all__ = ["Grid", "Line", "Plane", "Samples"]

_READ_BYTES = 1 << 24  # of a sample array hashed at a time


class _Points(ABC):
    """What the four kinds have in common; see the head of this module."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    n: int
    dtype: np.dtype
    _coords: dict[str, np.ndarray]
    _attrs: dict[str, str]

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: make a new one instead of setting {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name} cannot be deleted")

    def __repr__(self) -> str:
        axes = ", ".join(f"{dim}: {length}" for dim, length in zip(self.dims, self.shape, strict=True))
        return f"<fastcurv.{type(self).__name__} ({axes}), n = {self.n}, {self.dtype}>"

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    @property
    def coords(self) -> dict[str, np.ndarray]:
        """Coordinates along the axes, by name."""
        return dict(self._coords)

    @property
    def attrs(self) -> dict[str, str]:
        """What else a reader of the dataset needs to know."""
        return dict(self._attrs)

    def block(self, start: int, stop: int) -> np.ndarray:
        """Points `start` to `stop` of the flattened grid (C order), shape (stop - start, n)."""
        if not 0 <= start <= stop <= self.size:
            raise ValueError(f"block({start}, {stop}): expected 0 <= start <= stop <= {self.size}")
        points = np.empty((stop - start, self.n), self.dtype)
        filled = 0
        for rows, columns in _rectangles(start, stop, self.shape[-1]):
            lengths = rows.stop - rows.start, columns.stop - columns.start
            count = lengths[0] * lengths[1]
            self._fill(points[filled : filled + count].reshape(*lengths, self.n), rows, columns)
            filled += count
        return points

    @abstractmethod
    def _fill(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        """Write the points at `rows` of all axes but the last, flattened, and `columns` of the last."""

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Plain description with digests of the arrays, for the key of a store."""


class Grid(_Points):
    """Every combination of the coordinates along named axes.

    Parameters
    ----------
    **axes
        One keyword for each coordinate of x, in order:

        - ``(start, stop, number)``, a tuple: `number` equidistant coordinates, both ends included, bit for
          bit those of `numpy.linspace`;
        - a 1-D array or a list: the coordinates themselves, finite, in any order;
        - a number: the coordinate is fixed there and makes no axis. Derivatives are with respect to all
          coordinates all the same; for those of the others alone, scan a function of the others.

        At least one must vary; at a single point, call `curvature`.

    Notes
    -----
    float64, unless every varying axis is a float32 array. Memory: 8 bytes for each coordinate of each axis;
    the points themselves are made block by block.

    Examples
    --------
    >>> import fastcurv as fc
    >>> grid = fc.Grid(x=(-1.5, 1.2, 1000), y=[0.0, 0.5, 2.0], z=1.0)
    >>> grid
    <fastcurv.Grid (x: 1000, y: 3), n = 3, float64>
    >>> grid.block(1, 3)
    array([[-1.5,  0.5,  1. ],
           [-1.5,  2. ,  1. ]])
    """

    _axes: tuple[tuple[int, np.ndarray], ...]
    _fixed: tuple[tuple[int, float], ...]
    _names: tuple[str, ...]

    def __init__(self, **axes: Any) -> None:
        coords: dict[str, np.ndarray] = {}
        varying: list[tuple[int, np.ndarray]] = []
        fixed: list[tuple[int, float]] = []
        for position, (name, axis) in enumerate(axes.items()):
            check_name(name)
            if isinstance(axis, Real) and not isinstance(axis, bool | np.bool_):
                fixed.append((position, finite_number(f"axis {name}", axis)))
            else:
                coords[name] = axis_coordinates(name, axis)
                varying.append((position, coords[name]))
        if not varying:
            raise ValueError(
                f"Grid: expected at least one varying axis, as in Grid(x=(-1, 1, 101)), and got "
                f"{dict(axes) or 'none'}; at a single point call fastcurv.curvature"
            )
        single = all(coordinates.dtype == np.float32 for coordinates in coords.values())
        names = tuple(axes)
        self._set(
            dims=tuple(coords),
            shape=tuple(len(coordinates) for coordinates in coords.values()),
            n=len(axes),
            dtype=np.dtype(np.float32 if single else np.float64),
            _coords=coords,
            _attrs={"fixed_coordinates": json.dumps({names[k]: value for k, value in fixed})} if fixed else {},
            _axes=tuple(varying),
            _fixed=tuple(fixed),
            _names=names,
        )

    def _fill(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        for position, value in self._fixed:
            out[:, :, position] = value
        *leading, (position, coordinates) = self._axes
        out[:, :, position] = coordinates[columns]
        if leading:
            indices = np.unravel_index(np.arange(rows.start, rows.stop), self.shape[:-1])
            for (position, coordinates), index in zip(leading, indices, strict=True):
                out[:, :, position] = coordinates[index][:, None]

    def spec(self) -> dict[str, Any]:
        """Plain description with digests of the arrays, for the key of a store."""
        axes: list[Any] = [None] * self.n
        for position, value in self._fixed:
            axes[position] = [self._names[position], repr(value)]  # as text: 0.0 equals -0.0
        for position, coordinates in self._axes:
            axes[position] = [self._names[position], array_spec(coordinates)]
        return {"kind": "Grid", "axes": axes, "dtype": self.dtype.name}


class Plane(_Points):
    """A two-dimensional slice through R^n: the points origin + a u + b v.

    Parameters
    ----------
    origin, u, v : array_like, shape (n,)
        A point and two directions, used as given: they are not normalised, so a and b count in lengths of u
        and v. Parallel directions are not refused.
    extent : (low, high) or ((low, high), (low, high))
        Range of a and b, ends included, shared or one each.
    shape : (int, int) or int
        Number of values of a and of b, or of both.

    Notes
    -----
    float64, unless origin, u and v are all float32; the sums are taken in float64 and rounded once.

    Examples
    --------
    >>> import fastcurv as fc
    >>> plane = fc.Plane([0.0, 0.0, 5.0], [1, 0, 0], [0, 2, 0], extent=(-1, 1), shape=(3, 2))
    >>> plane.dims
    ('a', 'b')
    >>> plane.block(0, 3)
    array([[-1., -2.,  5.],
           [-1.,  2.,  5.],
           [ 0., -2.,  5.]])
    """

    _vectors: tuple[np.ndarray, np.ndarray, np.ndarray]

    def __init__(self, origin: Any, u: Any, v: Any, extent: Any, shape: Any) -> None:
        vectors, dtype = vectors_of_one_length(origin=origin, u=u, v=v)
        limits = ranges(extent)
        if isinstance(shape, Integral):
            shape = (shape, shape)
        if not isinstance(shape, tuple | list) or len(shape) != 2:
            raise ValueError(f"shape: expected (number, number) or one number, got {shape!r}")
        coords = {
            name: equidistant("extent", low, high, count(f"shape[{k}]", shape[k]))
            for k, (name, (low, high)) in enumerate(zip("ab", limits, strict=True))
        }
        self._set(
            dims=("a", "b"),
            shape=(len(coords["a"]), len(coords["b"])),
            n=len(vectors[0]),
            dtype=dtype,
            _coords=coords,
            _attrs={"points": "x = origin + a u + b v"},
            _vectors=vectors,
        )

    def _fill(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        origin, u, v = self._vectors
        start = origin + self._coords["a"][rows, None] * u
        out[...] = start[:, None, :] + (self._coords["b"][columns, None] * v)[None, :, :]

    def spec(self) -> dict[str, Any]:
        """Plain description with digests of the arrays, for the key of a store."""
        arrays = zip(("origin", "u", "v"), self._vectors, strict=True)
        return {
            "kind": "Plane",
            **{name: array_spec(vector) for name, vector in arrays},
            **{name: array_spec(values) for name, values in self._coords.items()},
            "dtype": self.dtype.name,
        }


class Line(_Points):
    """A line through R^n: the points origin + t direction.

    Parameters
    ----------
    origin, direction : array_like, shape (n,)
        A point and a direction, used as given: it is not normalised, so t counts in lengths of direction.
    extent : (low, high)
        Range of t, ends included.
    num : int
        Number of points.

    Notes
    -----
    float64, unless origin and direction are both float32; the sums are taken in float64 and rounded once.

    Examples
    --------
    >>> import fastcurv as fc
    >>> fc.Line([1.0, 0.0], [0.0, 2.0], extent=(0, 1), num=3).block(0, 3)
    array([[1., 0.],
           [1., 1.],
           [1., 2.]])
    """

    _vectors: tuple[np.ndarray, np.ndarray]

    def __init__(self, origin: Any, direction: Any, extent: Any, num: Any) -> None:
        vectors, dtype = vectors_of_one_length(origin=origin, direction=direction)
        low, high = low_and_high("extent", extent)
        t = equidistant("extent", low, high, count("num", num))
        self._set(
            dims=("t",),
            shape=t.shape,
            n=len(vectors[0]),
            dtype=dtype,
            _coords={"t": t},
            _attrs={"points": "x = origin + t direction"},
            _vectors=vectors,
        )

    def _fill(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        origin, direction = self._vectors
        out[0] = origin + self._coords["t"][columns, None] * direction

    def spec(self) -> dict[str, Any]:
        """Plain description with digests of the arrays, for the key of a store."""
        origin, direction = self._vectors
        return {
            "kind": "Line",
            "origin": array_spec(origin),
            "direction": array_spec(direction),
            "t": array_spec(self._coords["t"]),
            "dtype": self.dtype.name,
        }


class Samples(_Points):
    """Points that lie in an array, read block by block.

    Parameters
    ----------
    points : array, shape (N, n)
        A NumPy array, a memmap, a Zarr or Dask array, or anything else with `shape`, `dtype` and slices that
        NumPy can read. It is kept, not copied: do not change it while it is scanned.

    Notes
    -----
    float32 points stay float32; every other real type becomes float64. Coordinates that are not finite are
    allowed: the scan marks those points as invalid. The axis is called `sample` and has no coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcurv as fc
    >>> samples = fc.Samples(np.arange(6).reshape(3, 2))
    >>> samples
    <fastcurv.Samples (sample: 3), n = 2, float64>
    >>> samples.block(1, 2)
    array([[2., 3.]])
    """

    _points: Any

    def __init__(self, points: Any) -> None:
        if not all(hasattr(points, name) for name in ("shape", "dtype", "__getitem__")):
            points = np.asarray(points)
        shape = tuple(points.shape)
        if len(shape) != 2 or shape[1] == 0:
            raise ValueError(
                f"points: expected an array of shape (N, n), n >= 1, got shape {shape}"
                + ("; for n = 1 pass points[:, None]" if len(shape) == 1 else "")
            )
        refuse_masked(points, "points")
        kind = np.dtype(points.dtype)
        if not is_real(kind):
            raise TypeError(f"points: expected real numbers of at most 64 bits, got dtype {kind}")
        self._set(
            dims=("sample",),
            shape=(int(shape[0]),),
            n=int(shape[1]),
            dtype=np.dtype(np.float32 if kind.type is np.float32 else np.float64),
            _coords={},
            _attrs={},
            _points=points,
        )

    def _fill(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        out[0] = np.asarray(self._points[columns])

    def spec(self) -> dict[str, Any]:
        """Plain description with the digest of the array as it is now, which is read for it, block by block."""
        digest = hashlib.sha256()
        step = max(1, _READ_BYTES // (self.n * self.dtype.itemsize))
        for start in range(0, self.size, step):
            digest.update(little_endian(self.block(start, min(start + step, self.size))))
        return {
            "kind": "Samples",
            "shape": [*self.shape, self.n],
            "dtype": self.dtype.name,
            "sha256": digest.hexdigest(),
        }


def _rectangles(start: int, stop: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the run start..stop in C order: what is left of a first row, whole rows, a last
    row.

    Working on rectangles costs one division a row; unravelling every index costs several a point.
    """
    if start == stop:
        return
    first, column = divmod(start, width)
    last, rest = divmod(stop, width)
    if first == last:
        yield slice(first, first + 1), slice(column, rest)
        return
    if column:
        yield slice(first, first + 1), slice(column, width)
        first += 1
    if first < last:
        yield slice(first, last), slice(0, width)
    if rest:
        yield slice(last, last + 1), slice(0, rest)
