"""Tests of CUDA kernels: most need numba-cuda, and say so where it is missing."""

import importlib.util
import os

import numpy as np
import pytest

IS_THERE = importlib.util.find_spec("numba_cuda") is not None
IS_SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


def pytest_collection_modifyitems(items):
    from numba import cuda

    for item in items:
        if item.path.parent.name != "cuda":
            continue
        if item.path.stem != "test_errors" and not IS_THERE:
            item.add_marker(pytest.mark.skip(reason="numba-cuda is not installed: pip install 'fastcurv[cuda13]'"))
        elif item.path.stem in ("test_simulator", "test_cusolver") and not IS_SIMULATED:
            item.add_marker(pytest.mark.skip(reason="runs with NUMBA_ENABLE_CUDASIM=1 only"))
        elif item.path.stem in ("test_offline", "test_errors") and IS_SIMULATED:
            item.add_marker(pytest.mark.skip(reason="does not run in the simulator"))
        elif item.get_closest_marker("gpu") and (IS_SIMULATED or not cuda.is_available()):
            item.add_marker(pytest.mark.skip(reason="there is no CUDA device"))


@pytest.fixture
def backend(monkeypatch):
    """Programs compiled for the CPU, which the simulator calls in place of code for a device."""
    from numba import njit

    from fastcurv.backends import _cuda_curvature, _cuda_eigen, _cuda_groups, _cuda_jobs, _cuda_resident, cuda
    from fastcurv.function import compiled

    def plain(value):
        if isinstance(value, tuple):
            return tuple(map(plain, value))
        if isinstance(value, (int, float)):
            return value
        while not isinstance(value, np.ndarray):
            value = value.__dict__.get("_item", value.__dict__.get("_ary"))
        return value

    def device_function(evaluate):
        made = njit(evaluate)
        return lambda x, y, tables: made(plain(x), plain(y), tuple(map(plain, tables)))

    for module in (cuda, _cuda_eigen, _cuda_groups, _cuda_curvature):
        monkeypatch.setattr(module, "device_function", device_function)

    def compiled_block(block, tag, **flags):
        made = compiled(block, tag, entry=True, **flags)
        return lambda *arguments: made(*map(plain, arguments))

    monkeypatch.setattr(cuda, "SHARED_BYTES", 0)  # small blocks: barriers between threads of Python take time
    monkeypatch.setattr(_cuda_jobs, "compiled", compiled_block)
    for module in (_cuda_jobs, _cuda_resident):
        monkeypatch.setattr(module, "compile_for", lambda made, arguments, job: None)
    return cuda
