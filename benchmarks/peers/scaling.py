"""All threads against one: fastcurv beside loops that only compute and one that only copies memory.

A processor's threads that belong to others slow down what fills its units, not a loop that waits for its own results:
where `fused multiply-adds` fall short of `compute only`, so does everything.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange, set_num_threads

import fastcurv as fc

from ..bench_eigen import NUMBER
from ..cases import BY_NAME, symmetric_matrices
from .measure import interleave, significant, table

CASES = ("Rosenbrock 4", "Rosenbrock 16", "Ackley 8", "logistic regression 20")
SIZES = (4, 16, 64)


@njit(parallel=True)
def compute(out):
    for k in prange(out.size):
        s = 1.0
        for i in range(20_000):
            s = s * 0.999 + i
        out[k] = s


@njit(parallel=True, fastmath={"contract"})
def multiply_add(out):
    for k in prange(out.size):
        x = np.linspace(0.0, 1.0, 512)
        for _ in range(60):
            for i in range(x.size):
                y = x[i]
                for _ in range(16):
                    y = y * 0.999 + 0.0005
                x[i] = y
        out[k] = x[0]


@njit(parallel=True)
def copy(target, source):
    for k in prange(target.size):
        target[k] = source[k]


def calls() -> dict[str, Callable[[], Any]]:
    """What is timed at one thread and at all."""
    out, source = np.empty(256), np.ones(8_000_000)
    target = np.empty_like(source)
    found: dict[str, Callable[[], Any]] = {
        "compute only": lambda: compute(out),
        "fused multiply-adds": lambda: multiply_add(out),
        "copy 64 MB": lambda: copy(target, source),
    }
    for name in CASES:
        case = BY_NAME[name]
        x = case.points(4 * case.number)
        found[f"hessian, {name}"] = lambda case=case, x=x: fc.hessian(case.fun, x, case.args, method="central")
        found[f"curvature, {name}"] = lambda case=case, x=x: fc.curvature(case.fun, x, case.args, method="central")
    for n in SIZES:
        a = symmetric_matrices(4 * NUMBER[n], n)
        found[f"eigh, n = {n}"] = lambda a=a: fc.eigh(a)
        found[f"eigvalsh, n = {n}"] = lambda a=a: fc.eigvalsh(a)
    return found


def measure(rounds: int) -> dict[str, list[list[float]]]:
    """Milliseconds, (median, minimum) of one thread and of all, of every call, in this process."""
    every, found = get_num_threads(), {}
    for name, call in calls().items():
        print("scaling:", name, file=sys.stderr, flush=True)
        call()

        def limited(threads: int, call: Callable[[], Any] = call) -> None:
            set_num_threads(threads)  # for the bare loops
            with fc.threads(threads):
                call()

        runs = {"one": (lambda: limited(1), 1), "all": (lambda: limited(every), 1)}
        timings = interleave(runs, rounds)
        found[name] = [[timings[k].median / 1e6, timings[k].minimum / 1e6] for k in ("one", "all")]
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--processes", type=int, default=5, help="medians of so many, one after the other")
    options = parser.parse_args()
    if options.processes == 0:
        print(json.dumps(measure(options.rounds)))
        return
    command = [sys.executable, "-m", __spec__.name, "--rounds", str(options.rounds), "--processes", "0"]
    runs = [
        json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        for _ in range(options.processes)
    ]
    print(f"## Threads\n\nMilliseconds, median (minimum), 1 and {get_num_threads()} threads: medians of {len(runs)}")
    print("processes, for where memory lies changes times by 5 %; then the speed-ups of medians in each.\n")
    rows = []
    for name in runs[0]:
        one, both = (np.median([run[name][k] for run in runs], axis=0) for k in (0, 1))
        gain = one / both
        each = ", ".join(f"{run[name][0][0] / run[name][1][0]:.2f}" for run in runs)
        times = [f"{significant(t[0])} ({significant(t[1])})" for t in (one, both)]
        rows.append([name, *times, f"{gain[0]:.2f} ({gain[1]:.2f})", each])
    print(table(["", "1 thread", "all threads", "speed-up", "in each process"], rows))


if __name__ == "__main__":
    main()
