"""Kernels read nothing but what they were given: inputs lie between pages that cannot be touched."""

import ctypes
import mmap
import os

import numpy as np
import pytest
from functions import rosenbrock

import fastcurv as fc

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pages are protected by POSIX's mprotect")
rng = np.random.default_rng(11)


def walled(array, *, at_end):
    """A copy of an array that begins, or ends, where accessible memory does."""
    page = mmap.PAGESIZE
    size = -(-array.nbytes // page) * page
    memory = mmap.mmap(-1, size + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for wall in (start, start + page + size):
        assert ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(wall), page, 0) == 0
    offset = page + (size - array.nbytes if at_end else 0)
    copy = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    copy[...] = array
    return copy


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [1, 2, 3, 6, 17, 33, 64])
def test_matrices(n, dtype, at_end):
    for count in (1, 70):
        A = rng.standard_normal((count, n, n)).astype(dtype)
        inside = walled(A, at_end=at_end)
        assert np.array_equal(fc.eigh(inside).eigenvectors, fc.eigh(A).eigenvectors)
        assert np.array_equal(fc.eigvalsh(inside), fc.eigvalsh(A))


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize("method", ["central", "exact"])
@pytest.mark.parametrize("n", [5, 20])
def test_points_and_directions(n, method, at_end):
    for count in (1, 9):
        x, v = rng.standard_normal((2, count, n))
        points, directions = walled(x, at_end=at_end), walled(v, at_end=at_end)
        assert np.array_equal(fc.hessian(rosenbrock, points, method=method), fc.hessian(rosenbrock, x, method=method))
        product = fc.hvp(rosenbrock, points, directions, method=method)
        assert np.array_equal(product, fc.hvp(rosenbrock, x, v, method=method))


def test_large_results_begin_at_cache_lines():
    """NumPy's begin 16 bytes after one, and every vector that is written straddles two."""
    x = np.ones((8000, 5))
    H = fc.hessian(fc.landscapes.rosenbrock, x)
    results = [
        H,
        fc.quadratic_model(fc.landscapes.rosenbrock, x).hessian,
        fc.curvature(fc.landscapes.rosenbrock, x, extra=["hessian"]).hessian,
        fc.eigh(H).eigenvectors,
        fc.eigh(H.reshape(80, 100, 5, 5)).eigenvectors,
    ]
    assert all(result.nbytes >= 2**20 and result.ctypes.data % 64 == 0 for result in results)
    assert all(result.flags.c_contiguous and result.flags.writeable for result in results)
