"""On a device, where there is one: every operation against the CPU, on fresh inputs, with poisoned outputs."""

import math

import numpy as np
import pytest

import fastcurv as fc

pytestmark = pytest.mark.gpu
rng = np.random.default_rng()


def chain(x, a=1.0):
    s = 0.0
    for i in range(len(x) - 1):
        s += 100 * (x[i + 1] - a * x[i] ** 2) ** 2 + np.cos(x[i]) + math.log(4.0 + x[0])
    return s


def several(x):
    return x[0] * x[-1], np.exp(x[0]), x[-1] - 3.0


def agree(found, expected):
    scale = max(1.0, np.nanmax(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13 * scale)


@pytest.mark.parametrize("n", [2, 3, 8, 9, 24])
@pytest.mark.parametrize("count", [1, 31, 1000])
def test_derivatives(count, n):
    x, v = rng.normal(size=(2, count, n))
    x[count // 2, 0] = -5.0  # the logarithm is NaN
    fc.hessian(chain, np.ones(n), (1.5,))
    for name, more, tail in (
        ("value", (), ()), ("gradient", (), (n,)), ("hessian", (), (n, n)), ("hvp", (v,), (n,)), ("vhv", (v,), ()),
    ):  # fmt: skip
        expected = getattr(fc, name)(chain, x, *more, (1.5,))
        out = np.full((count, *tail), 7.0)
        assert getattr(fc, name)(chain, x, *more, (1.5,), device="cuda", out=out) is out
        agree(out, expected)
    agree(fc.jacobian(several, x, device="cuda"), fc.jacobian(several, x))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 32, 33, 48, 64])
def test_eigenvalues(n):
    A = rng.normal(size=(1001, n, n))
    A += A.swapaxes(-1, -2)
    A[5], A[6] = np.nan, 0.0
    expected, norm = fc.eigvalsh(A), np.linalg.norm(A, axis=(1, 2))[:, None]
    found = fc.eigvalsh(A, device="cuda")
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected) / np.where(norm > 0, norm, 1.0)) <= 10 * np.finfo(float).eps
    if n <= 48:
        w, z = fc.eigh(A, device="cuda")
        residual = np.abs(A @ z - z * w[:, None]).max(axis=(1, 2)) / np.where(norm[:, 0] > 0, norm[:, 0], 1.0)
        assert np.nanmax(residual) <= 25 * np.finfo(float).eps
        assert np.nanmax(np.abs(z.swapaxes(1, 2) @ z - np.eye(n))) <= 30 * np.finfo(float).eps


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("n", "count"), [(65, 401), (100, 101), (300, 31)])
def test_eigenvalues_by_cusolver(n, count, dtype, monkeypatch):
    """From the host in parts, and on the device in chunks; among others, what is not finite, zero, huge or tiny."""
    from numba import cuda

    from fastcurv.backends import _cuda_eigen
    from fastcurv.backends import _cusolver as cusolver

    if not cusolver.is_there():
        pytest.skip("cuSOLVER or nvmath-python is not installed: pip install 'fastcurv[cusolver13]'")
    limits = np.finfo(dtype)
    A = rng.normal(size=(count, n, n)).astype(dtype)
    A += A.swapaxes(-1, -2)
    A[3, 1, 0], A[5, n - 1, n - 1], A[6] = np.nan, np.inf, 0.0
    A[7] *= limits.max / (16 * n)
    A[8] *= limits.tiny * n
    scale = np.abs(A).max(axis=(1, 2), keepdims=True)
    scale[6] = 1.0
    finite = np.isfinite(scale[:, 0, 0])
    unit = A[finite].astype(float) / scale[finite]
    expected, room = np.linalg.eigvalsh(unit), 40 * n * limits.eps
    monkeypatch.setattr(cusolver, "MOST_MATRICES", 30)
    monkeypatch.setattr(_cuda_eigen, "CHUNK_BYTES", 16 * n * n * 37)
    for _ in range(2):  # the second time with memory and handles that were used
        for device_array in (np.asarray, cuda.to_device):
            given = device_array(A)
            w, z = fc.eigh(given, device="cuda")
            values = fc.eigvalsh(given, device="cuda")
            kept, w, z, values = (a if isinstance(a, np.ndarray) else a.copy_to_host() for a in (given, w, z, values))
            np.testing.assert_array_equal(kept, A)
            assert w.dtype == z.dtype == values.dtype == dtype
            for found in (w, z, values):
                np.testing.assert_array_equal(np.isnan(found).any(axis=tuple(range(1, found.ndim))), ~finite)
            w, values = (found[finite] / scale[finite, 0].astype(float) for found in (w, values))
            z = z[finite].astype(float)
            assert np.abs(w - expected).max() <= room
            assert np.abs(values - expected).max() <= room
            assert np.abs(unit @ z - z * w[:, None]).max() <= room
            assert np.abs(z.swapaxes(1, 2) @ z - np.eye(n)).max() <= room


@pytest.mark.parametrize("n", [2, 4, 8, 9, 24, 65, 100])
def test_curvature(n):
    x = rng.normal(size=(1001, n))
    x[3] = np.nan
    found, expected = fc.curvature(chain, x, device="cuda"), fc.curvature(chain, x)
    for name in ("status", "index", "nullity", "kind"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("value", "gradient", "eigenvalues", "eigenvalue_error", "gradient_curvature"):
        agree(getattr(found, name), getattr(expected, name))


def until(x, a=1.0):
    """No expression of x."""
    s = a * x[0]
    while s < 10.0:
        s = s * s + 1.0 + x[-1] ** 2
    if x[0] < -4.0:
        raise ValueError("out of reach")
    return s * x[0] + x[len(x) // 2]


def until_by_parts(x, a=1.0):
    s = until(x, a)
    return s, s * x[-1], x[0] * x[-1]


@pytest.mark.parametrize(
    "options",
    [
        {"method": "hyperdual"},
        {"method": "central"},
        {"method": "central", "order": 6},
        {"method": "forward"},
        {"method": "central", "bounds": (-1.0, 0.5)},
        {"method": "central", "noise": 1e-4},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_what_cannot_be_traced(n, options):
    """Results, errors and NaN where the function raises, or a point is not a number."""
    x, v = rng.uniform(-1.0, 1.0, (2, 1001, n))
    x[3, 0], x[4, 1], own = -5.0, np.nan, rng.uniform(1.0, 2.0, 1001)
    exact = options["method"] == "hyperdual"
    for name, fun, more in (
        ("gradient", until, ()), ("jacobian", until_by_parts, ()), ("hessian", until, ()), ("hvp", until, (v,)),
        ("vhv", until, (v,)),
    ):  # fmt: skip
        found, expected = (
            getattr(fc, name)(fun, x, *more, point_args=(own,), return_error=True, device=device, **options)
            for device in ("cuda", "cpu")
        )
        # differences enlarge the rounding of f, which is not the same on a device: by as much as their errors say
        room = 1e-10 * np.abs(expected[0]) if exact else 2 * expected[1]
        np.testing.assert_array_equal(np.isnan(found[0]), np.isnan(expected[0]), err_msg=name)
        assert not (np.abs(found[0] - expected[0]) > room + 1e-12).any(), name
    agree(fc.value(until, x, device="cuda"), fc.value(until, x))
    curved, expected = (fc.curvature(until, x, device=device, **options) for device in ("cuda", "cpu"))
    np.testing.assert_array_equal(curved.status, expected.status)


def on_host(found):
    """An array of any library, as NumPy's."""
    for method in ("get", "copy_to_host"):
        if hasattr(found, method):
            return getattr(found, method)()
    return found.cpu().numpy() if hasattr(found, "cpu") else np.asarray(found)


def maker_of(library):
    """What makes an array of a library on the device."""
    if library == "numba":
        from numba import cuda

        return cuda.to_device
    module = pytest.importorskip(library)
    if library == "torch":
        return lambda a: module.as_tensor(a, device="cuda")
    if library == "jax":
        module.config.update("jax_enable_x64", True)
        if module.default_backend() != "gpu":
            pytest.skip("JAX has no device")
        return module.numpy.asarray
    return module.asarray


@pytest.mark.parametrize("library", ["cupy", "torch", "jax", "numba"])
def test_arrays_of_other_libraries_stay_on_the_device(library):
    there = maker_of(library)
    x, v = rng.normal(size=(2, 1000, 3))
    x[5, 0], own = -5.0, rng.uniform(1.0, 2.0, 1000)
    for name, fun, more, options in (
        ("value", chain, (), {}), ("gradient", chain, (), {}), ("hessian", chain, (), {}), ("hvp", chain, (v,), {}),
        ("vhv", chain, (v,), {}), ("jacobian", several, (), {}), ("hessian", until, (), {"method": "hyperdual"}),
        ("gradient", until, (), {"method": "central"}), ("gradient", chain, (), {"return_error": True}),
    ):  # fmt: skip
        expected = getattr(fc, name)(fun, x, *more, **options)
        found = getattr(fc, name)(fun, there(x), *map(there, more), **options)
        pairs = zip(*((r if isinstance(r, tuple) else (r,)) for r in (found, expected)), strict=True)
        for k, (a, b) in enumerate(pairs):
            assert type(a) is type(there(x))
            if k == 0 and options.get("method") != "central":
                agree(on_host(a), b)
    found, expected = (fc.hessian(until, a, point_args=(b,)) for a, b in ((there(x), there(own)), (x, own)))
    agree(on_host(found), expected)
    found, expected = fc.curvature(chain, there(x)), fc.curvature(chain, x)
    for name in ("status", "index", "kind"):
        np.testing.assert_array_equal(on_host(getattr(found, name)), getattr(expected, name))
    agree(on_host(found.eigenvalues), expected.eigenvalues)
    A = rng.normal(size=(100, 5, 5))
    agree(on_host(fc.eigvalsh(there(A))), fc.eigvalsh(A))
    agree(on_host(fc.eigvalsh(there(A), subset="extremes")), fc.eigvalsh(A, subset="extremes"))
    if library != "jax":  # whose arrays cannot be written to
        out = there(np.full((1000, 3, 3), 7.0))
        assert fc.hessian(chain, there(x), out=out) is out
        agree(on_host(out), fc.hessian(chain, x))


def test_arrays_that_other_streams_still_write():
    """What a stream of torch's own still computes comes first, and results are there for it."""
    torch = pytest.importorskip("torch")
    with torch.cuda.stream(torch.cuda.Stream()):
        x = torch.randn(2000, 3, dtype=torch.float64, device="cuda")
        for _ in range(50):
            x = x @ torch.eye(3, dtype=torch.float64, device="cuda")
        doubled = 2.0 * fc.gradient(chain, x)
        agree(doubled.cpu().numpy(), 2.0 * fc.gradient(chain, x.cpu().numpy()))
