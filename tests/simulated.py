"""What stands in for a device in Numba's simulator of CUDA: code of the host for programs, its memory for arrays.

The simulator runs kernels in Python, but programs are machine code; its arrays do not tell that they are on a device.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numba import njit

from fastcurv.backends import _kernels
from fastcurv.backends._dlpack import Imported
from fastcurv.backends._templates import LINKED, LinkedCache, Recipe
from fastcurv.function import DiskCache, compiled

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


def _block_of(operation: _kernels.Operation, roles: tuple, kinds: Any) -> Callable:
    block: Any = _kernels.block_of(operation, roles, kinds)
    block.made_of = operation, roles, kinds
    return block


def _compiled_block(block: Any, tag: str, **flags: Any) -> Callable:
    """As kernels of the CPU are made: once for all functions that can be linked into it, and kept on disk."""
    operation, roles, kinds = block.made_of
    tag = hashlib.blake2b(f"simulated {tag}".encode(), digest_size=20).hexdigest()
    made: Any = compiled(_run_block(block), tag, entry=True, **flags)
    cache: Any = DiskCache(tag) if all(role.function.lasting for role in roles if role) else None
    forms, make_block = _kernels._blocks(operation, roles)
    if any(forms) and all(form in LINKED for form in forms if form):
        identity = f"simulated {_kernels.digest_of(operation, roles, 'template')}"
        recipe = Recipe(_run_block, make_block, forms, identity, operation.calls)
        cache = LinkedCache(recipe, _kernels._evaluators(roles, "native", kinds), tag, cache)
    if cache:
        made._cache = cache
    return lambda *arguments: made(*map(_plain, arguments))


def _run_block(block: Callable) -> Callable:
    def run_block(*arguments):
        block(*arguments)

    return run_block


def _numbers(memory: np.ndarray, first: int, shape: Any, lanes: int, room: int) -> np.ndarray:
    return memory[first : first + math.prod(np.atleast_1d(shape))].reshape(shape)


def compile_for_the_host(replace: Replace) -> None:
    """Programs and blocks are compiled for the CPU, and kernels in the simulator call them."""
    from simulated_blocks import Block

    replace(import_module("numba.cuda.simulator.kernel"), "BlockManager", Block)
    backends = "fastcurv.backends"
    for name in ("cuda", "_cuda_eigen", "_cuda_groups", "_cuda_curvature"):
        replace(import_module(f"{backends}.{name}"), "device_function", _device_function)
    # small blocks: barriers between threads of Python take time
    replace(import_module(f"{backends}._cuda_tiles"), "SHARED_BYTES", 0)
    for name, size in (("THREADS", 6), ("TEAM", 2), ("SIDE", 3)):
        replace(import_module(f"{backends}._cuda_over"), name, size)
    replace(import_module(f"{backends}._cuda_jobs"), "compiled", _compiled_block)
    replace(import_module(f"{backends}._cuda_jobs"), "block_of", _block_of)
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
