"""`python -m benchmarks.crossovers`: every way of the eigensolver, from which `symmetric._ways` is set."""

import numpy as np

from fastcurv._eigen import by_lapack, in_lanes
from fastcurv.simd import native_lanes
from fastcurv.symmetric import Way, choose_lanes

from .cases import symmetric_matrices
from .peers.measure import interleave, machine, one_cpu, significant, table
from .peers.peer import Run

SIZES = (2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128, 192, 256, 384, 512)
WORK = 1e6
"""About the number of entries in a measurement of many matrices."""
LEAST_LAPACK = 64
"""LAPACK is tried from here on."""


def candidates(dtype: np.dtype, n: int, vectors: bool) -> dict[str, Way]:
    """The ways that can solve matrices of order n."""
    lanes = native_lanes(dtype)
    kinds = ("lanes", "matrix", "twisted", "twisted matrix") if vectors else ("values",)
    found = {}
    for kind in kinds:
        by_matrix, is_twisted = kind.endswith("matrix"), kind.startswith("twisted")
        if (by_matrix and n < lanes) or (is_twisted and n < 4):
            continue
        if not by_matrix:  # which transposes one register at a time
            found[kind] = Way(dtype.str, kind, 2 * lanes, 1)
        if by_matrix or not vectors:
            found[f"{kind}, halves"] = Way(dtype.str, kind, lanes, 2)
        found[f"{kind}, one by one"] = Way(dtype.str, kind, 1, 1)
    if n in (2, 3):
        found["Jacobi"] = choose_lanes(dtype, n, 1000, vectors)
    return found


def measure(dtype: np.dtype, vectors: bool, rounds: int = 5) -> str:
    """A table: microseconds per matrix of each way, by size, of many matrices; and of a single one."""
    rows = []
    for n in SIZES:
        number = max(1, int(WORK / n**2 / 64)) * 64 if n < 256 else 16  # whole groups
        a = symmetric_matrices(number, n).astype(dtype)
        runs: dict[str, tuple[Run, int]] = {
            name: (lambda a=a, way=way: in_lanes(a, way), len(a)) for name, way in candidates(dtype, n, vectors).items()
        }
        if n >= LEAST_LAPACK:
            runs["LAPACK"] = (lambda a=a: by_lapack(a, vectors), len(a))
        single: dict[str, tuple[Run, int]] = {
            f"{name}, single": (lambda a=a[:1], way=way: in_lanes(a, way), 1)
            for name, way in candidates(dtype, n, vectors).items()
        }
        solve = np.linalg.eigh if vectors else np.linalg.eigvalsh
        single["NumPy, single"] = (lambda a=a[:1], solve=solve: solve(a), 1)
        for call, _ in (runs | single).values():
            call()
        timings = interleave(runs | single, rounds)
        rows.append([str(n), ", ".join(f"{name} {significant(t.minimum * 1e-3)}" for name, t in timings.items())])
    return table(["n", "µs per matrix, minimum"], rows)


def main() -> None:
    print(machine())
    with one_cpu():
        for dtype in (np.dtype(np.float64), np.dtype(np.float32)):
            for vectors in (True, False):
                print(f"\n{dtype}, {'vectors' if vectors else 'values'}\n\n{measure(dtype, vectors)}", flush=True)


if __name__ == "__main__":
    main()
