"""Interleaved timing, agreement, tables and the description of the machine."""

import math
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

SHORTEST_SAMPLE = 2e-2
"""Seconds: shorter calls are repeated within a round, until what others left in caches no longer counts, and a core is
awake that idled meanwhile."""
FIRST_CALLS = 3
"""The fastest of these tells how often: the first one is of cold caches, and would give slower starters fewer."""
SLOW_CALL, SLOW_ROUNDS = 0.5, 3
"""Calls above so many seconds get only so many rounds."""
TOLERANCE = 1e-4
"""Relative to the largest entry: differences of order 2 err by up to 5e-6."""
PACKAGES: tuple[str, ...] = (
    "fastcurv",
    "numba",
    "llvmlite",
    "numpy",
    "scipy",
    "jax",
    "torch",
    "casadi",
    "numdifftools",
    "statsmodels",
    "numba-cuda",
    "cupy",
)


@dataclass(frozen=True)
class Timing:
    """Nanoseconds per item."""

    median: float
    minimum: float

    def __str__(self) -> str:
        return f"{significant(self.median)} ({significant(self.minimum)})"


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def interleave(runs: dict[str, tuple[Callable[[], Any], int]], rounds: int, clock: str = "wall") -> dict[str, Timing]:
    """Time every (warm call, items in it) round by round, so that the machine's moods hit all alike."""
    once = {name: _once(call) for name, (call, _) in runs.items()}
    repeats = {name: math.ceil(SHORTEST_SAMPLE / once[name]) for name in runs}
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for k in range(rounds):
        for name, (call, items) in runs.items():
            if k < SLOW_ROUNDS or samples[name][0] * items < SLOW_CALL:
                samples[name].append(_seconds(call, repeats[name], CLOCKS[clock]) / items)
    return {name: Timing(1e9 * float(np.median(s)), 1e9 * min(s)) for name, s in samples.items()}


def _once(call: Callable[[], Any]) -> float:
    """Seconds of a warm call; slow ones are made once."""
    seconds = _seconds(call, 1, time.perf_counter)
    if seconds > SHORTEST_SAMPLE:
        return seconds
    return min(seconds, *(_seconds(call, 1, time.perf_counter) for _ in range(FIRST_CALLS - 1)))


def _seconds(call: Callable[[], Any], repeats: int, clock: Callable[[], float]) -> float:
    """Seconds per call."""
    start = clock()
    for _ in range(repeats):
        call()
    return (clock() - start) / repeats


def relative_error(result: Any, reference: np.ndarray) -> float:
    """Largest error over the points, relative to each point's largest entry; inf for NaN."""
    result = np.asarray(result)
    reference = reference[: len(result)]
    axes = tuple(range(1, reference.ndim))
    errors = np.abs(result - reference).max(axis=axes) / np.abs(reference).max(axis=axes)
    return float(np.nan_to_num(errors, nan=np.inf).max())


def agree(what: str, result: Any, expected: Any) -> None:
    """Stop where results differ: their times would mean nothing."""
    error = relative_error(result, np.asarray(expected))
    if not error <= TOLERANCE:
        raise SystemExit(f"{what}: results differ by {error:.1e}")


def ratio(timings: dict[str, Timing], slow: str, fast: str) -> str:
    """How many times faster `fast` is, by medians and by (minima)."""
    if slow not in timings or fast not in timings:
        return "-"
    a, b = timings[slow], timings[fast]
    return f"{significant(a.median / b.median)} ({significant(a.minimum / b.minimum)})"


def significant(value: float) -> str:
    """Three significant digits, without an exponent below a billion."""
    digits = max(0, 2 - math.floor(math.log10(value))) if 0.0 < value < math.inf else 0
    return f"{value:,.{digits}f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


@contextmanager
def one_cpu() -> Iterator[None]:
    """Keep this thread, and every one it starts, on one CPU: XLA heeds no thread limit of its own."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def machine(packages: Sequence[str] = PACKAGES) -> str:
    """CPU, system, versions and commit, as a Markdown list."""
    installed = ", ".join(f"{name} {_version(name)}" for name in packages)
    return (
        f"- {_cpu()}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}\n"
        f"- Python {platform.python_version()}, {installed}\n"
        f"- commit {_commit()}, {time.strftime('%Y-%m-%d')}\n"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    return names[0].split(":")[1].strip() if names else platform.processor() or "unknown CPU"


def _commit() -> str:
    """What git says; in a copy without its history FASTCURV_COMMIT of the environment, or a file COMMIT."""
    folder = Path(__file__).parents[2]
    if (folder / ".git").exists():
        git = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
        done = subprocess.run(git, capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode == 0:
            return done.stdout.strip()
    file = folder / "COMMIT"
    return os.environ.get("FASTCURV_COMMIT") or (file.read_text().strip() if file.exists() else "unknown")
