"""Solve small batches in so many of the ways and compare with NumPy: a script, to run under another NUMBA_CPU_NAME."""

import sys

import numpy as np

import fastcurv as fc
from fastcurv.simd import native_bytes

CASES = (
    (7, 40, np.float64),
    (3, 9, np.float64),
    (34, 20, np.float64),
    (7, 40, np.float32),
)
"""Order, number and precision."""


def main() -> None:
    rng = np.random.default_rng(0)
    for n, count, dtype in CASES[: int(sys.argv[1])]:
        a = rng.standard_normal((count, n, n)).astype(dtype)
        a = a + a.swapaxes(1, 2)
        exact = np.linalg.eigvalsh(a.astype(np.float64))
        tolerance = 40 * np.finfo(dtype).eps * abs(exact).max()
        w, z = fc.eigh(a)
        assert (abs(w - exact) <= tolerance).all()
        assert (abs(fc.eigvalsh(a) - exact) <= tolerance).all()
        assert (abs(a @ z - z * w[:, None]) <= tolerance).all()
        assert (abs(z.swapaxes(1, 2) @ z - np.eye(n)) <= 30 * np.finfo(dtype).eps).all()
    print(native_bytes(), "ok")


if __name__ == "__main__":
    main()
