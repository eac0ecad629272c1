"""The device: arrays to it and from it, what it is called, and what it can copy and multiply."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import cuda as numba_cuda

import fastcurv as fc

from ..peers.measure import machine
from ._clock import milliseconds

cuda: Any = numba_cuda
ROOT = Path(__file__).parents[2]
IS_SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
MOST_POINTS, PART_OF_MEMORY = 2**20, 64
"""Results are to take at most so little of the device's memory: libraries need it several times over."""
CHAINS = 8


def prepare() -> None:
    """In the simulator, the stand-ins that its tests have."""
    if IS_SIMULATED:
        sys.path.append(str(ROOT / "tests"))
        simulated = import_module("simulated")
        simulated.compile_for_the_host(setattr)
        simulated.take_arrays_of_others(setattr)


def there(array: np.ndarray) -> Any:
    """A copy on the device."""
    return sys.modules["simulated"].Foreign(array.copy()) if IS_SIMULATED else cuda.to_device(array)


def room(shape: tuple[int, ...], kind: Any) -> Any:
    """Memory there, as it is."""
    return there(np.empty(shape, kind)) if IS_SIMULATED else cuda.device_array(shape, np.dtype(kind))


def here(array: Any) -> np.ndarray:
    """The same on the host."""
    if hasattr(array, "copy_to_host"):
        return array.copy_to_host()
    return np.asarray(getattr(array, "memory", array))


def poisoned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Room for results that holds NaN and a number that is none, in turns: what is not written to shows."""
    found = np.full(shape, np.nan, dtype)
    found.reshape(-1)[1::2] = 7.25e11
    return found


def poison_memory(size: int) -> None:
    """Leave NaN in memory of the device that the next arrays are likely to get."""
    cuda.to_device(np.full(size, np.nan))
    gc.collect()


def points_for(numbers: int, quick: bool) -> int:
    """As many points, of so many float64 results each, as the memory of the device is meant for: a power of two."""
    if quick:
        return 4
    total = cuda.current_context().get_memory_info().total
    return 2 ** int(np.log2(min(MOST_POINTS, total / PART_OF_MEMORY / (8 * numbers))))


class Ceilings(NamedTuple):
    """What the device does in a second."""

    copied: float  # bytes that a copy reads and writes
    float64: float  # sums and products, by fused multiply-adds in registers
    float32: float

    def used(self, milliseconds: float, bytes_moved: float, operations: float, kind: str) -> str:
        """How much of the nearer ceiling so many bytes, and operations in a type, in some time are."""
        seconds = milliseconds * 1e-3
        memory, arithmetic = bytes_moved / seconds / self.copied, operations / seconds / getattr(self, kind)
        return f"{memory:.2f} memory" if memory >= arithmetic else f"{arithmetic:.2f} arithmetic"


@cache
def ceilings() -> Ceilings:
    """As this process measures them."""
    size = 2**10 if IS_SIMULATED else min(2**26, int(cuda.current_context().get_memory_info().total / 64))
    source, target = cuda.device_array(size, np.float64), cuda.device_array(size, np.float64)
    copied = 2 * 8 * size / milliseconds(lambda: target.copy_to_device(source)) * 1e3
    return Ceilings(copied, *(_multiply_adds(kind) for kind in (np.float64, np.float32)))


def _multiply_adds(kind: Any) -> float:
    """Sums and products in a second, by chains that do not wait for each other and stay in registers."""
    blocks, threads, turns = (
        (1, 32, 2) if IS_SIMULATED else (16 * cuda.get_current_device().MULTIPROCESSOR_COUNT, 256, 4096)
    )

    def kernel(numbers, turns, out):
        a, b, c, d, e, f, g, h = (
            numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7],
        )  # fmt: skip
        factor, addend = numbers[8], numbers[9]
        for _ in range(turns):
            a = cuda.fma(a, factor, addend)
            b = cuda.fma(b, factor, addend)
            c = cuda.fma(c, factor, addend)
            d = cuda.fma(d, factor, addend)
            e = cuda.fma(e, factor, addend)
            f = cuda.fma(f, factor, addend)
            g = cuda.fma(g, factor, addend)
            h = cuda.fma(h, factor, addend)
        out[cuda.grid(1)] = a + b + c + d + e + f + g + h

    made = cuda.jit(kernel)
    numbers = cuda.to_device(np.array([1, 2, 3, 4, 5, 6, 7, 8, 0.999, 1e-3], kind))
    out = cuda.device_array(blocks * threads, kind)
    operations = 2 * CHAINS * turns * blocks * threads
    return operations / milliseconds(lambda: made[blocks, threads](numbers, turns, out)) * 1e3


def name() -> str:
    """Of the device."""
    found = getattr(cuda.get_current_device(), "name", "a simulated device")
    return found.decode() if isinstance(found, bytes) else found


def description() -> str:
    """Processor, device, driver, versions and commit, as a Markdown list."""
    device = cuda.get_current_device()
    libraries = "numba", "llvmlite", "numpy", "scipy", "numba-cuda", "cuda-bindings", "jax", "jaxlib", "torch"
    memory = cuda.current_context().get_memory_info().total
    capability = ".".join(map(str, device.compute_capability))
    return (
        f"{machine((*libraries, *packages_distributions().get('cupy', ['cupy'])))}"
        f"- fastcurv {fc.__version__}\n"
        f"- {name()}, compute capability {capability}, {memory / 2**30:.0f} GiB\n"
        f"- driver {_driver()}, CUDA runtime {'.'.join(map(str, cuda.runtime.get_version()))}\n"
    )


def _driver() -> str:
    """The release, where nvidia-smi tells it, and the version of CUDA that it serves."""
    if IS_SIMULATED:
        return "simulated"
    from numba.cuda.cudadrv.driver import driver  # pyright: ignore[reportMissingImports]

    served = f"for CUDA {'.'.join(map(str, driver.get_version()))}"
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return served
    asked = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30)
    return f"{done.stdout.split()[0]}, {served}" if done.returncode == 0 and done.stdout.strip() else served
