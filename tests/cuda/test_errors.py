"""Without a device, or without the package that drives it, calls say what is missing before any work."""

import importlib.util

import numpy as np
import pytest

import fastcurv as fc

IS_THERE = importlib.util.find_spec("numba_cuda") is not None
MISSING = "no CUDA device was found" if IS_THERE else "needs numba-cuda: pip install 'fastcurv"


def never(x):
    raise AssertionError("was called")


class OnDevice:
    """An array of another library, on a device that this machine does not have."""

    __cuda_array_interface__ = {  # noqa: RUF012  as libraries give it
        "shape": (4, 2), "typestr": "<f8", "data": (4096, False), "version": 3, "strides": None,
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _without_a_device():
    if IS_THERE:
        from numba import cuda

        if cuda.is_available():
            pytest.skip("there is a CUDA device")


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
@pytest.mark.parametrize("name", ["value", "gradient", "jacobian", "hessian", "quadratic_model", "curvature"])
def test_what_is_missing_is_named(name, device):
    with pytest.raises(fc.DeviceError, match=MISSING):
        getattr(fc, name)(never, np.ones((4, 2)), device=device)


@pytest.mark.parametrize("name", ["hvp", "vhv"])
def test_what_is_missing_for_products_is_named(name):
    with pytest.raises(fc.DeviceError, match=MISSING):
        getattr(fc, name)(never, np.ones((4, 2)), np.ones((4, 2)), device="cuda")


@pytest.mark.parametrize("name", ["value", "gradient", "jacobian", "hessian"])
def test_arrays_on_a_device_that_is_not_there(name):
    with pytest.raises(fc.DeviceError, match=MISSING):
        getattr(fc, name)(never, OnDevice())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "central"}, fc.DeviceError, MISSING),
        ({"grad": never}, fc.DeviceError, MISSING),
        ({"grad": lambda x: x, "method": "traced"}, ValueError, "method='traced' takes derivatives of fun alone"),
        ({"device": "cuda:x"}, ValueError, "device must be 'auto', 'cpu', 'cuda' or 'cuda:1'"),
        ({"device": "tpu"}, ValueError, "got 'tpu'"),
        ({"device": 0}, ValueError, "got 0"),
    ],
)
def test_what_a_device_does_not_do(options, error, message):
    with pytest.raises(error, match=message):
        fc.hessian(never, np.ones((4, 2)), **{"device": "cuda", **options})
