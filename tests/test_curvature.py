"""curvature: analytic answers on quadratic forms, the oracle's read-outs, published critical points."""

import copy
import ctypes
import math
import pickle
import tracemalloc
import warnings
from itertools import product

import numpy as np
import oracle
import pytest
import references
from functions import rosenbrock, rosenbrock_hessian
from numba import carray, cfunc, types
from problems import PROBLEMS

import fastcurv as fc
from fastcurv import landscapes
from fastcurv.landscapes import quadratic_form

EXTRAS = ("eigenvectors", "hessian", "newton_step")
CERTAIN = {(True, False): "POSITIVE", (False, True): "NEGATIVE", (True, True): "INDEFINITE"}
rng = np.random.default_rng(11)
prototype = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, ctypes.POINTER(ctypes.c_double))


def as_c(fun, *args):
    """A Python function as a C one: the same kernel serves them all, and none is compiled."""
    return prototype(lambda n, x: fun([x[i] for i in range(n)], *args))


@pytest.fixture(autouse=True)
def _one_thread():
    """Python functions called from C would only wait for each other."""
    with fc.threads(1):
        yield


def names(enum, codes):
    return [enum(code).name for code in np.ravel(codes)]


# ---- quadratic forms with integers and steps of 1: values and differences are exact


def with_inertia(positive, negative, zero):
    """An integer matrix with so many eigenvalues of each sign: L D L' (Sylvester's law of inertia)."""
    n = positive + negative + zero
    D = rng.permutation([1.0] * positive + [-2.0] * negative + [0.0] * zero)
    L = np.tril(rng.integers(-1, 2, (n, n)), -1) + np.eye(n)
    return (L * D) @ L.T


def integers(*shape):
    return rng.integers(-4, 5, shape).astype(float)


def of_quadratic_forms(A, b, x, **options):
    options = {"abs_step": 1.0, "extra": EXTRAS, **options}
    return fc.curvature(quadratic_form, x, point_args=(np.asarray(A), np.asarray(b)), **options)


INERTIAS = {n: [i for i in product(range(n + 1), repeat=3) if sum(i) == n] for n in (1, 2, 4)}


@pytest.fixture(scope="module", params=INERTIAS)
def forms(request):
    """Every inertia of order n: (inertias, A, b, x, gradients, what curvature finds)."""
    n = request.param
    A = np.array([with_inertia(*inertia) for inertia in INERTIAS[n]])
    b, x = integers(len(A), n) + 0.5, integers(len(A), n)
    return INERTIAS[n], A, b, x, np.einsum("bij,bj->bi", A, x) + b, of_quadratic_forms(A, b, x)


def test_derivatives_of_quadratic_forms(forms):
    _, A, b, x, g, c = forms
    assert np.array_equal(c.hessian, A)
    assert np.abs(c.gradient - g).max() <= 1e-14 * np.abs(g).max()
    assert np.array_equal(c.value, [quadratic_form(*at) for at in zip(x, A, b, strict=True)])
    assert np.array_equal(c.status, np.zeros(len(A)))


def test_spectra_of_quadratic_forms(forms):
    inertias, A, _, _, _, c = forms
    exact = np.linalg.eigvalsh(A)
    assert (np.abs(c.eigenvalues - exact) <= c.eigenvalue_error[:, None]).all()
    assert (c.eigenvalue_error < 1e-10).all()
    assert (np.diff(c.eigenvalues) >= 0).all()
    assert np.array_equal(c.eigenvalue_min, c.eigenvalues[:, 0])
    assert np.array_equal(c.eigenvalue_max, c.eigenvalues[:, -1])
    np.testing.assert_allclose(c.laplacian, np.trace(A, axis1=1, axis2=2), rtol=0, atol=1e-13)
    V = c.eigenvectors
    np.testing.assert_allclose(V.swapaxes(1, 2) @ V, np.broadcast_to(np.eye(A.shape[1]), A.shape), rtol=0, atol=1e-14)
    np.testing.assert_allclose((V * c.eigenvalues[:, None]) @ V.swapaxes(1, 2), A, rtol=0, atol=1e-13)
    assert np.array_equal(c.index, [negative for _, negative, _ in inertias])
    assert np.array_equal(c.nullity, [zero for _, _, zero in inertias])


def test_definiteness_of_quadratic_forms(forms):
    inertias, *_, c = forms
    for (positive, negative, zero), name in zip(inertias, names(fc.Definiteness, c.definiteness), strict=True):
        both = positive > 0 and negative > 0
        expected = CERTAIN[positive > 0, negative > 0] if both or not zero else "SEMIDEFINITE"
        assert name == expected


def test_condition_number_of_quadratic_forms(forms):
    _, A, _, _, _, c = forms
    magnitude = np.abs(np.linalg.eigvalsh(A))
    for k in range(len(A)):
        expected = math.inf if c.nullity[k] > 0 else magnitude[k].max() / magnitude[k].min()
        assert c.condition_number[k] == pytest.approx(expected, rel=1e-10)


def test_newton_steps_of_quadratic_forms_lead_to_their_critical_point(forms):
    """A minimum, a maximum or a saddle; NaN where there is none or many."""
    _, A, b, x, _, c = forms
    for k in range(len(A)):
        if c.nullity[k] > 0:
            assert np.isnan(c.newton_step[k]).all()
        else:
            centre = x[k] + c.newton_step[k]
            np.testing.assert_allclose(A[k] @ centre, -b[k], rtol=0, atol=1e-11)


def test_gradient_steps_of_quadratic_forms(forms):
    """The best step minimises f along -g exactly, the uphill step leads back to the same height."""
    _, A, b, x, g, c = forms
    assert np.linalg.norm(g, axis=1) == pytest.approx(c.gradient_norm, rel=1e-14)
    for k in range(len(A)):
        bend, square = float(g[k] @ A[k] @ g[k]), float(g[k] @ g[k])
        assert c.gradient_curvature[k] == pytest.approx(bend / square, rel=1e-10, abs=1e-12)

        def change(step, k=k):
            return quadratic_form(x[k] - step * g[k], A[k], b[k]) - quadratic_form(x[k], A[k], b[k])

        for step in (0.0, 1e-3, 0.5, 2.0, -1.0):
            terms = abs(step) * square + step**2 * abs(bend)
            assert c.predicted_change(step)[k] == pytest.approx(
                change(step), rel=0, abs=1e-13 * (terms + abs(c.value[k]))
            )
        if bend > 0:
            assert c.optimal_step[k] == pytest.approx(square / bend, rel=1e-10)
            assert c.uphill_step[k] == 2 * c.optimal_step[k]
            lowest = change(c.optimal_step[k])
            assert lowest < 0
            assert min(change(0.99 * c.optimal_step[k]), change(1.01 * c.optimal_step[k])) > lowest
            assert change(0.99 * c.uphill_step[k]) < 0 < change(1.01 * c.uphill_step[k])
        elif bend < 0:
            assert c.optimal_step[k] == c.uphill_step[k] == math.inf


def test_predicted_change_and_rates_broadcast(forms):
    _, A, *_, c = forms
    steps = rng.uniform(0, 1, len(A))
    assert c.predicted_change(steps).shape == (len(A),)
    assert np.array_equal(c.predicted_change(steps)[-1], c.predicted_change(steps[-1])[-1])
    assert c.predicted_change(steps[:, None, None]).shape == (len(A), 1, len(A))
    assert np.array_equal(c.direction_rates(0.25), 1 - 0.25 * c.eigenvalues)
    assert np.array_equal(c.direction_rates(steps), 1 - steps[:, None] * c.eigenvalues)


def test_along_directions(forms):
    _, A, b, x, g, c = forms
    v = integers(*x.shape) + 0.25
    expected = np.einsum("bi,bij,bj->b", v, A, v) / (v**2).sum(1)
    by_vectors = of_quadratic_forms(A, b, x, extra=("eigenvectors",))
    for found in (c, by_vectors):
        np.testing.assert_allclose(found.along(v), expected, rtol=0, atol=1e-13)
        np.testing.assert_allclose(found.along(g), c.gradient_curvature, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.along(1e300 * v), expected, rtol=0, atol=1e-13)
        np.testing.assert_allclose(found.along(1e-300 * v), expected, rtol=0, atol=1e-13)
        np.testing.assert_allclose(found.along(c.eigenvectors[..., -1]), c.eigenvalue_max, rtol=0, atol=1e-13)
        one = found.along(np.ones(x.shape[1], int))
        np.testing.assert_allclose(one, A.sum((1, 2)) / x.shape[1], rtol=0, atol=1e-13)
        assert np.isnan(found.along(np.zeros(x.shape[1]))).all()
        with pytest.raises(ValueError, match=f"v must have {x.shape[1]} coordinates"):
            found.along(np.ones(x.shape[1] + 1))
        with pytest.raises(ValueError, match="v must have"):
            found.along(1.0)


def test_gradient_descent_and_momentum_on_quadratic_forms(forms):
    """The iteration matrices of both methods have the spectral radii that are promised."""
    inertias, A, *_, c = forms
    found = np.stack([c.max_stable_step, c.best_step, c.convergence_rate, *c.heavy_ball])
    for k, (positive, _, _) in enumerate(inertias):
        if positive < A.shape[1]:
            assert np.isnan(found[:, k]).all()
            continue
        stable, best, rate, step, momentum, faster = found[:, k]
        exact = np.linalg.eigvalsh(A[k])
        mu, L = exact[0], exact[-1]
        kappa = L / mu
        assert stable == pytest.approx(2 / L)
        assert best == pytest.approx(2 / (mu + L))
        assert rate == pytest.approx((kappa - 1) / (kappa + 1), abs=1e-12)
        assert np.abs(1 - best * exact).max() == pytest.approx(rate, abs=1e-12)
        assert np.abs(1 - 0.999 * stable * exact).max() < 1 < np.abs(1 - 1.001 * stable * exact).max()
        assert np.abs(c.direction_rates(c.best_step)[k]).max() == pytest.approx(rate, abs=1e-12)
        assert momentum == pytest.approx(faster**2, abs=1e-15)
        assert faster == pytest.approx((math.sqrt(kappa) - 1) / (math.sqrt(kappa) + 1), abs=1e-12)
        assert step == pytest.approx(4 / (math.sqrt(L) + math.sqrt(mu)) ** 2)
        for t in exact:
            iteration = np.array([[1 + momentum - step * t, -momentum], [1.0, 0.0]])
            # at mu and L the roots coincide: the radius moves with the root of the rounding
            assert np.abs(np.linalg.eigvals(iteration)).max() == pytest.approx(faster, abs=1e-6)


def test_oracle_on_quadratic_forms(forms):
    _, A, _, x, g, c = forms
    for k in range(len(A)):
        expected = oracle.read_outs(c.value[k], g[k], A[k], c.eigenvalue_error[k], x[k])
        assert_is_oracle(c, k, expected, 1e-10)


def assert_is_oracle(c, at, expected, tolerance):
    """Every field and method at one point; those near a change of sign are compared as the eigenvalues are."""
    n = len(expected["gradient"])
    bend = np.abs(expected["eigenvalues"]).max()
    for name in (
        "value",
        "gradient",
        "gradient_norm",
        "condition_number",
        "max_stable_step",
        "best_step",
        "eigenvalue_error",
    ):
        np.testing.assert_allclose(getattr(c, name)[at], expected[name], rtol=tolerance, err_msg=name)
    for name in ("eigenvalues", "eigenvalue_min", "eigenvalue_max", "laplacian", "gradient_curvature", "hessian"):
        np.testing.assert_allclose(getattr(c, name)[at], expected[name], rtol=0, atol=tolerance * bend, err_msg=name)
    np.testing.assert_allclose(c.convergence_rate[at], expected["convergence_rate"], rtol=0, atol=tolerance)
    for found, rate in zip(c.heavy_ball, expected["heavy_ball"], strict=True):
        np.testing.assert_allclose(found[at], rate, rtol=tolerance, atol=tolerance)
    if not abs(expected["gradient_curvature"]) <= 1e-6 * bend:
        for name in ("optimal_step", "uphill_step"):
            np.testing.assert_allclose(getattr(c, name)[at], expected[name], rtol=1e3 * tolerance, err_msg=name)
    condition = expected["condition_number"]
    size = np.abs(expected["newton_step"]).max()
    if not math.isfinite(condition) or condition < 1e6:
        newton = expected["newton_step"]
        np.testing.assert_allclose(c.newton_step[at], newton, rtol=0, atol=tolerance * min(condition, 1e6) * size)
    for name in ("index", "nullity"):
        assert getattr(c, name)[at] == expected[name]
    assert fc.Definiteness(c.definiteness[at]).name == expected["definiteness"]
    assert fc.Kind(c.kind[at]).name == expected["kind"]
    change = expected["predicted_change"](0.125)
    scale = 0.125 * expected["gradient_norm"] ** 2 * (1 + bend)
    np.testing.assert_allclose(c.predicted_change(0.125)[at], change, rtol=0, atol=tolerance * scale)
    rates = expected["direction_rates"](0.125)
    np.testing.assert_allclose(c.direction_rates(0.125)[at], rates, rtol=0, atol=tolerance * (1 + bend))
    v = np.arange(1.0, n + 1)
    np.testing.assert_allclose(c.along(v)[at], expected["along"](v), rtol=0, atol=tolerance * bend)


@pytest.mark.parametrize("power", [600, -600, 900, -900])
def test_scales_at_which_squares_over_and_underflow(power):
    """f 2^k: eigenvalues and gradients times 2^k, steps times 2^-k, everything else the same, to the last bit."""
    A, b, x = [], [], []
    for inertia in INERTIAS[4]:
        A.append(with_inertia(*inertia))
        b.append(integers(4) + 0.5)
        x.append(integers(4))
    A, b, x = np.array(A), np.array(b), np.array(x)
    plain = of_quadratic_forms(A, b, x)
    s = 2.0**power
    scaled = of_quadratic_forms(s * A, s * b, x)
    for name in (
        "value",
        "gradient",
        "hessian",
        "eigenvalues",
        "eigenvalue_error",
        "gradient_norm",
        "laplacian",
        "gradient_curvature",
    ):
        assert np.array_equal(getattr(scaled, name), s * getattr(plain, name), equal_nan=True), name
    for name in (
        "index",
        "nullity",
        "definiteness",
        "kind",
        "status",
        "condition_number",
        "convergence_rate",
        "newton_step",
        "eigenvectors",
    ):
        assert np.array_equal(getattr(scaled, name), getattr(plain, name), equal_nan=True), name
    for name in ("optimal_step", "uphill_step", "max_stable_step", "best_step"):
        assert np.array_equal(s * getattr(scaled, name), getattr(plain, name), equal_nan=True), name
    np.testing.assert_array_equal(scaled.heavy_ball.rate, plain.heavy_ball.rate)
    np.testing.assert_array_equal(s * scaled.heavy_ball.step, plain.heavy_ball.step)
    np.testing.assert_array_equal(scaled.predicted_change(0.125 / s), s * plain.predicted_change(0.125))
    np.testing.assert_array_equal(scaled.along(b), s * plain.along(b))


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e170, 1e300])
def test_gradients_that_square_to_nothing_or_infinity(size):
    """g'g under- or overflows where the Hessian is of size one."""
    A, g = np.diag([2.0, 3.0])[None], np.array([[3.0, -4.0]]) * size
    c = of_quadratic_forms(A, g, np.zeros((1, 2)), grad=quadratic_gradient)
    assert c.gradient_norm == pytest.approx(5 * size, abs=0)
    if size < 1:  # else all of the curvature is lost to rounding
        assert c.gradient_curvature == pytest.approx((9 * 2 + 16 * 3) / 25)
        assert c.optimal_step == pytest.approx(25 / 66)
        assert c.uphill_step == pytest.approx(50 / 66)
        assert c.predicted_change(0.1) == pytest.approx(0.0, abs=size)
        np.testing.assert_allclose(c.newton_step, -g / [2.0, 3.0], rtol=1e-12)


def test_zero_gradient():
    """At a critical point a gradient step has no direction: its steps are NaN, and predict no change."""
    c = of_quadratic_forms(with_inertia(2, 1, 0)[None], np.zeros((1, 3)), np.zeros((1, 3)))
    for name in ("gradient_curvature", "optimal_step", "uphill_step"):
        assert np.isnan(getattr(c, name)).all()
    assert c.gradient_norm == 0.0
    assert c.predicted_change(3.0) == 0.0
    assert names(fc.Kind, c.kind) == ["SADDLE"]
    assert np.array_equal(c.newton_step, np.zeros((1, 3)))


def test_all_zero():
    """f = 0: no sign is certain."""
    c = of_quadratic_forms(np.zeros((1, 3, 3)), np.zeros((1, 3)), np.ones((1, 3)))
    assert c.eigenvalue_error == 0.0
    assert (c.index, c.nullity) == (0, 3)
    assert names(fc.Definiteness, c.definiteness) == ["SEMIDEFINITE"]
    assert names(fc.Kind, c.kind) == ["INCONCLUSIVE"]
    assert c.condition_number == math.inf
    assert np.isnan(c.newton_step).all()
    assert np.isnan([c.max_stable_step, c.best_step, c.convergence_rate, *c.heavy_ball]).all()


def test_linear_function_is_regular():
    c = of_quadratic_forms(np.zeros((1, 2, 2)), np.array([[3.0, -1.0]]), integers(1, 2), abs_step=None)
    assert names(fc.Kind, c.kind) == ["REGULAR"]
    assert c.nullity == 2
    assert c.optimal_step > 1e6


# ---- against the oracle, general functions


@pytest.mark.parametrize(
    "problem",
    [
        p
        for p in PROBLEMS
        if p.name in ("rosenbrock 4", "muller_brown", "styblinski_tang 4", "logistic", "lennard_jones 4")
    ],
    ids=lambda p: p.name,
)
def test_oracle_at_general_points(problem):
    x = problem.points[:8]
    c = fc.curvature(as_c(problem.fun, *problem.args), x, extra=EXTRAS)
    for k in range(len(x)):
        expected = oracle.read_outs(c.value[k], c.gradient[k], c.hessian[k], c.eigenvalue_error[k], x[k])
        assert_is_oracle(c, k, expected, 1e-9)
        assert c.value[k] == problem.fun(x[k].tolist(), *problem.args)
        np.testing.assert_allclose(
            c.gradient[k], oracle.gradient(lambda y: problem.fun(y, *problem.args), x[k], 4), rtol=1e-5, atol=1e-6
        )


def test_eigenvalue_error_is_weyls():
    for order in (2, 6):
        x = rng.uniform(-1.5, 1.5, (5, 3))
        c = fc.curvature(as_c(rosenbrock), x, order=order)
        for k in range(5):
            E = oracle.hessian_error(rosenbrock, x[k], order)
            expected = oracle.eigenvalue_error(E, c.eigenvalues[k])
            # the differences of the formulas are rounded in another way
            assert 0.2 * expected <= c.eigenvalue_error[k] <= 5 * expected


@pytest.mark.parametrize("n", [1, 2, 9])
def test_lanes_are_read_as_matrices_in_memory_are(n):
    """Hessians that stay in lanes, of traced functions, and those of hyper-dual numbers; full and ragged groups."""

    def fun(x, a, scale):
        s = 0.0
        for i in range(len(x)):
            s += scale * (x[i] ** 4 - a[i] * x[i] ** 2) + x[i] * x[i - 1] + math.log(1.5 + x[0])
        return s

    for count in (35, 1, 7, 8, 9, 16, 17):  # the first one is told from the compiled function
        x = rng.uniform(-1.0, 1.0, (count, n))
        x[count // 2, 0] = -1.75  # the logarithm is NaN
        x[count // 3, n - 1] = 0.99
        scale = rng.uniform(0.5, 1.0, count)
        common = {"args": (np.linspace(-1.0, 2.0, n),), "point_args": (scale,), "bounds": (-2.0, 0.95)}
        traced, numbers = (fc.curvature(fun, x, method=method, **common) for method in ("traced", "hyperdual"))
        for name in ("index", "nullity", "kind", "status"):
            assert np.array_equal(getattr(traced, name), getattr(numbers, name)), name
        for name in ("value", "gradient", "eigenvalues", "eigenvalue_error", "gradient_curvature"):
            found, expected = getattr(traced, name), getattr(numbers, name)
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12 * (1 + n), err_msg=name)
        if n < 9:
            continue
        some = fc.curvature(fun, x, method="traced", extra=("eigenvectors", "newton_step"), **common)
        kept = fc.curvature(fun, x, method="traced", extra=EXTRAS, **common)
        for name in ("eigenvectors", "newton_step", "eigenvalues", "index"):
            np.testing.assert_allclose(getattr(some, name), getattr(kept, name), rtol=1e-9, atol=1e-9, err_msg=name)


def test_points_that_are_not_finite():
    A, b = np.array([with_inertia(2, 1, 0)] * 5), integers(5, 3)
    x = integers(5, 3)
    A[1, 0, 0], b[3, 2], x[4, 1] = np.nan, np.inf, np.nan
    c = of_quadratic_forms(A, b, x)
    assert c.status.tolist() == [0, -3, 0, -3, -3]
    for k in (1, 3, 4):
        assert_is_oracle(c, k, oracle._invalid(c.value[k], 3), 0.0)
        assert np.isnan(c.eigenvectors[k]).all()
    fine = [0, 2]
    alone = of_quadratic_forms(A[fine], b[fine], x[fine])
    for name in ("value", "gradient", "eigenvalues", "eigenvectors", "newton_step", "eigenvalue_error", "kind"):
        assert np.array_equal(getattr(alone, name), getattr(c, name)[fine])
    assert set(c.status.tolist()) <= set(fc.STATUS)


@pytest.mark.parametrize("extra", [(), ("hessian",)])
def test_derivatives_that_overflow_are_not_finite(extra):
    """f is finite at every point of the stencil, but not its first difference, its second, or a spectrum."""
    big = 1e308
    functions = [
        lambda x: big * max(-1.0, min(1.0, x[0])) + x[1],
        lambda x: 1.5 * big * math.cos(math.pi * x[0]) + x[1],
        lambda x: 0.4 * big * (x[0] ** 2 + x[1] ** 2 - x[0] * x[1]),
    ]
    for fun in functions:
        c = fc.curvature(as_c(fun), [0.0, 0.0], abs_step=1.0, extra=extra)
        if c.status == 0:
            assert np.isfinite(c.gradient).all()
            assert np.isfinite(c.eigenvalues).all()
            assert np.isfinite(c.eigenvalue_error)
            continue
        assert c.status == -3
        assert np.isfinite(c.value)
        assert c.index == c.nullity == c.kind == c.definiteness == -1
        for name in ("gradient", "eigenvalues", "eigenvalue_error", "gradient_curvature", *extra):
            assert np.isnan(getattr(c, name)).all(), name


# ---- published critical points

KNOWN = [
    *((name, 2) for name in ("beale", "booth", "goldstein_price", "himmelblau", "muller_brown", "six_hump_camel")),
    *((name, n) for name in ("rastrigin", "styblinski_tang") for n in (1, 2, 4)),
    *(("rosenbrock", n) for n in (2, 4, 7)),
    *((name, n) for name in ("griewank", "levy", "michalewicz") for n in (1, 3)),
]


@pytest.mark.parametrize(("name", "n"), KNOWN)
def test_kind_of_published_critical_points(name, n):
    fun = getattr(landscapes, name)
    points = landscapes.critical_points(fun, n)
    x = np.array([p.x for p in points])
    expected = [p.kind.upper() for p in points]
    c = fc.curvature(as_c(fun), x)
    assert names(fc.Kind, c.kind) == expected
    at_a_minimum = np.array(expected) == "MINIMUM"
    assert np.array_equal(c.definiteness == fc.Definiteness.POSITIVE, at_a_minimum)
    aside = fc.curvature(as_c(fun), x + 0.02)
    assert names(fc.Kind, aside.kind) == ["REGULAR"] * len(x)


def test_critical_tol():
    """max |g_i| s_i against critical_tol max |H_ij| s_i s_j, s_i = max(1, |x_i|)."""
    A = np.array([[2.0, 1.0], [1.0, 4.0]])
    for size, x in ((1.0, [0.5, 0.25]), (1e-30, [0.5, 0.25]), (1e30, [0.5, 0.25]), (1.0, [10.0, 3.0])):
        x = np.array(x)
        s = np.maximum(1, np.abs(x))
        g = np.array([0.5, -0.75])
        ratio = np.abs(g * s).max() / np.abs(A * np.outer(s, s)).max()
        for factor, kind in ((1.01, "MINIMUM"), (0.99, "REGULAR")):
            c = of_quadratic_forms(size * A[None], size * (g - A @ x)[None], x[None], critical_tol=factor * ratio)
            assert names(fc.Kind, c.kind) == [kind]
    at = of_quadratic_forms(A[None], np.zeros((1, 2)), np.zeros((1, 2)), critical_tol=0)
    assert names(fc.Kind, at.kind) == ["MINIMUM"]
    shifted = fc.curvature(as_c(lambda x: 1e6 + x[0] ** 2 + x[1] ** 2), [0.0, 0.0])  # |f| must not matter
    assert names(fc.Kind, shifted.kind) == ["MINIMUM"]
    steep = fc.curvature(lambda x: math.exp(x[0]), [[690.0], [700.0], [709.0]])  # H s² overflows
    assert names(fc.Kind, steep.kind) == ["REGULAR"] * 3
    for wrong in (-1.0, math.nan, "small", (1.0, 2.0)):
        with pytest.raises(ValueError, match="critical_tol must be"):
            of_quadratic_forms(A[None], np.zeros((1, 2)), np.zeros((1, 2)), critical_tol=wrong)


# ---- the bound of the error


def test_eigenvalue_error_bounds_the_error():
    inside, ratios = [], []
    for problem in PROBLEMS:
        exact = references.load(problem.name)
        truth = np.linalg.eigvalsh(exact.hessian)
        for order in (2, 6):
            c = fc.curvature(as_c(problem.fun, *problem.args), exact.points[:12], order=order)
            error = np.abs(c.eigenvalues - truth[:12]).max(axis=1)
            inside.append(error <= c.eigenvalue_error)
            ratios.append(c.eigenvalue_error / error)
    assert np.concatenate(inside).mean() >= 0.99
    assert np.median(np.concatenate(ratios)) <= 100


# ---- extra fields


def test_extra_fields_come_when_they_are_asked_for():
    A, b, x = with_inertia(2, 1, 0)[None], integers(1, 3), integers(1, 3)
    plain = of_quadratic_forms(A, b, x, extra=())
    everything = of_quadratic_forms(A, b, x)
    for name in EXTRAS:
        assert not hasattr(plain, name)
        with pytest.raises(AttributeError, match=rf"{name} was not computed; .*extra=\('{name}',\)"):
            getattr(plain, name)
        assert name not in dir(plain)
        one = of_quadratic_forms(A, b, x, extra=[name])
        np.testing.assert_array_equal(getattr(one, name), getattr(everything, name))
        assert name in dir(one)
        assert [other for other in EXTRAS if hasattr(one, other)] == [name]
    with pytest.raises(AttributeError, match=r"hessian was not computed; .*extra=\('hessian',\)"):
        plain.along(np.ones(3))
    with pytest.raises(AttributeError, match="has no field 'hesian'"):
        _ = plain.hesian
    for name in ("value", "gradient", "index", "status"):
        assert np.array_equal(getattr(plain, name), getattr(everything, name))
    np.testing.assert_allclose(plain.eigenvalues, everything.eigenvalues, rtol=0, atol=1e-13)
    assert {"eigenvalues", "kind", "heavy_ball", "nullity"} <= set(dir(plain))


@pytest.mark.parametrize("extra", ["hessian", ("hesian",), ("hessian", 1), ("kind",), None, 3])
def test_wrong_extra(extra):
    with pytest.raises(ValueError, match="extra must be a tuple of names"):
        of_quadratic_forms(np.zeros((1, 2, 2)), np.zeros((1, 2)), np.zeros((1, 2)), extra=extra)


# ---- memory


@cfunc(types.float64(types.intc, types.CPointer(types.float64)))
def c_rosenbrock(n, pointer):
    x = carray(pointer, (n,))
    f = 0.0
    for i in range(n - 1):
        f += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return f


def test_memory_has_no_squares():
    N, n = 2000, 40
    x = rng.uniform(-1, 1, (N, n))
    fc.curvature(c_rosenbrock.ctypes, x[:2])
    tracemalloc.start()
    try:
        c = fc.curvature(c_rosenbrock.ctypes, x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * N * n * 8 < 0.2 * N * n**2 * 8
    some = [0, 999, 1999]
    exact = np.linalg.eigvalsh([rosenbrock_hessian(x[k]) for k in some])
    assert (np.abs(c.eigenvalues[some] - exact) <= c.eigenvalue_error[some, None]).all()


# ---- shapes and types


def test_float32():
    A = np.array([with_inertia(*inertia) for inertia in INERTIAS[4]])
    b, x = integers(len(A), 4) + 0.5, integers(len(A), 4)
    double = of_quadratic_forms(A, b, x)
    single = of_quadratic_forms(A, b, x.astype(np.float32))
    for name in (
        *EXTRAS, "value", "gradient", "eigenvalues", "eigenvalue_error", "eigenvalue_min", "eigenvalue_max",
        "gradient_norm", "laplacian", "condition_number", "gradient_curvature", "optimal_step", "uphill_step",
        "max_stable_step", "best_step", "convergence_rate",
    ):  # fmt: skip
        assert getattr(double, name).dtype == np.float64, name
        assert getattr(single, name).dtype == np.float32, name
    for part in (*single.heavy_ball, single.predicted_change(0.5), single.direction_rates(0.5)):
        assert part.dtype == np.float32
    for found in (single, double):
        dtypes = [getattr(found, name).dtype for name in ("index", "nullity", "definiteness", "kind", "status")]
        assert dtypes == [np.int16, np.int16, np.int8, np.int8, np.int8]
    error = single.eigenvalue_error
    assert (np.abs(single.eigenvalues - double.eigenvalues) <= error[:, None]).all()
    assert np.array_equal(single.hessian, A)
    certain = (
        np.abs(double.eigenvalues).min(axis=1, where=np.abs(double.eigenvalues) > 1e-9, initial=np.inf) > 2 * error
    )
    assert certain.sum() > 5
    for name in ("index", "nullity", "definiteness"):
        assert np.array_equal(getattr(single, name)[certain], getattr(double, name)[certain])


@pytest.mark.parametrize("method", ["traced", "hyperdual"])
@pytest.mark.parametrize("extra", [(), ("hessian",), ("eigenvectors",)])
def test_errors_of_float32_are_those_of_what_is_returned(method, extra):
    """However results are made: eigenvalues below what float32 resolves beside the largest have no sign."""
    c = fc.curvature(uneven, np.array([[0.3, 0.4], [1.5, -2.0]], np.float32), method=method, extra=extra)
    exact = np.array([1e-9, 1 / 3])
    assert (np.abs(c.eigenvalues.astype(float) - exact) <= c.eigenvalue_error[:, None]).all()
    assert (c.eigenvalue_error < 1e-7).all()
    assert (c.nullity == 1).all()
    assert (c.definiteness == fc.Definiteness.SEMIDEFINITE).all()


def entangled(x):
    s = 0.0
    for i in range(len(x)):
        if x[i] > 9:  # numbers serve
            return s
        s += math.sin(x[i] * x[i - 1]) + x[i] ** 4
    return s


def test_errors_do_not_depend_on_how_few_points_are_shared_out():
    x = np.random.default_rng(0).normal(size=(70, 24)).astype(np.float32)
    error = fc.curvature(entangled, x).eigenvalue_error
    found = {float(fc.curvature(entangled, x[:1]).eigenvalue_error[0]) for _ in range(50)}
    assert found == {float(error[0])}


def entangled_gradient(x):
    g = np.zeros(len(x), x.dtype)
    for i in range(len(x)):
        slope = math.cos(x[i] * x[i - 1])
        g[i] += slope * x[i - 1] + 4 * x[i] ** 3
        g[i - 1] += slope * x[i]
    return g


@pytest.mark.parametrize("method", ["central", "hyperdual"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_results_by_a_gradient_do_not_depend_on_how_few_points_are_shared_out(method, dtype):
    x = np.random.default_rng(1).normal(size=(40, 24)).astype(dtype)
    options = {"grad": entangled_gradient, "method": method}
    H, E = fc.hessian(entangled, x, return_error=True, **options)
    error = fc.curvature(entangled, x, **options).eigenvalue_error
    for _ in range(10):
        few_H, few_E = fc.hessian(entangled, x[:2], return_error=True, **options)
        assert np.array_equal(few_H, H[:2])
        assert np.array_equal(few_E, E[:2])
        assert np.array_equal(fc.curvature(entangled, x[:2], **options).eigenvalue_error, error[:2])


def uneven(x):
    return x[0] ** 2 / 6 + 0.5e-9 * x[1] ** 2


def test_float32_overflow_is_not_finite_and_silent():
    c = of_quadratic_forms(1e200 * np.eye(2)[None], np.zeros((1, 2)), np.ones((1, 2), np.float32))
    assert np.isnan(c.eigenvalues).all()
    assert (c.index, c.status) == (-1, -3)
    for name in ("gradient_norm", "condition_number", "optimal_step", "max_stable_step", "kind", "laplacian"):
        getattr(c, name)


def test_batch_shapes():
    A, b = with_inertia(2, 0, 0), integers(2)
    fields = {"value": (), "gradient": (2,), "eigenvalues": (2,), "eigenvectors": (2, 2), "hessian": (2, 2)}
    fields |= {"newton_step": (2,), "kind": (), "condition_number": (), "optimal_step": (), "status": ()}
    fields |= {"eigenvalue_min": (), "laplacian": (), "gradient_norm": (), "best_step": (), "definiteness": ()}
    points = integers(3, 4, 2)
    whole = None
    for batch in ((3, 4), (12,), (2, 1, 6), (0,), (3, 0), (0, 0)):
        x = points.reshape(*batch, 2) if np.prod(batch) else np.empty((*batch, 2))
        c = of_quadratic_forms(np.broadcast_to(A, (*batch, 2, 2)), np.broadcast_to(b, (*batch, 2)), x)
        whole = c if whole is None else whole
        for name, inner in fields.items():
            found = np.asarray(getattr(c, name))
            assert found.shape == (*batch, *inner), name
            if found.size:
                assert np.array_equal(found.ravel(), getattr(whole, name).ravel(), equal_nan=True)
        assert c.direction_rates(1.0).shape == (*batch, 2)
        assert c.predicted_change(1.0).shape == c.along(np.ones(2)).shape == batch
        assert f"of {12 * bool(np.prod(batch))} points with 2 coordinates" in repr(c)
        assert repr(c).endswith("coordinates" if 0 in batch else ": 12 POSITIVE; 12 REGULAR")
    one = of_quadratic_forms(A, b, points[0, 0])
    for name, inner in fields.items():
        assert np.shape(getattr(one, name)) == inner
        assert np.array_equal(getattr(one, name), getattr(whole, name)[0, 0], equal_nan=True)
    assert one.heavy_ball.rate.shape == one.along([1.0, 0.0]).shape == ()
    assert "1 point with 2 coordinates: 1 POSITIVE; 1 REGULAR\n" in repr(one)
    assert f"\nvalue {one.value:.6g}, gradient norm " in repr(one)
    assert f", eigenvalues {one.eigenvalue_min:.6g} to {one.eigenvalue_max:.6g}, error " in repr(one)
    for name in ("laplacian", "uphill_step", "max_stable_step", "best_step", "convergence_rate", "eigenvalue_min"):
        assert isinstance(getattr(one, name), np.ndarray), name
    assert all(isinstance(found, np.ndarray) for found in one.heavy_ball)


def test_copies():
    c = of_quadratic_forms(with_inertia(1, 1, 0)[None], integers(1, 2), integers(1, 2))
    for other in (pickle.loads(pickle.dumps(c)), copy.copy(c), copy.deepcopy(c)):
        assert np.array_equal(other.hessian, c.hessian)
        assert np.array_equal(other.kind, c.kind)
        assert repr(other) == repr(c)


# ---- how derivatives are taken


def test_orders():
    x = rng.uniform(-1.2, 1.2, (10, 4))
    H = np.array([rosenbrock_hessian(point) for point in x])
    exact = np.linalg.eigvalsh(H)
    size = np.abs(exact).max()
    for order, bound in {2: 5e-6, 4: 1e-7, 6: 2e-8, 8: 5e-9}.items():
        c = fc.curvature(c_rosenbrock.ctypes, x, order=order)
        error = np.abs(c.eigenvalues - exact)
        assert error.max() <= bound * size
        assert (error <= c.eigenvalue_error[:, None]).all()


def test_bounds_and_forward_differences():
    """Linear and quadratic functions have no truncation error, so bounds must not show."""
    A, b = with_inertia(2, 1, 0), integers(3) + 0.5
    fun = as_c(quadratic_form, A, b)
    x = np.array([[0.0, 0, 0], [4, 4, 4], [0, 4, 2], [2, 2, 2], [5, 0, 0]])
    plain = fc.curvature(fun, x, abs_step=1.0, extra=EXTRAS)
    inside = fc.curvature(fun, x, abs_step=1.0, extra=EXTRAS, bounds=(0.0, 4.0))
    assert inside.status.tolist() == [0, 0, 0, 0, -5]
    forward = fc.curvature(fun, x, abs_step=1.0, extra=EXTRAS, method="forward")
    default = fc.curvature(fun, x, extra=EXTRAS, method="forward")
    for c, tolerance in ((inside, 1e-11), (forward, 1e-11), (default, 1e-2)):
        ok = c.status == 0
        for name in ("hessian", "eigenvalues", "newton_step", "gradient_curvature"):
            np.testing.assert_allclose(getattr(c, name)[ok], getattr(plain, name)[ok], rtol=0, atol=tolerance)
        error = c.eigenvalue_error + plain.eigenvalue_error
        assert (np.abs(c.eigenvalues - plain.eigenvalues)[ok] <= error[ok, None]).all()
        for name in ("index", "nullity", "definiteness", "kind"):
            assert np.array_equal(getattr(c, name)[ok], getattr(plain, name)[ok])
    assert_is_oracle(inside, 4, oracle._invalid(np.nan, 3), 0.0)


@pytest.mark.parametrize("order", [2, 4, 6, 8])
def test_shrunk_stencils_stay_within_their_bounds(order):
    """To the last bit: x + k h must not be rounded to beyond a bound."""
    seen = []

    def recorded(x):
        seen.append(x)
        return x[0] * x[1]

    fun = as_c(recorded)
    for _ in range(60):
        x = rng.uniform(-1, 1, 2) * 10.0 ** rng.integers(-6, 6, 2) * rng.integers(0, 2, 2)
        room = rng.uniform(0, 1, (2, 2)) * 10.0 ** rng.integers(-12, 0, (2, 2))
        room[rng.random((2, 2)) < 0.3] = 1e-5
        lower, upper = x - room[0], x + room[1]
        seen.clear()
        fc.curvature(fun, x, bounds=(lower, upper), order=order)
        assert (np.array(seen) >= lower).all()
        assert (np.array(seen) <= upper).all()


def quadratic_gradient(x, A, b):
    if x[0] > 1e3:
        raise ValueError("too far")
    g = np.empty(len(x))
    for i in range(len(x)):
        g[i] = b[i]
        for j in range(len(x)):
            g[i] += A[i, j] * x[j]
    return g


def test_user_gradient():
    A = np.array([with_inertia(*inertia) for inertia in INERTIAS[4]])
    b, x = integers(len(A), 4) + 0.5, integers(len(A), 4)
    plain = of_quadratic_forms(A, b, x)
    c = of_quadratic_forms(A, b, x, grad=quadratic_gradient, abs_step=None)
    assert np.array_equal(c.gradient, np.einsum("bij,bj->bi", A, x) + b)
    assert np.array_equal(c.value, plain.value)
    assert np.array_equal(c.hessian, c.hessian.swapaxes(1, 2))
    assert (np.abs(c.eigenvalues - plain.eigenvalues) <= c.eigenvalue_error[:, None]).all()
    for name in ("index", "nullity", "definiteness", "kind"):
        assert np.array_equal(getattr(c, name), getattr(plain, name))
    # a critical point, whose gradient is rounding alone
    centre = np.array([[0.1, 0.2, 0.3, 0.4]])
    at = of_quadratic_forms(
        A[:1], -np.einsum("bij,bj->bi", A[:1], centre), centre, grad=quadratic_gradient, abs_step=None
    )
    assert names(fc.Kind, at.kind) in (["MINIMUM"], ["MAXIMUM"], ["INCONCLUSIVE"])


def test_noise_widens_the_bound():
    x = np.full((3, 2), 0.5)
    level = np.array([0.0, 1e-9, 1e-4])
    c = fc.curvature(c_rosenbrock.ctypes, x, noise=level, abs_step=1e-2, order=6, stencil="economical")
    assert (np.diff(c.eigenvalue_error) > 0).all()
    assert (c.eigenvalue_error >= 2 * level / 1e-4).all()
    exact = np.linalg.eigvalsh(rosenbrock_hessian(x[0]))
    assert (np.abs(c.eigenvalues - exact) <= c.eigenvalue_error[:, None]).all()


def test_user_gradient_that_raises():
    A, b = np.array([with_inertia(2, 0, 0)] * 3), integers(3, 2)
    c = of_quadratic_forms(A, b, [[0.0, 0.0], [1e4, 0.0], [1e3, 0.0]], grad=quadratic_gradient)
    assert c.status.tolist() == [0, -6, -6]  # the last within the stencil
    assert c.index.tolist() == [0, -1, -1]
    assert np.isnan(c.gradient[1:]).all()
    assert np.isnan(c.newton_step[1:]).all()


def test_steps_and_rates_at_the_ends_of_the_range():
    """Sums of eigenvalues overflow before their means do; nothing is said of what is infinite."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        c = fc.curvature(lambda x: 8e307 * x[0] ** 2 + 7e307 * x[1] ** 2, [0.0, 0.1])
        mu, L = 1.4, 1.6  # times 1e308
        np.testing.assert_allclose(c.best_step, 2 / (mu + L) * 1e-308, rtol=1e-10)
        np.testing.assert_allclose(c.convergence_rate, (L - mu) / (L + mu), rtol=1e-10)
        step = (2 / (math.sqrt(L) + math.sqrt(mu))) ** 2 * 1e-308
        np.testing.assert_allclose(c.heavy_ball.step, step, rtol=1e-10)
        flat = fc.curvature(lambda x: 1e-40 * x[0] ** 2, np.ones((2, 1), np.float32))
        for found in (flat.optimal_step, flat.uphill_step, flat.best_step, flat.max_stable_step):
            assert np.isinf(found).all()
        flat.direction_rates(1e60)
        assert fc.curvature(lambda x: 5e-311 * x[0] ** 2 + 1e10 * x[1] ** 2, [1.0, 1.0]).condition_number == np.inf
