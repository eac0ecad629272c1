"""eigh and eigvalsh beside NumPy, torch and JAX: sizes, precisions, spectra, batches."""

import sys

import numpy as np

import fastcurv as fc

from ..bench_eigen import NUMBER
from ..cases import symmetric_matrices
from .measure import Timing, agree, interleave, ratio, significant, table
from .peer import Run

BATCHES = (1, 2, 16, 1000, 100_000)
BATCH_SIZES = (2, 4, 8, 16, 32, 64, 128)
LARGEST = 2**28
"""Bytes of a batch."""
SPECTRUM_SIZES = (4, 8, 16, 32, 64, 128)


def solvers(a: np.ndarray) -> dict[str, tuple[Run, Run]]:
    """Calls with and without vectors, which agree with NumPy's eigenvalues."""
    from . import with_jax, with_torch

    found: dict[str, tuple[Run, Run]] = {
        "fastcurv": (lambda: fc.eigh(a), lambda: fc.eigvalsh(a)),
        "NumPy": (lambda: np.linalg.eigh(a), lambda: np.linalg.eigvalsh(a)),
        "torch": with_torch.prepare_eigh(a),
        "JAX": with_jax.prepare_eigh(a),
    }
    expected = found["NumPy"][1]()
    for name, (vectors, values) in found.items():
        agree(f"eigh of {name}, {a.shape}", np.asarray(vectors()[0]), expected)
        agree(f"eigvalsh of {name}, {a.shape}", np.asarray(values()), expected)
    return found


def compared(a: np.ndarray, k: int, rounds: int, clock: str) -> tuple[dict[str, Timing], str]:
    """Times per matrix with (k = 0) or without vectors, and the best peer's against fastcurv's."""
    timings = interleave({name: (pair[k], len(a)) for name, pair in solvers(a).items()}, rounds, clock)
    others = [timing for name, timing in timings.items() if name != "fastcurv"]
    best = Timing(min(t.median for t in others), min(t.minimum for t in others))
    return timings, ratio({"best": best, "fastcurv": timings["fastcurv"]}, "best", "fastcurv")


def eigen_section(rounds: int, clock: str) -> str:
    """All tables."""
    parts = ["## Symmetric eigensolves\n\nns per matrix, median (minimum), one thread; ratios best peer / fastcurv.\n"]
    for dtype in (np.float64, np.float32):
        for k, quantity in enumerate(("eigh", "eigvalsh")):
            rows = []
            for n, number in NUMBER.items():
                print(f"{quantity} {dtype.__name__} {n}", file=sys.stderr, flush=True)
                timings, best = compared(symmetric_matrices(number, n).astype(dtype), k, rounds, clock)
                rows.append([str(n), *map(str, timings.values()), best])
            names = ["n", "fastcurv", "NumPy", "torch", "JAX", "best / fastcurv"]
            parts.append(f"\n{quantity}, {dtype.__name__}, random matrices\n\n" + table(names, rows))
    return "".join([*parts, _spectra(rounds, clock), _batches(rounds, clock)])


def _spectra(rounds: int, clock: str) -> str:
    rows = []
    for n in SPECTRUM_SIZES:
        print(f"spectra {n}", file=sys.stderr, flush=True)
        row = [str(n)]
        for spectrum in ("clustered", "graded"):
            a = symmetric_matrices(NUMBER[n], n, spectrum)
            row += [compared(a, k, rounds, clock)[1] for k in range(2)]
        rows.append(row)
    header = ["n", "eigh, clustered", "eigvalsh, clustered", "eigh, graded", "eigvalsh, graded"]
    return "\nbest peer / fastcurv, other spectra, float64\n\n" + table(header, rows)


def _batches(rounds: int, clock: str) -> str:
    rows = []
    for n in BATCH_SIZES:
        for k, quantity in enumerate(("eigh", "eigvalsh")):
            print(f"batches {quantity} {n}", file=sys.stderr, flush=True)
            row = [quantity, str(n)]
            for number in BATCHES:
                if 8 * number * n * n > LARGEST:
                    row.append("-")
                    continue
                timings, best = compared(symmetric_matrices(number, n), k, rounds, clock)
                row.append(f"{significant(1e-3 * number * timings['fastcurv'].median)} µs, {best}")
            rows.append(row)
    header = ["", "n", *(f"{number:,} matrices" for number in BATCHES)]
    return "\nBatches: a call of fastcurv, and best peer / fastcurv, float64\n\n" + table(header, rows)
