"""The eigensolver, compiled once per session together with the helpers that it reaches."""

import importlib
import types

import numba
import numpy as np
import pytest

MODULES = ("_tridiagonal", "_ql", "_solve")


@pytest.fixture(scope="session")
def compiled():
    """Names of `fastcurv.symmetric`'s functions, private ones too, to dispatchers that call each other."""
    names = {}
    for module in MODULES:
        names.update(vars(importlib.import_module(f"fastcurv.symmetric.{module}")))
    jit = numba.njit(error_model="numpy", fastmath={"contract"})
    for name, value in list(names.items()):
        if isinstance(value, types.FunctionType):
            names[name] = jit(types.FunctionType(value.__code__, names, name))
    return types.SimpleNamespace(**names)


@pytest.fixture(scope="session")
def solve(compiled):
    """solve(A) -> w, V, w of the values-only routine; A is left alone, its upper triangle is spoilt."""
    from fastcurv.symmetric import work_size

    def solve(A):
        n = len(A)
        lower = np.where(np.tri(n, dtype=bool), A, np.nan).astype(A.dtype)
        # what is not written, or read before it is written, shows as NaN
        w, values = np.full((2, n), np.nan, A.dtype)
        V = np.full((n, n), np.nan, A.dtype)
        work = np.full(work_size(n), np.nan, A.dtype)
        compiled.eigensystem(lower.copy(), w, V, work)
        work[:] = np.nan
        compiled.eigenvalues(lower.copy(), values, work)
        return w, V, values

    return solve
