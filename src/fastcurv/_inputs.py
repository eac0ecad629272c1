"""Checks of what users give, once, and its canonical form: C-contiguous, native byte order, float32 or float64."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .backends._dlpack import is_on_cuda

#: bytes of a cache line, and of arrays that are worth a start at one
LINE, LARGE = 64, 2**20
DOUBLE = np.dtype(np.float64)
#: native byte order: others are not equal to these
_READY = (DOUBLE, np.dtype(np.float32))


def is_ready(a: Any) -> bool:
    """Whether an array is in canonical form already."""
    return type(a) is np.ndarray and a.dtype in _READY and a.flags.c_contiguous


def lives_on_device(a: Any) -> bool:
    """Whether an array is in the memory of a GPU."""
    if type(a) is np.ndarray:
        return False
    a = a.detach() if hasattr(a, "detach") else a
    return hasattr(a, "__cuda_array_interface__") or is_on_cuda(a)


def dot(a: np.ndarray, b: np.ndarray) -> Any:
    """Sums along the last axis: those of einsum and @ may depend on how many there are in a batch."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is made NaN
        return (a * b).sum(axis=-1)


def apply(matrices: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Products of matrices with vectors, likewise."""
    return dot(matrices, v[..., None, :])


def real_array(a: Any, name: str) -> np.ndarray:
    """A C-contiguous float32 or float64 array: float32 stays so, integers and bools become float64."""
    if is_ready(a):
        return a
    if lives_on_device(a):
        raise TypeError(f"{name} lives on a GPU, where this is not computed in this version; pass a NumPy array")
    refuse_masked(a, name)
    if hasattr(a, "detach"):  # a torch tensor that requires grad refuses to become an array
        a = a.detach()  # pyright: ignore[reportAttributeAccessIssue]
    try:
        array = np.asarray(a)
    except ValueError as error:
        raise TypeError(f"{name} must be an array of real numbers: {error}") from None
    if array.dtype.kind == "f" and array.dtype.itemsize == 4:
        dtype = np.float32
    elif array.dtype.kind in "biu" or (array.dtype.kind == "f" and array.dtype.itemsize in (2, 8)):
        dtype = np.float64
    else:
        raise TypeError(f"{name} must hold real numbers of at most 64 bits, got dtype {array.dtype}")
    return np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)


def refuse_masked(a: Any, name: str) -> None:
    """Lest numbers that are masked out are taken for others."""
    if isinstance(a, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must not be a masked array, whose mask would be lost; pass {name}.filled(numpy.nan), or only the "
            "part that is not masked"
        )


def vectors(v: Any, name: str, batch: tuple[int, ...], n: int) -> np.ndarray:
    """Vectors of n coordinates, whose leading axes broadcast with those of points."""
    array = real_array(v, name)
    if array.ndim == 0 or array.shape[-1] != n:
        raise ValueError(f"{name} must have {n} coordinates along its last axis, got shape {array.shape}")
    check_broadcast(array.shape[:-1], name, batch)
    return array


def check_broadcast(shape: tuple[int, ...], name: str, batch: tuple[int, ...]) -> None:
    """Whether the leading axes of an argument fit those of points."""
    try:
        np.broadcast_shapes(shape, batch)
    except ValueError:
        raise ValueError(f"{name} must broadcast with points of batch shape {batch}, got batch shape {shape}") from None


def broadcast_directions(
    x: tuple[int, ...], v: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """From the shapes of points and directions those of the batch, of v over all of it, and (k,), if v has a block of k
    directions for each point.
    """
    if not x or not v or x[-1] != v[-1]:
        raise ValueError(f"v must have as many coordinates along its last axis as x, got shapes {v} and {x}")
    block = v[-2:-1] if len(v) > len(x) else ()
    try:
        batch = np.broadcast_shapes(x[:-1], v[: -1 - len(block)])
    except ValueError:
        raise ValueError(f"v and x must broadcast in their leading axes, got shapes {v} and {x}") from None
    return batch, (*batch, *block, x[-1]), block


def points_array(x: Any, name: str = "x") -> np.ndarray:
    """Points along the last axis."""
    array = real_array(x, name)
    if array.ndim == 0:
        raise ValueError(f"{name} must hold a point along its last axis, got a single number; write [{name}]")
    if array.shape[-1] == 0:
        raise ValueError(f"{name} must have at least one coordinate, got shape {array.shape}")
    return array


def square_matrices(a: Any, name: str = "a") -> np.ndarray:
    """Square matrices along the last two axes."""
    array = real_array(a, name)
    if array.ndim < 2 or array.shape[-1] != array.shape[-2]:
        raise ValueError(f"{name} must hold square matrices along its last two axes, got shape {array.shape}")
    return array


def output(out: Any, shape: tuple[int, ...], dtype: np.dtype, **inputs: Any) -> np.ndarray:
    """The array for a result: new, or the user's own if it fits and holds none of the arrays among the inputs."""
    if out is None:
        return new_array(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, got {type(out).__name__}")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"out must have shape {shape} and dtype {dtype}, got {out.shape} and {out.dtype}")
    flags = out.flags
    if not (flags.c_contiguous and flags.writeable):
        raise ValueError("out must be C-contiguous and writeable")
    _refuse_shared(out, inputs.items())
    return out


def new_array(shape: tuple[int, ...], dtype: np.dtype = DOUBLE) -> np.ndarray:
    """An array for results; a large one begins at a cache line.

    Those of NumPy begin 16 bytes after one: each vector that is written straddles two, and a Hessian of 32 coordinates
    takes 1.3 times as long.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    memory = np.empty(size + LINE, np.uint8)
    first = -memory.__array_interface__["data"][0] % LINE
    return memory[first : first + size].view(dtype).reshape(shape)


def _refuse_shared(out: np.ndarray, named: Iterable[tuple[str, Any]]) -> None:
    """Refuse memory that an input has, also within tuples."""
    for name, value in named:
        if isinstance(value, np.ndarray):
            if np.may_share_memory(out, value):
                raise ValueError(
                    f"out must not share memory with {name}, which is read while out is written; give another array"
                )
        elif isinstance(value, tuple) and value:
            _refuse_shared(out, ((f"{name}[{k}]", item) for k, item in enumerate(value)))


def rounded(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """An array of float64 in the type of the results; what is too large for it becomes infinite."""
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        return array.astype(dtype)


NO_POINTS = np.zeros(0, np.int64)


def overflown(*results: np.ndarray) -> np.ndarray:
    """Points, by number, of which a result (N, ...) is infinite in single precision.

    Blocks see what is not finite in double; this is for what overflows when it is rounded.
    """
    if results[0].dtype == np.float64:
        return NO_POINTS
    infinite = [np.isinf(array).any(axis=tuple(range(1, array.ndim))) for array in results]
    return np.flatnonzero(np.logical_or.reduce(infinite))


def poison(points: np.ndarray, *results: np.ndarray) -> None:
    """Make results (N, ...) of some points NaN."""
    for array in results if len(points) else ():
        array[points] = np.nan


class ArgumentsThere(tuple):
    """Checked arguments, some of them on a device: see `_there_and_back`."""

    numbers: Any
    are_finite: Any
    on_host: Any


def arguments(args: Any) -> tuple:
    """The arguments shared by all points, in few types: int64, float64, float32, bool, complex and read-only arrays."""
    if (type(args) is tuple and not args) or isinstance(args, ArgumentsThere):
        return args
    if not isinstance(args, tuple):
        raise TypeError(f"args must be a tuple, got {type(args).__name__}; write ({args!r},)" if np.isscalar(args)
                        else f"args must be a tuple, got {type(args).__name__}")  # fmt: skip
    return tuple(argument(value, f"args[{k}]") for k, value in enumerate(args))


def argument(value: Any, name: str) -> Any:
    """One of them."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise ValueError(f"{name} must be a number of at most 64 bits, got {value}; write it as a float")
    if isinstance(value, int) and value >= 2**63:
        return np.uint64(value)  # of a type of its own: others are compiled for int64
    if isinstance(value, (bool, int, float, complex, str)) or value is None:
        return value
    if isinstance(value, np.generic):
        _check_number(value.dtype, name)
        return value.item() if value.dtype.kind in "bi" or value.dtype in (np.float64, np.float16) else value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        raise TypeError(f"{name} must be a plain tuple, got a {type(value).__name__} with names: write tuple({name})")
    if isinstance(value, tuple):
        return tuple(argument(item, f"{name}[{k}]") for k, item in enumerate(value))
    if isinstance(value, list) or hasattr(value, "__array__"):
        array = number_array(value, name)
        return array if array.ndim else argument(array[()], name)
    raise TypeError(f"{name} must be a number, a string, an array or a tuple of those, got {type(value).__name__}")


def number_array(value: Any, name: str) -> np.ndarray:
    """A C-contiguous array of numbers of at most 64 bits that cannot be written to."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} must be an array of numbers: {error}") from None
    refuse_masked(value, name)
    _check_number(array.dtype, name)
    dtype = np.dtype(np.float64) if array.dtype == np.float16 else array.dtype.newbyteorder("=")
    return read_only(np.ascontiguousarray(array, dtype).reshape(array.shape))


def _check_number(dtype: np.dtype, name: str) -> None:
    if dtype.kind not in "biufc":
        raise TypeError(f"{name} must hold numbers, got dtype {dtype}")
    if dtype.itemsize > (16 if dtype.kind == "c" else 8):
        raise TypeError(f"{name} must hold numbers of at most 64 bits, got dtype {dtype}; convert it to float64")


def read_only(array: np.ndarray) -> np.ndarray:
    """A view that cannot be written to, so that compiled code is of one type for all arrays."""
    view = array.view()
    view.setflags(write=False)
    return view


def arguments_by_point(point_args: Any, batch: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Arguments of each point, their leading axes flattened."""
    if type(point_args) is tuple and not point_args:
        return point_args
    if not isinstance(point_args, tuple):
        raise TypeError(f"point_args must be a tuple of arrays, got {type(point_args).__name__}")
    flat = []
    for k, value in enumerate(point_args):
        array = number_array(value, f"point_args[{k}]")
        if array.shape[: len(batch)] != batch:
            raise ValueError(
                f"point_args[{k}] must have the leading shape of the points, {batch}, got shape {array.shape}"
            )
        flat.append(array.reshape((-1 if 0 not in array.shape else int(np.prod(batch)), *array.shape[len(batch) :])))
    return tuple(flat)


class Limits(NamedTuple):
    """Bounds as rows (lower, upper), infinite where there are none; and whether there are any."""

    rows: np.ndarray
    any: bool


def limits(bounds: Any, n: int, dtype: np.dtype) -> Limits:
    """Bounds in any of SciPy's forms: a `Bounds`, (lower, upper), or n pairs (for n = 2 these must be tuples).

    They are rounded to numbers of the points' type: inwards, or to the nearest where they coincide.
    """
    rows = np.empty((2, n))
    rows[0], rows[1] = -np.inf, np.inf
    if bounds is None:
        return Limits(rows, False)
    try:
        if hasattr(bounds, "lb") and hasattr(bounds, "ub"):  # scipy.optimize.Bounds, slow to import
            rows[0], rows[1] = real_numbers(bounds.lb, "bounds"), real_numbers(bounds.ub, "bounds")
        elif len(bounds) == 2 and not (n == 2 and all(isinstance(side, tuple) for side in bounds)):
            rows[0], rows[1] = (real_numbers(side, "bounds") for side in bounds)
        elif len(bounds) == n:
            for i, pair in enumerate(bounds):
                low, high = pair
                low, high = -np.inf if low is None else low, np.inf if high is None else high
                rows[:, i] = real_numbers([low, high], "bounds")
        else:
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds must be (lower, upper) arrays, a scipy.optimize.Bounds or {n} pairs, got {bounds!r}"
        ) from None
    if np.isnan(rows).any() or (rows[0] > rows[1]).any():
        i = int(np.argmax(~(rows[0] <= rows[1])))
        raise ValueError(f"bounds: lower must not exceed upper, got {rows[0, i]} and {rows[1, i]} for coordinate {i}")
    return Limits(_representable(rows, dtype), True)


def _representable(rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Bounds as numbers of a type, in float64: a node clipped to them stays within those that were given."""
    with np.errstate(over="ignore"):
        nearest = rows.astype(dtype)
    moved = nearest.copy()
    for side, inwards in enumerate((np.inf, -np.inf)):
        beyond = (nearest[side] < rows[side]) if side == 0 else (nearest[side] > rows[side])
        moved[side, beyond] = np.nextafter(nearest[side, beyond], np.asarray(inwards, dtype))
    return np.where(rows[0] == rows[1], nearest, moved).astype(np.float64)


def real_numbers(value: Any, name: str) -> np.ndarray:
    """Numbers as float64; neither text, nor what would lose an imaginary part or a mask, is taken for them."""
    refuse_masked(value, name)
    array = np.asarray(value)
    if array.dtype.kind not in "biufO":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return array.astype(np.float64)


def positive(value: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A positive finite number, or an array of them that broadcasts to a shape."""
    try:
        array = real_numbers(value, name)
        result = np.broadcast_to(array, shape)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number or an array of shape {shape}, got {value!r}") from None
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
    return result


def flag(value: Any, name: str) -> bool:
    """A bool, and nothing that merely looks like one."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def integer(value: Any, name: str, choices: tuple[int, ...]) -> int:
    """One of some integers."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be one of {choices}, got {value!r}") from None
    if number not in choices:
        raise ValueError(f"{name} must be one of {choices}, got {value!r}")
    return number
