"""objective: what scipy.optimize.minimize does with it."""

import numpy as np
import pytest
from functions import many_rosenbrock, rosenbrock, rosenbrock_gradient
from scipy.optimize import Bounds, minimize
from scipy.sparse.linalg import LinearOperator

import fastcurv as fc

ARGS = (np.array([1.0, 2.0]), 100)
MINIMUM = np.array([1.0, 1.0])
START = np.array([0.3, 0.4])
BY_METHOD = {
    "Newton-CG": ("hess", "hess_operator", "hessp"),
    "trust-constr": ("hess", "hess_operator", "hessp"),
    "trust-ncg": ("hess", "hessp"),
    "trust-krylov": ("hess", "hessp"),
    "trust-exact": ("hess",),
}
SECOND_ORDER = [(method, what) for method, choices in BY_METHOD.items() for what in choices]


def valley(x, weights, steepness):
    """Rosenbrock's valley and a bowl around the same minimum, (1, 1)."""
    f = steepness * (x[1] - x[0] ** 2) ** 2
    for i in range(len(x)):
        f += weights[i] * (x[i] - 1.0) ** 2
    return f


def valley_gradient(x, weights, steepness):
    d = 2.0 * steepness * (x[1] - x[0] ** 2)
    return (-2.0 * x[0] * d + 2.0 * weights[0] * (x[0] - 1.0), d + 2.0 * weights[1] * (x[1] - 1.0))


def valley_hessian(x, weights, steepness):
    mixed = -4.0 * steepness * x[0]
    first = 12.0 * steepness * x[0] ** 2 - 4.0 * steepness * x[1] + 2.0 * weights[0]
    return np.array([[first, mixed], [mixed, 2.0 * steepness + 2.0 * weights[1]]])


@pytest.fixture(params=[None, valley_gradient], ids=["values", "grad"])
def problem(request):
    return fc.objective(valley, ARGS, grad=request.param)


def test_what_it_gives(problem):
    x, p = np.array([-0.7, 1.3]), np.array([2.0, -1.0])
    g, H = np.array(valley_gradient(x, *ARGS)), valley_hessian(x, *ARGS)
    assert type(problem.fun(x)) is float
    assert problem.fun(x) == pytest.approx(valley(x, *ARGS), rel=1e-15)
    assert problem.jac(x) == pytest.approx(g, rel=1e-8)
    assert problem.hess(x) == pytest.approx(H, rel=1e-5)
    assert problem.hessp(x, p) == pytest.approx(H @ p, rel=1e-5)
    operator = problem.hess_operator(x)
    assert isinstance(operator, LinearOperator)
    assert operator.shape == (2, 2)
    assert operator.dtype == np.float64
    assert operator @ p == pytest.approx(H @ p, rel=1e-5)
    assert operator.T @ p == pytest.approx(H @ p, rel=1e-5)
    assert operator @ np.eye(2) == pytest.approx(H, rel=1e-5)
    assert problem.hess(x.tolist()) == pytest.approx(H, rel=1e-5)


def test_operator_stays_at_its_point(problem):
    """SciPy changes x in place."""
    x = np.array([-0.7, 1.3])
    operator = problem.hess_operator(x)
    before = operator @ np.ones(2)
    x[:] = 5.0
    assert np.array_equal(operator @ np.ones(2), before)


@pytest.mark.parametrize(("method", "what"), SECOND_ORDER)
def test_second_order_methods(problem, method, what):
    found = minimize(
        problem.fun, START, jac=problem.jac, method=method,
        **{"hessp" if what == "hessp" else "hess": getattr(problem, what)},
    )  # fmt: skip
    assert found.success
    assert found.x == pytest.approx(MINIMUM, abs=1e-4)
    assert found.fun == pytest.approx(0.0, abs=1e-8)
    assert found.nit < 60


@pytest.mark.parametrize("method", ["BFGS", "CG", "L-BFGS-B", "TNC", "SLSQP"])
def test_first_order_methods(problem, method):
    found = minimize(problem.fun, START, jac=problem.jac, method=method)
    assert found.success
    assert found.x == pytest.approx(MINIMUM, abs=2e-3)


def test_both_gradients_lead_the_same_way():
    paths = []
    for grad in (None, valley_gradient):
        problem, path = fc.objective(valley, ARGS, grad=grad), []
        minimize(
            problem.fun, START, jac=problem.jac, hess=problem.hess, method="trust-exact",
            callback=lambda x, path=path: path.append(x.copy()),
        )  # fmt: skip
        paths.append(np.array(path))
    assert paths[0] == pytest.approx(paths[1], abs=1e-4)


@pytest.mark.parametrize("method", ["L-BFGS-B", "TNC", "SLSQP"])
def test_bounds(method):
    """The minimum with x_0 <= 1/2 lies on the bound, where stencils are one-sided."""
    bounds = Bounds([-2.0, -2.0], [0.5, 2.0])
    problem = fc.objective(valley, ARGS, bounds=bounds)
    found = minimize(problem.fun, [0.0, 0.0], jac=problem.jac, bounds=bounds, method=method)
    assert found.success
    best = (100 * 0.25 + 2) / 102  # where d/dx_1 = 0
    assert found.x == pytest.approx([0.5, best], abs=2e-3)
    # fun itself is evaluated where SciPy asks; derivatives exist within the bounds alone
    assert np.isnan(problem.jac([0.6, 0.0])).all()
    assert problem.jac([0.5, 0.0]) == pytest.approx(valley_gradient([0.5, 0.0], *ARGS), rel=1e-7)


def test_vectorized_functions():
    grad = fc.vectorized(lambda X: np.array([rosenbrock_gradient(x) for x in X]))
    problem = fc.objective(many_rosenbrock, grad=grad)
    x = np.array([0.5, -0.25, 1.0])
    assert np.array_equal(problem.jac(x), rosenbrock_gradient(x))
    found = minimize(problem.fun, [0.0, 0.0, 0.0], jac=problem.jac, method="BFGS")
    assert found.x == pytest.approx(np.ones(3), abs=1e-4)


def test_options_are_those_of_hessian():
    x = [0.5, 0.5]
    g, H = np.array(valley_gradient(x, *ARGS)), valley_hessian(x, *ARGS)
    errors = {
        order: np.abs(fc.objective(valley, ARGS, method="central", order=order).jac(x) - g).max() for order in (2, 8)
    }
    assert errors[8] < 0.1 * errors[2]
    options = {"method": "central", "stencil": "economical", "abs_step": 0.1}
    coarse = fc.objective(valley, ARGS, **options)
    assert np.array_equal(coarse.hess(x), fc.hessian(valley, x, ARGS, **options))
    assert coarse.hess(x)[0, 0] == pytest.approx(H[0, 0] + 2 * 100 * 0.1**2, rel=1e-8)  # h² f''''/12, f'''' = 24 c
    assert coarse.jac(x)[0] == pytest.approx(g[0] + 4 * 100 * 0.5 * 0.1**2, rel=1e-8)  # h² f'''/6, f''' = 24 c x_0
    assert np.isfinite(coarse.hessp(x, [1.0, 0.0])).all()  # `stencil` is for dense Hessians alone


def test_option_errors():
    with pytest.raises(TypeError, match=r"objective takes the options method, order, .*; got hess, precision"):
        fc.objective(valley, ARGS, precision=3, hess=None)
    x = [0.5, 0.5]
    for options, match in (
        ({"method": "magic"}, "method must be one of"),
        ({"order": 3}, "order must be one of"),
        ({"rel_step": 1e-3, "abs_step": 1e-3}, "exclude each other"),
        ({"noise": -1.0}, "noise must be"),
        ({"bounds": (1.0, 0.0)}, "lower must not exceed upper"),
    ):
        problem = fc.objective(valley, ARGS, **options)
        for call in (problem.jac, problem.hess, lambda x, problem=problem: problem.hessp(x, x)):
            with pytest.raises(ValueError, match=match):
                call(x)
    with pytest.raises(TypeError, match="args must be a tuple"):
        fc.objective(valley, [1.0]).fun(x)
    with pytest.raises(TypeError, match="fun must be callable"):
        fc.objective(3.0).fun(x)


def test_repr():
    assert repr(fc.objective(rosenbrock, order=4)) == "Objective of rosenbrock, order=4"
    assert repr(fc.objective(rosenbrock, grad=rosenbrock_gradient)) == "Objective of rosenbrock, with its own gradient"
