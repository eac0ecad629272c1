"""The arguments of grids: checked and made into read-only arrays. The points are `_grids`' business."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np

from fastcurv._inputs import refuse_masked


def axis_coordinates(name: str, axis: Any) -> np.ndarray:
    expected = f"axis {name}: expected (start, stop, number), a 1-D array of coordinates, or a number"
    if isinstance(axis, tuple):
        if len(axis) != 3:
            raise ValueError(f"{expected}, got a tuple of {len(axis)}; coordinates go in a list or an array")
        start, stop = (finite_number(f"axis {name}: {end}", axis[k]) for k, end in enumerate(("start", "stop")))
        return equidistant(f"axis {name}", start, stop, count(f"axis {name}: number", axis[2]))
    if isinstance(axis, str | bytes | bool | np.bool_ | None):
        raise TypeError(f"{expected}, got {axis!r}")
    refuse_masked(axis, f"axis {name}")
    coordinates = np.asarray(axis)
    if not is_real(coordinates.dtype) or coordinates.dtype == bool:
        raise TypeError(f"{expected}, got {axis!r} of dtype {coordinates.dtype}")
    if coordinates.ndim != 1:
        raise ValueError(f"{expected}, got an array of shape {coordinates.shape}")
    coordinates = _float_copy(coordinates)
    _check_finite(f"axis {name}", coordinates)
    return coordinates


def equidistant(name: str, low: float, high: float, number: int) -> np.ndarray:
    """Read-only coordinates, both ends included."""
    if not math.isfinite(high - low):
        raise ValueError(f"{name}: expected a range of finite length, got {low} to {high}")
    return frozen(np.linspace(low, high, number))


def check_name(name: str) -> None:
    """Refuse names of axes that are no names of files: in a store they are."""
    if not name or set(name) <= {"."} or {"/", "\\", "\0"} & set(name) or name == "zarr.json" or name.startswith("__"):
        raise ValueError(f"axis {name!r}: expected a name that can be one of a file, without slashes; choose another")


def vectors_of_one_length(**named: Any) -> tuple[tuple[np.ndarray, ...], np.dtype]:
    """Read-only float64 vectors of one length, and the dtype of the points made of them."""
    arrays = {name: np.asarray(value) for name, value in named.items()}
    for name, array in arrays.items():
        refuse_masked(named[name], name)
        if not is_real(array.dtype):
            raise TypeError(f"{name}: expected real numbers of at most 64 bits, got dtype {array.dtype}")
        if array.ndim != 1 or not array.size:
            raise ValueError(f"{name}: expected a vector of shape (n,), n >= 1, got shape {array.shape}")
        _check_finite(name, array)
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{', '.join(arrays)}: expected vectors of the same length, got lengths {lengths}")
    single = all(array.dtype == np.float32 for array in arrays.values())
    vectors = tuple(frozen(array.astype(np.float64)) for array in arrays.values())
    return vectors, np.dtype(np.float32 if single else np.float64)


def is_real(dtype: np.dtype) -> bool:
    """Whether float64 holds such numbers, or the nearest to them."""
    return dtype.kind in "fiub" and dtype.itemsize <= 8


def ranges(extent: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    if isinstance(extent, tuple | list | np.ndarray) and len(extent) == 2 and np.ndim(extent[0]) == 1:
        return low_and_high("extent[0]", extent[0]), low_and_high("extent[1]", extent[1])
    shared = low_and_high("extent", extent)
    return shared, shared


def low_and_high(name: str, pair: Any) -> tuple[float, float]:
    if not isinstance(pair, tuple | list | np.ndarray) or len(pair) != 2:
        raise ValueError(f"{name}: expected (low, high), got {pair!r}")
    return finite_number(f"{name} low", pair[0]), finite_number(f"{name} high", pair[1])


def finite_number(name: str, value: Any) -> float:
    if not isinstance(value, Real) or isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return float(value)


def count(name: str, value: Any) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: expected a whole number of points, got {value!r}")
    if value < 0:
        raise ValueError(f"{name}: expected 0 or more points, got {value}")
    return int(value)


def _check_finite(name: str, array: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(f"{name}: expected finite numbers, got {array[bad[0]]} at index {bad[0]}")


def _float_copy(array: np.ndarray) -> np.ndarray:
    return frozen(np.array(array, np.float32 if array.dtype.type is np.float32 else np.float64))


def frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
