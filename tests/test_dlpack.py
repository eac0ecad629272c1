"""The protocol by which libraries hand arrays to each other, in the host's memory, where NumPy speaks it."""

import gc
import sys
import weakref

import numpy as np
import pytest

from fastcurv.backends._dlpack import CPU, Exported, Imported, _kept, device_of, is_on_cuda

SHAPES = [(), (5,), (3, 4), (0, 2), (2, 1, 3)]


class Owner:
    """What keeps memory alive."""


def exported(a, owner=None):
    return Exported(a.ctypes.data, a.shape, a.dtype, (CPU, 0), owner)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8, np.bool_])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_given_is_numpys(shape, dtype):
    a = np.random.default_rng(0).uniform(0.0, 9.0, shape).astype(dtype)
    found = np.from_dlpack(exported(a))
    assert found.dtype == a.dtype
    np.testing.assert_array_equal(found, a)
    assert not a.size or np.shares_memory(found, a)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_taken_is_numpys(shape):
    a = np.zeros(shape)
    references = sys.getrefcount(a)
    imported = Imported(a)
    known = imported.__cuda_array_interface__
    assert (known["shape"], known["typestr"], known["data"]) == (a.shape, "<f8", (a.ctypes.data, False))
    assert known["strides"] in (None, a.strides)
    assert Imported(np.zeros((3, 4)).T).__cuda_array_interface__["strides"] == (8, 32)
    assert sys.getrefcount(a) > references
    del imported
    assert sys.getrefcount(a) == references


def test_memory_lives_until_the_last_reader_lets_go():
    a, owner = np.ones(3), Owner()
    alive = weakref.ref(owner)
    given, unread = exported(a, owner), exported(a, owner).__dlpack__()
    readers = [np.from_dlpack(given), Imported(given)]
    del owner, given
    while readers:
        gc.collect()
        assert alive() is not None
        readers.pop()
    gc.collect()
    assert alive() is not None
    del unread
    gc.collect()
    assert alive() is None
    assert not _kept


def test_devices_are_told():
    assert device_of(np.ones(2)) == (CPU, 0)
    assert device_of([1.0]) is None
    assert not is_on_cuda(np.ones(2))
    assert not is_on_cuda([1.0])
