"""Errors of the difference formulas, and of their error estimates, against 50-digit references."""

import math

import in_single
import mpmath
import numpy as np
import pytest
import references
from problems import PROBLEMS
from published import PUBLISHED

import fastcurv as fc
from fastcurv._rounding import add_noise, nearby, of_rows, rounding_of

ORDERS = (2, 4, 6, 8)
# targets: relative max-norm, worst point, smooth and well-scaled functions
HESSIAN = {2: 5e-6, 4: 1e-7, 6: 2e-8, 8: 5e-9}
HESSIAN_FLOAT32 = {2: 5e-2, 4: 3e-2}
GRADIENT = 1e-8
GRADIENT_FLOAT32 = 1e-3
EXACT_FLOAT32 = 8e-6

WELL_SCALED = [problem for problem in PROBLEMS if "ill-conditioned" not in problem.tags]
every_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
well_scaled = pytest.mark.parametrize("problem", WELL_SCALED, ids=lambda problem: problem.name)


def worst(found, expected):
    """max over points of max |found - expected| / max |expected|."""
    axes = tuple(range(1, expected.ndim))
    return (np.abs(found - expected).max(axes) / np.abs(expected).max(axes)).max()


@every_problem
def test_values(problem):
    exact = references.load(problem.name)
    found = fc.value(problem.fun, exact.points, problem.args)
    assert np.abs(found - exact.value).max() <= 1e-13 * np.abs(exact.value).max()


@well_scaled
def test_gradient(problem):
    exact = references.load(problem.name)
    for order in ORDERS:
        found, error = fc.gradient(problem.fun, exact.points, problem.args, order=order, return_error=True)
        assert worst(found, exact.gradient) <= GRADIENT
        assert (np.abs(found - exact.gradient) <= error).mean() >= 0.95  # 120 entries at n = 2; pooled below


@well_scaled
def test_hessian(problem):
    exact = references.load(problem.name)
    for order, bound in HESSIAN.items():
        found, error = fc.hessian(problem.fun, exact.points, problem.args, order=order, return_error=True)
        assert worst(found, exact.hessian) <= bound
        assert np.array_equal(found, found.swapaxes(-1, -2))
        assert (np.abs(found - exact.hessian) <= error).mean() >= 0.95


@pytest.mark.parametrize("derivative", ["gradient", "hessian"])
def test_error_estimates_cover_the_truth_and_do_not_overstate_it(derivative):
    inside, ratios = [], []
    for problem in WELL_SCALED:
        exact = references.load(problem.name)
        for order in ORDERS:
            found, error = getattr(fc, derivative)(
                problem.fun, exact.points, problem.args, order=order, return_error=True
            )
            truth = np.abs(found - getattr(exact, derivative))
            inside.append((truth <= error).ravel())
            ratios.append((error[truth > 0] / truth[truth > 0]).ravel())
    assert np.concatenate(inside).mean() >= 0.99
    assert np.median(np.concatenate(ratios)) <= 30


@pytest.mark.parametrize("name", ["rosenbrock 4", "muller_brown", "tanh regression"])
def test_float32(name):
    problem = next(problem for problem in PROBLEMS if problem.name == name)
    exact = references.load(problem.name)
    points = exact.points.astype(np.float32)
    for order, bound in HESSIAN_FLOAT32.items():
        found = fc.hessian(problem.fun, points, problem.args, order=order, return_error=True)[0]
        assert found.dtype == np.float32
        assert worst(found, exact.hessian) <= bound
    gradient = fc.gradient(problem.fun, points, problem.args, return_error=True)[0]
    assert gradient.dtype == np.float32
    assert worst(gradient, exact.gradient) <= GRADIENT_FLOAT32


def test_exact_derivatives_in_single_precision_and_their_errors():
    """As devices compute those of float32 points. Where gradients nearly vanish, rounding x alone changes as much."""
    single, inside = np.dtype(np.float32), []
    for problem in [*PROBLEMS, *PUBLISHED]:
        exact = references.load(problem.name, single=True)
        x = exact.points.astype(single)
        both = np.concatenate([x, nearby(x, np.empty((0, 0)))])
        _, g, H = in_single.derivatives(problem.fun, both, problem.args)
        lever = np.abs(exact.hessian * exact.points[:, None]).sum(axis=2).max(axis=1)
        size = np.abs(exact.gradient).max(axis=1)
        wrong = np.abs(g[: len(x)] - exact.gradient).max(axis=1)
        assert (wrong <= np.maximum(EXACT_FLOAT32 * size, np.finfo(single).eps * lever)).all(), problem.name
        wrong = np.abs(H[: len(x)] - exact.hessian).max(axis=(1, 2))
        assert (wrong <= EXACT_FLOAT32 * np.abs(exact.hessian).max(axis=(1, 2))).all(), problem.name
        known = x.shape[1] * rounding_of(single, single) * np.abs(H[: len(x)]).max(axis=(1, 2))  # as curvature has it
        assert (np.linalg.norm(H[: len(x)] - exact.hessian, axis=(1, 2)) <= known).all(), problem.name
        for found, truth in ((g, exact.gradient), (H.reshape(len(both), -1), exact.hessian.reshape(len(x), -1))):
            here, there = found[: len(x)], found[len(x) :]
            error = of_rows(here, arithmetic=single)
            add_noise(error, here, there, (1,))
            inside.append((np.abs(here - truth) <= error).ravel())
    assert np.concatenate(inside).mean() >= 0.99


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(problem, id=problem.name, marks=() if k % 8 == 0 else pytest.mark.stress)
        for k, problem in enumerate([*PROBLEMS, *PUBLISHED])
    ],
)
def test_numbers_in_single_precision_and_their_errors(problem):
    """As blocks of devices compute those of float32 points."""
    single = np.dtype(np.float32)
    exact = references.load(problem.name, single=True)
    x = exact.points.astype(single)
    _, g, H, g_error, H_error = in_single.derivatives_by_numbers(problem.fun, x, problem.args)
    assert np.array_equal(x, exact.points)
    lever = np.abs(exact.hessian * exact.points[:, None]).sum(axis=2).max(axis=1)
    size = np.abs(exact.gradient).max(axis=1)
    wrong = np.abs(g - exact.gradient).max(axis=1)
    assert (wrong <= np.maximum(EXACT_FLOAT32 * size, np.finfo(single).eps * lever)).all()
    wrong = np.abs(H - exact.hessian).max(axis=(1, 2))
    assert (wrong <= EXACT_FLOAT32 * np.abs(exact.hessian).max(axis=(1, 2))).all()
    assert (np.abs(g - exact.gradient) <= g_error).all()
    assert (np.abs(H - exact.hessian) <= H_error).all()


def test_four_point_stencil_is_as_accurate():
    problem = next(problem for problem in PROBLEMS if problem.name == "rosenbrock 4")
    exact = references.load(problem.name)
    for order, bound in HESSIAN.items():
        found = fc.hessian(problem.fun, exact.points, order=order, stencil="4-point", return_error=True)[0]
        assert worst(found, exact.hessian) <= bound


def test_products():
    rng = np.random.default_rng(3)
    for name in ("rosenbrock 4", "muller_brown", "tanh regression"):
        problem = next(problem for problem in PROBLEMS if problem.name == name)
        exact = references.load(problem.name)
        v = rng.normal(size=exact.points.shape)
        truth = np.einsum("bij,bj->bi", exact.hessian, v)
        for order, bound in HESSIAN.items():
            found, error = fc.hvp(problem.fun, exact.points, v, problem.args, order=order, return_error=True)
            assert worst(found, truth) <= 5 * bound
            assert (np.abs(found - truth) <= error).mean() >= 0.95


def waves(x, t):
    """Sums whose second derivatives vanish term against term."""
    return np.sum(np.sin(x[0] + t)) + np.sum(np.cos(2.0 * x[1] + t))


@pytest.mark.parametrize("method", ["traced", "hyperdual"])
def test_errors_of_exact_derivatives_where_terms_cancel(method):
    """At a zero of all that is asked for; the reference has 50 digits."""
    t = np.linspace(0.0, 40.0, 300)  # the sums are multiples of the middle term
    x, z = np.array([6.0 * math.pi - 20.0, 3.25 * math.pi - 10.0]), 6.5 * math.pi - 20.0
    with mpmath.workdps(50):
        shifts = [mpmath.mpf(s) for s in t]
        sines, cosines = (mpmath.sin(x[0] + s) for s in shifts), (mpmath.cos(2 * x[1] + s) for s in shifts)
        second = -mpmath.fsum(sines), -4 * mpmath.fsum(cosines)
        exact, first = np.array([float(d) for d in second]), float(mpmath.fsum(mpmath.cos(z + s) for s in shifts))
    v = np.array([1.0, 2.0])
    H, H_error = fc.hessian(waves, x, (t,), method=method, return_error=True)
    Hv, Hv_error = fc.hvp(waves, x, v, (t,), method=method, return_error=True)
    form, form_error = fc.vhv(waves, x, v, (t,), method=method, return_error=True)
    g, g_error = fc.gradient(lambda x, t: np.sum(np.sin(x[0] + t)), [z], (t,), method=method, return_error=True)
    J, J_error = fc.jacobian(lambda x, t: (np.sum(np.sin(x[0] + t)),), [z], (t,), method=method, return_error=True)
    for found, error, true in (
        (H, H_error, np.diag(exact)), (Hv, Hv_error, exact * v), (form, form_error, exact @ v**2),
        (g, g_error, first), (J, J_error, first),
    ):  # fmt: skip
        wrong = np.abs(found - true).max()
        assert wrong <= error.min()
        assert error.max() <= 1e-11  # 300 terms of up to 4
    assert np.array_equal(H_error, H_error.T)


def test_errors_within_bounds_and_beside_what_is_not_finite():
    """The second evaluation stays within bounds, and adds nothing where it has no value."""
    seen = []

    def fun(x):
        return -math.sqrt(1.0 - x[0]) + x[1] ** 2

    x = np.array([[np.nextafter(1.0, 0.0), 1.0], [math.nan, 1.0], [0.5, -2.0]])
    for bounds in (None, ([-1.0, -2.0], [np.nextafter(1.0, 0.0), 2.0])):
        g, error = fc.gradient(fun, x, bounds=bounds, return_error=True)
        assert np.isfinite(g[::2]).all()
        assert np.isfinite(error[::2]).all()
        assert np.isnan(error[1]).all()
        seen.append(error)
    assert (seen[0][2] <= 1e-13).all()
