"""Larger matrices in the simulator of CUDA: kernels, chunks and calls, with LAPACK in the place of cuSOLVER.

Run with NUMBA_ENABLE_CUDASIM=1.
"""

import ctypes
import gc
import inspect
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import fastcurv as fc

rng = np.random.default_rng(11)
# kernels run in Python, where NumPy warns of what is infinite or NaN
pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in scalar:RuntimeWarning")

BINDING = "nvmath.bindings.cusolver", "nvmath.bindings.cusolverDn"
#: as the double numbers handles
PARAMETERS = 7


def at(address, shape, dtype):
    """The memory that begins there."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype).reshape(shape)


class cuSOLVERError(Exception):  # noqa: N801  the name that nvmath-python gives it
    """What cuSOLVER answers to a call that it refuses."""


cuSOLVERError.__module__ = BINDING[0]


class Double:
    """The functions of nvmath.bindings.cusolverDn that are called, on memory that is the host's."""

    def __init__(self):
        self.streams, self.batches, self.bytes_of_matrix = {}, [], 24
        self.failing = lambda eigenvalues: False

    def create(self):
        handle = 100 + len(self.streams)
        self.streams[handle] = None
        return handle

    def create_params(self):
        return PARAMETERS

    def set_stream(self, handle, stream_id):
        self.streams[handle] = stream_id

    def xsyev_batched_buffer_size(
        self, handle, params, jobz, uplo, n, data_type_a, a, lda, data_type_w, w, compute_type, batch_size
    ):
        assert n == lda
        assert data_type_a == data_type_w == compute_type
        assert n * lda * batch_size <= 2**31 - 1
        assert (params, handle in self.streams) == (PARAMETERS, True)
        return self.bytes_of_matrix * batch_size + 4, 3 * batch_size

    def xsyev_batched(
        self, handle, params, jobz, uplo, n, data_type_a, a, lda, data_type_w, w, compute_type, buffer_on_device,
        workspace_in_bytes_on_device, buffer_on_host, workspace_in_bytes_on_host, info, batch_size,
    ):  # fmt: skip
        sizes = self.xsyev_batched_buffer_size(
            handle, params, jobz, uplo, n, data_type_a, a, lda, data_type_w, w, compute_type, batch_size
        )
        self.batches.append(batch_size)
        assert sizes == (workspace_in_bytes_on_device, workspace_in_bytes_on_host)
        work = at(buffer_on_device, sizes[0], np.uint8)
        assert not work.any()
        work[:], at(buffer_on_host, sizes[1], np.uint8)[:] = 255, 255
        dtype = (np.float32, np.float64)[data_type_a]
        matrices, values = at(a, (batch_size, n, n), dtype), at(w, (batch_size, n), dtype)
        for b, A in enumerate(matrices):
            columns = A.T  # as cuSOLVER numbers entries
            used = (np.tril, np.triu)[uplo](columns)
            assert 2.0**-52 <= np.abs(used).max() < 2.0  # less than 1 of numbers that have lost digits
            found, vectors = np.linalg.eigh(columns, UPLO="LU"[uplo])
            values[b], columns[...] = found, vectors if jobz else np.nan
            failed = self.failing(found)
            at(info, batch_size, np.int32)[b] = 3 if failed else 0
            if failed:
                values[b, 1:] = columns[1:] = 77.0


@pytest.fixture
def cusolver(backend, monkeypatch):
    """cuSOLVER, or what is called so."""
    from fastcurv.backends import _cuda_over, _cusolver

    double = Double()
    monkeypatch.setitem(sys.modules, BINDING[0], SimpleNamespace(get_version=lambda: 11701))
    monkeypatch.setitem(sys.modules, BINDING[1], double)
    for module, name, size in ((_cusolver, "THREADS", 64), (_cuda_over, "THREADS", 32), (_cuda_over, "SIDE", 32)):
        monkeypatch.setattr(module, name, size)  # each thread takes time, and each tile
    monkeypatch.setattr(_cusolver, "_idle", type(_cusolver._idle)(list))
    # which the simulator leaves out
    monkeypatch.setattr(backend.cuda.stream, "__int__", lambda stream: id(stream), raising=False)
    _cusolver.binding.cache_clear()
    yield SimpleNamespace(module=_cusolver, double=double)
    _cusolver.binding.cache_clear()


def symmetric(count, n, dtype=np.float64):
    A = rng.normal(size=(count, n, n)).astype(dtype)
    return A + A.swapaxes(1, 2)


def assert_solved(A, w, z):
    """Eigenvalues and vectors of matrices that are finite, to some roundings."""
    eps = np.finfo(A.dtype).eps
    for matrix, values, vectors in zip(A, w, z, strict=True):
        norm = np.abs(matrix).max() or 1.0
        scaled, values, vectors = (x.astype(float) for x in (matrix / norm, values / norm, vectors))
        room = 30 * len(matrix) * eps
        assert np.abs(values - np.linalg.eigvalsh(scaled)).max() <= room
        assert np.abs(scaled @ vectors - vectors * values).max() <= room
        assert np.abs(vectors.T @ vectors - np.eye(len(matrix))).max() <= room


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_eigenvalues_and_vectors(dtype, cusolver, monkeypatch):
    from fastcurv.backends import _cuda_eigen

    n, limits = 49, np.finfo(dtype)
    monkeypatch.setattr(_cuda_eigen, "CHUNK_BYTES", 16 * n * n * 3)  # three at a time
    A = symmetric(8, n, dtype)
    A[1] *= limits.max / 1024
    A[2] *= limits.tiny / 16  # some digits are lost
    A[3], A[4, 7, 2], A[5, 3, 3], A[6, 40, 0] = 0.0, np.nan, np.inf, -np.inf
    lower = np.tril(A)
    lower[:, 2, 30] = np.nan  # nobody reads it
    given = lower.copy()
    w, z = fc.eigh(lower.reshape(2, 4, n, n), device="cuda")
    assert (w.dtype, z.dtype, w.shape, z.shape) == (dtype, dtype, (2, 4, n), (2, 4, n, n))
    np.testing.assert_array_equal(lower, given)
    w, z = w.reshape(8, n), z.reshape(8, n, n)
    finite = [0, 1, 2, 3, 7]
    assert np.isnan(w[4:7]).all()
    assert np.isnan(z[4:7]).all()
    assert_solved(A[finite], w[finite], z[finite])
    assert cusolver.double.batches == [3, 3, 2]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_eigenvalues_alone(dtype, cusolver):
    A = symmetric(3, 65, dtype)
    A[1, 64, 64] = np.nan
    w = fc.eigvalsh(A, device="cuda")
    assert np.isnan(w[1]).all()
    for b in (0, 2):
        expected = np.linalg.eigvalsh(A[b].astype(float))
        np.testing.assert_allclose(w[b], expected, rtol=0, atol=2000 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(fc.eigvalsh(A, subset="extremes", device="cuda"), w[:, [0, -1]])


@pytest.mark.parametrize(
    ("name", "limit", "batches"),
    [
        ("MOST_MATRICES", 2, [2, 2, 1]),
        ("MOST_ENTRIES", 49 * 49 * 4, [4, 1]),
        ("MOST_BYTES", 49 * 49 * 8 * 3, [3, 2]),
        ("MOST_BYTES", 49 * 49 * 7, [1] * 5),
    ],
)
@pytest.mark.parametrize("vectors", [True, False])
def test_chunks_of_arrays_on_a_device(name, limit, batches, vectors, cusolver, monkeypatch):
    from numba import cuda

    from fastcurv.backends import _cuda_eigen

    n = 49
    monkeypatch.setattr(cusolver.module, name, limit)
    monkeypatch.setattr(_cuda_eigen, "IN_SHARED_MEMORY", {True: 48, False: 48})
    A = symmetric(5, n)
    matrices, w, z = map(cuda.to_device, (A, np.full((5, n), 7.0), np.full(5 * n * n if vectors else 1, 7.0)))
    _cuda_eigen.on_device(0, matrices, w, z, vectors)
    np.testing.assert_array_equal(matrices.copy_to_host(), A)
    assert cusolver.double.batches == batches
    if vectors:
        assert_solved(A, w.copy_to_host(), z.copy_to_host().reshape(5, n, n))
    else:
        np.testing.assert_allclose(w.copy_to_host(), np.linalg.eigvalsh(A), atol=1e-12)
        assert z.copy_to_host() == [7.0]


@pytest.mark.parametrize(("bytes_of_matrix", "together"), [(1, 1000), (2**20, 500), (2**21, 255), (2**40, 1)])
def test_workspace_bounds_chunks(bytes_of_matrix, together, cusolver):
    cusolver.double.bytes_of_matrix = bytes_of_matrix
    worker = cusolver.module.Worker(0, 0, 65, False, np.dtype(np.float64))
    assert worker._together(1000) == together
    assert worker._together(1) == 1


def test_a_matrix_that_does_not_converge(cusolver):
    A = symmetric(3, 49)
    A[1] = np.diag(np.linspace(1.0, 1.5, 49))
    cusolver.double.failing = lambda eigenvalues: eigenvalues[0] > 0.9
    w, z = fc.eigh(A, device="cuda")
    assert np.isnan(w[1]).all()
    assert np.isnan(z[1]).all()
    assert_solved(A[[0, 2]], w[[0, 2]], z[[0, 2]])


def test_streams_have_handles_of_their_own(cusolver, monkeypatch):
    """Which are used again, but by no two streams at once."""
    from fastcurv.backends import _cuda_eigen

    monkeypatch.setattr(_cuda_eigen, "CHUNK_BYTES", 1)
    for _ in range(2):
        fc.eigh(symmetric(3, 49), device="cuda")
        gc.collect()
        streams = set(cusolver.double.streams.values())
        assert len(streams) == len(cusolver.double.streams) == 2
        assert None not in streams
        assert sorted(cusolver.module._idle[0]) == [(100, PARAMETERS), (101, PARAMETERS)]


def test_curvature(cusolver, monkeypatch):
    """Eigenvalues on the device, where cuSOLVER is; else on the host."""

    def fun(x):
        s = 0.0
        for i in range(len(x)):
            s += (0.1 * i - 3.05) * x[i] ** 2 + np.log(1.5 + x[0]) + x[i] * x[i - 1]
        return s

    x = rng.uniform(-1.0, 1.0, (3, 65))
    x[1, 0] = -2.0  # the logarithm is NaN
    expected = fc.curvature(fun, x)
    found = fc.curvature(fun, x, device="cuda")
    assert cusolver.double.batches == [3]
    monkeypatch.setitem(sys.modules, BINDING[1], None)
    cusolver.module.binding.cache_clear()
    without = fc.curvature(fun, x, device="cuda")
    assert cusolver.double.batches == [3]
    for result in (found, without):
        for name in ("index", "nullity", "kind", "status"):
            np.testing.assert_array_equal(getattr(result, name), getattr(expected, name), err_msg=name)
        for name in ("value", "gradient", "eigenvalues", "eigenvalue_error", "gradient_curvature"):
            a, b = getattr(result, name), getattr(expected, name)
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=name)


def test_what_is_missing_is_named(cusolver, monkeypatch):
    def unsupported():
        raise RuntimeError("libcusolver.so was not found")

    install = r"nvmath-python: pip install 'fastcurv\[cusolver13\]', .*device='cpu' with NumPy arrays \("
    for module, reason in (
        (None, "import of nvmath.bindings.cusolver halted"),
        (SimpleNamespace(get_version=unsupported), "libcusolver.so was not found"),
        (SimpleNamespace(get_version=lambda: 11604), "the version found is 11.6.4"),
    ):
        monkeypatch.setitem(sys.modules, BINDING[0], module)
        cusolver.module.binding.cache_clear()
        for solve, n in ((fc.eigh, 49), (fc.eigvalsh, 65)):
            with pytest.raises(fc.DeviceError, match=f"(?s){install}.*{reason}"):
                solve(np.eye(n), device="cuda")
    with pytest.raises(fc.DeviceError, match="cuSOLVER solves matrices of up to 46340 rows, got 46341; use device="):
        cusolver.module.require(46341)


def test_what_cusolver_refuses(cusolver):
    def refuse(*arguments):
        raise cuSOLVERError("CUSOLVER_STATUS_ALLOC_FAILED (2)")

    cusolver.double.xsyev_batched = refuse
    with pytest.raises(fc.DeviceError, match=r"the CUDA device failed: CUSOLVER_STATUS_ALLOC_FAILED.*device='cpu'"):
        fc.eigh(np.eye(49), device="cuda")


def test_the_double_is_like_the_binding():
    """Names and order of arguments; and the numbers that C's headers give to what is asked for."""
    from fastcurv.backends import _cusolver

    reason = "nvmath-python is not installed: pip install nvmath-python"
    functions = pytest.importorskip(BINDING[1], reason=reason, exc_type=ImportError)
    for name, ours in inspect.getmembers(Double(), inspect.ismethod):
        if not name.startswith("_"):
            theirs = inspect.signature(getattr(functions, name))
            assert list(theirs.parameters) == list(inspect.signature(ours).parameters)
    import nvmath
    from nvmath.bindings import cublas, cusolver

    assert not inspect.signature(cusolver.get_version).parameters
    assert issubclass(cusolver.cuSOLVERError, Exception)
    assert (cusolver.cuSOLVERError.__module__, cusolver.cuSOLVERError.__name__) == (BINDING[0], cuSOLVERError.__name__)
    assert _cusolver.MODES == {False: cusolver.EigMode.NOVECTOR, True: cusolver.EigMode.VECTOR}
    assert cublas.FillMode.UPPER == _cusolver.UPPER
    kinds = {"float32": nvmath.CudaDataType.CUDA_R_32F, "float64": nvmath.CudaDataType.CUDA_R_64F}
    assert kinds == _cusolver.KINDS
