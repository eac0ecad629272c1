"""Milliseconds of calls on a device: between events on CUDA's default stream, or by the wall clock, libraries in turns.

fastcurv, torch and CuPy work on the default stream; JAX on its own, so its results are waited for, by the wall clock.
In the simulator events tell no time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numba import cuda as numba_cuda

cuda: Any = numba_cuda
Run = Callable[[], Any]
Clock = Literal["events", "wall"]
EVENTS_TELL = os.environ.get("NUMBA_ENABLE_CUDASIM") != "1"
ROUNDS, LEAST_ROUNDS = (20, 3) if EVENTS_TELL else (1, 1)
SECONDS = 0.8
"""Of one library in a table's row: slow calls have fewer rounds."""
CLOCKS = (
    "fastcurv, torch and CuPy between events on CUDA's default stream, JAX by the wall clock until results are there"
    if EVENTS_TELL
    else "the wall clock, in a simulator: times mean nothing"
)


def between_events(run: Run) -> float:
    """One call."""
    if not EVENTS_TELL:
        return by_the_wall(run)
    start, end = cuda.event(), cuda.event()
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def by_the_wall(run: Run) -> float:
    """One call, which returns when its results are there, or those of the default stream."""
    cuda.synchronize()
    start = time.perf_counter()
    run()
    cuda.synchronize()
    return 1e3 * (time.perf_counter() - start)


def interleaved(runs: dict[str, tuple[Run, Clock]]) -> dict[str, float]:
    """The median of each call, which is warm, round by round."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for k in range(ROUNDS):
        for name, (run, clock) in runs.items():
            if k < LEAST_ROUNDS or sum(found[name]) < 1e3 * SECONDS:
                found[name].append((between_events if clock == "events" else by_the_wall)(run))
    return {name: float(np.median(times)) for name, times in found.items()}


def milliseconds(run: Run, clock: Clock = "events") -> float:
    """The median of one call, after two to warm up."""
    run()
    run()
    return interleaved({"": (run, clock)})[""]
