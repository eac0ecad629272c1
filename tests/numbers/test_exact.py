"""Exact derivatives of the function library, against 50-digit references."""

import numpy as np
import pytest
import references
from problems import PROBLEMS, problem
from published import PUBLISHED

import fastcurv as fc
from fastcurv.backends import _pace

LIBRARY = [*PROBLEMS, *PUBLISHED]
BOUND = 1e-13
WELL_CONDITIONED = 2e-14
SINGLE = 8e-6


def worst(found, expected):
    """max over points of max |found - expected| / max |expected|."""
    axes = tuple(range(1, expected.ndim))
    scale = np.abs(expected).max(axes)
    return (np.abs(found - expected).max(axes) / np.where(scale > 0, scale, 1)).max()


def _library():
    """Every function by one method, in turns; by the other one on demand."""
    for k, case in enumerate(LIBRARY):
        for method in ("traced", "hyperdual"):
            marks = () if (method == "traced") == (k % 2 == 0) else pytest.mark.stress
            yield pytest.param(case, method, id=f"{case.name}-{method}", marks=marks)


@pytest.mark.parametrize(("case", "method"), list(_library()))
def test_library(case, method):
    """Value, gradient and Hessian in one pass."""
    exact = references.load(case.name)
    model = fc.quadratic_model(case.fun, exact.points, case.args, method=method)
    assert worst(model.value[:, None], exact.value[:, None]) <= BOUND
    assert worst(model.hessian, exact.hessian) <= (BOUND if "ill-conditioned" in case.tags else WELL_CONDITIONED)
    # at a point near a minimum a gradient is a small difference of its terms
    scale = np.abs(exact.gradient).max(1) + np.abs(exact.hessian * exact.points[:, None]).max((1, 2))
    assert (np.abs(model.gradient - exact.gradient).max(1) / scale).max() <= BOUND
    assert np.array_equal(model.hessian, model.hessian.swapaxes(-1, -2))


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c.name, marks=() if k % 8 == 0 else pytest.mark.stress) for k, c in enumerate(LIBRARY)]
)
def test_both_classify_alike(case):
    x = references.load(case.name).points
    traced, numbers = (fc.curvature(case.fun, x, case.args, method=method) for method in ("traced", "hyperdual"))
    assert np.array_equal(traced.kind, numbers.kind)
    assert np.array_equal(traced.definiteness, numbers.definiteness)
    assert np.array_equal(traced.index, numbers.index)


EVERY_OPERATION = [
    pytest.param(name, method, marks=() if method == usual else pytest.mark.stress)
    for name, usual in {"rosenbrock 8": "traced", "ackley 8": "hyperdual", "tanh regression": "traced"}.items()
    for method in ("traced", "hyperdual")
]


@pytest.mark.parametrize(("name", "method"), EVERY_OPERATION)
def test_every_operation(name, method):
    case, exact = problem(name), references.load(name)
    x, args, n = exact.points, case.args, exact.points.shape[1]
    v = np.random.default_rng(1).standard_normal((1, 2, n))
    gradient, slope = fc.gradient(case.fun, x, args, method=method, return_error=True)
    hessian, bend = fc.hessian(case.fun, x, args, method=method, return_error=True)
    product, rounding = fc.hvp(case.fun, x, v, args, method=method, return_error=True)
    form, spread = fc.vhv(case.fun, x, v, args, method=method, return_error=True)
    curvature = fc.curvature(case.fun, x, args, method=method, extra=("hessian",))
    expected = np.einsum("bij,kj->bki", exact.hessian, v[0])
    for found, true, error in (
        (gradient, exact.gradient, slope),
        (hessian, exact.hessian, bend),
        (product, expected, rounding),
        (form, np.einsum("bki,ki->bk", expected, v[0]), spread),
    ):
        assert worst(found, true) <= 2 * WELL_CONDITIONED
        assert (np.abs(found - true) <= error).all()
        assert np.median(error[true != 0]) <= 1e-12 * np.abs(true).max()
    assert worst(curvature.hessian, exact.hessian) <= WELL_CONDITIONED
    assert worst(curvature.eigenvalues, np.linalg.eigvalsh(exact.hessian)) <= 1e-13
    plain = fc.hessian(case.fun, x, args, method=method)
    assert worst(plain, hessian) <= 4 * np.finfo(float).eps  # another kernel, in which other products are fused
    with fc.threads(1):
        assert np.array_equal(fc.hessian(case.fun, x[::-1], args, method=method)[::-1], plain)
    assert np.array_equal(fc.hessian(case.fun, x[3], args, method=method), plain[3])


@pytest.mark.parametrize("name", ["rosenbrock 8", "tanh regression"])
def test_single_precision(name):
    """Computed in double precision, and rounded."""
    case, exact = problem(name), references.load(name)
    x = exact.points.astype(np.float32)
    for derivative in (fc.gradient, fc.hessian):
        found, error = derivative(case.fun, x, case.args, method="hyperdual", return_error=True)
        double = derivative(case.fun, x.astype(float), case.args, method="hyperdual")
        assert found.dtype == error.dtype == np.float32
        assert worst(found, double) <= SINGLE
        assert (np.abs(found - double) <= error).all()


def rosenbrock_gradient(x):
    g = np.zeros(len(x), x.dtype)
    for i in range(len(x) - 1):
        d = x[i + 1] - x[i] ** 2
        g[i] += -400.0 * x[i] * d - 2.0 * (1.0 - x[i])
        g[i + 1] += 200.0 * d
    return g


def test_derivatives_of_a_given_gradient():
    case, exact = problem("rosenbrock 8"), references.load("rosenbrock 8")
    x, v = exact.points, np.ones(8)
    H = fc.hessian(case.fun, x, grad=rosenbrock_gradient, method="hyperdual")
    assert worst(H, exact.hessian) <= WELL_CONDITIONED
    product = fc.hvp(case.fun, x, v, grad=rosenbrock_gradient, method="hyperdual")
    assert worst(product, exact.hessian @ v) <= 2 * WELL_CONDITIONED
    c = fc.curvature(case.fun, x, grad=rosenbrock_gradient, method="hyperdual")
    assert worst(c.gradient, exact.gradient) <= WELL_CONDITIONED
    assert worst(c.eigenvalues, np.linalg.eigvalsh(exact.hessian)) <= 1e-13


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 8, 9, 10, 16, 17, 25])
def test_every_block_shape(n):
    """Blocks that end with the last row and column cover the triangle, for many points and shared within one."""

    def coupled(x):
        s = x[0] ** 3
        for i in range(len(x)):
            for k in range(i):
                s += (i + 1.0) * x[i] ** 2 * x[k] * (k + 2.0)
        return s

    rng = np.random.default_rng(n)
    X = rng.uniform(-1, 1, (5, n))
    expected = np.zeros((5, n, n))
    for i in range(n):
        for k in range(i):
            expected[:, i, i] += 2.0 * (i + 1.0) * X[:, k] * (k + 2.0)
            expected[:, i, k] += 2.0 * (i + 1.0) * X[:, i] * (k + 2.0)
            expected[:, k, i] = expected[:, i, k]
    expected[:, 0, 0] += 6.0 * X[:, 0]
    found = fc.hessian(coupled, X, method="hyperdual")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * max(1.0, np.abs(expected).max()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pace, "WORTH_THREADS", 0.0)
        assert np.array_equal(fc.hessian(coupled, X[2], method="hyperdual"), found[2])
    g = fc.gradient(coupled, X, method="hyperdual")
    np.testing.assert_allclose(g, fc.gradient(coupled, X, order=8), rtol=0, atol=1e-10 * max(1.0, np.abs(g).max()))
