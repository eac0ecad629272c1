"""What makes two scans the same: functions, arrays and other arguments as plain data with digests."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def function_digest(fun: Any) -> str | None:
    """Digest of a function; None if it has none that lasts (`vectorized` and C functions)."""
    from fastcurv.function import digest

    return digest(fun)


def described(what: str, value: Any, unknown: Callable[[Any], str | None]) -> Any:
    """A value as plain data, with digests of arrays and functions; `unknown` describes what has no digest.

    Raises
    ------
    TypeError
        The value has no digest, and `unknown` gives None.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float | complex | np.generic):
        # With its type: 1 and 1.0 compile to different code. As text: JSON has no NaN.
        return f"{type(value).__name__} {value.item() if isinstance(value, np.generic) else value!r}"
    if isinstance(value, tuple | list):
        return [described(f"{what}[{k}]", item, unknown) for k, item in enumerate(value)]
    if hasattr(value, "lb") and hasattr(value, "ub"):  # scipy.optimize.Bounds
        return [described(f"{what}.{end}", getattr(value, end), unknown) for end in ("lb", "ub")]
    if callable(value):
        digest = function_digest(value)
        if digest is not None:
            return f"function {digest}"
    elif hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype.kind != "O":
            return {"shape": list(array.shape), "dtype": array.dtype.str, "sha256": _bytes_digest(array)}
    words = unknown(value)
    if words is None:
        raise TypeError(
            f"{what}: a {type(value).__name__} has no digest by which a store could tell it from another; "
            "pass numbers, arrays or plain functions, or scan without store="
        )
    return words


def _bytes_digest(array: np.ndarray) -> str:
    digest = hashlib.sha256()
    for part in _contiguous_parts(array):
        digest.update(part.data.cast("B") if part.size else b"")
    return digest.hexdigest()


def _contiguous_parts(array: np.ndarray) -> Iterator[np.ndarray]:
    """The array in C order, in pieces: a memmap is not read into memory as a whole."""
    if array.ndim == 0:
        yield array.reshape(1).view(np.uint8)
        return
    step = max(1, (1 << 24) // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        yield np.ascontiguousarray(array[start : start + step]).reshape(-1).view(np.uint8)


def array_spec(array: np.ndarray) -> dict[str, Any]:
    ends = [float(array[0]), float(array[-1])] if array.size else []
    return {
        "size": array.size,
        "ends": ends,
        "dtype": array.dtype.name,
        "sha256": hashlib.sha256(little_endian(array)).hexdigest(),
    }


def little_endian(array: np.ndarray) -> bytes:
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
