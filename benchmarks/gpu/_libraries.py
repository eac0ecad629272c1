"""JAX, torch and CuPy: spectra of Hessians, and their solvers, which are cuSOLVER's.

Who is not installed, or has no device, is left out, and why is told. In the simulator they compute on the CPU.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from ..cases import Case
from ..peers.measure import significant
from ._clock import Clock, Run, cuda
from ._device import IS_SIMULATED
from ._report import Row, WrongError, is_broken, told

NAMES = ("JAX", "torch", "CuPy")


class Library(NamedTuple):
    """What one does, prepared for arrays of the host."""

    clock: Clock
    solvers: Callable[[np.ndarray], tuple[Run, Run]]
    """Eigenvalues and vectors, or eigenvalues, of matrices."""
    spectra: Callable[[Case, np.ndarray], Run] | None
    """Eigenvalues of Hessians at points; None where a library has no derivatives."""
    fetch: Callable[[Any], np.ndarray]
    let_go: Callable[[], None]
    """Give memory back to the device that results no longer need."""


def libraries() -> tuple[dict[str, Library], list[Row]]:
    """Those that are there, and notes on those that are not."""
    device = "cpu" if IS_SIMULATED else "cuda"
    found, missing = {}, []
    for name, load in zip(NAMES, (_jax, _torch, _cupy), strict=True):
        try:
            found[name] = load(device)
        except Exception as error:
            missing.append(Row([f"Without {name}: {told(error)}"]))
    return found, missing


def _jax(device: str) -> Library:
    # of the device's memory JAX takes what it needs; what it has it keeps
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax  # pyright: ignore[reportMissingImports]

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")  # else float32 is multiplied in 10 bits
    if jax.default_backend() != {"cuda": "gpu", "cpu": "cpu"}[device]:
        raise RuntimeError(f"its default backend is {jax.default_backend()!r}")
    from ..peers import with_jax

    return Library("wall", with_jax.prepare_eigh, with_jax.prepare_spectra, np.asarray, jax.clear_caches)


def _torch(device: str) -> Library:
    import torch  # pyright: ignore[reportMissingImports]

    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("it finds no CUDA device")
    from ..peers import with_torch

    return Library(
        "events",
        lambda a: with_torch.prepare_eigh(a, device),
        lambda case, points: with_torch.prepare_spectra(case, points, device),
        lambda result: result.cpu().numpy(),
        torch.cuda.empty_cache,
    )


def _cupy(device: str) -> Library:
    if device == "cpu":
        raise RuntimeError("it computes on devices only")
    import cupy  # pyright: ignore[reportMissingImports]

    cupy.zeros(1).get()

    def solvers(a: np.ndarray) -> tuple[Run, Run]:
        there = cupy.asarray(a)
        return lambda: cupy.linalg.eigh(there), lambda: cupy.linalg.eigvalsh(there)

    return Library("events", solvers, None, cupy.asnumpy, cupy.get_default_memory_pool().free_all_blocks)


class Compared(NamedTuple):
    """Calls that are warm and agree, by library; and what is to be said in place of others' times."""

    runs: dict[str, tuple[Run, Clock]]
    said: dict[str, str]
    first: dict[str, float]
    """Seconds of a first call, with what it prepares."""

    def cells(self, times: dict[str, float], items: int, names: Sequence[str]) -> list[str]:
        """Millions in a second, or what is to be said."""
        return [rate(items, times[name]) if name in times else self.said.get(name, "-") for name in names]

    def ratio(self, times: dict[str, float], ours: str) -> str:
        """How many times as long the fastest of the others takes."""
        others = [times[name] for name in self.runs if name in times]
        return f"{significant(min(others) / times[ours])}x" if others else "-"


def compared(
    present: dict[str, Library], prepare: Callable[[Library], Run | None], expected: np.ndarray, limit: float
) -> Compared:
    """Prepare every library's call, and make it twice: its eigenvalues are to be those expected, within a limit.

    Of results that are pairs the first is taken.
    """
    runs, said, first = {}, {}, {}
    for name, library in present.items():
        try:
            start = time.perf_counter()
            run = prepare(library)
            if run is None:
                continue
            run()
            cuda.synchronize()
            first[name] = time.perf_counter() - start
            result = run()
            w = library.fetch(result[0] if isinstance(result, (tuple, list)) else result)
            error = spectral_error(w, expected)
            if error <= limit:
                runs[name] = run, library.clock
            else:
                said[name] = f"wrong by {error:.0e}"
        except Exception as error:
            said[name] = f"failed: {told(error)}"
            if is_broken():
                raise WrongError(f"with {name} the device stops working: {told(error)}") from error
            with suppress(Exception):
                library.let_go()
    return Compared(runs, said, first)


def rate(items: int, milliseconds: float) -> str:
    """Millions in a second."""
    return significant(items / milliseconds * 1e-3)


def spectral_error(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest error of eigenvalues, relative to the largest of each matrix; infinite if one is NaN."""
    scale = np.abs(expected).max(axis=-1, keepdims=True)
    error = np.abs(found.astype(np.float64) - expected) / np.where(scale > 0, scale, 1.0)
    return float(np.nan_to_num(error, nan=np.inf).max(initial=0.0))
