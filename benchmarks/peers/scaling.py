"""All threads against one: fastcurv beside a loop that only computes and one that only copies memory."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange, set_num_threads

import fastcurv as fc

from ..bench_eigen import NUMBER
from ..cases import BY_NAME, symmetric_matrices
from .measure import Timing, interleave, significant, table

CASES = ("Rosenbrock 4", "Rosenbrock 16", "Ackley 8", "logistic regression 20")
SIZES = (4, 16, 64)


@njit(parallel=True)
def compute(out):
    for k in prange(out.size):
        s = 1.0
        for i in range(20_000):
            s = s * 0.999 + i
        out[k] = s


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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    every = get_num_threads()
    rows = []
    for name, call in calls().items():
        print("scaling:", name, file=sys.stderr, flush=True)
        call()

        def limited(threads: int, call: Callable[[], Any] = call) -> None:
            set_num_threads(threads)  # for the bare loops
            with fc.threads(threads):
                call()

        timings = interleave({"one": (lambda: limited(1), 1), "all": (lambda: limited(every), 1)}, rounds)
        one, both = (in_milliseconds(timings[k]) for k in ("one", "all"))
        gain = timings["one"].median / timings["all"].median, timings["one"].minimum / timings["all"].minimum
        rows.append([name, one, both, f"{gain[0]:.2f} ({gain[1]:.2f})"])
    print(f"## Threads\n\nMilliseconds, median (minimum), 1 and {every} threads.\n")
    print(table(["", "1 thread", f"{every} threads", "speed-up"], rows))


def in_milliseconds(timing: Timing) -> str:
    return f"{significant(timing.median / 1e6)} ({significant(timing.minimum / 1e6)})"


if __name__ == "__main__":
    main()
