"""What stands in for a device in Numba's simulator of CUDA: code of the host for programs, its memory for arrays.

The simulator runs kernels in Python, but programs are machine code; its arrays do not tell that they are on a device.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numba import njit

from fastcurv.backends._dlpack import Imported
from fastcurv.function import compiled

Replace = Callable[[Any, str, Any], None]
"""`setattr`, or that of pytest's monkeypatch."""


def _plain(value: Any) -> Any:
    """The host's arrays behind those of the simulator."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, (int, float, np.generic)):
        return value
    while not isinstance(value, np.ndarray):
        value = value.__dict__.get("_item", value.__dict__.get("_ary"))
    return value


def _device_function(evaluate: Callable) -> Callable:
    made = njit(evaluate)
    return lambda x, y, tables: made(_plain(x), _plain(y), tuple(map(_plain, tables)))


def _compiled_block(block: Callable, tag: str, **flags: Any) -> Callable:
    made = compiled(block, tag, entry=True, **flags)
    return lambda *arguments: made(*map(_plain, arguments))


def _numbers(memory: np.ndarray, first: int, shape: Any, lanes: int, room: int) -> np.ndarray:
    return memory[first : first + math.prod(np.atleast_1d(shape))].reshape(shape)


def compile_for_the_host(replace: Replace) -> None:
    """Programs and blocks are compiled for the CPU, and kernels in the simulator call them."""
    backends = "fastcurv.backends"
    for name in ("cuda", "_cuda_eigen", "_cuda_groups", "_cuda_curvature"):
        replace(import_module(f"{backends}.{name}"), "device_function", _device_function)
    # small blocks: barriers between threads of Python take time
    replace(import_module(f"{backends}._cuda_tiles"), "SHARED_BYTES", 0)
    for name, size in (("THREADS", 6), ("TEAM", 2), ("SIDE", 3)):
        replace(import_module(f"{backends}._cuda_over"), name, size)
    replace(import_module(f"{backends}._cuda_jobs"), "compiled", _compiled_block)
    replace(import_module(f"{backends}._cuda_places"), "numbers", _numbers)
    for name in ("_cuda_jobs", "_cuda_resident", "_cuda_fused"):
        replace(import_module(f"{backends}.{name}"), "compile_for", lambda made, arguments, job: None)


class Foreign:
    """An array of another library on a device; here its memory is the host's."""

    def __init__(self, memory: np.ndarray):
        self.memory, self.shape, self.dtype = memory, memory.shape, memory.dtype

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        pointer = self.memory.__array_interface__["data"]
        return {"shape": self.shape, "typestr": self.dtype.str, "data": pointer, "version": 3, "strides": None}


def memory_of(imported: Any) -> np.ndarray:
    """The host's memory that an array is said to have on a device."""
    known = imported.__cuda_array_interface__
    size = np.dtype(known["typestr"]).itemsize * math.prod(known["shape"])
    flat = np.frombuffer((ctypes.c_char * size).from_address(known["data"][0]), known["typestr"])
    return flat.reshape(known["shape"])


def take_arrays_of_others(replace: Replace) -> None:
    """Kernels take `Foreign` arrays, and those that speak DLPack, for arrays of the simulator."""
    from numba import cuda
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray  # pyright: ignore[reportMissingImports]

    def as_cuda_array(a: Any, sync: bool = True) -> Any:
        assert sync  # what the producer still computes is waited for
        if isinstance(a, Imported):
            return FakeCUDAArray(memory_of(a))
        return FakeCUDAArray(a.memory) if isinstance(a, Foreign) else a

    replace(cuda, "as_cuda_array", as_cuda_array)
    # as Numba's own arrays on a device tell where they are
    replace(FakeCUDAArray, "__cuda_array_interface__", property(lambda a: {"shape": tuple(a.shape), "version": 3}))
