"""How fast: Hessians with eigenvalues and solvers beside other libraries, ceilings, single points, first calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np

import fastcurv as fc

from ..cases import DEVICE_CASES, Case
from ..limits import operations
from ..peers.measure import significant
from ._checks import relaxation
from ._clock import CLOCKS, Clock, Run, interleaved, milliseconds
from ._device import ceilings, cuda, description, here, points_for, room, there
from ._libraries import NAMES, Library, compared, libraries, rate, spectral_error
from ._report import Begun, Row, Setting, WrongError, rows_in_time

SAMPLE = 500
"""Points or matrices that are compared with the CPU's results."""
HESSIANS_AGREE = {"float64": 1e-11, "float32": 1e-5}
LIBRARIES_AGREE = {"float64": 1e-8, "float32": 2e-2}
"""Of a Hessian's largest entry, and of its largest eigenvalue: in float32 derivatives are taken in float32."""
KINDS = ("float64", "float32")

CEILINGS = ["of the device", "in a second"]
SPECTRA = [
    "case", "type", "points", "Hessians", "of the nearer ceiling", "Hessians and eigenvalues", *NAMES[:2],
    "fastest other / fastcurv", "curvature", f"first calls, s: fastcurv, {', '.join(NAMES[:2])}", "error",
]  # fmt: skip
SOLVERS = [
    "",
    "n",
    "type",
    "matrices",
    "fastcurv",
    *NAMES,
    "fastest other / fastcurv",
    "of the nearer ceiling",
    "error",
]
LAUNCHES = ["one point or matrix", "events, µs", "wall clock, µs"]
JOBS = ["method", "n", "points", "device, from the host", "on the device", "CPU, all cores", "difference / allowed"]
FIRST = ["in turn, in one process", "seconds"]


@cache
def _present() -> tuple[dict[str, Library], list[Row]]:
    return libraries()


def _timed_notes(setting: Setting, tasks: list) -> Iterator[Row | Begun]:
    """Rows, and what is to be said of the clocks and of libraries that are not there."""
    yield from _present()[1]
    yield from rows_in_time(tasks, setting)
    yield Row([f"Millions in a second; {CLOCKS}. All on the same points, resident, warm, in turns."])


def device(setting: Setting) -> Iterator[Row | Begun]:
    """What parts of ceilings are parts of."""
    yield Row([description()])
    found = ceilings()
    yield Row(["bytes read and written by a copy", f"{found.copied / 1e9:,.0f} GB"])
    for kind, counted in (("float64", found.float64), ("float32", found.float32)):
        yield Row([f"sums and products by fused multiply-adds, {kind}", f"{counted / 1e9:,.0f} G"])


def hessian_row(case: Case, kind: str, setting: Setting) -> Row:
    """Hessians at resident points, and their eigenvalues; `curvature`, which has both."""
    n, size = case.n, np.dtype(kind).itemsize
    x = case.points(points_for(n * n, setting.quick)).astype(kind)
    count, points = len(x), there(x)
    start = time.perf_counter()
    found = fc.hessian(case.fun, points, case.args, out=room((count, n, n), kind))
    w = here(fc.eigvalsh(found))
    first = {"fastcurv": time.perf_counter() - start}
    some = np.linspace(0, count - 1, min(SAMPLE, count)).astype(int)
    expected = fc.hessian(case.fun, x[some].astype(np.float64), case.args)
    norm = np.abs(expected).max(axis=(1, 2), keepdims=True)
    error = float((np.abs(here(found)[some] - expected) / np.where(norm > 0, norm, 1.0)).max())
    error = max(error, spectral_error(w[some], fc.eigvalsh(expected)))
    if not error <= HESSIANS_AGREE[kind]:
        raise WrongError(f"Hessians or eigenvalues differ from the CPU's by {error:.0e}")
    others = compared(
        _present()[0], lambda library: library.spectra and library.spectra(case, x), w, LIBRARIES_AGREE[kind]
    )
    fc.curvature(case.fun, points, case.args)
    runs: dict[str, tuple[Run, Clock]] = {
        "Hessians": (lambda: fc.hessian(case.fun, points, case.args, out=found), "events"),
        "both": (lambda: fc.eigvalsh(fc.hessian(case.fun, points, case.args, out=found)), "events"),
        "curvature": (lambda: fc.curvature(case.fun, points, case.args), "events"),
    }
    times = interleaved({**runs, **others.runs})
    used = ceilings().used(times["Hessians"], size * count * (n + n * n), count * operations(case)[0], kind)
    firsts = ", ".join(significant((first | others.first).get(name, np.nan)) for name in ("fastcurv", *NAMES[:2]))
    _let_go()
    return Row(
        [
            case.name, kind, f"{count:,}", rate(count, times["Hessians"]), used, rate(count, times["both"]),
            *others.cells(times, count, NAMES[:2]), others.ratio(times, "both"),
            rate(count, times["curvature"]), firsts.replace("nan", "-"), f"{error:.0e}",
        ]
    )  # fmt: skip


def _let_go() -> None:
    for library in _present()[0].values():
        library.let_go()


def hessians(setting: Setting) -> Iterator[Row | Begun]:
    """Orders before landscapes, float64 before float32."""
    orders = [case for case in DEVICE_CASES if case.name.startswith("Rosenbrock")]
    landscapes = [case for case in DEVICE_CASES if case not in orders]
    if setting.quick:
        orders, landscapes = orders[:1], landscapes[3:4]
    tasks = [
        (f"{case.name}, {kind}", partial(hessian_row, case, kind, setting))
        for cases in (orders, landscapes)
        for kind in KINDS
        for case in cases
    ]
    yield from _timed_notes(setting, tasks)
    yield Row(
        [
            "Hessians of fastcurv are written to the same memory each time, and then solved. Of a ceiling: bytes of "
            "points and Hessians beside a copy's, or sums and products of the Hessian, in their type, "
            "beside those of multiply-adds (divisions, roots and functions are not counted). torch is eager. Errors: "
            f"relative to each Hessian, of {SAMPLE} points, against the CPU."
        ]
    )


def solver_row(vectors: bool, n: int, kind: str, setting: Setting) -> Row:
    """Random matrices."""
    count = points_for(n * n * (2 if vectors else 1), setting.quick)
    A = np.random.default_rng([setting.seed, n]).normal(size=(count, n, n)).astype(kind)
    A += A.swapaxes(1, 2)
    matrices = there(A)
    solve: Callable[[Any], Any] = fc.eigh if vectors else fc.eigvalsh
    result = solve(matrices)
    w = here(result[0] if vectors else result)
    some = np.linspace(0, count - 1, min(SAMPLE, count)).astype(int)
    sampled = A[some].astype(np.float64)
    error = spectral_error(w[some], fc.eigvalsh(sampled))
    if vectors:
        z = here(result[1])[some].astype(np.float64)
        residual = np.abs(sampled @ z - z * w[some][:, None]).max() / np.abs(w).max()
        error = max(error, float(residual), float(np.abs(z.swapaxes(1, 2) @ z - np.eye(n)).max()))
    if not error <= 100 * np.finfo(kind).eps:
        raise WrongError(f"eigenvalues, or vectors, err by {error:.0e}")
    del result
    others = compared(_present()[0], lambda library: library.solvers(A)[not vectors], w, LIBRARIES_AGREE[kind])
    times = interleaved({"fastcurv": (lambda: solve(matrices), "events"), **others.runs})
    moved = (2 * n * n if vectors else n * n) + n
    formed = 9 * n**3 if vectors else 4 / 3 * n**3
    used = ceilings().used(times["fastcurv"], np.dtype(kind).itemsize * count * moved, count * formed, kind)
    _let_go()
    return Row(
        [
            solve.__name__, str(n), kind, f"{count:,}", rate(count, times["fastcurv"]),
            *others.cells(times, count, NAMES), others.ratio(times, "fastcurv"), used, f"{error:.0e}",
        ]
    )  # fmt: skip


def solvers(setting: Setting) -> Iterator[Row | Begun]:
    """The orders that are asked for before those between them."""
    groups = [((2, 4, 8, 16, 32), KINDS), ((3, 6, 12, 24), KINDS[:1])]
    if setting.quick:
        groups = [((2, 3), KINDS[:1])]
    tasks = [
        (f"{'eigh' if vectors else 'eigvalsh'}, n = {n}, {kind}", partial(solver_row, vectors, n, kind, setting))
        for orders, kinds in groups
        for kind in kinds
        for vectors in (False, True)
        for n in orders
    ]
    yield from _timed_notes(setting, tasks)
    yield Row(
        [
            "The others' solvers are cuSOLVER's. Of a ceiling: bytes of matrices and results, or 4 n³ / 3 sums and "
            "products, 9 n³ with vectors, which is what LAPACK's way takes, not ours."
        ]
    )


def launches(setting: Setting) -> Iterator[Row | Begun]:
    """What a call takes that has almost nothing to do."""
    case = DEVICE_CASES[0]
    x = case.points(1)
    points, A = there(x), there(np.array([[[2.0, 1.0], [1.0, 3.0]]]))
    out = fc.hessian(case.fun, points)
    nothing = cuda.jit(_nothing)
    given = cuda.to_device(np.zeros(1))
    calls: list[tuple[str, Run]] = [
        ("an empty kernel", lambda: nothing[1, 1](given)),
        ("hessian, resident, into out", lambda: fc.hessian(case.fun, points, out=out)),
        ("hessian, resident", lambda: fc.hessian(case.fun, points)),
        ("hessian, from the host", lambda: fc.hessian(case.fun, x, device="cuda")),
        ("eigvalsh, resident", lambda: fc.eigvalsh(A)),
        ("curvature, resident", lambda: fc.curvature(case.fun, points)),
        ("curvature, from the host", lambda: fc.curvature(case.fun, x, device="cuda")),
    ]

    def row(name: str, run: Run) -> Row:
        between, wall = milliseconds(run), milliseconds(run, "wall")
        return Row([name, significant(1e3 * between), significant(1e3 * wall)])

    def other(name: str, library: Library) -> Row:
        assert library.spectra is not None
        run = library.spectra(case, x)
        between = significant(1e3 * milliseconds(run)) if library.clock == "events" else "-"
        return Row([f"{name}, Hessian and eigenvalues", between, significant(1e3 * milliseconds(run, "wall"))])

    tasks = [(name, partial(row, name, run)) for name, run in calls]
    tasks += [(name, partial(other, name, library)) for name, library in _present()[0].items() if library.spectra]
    yield from _present()[1]
    yield from rows_in_time(tasks, setting)
    yield Row([f"{case.name}, medians. A call of fastcurv returns when its results are there."])


def _nothing(given):
    pass


def job_row(method: str, n: int, setting: Setting) -> Row:
    """Hessians of a function that is no expression of x."""
    x = np.random.default_rng([setting.seed, n]).normal(size=(points_for(n * n, setting.quick) // n, n))
    hessians = partial(fc.hessian, relaxation, method=method)
    expected, error = hessians(x, return_error=True, device="cpu")
    found = hessians(x, device="cuda")
    allowed = 1e-10 * np.abs(expected) + 1e-10 if method == "hyperdual" else 2.0 * error + 1e-10
    worst = float(np.nanmax(np.abs(found - expected) / allowed, initial=0.0))
    if not worst <= 1.0:
        raise WrongError(f"Hessians differ from the CPU's by {significant(worst)} times what is allowed")
    points = there(x)
    hessians(points)
    runs: dict[str, tuple[Run, Clock]] = {
        "host": (lambda: hessians(x, device="cuda"), "wall"),
        "device": (lambda: hessians(points), "events"),
        "cpu": (lambda: hessians(x, device="cpu"), "wall"),
    }
    times = interleaved(runs)
    return Row([method, str(n), f"{len(x):,}", *(rate(len(x), time) for time in times.values()), significant(worst)])


def jobs(setting: Setting) -> Iterator[Row | Begun]:
    """By numbers that carry derivatives, and by differences."""
    tasks = [
        (f"{method}, n = {n}", partial(job_row, method, n, setting))
        for n in ((2,) if setting.quick else (2, 4, 8, 16))
        for method in (("hyperdual",) if setting.quick else ("hyperdual", "central"))
    ]
    yield from rows_in_time(tasks, setting)
    yield Row(
        ["Millions of Hessians in a second, of a loop that ends when x says so; from the host, by the wall clock."]
    )


def first_calls(setting: Setting) -> Iterator[Row | Begun]:
    """Of a process: what is compiled, or read from disk, at each."""
    first, second = DEVICE_CASES[2], DEVICE_CASES[6]

    def points(case: Case) -> Any:
        return there(case.points(4))

    def matrices(n: int) -> Any:
        return there(np.broadcast_to(np.eye(n), (4, n, n)).copy())

    ones = np.ones((4, 4))
    steps: list[tuple[str, Run]] = [
        ("the device is made ready", cuda.current_context),
        (f"hessian, {first.name}", lambda: fc.hessian(first.fun, points(first))),
        (f"hessian, {second.name}", lambda: fc.hessian(second.fun, points(second))),
        ("eigvalsh, n = 8", lambda: fc.eigvalsh(matrices(8))),
        ("eigh, n = 4", lambda: fc.eigh(matrices(4))),
        ("curvature, Rosenbrock 4", lambda: fc.curvature(first.fun, ones, device="cuda")),
        ("hessian by hyper-dual numbers, n = 4", lambda: fc.hessian(relaxation, ones, device="cuda")),
    ]
    if not setting.quick:
        steps += [
            ("eigvalsh, n = 32", lambda: fc.eigvalsh(matrices(32))),
            ("eigh, n = 32", lambda: fc.eigh(matrices(32))),
            ("hessian by differences, n = 4", lambda: fc.hessian(relaxation, ones, method="central", device="cuda")),
        ]  # fmt: skip

    def row(name: str, run: Run) -> Row:
        start = time.perf_counter()
        run()
        cuda.synchronize()
        return Row([name, f"{time.perf_counter() - start:.2f}"])

    yield from rows_in_time([(name, partial(row, name, run)) for name, run in steps], setting)
