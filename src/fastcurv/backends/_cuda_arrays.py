"""Arrays of other libraries that live on a device, as kernels take them; and results as arrays of the same library."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numba import cuda as numba_cuda

from ._dlpack import CUDA, Exported, Imported, device_of, is_on_cuda
from .cuda import copied

cuda: Any = numba_cuda


LIBRARIES = ("torch", "cupy", "jax", "jaxlib", "numba", "numba_cuda")


def _library(a: Any) -> str:
    """The name of the library that an array is of, or that its class is made from."""
    names = [kind.__module__.partition(".")[0] for kind in type(a).__mro__]
    return next((name for name in names if name in LIBRARIES), names[0])


def any_array(a: Any, name: str) -> Any:
    """An array as kernels take it: on the present device, after what its library still computes of it.

    By DLPack where its library speaks it: in the other interface torch and JAX do not tell on which stream they work.
    NumPy arrays are copied there.
    """
    if isinstance(a, np.ndarray):
        return copied(a)
    if hasattr(a, "detach"):  # a torch tensor that requires grad is not given away
        a = a.detach()
    if is_on_cuda(a):
        a = Imported(a)
    array = cuda.as_cuda_array(a, sync=True)
    if not array.is_c_contiguous():
        raise ValueError(f"{name} must be C-contiguous on a device; pass a contiguous copy")
    return array


def device_array(a: Any, name: str) -> Any:
    """The same of float32 or float64."""
    if isinstance(a, np.ndarray):
        raise TypeError(f"{name} must be an array on a device where x is one, got a NumPy array")
    array = any_array(a, name)
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must be float32 or float64 on a device, got {array.dtype}; convert it there")
    return array


def writable(a: Any, name: str) -> Any:
    """The same of an array that results are written to."""
    if _library(a) in ("jax", "jaxlib"):
        raise TypeError(f"{name}: JAX's arrays cannot be written to; call without {name}, for a new array")
    return device_array(a, name)


def ordinal_of(a: Any) -> int:
    """The number of the device that an array lives on."""
    if is_on_cuda(a):
        return (device_of(a) or (CUDA, 0))[1]
    device = getattr(a, "device", None)
    if device is None:
        device = getattr(getattr(getattr(a, "gpu_data", None), "context", None), "device", None)
    numbers = (getattr(device, name, None) for name in ("index", "id"))
    return next((number for number in numbers if isinstance(number, int)), 0)


def address_of(array: Any) -> int:
    """Where an array of Numba's begins, or one of NumPy's."""
    # of arrays in Numba's simulator, NumPy's property
    return array.__cuda_array_interface__["data"][0] if hasattr(array, "gpu_data") else array.ctypes.data


def span_of(array: Any) -> tuple[int, int]:
    """Where a contiguous array begins in memory, and where it ends."""
    first = address_of(array)
    return first, first + array.dtype.itemsize * math.prod(array.shape)


def empty_like(a: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Room for results on the present device: an array of the library that made `a` if those can be written to."""
    if _library(a) == "torch":
        return a.new_empty(shape, dtype=getattr(sys.modules["torch"], dtype.name)).detach()
    if _library(a) == "cupy":
        with a.device:
            return sys.modules["cupy"].empty(shape, dtype)
    return cuda.device_array(shape, dtype)


def handed_over(result: Any, a: Any) -> Any:
    """Complete results in that room, as an array of the library that made `a` if it reads DLPack, else of Numba."""
    if _library(a) in ("torch", "cupy", "numba", "numba_cuda"):
        return result
    namespace = a.__array_namespace__() if hasattr(a, "__array_namespace__") else sys.modules.get(_library(a))
    read = getattr(namespace, "from_dlpack", None)
    if read is None:
        return result
    return read(Exported(address_of(result), tuple(result.shape), result.dtype, (CUDA, ordinal_of(a)), result))
