"""What is done with results on a device, in the simulator against NumPy, with a note of what every thread reads and
writes: those side by side are to touch numbers that are.
"""

import threading
from collections import Counter, defaultdict
from functools import partial
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in scalar:RuntimeWarning")
#: bytes that memory moves at least, and threads that move them together
SECTOR, WARP = 32, 32


@pytest.fixture
def accesses(backend, monkeypatch):
    """Addresses of numbers by what a warp does at once; blocks of threads are as large as on a device."""
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray  # pyright: ignore[reportMissingImports]

    from fastcurv.backends import _cuda_over

    for name, size in (("THREADS", 64), ("TEAM", 32), ("SIDE", 32)):
        monkeypatch.setattr(_cuda_over, name, size)
    found, counts = defaultdict(list), Counter()

    def note(array, index, way):
        thread: Any = threading.current_thread()
        at = index if isinstance(index, tuple) else (index,)
        if hasattr(thread, "thread_id") and len(at) == array.ndim and slice not in map(type, at):
            block = thread._manager, thread.blockIdx.x
            counts[block, thread.thread_id, way] += 1
            place = sum(int(i) * step for i, step in zip(at, array.strides, strict=True))
            together = block, thread.thread_id // WARP, way, counts[block, thread.thread_id, way]
            owner = array
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            place += array.ctypes.data - owner.ctypes.data  # memory of a device begins at a sector
            found[together].append(((id(owner), place), array.dtype.itemsize))

    def noting(way):
        method = getattr(FakeCUDAArray, way)

        def noted(array, index, *value):
            note(array._ary, index, way)
            return method(array, index, *value)

        return noted

    for way in ("__getitem__", "__setitem__"):
        monkeypatch.setattr(FakeCUDAArray, way, noting(way))
    return found


def excess(accesses):
    """How much memory is moved, relative to the least that holds the numbers that are asked for."""
    moved = sum(len({(array, place // SECTOR) for (array, place), _ in access}) for access in accesses.values())
    least = sum(-(-len(set(access)) * access[0][1] // SECTOR) for access in accesses.values())
    return moved / least


def there(*arrays):
    from numba import cuda

    return [cuda.to_device(array) for array in arrays]


@pytest.fixture
def check(accesses):
    """Results are those of NumPy, and little more memory was moved than what was asked for."""

    def check(found, expected, rtol=1e-13, most=1.5):
        np.testing.assert_allclose(found.copy_to_host(), expected, rtol=rtol, atol=rtol)
        assert not accesses or excess(accesses) < most
        accesses.clear()

    return check


def drawn(count, n, dtype):
    """Matrices, one of which has a NaN, and vectors."""
    rng = np.random.default_rng(11)
    matrices, vectors = rng.normal(size=(count, n, n)), rng.normal(size=(3, count, n))
    matrices[count // 2 : count // 2 + 1, 0, -1] = np.nan
    return matrices.astype(dtype), *vectors.astype(dtype)


def test_strides_are_told(accesses):
    from fastcurv.backends._cuda_over import over

    rows, sums = there(np.ones((40, 4)), np.ones(40))

    @over
    def by_rows(k, rows, sums):
        sums[k] += rows[k, 1]

    by_rows(40, rows, sums)
    assert 1.9 < excess(accesses) < 2.1  # of three accesses one is to a sector for each number


#: rows are shorter and longer than what a team of threads takes at once, matrices than a tile
@pytest.mark.parametrize(
    ("count", "n", "dtype"),
    [(0, 2, np.float64), (1, 1, np.float64), (90, 2, np.float64), (11, 5, np.float64), (11, 5, np.float32),
     (1, 46, np.float64)],
)  # fmt: skip
def test_rows_and_matrices(count, n, dtype, check, accesses):
    from fastcurv import _rounding as rounding
    from fastcurv.backends import _cuda_results as results

    check = partial(check, rtol=1e-13 if dtype == np.float64 else 1e-5)
    H, x, g, near = drawn(count, n, dtype)
    near[0:1, 0] = np.inf  # is no noise
    matrices, x_there, g_there, near_there = there(H, x, g, near)
    check(results.of_rows(matrices), rounding.of_rows(H))
    check(results.norms(*there(abs(H))), np.sqrt((H.astype(float) ** 2).sum((1, 2))))
    errors, expected = there(np.empty(g.shape), np.empty(H.shape)), (np.empty(g.shape), np.empty(H.shape))
    results.estimate_all(x_there, g_there, matrices, *errors)
    rounding.estimate_all(x, g, H, *expected)
    for pair in zip(errors, expected, strict=True):
        check(*pair)
    check(results.dot(x_there, g_there, absolute=True), np.sum(abs(x) * g.astype(float), axis=1))
    check(results.apply(matrices, g_there), np.einsum("bij,bj->bi", H, g.astype(float)))
    results.symmetrise(matrices)
    check(matrices, (H + H.swapaxes(1, 2)) / 2)

    for axes in ((), (1,)):
        (errors,), expected = there(np.ones(g.shape)), np.ones(g.shape)
        results.add_noise(errors, g_there, near_there, axes)
        rounding.add_noise(expected, g, near, axes)
        check(errors, expected)

    lost = (np.arange(count) % 3 == 1)[:, None, None]
    matrices, rows = there(H, np.where(lost[:, 0], np.inf, g))
    results.blank(rows, matrices)
    check(matrices, np.where(lost, np.nan, H))


@pytest.mark.parametrize(
    ("count", "n", "dtype"), [(0, 2, np.float64), (13, 3, np.float64), (13, 3, np.float32), (1, 34, np.float64)]
)
def test_newton_steps_and_what_is_not_valid(count, n, dtype, check):
    from fastcurv.backends import _cuda_read_outs as read_outs

    H, g, w, _ = drawn(count, n, np.float64)
    z = np.linalg.qr(np.nan_to_num(H))[0]
    rows, places = np.zeros((count, read_outs.width_of_rows(n)), dtype), read_outs.places_of(n)
    rows[:, places["gradient"] :][:, :n], is_valid = g, (np.arange(count) % 4 != 2)[:, None]
    rows[:, places["nullity"]] = np.where(is_valid[:, 0], 0, -1)
    rows[:, places["status"]] = np.where(is_valid[:, 0], 0, -3)
    matrices = (z * w[:, None]) @ z.swapaxes(1, 2)
    expected = np.linalg.solve(matrices, -g[..., None])[..., 0]
    steps, rows, w, z = there(np.empty(g.shape, dtype), rows, *(array.astype(dtype) for array in (w, z)))
    read_outs.newton_steps(rows, w, z, steps)
    found, scale = steps.copy_to_host(), abs(expected).max(initial=1.0)
    np.testing.assert_allclose(found / scale, np.where(is_valid, expected / scale, np.nan), atol=1e-5)
    check(steps, found, most=2.5)  # what is read is in rows of other numbers
    read_outs.invalidate(rows, z)
    assert (np.isnan(z.copy_to_host()).all((1, 2)) == ~is_valid[:, 0]).all()
    check(z, z.copy_to_host(), most=2.5)


@pytest.mark.parametrize("parts", [2, 3, 40])
def test_tasks_that_share_points(parts, check):
    from fastcurv.backends import _cuda_results as results
    from fastcurv.backends.cpu import Shares

    status = np.zeros((7, parts), np.int8)
    status[2, -1], status[5, 0] = -3, -6
    given, H = there(status.ravel(), np.ones((7, 5)))
    found = results.settle(given, Shares(np.array([1, parts, 0, 0]), status.size, 1), H)
    check(found, [0, 0, -3, 0, 0, -6, 0])
    check(H, np.where(np.isin(np.arange(7), (2, 5))[:, None], np.nan, np.ones((7, 5))))
