"""Cyclic Jacobi a sweep at a time, as a GPU runs it: here its program is compiled for the CPU."""

import numpy as np
import pytest
from numba import njit

from fastcurv.symmetric import cyclic_sweep, in_order, triangle
from fastcurv.tracing import straight_line

EPS = np.finfo(float).eps


def solver(n):
    entries = triangle(n)
    sweep, order = (straight_line(make(n, True), entries + n * n) for make in (cyclic_sweep, in_order))
    run_sweep, run_order = (njit(program.evaluator()) for program in (sweep, order))
    tables = [(np.zeros(1), *program.tables) for program in (sweep, order)]

    def solve(A):
        x = np.concatenate([A[np.tril_indices(n)], np.eye(n).ravel()])
        y, found = np.empty(sweep.slots), np.empty(order.slots)
        sweeps = 0
        while sweeps < 30:
            sweeps += 1
            run_sweep(x, y, tables[0])
            x[:] = y[: len(x)]
            if not y[len(x)] > 2.0**-106 * y[len(x) + 1]:
                break
        run_order(x, found, tables[1])
        return found[:n], found[n : n + n * n].reshape(n, n), sweeps

    return solve


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_sweeps_against_lapack(n):
    rng = np.random.default_rng(n)
    solve = solver(n)
    q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    kinds = [
        np.zeros((n, n)), np.eye(n), np.diag(np.arange(n, 0.0, -1.0)), np.ones((n, n)),
        q @ np.diag(1.0 + 1e-12 * np.arange(n)) @ q.T, np.diag(10.0 ** -np.arange(0.0, 8.0 * n, 8.0)),
    ]  # fmt: skip
    for A in [*kinds, *rng.normal(size=(200, n, n)), *rng.integers(-2, 3, (200, n, n)).astype(float)]:
        A = np.tril(A) + np.tril(A, -1).T
        w, z, sweeps = solve(A)
        norm = np.linalg.norm(A, 2)
        assert sweeps <= 10
        assert np.all(np.diff(w) >= 0)
        assert np.abs(w - np.linalg.eigvalsh(A)).max() <= 15 * EPS * norm
        assert np.linalg.norm(A @ z - z * w, axis=0).max() <= 25 * EPS * norm
        assert np.abs(z.T @ z - np.eye(n)).max() <= 30 * EPS
