"""The comparisons, one section each; every section returns Markdown."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from typing import cast

import numpy as np

from ..cases import BY_NAME, CASES, MORE_CASES, Case
from ..startup import first_hessian_seconds, import_seconds
from .eigen import eigen_section
from .measure import (
    CLOCKS,
    TOLERANCE,
    Timing,
    agree,
    interleave,
    machine,
    one_cpu,
    ratio,
    relative_error,
    significant,
    table,
)
from .peer import Peer, Run

PEERS = (
    "jax", "analytic", "casadi", "central", "fastcurv", "fastcurv_exact", "fastcurv_hyperdual", "torch", "scipy",
    "numdifftools", "statsmodels",
)  # fmt: skip
RATIOS = (
    ("JAX", "fastcurv exact"), ("fastcurv central", "fastcurv exact"), ("central, n compiled in", "fastcurv central"),
    ("central, n compiled in", "fastcurv hyper-dual"), ("SciPy", "fastcurv central"),
)  # fmt: skip
EXACT_PEERS = ("jax", "analytic", "casadi", "fastcurv_exact", "fastcurv_hyperdual")
EXACT_RATIOS = tuple((slow, "fastcurv exact") for slow in ("JAX", "analytic, by hand", "CasADi -> C"))


def load(name: str) -> Peer | None:
    """The peer's module; None where its library is not installed."""
    module = name if name in ("analytic", "central") else f"with_{name}"
    try:
        return cast("Peer", import_module(f".{module}", __package__))
    except ImportError as error:
        print(f"without {name}: {error}", file=sys.stderr)
        return None


def hessian_section(
    title: str,
    cases: Sequence[Case],
    names: Sequence[str],
    compared: Sequence[tuple[str, str]],
    rounds: int,
    clock: str,
) -> str:
    """Every peer's Hessians at the same points: time, error against JAX, seconds to the first result."""
    peers = [peer for name in names if (peer := load(name))]
    times, errors, firsts = [], [], []
    for case in cases:
        print(case.name, file=sys.stderr, flush=True)
        runs, error, first = prepare_hessians(case, peers)
        timings = interleave(runs, rounds, clock)
        ratios = [ratio(timings, slow, fast) for slow, fast in compared]
        times.append([case.name, *(str(timings.get(peer.NAME, "-")) for peer in peers), *ratios])
        errors.append([case.name, *(f"{error[p.NAME]:.0e}" if p.NAME in error else "-" for p in peers)])
        firsts.append([case.name, *(f"{first[p.NAME]:.2f}" if p.NAME in first else "-" for p in peers)])
    header = ["case", *(peer.NAME for peer in peers)]
    ratios = [f"{slow} / {fast}" for slow, fast in compared]
    return (
        f"## {title}\n\nNanoseconds per Hessian, median (minimum), one thread.\n\n"
        + table(header + ratios, times)
        + "\nLargest difference from JAX at a point, relative to the largest entry.\n\n"
        + table(header, errors)
        + "\nSeconds from the plain function to the first result, imports excluded, disk caches as found.\n\n"
        + table(header, firsts)
    )


def prepare_hessians(
    case: Case, peers: Sequence[Peer]
) -> tuple[dict[str, tuple[Run, int]], dict[str, float], dict[str, float]]:
    """Warm calls that agree with the first peer's result (JAX's), the errors, seconds of first calls."""
    points = case.points()
    runs: dict[str, tuple[Run, int]] = {}
    errors: dict[str, float] = {}
    firsts: dict[str, float] = {}
    reference = None
    for peer in peers:
        few = points[: peer.MOST_POINTS].copy()
        start = time.perf_counter()
        run = peer.prepare(case, few)
        if run is None:
            continue
        result = np.asarray(run())
        firsts[peer.NAME] = time.perf_counter() - start
        reference = result if reference is None else reference
        errors[peer.NAME] = relative_error(result, reference)
        if errors[peer.NAME] <= TOLERANCE:
            runs[peer.NAME] = run, len(few)
        else:
            print(f"{peer.NAME} is wrong on {case.name}: {errors[peer.NAME]:.1e}; not timed", file=sys.stderr)
    return runs, errors, firsts


def curvature_section(cases: Sequence[Case], rounds: int, clock: str) -> str:
    """curvature() beside a Hessian and its eigenvalues by others."""
    import fastcurv as fc

    from . import analytic, with_jax

    rows = []
    for case in cases:
        print("curvature:", case.name, file=sys.stderr, flush=True)
        points = case.points()
        calls: dict[str, Run] = {
            "fastcurv": lambda case=case, x=points: fc.curvature(case.fun, x, case.args),
            "JAX": with_jax.prepare_curvature(case, points),
        }
        if hessians := analytic.prepare(case, points):
            calls["analytic, NumPy"] = lambda hessians=hessians: np.linalg.eigvalsh(hessians())
        if hessians := with_jax.prepare(case, points):
            calls["JAX, NumPy"] = lambda hessians=hessians: np.linalg.eigvalsh(np.asarray(hessians()))
        spectra = [calls["fastcurv"]().eigenvalues, calls["JAX"]()[2]]
        agree(case.name, spectra[0], spectra[1])
        timings = interleave({name: (call, len(points)) for name, call in calls.items()}, rounds, clock)
        others = [timings[name] for name in calls if name != "fastcurv"]
        best = Timing(min(t.median for t in others), min(t.minimum for t in others))
        row = [str(timings.get(name, "-")) for name in ("fastcurv", "JAX", "JAX, NumPy", "analytic, NumPy")]
        rows.append([case.name, *row, ratio({"best": best, "fastcurv": timings["fastcurv"]}, "best", "fastcurv")])
    header = ["case", "fastcurv", "JAX", "JAX Hessian, NumPy", "analytic Hessian, NumPy", "best / fastcurv"]
    return (
        "## Curvature\n\n`curvature()` (value, gradient, eigenvalues, kind) beside JAX's value, gradient and "
        "eigenvalues, and the Hessian's eigenvalues alone; ns per point, median (minimum), one thread.\n\n"
        + table(header, rows)
    )


def one_point_section(rounds: int, clock: str) -> str:
    """A warm call at one point, n = 4."""
    case = BY_NAME["Rosenbrock 4"]
    point = case.points(1)
    calls = {peer.NAME: peer.prepare(case, point) for name in ("fastcurv", "jax", "torch") if (peer := load(name))}
    runs = {name: (call, 1) for name, call in calls.items() if call}
    for call, _ in runs.values():
        call()
    timings = interleave(runs, rounds, clock)
    rows = [[name, significant(t.median / 1e3), significant(t.minimum / 1e3)] for name, t in timings.items()]
    return "## One point, n = 4, warm call\n\nMicroseconds per Hessian.\n\n" + table(["", "median", "minimum"], rows)


def scaling_section(rounds: int) -> str:
    """One thread against all, in a process of its own, for this one is limited to one thread."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-m", f"{__package__}.scaling", "--rounds", str(rounds)]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def startup_section() -> str:
    """Fresh processes."""
    cold, second = first_hessian_seconds()
    rows = [
        ["`import fastcurv`, beyond numba and numpy", significant(import_seconds())],
        ["first Hessian, caches empty", significant(cold)],
        ["first Hessian, second process", significant(second)],
    ]
    return "## Start-up\n\nSeconds.\n\n" + table(["", "s"], rows)


def run() -> None:
    """Parse the command line, print the sections asked for."""
    sections = ("hessian", "more", "curvature", "eigen", "one-point", "scaling", "startup")
    every_peer = tuple(dict.fromkeys(PEERS + EXACT_PEERS))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--sections", nargs="+", choices=sections, default=sections)
    parser.add_argument("--cases", nargs="+", default=[""], help="beginnings of case names, for example 'Ros' MLP")
    parser.add_argument("--peers", nargs="+", choices=every_peer, default=every_peer)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: where others compute too")
    options = parser.parse_args()
    cases, more = ([c for c in t if c.name.startswith(tuple(options.cases))] for t in (CASES, MORE_CASES))
    asked = (*options.peers, "jax")  # JAX is the reference
    peers, exact = ([name for name in names if name in asked] for names in (PEERS, EXACT_PEERS))
    measured = options.rounds, options.clock
    print("# Results\n")
    print(f"{machine()}- {options.clock} clock, {options.rounds} rounds\n")
    with one_cpu():
        if "hessian" in options.sections:
            print(hessian_section("Dense Hessians", cases, peers, RATIOS, *measured), flush=True)
        if "more" in options.sections:
            print(hessian_section("More exact Hessians", more, exact, EXACT_RATIOS, *measured), flush=True)
        if "curvature" in options.sections:
            print(curvature_section(cases, *measured), flush=True)
        if "eigen" in options.sections:
            print(eigen_section(*measured), flush=True)
        if "one-point" in options.sections:
            print(one_point_section(*measured), flush=True)
    if "scaling" in options.sections:
        print(scaling_section(options.rounds), flush=True)
    if "startup" in options.sections:
        print(startup_section(), flush=True)
