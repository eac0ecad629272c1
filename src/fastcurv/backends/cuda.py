"""The CUDA launcher: programs of traced functions, one point to a thread, by the emitter that serves the CPU.

Imported on first use, for numba-cuda is an optional package.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import cuda as numba_cuda
from numba import types

from .._errors import DeviceError
from .._plan import EVERY
from ..differences._steps import is_beyond
from . import _cuda_numpy  # noqa: F401  what it teaches numba-cuda: min and max that keep NaN, in all kernels
from ._cuda_tiles import loading, reading, storing, threads_of, width_of, writing

cuda: Any = numba_cuda
INSTALL = "pip install 'fastcurv[cuda13]', for drivers of CUDA 12 [cuda12]; without an NVIDIA GPU use device='cpu'"
#: rows of so many results are collected by a block of threads, and written together
MOST_TOGETHER = 64
#: bytes of arrays that kernels read and that are kept on a device: to copy one takes longer than a short kernel
MOST_KEPT_BYTES = 2**12
#: numbers from here on become infinite where they are rounded to single precision
TOO_LARGE = float(np.finfo(np.float32).max) * (1 + 2.0**-25)
#: bytes of a part of points that come from the host, on a device, and on the host where the device fetches it
CHUNK_BYTES = 2**26


class Shape(NamedTuple):
    """What a kernel is compiled for besides the code of a program."""

    n: int
    extra: int  # numbers of points' own
    slots: int
    size: int  # numbers of a row of results
    bounded: bool
    entries: tuple[int, ...]  # the slots of a row where it is short, else empty
    single: bool  # results are float32, and all numbers that they are computed from
    values: int  # so many numbers of a row, the first, are of the function: they stay what they are

    @property
    def real(self) -> Any:
        """Numba's type of numbers."""
        return types.float32 if self.single else types.float64

    @property
    def width(self) -> int:
        """How many numbers of each point shared memory has room for."""
        return max(width_of(self.n, self.extra, self.size), (self.size if self.entries else 0) | 1)

    @property
    def threads(self) -> int:
        """Threads in a block."""
        return threads_of(self.width, 128, self.real.bitwidth // 8)


def select(ordinal: int) -> Any:
    """A device, to be made the current one by ``with``; of EVERY device the first.

    Raises
    ------
    DeviceError
        If there is none of that number, or numba-cuda is not installed.
    """
    if getattr(cuda, "implementation", "NVIDIA") != "NVIDIA":  # Numba's own, no longer developed
        raise DeviceError(f"device='cuda' needs numba-cuda: {INSTALL}")
    if not cuda.is_available():
        raise DeviceError("no CUDA device was found, or its driver does not work; use device='cpu'")
    if ordinal >= (count := len(cuda.gpus)):
        raise DeviceError(f"device='cuda:{ordinal}': there are {count} CUDA devices, numbered from 0")
    return cuda.gpus[max(ordinal, 0)]


def ordinals(device: int) -> tuple[int, ...]:
    """The numbers of the devices that work on points on the host."""
    return tuple(range(len(cuda.gpus))) if device == EVERY else (device,)


def launch(
    kernel: Any, threads_in_all: int, block: int, *arguments: Any, stream: Any = 0, shared: int = 0
) -> None:  # fmt: skip
    """Launch a kernel over so many threads, in blocks, with so many bytes of shared memory of no size that it knows;
    small grids are meant, and no reason to warn.
    """
    if threads_in_all == 0:
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Grid size")
        configured = kernel[-(-threads_in_all // block), block, stream, shared]
    with driver_errors():
        configured(*arguments)


@contextmanager
def driver_errors() -> Iterator[None]:
    """What the driver, or cuSOLVER, says within a ``with`` block becomes a DeviceError; errors of compilers stay."""
    try:
        yield
    except Exception as error:
        kinds = [f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__]
        of_libraries = any(kind.startswith(("cuda.", "nvmath.")) for kind in kinds)
        if of_libraries or any(kind.endswith(("CudaDriverError", "CudaAPIError")) for kind in kinds):
            raise DeviceError(f"the CUDA device failed: {error}; use fewer points, or device='cpu'") from error
        raise


def rows_kernel(f: Callable, shape: Shape) -> Callable:
    """A row of results for each point: NaN where that violates its bounds, and derivatives NaN where a result is not
    finite.

    Of float32 points arithmetic is in float32: many devices have few units for more.
    """
    n, extra, slots, size, bounded, entries, _, values = shape
    inputs, threads, width = n + extra, shape.threads, shape.width
    real, looked_at = shape.real, slots if values < size else 0
    nothing = real(0.0)

    def looked_up(found, k):
        y, table, outside, lost = found
        return y[table[k]] + (outside if k < values else lost)

    load, store, write = loading(n, extra), storing(size, size), writing(size, looked_up)
    outside_at, poison_of = poison_at(n, bounded, real), cuda.jit(device=True)(poison_of_results(looked_at, real))

    def short_rows(points, own, shared, indices, constants, bounds, table, rows):
        tile = cuda.shared.array((threads, width), real)
        x, y = cuda.local.array(inputs, real), cuda.local.array(slots, real)
        b, thread, count = cuda.grid(1), cuda.threadIdx.x, points.shape[0]
        load(points, own, b, tile, x)
        outside = outside_at(points, bounds, b, tile)
        if b < count:
            f(x, y, (shared, indices, constants))
            lost = outside + poison_of(y)
            for k in range(size):
                tile[thread, k] = y[entries[k]] + (outside if k < values else lost)
        cuda.syncthreads()
        store(tile, rows, 0, count)

    def long_rows(points, own, shared, indices, constants, bounds, table, rows):
        tile = cuda.shared.array((threads, width), real)
        x, y = cuda.local.array(inputs, real), cuda.local.array(slots, real)
        b, count, lost = cuda.grid(1), points.shape[0], nothing
        load(points, own, b, tile, x)
        outside = outside_at(points, bounds, b, tile)
        if b < count:
            f(x, y, (shared, indices, constants))
            lost = outside + poison_of(y)
        write((y, table, outside, lost), tile, rows, b, count)

    return short_rows if entries else long_rows


def poison_at(n: int, bounded: bool, real: Any) -> Callable:
    """``poison(points, bounds, b, tile)``: 0, or NaN where a thread's point b is out of bounds."""
    violates, nothing, lost = cuda.jit(device=True)(is_beyond), real(0.0), real(math.nan)

    def put(found, k, number):
        poison, bounds = found
        if violates(number, bounds[0, k], bounds[1, k]):
            poison[0] = lost

    read = reading(n, put)

    def anywhere(points, bounds, b, tile):
        return nothing

    def within(points, bounds, b, tile):
        poison = cuda.local.array(1, real)
        poison[0] = nothing
        read(points, tile, b, points.shape[0], (poison, bounds))
        return poison[0]

    return cuda.jit(device=True)(within if bounded else anywhere)


def poison_of_results(slots: int, real: Any) -> Callable:
    """``poison(y)``: 0, or NaN where a result is not finite."""
    nothing = real(0.0)

    def poison(y):
        found = nothing
        for k in range(slots):
            found += nothing * y[k]
        return found

    return poison


class Kernels:
    """The kernel of a program for each shape, and what its code reads, on each device."""

    def __init__(self, program: Any):
        self._evaluate, self._tables = program.evaluator(), program.tables
        self._made: dict[Shape, Callable] = {}
        self._copied: dict[tuple[int, bool], tuple] = {}

    def made(self, shape: Shape) -> Callable:
        """The kernel, to be compiled for types when it is launched."""
        if shape not in self._made:
            self._made[shape] = cuda.jit(rows_kernel(device_function(self._evaluate), shape))
        return self._made[shape]

    def tables(self, ordinal: int, single: bool = False) -> tuple:
        """Indices and constants, those `single` or double, on the present device."""
        if (ordinal, single) not in self._copied:
            indices, constants = self._tables
            self._copied[ordinal, single] = copied(indices), copied(in_type(constants, single))
        return self._copied[ordinal, single]


def device_function(evaluate: Callable) -> Callable:
    """What a kernel calls."""
    return cuda.jit(device=True)(evaluate)


def in_type(numbers: np.ndarray, single: bool) -> np.ndarray:
    """Numbers as code of a precision reads them; what is too large for it becomes infinite."""
    if not single or numbers.dtype == np.float32:
        return numbers
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def copied(array: np.ndarray) -> Any:
    """A copy on the present device; of an empty array, one that nobody reads."""
    if not array.size:
        return cuda.to_device(np.zeros((1,) * array.ndim, array.dtype))
    # flat: NumPy takes strides of 0 for contiguous
    return cuda.to_device(np.ascontiguousarray(array).reshape(-1)).reshape(array.shape)


def constant(array: np.ndarray) -> Any:
    """A copy on the present device that is only read: of small arrays the one made before; itself where it is there."""
    if not isinstance(array, np.ndarray):
        return array
    if array.nbytes > MOST_KEPT_BYTES:
        return copied(array)
    ordinal = getattr(cuda.get_current_device(), "id", 0)  # the simulator's one device has no number
    return _kept(ordinal, array.dtype.str, array.shape, array.tobytes())


@lru_cache(maxsize=256)
def _kept(ordinal: int, dtype: str, shape: tuple[int, ...], data: bytes) -> Any:
    return copied(np.frombuffer(data, dtype).reshape(shape))


class Rows(NamedTuple):
    """Rows of results to compute."""

    kernels: Kernels
    shape: Shape
    slots: np.ndarray
    shared: np.ndarray
    bounds: np.ndarray

    def from_host(self, device: int, points: np.ndarray, own: np.ndarray, rows: np.ndarray) -> None:
        """Of points on the host, in parts that fit on the device."""
        from ._cuda_transfers import in_parts  # which imports this module

        n, extra, size = self.shape.n, self.shape.extra, self.shape.size

        def prepare(ordinal: int) -> Callable[..., None]:
            given = self._given(ordinal)

            def run(stream: Any, count: int, points: Any, own: Any, rows: Any) -> None:
                own = own.reshape(count, extra) if extra else own
                self._launch(given, points.reshape(count, n), own, rows, stream)

            return run

        in_parts(ordinals(device), max(1, CHUNK_BYTES // (8 * (n + extra + size))), (points, own), (rows,), prepare)

    def on_device(self, ordinal: int, points: Any, own: Any, rows: Any) -> None:
        """Of points that are on the device; results are there for any stream."""
        with select(ordinal), driver_errors():
            given = self._given(ordinal)  # which must not be let go of before
            self._launch(given, points, own, rows)
            cuda.synchronize()

    def _given(self, ordinal: int) -> tuple:
        single = self.shape.single
        shared, bounds, slots = map(constant, (in_type(self.shared, single), self.bounds, self.slots))
        return shared, *self.kernels.tables(ordinal, single), bounds, slots

    def _launch(self, given: tuple, points: Any, own: Any, rows: Any, stream: Any = 0) -> None:
        made, count = self.kernels.made(self.shape), points.shape[0]
        if count:
            rows = rows.reshape(count, self.shape.size)
            launch(made, count, self.shape.threads, points, own, *given, rows, stream=stream)
