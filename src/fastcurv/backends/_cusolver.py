"""Eigenvalues and eigenvectors of larger matrices on a CUDA device, by cuSOLVER's `cusolverDnXsyevBatched`.

cuSOLVER works on copies, each divided by a power of two; in place of matrices that are zero or not finite it is given
identities, so that none disturbs others. All is queued on a stream: nothing here waits.
"""

from __future__ import annotations

import math
import weakref
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numba import types

from .._errors import DeviceError
from ._cuda_arrays import address_of
from ._cuda_groups import LEAST, WARP
from ._cuda_over import over_pairs
from .cuda import cuda, launch

MISSING = (
    "larger matrices are solved by cuSOLVER, of CUDA 12.6.2 or later, through nvmath-python: "
    "pip install 'fastcurv[cusolver13]', for drivers of CUDA 12 [cusolver12]; or use device='cpu' with NumPy arrays"
)
#: the first version that has the function
VERSION = 11_701
#: numbers of the matrices of a call: cuSOLVER counts them in 32 bits
MOST_ENTRIES = 2**31 - 1
#: matrices of a call: of more than 32,768 it has refused some
MOST_MATRICES = 2**14
#: bytes of copies, and of cuSOLVER's workspace, that a stream uses, unless one matrix needs more
MOST_BYTES = 2**29
#: threads of a block, which has a matrix
THREADS = 256
#: as C's headers number them: cusolverEigMode_t, cublasFillMode_t, cudaDataType
MODES = {False: 0, True: 1}
UPPER = 1
KINDS = {"float32": 0, "float64": 1}


@cache
def binding() -> Any:
    """nvmath-python's functions: NVIDIA's own binding, small; CuPy, of ten times its size, lacks the one used here.

    Raises
    ------
    DeviceError
        If the package is missing, or cuSOLVER, or that is too old.
    """
    try:
        cusolver, functions = (import_module(f"nvmath.bindings.{name}") for name in ("cusolver", "cusolverDn"))
        version = cusolver.get_version()
    except (ImportError, RuntimeError) as error:
        raise DeviceError(f"{MISSING} ({error})") from error
    if version < VERSION:
        raise DeviceError(f"{MISSING} (the version found is {version // 1000}.{version // 100 % 10}.{version % 100})")
    return functions


def is_there() -> bool:
    """Whether cuSOLVER can be called."""
    try:
        binding()
    except DeviceError:
        return False
    return True


def require(n: int) -> None:
    """Make sure that matrices of order n can be solved."""
    if n * n > MOST_ENTRIES:
        most = math.isqrt(MOST_ENTRIES)
        raise DeviceError(
            f"a: cuSOLVER solves matrices of up to {most} rows, got {n}; use device='cpu' with NumPy arrays"
        )
    binding()


def scale(matrices, n, A, scales):
    """Copies of matrices, of which lower triangles are read, divided by a power of two; a block for each.

    Its scale is that power, 0 for a zero matrix, NaN for one that is not finite; both are copied as identities.
    """
    largest_of = cuda.shared.array(THREADS, types.float64)
    b, thread = cuda.blockIdx.x, cuda.threadIdx.x
    warp, lane = thread // WARP, thread % WARP
    first = b * n * n
    largest = poison = 0.0
    for i in range(warp, n, THREADS // WARP):
        for j in range(lane, i + 1, WARP):
            number = float(matrices[first + i * n + j])
            largest, poison = max(largest, abs(number)), poison + 0.0 * number
    largest_of[thread] = largest
    is_finite = cuda.syncthreads_count(1 if poison != 0.0 else 0) == 0
    for k in range(THREADS):
        largest = max(largest, largest_of[k])
    is_identity = not is_finite or largest == 0.0
    exponent = 1
    if not is_identity:
        _, exponent = math.frexp(largest)
        exponent = max(exponent, LEAST)
    inverse = math.ldexp(1.0, 1 - exponent)
    # both triangles: cuSOLVER is to find no leftovers, and its columns are our rows
    for i in range(warp, n, THREADS // WARP):
        for j in range(lane, i + 1, WARP):
            number = 1.0 if i == j else 0.0
            if not is_identity:
                number = float(matrices[first + i * n + j]) * inverse
            A[first + i * n + j] = number
            A[first + j * n + i] = number
    if thread == 0:
        scales[b] = math.nan if not is_finite else 0.0 if is_identity else math.ldexp(1.0, exponent - 1)


def clear(numbers):
    """Zeros: cuSOLVER 11.7.1 takes for granted that its workspace holds them."""
    for k in range(cuda.grid(1), numbers.shape[0], cuda.gridsize(1)):
        numbers[k] = 0.0


def finish(A, n, scales, info, vectors, w):
    """Scale eigenvalues; without convergence they, and vectors, are NaN."""
    b, thread = cuda.blockIdx.x, cuda.threadIdx.x
    factor = scales[b] if info[b] == 0 else math.nan
    for i in range(thread, n, THREADS):
        w[b, i] = w[b, i] * factor
    if vectors and math.isnan(factor):
        for k in range(thread, n * n, THREADS):
            A[b * n * n + k] = math.nan


def mirrored(x, y):
    """The other of two entries that mirror each other."""
    return y


#: vectors, which cuSOLVER leaves in our rows, become columns
_transpose = over_pairs(mirrored)


@cache
def _kernels() -> tuple:
    return cuda.jit(scale), cuda.jit(clear), cuda.jit(finish)


#: handles that no stream uses now, and parameters for them, by device: they take long to make
_idle: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)


class Worker:
    """A stream of the present device that solves matrices: with a handle of its own meanwhile, and memory."""

    def __init__(self, ordinal: int, stream: Any, n: int, vectors: bool, dtype: np.dtype):
        self._library, self._stream, self._n, self._vectors, self._dtype = binding(), stream, n, vectors, dtype
        idle = _idle[ordinal]
        self._handle = idle.pop() if idle else (self._library.create(), self._library.create_params())
        weakref.finalize(self, idle.append, self._handle)
        self._library.set_stream(self._handle[0], int(stream))
        self._arrays: dict[str, list] = {}

    def solve(self, matrices: Any, w: Any, z: Any) -> None:
        """Queue the solution of flat matrices; in z, where vectors are wanted, cuSOLVER works, too."""
        count, size = w.shape[0], self._n * self._n
        together = self._together(count)
        for first in range(0, count, together):
            last = min(first + together, count)
            part = slice(first * size, last * size)
            A = z[part] if self._vectors else self._array("copies", (last - first) * size, self._dtype)
            self._solve_together(matrices[part], A, w[first:last])

    def _solve_together(self, matrices: Any, A: Any, w: Any) -> None:
        n, batch = self._n, w.shape[0]
        bytes_there, bytes_here = self._bytes_of_workspace(batch)
        there = self._array("workspace", -(-bytes_there // 8), np.float64)
        here = self._array("workspace on the host", bytes_here, np.uint8, np.empty)
        scales, info = self._array("scales", batch, np.float64), self._array("info", batch, np.int32)
        scaled, cleared, finished = _kernels()
        launch(scaled, batch * THREADS, THREADS, matrices, n, A, scales, stream=self._stream)
        launch(cleared, min(there.size, 1024 * THREADS), THREADS, there, stream=self._stream)
        self._library.xsyev_batched(
            *self._problem(address_of(A), address_of(w)), address_of(there), bytes_there, address_of(here), bytes_here,
            address_of(info), batch,
        )  # fmt: skip
        launch(finished, batch * THREADS, THREADS, A, n, scales, info, self._vectors, w, stream=self._stream)
        if self._vectors:
            _transpose(A.reshape(batch, n, n), self._stream)

    def _problem(self, a: int, w: int) -> tuple:
        """What both functions of cuSOLVER take first: matrices at one address, eigenvalues at another."""
        n, kind = self._n, KINDS[self._dtype.name]
        return *self._handle, MODES[self._vectors], UPPER, n, kind, a, n, kind, w, kind

    def _bytes_of_workspace(self, batch: int) -> tuple[int, int]:
        """On the device, and on the host."""
        return self._library.xsyev_batched_buffer_size(*self._problem(0, 0), batch)

    def _together(self, count: int) -> int:
        """How many matrices to solve in a call."""
        size = self._n * self._n
        batch = min(count, MOST_MATRICES, MOST_ENTRIES // size, max(1, MOST_BYTES // (self._dtype.itemsize * size)))
        while batch > 1 and (needed := self._bytes_of_workspace(batch)[0]) > MOST_BYTES:
            batch = max(1, min(batch // 2, batch * MOST_BYTES // needed))
        return batch

    def _array(self, name: str, size: int, dtype: Any, make: Callable = cuda.device_array) -> Any:
        """Memory that stays as long as this worker: the device may still use what has become too small."""
        made = self._arrays.setdefault(name, [])
        if not made or made[-1].size < size:
            made.append(make(max(1, size), dtype))
        return made[-1][:size] if size else made[-1]


def solving(ordinal: int, n: int, vectors: bool) -> Callable[..., None]:
    """The same as `_cuda_eigen.solving`, for large n."""
    require(n)
    workers: dict[int, Worker] = {}

    def solve(stream: Any, matrices: Any, w: Any, z: Any) -> None:
        if int(stream) not in workers:
            workers[int(stream)] = Worker(ordinal, stream, n, vectors, matrices.dtype)
        workers[int(stream)].solve(matrices, w, z)

    return solve
