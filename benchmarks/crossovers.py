"""`python -m benchmarks.crossovers`: every way of the eigensolver, from which `symmetric._ways` is set."""

import numpy as np

from fastcurv._eigen import by_lapack, by_ways, in_lanes
from fastcurv._inputs import read_only
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
LEFT_OUT, LEFT_OUT_SIZES = 64, (32, 48, 64, 96, 128, 160, 192, 256)
"""How many matrices that one way leaves to others, and of which orders."""


def candidates(dtype: np.dtype, n: int, vectors: bool) -> dict[str, Way]:
    """The ways that can solve matrices of order n."""
    lanes = native_lanes(dtype)
    of_values = choose_lanes(dtype, n, 1000, False).kind
    kinds = ("lanes", "matrix", "twisted", "twisted matrix") if vectors else (of_values,)
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


def measure_left_out(dtype: np.dtype, rounds: int = 5) -> str:
    """The same of matrices that twisted factorisations leave out: clusters as wide as rounding, of unequal ones."""
    rng, rows = np.random.default_rng(3), []
    for n in LEFT_OUT_SIZES:
        q = np.linalg.qr(rng.standard_normal((LEFT_OUT, n, n)))[0]
        w = rng.integers(-1, 2, (LEFT_OUT, n)) + 45 * np.finfo(dtype).eps * rng.standard_normal((LEFT_OUT, n))
        a = read_only(((q * w[:, None]) @ q.swapaxes(1, 2)).astype(dtype))
        double = read_only(a.astype(np.float64))
        ways = {
            "QL": (a, choose_lanes(dtype, n, LEFT_OUT, True, by_rotations=True)),
            "in double precision": (double, choose_lanes(double.dtype, n, LEFT_OUT, True)),
        }
        runs: dict[str, tuple[Run, int]] = {
            name: (lambda a=a, way=way: by_ways(a, way), LEFT_OUT) for name, (a, way) in ways.items()
        }
        runs["LAPACK"] = (lambda a=a: by_lapack(a, True), LEFT_OUT)
        for call, _ in runs.values():
            call()
        timings = interleave(runs, rounds)
        rows.append([str(n), *(significant(t.minimum * 1e-3) for t in timings.values())])
    return table(["n", "QL", "in double precision", "LAPACK"], rows)


def main() -> None:
    print(machine())
    with one_cpu():
        for dtype in (np.dtype(np.float64), np.dtype(np.float32)):
            for vectors in (True, False):
                print(f"\n{dtype}, {'vectors' if vectors else 'values'}\n\n{measure(dtype, vectors)}", flush=True)
            print(f"\n{dtype}, what is left out, µs per matrix\n\n{measure_left_out(dtype)}", flush=True)


if __name__ == "__main__":
    main()
