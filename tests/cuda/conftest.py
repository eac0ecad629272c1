"""Tests of CUDA kernels: most need numba-cuda, and say so where it is missing."""

import importlib.util
import os

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
        elif item.path.stem in ("test_simulator", "test_access", "test_cusolver") and not IS_SIMULATED:
            item.add_marker(pytest.mark.skip(reason="runs with NUMBA_ENABLE_CUDASIM=1 only"))
        elif item.path.stem in ("test_offline", "test_errors") and IS_SIMULATED:
            item.add_marker(pytest.mark.skip(reason="does not run in the simulator"))
        elif item.get_closest_marker("gpu") and (IS_SIMULATED or not cuda.is_available()):
            item.add_marker(pytest.mark.skip(reason="there is no CUDA device"))
    # by far the longest begins first: of several processes none is left alone with it
    items.sort(key=lambda item: item.name != "test_the_benchmark_of_devices_runs_whole")


@pytest.fixture
def backend(monkeypatch):
    """Programs compiled for the CPU, which the simulator calls in place of code for a device."""
    import simulated

    from fastcurv.backends import cuda

    simulated.compile_for_the_host(monkeypatch.setattr)
    return cuda
