"""On a CUDA device: is it right, and how fast beside JAX, torch and CuPy? `python -m benchmarks.gpu`, some minutes.

Needs nothing from the network, and of other libraries only those that are to be compared with. Prints Markdown.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numba import cuda as numba_cuda

import fastcurv as fc

from .cases import BY_NAME
from .peers.measure import machine, significant, table

cuda: Any = numba_cuda
HESSIANS = (
    "Rosenbrock 2",
    "Müller-Brown 2",
    "Rosenbrock 4",
    "Rosenbrock 8",
    "Rastrigin 8",
    "Ackley 8",
    "Rosenbrock 16",
)
ORDERS = (2, 3, 4, 6, 8, 12, 16, 24, 32)
ROUNDS, POINTS, MATRICES = 20, 2**20, 2**18


def milliseconds(run: Callable[[], Any]) -> float:
    """The median of some runs between events, after two to warm up."""
    for _ in range(2):
        run()
    found = []
    for _ in range(ROUNDS):
        start, end = cuda.event(), cuda.event()
        start.record()
        run()
        end.record()
        end.synchronize()
        found.append(cuda.event_elapsed_time(start, end))
    return float(np.median(found))


def peer(name: str) -> Any:
    """A library, or None where it is not installed or has no device."""
    try:
        module = import_module(name)
        if name == "jax":
            module.config.update("jax_enable_x64", True)
            return module if module.default_backend() == "gpu" else None
        return module if name != "torch" or module.cuda.is_available() else None
    except Exception as error:
        print(f"without {name}: {error}", file=sys.stderr)
        return None


def copy_rate() -> float:
    """Bytes that are read and written in a second, by a copy on the device."""
    source = cuda.device_array(2**26, np.float64)
    target = cuda.device_array_like(source)
    return 2 * source.nbytes / milliseconds(lambda: target.copy_to_device(source)) * 1e3


def hessian_rows(rate: float) -> list[list[str]]:
    """Hessians of resident points, and curvature from the host."""
    rows, jax = [], peer("jax")
    for name in HESSIANS:
        case = BY_NAME[name]
        x = np.resize(case.points(), (POINTS, case.points().shape[1]))
        n = x.shape[1]
        start = time.perf_counter()
        there = cuda.to_device(x)
        found = fc.hessian(case.fun, there, case.args)
        cuda.synchronize()
        first = time.perf_counter() - start
        sample = np.linspace(0, POINTS - 1, 500).astype(int)
        expected = fc.hessian(case.fun, x[sample], case.args)
        error = np.abs(found.copy_to_host()[sample] - expected).max() / np.abs(expected).max()
        if error > 1e-11:
            raise SystemExit(f"{name}: Hessians on the device differ by {error:.1e}")
        out = cuda.device_array(found.shape, np.float64)
        ours = milliseconds(lambda case=case, there=there, out=out: fc.hessian(case.fun, there, case.args, out=out))
        used = 8 * POINTS * (n + n * n) / (ours * 1e-3) / rate
        theirs = "-"
        if jax:
            from .peers import with_jax

            run = with_jax.prepare(case, x)
            run()
            theirs = significant(milliseconds(lambda run=run: jax.block_until_ready(run())) * 1e6 / POINTS)
        fc.curvature(case.fun, x, case.args, device="cuda")
        start = time.perf_counter()
        fc.curvature(case.fun, x, case.args, device="cuda")
        spectra = significant((time.perf_counter() - start) * 1e9 / POINTS)
        rows.append(
            [name, significant(ours * 1e6 / POINTS), theirs, f"{used:.2f}", spectra, f"{first:.2f}", f"{error:.0e}"]
        )
    return rows


def relaxation(x):
    """No expression of x: iterated until it is large."""
    s = 0.0
    for i in range(len(x)):
        s += x[i] * x[i - 1] + np.exp(-x[i] * x[i])
    while s < 10.0:
        s = s * s + 1.0
    return s


def job_rows() -> list[list[str]]:
    """Hessians, from and to the host, of a function that cannot be traced, beside those of the processor's threads."""
    rows = []
    for n in (2, 4, 8, 16):
        x = np.random.default_rng(n).normal(size=(POINTS // n, n))
        for method in ("hyperdual", "central"):
            seconds, found = {}, {}
            for device in ("cuda", "cpu"):
                fc.hessian(relaxation, x, method=method, device=device)
                start = time.perf_counter()
                found[device] = fc.hessian(relaxation, x, method=method, device=device)
                seconds[device] = time.perf_counter() - start
            error = np.abs(found["cuda"] - found["cpu"]).max() / np.abs(found["cpu"]).max()
            if error > (1e-11 if method == "hyperdual" else 1e-4):
                raise SystemExit(f"n = {n}, {method}: Hessians on the device differ by {error:.1e}")
            times = (significant(seconds[device] * 1e9 / len(x)) for device in ("cuda", "cpu"))
            rows.append([str(n), method, *times, f"{error:.0e}"])
    return rows


def eigen_rows(vectors: bool) -> list[list[str]]:
    """Solvers of resident matrices."""
    rows, torch, cupy = [], peer("torch"), peer("cupy")
    for n in ORDERS:
        count = MATRICES if n <= 8 else MATRICES // 8
        A = np.random.default_rng(n).normal(size=(count, n, n))
        A += A.swapaxes(1, 2)
        there = cuda.to_device(A)
        solve: Any = fc.eigh if vectors else fc.eigvalsh
        found = solve(there)
        w = (found[0] if vectors else found).copy_to_host()
        if not np.abs(w - fc.eigvalsh(A)).max() <= 1e-13 * np.abs(w).max():
            raise SystemExit(f"eigenvalues on the device are wrong at n = {n}")
        row = [str(n), significant(milliseconds(lambda there=there, solve=solve: solve(there)) * 1e6 / count)]
        for module, array in ((torch, "as_tensor"), (cupy, "asarray")):
            if module is None:
                row.append("-")
                continue
            name = "eigh" if vectors else "eigvalsh"
            theirs = getattr(module, array)(A, device="cuda") if module is torch else getattr(module, array)(A)
            run = getattr(module.linalg, name)
            row.append(significant(milliseconds(lambda run=run, theirs=theirs: run(theirs)) * 1e6 / count))
        rows.append(row)
    return rows


def main() -> None:
    """Print the tables."""
    if not cuda.is_available():
        raise SystemExit("no CUDA device was found: not measured")
    device = cuda.get_current_device()
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    rate = copy_rate()
    print("# On a CUDA device\n")
    print(f"{machine()}- {name}, compute capability {device.compute_capability}, driver {cuda.runtime.get_version()}")
    print(f"- a copy reads and writes {rate / 1e9:,.0f} GB/s\n")
    print(
        f"ns per Hessian of {POINTS:,} points on the device; curvature from and to the host; seconds of a first call\n"
    )
    header = ["case", "fastcurv", "JAX", "of the rate of a copy", "curvature, host", "first call", "error"]
    print(table(header, hessian_rows(rate)))
    print("\nns per Hessian, from and to the host, of a function that cannot be traced\n")
    print(table(["n", "method", "device", "all cores of the processor", "difference"], job_rows()))
    for vectors in (True, False):
        print(f"\nns per matrix, {'eigh' if vectors else 'eigvalsh'}, float64, of {MATRICES:,} or an eighth of them\n")
        print(table(["n", "fastcurv", "torch", "CuPy"], eigen_rows(vectors)))
    x, out = cuda.to_device(np.ones((1, 2))), cuda.device_array((1, 2, 2), np.float64)
    launch = milliseconds(lambda: fc.hessian(BY_NAME["Rosenbrock 2"].fun, x, out=out))
    print(f"\nA call at one point: {launch * 1e3:.0f} µs.")


if __name__ == "__main__":
    main()
